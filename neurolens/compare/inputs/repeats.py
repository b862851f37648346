"""Repeats of stimuli: presentations, some of them not recorded, and samples of stochastic models.

Presentations that were not recorded are NaN of single neuroids, made up for by other repeats.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import check_numbers
from neurolens.errors import LabelError
from neurolens.labels import SAMPLE, STIMULUS, get_ids

# The coordinate (neuroid,) with the number of presentations behind a response, where neuroids
# differ in it.
NEUROID_REPEATS = "neuroid_repeats"
# Numbers of a block of neuroids that is averaged at once.
BLOCK_NUMBERS = 2**22


def sum_repeats(values: np.ndarray, codes: np.ndarray, n_stimuli: int) -> np.ndarray:
    """Return the sums (n, v), float64, over the rows of ``values`` (q, v) of each of ``codes``."""
    from scipy.sparse import csr_array

    shape = (n_stimuli, len(codes))
    adding = csr_array((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=shape)
    return adding @ values.astype(np.float64)


def count_repeats(present: np.ndarray, codes: np.ndarray, n_stimuli: int) -> np.ndarray:
    """Return the number (n, v) of presentations of each stimulus in which ``present`` (q, v)."""
    if present.all():
        counts = np.bincount(codes, minlength=n_stimuli).astype(np.float64)
        return np.repeat(counts[:, None], present.shape[1], axis=1)
    return sum_repeats(present, codes, n_stimuli)


def average_repeats(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the mean (n, ...), float64, over the rows (q, ...) of each of ``codes`` (q,).

    A mean is over the rows that are not NaN; it is NaN where all are.
    """
    n_stimuli = codes.max() + 1
    rows = values.reshape(len(values), -1).astype(np.float64)  # (q, ...) -> (q, v)
    missing = np.isnan(rows)
    if missing.any():
        counts = count_repeats(~missing, codes, n_stimuli)
        rows = np.where(missing, 0.0, rows)
    else:
        counts = np.bincount(codes, minlength=n_stimuli)[:, None]
    means = sum_repeats(rows, codes, n_stimuli) / np.where(counts > 0, counts, np.nan)
    return means.reshape(-1, *values.shape[1:])


class Averages(NamedTuple):
    """Responses of each neuroid averaged over the presentations of each stimulus.

    ``means`` (n, v) are float64, NaN for neuroids that are not ``usable``; ``repeats`` (v,) is the
    number of presentations behind a mean (`average_counts`). ``lacking``, ``infinite`` and
    ``constant`` (v,) say why a neuroid cannot be used; ``present`` (q,) are the presentations that
    hold any number.
    """

    means: np.ndarray
    repeats: np.ndarray
    lacking: np.ndarray
    infinite: np.ndarray
    constant: np.ndarray
    present: np.ndarray

    @property
    def usable(self) -> np.ndarray:
        """Which neuroids (v,) have finite responses to every stimulus, which vary."""
        return ~(self.lacking | self.infinite | self.constant)


def average_neuroids(values: np.ndarray, codes: np.ndarray, n_stimuli: int) -> Averages:
    """Return the averages of ``values`` (q, v) over the rows of each of ``codes`` (q,).

    NaN is a presentation that was not recorded. Beside the means, memory does not grow with v: a
    block of neuroids is averaged at a time.
    """
    n_neuroids = values.shape[1]
    unmarked = np.zeros(n_neuroids, dtype=bool)
    averages = Averages(
        means=np.full((n_stimuli, n_neuroids), np.nan),
        repeats=np.empty(n_neuroids),
        lacking=unmarked,
        infinite=unmarked.copy(),
        constant=unmarked.copy(),
        present=np.zeros(len(values), dtype=bool),
    )
    width = max(1, BLOCK_NUMBERS // max(1, len(values)))
    for start in range(0, n_neuroids, width):
        _average_block(averages, slice(start, start + width), values, codes)
    return averages


def _average_block(averages: Averages, block: slice, values: np.ndarray, codes: np.ndarray) -> None:
    """Write the averages of the neuroids ``block`` of ``values`` (q, v)."""
    part = np.ascontiguousarray(values[:, block])
    missing = np.isnan(part)
    averages.present[:] |= ~missing.all(axis=1)
    if missing.any():
        counts = count_repeats(~missing, codes, len(averages.means))
    else:
        counts = np.bincount(codes, minlength=len(averages.means))[:, None]  # those of any neuroid
    averages.repeats[block] = average_counts(counts)
    infinite = np.isinf(part).any(axis=0)
    lacking = (counts == 0).any(axis=0) & ~infinite
    # The first number of each neuroid, which all others are compared with.
    first = np.take_along_axis(part, np.argmin(missing, axis=0)[None], axis=0)
    varies = ((part != first) & ~missing).any(axis=0)
    averages.infinite[block] = infinite
    averages.lacking[block] = lacking
    averages.constant[block] = ~infinite & ~lacking & ~varies
    usable = averages.usable[block]
    if usable.any():
        chosen = block.start + np.flatnonzero(usable)
        averages.means[:, chosen] = average_repeats(part[:, usable], codes)


def average_counts(counts: np.ndarray, used: np.ndarray | None = None) -> np.ndarray:
    """Return the harmonic mean (v,) over stimuli of ``counts`` (n, v), of those that are ``used``.

    By default all stimuli with a presentation are; NaN where there is none.
    """
    used = counts > 0 if used is None else used
    n_used = used.sum(axis=0)
    inverse = np.where(used, 1 / np.maximum(counts, 1), 0.0).sum(axis=0)
    return n_used / np.where(n_used > 0, inverse, np.nan)


def summarize_counts(repeats: np.ndarray) -> float:
    """Return the number of presentations behind a response of most of the neuroids, the median.

    ``repeats`` (v,) are those of each neuroid, NaN for those without any. A few neuroids that
    missed a presentation do not change it, so that scores and ceilings of the others still fit.
    """
    known = repeats[~np.isnan(repeats)]
    return float(np.median(known)) if len(known) else np.nan


def find_complete(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows and columns of ``values`` (row, neuroid) hold no NaN together.

    A row that is NaN throughout is left out, so that the neuroids stay, and then each neuroid that
    is NaN in another row.
    """
    missing = np.isnan(values)
    rows = ~missing.all(axis=1)
    return rows, ~missing[rows].any(axis=0) & rows.any()


class Presentations(NamedTuple):
    """Features of single presentations: ``values`` (presentation, feature).

    ``codes`` (presentation,) are the positions in ``ids`` of the stimuli, ``samples``
    (presentation,) the numbers of the samples.
    """

    ids: np.ndarray
    values: np.ndarray
    codes: np.ndarray
    samples: np.ndarray


def check_samples(array: xr.DataArray, name: str) -> None:
    """Raise LabelError for a dimension ``sample`` that `extract_activations` did not make."""
    if SAMPLE in array.dims and "n_samples" not in array.attrs:
        raise LabelError(
            f"{name} has the dimension 'sample', and does not say whether these are samples of a "
            "stochastic model (attribute 'n_samples', which extract_activations writes). Take "
            ".mean('sample'), or rename an axis of features: .rename(sample='feature').",
            anchor="wrong-dimensions",
        )


def average_samples(array: xr.DataArray, name: str) -> xr.DataArray:
    """Return an array as it is, or its mean over samples, in float64.

    Where an op did not run in some sample, the mean is NaN.
    """
    check_samples(array, name)
    if SAMPLE not in array.dims:
        return array
    dtype = np.result_type(array.dtype, np.float64)
    values = array.variable.astype(dtype).mean(SAMPLE, skipna=False)
    return xr.DataArray(values, coords=array.drop_vars(SAMPLE, errors="ignore").coords)


def list_presentations(array: xr.DataArray, name: str) -> Presentations:
    """Return the samples of an array (stimulus, sample, ...) as presentations, all checked."""
    check_samples(array, name)
    ids = get_ids(array, STIMULUS, name)
    n_samples = array.sizes[SAMPLE]
    values = array.variable.transpose(STIMULUS, SAMPLE, ...).values
    values = values.reshape(len(ids) * n_samples, -1)  # (presentation, feature)
    values = check_numbers(values, np.repeat(ids, n_samples), name)
    codes = np.repeat(np.arange(len(ids)), n_samples)
    return Presentations(ids, values, codes, np.tile(np.arange(n_samples), len(ids)))
