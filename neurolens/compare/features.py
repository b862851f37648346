"""Labelled features to checked arrays: real, finite, enough stimuli, or an error that names what is not."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from neurolens.errors import InputError, LabelError
from neurolens.labels import STIMULUS, get_ids, list_names


def read_features(array: xr.DataArray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids and the checked features (n, p) of one array (stimulus, ...)."""
    if STIMULUS not in array.dims:
        raise LabelError(
            f"{name} must have the dimension 'stimulus', got {tuple(array.dims)} with sizes {dict(array.sizes)}. "
            "Rename with .rename(old='stimulus')."
        )
    ids = get_ids(array, STIMULUS, name)
    check_count(ids, name)
    values = array.transpose(STIMULUS, ...).values.reshape(len(ids), -1)
    if values.shape[1] == 0:
        raise InputError(f"{name} has no features: sizes {dict(array.sizes)}. Pass at least one value per stimulus.")
    return ids, check_numbers(values, ids, name)


def check_count(ids: Sequence[Any] | np.ndarray, name: str) -> None:
    """Raise InputError for fewer than 3 stimuli, of which an RDM has no pattern to compare."""
    if len(ids) < 3:
        raise InputError(f"{name} must hold at least 3 stimuli, got {len(ids)}: {list_names(ids)}. Pass more stimuli.")


def check_numbers(
    values: np.ndarray, ids: Sequence[Any] | np.ndarray, name: str, columns: np.ndarray | None = None
) -> np.ndarray:
    """Return ``values`` (n, p, ...) if they are real and finite; name the stimuli (and ``columns``) that are not."""
    if values.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be real numbers, got dtype {values.dtype}. Take a real part first, e.g. abs(x) or x.real."
        )
    finite = np.isfinite(values)
    if not finite.all():
        finite = finite.reshape(*values.shape[:2], -1).all(axis=-1)
        where = (
            f"stimuli {list_names(dict.fromkeys(i for i, ok in zip(ids, finite.all(axis=1), strict=True) if not ok))}"
        )
        if columns is not None:
            where += f"; neuroids {list_names(columns[~finite.all(axis=0)])}"
        raise InputError(f"{name} must be finite, but there is NaN or inf in {where}. Drop or repair those first.")
    return values


def average_repeats(values: np.ndarray, presented: Sequence[Any] | np.ndarray, ids: Sequence[Any]) -> np.ndarray:
    """Return the mean over the rows (q, ...) of each stimulus, (len(ids), ...), float64."""
    place = {stimulus: k for k, stimulus in enumerate(ids)}
    codes = np.array([place[stimulus] for stimulus in presented])
    counts = np.bincount(codes)
    averaging = csr_array((1 / counts[codes], (codes, np.arange(len(codes)))), shape=(len(ids), len(codes)))
    flat = averaging @ values.reshape(len(values), -1).astype(np.float64)
    return flat.reshape(len(ids), *values.shape[1:])
