"""Dissimilarity matrices of a model and a brain, read, put in order, ranked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    OP,
    REGION,
    STIMULUS,
    STIMULUS_2,
    TIME_BIN,
    check_dims,
    get_ids,
    list_names,
)
from neurolens.scores import read_scores
from neurolens.view import style
from neurolens.view.annotation.brain_rdms import average_brain, check_array, rank_pairs
from neurolens.view.plots.canvas.words import name_measure

MOST_RDMS = 8


@dataclass(frozen=True)
class Matrix:
    """One matrix to draw: of an op of the ``"model"``, or of a region of the ``"brain"``.

    ``note`` is its score in words, ``""`` without one.
    """

    kind: str
    region: str
    op: str
    values: np.ndarray
    note: str = ""


@dataclass(frozen=True)
class Matrices:
    """Matrices in the order of drawing, the ``ids`` of their stimuli, and the category of each."""

    matrices: list[Matrix]
    ids: list[str]
    categories: list[str]


def read_matrices(
    rdms: Any, brain: Any, ops: Any, categories: Any, scores: xr.Dataset | None
) -> Matrices:
    """Return matrices with stimuli ordered by category, those of the model first."""
    if rdms is None and brain is None:
        raise InputError(
            "plot_rdms takes RDMs of a model, of a brain, or both, got none. Pass the DataArray "
            "that compute_rdms returned."
        )
    if rdms is not None:
        _check_array(rdms, "rdms", "compute_rdms returned")
        check_dims(rdms, (OP, STIMULUS, STIMULUS_2), "rdms")
    if brain is not None:
        _check_array(brain, "brain", "holds the brain's RDMs (dataset.rdms)")
    ids = get_ids(brain if rdms is None else rdms, STIMULUS, "brain" if rdms is None else "rdms")
    return _order_matrices(rdms, brain, ops, _read_categories(categories, ids.tolist()), scores)


def _read_categories(categories: Any, ids: list) -> dict[Any, str]:
    """Return the category of each stimulus, ``""`` without any."""
    if isinstance(categories, str):
        raise InputError(
            f"categories must be a list with one per stimulus, got the text {categories!r}. Pass "
            f"categories=list(stimuli.metadata[{categories!r}])."
        )
    groups = [""] * len(ids) if categories is None else [str(one) for one in categories]
    if len(groups) != len(ids):
        raise LabelError(f"categories must be one per stimulus, {len(ids)}, got {len(groups)}.")
    return dict(zip(ids, groups, strict=True))


def _order_matrices(
    rdms: Any, brain: Any, ops: Any, categories: dict[Any, str], scores: xr.Dataset | None
) -> Matrices:
    """Return matrices with stimuli ordered by category, in order of first appearance."""
    first = {name: i for i, name in enumerate(dict.fromkeys(categories.values()))}
    ordered = sorted(categories, key=lambda one: first[categories[one]])
    matrices = [] if rdms is None else _list_ops(rdms, ops, ordered, scores)
    if brain is not None:
        squares = average_brain(brain, ordered, "brain")
        wanted = _choose_regions(ops, list(squares))
        matrices += [Matrix("brain", region, "", squares[region]) for region in wanted]
    return Matrices(matrices, ordered, [categories[one] for one in ordered])


def rank_values(values: np.ndarray) -> np.ndarray:
    """Replace the values above the diagonal by their mean ranks from 0 to 1; NaN on the diagonal.

    Equal values stay equal. NaN stays NaN.
    """
    ranked = np.zeros(values.shape)
    ranked[np.triu_indices(len(values), 1)] = rank_pairs(values)
    return blank_diagonal(ranked + ranked.T)


def blank_diagonal(values: np.ndarray) -> np.ndarray:
    """Return ``values`` with NaN on the diagonal: stimuli are not compared with themselves."""
    blank = np.array(values, dtype=float)
    np.fill_diagonal(blank, np.nan)
    return blank


def _is_paired(ops: Any) -> bool:
    return isinstance(ops, Mapping)


def _list_ops(
    rdms: xr.DataArray, ops: Any, ordered: list[str], scores: xr.Dataset | None
) -> list[Matrix]:
    rows = rdms.transpose(OP, STIMULUS, STIMULUS_2).sel({STIMULUS: ordered, STIMULUS_2: ordered})
    return [
        Matrix("model", region, op, rows.sel({OP: op}).values, _describe_score(scores, region, op))
        for region, op in _choose_ops(rdms, ops)
    ]


def _describe_score(scores: xr.Dataset | None, region: str, op: str) -> str:
    """Return the score of an op in its region in words, ``""`` without scores."""
    if scores is None:
        return ""
    if op not in scores[OP].values or region not in scores[REGION].values:
        raise LabelError(
            f"scores have no {op!r} in {region!r}. Pass the scores that were made from these RDMs.",
            anchor="unknown-region",
        )
    value = float(scores["score_mean"].sel({OP: op, REGION: region}))
    return f"{name_measure(scores.attrs)} {style.format_score(value)}"


def read_pair_scores(scores: Any, ops: Any) -> xr.Dataset | None:
    """Return scores to write on panels, which need to know the region of each op."""
    if scores is None:
        return None
    if not _is_paired(ops):
        raise InputError(
            "scores are written on ops with a region, which ops must name. Pass "
            "ops={region: op, ...}."
        )
    return read_scores(scores, "plot_rdms")


def _check_array(array: Any, name: str, origin: str) -> None:
    check_array(array, name, origin)
    if TIME_BIN in array.dims:
        raise InputError(
            f"plot_rdms takes one time bin, and {name} has {array.sizes[TIME_BIN]}. Select with "
            f"{name}.isel(time_bin=0, drop=True).",
            anchor="one-time-bin",
        )


def _choose_ops(
    rdms: xr.DataArray, ops: Sequence[str] | Mapping[str, str] | None
) -> list[tuple[str, str]]:
    """Return pairs of region (``""`` for none) and op to draw, checked to be in ``rdms``."""
    names = [str(name) for name in get_ids(rdms, OP, "rdms")]
    if ops is None:
        spaced = np.linspace(0, len(names) - 1, min(MOST_RDMS, len(names)))
        ops = [names[i] for i in np.unique(spaced.astype(int))]
    if not isinstance(ops, Iterable) or not list(ops):
        raise InputError(
            f"ops must be the names of one op or more, or a mapping of region to op, got {ops!r}. "
            f"Pass ops={names[:2]!r}."
        )
    listed = [ops] if isinstance(ops, str) else ops
    chosen = list(ops.items()) if isinstance(ops, Mapping) else [("", name) for name in listed]
    unknown = [name for _, name in chosen if name not in names]
    if unknown:
        raise LabelError(
            f"rdms has no ops {list_names(unknown)}; it has {list_names(names)}. Pass ops=[...] "
            f"from those.",
            anchor="unknown-op",
        )
    return chosen


def _choose_regions(ops: Any, regions: list[str]) -> list[str]:
    """Return the regions to draw: those of the pairs, or all."""
    if not _is_paired(ops):
        return regions
    lacking = [str(region) for region in ops if region not in regions]
    if lacking:
        raise LabelError(
            f"ops names regions that brain lacks: {list_names(lacking)}. It has "
            f"{list_names(regions)}. Leave those out of ops, or pass the RDMs of all regions.",
            anchor="unknown-region",
        )
    return list(ops)
