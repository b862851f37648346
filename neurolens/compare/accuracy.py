"""How good predictions are, voxel by voxel, and how good any could be: pure tensors, and ceilings of a known kind."""

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr

from neurolens.compare.sources import Targets
from neurolens.errors import InputError, LabelError
from neurolens.labels import NEUROID, NEUROID_ID, SUBJECT, check_dims, check_unique, list_names, suggest_name

# A column whose spread is below this share of its size is constant but for rounding.
FLAT = 1e-12


def correlate_columns(measured: torch.Tensor, predicted: torch.Tensor) -> torch.Tensor:
    """Return Pearson's r (v,) of two (t, v); NaN where either does not vary."""
    x, y = _centre(measured), _centre(predicted)
    return ((x * y).sum(0) / torch.sqrt((x**2).sum(0) * (y**2).sum(0))).clamp(-1, 1)


def explain_columns(measured: torch.Tensor, predicted: torch.Tensor) -> torch.Tensor:
    """Return R^2 (v,) = 1 - sum (y - yhat)^2 / sum (y - mean y)^2 of two (t, v); NaN where y does not vary."""
    return 1 - (measured - predicted).square().sum(0) / _centre(measured).square().sum(0)


SCORES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "r": correlate_columns,
    "r2": explain_columns,
}


def _centre(columns: torch.Tensor) -> torch.Tensor:
    """Return columns minus their means, NaN for those that do not vary."""
    centred = columns - columns.mean(0)
    flat = centred.abs().amax(0) <= FLAT * columns.abs().amax(0)
    return torch.where(flat, torch.nan, centred)


# Kind of ceiling -> the share of variance that can be explained, given the value and the repeats behind a response.
CEILINGS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "ncsnr": lambda value, n_repeats: value**2 / (value**2 + 1 / n_repeats),
    "reliability": lambda value, n_repeats: value,
    "r": lambda value, n_repeats: np.sign(value) * value**2,
    "r2": lambda value, n_repeats: value,
}


def read_ceiling(ceiling: xr.DataArray, targets: Targets) -> np.ndarray:
    """Return the share of variance (neuroid,) that a perfect model would explain; NaN where there is none.

    ``ncsnr`` c of single trials gives NC = c^2 / (c^2 + 1/n) for the mean of n presentations; a ``reliability`` or
    ``r2`` is that share itself; an ``r`` is its square root. Allen et al. (2022) Nat. Neurosci. 25:116, Methods.

    Raises
    ------
    InputError
        ``ceiling.attrs["kind"]`` is missing or unknown; values are in percent; the ceiling is for the mean of another
        number of presentations than the responses.
    LabelError
        The neuroids are not exactly those of the responses.
    """
    if not isinstance(ceiling, xr.DataArray) or "kind" not in ceiling.attrs:
        raise InputError(
            f"a ceiling must say what kind it is, or dividing by it means nothing. Pass a DataArray (neuroid) with "
            f"ceiling.attrs['kind'] one of {', '.join(CEILINGS)}."
        )
    kind = str(ceiling.attrs["kind"])
    if kind not in CEILINGS:
        raise suggest_name(kind, CEILINGS, "kind of ceiling", f"Choose one of {', '.join(CEILINGS)}.")
    if kind != "ncsnr":
        told = ceiling.attrs.get("n_repeats")
        if told is None or not np.isclose(float(told), targets.n_repeats):
            raise InputError(
                f"a ceiling of kind {kind!r} holds for the mean of as many presentations as it was made for, told in "
                f"ceiling.attrs['n_repeats']: got {told}, and the responses are means of {targets.n_repeats:g}. "
                "Give the ceiling of such means, or an 'ncsnr', which fits any number."
            )
    check_dims(ceiling, (NEUROID,), "ceiling")
    values = ceiling.values[_match_neuroids(ceiling, targets)].astype(np.float64)
    if kind != "ncsnr" and np.nanmax(values, initial=0.0) > 1 + 1e-6:
        raise InputError(f"a ceiling of kind {kind!r} is at most 1, got {np.nanmax(values):g}. Divide percent by 100.")
    share = CEILINGS[kind](values, targets.n_repeats)
    return np.where(share > 0, share, np.nan)


def _match_neuroids(ceiling: xr.DataArray, targets: Targets) -> np.ndarray:
    """Return the place in ``ceiling`` of each neuroid, matched by subject (where both have one) and neuroid_id."""
    pairs = [(NEUROID_ID, NEUROID_ID), (SUBJECT, f"neuroid_{SUBJECT}")]
    shared = [(a, b) for a, b in pairs if a in ceiling.coords and b in targets.coords]
    if (NEUROID_ID, NEUROID_ID) not in shared:
        raise LabelError(
            "ceiling and responses must both have 'neuroid_id' along 'neuroid' to be matched. Add it with "
            ".assign_coords(neuroid_id=('neuroid', ids))."
        )
    have = list(zip(*(ceiling[a].values.tolist() for a, _ in shared), strict=True))
    want = list(zip(*(targets.coords[b][1].tolist() for _, b in shared), strict=True))
    check_unique(have, "the neuroids of ceiling")
    check_unique(want, "the neuroids of responses")
    place = {key: k for k, key in enumerate(have)}
    missing, extra = [k for k in want if k not in place], [k for k in have if k not in set(want)]
    if missing or extra:
        raise LabelError(
            f"ceiling and responses must hold the same neuroids. Missing from ceiling: {list_names(missing)}; only in "
            f"ceiling: {list_names(extra)}. Select the common ones on both sides."
        )
    return np.array([place[key] for key in want])
