"""Colors, fonts and number formats of every picture."""

import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import cycle
from typing import Any

import numpy as np

INK = "#1B2430"
MUTED = "#5B6675"
FAINT = "#98A2B0"
CARD = "#FFFFFF"
CARD_LINE = "#B8C0CB"
EMPTY = "#EDF0F4"
EDGE = "#6B7685"
SHORTCUT = "#A3ADBA"
CEILING = "#DDE1E6"
CLUSTER_FILLS = ("#F5F7FA", "#ECEFF4", "#E3E8EF")
CLUSTER_LINES = ("#DCE1E8", "#CFD6DF", "#C2CAD5")

# Evenly spaced in CAM02-UCS, so equal steps of score look equal; lightness stays monotone for the
# three anomalies of color vision.
RAMP = (
    "#FAF6E9", "#E4E5CC", "#CDD8B1", "#B1CD9F", "#93C497", "#74BC96", "#59B29B", "#44A8A0",
    "#369DA6", "#3291AC", "#3985B0", "#4277B3", "#4B67B4", "#5456B2", "#5943AA", "#583099",
    "#511C83",
)  # fmt: skip
# Chosen so that each color of the ramp is one of them.
N_COLORS = 1025

KNOWN_REGIONS = {"V1": "#C8431B", "V2": "#946300", "V4": "#1F7A4D", "IT": "#B01E6E"}
OTHER_REGIONS = ("#2456A6", "#6B3FA0", "#00707A", "#7A4B2A", "#4F6B00", "#A3262A")

FONT = "Arial"
FONT_STACK = "Arial,'Liberation Sans',Helvetica,sans-serif"
PLOT_FONTS = ("Arial", "Liberation Sans", "Helvetica", "DejaVu Sans")
RC: dict[Any, Any] = {
    "font.size": 7.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "text.color": INK,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "legend.labelcolor": MUTED,
    "legend.handlelength": 1.2,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "neurolens",
}


def apply_style() -> AbstractContextManager[None]:
    """Return a context in which Matplotlib draws in this project's style.

    Nothing global changes.
    """
    import matplotlib
    from matplotlib.font_manager import fontManager

    installed = {entry.name for entry in fontManager.ttflist}
    family = next((name for name in PLOT_FONTS if name in installed), PLOT_FONTS[-1])
    return matplotlib.rc_context(RC | {"font.family": family})


def pick_color(share: float) -> str:
    """Return the ramp's color for a share, clamped to 0–1; NaN has the color of "no score".

    Examples
    --------
    >>> pick_color(0.0), pick_color(7.0), pick_color(float("nan"))
    ('#FAF6E9', '#511C83', '#EDF0F4')
    """
    if math.isnan(share):
        return EMPTY
    step = min(int(min(max(share, 0.0), 1.0) * N_COLORS), N_COLORS - 1)
    position = step / (N_COLORS - 1) * (len(RAMP) - 1)
    low = min(int(position), len(RAMP) - 2)
    one, other = read_hex(RAMP[low : low + 2])  # (2, rgb)
    levels = np.rint(255 * (one + (position - low) * (other - one))).astype(int)
    return "#{:02X}{:02X}{:02X}".format(*levels)


def read_hex(colors: Sequence[str]) -> np.ndarray:
    """Return colors written as ``#RRGGBB`` as an array (color, rgb) from 0 to 1."""
    rows = [list(bytes.fromhex(color.removeprefix("#"))) for color in colors]
    return np.array(rows) / 255


def pick_text_color(fill: str) -> str:
    """Return black or white, whichever has more contrast on ``fill``.

    The contrast is at least 4.5:1 all along the ramp.
    """
    return max(("#000000", "#FFFFFF"), key=lambda text: measure_contrast(text, fill))


def measure_contrast(one: str, other: str) -> float:
    """Return the WCAG contrast ratio of two ``#RRGGBB`` colors, from 1 to 21."""
    dim, bright = sorted(_measure_light((one, other)) @ (0.2126, 0.7152, 0.0722))
    return (bright + 0.05) / (dim + 0.05)


def assign_region_colors(regions: Iterable[str]) -> dict[str, str]:
    """Return one color per region: fixed ones for V1, V2, V4 and IT, a list for the others."""
    names = list(dict.fromkeys(regions))
    kept = {KNOWN_REGIONS[name] for name in names if name in KNOWN_REGIONS}
    spare = cycle(color for color in (*OTHER_REGIONS, *KNOWN_REGIONS.values()) if color not in kept)
    return {name: KNOWN_REGIONS.get(name) or next(spare) for name in names}


def format_score(value: float, digits: int = 2) -> str:
    """Format a score as briefly as it can be read.

    Examples
    --------
    >>> format_score(0.376), format_score(-0.04), format_score(1.0), format_score(float("nan"))
    ('.38', '-.04', '1.00', '–')
    """
    if not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def format_interval(low: float, high: float, digits: int = 2) -> str:
    """Return `` [low, high]``, or nothing where an end is unknown."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f" [{format_score(low, digits)}, {format_score(high, digits)}]"


def format_shape(shape: Sequence[int]) -> str:
    """Write a shape without its batch axis, equal sides as a power.

    Examples
    --------
    >>> format_shape((1, 64, 56, 56)), format_shape((8, 197, 768)), format_shape(())
    ('64×56²', '197×768', 'scalar')
    """
    sides = list(shape[1:] if len(shape) > 1 else shape)
    if not sides:
        return "scalar"
    if len(sides) == 3 and sides[1] == sides[2]:
        return f"{sides[0]}×{sides[1]}²"
    return "×".join(str(side) for side in sides)


def shorten_text(text: str, limit: int) -> str:
    """Cut ``text`` in its middle to at most ``limit`` characters: both ends distinguish names."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) * 2 // 3
    return text[: limit - 1 - tail] + "…" + text[len(text) - tail :]


def _measure_light(colors: Sequence[str]) -> np.ndarray:
    """Return linear sRGB (color, channel): on this scale light adds up."""
    levels = read_hex(colors)
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
