"""RDMs of users, read into checked vectors of their upper triangles.

Comparators use only these vectors.
"""

import math
from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import check_count, check_kind, check_real
from neurolens.compare.inputs.time_bins import expand_leading
from neurolens.compare.rdms.rounding import find_constant
from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    OP,
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    UNNAMED,
    align_labels,
    get_ids,
    list_names,
)

# RDMs are published in single precision: triangles and diagonals may differ by its rounding, not by
# more.
TOLERANCE = 1e-5
# Two RDMs with fewer pairs in common have no similarity.
MIN_PAIRS = 3
# What RDMs are of that were passed as these, where both sides are swapped.
SWAPPED = {"model_rdms": "a brain", "brain_rdms": "a model"}
# Numbers in the squares that are checked together.
BLOCK_NUMBERS = 2**20


class ModelRDMs(NamedTuple):
    """``pairs`` (op, pair), ``ops`` and the stimulus ``ids``.

    A pair that an op's RDM lacks is NaN; so are all pairs of an op whose RDM does not vary over
    pairs (but for rounding), ``constant`` (op,). ``metric`` is the dissimilarity that the
    attributes of the RDMs name.
    """

    pairs: np.ndarray
    ops: np.ndarray
    ids: np.ndarray
    constant: np.ndarray
    metric: str = "unknown"

    @property
    def has_pair(self) -> np.ndarray:
        """Which pairs (op, pair) can be compared."""
        return ~np.isnan(self.pairs)


class BrainRDMs(NamedTuple):
    """``pairs`` (region, subject, pair), their ``regions`` and ``subjects``.

    ``present`` (region, subject) is False where a subject lacks the region: the pairs are NaN. A
    single pair that a subject lacks is NaN too.
    """

    pairs: np.ndarray
    present: np.ndarray
    regions: np.ndarray
    subjects: np.ndarray

    @property
    def has_pair(self) -> np.ndarray:
        """Which pairs (region, subject, pair) were measured."""
        return ~np.isnan(self.pairs)


def read_model_rdms(rdms: xr.DataArray, name: str = "model_rdms") -> ModelRDMs:
    """Return the pairs of model RDMs (op, stimulus, stimulus_2), called ``name`` in messages.

    RDMs (stimulus, stimulus_2) are those of the op "model".
    """
    rdms = _order_dims(rdms, {OP: "model"}, name)
    ids = get_ids(rdms, STIMULUS, name)
    pairs = _take_pairs(rdms, ids, name, "its 'stimulus' labels")
    constant = find_constant(pairs)
    pairs[constant] = np.nan
    metric = str(rdms.attrs.get("metric", "unknown"))
    return ModelRDMs(pairs, rdms[OP].values, ids, constant, metric)


def read_brain_rdms(rdms: xr.DataArray, ids: np.ndarray | None = None) -> BrainRDMs:
    """Return the pairs of brain RDMs, their stimuli in the order of ``ids``.

    A missing region is called "brain", a missing subject "group".
    """
    rdms = _order_dims(rdms, UNNAMED, "brain_rdms")
    other = "its 'stimulus' labels" if ids is None else "model_rdms"
    if ids is None:
        ids = get_ids(rdms, STIMULUS, "brain_rdms")
    pairs = _take_pairs(rdms, ids, "brain_rdms", other)
    n_pairs = (~np.isnan(pairs)).sum(axis=-1)
    brain = BrainRDMs(pairs, n_pairs > 0, rdms[REGION].values, rdms[SUBJECT].values)
    few = brain.present & (n_pairs < MIN_PAIRS)
    _refuse_rdms(brain, few, f"hold fewer than {MIN_PAIRS} numbers")
    _refuse_rdms(brain, find_constant(pairs), "do not vary over pairs, but for rounding")
    if not brain.present.any():
        raise InputError(
            "brain_rdms are NaN throughout. Pass at least one RDM that holds numbers.",
            anchor="missing-values",
        )
    return brain


def _refuse_rdms(brain: BrainRDMs, wrong: np.ndarray, what: str) -> None:
    """Raise InputError naming each (region, subject) that is ``wrong``, if any."""
    if wrong.any():
        names = [f"{brain.regions[r]}, {brain.subjects[s]}" for r, s in np.argwhere(wrong)]
        raise InputError(
            f"brain_rdms must hold {MIN_PAIRS} different pairs or more, or NaN throughout where a "
            f"region and subject do not exist; these {what}: {list_names(names)}. Leave them out.",
            anchor="missing-values",
        )


def mean_subjects(score: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return the mean over the subjects ``present`` (region, subject).

    It is NaN if the score of any of them is undefined, or none is present.
    """
    count = present.sum(axis=-1)
    return np.where(present, score, 0.0).sum(axis=-1) / np.where(count > 0, count, np.nan)


def pair_within(member: np.ndarray) -> np.ndarray:
    """Return which pairs (pair,) are of two stimuli that are both ``member`` (n,)."""
    first, second = np.triu_indices(len(member), 1)
    return member[first] & member[second]


def _order_dims(rdms: xr.DataArray, defaults: dict[str, str], name: str) -> xr.DataArray:
    """Return ``rdms`` with the dimensions of ``defaults`` in front, their labels unique."""
    check_kind(rdms, "rdms", name)
    allowed = {*defaults, STIMULUS, STIMULUS_2}
    if not {STIMULUS, STIMULUS_2} <= set(rdms.dims) <= allowed:
        raise LabelError(
            f"{name} must have dimensions 'stimulus', 'stimulus_2' and any of {tuple(defaults)}, "
            f"got {tuple(rdms.dims)} with sizes {dict(rdms.sizes)}. {_tell_dims(rdms, name)}",
            anchor="wrong-dimensions",
        )
    rdms = expand_leading(rdms, defaults)
    for dim in defaults:
        get_ids(rdms, dim, name)
    return rdms.transpose(*defaults, STIMULUS, STIMULUS_2)


def _tell_dims(rdms: xr.DataArray, name: str) -> str:
    """Return what to do about RDMs of other dimensions than ``name`` has."""
    dims = set(rdms.dims)
    of_brain = dims & {REGION, SUBJECT}
    is_swapped = of_brain if name == "model_rdms" else OP in dims and not of_brain
    if is_swapped and name in SWAPPED:
        return (
            f"These are RDMs of {SWAPPED[name]}: the two sides are swapped. Pass those of the "
            "model first, then those of the brain."
        )
    return f"Rename with {name}.rename(old='new') or select with {name}.isel(...)."


def _take_pairs(rdms: xr.DataArray, ids: np.ndarray, name: str, other: str) -> np.ndarray:
    """Return the upper triangles (..., pair) in the order of ``ids``, of symmetric squares.

    Beside ``rdms`` and the result, only what some ops or regions need is in memory.
    """
    rows = _locate_ids(rdms, STIMULUS, ids, name, other)
    columns = _locate_ids(rdms, STIMULUS_2, ids, name, other)
    check_count(ids, name)
    check_real(rdms, name)
    first, second = np.triu_indices(len(ids), 1)
    pairs = np.empty((*rdms.shape[:-2], len(first)))
    # Positions in squares whose rows stand one after the other.
    of_upper = rows[first] * rdms.shape[-1] + columns[second]
    of_lower = rows[second] * rdms.shape[-1] + columns[first]
    of_diagonal = rows * rdms.shape[-1] + columns
    # Over all squares: the largest dissimilarity, difference between the triangles and number on
    # the diagonal.
    largest = np.zeros(3)
    values = rdms.values
    step = max(1, BLOCK_NUMBERS // max(1, math.prod(rdms.shape[1:])))
    for start in range(0, len(pairs), step):
        block = slice(start, start + step)
        squares = np.ascontiguousarray(values[block])
        flat = squares.reshape(*squares.shape[:-2], -1)
        upper = flat.take(of_upper, axis=-1).astype(np.float64, copy=False)
        lower = flat.take(of_lower, axis=-1).astype(np.float64, copy=False)
        diagonal = flat.take(of_diagonal, axis=-1).astype(np.float64, copy=False)
        pairs[block] = upper
        if np.isinf(upper).any():
            raise InputError(
                f"{name} must be finite, but some numbers are infinite. Drop or repair those "
                "first.",
                anchor="missing-values",
            )
        sizes = [_find_largest(upper), _find_gap(upper, lower), _find_largest(diagonal)]
        largest = np.fmax(largest, sizes)
    _refuse_similarities(largest, name)
    return pairs


def _find_largest(values: np.ndarray) -> float:
    """Return the largest size of any number, NaN left out; 0 where there is none."""
    return float(
        max(
            np.fmax.reduce(values, axis=None, initial=0.0),
            -np.fmin.reduce(values, axis=None, initial=0.0),
        )
    )


def _find_gap(upper: np.ndarray, lower: np.ndarray) -> float:
    """Return the largest difference between both triangles, infinite where one holds NaN alone."""
    gap = np.abs(upper - lower)
    largest = float(gap.max(initial=0.0))
    if not np.isnan(largest):
        return largest
    gap[np.isnan(upper) != np.isnan(lower)] = np.inf
    return float(np.fmax.reduce(gap, axis=None, initial=0.0))


def _locate_ids(rdms: xr.DataArray, dim: str, ids: np.ndarray, name: str, other: str) -> np.ndarray:
    """Return the position along ``dim`` of each of ``ids``."""
    numbered = rdms[dim].copy(data=np.arange(rdms.sizes[dim]))
    return align_labels(numbered, ids.tolist(), name=name, other=other).values


def _refuse_similarities(largest: np.ndarray, name: str) -> None:
    """Raise InputError where the triangles differ or a diagonal is not 0, but for rounding.

    ``largest`` (3,) holds the largest dissimilarity, the largest difference between the triangles
    and the largest number on the diagonal.
    """
    size, gap, diagonal = largest
    slack = TOLERANCE * size
    if gap > slack:
        what = "symmetric"
        fix = "(x + x.T) / 2"
    elif diagonal > slack:
        what = "zero on the diagonal"
        fix = "1 - x for similarities"
    else:
        return
    raise InputError(
        f"{name} must be dissimilarities: square and {what}, and they are not. Try {fix}.",
        anchor="not-rdms",
    )
