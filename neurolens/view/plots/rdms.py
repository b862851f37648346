"""Dissimilarity matrices side by side: those of the model above those of the brain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    OP,
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    UNNAMED,
    align_labels,
    check_dims,
    get_ids,
    list_names,
)
from neurolens.view import style
from neurolens.view.plots.panels import build_colormap, find_figure, make_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_RDMS = 8
MOST_COLUMNS = 6
MOST_BORDERS = 24
# A label needs about a sixteenth of a panel's height.
LABEL_HEIGHT = 0.06


@dataclass(frozen=True)
class Panel:
    """One matrix to draw: of an op of the ``"model"``, or of a region of the ``"brain"``."""

    row: str
    region: str
    op: str
    values: np.ndarray


class Groups(NamedTuple):
    """Runs of stimuli of one category: the middles and names of those with room, and borders."""

    centers: list[float]
    names: list[str]
    borders: list[float]


def plot_rdms(
    rdms: xr.DataArray,
    *,
    ops: Sequence[str] | Mapping[str, str] | None = None,
    brain: xr.DataArray | None = None,
    categories: Sequence[str] | None = None,
) -> "Figure":
    """Draw dissimilarity matrices, rank-transformed to 0–1, the model's above the brain's.

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
    InputError
        For anything else than a DataArray.
    LabelError
        When dimensions or stimuli do not match.
    """
    _check_array(rdms, "rdms", "compute_rdms returned")
    check_dims(rdms, (OP, STIMULUS, STIMULUS_2), "rdms")
    chosen = _choose_ops(rdms, ops)
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
        _check_array(brain, "brain", "holds the brain's RDMs (dataset.rdms)")
        matrices = _average_brain(brain, [ids[i] for i in order])
        regions = list(ops) if isinstance(ops, Mapping) else list(matrices)
        panels += [
            Panel("brain", region, "", matrices[region]) for region in regions if region in matrices
        ]
    with style.apply_style():
        return _draw_panels(panels, _find_groups([groups[i] for i in order]))


def rank_values(values: np.ndarray) -> np.ndarray:
    """Replace the values above the diagonal by their mean ranks from 0 to 1.

    Equal values stay equal.
    """
    upper = np.triu_indices(len(values), 1)
    ranks = pd.Series(values[upper]).rank() - 1
    ranked = np.zeros(values.shape)
    ranked[upper] = ranks / max(1, ranks.count() - 1)
    return ranked + ranked.T


def _check_array(array: Any, name: str, origin: str) -> None:
    if not isinstance(array, xr.DataArray):
        raise InputError(
            f"{name} must be a DataArray over stimulus and stimulus_2, got "
            f"{type(array).__name__}. Pass the DataArray that {origin}."
        )


def _choose_ops(
    rdms: xr.DataArray, ops: Sequence[str] | Mapping[str, str] | None
) -> list[tuple[str, str]]:
    """Return pairs of region (``""`` for none) and op to draw, checked to be in ``rdms``."""
    names = [str(name) for name in get_ids(rdms, OP, "rdms")]
    if ops is None:
        spaced = np.linspace(0, len(names) - 1, min(MOST_RDMS, len(names)))
        ops = [names[i] for i in np.unique(spaced.astype(int))]
    chosen = list(ops.items()) if isinstance(ops, Mapping) else [("", name) for name in ops]
    unknown = [name for _, name in chosen if name not in names]
    if unknown:
        raise LabelError(
            f"rdms has no ops {list_names(unknown)}; it has {list_names(names)}. Pass ops=[...] "
            f"from those."
        )
    return chosen


def _average_brain(brain: xr.DataArray, ids: list) -> dict[str, np.ndarray]:
    """Return one matrix per region, its stimuli in the order of ``ids``."""
    outer = [dim for dim in (REGION, SUBJECT) if dim in brain.dims]
    check_dims(brain, [*outer, STIMULUS, STIMULUS_2], "brain")
    brain = align_labels(brain, ids, name="brain", other="rdms")
    if SUBJECT in brain.dims:
        brain = brain.mean(SUBJECT, skipna=True)
    if REGION not in brain.dims:
        brain = brain.expand_dims({REGION: [UNNAMED[REGION]]})
    brain = brain.transpose(REGION, STIMULUS, STIMULUS_2)
    return dict(zip(map(str, brain[REGION].values), brain.values, strict=True))


def _find_groups(categories: list[str]) -> Groups:
    """Return runs of a category in stimuli that are ordered by it."""
    groups = Groups([], [], [])
    start = 0
    for name, run in groupby(categories):
        end = start + len(list(run))
        if name and (end - start) / len(categories) >= LABEL_HEIGHT:
            groups.centers.append((start + end - 1) / 2)
            groups.names.append(style.shorten_text(name, 16))
        if start:
            groups.borders.append(start - 0.5)
        start = end
    return groups


def _draw_panels(panels: list[Panel], groups: Groups) -> "Figure":
    kinds = [list(run) for _, run in groupby(panels, key=lambda panel: panel.row)]
    n_columns = min(MOST_COLUMNS, max(map(len, kinds)))
    rows = [run[i : i + n_columns] for run in kinds for i in range(0, len(run), n_columns)]
    grid = make_panels(len(rows), n_columns, 1.35 * n_columns + 1.2, 1.6 * len(rows) + 0.1)
    colors = style.assign_region_colors(panel.region for panel in panels if panel.region)
    for row, axes in zip(rows, grid, strict=True):
        for panel, axis in zip_longest(row, axes):
            if panel is None:
                axis.set_axis_off()
                continue
            _draw_matrix(axis, panel, groups.borders)
            _write_title(axis, panel, colors)
        axes[0].set_ylabel(row[0].row)
        axes[0].set_yticks(groups.centers, groups.names, fontsize=6)
        axes[0].tick_params(length=0)
    _draw_bar(grid)
    return find_figure(grid[0, 0])


def _draw_matrix(axis: "Axes", panel: Panel, borders: list[float]) -> None:
    axis.imshow(
        rank_values(panel.values), cmap=build_colormap(), vmin=0, vmax=1, interpolation="nearest"
    )
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    for border in borders if len(borders) < MOST_BORDERS else []:
        axis.axhline(border, color=style.CARD, linewidth=0.5)
        axis.axvline(border, color=style.CARD, linewidth=0.5)


def _draw_bar(grid: np.ndarray) -> None:
    from matplotlib.cm import ScalarMappable

    bar = find_figure(grid[0, 0]).colorbar(
        ScalarMappable(cmap=build_colormap()), ax=grid, shrink=0.7, aspect=25, pad=0.02
    )
    bar.set_label("dissimilarity (rank)")
    bar.set_ticks([0, 0.5, 1])
    bar.outline.set_visible(False)


def _write_title(axis: "Axes", panel: Panel, colors: dict[str, str]) -> None:
    op = style.shorten_text(panel.op, 20)
    if not panel.region:
        axis.set_title(op, fontsize=6.5, color=style.INK, pad=4)
        return
    color = colors[panel.region]
    axis.set_title(panel.region, fontsize=8, color=color, fontweight="bold", pad=11 if op else 4)
    axis.text(
        0.5, 1.02, op, transform=axis.transAxes, ha="center", va="bottom", fontsize=6,
        color=style.MUTED,
    )  # fmt: skip
