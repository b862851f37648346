"""Scores along the network: every op in order of execution, one panel per region."""

import math
from collections.abc import Sequence
from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.extract.graph.graph import Graph
from neurolens.labels import OP, REGION, SUBJECT, align_labels
from neurolens.scores import read_scores
from neurolens.view import style
from neurolens.view.annotation import (
    Annotation,
    annotate_ops,
    describe_interval,
    describe_method,
)
from neurolens.view.graph.layout import find_module_paths, read_graph
from neurolens.view.plots.panels import (
    CHARACTER,
    count_columns,
    find_figure,
    make_panels,
    measure_width,
    read_axes,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Characters of a caption per inch of the figure.
CAPTION_CHARACTERS = 20
MOST_COLUMNS = 4
# Small characters that a letter of a panel's title takes the place of.
BOLD = 2.4


class OpAxis(NamedTuple):
    """The x axis: ops in order of execution, and the module of each."""

    ops: list[str]
    modules: list[str]


class ModuleLabel(NamedTuple):
    """A name below the x axis: where its middle is, half its width, both in ops."""

    center: float
    half_width: float
    text: str


def plot_profile(
    scores: xr.Dataset,
    *,
    best: xr.Dataset | None = None,
    graph: Any = None,
    axes: "Sequence[Axes] | None" = None,
    control: xr.Dataset | None = None,
    subjects: bool = False,
) -> "Figure":
    """Draw the score of every op in order of execution, one panel per region.

    Parameters
    ----------
    scores : Dataset
        What ``compare_rdms`` or ``fit_encoding`` returned: means as a line, their intervals as a
        ribbon, the noise ceiling as a band; with ``subjects=True`` a thin line per subject.
    best : Dataset, optional
        What ``assign_regions`` returned; a hollow dot marks each region's best op at the held-out
        score of the choice.
    graph : Trace or Graph, optional
        Gives the order of ops and their modules; else the order and names in ``scores`` do.
    axes : sequence of Axes, optional
        One per region, to draw into.
    control : Dataset, optional
        Scores of the same ops to compare with, such as those of an untrained model; its attribute
        ``label`` names the line.
    subjects : bool
        Whether to draw subjects one by one.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        For scores that cannot be drawn, or a number of axes that is not that of regions.
    LabelError
        When ``best``, ``control`` or ``graph`` do not have the same ops and regions.
    """
    scores = read_scores(scores, "plot_profile")
    graph = read_graph(graph) if graph is not None else None
    graph_ops = list(graph.by_name) if graph is not None else None
    annotation = annotate_ops(scores, ops=graph_ops, best=best)
    op_axis = _order_ops(annotation, graph)
    if control is not None:
        control = _align_control(control, op_axis.ops, annotation.regions)
    panels = read_axes(axes, annotation.regions) if axes is not None else None
    with style.apply_style():
        panels = _make_axes(len(annotation.regions)) if panels is None else panels
        for i, axis in enumerate(panels):
            selection = {REGION: annotation.regions[i], OP: op_axis.ops}
            _draw_modules(axis, op_axis.modules)
            _draw_ceiling(axis, annotation, i)
            _draw_scores(axis, annotation, i, op_axis.ops)
            if subjects:
                each = scores["score"].sel(selection).transpose(OP, SUBJECT)
                _draw_subjects(axis, each.values, annotation.colors[annotation.regions[i]])
            if control is not None:
                _draw_control(axis, control["score_mean"].sel(selection).values)
            _draw_best(axis, annotation, i, op_axis.ops)
        _draw_legend(panels, control, is_outside=axes is None)
        for axis in panels[:: count_columns(panels[0])]:
            axis.set_ylabel(f"score ({annotation.attrs['measure']})")
        _share_range(panels)
        if axes is None:
            _write_caption(panels[0], annotation)
    return find_figure(panels[0])


def _order_ops(annotation: Annotation, graph: Graph | None) -> OpAxis:
    """Return the ops that have scores in the order of the graph, or of the scores without one."""
    if graph is None:
        names = list(annotation.means)
        return OpAxis(names, [name.rpartition("/")[0].split(".")[0] for name in names])
    names = [op.name for op in graph if op.name in annotation.means]
    paths, root = find_module_paths(graph)
    outermost = [paths[name][0] if paths[name] else "" for name in names]
    return OpAxis(names, [module.removeprefix(root + ".") for module in outermost])


def _align_control(control: Any, ops: list[str], regions: Sequence[str]) -> xr.Dataset:
    """Return scores of a control for these ops and regions, matched by label."""
    control = read_scores(control, "plot_profile")
    control = control.sel({REGION: control[REGION].isin(list(regions))})
    control = align_labels(control, ops, name="control", other="scores", dims=[OP])
    return align_labels(control, list(regions), name="control", other="scores", dims=[REGION])


def _make_axes(n: int) -> "list[Axes]":
    n_rows = math.ceil(n / MOST_COLUMNS)
    n_columns = math.ceil(n / n_rows)
    width = max(3.5, 1.9 * n_columns + 0.5)
    grid = make_panels(n_rows, n_columns, width, 2.1 * n_rows + 0.4, sharey=True)
    axes = list(grid.flat)
    for spare in axes[n:]:
        spare.set_axis_off()
    return axes[:n]


def _draw_ceiling(axis: "Axes", annotation: Annotation, i: int) -> None:
    """Draw the band from the lower to the upper ceiling, or say why there is none."""
    lower = annotation.ceiling_lower[i]
    upper = annotation.ceiling_upper[i]
    if annotation.disagrees[i]:
        _write_note(axis, "subjects do not agree (ceiling ≤ 0)")
    elif annotation.has_ceiling[i]:
        top = upper if np.isfinite(upper) else lower
        axis.axhspan(lower, top, color=style.CEILING, linewidth=0.8, zorder=1, gid="ceiling")
    elif np.isfinite(upper):
        axis.axhline(upper, color=style.MUTED, linewidth=0.8, linestyle="dashed", zorder=1)
        _write_at(axis, upper, "noise ceiling, upper")
    else:
        _write_note(axis, "no noise ceiling")


def _write_note(axis: "Axes", text: str) -> None:
    axis.text(0.02, 0.98, text, transform=axis.transAxes, va="top", fontsize=6.5, color=style.MUTED)


def _write_at(axis: "Axes", height: float, text: str) -> None:
    transform = axis.get_yaxis_transform()
    axis.text(0.02, height, text, transform=transform, va="bottom", fontsize=6.5, color=style.MUTED)


def _draw_scores(axis: "Axes", annotation: Annotation, i: int, ops: list[str]) -> None:
    """Draw the mean score of every op and its interval."""
    region = annotation.regions[i]
    color = annotation.colors[region]
    mean = [annotation.means[name][i] for name in ops]
    low = [annotation.lows[name][i] for name in ops]
    high = [annotation.highs[name][i] for name in ops]
    axis.fill_between(range(len(ops)), low, high, color=color, alpha=0.2, linewidth=0, zorder=2)
    axis.plot(mean, color=color, linewidth=1.5, zorder=3, marker="." if len(ops) < 3 else None)
    axis.set_title(region, loc="left", color=color, fontweight="bold", fontsize=10)


def _draw_subjects(axis: "Axes", values: np.ndarray, color: str) -> None:
    axis.plot(values, color=color, linewidth=0.4, alpha=0.45, zorder=2)


def _draw_control(axis: "Axes", values: np.ndarray) -> None:
    axis.plot(values, color=style.FAINT, linewidth=1.0, zorder=2, gid="control")


def _draw_best(axis: "Axes", annotation: Annotation, i: int, ops: list[str]) -> None:
    """Mark the best op at its held-out score, and name it above the panel."""
    region = annotation.regions[i]
    for name, regions in annotation.best.items():
        if i not in regions or name not in ops:
            continue
        axis.plot(
            ops.index(name), annotation.heldout[i], "o", ms=5, mfc=style.CARD,
            mec=annotation.colors[region], mew=1.4, zorder=4, gid="heldout",
        )  # fmt: skip
        # The region's name is in larger bold letters, and apart from this.
        room = int(measure_width(axis) / CHARACTER - BOLD * len(region)) - 2
        doubt = " (in doubt)" if annotation.doubtful[i] else ""
        text = style.shorten_text(name, max(8, room - len(doubt))) + doubt
        axis.set_title(text, loc="right", fontsize=6.5, color=style.MUTED)


def _draw_legend(panels: "Sequence[Axes]", control: xr.Dataset | None, *, is_outside: bool) -> None:
    """Name the dots of best ops, the control and the ceilings, where they are drawn.

    The legend stands outside the panels if the figure has no other content.
    """
    labels = {"heldout": "best op, at the held-out score", "ceiling": "noise ceiling"}
    if control is not None:
        labels["control"] = style.shorten_text(str(control.attrs.get("label", "control")), 24)
    by_gid: dict[str, Artist] = {}
    for axis in panels:
        for artist in (*axis.lines, *axis.patches):
            by_gid.setdefault(str(artist.get_gid()), artist)
    shown = [gid for gid in labels if gid in by_gid]
    handles = [by_gid[gid] for gid in shown]
    texts = [labels[gid] for gid in shown]
    if shown and is_outside:
        find_figure(panels[0]).legend(handles, texts, loc="outside upper right", ncols=len(shown))
    elif shown:
        panels[0].legend(handles, texts)


def _write_caption(axis: "Axes", annotation: Annotation) -> None:
    """Write below the panels what they show, from the attributes of the scores."""
    lines = [describe_method(annotation.attrs)]
    if annotation.has_intervals:
        lines.append(f"ribbon: {describe_interval(annotation.attrs)}")
    figure = find_figure(axis)
    for name in ("best_note", "doubt_note"):
        width = round(CAPTION_CHARACTERS * figure.get_figwidth())
        lines += wrap(annotation.notes.get(name, ""), width)
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=6.5, color=style.MUTED)


def _share_range(axes: "Sequence[Axes]") -> None:
    """Give all panels the same range of scores, 0 included."""
    ends = np.array([0.0, *(end for axis in axes for end in axis.dataLim.intervaly)])
    ends = ends[np.isfinite(ends)]
    margin = 0.06 * ((ends.max() - ends.min()) or 1.0)
    for axis in axes:
        axis.set_ylim(ends.min() - margin, ends.max() + margin)


def _draw_modules(axis: "Axes", modules: list[str]) -> None:
    """Shade every other module, and name those whose names have room below the axis."""
    runs: list[tuple[str, list[int]]] = []
    for name, run in groupby(range(len(modules)), key=modules.__getitem__):
        runs.append((name, list(run)))
    for _, positions in runs[1::2]:
        start = positions[0] - 0.5
        end = positions[-1] + 0.5
        axis.axvspan(start, end, color=style.CLUSTER_FILLS[0], linewidth=0, zorder=0)
    labels = _fit_labels(runs, len(modules), measure_width(axis))
    centers = [label.center for label in labels]
    axis.set_xticks(centers, [label.text for label in labels], fontsize=6.5)
    axis.tick_params(axis="x", length=0)
    axis.set_xlim(-0.5, max(0.5, len(modules) - 0.5))


def _fit_labels(runs: list[tuple[str, list[int]]], n_ops: int, width: float) -> list[ModuleLabel]:
    """Return the names of modules that do not collide; those of more ops are kept first."""
    character = CHARACTER * n_ops / width  # in ops
    labels: list[ModuleLabel] = []
    for name, positions in sorted(runs, key=lambda run: -len(run[1])):
        text = style.shorten_text(name, 14)
        half = (len(text) + 0.7) * character / 2
        middle = (positions[0] + positions[-1]) / 2
        center = max(half - 0.5, min(middle, n_ops - 0.5 - half))
        is_free = all(abs(center - other.center) >= half + other.half_width for other in labels)
        if name and is_free:
            labels.append(ModuleLabel(center, half, text))
    return labels
