"""How good predictions are, voxel by voxel, and how good any could be: pure tensors.

And ceilings of a known kind.
"""

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr

from neurolens.compare.inputs.responses import Targets, match_neuroids
from neurolens.compare.stats.correlation import correlate_columns, explain_columns
from neurolens.errors import InputError
from neurolens.labels import NEUROID, SUBJECT, check_dims, check_name

Score = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
SCORES: dict[str, Score] = {"r": correlate_columns, "r2": explain_columns}


# Kind of ceiling -> the share of variance that can be explained, given the value and the repeats
# behind a response.
CEILINGS: dict[str, Callable] = {
    "ncsnr": lambda value, n_repeats: value**2 / (value**2 + 1 / n_repeats),
    "reliability": lambda value, n_repeats: value,
    "r": lambda value, n_repeats: np.sign(value) * value**2,
    "r2": lambda value, n_repeats: value,
}


def read_ceiling(ceiling: xr.DataArray | None, targets: Targets) -> xr.DataArray | None:
    """Return the share of variance (neuroid) that a perfect model would explain; NaN where there is none.

    ``ncsnr`` c of single trials gives NC = c^2 / (c^2 + 1/n) for the mean of n presentations; a
    ``reliability`` or ``r2`` is that share itself; an ``r`` is its square root. Allen et al. (2022)
    Nat. Neurosci. 25:116, Methods.

    Raises
    ------
    InputError
        ``ceiling.attrs["kind"]`` is missing or unknown; values are in percent; the ceiling is for
        the mean of another number of presentations than the responses.
    LabelError
        The neuroids are not exactly those of the responses.
    """
    if ceiling is None:
        return None
    if not isinstance(ceiling, xr.DataArray) or "kind" not in ceiling.attrs:
        raise InputError(
            "a ceiling must say what kind it is, or dividing by it means nothing. Pass a "
            f"DataArray (neuroid) with "
            f"ceiling.attrs['kind'] one of {', '.join(CEILINGS)}."
        )
    kind = str(ceiling.attrs["kind"])
    told = ceiling.attrs.get("n_repeats")
    check_name(kind, CEILINGS, "kind of ceiling")
    if not fits_repeats(kind, told, targets.n_repeats):
        raise InputError(
            f"a ceiling of kind {kind!r} holds for the mean of as many presentations as it was "
            f"made for, told in "
            f"ceiling.attrs['n_repeats']: got {told}, and the responses are means of "
            f"{targets.n_repeats:g}. "
            "Give the ceiling of such means, or an 'ncsnr', which fits any number."
        )
    check_dims(ceiling, (NEUROID,), "ceiling")
    neuroids = xr.Dataset(
        coords={
            name.replace(f"neuroid_{SUBJECT}", SUBJECT): c for name, c in targets.coords.items()
        }
    )
    values = ceiling.values[match_neuroids(ceiling, neuroids, "ceiling", "responses")].astype(
        np.float64
    )
    if kind != "ncsnr" and np.nanmax(values, initial=0.0) > 1 + 1e-6:
        raise InputError(
            f"a ceiling of kind {kind!r} is at most 1, got {np.nanmax(values):g}. Divide percent "
            f"by 100."
        )
    share = CEILINGS[kind](values, targets.n_repeats)
    return xr.DataArray(np.where(share > 0, share, np.nan), dims=NEUROID, attrs={"kind": kind})


def fits_repeats(kind: str, told: float | str | None, n_repeats: float | str) -> bool:
    """Return whether a ceiling of means of ``told`` presentations bounds scores of means of ``n_repeats``."""
    if isinstance(told, str) or isinstance(n_repeats, str):
        return kind != "ncsnr" and told == n_repeats
    return kind == "ncsnr" or (told is not None and bool(np.isclose(told, n_repeats)))
