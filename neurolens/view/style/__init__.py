"""Colors, fonts and formats of every picture.

``themes`` light and dark; ``colors`` of scores and regions; ``formats`` of numbers and names;
``figures`` Matplotlib's settings.
"""

from neurolens.view.style.colors import (
    N_COLORS,
    assign_region_colors,
    measure_contrast,
    pick_color,
    pick_text_color,
    read_hex,
)
from neurolens.view.style.figures import FONT, FONT_STACK, PLOT_FONTS, RC, apply_style, find_fonts
from neurolens.view.style.formats import (
    format_cell,
    format_interval,
    format_score,
    format_shape,
    format_share,
    shorten_text,
)
from neurolens.view.style.themes import DARK, LIGHT, THEMES, Theme

__all__ = [
    "DARK",
    "FONT",
    "FONT_STACK",
    "LIGHT",
    "N_COLORS",
    "PLOT_FONTS",
    "RC",
    "THEMES",
    "Theme",
    "apply_style",
    "assign_region_colors",
    "find_fonts",
    "format_cell",
    "format_interval",
    "format_score",
    "format_shape",
    "format_share",
    "measure_contrast",
    "pick_color",
    "pick_text_color",
    "read_hex",
    "shorten_text",
]
