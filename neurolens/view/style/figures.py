"""The style of Matplotlib figures."""

from contextlib import AbstractContextManager
from typing import Any

from neurolens.view.style.themes import LIGHT, Theme

FONT = "Arial"
FONT_STACK = "Arial,'Liberation Sans',Helvetica,sans-serif"
PLOT_FONTS = ("Arial", "Liberation Sans", "Helvetica", "DejaVu Sans")
RC: dict[Any, Any] = {
    # Names may hold dollar signs.
    "text.parse_math": False,
    "font.size": 7.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "legend.handlelength": 1.2,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "neurolens",
}


def apply_style(theme: Theme = LIGHT) -> AbstractContextManager[None]:
    """Return a context in which Matplotlib draws in this project's style.

    Nothing global changes.
    """
    import matplotlib

    colors = {
        "figure.facecolor": theme.page,
        "axes.facecolor": theme.page,
        "axes.labelcolor": theme.ink,
        "axes.edgecolor": theme.shortcut,
        "xtick.color": theme.shortcut,
        "ytick.color": theme.shortcut,
        "xtick.labelcolor": theme.soft,
        "ytick.labelcolor": theme.soft,
        "text.color": theme.ink,
        "legend.labelcolor": theme.soft,
    }
    return matplotlib.rc_context(RC | colors | {"font.family": find_fonts()})


def find_fonts() -> list[str]:
    """Return the first of ``PLOT_FONTS`` that is installed, and one that has every symbol."""
    from matplotlib.font_manager import fontManager

    installed = {entry.name for entry in fontManager.ttflist}
    first = next((name for name in PLOT_FONTS if name in installed), PLOT_FONTS[-1])
    return list(dict.fromkeys([first, PLOT_FONTS[-1]]))
