"""Warnings that name the distances that are undefined and the RDMs that do not vary."""

import numpy as np
import xarray as xr

from neurolens.errors import warn_user
from neurolens.labels import STIMULUS, list_names


def warn_undefined(rdms: xr.DataArray, is_noisy: bool) -> None:
    """Warn once, naming each op (or region and subject) and its stimuli without distances.

    RDMs are ``is_noisy`` where noise was measured over repeats.
    """
    sentences = []
    for place in np.ndindex(rdms.shape[:-2]):
        dead = _find_undefined(rdms.values[place], is_noisy)
        if dead.any():
            names = list_names(rdms[STIMULUS].values[dead])
            sentences.append(f"{_name_place(rdms, place)}: stimuli {names}")
    if not sentences:
        return
    reason = "a stimulus does not vary over features"
    fix = "use metric='euclidean'"
    if is_noisy:
        reason = "no run has both stimuli of a pair and other runs have them too"
        fix = "try runs='repetition'"
    rest = f"; and {len(sentences) - 5} more" if len(sentences) > 5 else ""
    warn_user(
        f"the {rdms.attrs['metric']} distance is undefined where {reason}; NaN in "
        f"{'; '.join(sentences[:5])}{rest}. Drop those, or {fix}; otherwise scores are of the "
        f"other pairs."
    )


def warn_constant(rdms: xr.DataArray) -> None:
    """Warn once, naming each op (or region and subject) all of whose distances are equal."""
    first, second = np.triu_indices(rdms.sizes[STIMULUS], 1)
    constant = np.zeros(rdms.shape[:-2], dtype=bool)
    for place in np.ndindex(constant.shape):
        pairs = rdms.values[place][first, second]
        constant[place] = np.fmin.reduce(pairs) == np.fmax.reduce(pairs)
    if constant.any():
        places = [_name_place(rdms, tuple(place)) for place in np.argwhere(constant)]
        rest = f" and {len(places) - 5} more" if len(places) > 5 else ""
        warn_user(
            f"all distances are equal, but for rounding, in {'; '.join(places[:5])}{rest}: such an "
            f"RDM tells no stimulus from another and gets no score. Leave those out."
        )


def _find_undefined(square: np.ndarray, is_noisy: bool) -> np.ndarray:
    """Return the stimuli (n,) without distances in one RDM (n, n).

    A stimulus without variance is 0 to itself; one that was not recorded is NaN there too, as is a
    (region, subject) that does not exist.
    """
    known = ~np.isnan(np.diag(square))
    missing = np.isnan(square[np.ix_(known, known)])
    undefined = np.zeros(len(square), dtype=bool)
    if is_noisy:
        undefined[known] = missing.any(axis=1)
    else:
        undefined[known] = (missing.sum(axis=1) == len(missing) - 1) & (len(missing) > 1)
    return undefined


def _name_place(rdms: xr.DataArray, place: tuple[int, ...]) -> str:
    """Return the op, or the region, subject and time bin, of one of ``rdms``."""
    names = [
        f"{dim} {rdms[dim].values.tolist()[k]!r}"
        for dim, k in zip(rdms.dims[:-2], place, strict=True)
    ]
    return ", ".join(names) or "the data"
