"""Axes to draw into, those of the user or new ones, in the colors of a theme.

Matplotlib is imported inside functions, because importing it takes long.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neurolens.errors import InputError
from neurolens.view import style
from neurolens.view.style import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neurolens.view.plots.canvas.figure import Panels

# Widths in inches: of one column of a journal, and of two.
COLUMN = 3.5
PAGE = 7.2
# Panels may be this much narrower than wished before a row has fewer of them.
NARROWEST = 0.8
SMALL = 6.5


class Cell(NamedTuple):
    """The wished size of one panel, and what the figure needs around all of them, in inches."""

    width: float
    height: float
    beside: float = 0.5
    below: float = 0.6


@dataclass(frozen=True)
class Canvas:
    """Axes to draw into; ``is_own`` if they were made for the plot, with nothing else around."""

    panels: "Panels"
    theme: Theme
    is_own: bool

    @property
    def figure(self) -> "Figure":
        """The figure of the axes."""
        return find_figure(self.panels[0])


def read_theme(theme: Any) -> Theme:
    """Return the theme of this name, or raise InputError."""
    if not isinstance(theme, str) or theme not in style.THEMES:
        raise InputError(f'theme must be "light" or "dark", got {theme!r}. Pass one of these.')
    return style.THEMES[theme]


def open_panels(
    axes: Any,
    names: Sequence[str],
    theme: Theme,
    *,
    cell: Cell,
    width: float | None = None,
    what: str = "region",
    share_y: bool = False,
    groups: Sequence[int] = (),
) -> Canvas:
    """Return a canvas with one panel per name: those of the user, or a new grid.

    Each of ``groups`` of so many panels begins a row of a new grid.
    """
    if axes is not None:
        panels = _read_axes(axes, names, what)
        is_own = False
    else:
        panels = _make_panels(groups or [len(names)], theme, cell, width, share_y)
        is_own = True
    for panel in panels:
        dress_axes(panel, theme)
    return Canvas(panels, theme, is_own)


def open_axes(
    ax: Any,
    theme: Theme,
    *,
    size: tuple[float, float],
    width: float | None,
    keep_shape: bool = False,
) -> Canvas:
    """Return a canvas of one panel: the axes of the user, or new ones.

    A new figure of another width is as high as ``size`` says, or keeps the shape of it, up to a
    third larger.
    """
    factor = min(4 / 3, read_width(width) / size[0]) if keep_shape and width is not None else 1.0
    cell = Cell(size[0], factor * size[1], 0.0, 0.0)
    if ax is not None:
        from matplotlib.axes import Axes

        if not isinstance(ax, Axes):
            raise InputError(
                f"ax must be Axes of Matplotlib, got {type(ax).__name__}. Pass one of those that "
                f"subplots() returns."
            )
    return open_panels(None if ax is None else [ax], [""], theme, cell=cell, width=width)


def _make_panels(
    groups: Sequence[int], theme: Theme, cell: Cell, width: float | None, share_y: bool
) -> "Panels":
    """Return new axes in rows that fit the width, each of ``groups`` in rows of its own."""
    from neurolens.view.plots.canvas.figure import NotebookAxes, NotebookFigure, Panels

    wished = cell.beside + max(groups) * cell.width
    total = min(PAGE, max(COLUMN, wished)) if width is None else read_width(width)
    fitting = max(1, int((total - cell.beside) / (NARROWEST * cell.width) + 1e-9))
    fewest = math.ceil(max(groups) / fitting)
    n_columns = math.ceil(max(groups) / fewest)
    places: list[int] = []
    n_rows = 0
    for count in groups:
        places += range(n_rows * n_columns, n_rows * n_columns + count)
        n_rows += math.ceil(count / n_columns)
    size = (total, n_rows * cell.height + cell.below)
    with style.apply_style(theme):
        figure = NotebookFigure(figsize=size, layout="constrained")
        grid = figure.subplots(
            n_rows,
            n_columns,
            squeeze=False,
            sharey=share_y,
            subplot_kw={"axes_class": NotebookAxes},
        )
    for i in set(range(grid.size)) - set(places):
        grid.flat[i].set_axis_off()
    return Panels(grid.flat[i] for i in places)


def read_width(width: Any) -> float:
    """Return a width in inches that a figure can have, or raise InputError."""
    is_number = isinstance(width, int | float | np.number) and not isinstance(width, bool)
    if not is_number or not 1.5 <= width <= 60:
        raise InputError(
            f"width must be inches from 1.5 to 60, got {width!r}. Pass width=3.5 for one column of "
            f"a journal, 7.2 for two."
        )
    return float(width)


def _read_axes(axes: Any, names: Sequence[str], what: str) -> "Panels":
    """Return the axes that the user passed, one per name, or raise InputError."""
    from matplotlib.axes import Axes

    from neurolens.view.plots.canvas.figure import Panels

    panels = list(np.ravel(np.array(axes, dtype=object)))
    strange = [panel for panel in panels if not isinstance(panel, Axes)]
    if strange or len(panels) != len(names):
        passed = type(strange[0]).__name__ if strange else f"{len(panels)}"
        raise InputError(
            f"axes must be one per {what}, {len(names)} for {list(names)}, got {passed}. Make "
            f"them with subplots()."
        )
    for panel in panels:
        find_figure(panel)
    return Panels(panels)


def dress_axes(axis: "Axes", theme: Theme) -> None:
    """Give axes the colors, lines and fonts of a theme, whatever the settings they were made with.

    The figure around the axes stays as it is.
    """
    axis.set_facecolor(theme.page)
    for side, spine in axis.spines.items():
        spine.set_color(theme.shortcut)
        spine.set_linewidth(0.8)
        spine.set_visible(side in ("left", "bottom"))
    axis.tick_params(
        which="both",
        color=theme.shortcut,
        labelcolor=theme.soft,
        labelsize=7,
        width=0.8,
        length=2.5,
        labelfontfamily=style.find_fonts(),
    )
    for label in (axis.xaxis.label, axis.yaxis.label):
        label.set_color(theme.ink)
        label.set_fontsize(8)
        label.set_fontfamily(style.find_fonts())


def find_figure(axis: "Axes") -> "Figure":
    """Return the figure that axes belong to."""
    figure = axis.get_figure(root=True)
    if figure is None:
        raise InputError(
            "axes must stand in a figure; these were removed from theirs. Make them with "
            "subplots()."
        )
    return figure


def list_left(canvas: Canvas) -> "list[Axes]":
    """Return the panels at the left of their rows; all of them where the grid is not known."""
    return [panel for panel in canvas.panels if _is_first(panel, "colspan")]


def list_bottom(canvas: Canvas) -> "list[Axes]":
    """Return the panels without another one of the canvas below them."""
    places = [_find_place(panel) for panel in canvas.panels]
    bottom = []
    for panel, place in zip(canvas.panels, places, strict=True):
        below = [p for p in places if p and place and p[1] == place[1] and p[0] > place[0]]
        if not below:
            bottom.append(panel)
    return bottom


def find_row_end(canvas: Canvas, start: int = 0) -> int:
    """Return the position of the panel at the right end of the row of panel ``start``."""
    places = [_find_place(panel) for panel in canvas.panels]
    first = places[start]
    if first is None:
        return len(places) - 1
    return max(i for i, place in enumerate(places) if place is not None and place[0] == first[0])


def _is_first(panel: "Axes", span: str) -> bool:
    spec = panel.get_subplotspec()
    return spec is None or getattr(spec, span).start == 0


def _find_place(panel: "Axes") -> tuple[int, int] | None:
    """Return the row and column of a panel, None where it stands in no grid."""
    spec = panel.get_subplotspec()
    return None if spec is None else (spec.rowspan.start, spec.colspan.start)
