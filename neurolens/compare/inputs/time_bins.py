"""Time bins: a region or neuroid at each is one of its own to the kernels.

And is taken apart again afterwards.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.compare.inputs.responses import number_labels
from neurolens.errors import InputError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    REGION,
    SUBJECT,
    TIME_BIN,
    get_ids,
)


def compare_bins(compare: Callable[[xr.DataArray], xr.Dataset], rdms: xr.DataArray) -> xr.Dataset:
    """Return what ``compare`` makes of ``rdms`` (..., time_bin).

    To it each region at each time is a region.
    """
    rdms = expand_leading(rdms, {REGION: "brain"})
    if TIME_BIN not in rdms.coords:
        rdms = rdms.assign_coords({TIME_BIN: np.arange(rdms.sizes[TIME_BIN])})
    regions, times = (get_ids(rdms, dim, "brain_rdms") for dim in (REGION, TIME_BIN))
    flat = rdms.drop_vars([REGION, TIME_BIN]).rename({REGION: "place"})
    flat = flat.stack({REGION: ("place", TIME_BIN)}, create_index=False)
    scores = compare(
        flat.assign_coords(
            {REGION: [f"{region} at {time}" for region in regions for time in times]}
        )
    )
    parted = _part(scores.drop_vars(REGION), REGION, len(times))
    return parted.assign_coords({REGION: regions, **_list_coords(rdms, TIME_BIN)})


def fit_bins(fit: Callable[[xr.DataArray], xr.Dataset], responses: xr.DataArray) -> xr.Dataset:
    """Return what ``fit`` makes of ``responses`` (..., neuroid, time_bin).

    To it each neuroid at each time is one.
    """
    responses = _open_levels(responses)
    if TIME_BIN in responses.coords:
        get_ids(responses, TIME_BIN, "responses")
    scores = fit(merge_bins(responses))
    n = responses.sizes[TIME_BIN]
    parted = _part(
        scores.drop_vars(
            [name for name, c in scores.coords.items() if {REGION, NEUROID} & {*c.dims}]
        ),
        REGION,
        n,
    )
    coords = _list_coords(responses, TIME_BIN)
    if NEUROID in scores.dims:
        parted = _part(parted, NEUROID, n)
        own = _list_coords(responses, NEUROID)
        coords |= {
            f"neuroid_{name}" if name in (REGION, SUBJECT) else name: c for name, c in own.items()
        }
    regions = responses[REGION].values if REGION in responses.coords else "brain"
    known = number_labels(np.broadcast_to(regions, responses.sizes[NEUROID]))[1]
    return parted.assign_coords({REGION: known, **coords})


def merge_bins(responses: xr.DataArray) -> xr.DataArray:
    """Return responses, or a ceiling, (..., neuroid.

    Time_bin) with each neuroid at each time as a neuroid.
    """
    responses, n = _open_levels(responses), responses.sizes[TIME_BIN]
    flat = responses.drop_vars(
        [name for name, c in responses.coords.items() if TIME_BIN in c.dims or name == NEUROID]
    )
    flat = flat.rename({NEUROID: "place"}).stack({NEUROID: ("place", TIME_BIN)}, create_index=False)
    if REGION not in flat.coords:
        flat = flat.assign_coords({REGION: "brain"})
    for name in {REGION, NEUROID_ID} & set(flat.coords):
        known = np.broadcast_to(flat[name].values, flat.sizes[NEUROID]).tolist()
        at = [f"{label} at {i % n}" for i, label in enumerate(known)]
        flat = flat.drop_vars(name).assign_coords({name: (NEUROID, np.array(at, dtype=object))})
    return flat


def refuse_bins(scores: xr.Dataset, function: str) -> None:
    """Raise InputError if ``scores`` have time bins, which ``function`` does not take."""
    if TIME_BIN in scores.dims:
        raise InputError(
            f"{function} takes one time bin. Select with scores.isel(time_bin=0, drop=True)."
        )


def _open_levels(responses: xr.DataArray) -> xr.DataArray:
    """Return ``responses`` with the levels of its indexes as coordinates."""
    return responses.reset_index(
        [d for d in (NEUROID, TIME_BIN) if isinstance(responses.indexes.get(d), pd.MultiIndex)]
    )


def _list_coords(array: xr.DataArray, dim: str) -> dict[str, xr.Variable]:
    return {str(name): c.variable for name, c in array.coords.items() if c.dims == (dim,)}


def _part(scores: xr.Dataset, dim: str, n_times: int) -> xr.Dataset:
    """Return ``scores`` with ``dim``, which has no labels, taken apart into itself and time_bin."""
    return (
        scores.coarsen({dim: n_times})
        .construct({dim: ("place", TIME_BIN)})
        .transpose(..., TIME_BIN)
        .rename(place=dim)
    )


def expand_leading(array: xr.DataArray, defaults: dict[str, str]) -> xr.DataArray:
    """Return ``array`` with the dimensions of ``defaults`` it lacks.

    Labelled by its coordinate or the default.
    """
    for dim, label in defaults.items():
        if dim not in array.dims:
            array = array.expand_dims(dim if dim in array.coords else {dim: np.array([label])})
    return array
