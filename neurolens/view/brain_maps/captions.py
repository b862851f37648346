"""Words and the color bar of a brain map, and the figure that they stand in."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurolens.errors import InputError
from neurolens.view.brain_maps.scales import Scale
from neurolens.view.style import THEMES, Theme, shorten_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Letters of the caption in an inch, and inches of a line.
LETTERS = 19
LINE = 0.125
LONGEST_NAME = 24
BAR = 1.6
# Inches of a line of the title of the color bar.
TITLE_LINE = 0.135


def read_theme(theme: Any) -> Theme:
    """Return the theme of a name, or raise InputError."""
    if theme not in THEMES:
        raise InputError(f"theme must be one of {', '.join(THEMES)}, got {theme!r}.")
    return THEMES[theme]


def make_figure(
    width: float, height: float, notes: Sequence[str], theme: Theme
) -> tuple["Figure", Any]:
    """Return a figure and the part of it for panels; a color bar is to its right, notes below."""
    from neurolens.view.plots.canvas.figure import NotebookFigure

    lines = textwrap.wrap("; ".join(notes), int(LETTERS * width))
    below = LINE * len(lines) + 0.1
    figure = NotebookFigure(figsize=(width, height + below), facecolor=theme.page)
    figure.text(
        0.1 / width,
        0.06 / (height + below),
        "\n".join(lines),
        color=theme.soft,
        fontsize=6.5,
        va="bottom",
        linespacing=1.25,
        parse_math=False,
    )
    panels = figure.add_gridspec(
        1,
        1,
        left=0.1 / width,
        right=1 - BAR / width,
        bottom=below / (height + below),
        top=1 - 0.22 / (height + below),
    )
    return figure, panels[0]


def draw_bar(figure: "Figure", scale: Scale, theme: Theme) -> "Axes":
    """Draw the color bar at the right of a figure, with its label above."""
    width, height = figure.get_size_inches()
    title = textwrap.wrap(_title_bar(scale), 20)
    above = 0.08 + TITLE_LINE * len(title)  # from the bar's end to that of its title
    tall = max(0.3, min(1.9, 0.62 * height, height - above - 0.1))
    left = 1 - (BAR - 0.12) / width
    bottom = min(0.52 - 0.5 * tall / height, 1 - (tall + above + 0.03) / height)
    axes = figure.add_axes((left, bottom, 0.13 / width, tall / height))
    axes.imshow(
        _list_bar(scale),
        aspect="auto",
        origin="lower",
        extent=(0, 1, *_find_ends(scale)),
        interpolation="nearest",
    )
    places, texts = scale.list_ticks()
    axes.set_xticks([])
    axes.yaxis.tick_right()
    names = [shorten_text(text, LONGEST_NAME) for text in texts]
    axes.set_yticks(places, names, fontsize=6.5 if scale.names else 7, color=theme.ink)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.tick_params(axis="y", length=2, color=theme.soft, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.text(
        left,
        bottom + (tall + 0.08) / height,
        "\n".join(title),
        fontsize=7.5,
        color=theme.ink,
        va="bottom",
        parse_math=False,
    )
    return axes


def _title_bar(scale: Scale) -> str:
    """Return what the colors stand for; of many names, how many there are."""
    n_named = len(scale.list_ticks()[0])
    if scale.names and n_named < len(scale.names):
        return f"{scale.label} ({n_named} of {len(scale.names)} named)"
    return scale.label


def _find_ends(scale: Scale) -> tuple[float, float]:
    """Return where the bar ends: half a step beyond the first and last name."""
    if scale.names:
        return 0.5, len(scale.names) + 0.5
    return scale.low, scale.high


def _list_bar(scale: Scale) -> np.ndarray:
    """Return the colors of the bar (step, 1, rgb), from below."""
    if scale.names:
        steps = np.arange(1.0, len(scale.names) + 1)
    else:
        steps = np.linspace(scale.low, scale.high, 256)
    return scale.color(steps)[:, None]
