"""Heat maps: their colors, bars, the names along their axes, and outlines around cells."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neurolens.view import style
from neurolens.view.plots.canvas.panels import SMALL
from neurolens.view.plots.canvas.texts import LINE, POINTS, fit_text, measure_panel, measure_text
from neurolens.view.style import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Colormap
    from matplotlib.image import AxesImage

# From the ends to the middle: below 0, 0, above 0. Both ends are equally far from the middle in
# lightness, and the two hues differ for all anomalies of color vision.
DIVERGING = {
    "light": ("#1F4E9E", "#7FA3D6", "#F6F6F4", "#E0A070", "#9A4A0C"),
    "dark": ("#9CC4FF", "#4A74B4", "#1B2431", "#A5683A", "#FFC08A"),
}
# Values on one side of 0 that reach less far than this share of the others are minor.
MINOR = 0.2


class Scale(NamedTuple):
    """The values at the ends of a color scale, and whether its middle is 0."""

    low: float
    high: float
    is_diverging: bool = False


def build_colormap(theme: Theme, *, diverging: bool = False) -> "Colormap":
    """Return the ramp of a theme, or the colors of differences, as a color map of Matplotlib."""
    from matplotlib.colors import LinearSegmentedColormap

    colors = DIVERGING[theme.name] if diverging else theme.ramp
    ramp = LinearSegmentedColormap.from_list("neurolens", colors, N=style.N_COLORS)
    return ramp.with_extremes(bad=theme.empty)


def find_scale(values: Any, *, start: float | None = None) -> Scale:
    """Return the scale of values: from ``start`` or the smallest; around 0 where both signs count.

    Values below 0 count if the smallest is more than a fifth as far from 0 as the largest.

    Examples
    --------
    >>> find_scale([0.2, 0.5], start=0.0)
    Scale(low=0.0, high=0.5, is_diverging=False)
    >>> find_scale([-0.2, 0.5])
    Scale(low=-0.5, high=0.5, is_diverging=True)
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not known.size:
        return Scale(0.0, 1.0)
    low = float(known.min())
    high = float(known.max())
    if low < 0 and -low > MINOR * high:
        end = max(-low, high)
        return Scale(-end, end, is_diverging=True)
    low = low if start is None else min(low, start)
    return Scale(low, high if high > low else low + 1.0)


def draw_map(
    axis: "Axes", values: np.ndarray, theme: Theme, scale: Scale, *, square: bool = True
) -> "AxesImage":
    """Draw values (row, column) as colored cells, NaN as the color of "no score"."""
    image = axis.imshow(
        values,
        cmap=build_colormap(theme, diverging=scale.is_diverging),
        vmin=scale.low,
        vmax=scale.high,
        interpolation="nearest",
        aspect="equal" if square else "auto",
    )
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return image


def draw_bar(
    axis: "Axes",
    image: "ScalarMappable",
    label: str,
    theme: Theme,
    *,
    beside: float = 0.08,
    ticks: Sequence[float] | None = None,
    is_cut: bool = False,
) -> None:
    """Draw a color bar at the right of a panel, as high as the panel, ``beside`` inches from it.

    A scale that is cut below has a pointed end.
    """
    width = measure_panel(axis)[0] or 1.0
    place = axis.inset_axes((1 + beside / width, 0.0, 0.09 / width, 1.0))
    figure = axis.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(image, cax=place, extend="min" if is_cut else "neither")
    if ticks is not None:
        bar.set_ticks(list(ticks))
    bar.outline.set_visible(False)
    place.tick_params(
        color=theme.shortcut,
        labelcolor=theme.soft,
        labelsize=SMALL,
        length=2,
        width=0.6,
        labelfontfamily=style.find_fonts(),
    )
    bar.set_label(label, fontsize=7, color=theme.ink)


def name_rows(axis: "Axes", names: Sequence[str], *, room: float) -> None:
    """Write the names of rows at the left of a map, or of every second, third ... if it is low."""
    height = measure_panel(axis)[1]
    step = _find_step(len(names), height, SMALL * LINE / POINTS)
    shown = range(0, len(names), step)
    axis.set_yticks(
        list(shown), [fit_text(names[i], room) for i in shown], fontsize=SMALL, parse_math=False
    )


def name_columns(axis: "Axes", names: Sequence[str], *, room: float) -> None:
    """Write the names of columns below a map: level if they fit so, else upright."""
    width = measure_panel(axis)[0]
    cell = width / max(1, len(names))
    widest = max(map(measure_text, names), default=0.0)
    if widest + 0.06 <= cell:
        axis.set_xticks(list(range(len(names))), list(names), fontsize=SMALL, parse_math=False)
        return
    step = _find_step(len(names), width, SMALL * LINE / POINTS)
    shown = range(0, len(names), step)
    texts = [fit_text(names[i], room) for i in shown]
    axis.set_xticks(list(shown), texts, fontsize=SMALL, rotation=90, parse_math=False)


def thin_columns(axis: "Axes", names: Sequence[str]) -> None:
    """Write the names of evenly spaced columns below a map, level, as many as have room."""
    widest = max(map(measure_text, names), default=0.0) + 0.1
    step = _find_step(len(names), measure_panel(axis)[0], widest)
    shown = range(0, len(names), step)
    axis.set_xticks(list(shown), [names[i] for i in shown], fontsize=SMALL, parse_math=False)


def _find_step(n: int, length: float, each: float) -> int:
    """Return the smallest step at which labels of ``each`` inches do not touch along ``length``."""
    fitting = max(1, int(length / each))
    return -(-n // fitting)


def outline_cells(axis: "Axes", inside: np.ndarray, color: str, width: float = 1.0) -> None:
    """Draw a line around the cells of a map that are ``inside`` (row, column)."""
    from matplotlib.collections import LineCollection

    padded = np.pad(inside.astype(bool), 1)
    lines = []
    # A line stands where a cell and the one before it differ.
    for row, column in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]):
        lines.append([(column - 0.5, row - 0.5), (column + 0.5, row - 0.5)])
    for row, column in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]):
        lines.append([(column - 0.5, row - 0.5), (column - 0.5, row + 0.5)])
    if lines:
        drawn = LineCollection(lines, colors=color, linewidths=width, capstyle="projecting")
        drawn.set_gid("outline")
        axis.add_collection(drawn, autolim=False)
