"""Labelled square RDMs to checked vectors of their upper triangles.

Which is all that comparators see.
"""

import math
from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.features import check_count, check_real
from neurolens.compare.inputs.time_bins import expand_leading
from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    OP,
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    UNNAMED,
    align_stimuli,
    get_ids,
    list_names,
)

# RDMs are published in single precision: triangles and diagonals may differ by its rounding, not by
# more.
TOLERANCE = 1e-5
# Numbers in the squares that are looked at together.
BLOCK_NUMBERS = 2**20


class ModelPairs(NamedTuple):
    """``pairs`` (op, pair), ``ops`` and the stimulus ``ids``; ops with NaN are kept."""

    pairs: np.ndarray
    ops: np.ndarray
    ids: np.ndarray


class BrainPairs(NamedTuple):
    """``pairs`` (region, subject, pair) with NaN where ``present`` (region, subject) is False.

    And the labels.
    """

    pairs: np.ndarray
    present: np.ndarray
    regions: np.ndarray
    subjects: np.ndarray


def take_model_pairs(rdms: xr.DataArray) -> ModelPairs:
    """Return the pairs of model RDMs (op, stimulus, stimulus_2) or (stimulus, stimulus_2).

    As op "model".
    """
    rdms = _order_dims(rdms, {OP: "model"}, "model_rdms")
    ids = get_ids(rdms, STIMULUS, "model_rdms")
    return ModelPairs(
        _take_pairs(rdms, ids, "model_rdms", "its 'stimulus' labels"), rdms[OP].values, ids
    )


def take_brain_pairs(rdms: xr.DataArray, ids: np.ndarray | None = None) -> BrainPairs:
    """Return the pairs of brain RDMs, their stimuli in the order of ``ids``.

    A missing region is called "brain", a missing subject "group".
    """
    rdms = _order_dims(rdms, UNNAMED, "brain_rdms")
    other = "its 'stimulus' labels" if ids is None else "model_rdms"
    pairs = _take_pairs(
        rdms, get_ids(rdms, STIMULUS, "brain_rdms") if ids is None else ids, "brain_rdms", other
    )
    missing = np.isnan(pairs)
    present = ~missing.all(axis=-1)
    for wrong, what, fix in (
        (
            present & missing.any(axis=-1),
            "hold NaN for some pairs",
            "Drop those stimuli from both sides",
        ),
        (present & (np.ptp(pairs, axis=-1) == 0), "do not vary over pairs", "Leave them out"),
    ):
        if wrong.any():
            names = [
                f"{rdms[REGION].values[r]}, {rdms[SUBJECT].values[s]}"
                for r, s in np.argwhere(wrong)
            ]
            raise InputError(
                "brain_rdms must be numbers throughout, or NaN throughout where a region and "
                f"subject do not exist; "
                f"these {what}: {list_names(names)}. {fix}."
            )
    if not present.any():
        raise InputError("brain_rdms are NaN throughout. Pass at least one RDM that holds numbers.")
    return BrainPairs(pairs, present, rdms[REGION].values, rdms[SUBJECT].values)


def mean_subjects(score: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return the mean over the subjects ``present`` (region, subject).

    NaN if any of them is undefined, or none is.
    """
    count = present.sum(axis=-1)
    return np.where(present, score, 0.0).sum(axis=-1) / np.where(count > 0, count, np.nan)


def pair_within(member: np.ndarray) -> np.ndarray:
    """Return which pairs (pair,) are of two stimuli that are both ``member`` (n,)."""
    first, second = np.triu_indices(len(member), 1)
    return member[first] & member[second]


def _order_dims(rdms: xr.DataArray, defaults: dict[str, str], name: str) -> xr.DataArray:
    """Return ``rdms`` with the dimensions of ``defaults`` in front.

    Labelled and checked to be unique.
    """
    if not isinstance(rdms, xr.DataArray):
        raise InputError(
            f"{name} must be a DataArray (..., stimulus, stimulus_2), got {type(rdms).__name__}. "
            "Pass what compute_rdms returns."
        )
    known = {*defaults, STIMULUS, STIMULUS_2}
    if not {STIMULUS, STIMULUS_2} <= set(rdms.dims) <= known:
        raise LabelError(
            f"{name} must have dimensions 'stimulus', 'stimulus_2' and any of {tuple(defaults)}, "
            f"got "
            f"{tuple(rdms.dims)} with sizes {dict(rdms.sizes)}. Rename with "
            f"{name}.rename(old='new') or select with "
            f"{name}.isel(...)."
        )
    rdms = expand_leading(rdms, defaults)
    for dim in defaults:
        get_ids(rdms, dim, name)
    return rdms.transpose(*defaults, STIMULUS, STIMULUS_2)


def _take_pairs(rdms: xr.DataArray, ids: np.ndarray, name: str, other: str) -> np.ndarray:
    """Return the upper triangles (..., pair) in the order of ``ids``, checked to come from symmetric squares.

    Beside ``rdms`` and the result, only what some ops or regions need is in memory.
    """
    check_count(ids, name)
    check_real(rdms, name)
    numbered = (rdms[dim].copy(data=np.arange(rdms.sizes[dim])) for dim in (STIMULUS, STIMULUS_2))
    rows, columns = (
        align_stimuli(x, ids.tolist(), name=name, other=other).values for x in numbered
    )
    first, second = np.triu_indices(len(ids), 1)
    places = ((rows[first], columns[second]), (rows[second], columns[first]), (rows, columns))
    pairs = np.empty((*rdms.shape[:-2], len(first)))
    # Over all squares: the largest dissimilarity, difference between the triangles and number on
    # the diagonal.
    largest = np.zeros(3)
    values = rdms.values
    step = max(1, BLOCK_NUMBERS // max(1, math.prod(rdms.shape[1:])))
    for some in (slice(start, start + step) for start in range(0, len(pairs), step)):
        pairs[some], lower, diagonal = (
            values[some][..., i, j].astype(np.float64, copy=False) for i, j in places
        )
        upper = pairs[some]
        if np.isinf(upper).any():
            raise InputError(
                f"{name} must be finite, but some numbers are infinite. Drop or repair those first."
            )
        gap = np.where(np.isnan(upper) == np.isnan(lower), upper - lower, np.inf)
        largest = np.fmax(
            largest, [np.nanmax(np.abs(x), initial=0.0) for x in (upper, gap, diagonal)]
        )
    slack = TOLERANCE * largest[0]
    symmetric = largest[1] <= TOLERANCE * largest[0]
    if not symmetric or largest[2] > slack:
        what, fix = (
            ("zero on the diagonal", "1 - x for similarities")
            if symmetric
            else ("symmetric", "(x + x.T) / 2")
        )
        raise InputError(
            f"{name} must be dissimilarities: square and {what}, and they are not. Try {fix}."
        )
    return pairs
