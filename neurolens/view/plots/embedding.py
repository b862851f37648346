"""Ops and regions as points in a plane, near each other where their geometries are alike."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neurolens.errors import DataError, InputError, LabelError
from neurolens.labels import OP, list_names
from neurolens.view import style
from neurolens.view.plots.canvas.legend import place_legend, write_caption
from neurolens.view.plots.canvas.maps import build_colormap
from neurolens.view.plots.canvas.panels import SMALL, Canvas, open_axes, read_theme
from neurolens.view.plots.canvas.texts import LINE, POINTS, lay_out, measure_panel, measure_text
from neurolens.view.plots.canvas.words import name_measure
from neurolens.view.plots.matrix import OP_2, read_table
from neurolens.view.plots.parts.bands import find_bands, name_modules
from neurolens.view.plots.parts.scaling import scale_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Similarities of measures for which 1 is the same, and s(a, b) = s(b, a).
SYMMETRIC = 1e-6
FEWEST = 3
# Labels are tried at these places around their points, in order.
PLACES = ((1, 0), (0, 1), (0, -1), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
DISTANCE = 0.07
# So many times as far away; only labels that must be written go beyond the first.
STEPS_AWAY = (1.0, 2.2, 3.6)
# Points of each part of the path that labels keep away from.
STEPS = 12
# Share of the panel that is free at each side.
MARGIN = 0.12


def plot_embedding(
    table: xr.DataArray,
    *,
    regions: Sequence[str] = (),
    ax: "Axes | None" = None,
    theme: str = "light",
    width: float | None = None,
) -> "Axes":
    """Draw ops and regions as points in a plane, by multidimensional scaling of their similarities.

    Ops are joined in order of execution and colored by it, from the first to the last; regions are
    stars with their names.

    Parameters
    ----------
    table : DataArray (op, op_2)
        What ``compare_models(both, both)`` returned, every one against every one. Ops and regions
        come into one table with ``both = xarray.concat([one.reset_coords(drop=True) for one in
        (rdms, brain.mean("subject").rename(region="op"))], "op")``, on the same stimuli.
    regions : sequence of str
        Which labels of ``op`` are regions.
    ax : Axes, optional
        To draw into; only these axes are styled.
    theme : str
        ``"light"`` or ``"dark"``.
    width : float, optional
        Of a new figure, in inches.

    Returns
    -------
    Axes
        Both axes have one scale and no meaning of their own.

    Raises
    ------
    InputError
        For anything else than such a table, one of a measure that is not symmetric, or fewer than
        three points.
    LabelError
        The table has no such region, or rows and columns differ.
    DataError
        A similarity is NaN.

    Notes
    -----
    The distance of two points estimates sqrt(2 - 2 s) for their similarity s, which for Pearson's r
    is the distance of standardized RDMs; s of a point with itself counts as 1. Points are found by
    SMACOF from a classical solution; the stress that is written (Kruskal's stress-1) is the root of
    the sum of squared errors over that of squared distances: below .1 few distances mislead, above
    .2 many do. Time O(rounds n^2).

    References
    ----------
    Kruskal (1964) Psychometrika 29:1; De Leeuw (1977), on SMACOF.
    """
    colors = read_theme(theme)
    table = read_table(table, "plot_embedding")
    distances = _read_distances(table)
    names = [str(name) for name in table[OP].values]
    unknown = [name for name in regions if name not in names]
    if isinstance(regions, str) or unknown:
        raise LabelError(
            f"regions must be labels of the table, which lacks {list_names(unknown or [regions])}. "
            f"It ends with {list_names(names[-4:])}.",
            anchor="unknown-region",
        )
    scaled = scale_points(distances)
    canvas = open_axes(ax, colors, size=(4.2, 4.0), width=width, keep_shape=True)
    axis = canvas.panels[0]
    with style.apply_style(colors):
        is_region = np.array([name in set(regions) for name in names])
        entries = _draw_points(canvas, scaled.points, is_region)
        measure = name_measure(table.attrs)
        write_caption(
            canvas,
            [
                f"Distance: √(2 − 2s), s the {measure} of two RDMs or Grams. "
                f"Stress-1 {style.format_score(scaled.stress)}."
            ],
        )
        if not canvas.is_own:
            axis.set_xlabel(f"stress {style.format_score(scaled.stress)}")
        place_legend(canvas, entries)
        lay_out(canvas)
        _write_labels(canvas, scaled.points, names, is_region)
    return axis


def _read_distances(table: xr.DataArray) -> np.ndarray:
    """Return distances (n, n) from similarities, or raise an error that says what they lack."""
    rows = table[OP].values.tolist()
    if rows != table[OP_2].values.tolist():
        raise LabelError(
            "plot_embedding takes every op against every op, and rows and columns of this table "
            "differ. Pass compare_models(both, both)."
        )
    values = table.values.astype(float)
    if len(values) < FEWEST:
        raise InputError(
            f"plot_embedding takes {FEWEST} points or more, got {len(values)}. Pass a larger table."
        )
    if np.isnan(values).any():
        lacking = [rows[i] for i in np.flatnonzero(np.isnan(values).sum(axis=1) > 1)]
        raise DataError(
            f"no similarity of {list_names(lacking or rows)} is known. Leave those out with "
            f"table.dropna('op', how='all').dropna('op_2', how='all')."
        )
    if np.abs(values - values.T).max() > SYMMETRIC:
        raise InputError(
            f"plot_embedding takes a symmetric measure, and {table.attrs.get('measure', 'this')!r} "
            "is not. Pass compare_models(both, both, comparator='cka-unbiased'), or RDMs."
        )
    distances = np.sqrt(np.maximum(2 - 2 * (values + values.T) / 2, 0.0))
    np.fill_diagonal(distances, 0.0)
    return distances


def _draw_points(canvas: Canvas, points: np.ndarray, is_region: np.ndarray) -> dict:
    """Draw the path of ops, and stars where regions are; return what the legend names."""
    axis = canvas.panels[0]
    theme = canvas.theme
    path = points[~is_region]
    entries = {}
    axis.plot(path[:, 0], path[:, 1], color=theme.shortcut, linewidth=0.8, zorder=1)
    # The faintest quarter of the ramp is close to the page.
    shades = build_colormap(theme)(np.linspace(0.3, 1.0, max(1, len(path))))
    for point, shade in zip(path, shades, strict=False):
        axis.plot(*point, "o", color=shade, ms=4.5, mec=theme.page, mew=0.5, zorder=2)
    if len(path):
        entries = {"first op": axis.lines[1], "last op": axis.lines[len(path)]}
    if is_region.any():
        [star] = axis.plot([], [], "*", color=theme.ink, ms=9)
        entries["region"] = star
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(True)
        spine.set_color(theme.card_line)
    return entries


def _write_labels(
    canvas: Canvas, points: np.ndarray, names: Sequence[str], is_region: np.ndarray
) -> None:
    """Write the regions beside their stars, and modules where there is room beside their ops."""
    axis = canvas.panels[0]
    regions = [name for name, it_is in zip(names, is_region, strict=True) if it_is]
    colors = style.assign_region_colors(regions, canvas.theme)
    inches = _measure_places(axis, points)
    path = inches[~is_region]
    steps = np.linspace(0, 1, STEPS)[:, None, None]
    along = (path[:-1] + steps * np.diff(path, axis=0)).reshape(-1, 2)  # points of the path
    taken = [(x - 0.05, y - 0.05, x + 0.05, y + 0.05) for x, y in inches]
    taken += [(x - 0.01, y - 0.01, x + 0.01, y + 0.01) for x, y in along]
    for i in np.flatnonzero(is_region).tolist():
        color = colors[names[i]]
        axis.plot(*points[i], "*", color=color, ms=10, mec=canvas.theme.page, mew=0.6, zorder=4)
        _place_label(axis, points[i], inches[i], names[i], color, taken, must=True)
    ops = np.flatnonzero(~is_region).tolist()
    modules = name_modules([names[i] for i in ops])
    for band in find_bands(modules) if len(ops) else []:
        i = ops[(band.first + band.last) // 2]
        _place_label(axis, points[i], inches[i], band.name, canvas.theme.soft, taken)


def _measure_places(axis: "Axes", points: np.ndarray) -> np.ndarray:
    """Give a panel limits of its own shape, so that both axes have one scale.

    Returns where points will be drawn, in inches from the lower left corner.
    """
    panel = np.array(measure_panel(axis))
    low = points.min(axis=0)
    high = points.max(axis=0)
    unit = max((high - low) / (panel * (1 - 2 * MARGIN))) or 1.0  # per inch
    corner = (low + high) / 2 - panel * unit / 2
    axis.set_xlim(corner[0], corner[0] + panel[0] * unit)
    axis.set_ylim(corner[1], corner[1] + panel[1] * unit)
    axis.set_aspect("equal")
    return (points - corner) / unit


def _place_label(
    axis: "Axes",
    point: np.ndarray,
    place: np.ndarray,
    text: str,
    color: str,
    taken: list[tuple[float, float, float, float]],
    *,
    must: bool = False,
) -> None:
    """Write a label at the first free place around a point, or nowhere unless it ``must``."""
    size = 8.5 if must else SMALL
    width = measure_text(text, size, bold=must)
    height = size * LINE / POINTS
    if not text:
        return
    box = _find_free(
        place, (width, height), measure_panel(axis), taken, STEPS_AWAY[: 3 if must else 1]
    )
    if box is None and not must:
        return
    best = box or (place[0] + DISTANCE, place[1], place[0] + DISTANCE + width, place[1] + height)
    taken.append(best)
    axis.annotate(
        text,
        tuple(point),
        xytext=((best[0] - place[0]) * POINTS, (best[1] - place[1] + height / 2) * POINTS),
        textcoords="offset points",
        ha="left",
        va="center",
        fontsize=size,
        fontweight="bold" if must else "normal",
        color=color,
        zorder=5,
    )


def _find_free(
    place: np.ndarray,
    size: tuple[float, float],
    panel: tuple[float, float],
    taken: Sequence[tuple[float, float, float, float]],
    steps: Sequence[float],
) -> tuple[float, float, float, float] | None:
    """Return the first box around a place, near ones first, that touches nothing, or None."""
    for step in steps:
        for right, up in PLACES:
            x = float(place[0] + step * right * DISTANCE - (0.5 - 0.5 * right) * size[0])
            y = float(place[1] + step * up * DISTANCE - (0.5 - 0.5 * up) * size[1])
            box = (x, y, x + size[0], y + size[1])
            inside = min(x, y) >= 0 and box[2] <= panel[0] and box[3] <= panel[1]
            if inside and not any(_touch(box, other) for other in taken):
                return box
    return None


def _touch(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    beside = one[2] <= other[0] or other[2] <= one[0]
    above = one[3] <= other[1] or other[3] <= one[1]
    return not (beside or above)
