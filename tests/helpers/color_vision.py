"""Color differences and simulated color blindness, from their published formulas."""

import math

import numpy as np

# Machado, Oliveira & Fernandes (2009), Table 1 at severity 1.0, for linear sRGB.
MACHADO = {
    "normal": np.eye(3),
    "protan": np.array([
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]),
    "deutan": np.array([
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]),
    "tritan": np.array([
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ]),
}  # fmt: skip
# IEC 61966-2-1, and its white D65.
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = TO_XYZ @ np.ones(3)


def read_linear(color: str) -> np.ndarray:
    """Return ``#RRGGBB`` as linear sRGB."""
    levels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def find_lab(color: str, vision: str = "normal") -> np.ndarray:
    """Return CIELAB (1976) of a color as it looks to one kind of vision."""
    linear = np.clip(MACHADO[vision] @ read_linear(color), 0, 1)
    ratio = TO_XYZ @ linear / WHITE
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def measure_ciede2000(one: np.ndarray, other: np.ndarray) -> float:
    """Return the CIEDE2000 difference of two CIELAB colors (Sharma, Wu & Dalal, 2005)."""
    chroma = (math.hypot(*one[1:]) + math.hypot(*other[1:])) / 2
    g = 0.5 * (1 - math.sqrt(chroma**7 / (chroma**7 + 25**7)))
    a1 = (1 + g) * one[1]
    a2 = (1 + g) * other[1]
    c1 = math.hypot(a1, one[2])
    c2 = math.hypot(a2, other[2])
    h1 = math.degrees(math.atan2(one[2], a1)) % 360
    h2 = math.degrees(math.atan2(other[2], a2)) % 360
    dl = other[0] - one[0]
    dc = c2 - c1
    turn = 0.0
    if c1 * c2:
        turn = (h2 - h1 + 180) % 360 - 180
    dh = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn) / 2)
    light = (one[0] + other[0]) / 2
    c = (c1 + c2) / 2
    h = h1 + h2
    if c1 * c2:
        h = (h1 + h2) / 2
        if abs(h1 - h2) > 180:
            h += 180 if h1 + h2 < 360 else -180
    t = (
        1
        - 0.17 * math.cos(math.radians(h - 30))
        + 0.24 * math.cos(math.radians(2 * h))
        + 0.32 * math.cos(math.radians(3 * h + 6))
        - 0.20 * math.cos(math.radians(4 * h - 63))
    )
    sl = 1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2)
    sc = 1 + 0.045 * c
    sh = 1 + 0.015 * c * t
    rc = 2 * math.sqrt(c**7 / (c**7 + 25**7))
    rt = -math.sin(math.radians(60 * math.exp(-(((h - 275) / 25) ** 2)))) * rc
    return math.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rt * (dc / sc) * (dh / sh))
