"""Small files of pictures."""

from pathlib import Path

import numpy as np
from PIL import Image

from neurolens.view.style import DARK, LIGHT, Theme, assign_region_colors, pick_color, read_hex

# As wide as a page of the documentation.
WIDTH = 1400
N_COLORS = 256
# Steps of the ramp of scores, and from each other color to what is behind it.
N_RAMP = 100
STEPS = {"ink": 30, "soft": 14, "arrow": 8, "shortcut": 8, "accent": 8}
N_REGION = 8


def shrink_png(path: Path, *, width: int = WIDTH, theme: Theme | None = None) -> None:
    """Write a PNG again, at most so wide and with few colors.

    Those of a ``theme`` are kept: palettes made from a picture lose the rare colors of its scale.
    """
    with Image.open(path) as opened:
        picture = opened.convert("RGBA")
    backing = Image.new("RGBA", picture.size, "white")
    flat = Image.alpha_composite(backing, picture).convert("RGB")
    if flat.width > width:
        height = round(flat.height * width / flat.width)
        flat = flat.resize((width, height), Image.Resampling.LANCZOS)
    if theme is None:
        few = flat.quantize(N_COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    else:
        few = flat.quantize(palette=build_palette(theme), dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def pick_theme(name: str) -> Theme:
    """Return the theme of a picture, by its file's name."""
    return DARK if "dark" in name else LIGHT


def build_palette(theme: Theme) -> Image.Image:
    """Return an image that holds the colors of a theme, mixed with what is behind them."""
    page = read_hex([theme.page])[0]
    colors = [read_hex([pick_color(i / (N_RAMP - 1), theme)])[0] for i in range(N_RAMP)]
    for name, steps in STEPS.items():
        colors += _mix(read_hex([getattr(theme, name)])[0], page, steps)
    for color in assign_region_colors(["V1", "V2", "V4", "IT", "A", "B"], theme).values():
        colors += _mix(read_hex([color])[0], page, N_REGION)
    colors += list(read_hex([*theme.areas, *theme.area_lines, theme.card, theme.card_line]))
    colors += list(read_hex([theme.empty, theme.ceiling, theme.sunk, theme.page]))
    table = np.rint(255 * np.array(colors)).astype(np.uint8)
    assert len(table) <= N_COLORS, len(table)
    full = np.concatenate([table, np.repeat(table[-1:], N_COLORS - len(table), axis=0)])
    palette = Image.new("P", (1, 1))
    palette.putpalette(full.ravel().tolist())
    return palette


def _mix(color: np.ndarray, page: np.ndarray, steps: int) -> list[np.ndarray]:
    return [color + (page - color) * share for share in np.linspace(0, 1, steps, endpoint=False)]
