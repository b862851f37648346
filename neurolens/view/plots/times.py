"""Scores over time: a map of ops and time bins for each region."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.labels import OP, REGION, TIME_BIN
from neurolens.scores import read_scores
from neurolens.view import style
from neurolens.view.annotation import describe_method
from neurolens.view.plots.canvas.legend import write_caption, write_header
from neurolens.view.plots.canvas.maps import (
    Scale,
    draw_bar,
    draw_map,
    find_scale,
    outline_cells,
    thin_columns,
)
from neurolens.view.plots.canvas.panels import (
    SMALL,
    Canvas,
    Cell,
    dress_axes,
    find_row_end,
    list_bottom,
    list_left,
    open_panels,
    read_theme,
)
from neurolens.view.plots.canvas.texts import POINTS, lay_out, measure_panel
from neurolens.view.plots.canvas.words import name_measure
from neurolens.view.plots.parts.bands import find_bands, fit_levels, name_modules
from neurolens.view.plots.parts.curves import read_graph

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from neurolens.view.plots.canvas.figure import Panels

CELL = Cell(2.1, 2.3, 1.0, 0.2)
ALPHA = 0.05
# In inches: the line of the largest scores above a map, and what stands between both.
LINE_HEIGHT = 0.42
LINE_GAP = 0.1


def plot_times(
    scores: xr.Dataset,
    *,
    graph: Any = None,
    axes: "Sequence[Axes] | None" = None,
    theme: str = "light",
    width: float | None = None,
) -> "Panels":
    """Draw the score of every op at every time bin as a map, one panel per region.

    Above each map a line shows the largest score at each time, and a band the noise ceiling. Cells
    are outlined where a test says that there is a relation: with clusters (``permute_rdms`` with
    ``edges``), those whose ``p_cluster`` is at most .05; else, with ``q``, where it is at most .05.

    Parameters
    ----------
    scores : Dataset
        Scores with ``time_bin``: from ``compare_rdms`` or ``permute_rdms`` of brain RDMs over time,
        from ``fit_encoding`` or ``permute_encoding`` of responses over time.
    graph : Trace or Graph, optional
        Gives the order of ops and their modules; else the order and names in ``scores`` do.
    axes : sequence of Axes, optional
        One per region. Only these are styled.
    theme : str
        ``"light"`` or ``"dark"``.
    width : float, optional
        Of a new figure, in inches.

    Returns
    -------
    Panels, a list of Axes
        Those of the maps, one per region, the first op in the top row.

    Raises
    ------
    InputError
        For anything else than scores, or scores without time bins.

    Notes
    -----
    One color scale for all regions, from 0 to the largest score; scores below 0 have the color
    of 0.
    """
    colors = read_theme(theme)
    scores = read_scores(scores, "plot_times", over_time=True)
    if TIME_BIN not in scores.dims:
        raise InputError(
            "plot_times takes scores over time bins, and these have none. Make scores with "
            "compare_rdms(model_rdms, brain_rdms) of brain RDMs that have time_bin, or draw these "
            "with plot_profile(scores).",
            anchor="one-time-bin",
        )
    ops = [str(name) for name in scores[OP].values]
    modules = None
    if graph is not None:
        found = read_graph(graph)
        modules = {op.name: op.module for op in found}
        ops = [op.name for op in found if op.name in set(ops)]
    if not ops:
        raise InputError(
            "graph has none of the ops of scores. Pass the trace that was scored.",
            anchor="scores-of-another-network",
        )
    scores = scores.sel({OP: ops}).transpose(OP, REGION, TIME_BIN, ...)
    regions = [str(name) for name in scores[REGION].values]
    mean = scores["score_mean"]
    scale = Scale(0.0, max(find_scale(mean.values, start=0.0).high, 1e-12))
    canvas = open_panels(axes, regions, colors, cell=CELL, width=width)
    with style.apply_style(colors):
        write_caption(canvas, [describe_method(scores.attrs), *_describe_outlines(scores)])
        images = []
        for axis, region in zip(canvas.panels, regions, strict=True):
            values = mean.sel({REGION: region}).transpose(OP, TIME_BIN).values
            images.append(draw_map(axis, values, colors, scale, square=False))
            inside = _find_outlined(scores.sel({REGION: region}))
            if inside is not None:
                outline_cells(axis, inside, colors.ink)
        _name_axes(canvas, scores, name_modules(ops, modules))
        end = find_row_end(canvas)
        is_cut = bool((mean < 0).any())
        draw_bar(canvas.panels[end], images[end], name_measure(scores.attrs), colors, is_cut=is_cut)
        lay_out(canvas)
        region_colors = style.assign_region_colors(regions, colors)
        lines = []
        for axis, region in zip(canvas.panels, regions, strict=True):
            one = scores.sel({REGION: region})
            lines.append(_draw_line(canvas, axis, one, region_colors[region]))
            write_header(
                canvas, axis, region, color=region_colors[region],
                lift=(LINE_HEIGHT + LINE_GAP) * POINTS,
            )  # fmt: skip
        _share_lines(canvas, lines)
    return canvas.panels


def _describe_outlines(scores: xr.Dataset) -> list[str]:
    """Return what outlines are, in a sentence; nothing where there are none."""
    if "p_cluster" in scores:
        return ["Outlined: ops in a cluster of the graph, within a time bin, with p_cluster ≤ .05."]
    return ["Outlined: q ≤ .05."] if "q" in scores else []


def _find_outlined(one: xr.Dataset) -> np.ndarray | None:
    """Return which cells (op, time) of one region have a relation by the test of clusters, or q."""
    for name in ("p_cluster", "q"):
        if name in one:
            return one[name].transpose(OP, TIME_BIN).values <= ALPHA
    return None


def _name_axes(canvas: Canvas, scores: xr.Dataset, modules: list[str]) -> None:
    """Name modules at the left of each row of maps, and times below each column."""
    n_ops = len(modules)
    bands = find_bands(modules)
    lay_out(canvas)
    labels, stem = fit_levels(bands, n_ops, measure_panel(canvas.panels[0])[1])
    times = [f"{time:g}" if isinstance(time, float) else str(time) for time in _list_times(scores)]
    unit = str(scores[TIME_BIN].attrs.get("units", ""))
    left = list_left(canvas)
    bottom = list_bottom(canvas)
    for axis in canvas.panels:
        for band in bands[1:]:
            axis.axhline(band.first - 0.5, color=canvas.theme.page, linewidth=0.4)
        texts = [one.text if axis in left else "" for one in labels]
        axis.set_yticks([one.center for one in labels], texts, fontsize=SMALL, parse_math=False)
        if axis in left and stem:
            axis.set_ylabel(f"{stem}N", fontsize=SMALL, color=canvas.theme.soft)
        thin_columns(axis, times)
        if axis in bottom:
            axis.set_xlabel(f"time ({unit})" if unit else "time bin")


def _list_times(scores: xr.Dataset) -> list[Any]:
    return list(scores[TIME_BIN].values.tolist())


def _draw_line(canvas: Canvas, axis: "Axes", one: xr.Dataset, color: str) -> "Axes":
    """Draw the largest score at each time, and the ceiling, above a map; return those axes."""
    theme = canvas.theme
    height = measure_panel(axis)[1] or 1.0
    line = axis.inset_axes((0, 1 + LINE_GAP / height, 1, LINE_HEIGHT / height))
    dress_axes(line, theme)
    mean = one["score_mean"].transpose(OP, TIME_BIN).values
    places = np.arange(mean.shape[1])
    lower = one["ceiling_lower"].values
    upper = one["ceiling_upper"].values
    line.fill_between(places, lower, upper, color=theme.ceiling, linewidth=0.8, gid="ceiling")
    line.plot(places, upper, color=theme.shortcut, linewidth=0.6, linestyle="dashed")
    largest = [_find_largest(mean[:, i]) for i in places]
    line.plot(places, largest, color=color, linewidth=1.3)
    line.set_xlim(-0.5, len(places) - 0.5)
    line.set_xticks([])
    return line


def _find_largest(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else np.nan


def _share_lines(canvas: Canvas, lines: "Sequence[Axes]") -> None:
    """Give the lines above the maps one range; write its ends at the left only."""
    ends = [0.0]
    for line in lines:
        ends += [end for end in line.dataLim.intervaly if np.isfinite(end)]
    left = list_left(canvas)
    for line, axis in zip(lines, canvas.panels, strict=True):
        line.set_ylim(min(ends), max(ends) * 1.08 or 1.0)
        ticks = [0.0, max(ends)]
        texts = ["0", style.format_score(max(ends))] if axis in left else ["", ""]
        line.set_yticks(ticks, texts, fontsize=SMALL)
