"""Score along the network, and dissimilarity matrices side by side."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from neurolens.errors import InputError, LabelError
from neurolens.labels import OP, REGION, STIMULUS, STIMULUS_2, SUBJECT, align_stimuli, check_dims, get_ids, list_names
from neurolens.view.annotation import Annotation, annotate_ops, check_scores, describe_interval
from neurolens.view.layout import find_module_paths, read_graph
from neurolens.view.style import (
    CARD,
    CLUSTER_FILLS,
    FAINT,
    INK,
    MUTED,
    apply_style,
    assign_region_colors,
    build_colormap,
    shorten_text,
)

MOST_RDMS = 8
# Inches a character takes at the small label size, a little more than measured.
CHARACTER = 0.046


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
        ``score_mean`` (op, region) and the ceilings (region); with ``mean_ci_low`` and ``mean_ci_high`` a
        ribbon, with ``subjects=True`` a thin line per subject from ``score``.
    best : Dataset, optional
        What ``assign_regions`` returned; a hollow dot marks each region's best op.
    graph : Trace or Graph, optional
        Gives the order of ops and their modules; else the order and names in ``scores`` do.
    axes : sequence of Axes, optional
        One per region, to draw into.
    control : Dataset, optional
        Scores of the same ops to compare with, such as those of an untrained model; its attribute ``label``
        names the line.
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
    names = [str(name) for name in scores[OP].values] if OP in scores.coords else []
    paths = [name.rpartition("/")[0].split(".")[0] for name in names]
    if graph is not None:
        graph = read_graph(graph)
        annotate_ops(scores, ops=list(graph.by_name))
        held = set(names)
        names = [op.name for op in graph if op.name in held]
        modules, root = find_module_paths(graph)
        paths = [(modules[name] or ("",))[0].removeprefix(root + ".") for name in names]
    note = annotate_ops(scores, best=best)
    if control is not None:
        check_scores(control, "control")
        different = set(names) ^ {str(name) for name in get_ids(control["score_mean"], OP, "control")}
        if different or set(note.regions) - {str(r) for r in control[REGION].values}:
            raise LabelError(
                f"control must have the ops and regions of scores; they differ in {list_names(sorted(different))} "
                f"and regions {list(note.regions)}, {list(control[REGION].values)}. Score both with the same ops."
            )
    n = len(note.regions)
    if axes is not None and len(axes) != n:
        raise InputError(f"axes must be one per region, {n} for {list(note.regions)}, got {len(axes)}.")
    with apply_style():
        if axes is None:
            n_columns = n if n <= 4 else math.ceil(n / math.ceil(n / 4))
            n_rows = math.ceil(n / n_columns)
            figure = Figure(figsize=(max(3.5, 1.9 * n_columns + 0.5), 2.1 * n_rows + 0.2), layout="constrained")
            grid = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
            axes = list(grid.flat[:n])
            for spare in grid.flat[n:]:
                spare.set_axis_off()
            firsts = set(grid[:, 0])
        else:
            firsts = {axes[0]}
        figure = _find_figure(axes[0])
        low, high = _find_limits(note, scores, control, subjects)
        for i, (axis, region) in enumerate(zip(axes, note.regions, strict=True)):
            axis.set_ylim(low, high)
            _draw_bands(axis, paths)
            _draw_region(axis, note, i, names)
            if subjects and "score" in scores:
                one = scores["score"].sel({REGION: region, OP: names}).transpose(OP, SUBJECT)
                color = assign_region_colors(note.regions)[region]
                axis.plot(one.values, color=color, linewidth=0.4, alpha=0.45, zorder=2)
            if control is not None:
                values = control["score_mean"].sel({REGION: region, OP: names}).values
                (line,) = axis.plot(values, color=FAINT, linewidth=1.0, zorder=2)
                if i == 0:
                    label = shorten_text(str(control.attrs.get("label", "control")), 24)
                    axis.legend([line], [label], frameon=False, fontsize=6.5, labelcolor=MUTED, handlelength=1.2)
            if axis in firsts:
                axis.set_ylabel(_name_score(note))
    return figure


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
        One per stimulus of ``rdms``; stimuli are grouped by it, in order of first appearance, and labelled.

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
        ops = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, min(MOST_RDMS, len(names))).astype(int))]
    chosen = list(ops.values() if isinstance(ops, Mapping) else ops)
    if unknown := [name for name in chosen if name not in names]:
        raise LabelError(
            f"rdms has no ops {list_names(unknown)}; it has {list_names(names)}. Pass ops=[...] from those."
        )
    ids = get_ids(rdms, STIMULUS, "rdms").tolist()
    order = np.arange(len(ids))
    if categories is not None:
        if len(categories) != len(ids):
            raise LabelError(f"categories must be one per stimulus, {len(ids)}, got {len(categories)}.")
        rank = {name: i for i, name in enumerate(dict.fromkeys(categories))}
        order = np.argsort([rank[c] for c in categories], kind="stable")
    titles = [shorten_text(name, 20) for name in chosen]
    model = [rdms.sel({OP: name}).transpose(STIMULUS, STIMULUS_2).values for name in chosen]
    brains = _average_brain(brain, ids) if brain is not None else {}
    if isinstance(ops, Mapping) and brains:
        brains = {region: brains[region] for region in ops if region in brains}
        titles = [f"{region}\n{title}" for region, title in zip(ops, titles, strict=True)]
    panels = [("model", title, values) for title, values in zip(titles, model, strict=True)]
    panels += [("brain", region, values) for region, values in brains.items()]
    ticks = _place_ticks([str(categories[int(i)]) for i in order] if categories is not None else [])
    with apply_style():
        return _draw_matrices(panels, order, ticks)


def _draw_matrices(
    panels: list[tuple[str, str, np.ndarray]], order: np.ndarray, ticks: tuple[list[float], list[str], list[float]]
) -> Figure:
    groups = [list(group) for _, group in groupby(panels, key=lambda panel: panel[0])]
    n_columns = min(6, max(len(group) for group in groups))
    rows = [group[i : i + n_columns] for group in groups for i in range(0, len(group), n_columns)]
    figure = Figure(figsize=(1.35 * n_columns + 1.2, 1.6 * len(rows) + 0.1), layout="constrained")
    grid = figure.subplots(len(rows), n_columns, squeeze=False)
    colors = assign_region_colors([title.split("\n")[0] for _, title, _ in panels])
    cmap = build_colormap()
    image: AxesImage | None = None
    centres, labels, borders = ticks
    for row, axes in zip(rows, grid, strict=True):
        for axis in axes[len(row) :]:
            axis.set_axis_off()
        for k, (axis, (kind, title, values)) in enumerate(zip(axes, row, strict=False)):
            ranked = _rank_values(values[np.ix_(order, order)])
            image = axis.imshow(ranked, cmap=cmap, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
            head, _, rest = title.partition("\n")
            region = bool(rest) or kind == "brain"
            axis.set_title(
                head,
                fontsize=8 if region else 6.5,
                color=colors[head] if region else INK,
                fontweight="bold" if region else "normal",
                pad=11 if rest else 4,
            )
            if rest:
                axis.text(0.5, 1.02, rest, transform=axis.transAxes, ha="center", va="bottom", fontsize=6, color=MUTED)
            axis.set_xticks([])
            axis.set_yticks(centres if k == 0 else [], labels if k == 0 else [], fontsize=6)
            axis.tick_params(length=0)
            for border in borders:
                axis.axhline(border, color=CARD, linewidth=0.5)
                axis.axvline(border, color=CARD, linewidth=0.5)
            axis.spines[:].set_visible(False)
            if k == 0:
                axis.set_ylabel(kind)
    assert image is not None
    bar = figure.colorbar(image, ax=list(grid.flat), shrink=0.7, aspect=25, pad=0.02)
    bar.set_label("dissimilarity (rank)")
    bar.set_ticks([0, 0.5, 1])
    bar.outline.set_visible(False)
    return figure


def _draw_region(axis: Axes, note: Annotation, i: int, names: list[str]) -> None:
    region = note.regions[i]
    color = assign_region_colors(note.regions)[region]
    lower, upper = note.ceiling_lower[i], note.ceiling_upper[i]
    if np.isfinite(lower):
        axis.axhspan(lower, upper if np.isfinite(upper) else lower, color="#DDE1E6", linewidth=0.8, zorder=1)
    else:
        axis.text(0.02, 0.98, "no noise ceiling", transform=axis.transAxes, va="top", fontsize=6.5, color=MUTED)
    if i == np.argmax(np.isfinite(note.ceiling_lower)) and np.isfinite(lower):
        axis.text(
            0.02, lower, "noise ceiling", transform=axis.get_yaxis_transform(), va="bottom", fontsize=6.5, color=MUTED
        )
    x = np.arange(len(names))
    mean, low, high = (np.array([table[name][i] for name in names]) for table in (note.means, note.lows, note.highs))
    axis.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0, zorder=2)
    axis.plot(x, mean, color=color, linewidth=1.5, zorder=3, marker="." if len(names) < 3 else None)
    axis.set_title(region, loc="left", color=color, fontweight="bold", fontsize=10)
    for name, regions in note.best.items():
        if i in regions and name in names:
            at = names.index(name)
            axis.plot(
                at,
                mean[at],
                "o",
                markersize=5,
                markerfacecolor=CARD,
                markeredgecolor=color,
                markeredgewidth=1.4,
                zorder=4,
            )
            room = int(_find_figure(axis).get_figwidth() / max(1, _count_columns(axis)) / CHARACTER) - 8
            axis.set_title(shorten_text(name, max(8, room - len(region))), loc="right", fontsize=6.5, color=MUTED)


def _draw_bands(axis: Axes, paths: list[str]) -> None:
    runs = [(key, [i for i, _ in run]) for key, run in groupby(enumerate(paths), key=lambda item: item[1])]
    width = _find_figure(axis).get_figwidth() / max(1, _count_columns(axis)) - 0.4
    per_op = width / max(1, len(paths))
    taken: list[tuple[float, float]] = []
    labels: dict[float, str] = {}
    for n, (_, places) in enumerate(runs):
        if n % 2:
            axis.axvspan(places[0] - 0.5, places[-1] + 0.5, color=CLUSTER_FILLS[0], linewidth=0, zorder=0)
    # Widest first: where names would collide, the module with more ops keeps its name.
    for key, places in sorted(runs, key=lambda run: -len(run[1])):
        centre = (places[0] + places[-1]) / 2
        text = shorten_text(key, 14)
        half = (len(text) + 0.7) * CHARACTER / 2 / per_op
        centre = max(half - 0.5, min(centre, len(paths) - 0.5 - half))
        if key and all(centre + half <= a or centre - half >= b for a, b in taken):
            taken.append((centre - half, centre + half))
            labels[centre] = text
    axis.set_xticks(list(labels), list(labels.values()), fontsize=6.5)
    axis.tick_params(axis="x", length=0)
    axis.set_xlim(-0.5, max(0.5, len(paths) - 0.5))


def _find_figure(axis: Axes) -> Figure:
    figure = axis.get_figure(root=True)
    if figure is None:
        raise InputError("axes must stand in a figure; these were removed from theirs. Make them with subplots().")
    return figure


def _count_columns(axis: Axes) -> int:
    spec = axis.get_subplotspec()
    return spec.get_gridspec().ncols if spec is not None else 1


def _find_limits(
    note: Annotation, scores: xr.Dataset, control: xr.Dataset | None, subjects: bool
) -> tuple[float, float]:
    parts = [np.array(list(t.values())).ravel() for t in (note.means, note.lows, note.highs)]
    parts += [note.ceiling_lower, note.ceiling_upper]
    if control is not None:
        parts.append(control["score_mean"].values.ravel())
    if subjects and "score" in scores:
        parts.append(scores["score"].values.ravel())
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    low, high = (min(0.0, values.min()), max(0.0, values.max())) if values.size else (0.0, 1.0)
    room = 0.06 * ((high - low) or 1.0)
    return low - room, high + room


def _name_score(note: Annotation) -> str:
    name = str(note.attrs.get("comparator", "score"))
    known = any(np.isfinite(row).any() for row in note.lows.values())
    return f"{name} ({describe_interval(note.attrs)})" if known else name


def _average_brain(brain: xr.DataArray, ids: list) -> dict[str, np.ndarray]:
    check_dims(brain, [d for d in (REGION, SUBJECT) if d in brain.dims] + [STIMULUS, STIMULUS_2], "brain")
    brain = align_stimuli(brain, ids, name="brain", other="rdms")
    if SUBJECT in brain.dims:
        brain = brain.mean(SUBJECT, skipna=True)
    if REGION not in brain.dims:
        brain = brain.expand_dims({REGION: ["brain"]})
    brain = brain.transpose(REGION, STIMULUS, STIMULUS_2)
    return {str(region): brain.values[i] for i, region in enumerate(brain[REGION].values)}


def _rank_values(values: np.ndarray) -> np.ndarray:
    """Replace the values above the diagonal by their mean ranks from 0 to 1; equal values stay equal."""
    upper = np.triu_indices(len(values), 1)
    known = np.isfinite(values[upper])
    _, place, counts = np.unique(values[upper][known], return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts + 1) / 2
    flat = np.full(len(upper[0]), np.nan)
    flat[known] = ranks[place] / max(1, known.sum() - 1)
    ranked = np.zeros_like(values, dtype=float)
    ranked[upper] = flat
    return ranked + ranked.T


def _place_ticks(categories: list[str]) -> tuple[list[float], list[str], list[float]]:
    centres, labels, borders = [], [], []
    start = 0
    for name, run in groupby(categories):
        end = start + len(list(run))
        # A label needs about a sixteenth of a panel's height.
        if (end - start) / len(categories) >= 0.06:
            centres.append((start + end - 1) / 2)
            labels.append(shorten_text(name, 16))
        if start:
            borders.append(start - 0.5)
        start = end
    return centres, labels, borders if len(borders) < 24 else []
