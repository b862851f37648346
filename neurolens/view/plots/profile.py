"""Score along the network, and dissimilarity matrices side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    OP,
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    align_stimuli,
    check_dims,
    get_ids,
    list_names,
)
from neurolens.view import style
from neurolens.view.annotation import Annotation, annotate_ops, check_scores, describe_interval
from neurolens.view.graph.layout import find_module_paths, read_graph

MOST_RDMS = 8
MOST_COLUMNS = 6
# Inches a character takes at the small label size, a little more than measured.
CHARACTER = 0.046


@dataclass(frozen=True)
class Panel:
    """One matrix to draw: of an op of the ``"model"``, or of a region of the ``"brain"``."""

    row: str
    region: str
    op: str
    values: np.ndarray


def plot_profile(
    scores: xr.Dataset,
    *,
    best: xr.Dataset | None = None,
    graph: Any = None,
    axes: Sequence[Axes] | None = None,
    control: xr.Dataset | None = None,
    subjects: bool = False,
) -> Figure:
    """Draw the score of every op in order of execution, one panel per region.

    Parameters
    ----------
    scores : Dataset
        ``score_mean`` (op, region) and the ceilings (region); with ``mean_ci_low`` and
        ``mean_ci_high`` a ribbon, with ``subjects=True`` a thin line per subject from ``score``.
    best : Dataset, optional
        What ``assign_regions`` returned; a hollow dot marks each region's best op.
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
        When a variable is missing or the number of axes is not that of regions.
    LabelError
        When ``best``, ``control`` or ``graph`` do not have the same ops and regions.
    """
    graph = read_graph(graph) if graph is not None else None
    note = annotate_ops(scores, ops=list(graph.by_name) if graph is not None else None, best=best)
    if graph is None:
        names = list(note.means)
        paths = [name.rpartition("/")[0].split(".")[0] for name in names]
    else:
        names = [op.name for op in graph if op.name in note.means]
        modules, root = find_module_paths(graph)
        paths = [(modules[name] or ("",))[0].removeprefix(root + ".") for name in names]
    if control is not None:
        check_scores(control, "control")
        control = control.sel({REGION: control[REGION].isin(note.regions)})
        for dim, labels in ((OP, names), (REGION, note.regions)):
            control = align_stimuli(control, labels, name="control", other="scores", dims=[dim])
    if axes is not None and len(axes) != len(note.regions):
        raise InputError(
            f"axes must be one per region, {len(note.regions)} for {list(note.regions)}, got "
            f"{len(axes)}."
        )
    with style.apply_style():
        axes = _make_axes(len(note.regions)) if axes is None else axes
        for i, (axis, region) in enumerate(zip(axes, note.regions, strict=True)):
            place = {REGION: region, OP: names}
            _draw_bands(axis, paths)
            _draw_ceiling(axis, note, i)
            _draw_scores(axis, note, i, names)
            if subjects and "score" in scores:
                each = scores["score"].sel(place).transpose(OP, SUBJECT)
                axis.plot(
                    each.values, color=note.colors[region], linewidth=0.4, alpha=0.45, zorder=2
                )
            if control is not None:
                axis.plot(
                    control["score_mean"].sel(place).values,
                    color=style.FAINT,
                    linewidth=1.0,
                    zorder=2,
                )
        if control is not None:
            label = style.shorten_text(str(control.attrs.get("label", "control")), 24)
            axes[0].legend(axes[0].lines[-1:], [label])
        for axis in axes[:: _count_columns(axes[0])]:
            axis.set_ylabel(_name_score(note))
        ends = np.array([0.0, *(end for axis in axes for end in axis.dataLim.intervaly)])
        ends = ends[np.isfinite(ends)]
        low = ends.min()
        high = ends.max()
        room = 0.06 * ((high - low) or 1.0)
        for axis in axes:
            axis.set_ylim(low - room, high + room)
    return _find_figure(axes[0])


def plot_rdms(
    rdms: xr.DataArray,
    *,
    ops: Sequence[str] | Mapping[str, str] | None = None,
    brain: xr.DataArray | None = None,
    categories: Sequence[str] | None = None,
) -> Figure:
    """Draw dissimilarity matrices, rank-transformed to 0–1, those of the model above those of the brain.

    Parameters
    ----------
    rdms : DataArray (op, stimulus, stimulus_2)
    ops : sequence of str, or mapping of region to op, optional
        Which to draw; a mapping puts each op above its region. By default eight, evenly spaced.
    brain : DataArray ([region, subject,] stimulus, stimulus_2), optional
        Averaged over subjects, then ranked; matched to the model's stimuli by label.
    categories : sequence of str, optional
        One per stimulus of ``rdms``; stimuli are grouped by it, in order of first appearance, and
        labelled.

    Returns
    -------
    Figure

    Raises
    ------
    LabelError
        When dimensions or stimuli do not match.
    """
    check_dims(rdms, (OP, STIMULUS, STIMULUS_2), "rdms")
    names = [str(name) for name in get_ids(rdms, OP, "rdms")]
    if ops is None:
        ops = [
            names[i]
            for i in np.unique(
                np.linspace(0, len(names) - 1, min(MOST_RDMS, len(names))).astype(int)
            )
        ]
    chosen = list(ops.items()) if isinstance(ops, Mapping) else [("", name) for name in ops]
    if unknown := [name for _, name in chosen if name not in names]:
        raise LabelError(
            f"rdms has no ops {list_names(unknown)}; it has {list_names(names)}. Pass ops=[...] "
            f"from those."
        )
    ids = get_ids(rdms, STIMULUS, "rdms").tolist()
    groups = [""] * len(ids) if categories is None else [str(name) for name in categories]
    if len(groups) != len(ids):
        raise LabelError(f"categories must be one per stimulus, {len(ids)}, got {len(groups)}.")
    order = np.argsort([groups.index(name) for name in groups], kind="stable")
    ordered = rdms.transpose(OP, STIMULUS, STIMULUS_2).isel({STIMULUS: order, STIMULUS_2: order})
    panels = [
        Panel("model", region, name, ordered.sel({OP: name}).values) for region, name in chosen
    ]
    if brain is not None:
        brains = _average_brain(brain, [ids[i] for i in order])
        shown = (
            [region for region in ops if region in brains] if isinstance(ops, Mapping) else brains
        )
        panels += [Panel("brain", region, "", brains[region]) for region in shown]
    with style.apply_style():
        return _draw_panels(panels, [groups[i] for i in order])


def _make_axes(n: int) -> list[Axes]:
    n_rows = math.ceil(n / 4)
    n_columns = math.ceil(n / n_rows)
    figure = Figure(
        figsize=(max(3.5, 1.9 * n_columns + 0.5), 2.1 * n_rows + 0.2), layout="constrained"
    )
    axes = list(figure.subplots(n_rows, n_columns, sharey=True, squeeze=False).flat)
    for spare in axes[n:]:
        spare.set_axis_off()
    return axes[:n]


def _draw_ceiling(axis: Axes, note: Annotation, i: int) -> None:
    lower = note.ceiling_lower[i]
    upper = note.ceiling_upper[i]
    small: dict[str, Any] = {"fontsize": 6.5, "color": style.MUTED}
    if np.isfinite(upper) and not np.isfinite(lower):
        axis.axhline(upper, color=style.MUTED, linewidth=0.8, linestyle="dashed", zorder=1)
        axis.text(
            0.02,
            upper,
            "noise ceiling, upper",
            transform=axis.get_yaxis_transform(),
            va="bottom",
            **small,
        )
        return
    if not np.isfinite(lower):
        axis.text(0.02, 0.98, "no noise ceiling", transform=axis.transAxes, va="top", **small)
        return
    axis.axhspan(
        lower, upper if np.isfinite(upper) else lower, color=style.CEILING, linewidth=0.8, zorder=1
    )
    if i == np.argmax(np.isfinite(note.ceiling_lower)):
        axis.text(
            0.02, lower, "noise ceiling", transform=axis.get_yaxis_transform(), va="bottom", **small
        )


def _draw_scores(axis: Axes, note: Annotation, i: int, names: list[str]) -> None:
    region = note.regions[i]
    color = note.colors[region]
    mean, low, high = (
        np.array([table[name][i] for name in names])
        for table in (note.means, note.lows, note.highs)
    )
    axis.fill_between(range(len(names)), low, high, color=color, alpha=0.2, linewidth=0, zorder=2)
    axis.plot(mean, color=color, linewidth=1.5, zorder=3, marker="." if len(names) < 3 else None)
    axis.set_title(region, loc="left", color=color, fontweight="bold", fontsize=10)
    for name, regions in note.best.items():
        if i in regions and name in names:
            at = names.index(name)
            axis.plot(at, mean[at], "o", ms=5, mfc=style.CARD, mec=color, mew=1.4, zorder=4)
            room = int(_measure_width(axis) / CHARACTER) - len(region)
            axis.set_title(
                style.shorten_text(name, max(8, room)), loc="right", fontsize=6.5, color=style.MUTED
            )


def _draw_bands(axis: Axes, paths: list[str]) -> None:
    runs = [
        (key, [i for i, _ in run])
        for key, run in groupby(enumerate(paths), key=lambda item: item[1])
    ]
    for _, places in runs[1::2]:
        axis.axvspan(
            places[0] - 0.5, places[-1] + 0.5, color=style.CLUSTER_FILLS[0], linewidth=0, zorder=0
        )
    character = CHARACTER * len(paths) / _measure_width(axis)
    labels: list[tuple[float, float, str]] = []
    # Widest first: where names would collide, the module with more ops keeps its name.
    for key, places in sorted(runs, key=lambda run: -len(run[1])):
        text = style.shorten_text(key, 14)
        half = (len(text) + 0.7) * character / 2
        centre = max(half - 0.5, min((places[0] + places[-1]) / 2, len(paths) - 0.5 - half))
        if key and all(abs(centre - other) >= half + its_half for other, its_half, _ in labels):
            labels.append((centre, half, text))
    axis.set_xticks(
        [centre for centre, _, _ in labels], [text for _, _, text in labels], fontsize=6.5
    )
    axis.tick_params(axis="x", length=0)
    axis.set_xlim(-0.5, max(0.5, len(paths) - 0.5))


def _find_figure(axis: Axes) -> Figure:
    figure = axis.get_figure(root=True)
    if figure is None:
        raise InputError(
            "axes must stand in a figure; these were removed from theirs. Make them with "
            "subplots()."
        )
    return figure


def _count_columns(axis: Axes) -> int:
    spec = axis.get_subplotspec()
    return spec.get_gridspec().ncols if spec is not None else 1


def _measure_width(axis: Axes) -> float:
    """Return the width of a panel in inches, before Matplotlib has laid the figure out."""
    return _find_figure(axis).get_figwidth() / _count_columns(axis) - 0.4


def _name_score(note: Annotation) -> str:
    name = str(note.attrs.get("comparator", "score"))
    return f"{name} ({describe_interval(note.attrs)})" if note.has_intervals else name


def _draw_panels(panels: list[Panel], categories: list[str]) -> Figure:
    kinds = [list(run) for _, run in groupby(panels, key=lambda panel: panel.row)]
    n_columns = min(MOST_COLUMNS, max(map(len, kinds)))
    rows = [run[i : i + n_columns] for run in kinds for i in range(0, len(run), n_columns)]
    figure = Figure(figsize=(1.35 * n_columns + 1.2, 1.6 * len(rows) + 0.1), layout="constrained")
    grid = figure.subplots(len(rows), n_columns, squeeze=False)
    colors = style.assign_region_colors(panel.region for panel in panels if panel.region)
    centres, labels, borders = _place_ticks(categories)
    for row, axes in zip(rows, grid, strict=True):
        for panel, axis in zip_longest(row, axes):
            if panel is None:
                axis.set_axis_off()
                continue
            axis.imshow(
                _rank_values(panel.values),
                cmap=style.COLORMAP,
                vmin=0,
                vmax=1,
                interpolation="nearest",
            )
            _write_title(axis, panel, colors)
            axis.set_xticks([])
            axis.set_yticks([])
            for border in borders:
                axis.axhline(border, color=style.CARD, linewidth=0.5)
                axis.axvline(border, color=style.CARD, linewidth=0.5)
            axis.spines[:].set_visible(False)
        axes[0].set_ylabel(row[0].row)
        axes[0].set_yticks(centres, labels, fontsize=6)
        axes[0].tick_params(length=0)
    bar = figure.colorbar(
        ScalarMappable(cmap=style.COLORMAP), ax=grid, shrink=0.7, aspect=25, pad=0.02
    )
    bar.set_label("dissimilarity (rank)")
    bar.set_ticks([0, 0.5, 1])
    bar.outline.set_visible(False)
    return figure


def _write_title(axis: Axes, panel: Panel, colors: dict[str, str]) -> None:
    op = style.shorten_text(panel.op, 20)
    if not panel.region:
        axis.set_title(op, fontsize=6.5, color=style.INK, pad=4)
        return
    axis.set_title(
        panel.region, fontsize=8, color=colors[panel.region], fontweight="bold", pad=11 if op else 4
    )
    axis.text(
        0.5,
        1.02,
        op,
        transform=axis.transAxes,
        ha="center",
        va="bottom",
        fontsize=6,
        color=style.MUTED,
    )


def _average_brain(brain: xr.DataArray, ids: list) -> dict[str, np.ndarray]:
    check_dims(
        brain, [d for d in (REGION, SUBJECT) if d in brain.dims] + [STIMULUS, STIMULUS_2], "brain"
    )
    brain = align_stimuli(brain, ids, name="brain", other="rdms")
    if SUBJECT in brain.dims:
        brain = brain.mean(SUBJECT, skipna=True)
    if REGION not in brain.dims:
        brain = brain.expand_dims({REGION: ["brain"]})
    brain = brain.transpose(REGION, STIMULUS, STIMULUS_2)
    return dict(zip(map(str, brain[REGION].values), brain.values, strict=True))


def _rank_values(values: np.ndarray) -> np.ndarray:
    """Replace the values above the diagonal by their mean ranks from 0 to 1.

    Equal values stay equal.
    """
    upper = np.triu_indices(len(values), 1)
    ranks = pd.Series(values[upper]).rank() - 1
    ranked = np.zeros(values.shape)
    ranked[upper] = ranks / max(1, ranks.count() - 1)
    return ranked + ranked.T


def _place_ticks(categories: list[str]) -> tuple[list[float], list[str], list[float]]:
    """Return the middle and name of each run of a category that has room for its name.

    And the borders of runs.
    """
    centres = []
    labels = []
    borders = []
    start = 0
    for name, run in groupby(categories):
        end = start + len(list(run))
        # A label needs about a sixteenth of a panel's height.
        if name and (end - start) / len(categories) >= 0.06:
            centres.append((start + end - 1) / 2)
            labels.append(style.shorten_text(name, 16))
        if start:
            borders.append(start - 0.5)
        start = end
    return centres, labels, borders if len(borders) < 24 else []
