"""Colors of scores and regions, and their contrast."""

import math
from collections.abc import Iterable, Sequence
from itertools import cycle

import numpy as np

from neurolens.view.style.themes import LIGHT, Theme

# Chosen so that each color of the ramp is one of them.
N_COLORS = 1025

# Light and dark. Searched in LCh for contrast of at least 4.6 with the areas of modules; the
# smallest CIEDE2000 difference of any two of the six, for normal sight and for Machado's (2009)
# protan, deutan and tritan vision at full strength, is 13.2 (light) and 14.3 (dark).
KNOWN_REGIONS = {
    "V1": ("#5D0703", "#F84F3F"),
    "V2": ("#725504", "#DFEC47"),
    "V4": ("#0A7D4D", "#72D49D"),
    "IT": ("#AA4C7E", "#E381B2"),
}
OTHER_REGIONS = (("#113B7F", "#5E86F3"), ("#5E5BE0", "#F9B5FE"))


def pick_color(share: float, theme: Theme = LIGHT) -> str:
    """Return the ramp's color for a share, clamped to 0–1; NaN has the color of "no score".

    Examples
    --------
    >>> pick_color(0.0), pick_color(7.0), pick_color(float("nan"))
    ('#FAF6E9', '#511C83', '#EDF0F4')
    """
    if math.isnan(share):
        return theme.empty
    step = min(int(min(max(share, 0.0), 1.0) * N_COLORS), N_COLORS - 1)
    position = step / (N_COLORS - 1) * (len(theme.ramp) - 1)
    low = min(int(position), len(theme.ramp) - 2)
    one, other = read_hex(theme.ramp[low : low + 2])  # (2, rgb)
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


def assign_region_colors(regions: Iterable[str], theme: Theme = LIGHT) -> dict[str, str]:
    """Return one color per region: fixed ones for V1, V2, V4 and IT, a list for the others.

    Beyond six regions colors repeat, so names must always stand beside them.
    """
    names = list(dict.fromkeys(regions))
    kept = {KNOWN_REGIONS[name] for name in names if name in KNOWN_REGIONS}
    spare = cycle(pair for pair in (*OTHER_REGIONS, *KNOWN_REGIONS.values()) if pair not in kept)
    pairs = {name: KNOWN_REGIONS.get(name) or next(spare) for name in names}
    return {name: pair[theme.is_dark] for name, pair in pairs.items()}


def _measure_light(colors: Sequence[str]) -> np.ndarray:
    """Return linear sRGB (color, channel): on this scale light adds up."""
    levels = read_hex(colors)
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
