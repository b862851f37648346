"""Time bins: a region or neuroid at each is one of its own to the kernels, and is taken apart again afterwards."""

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.compare.triangles import expand_leading
from neurolens.labels import NEUROID, NEUROID_ID, REGION, TIME_BIN, get_ids


def merge_time(rdms: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return ``rdms`` with region and time_bin as one dimension "region", and ``rdms`` with both labelled."""
    rdms = expand_leading(rdms, {REGION: "brain"})
    if TIME_BIN not in rdms.coords:
        rdms = rdms.assign_coords({TIME_BIN: np.arange(rdms.sizes[TIME_BIN])})
    regions, times = (get_ids(rdms, dim, "brain_rdms") for dim in (REGION, TIME_BIN))
    flat = rdms.drop_vars([REGION, TIME_BIN]).rename({REGION: "place"})
    flat = flat.stack({REGION: ("place", TIME_BIN)}, create_index=False)
    return flat.assign_coords({REGION: [f"{region} at {time}" for region in regions for time in times]}), rdms


def split_time(scores: xr.Dataset, rdms: xr.DataArray) -> xr.Dataset:
    """Return ``scores`` with the dimension region taken apart into (region, time_bin), labelled as ``rdms`` are."""
    return _part(scores, REGION, rdms).assign_coords({REGION: rdms[REGION]})


def merge_bins(responses: xr.DataArray) -> xr.DataArray:
    """Return responses, or a ceiling, (..., neuroid, time_bin) with each neuroid at each time as a neuroid."""
    if isinstance(responses.indexes.get(NEUROID), pd.MultiIndex):
        responses = responses.reset_index(NEUROID)
    times = responses[TIME_BIN].values.tolist()
    flat = responses.drop_vars([name for name, c in responses.coords.items() if TIME_BIN in c.dims])
    flat = flat.rename({NEUROID: "place"}).stack({NEUROID: ("place", TIME_BIN)}, create_index=False)
    if REGION not in flat.coords:
        flat = flat.assign_coords({REGION: "brain"})
    for name in {REGION, NEUROID_ID} & set(flat.coords):
        known = np.broadcast_to(flat[name].values, flat.sizes[NEUROID]).tolist()
        at = [f"{label} at {times[i % len(times)]}" for i, label in enumerate(known)]
        flat = flat.assign_coords({name: (NEUROID, np.array(at, dtype=object))})
    return flat


def split_bins(scores: xr.Dataset, responses: xr.DataArray) -> xr.Dataset:
    """Return ``scores`` of merged ``responses`` with time_bin beside region and neuroid, labelled as they are."""
    regions = [str(label).rpartition(" at ")[0] for label in scores[REGION].values[:: responses.sizes[TIME_BIN]]]
    along = {name: c for name, c in scores.coords.items() if c.dims == (NEUROID,)}
    labels = {name: c.values[:: responses.sizes[TIME_BIN]] for name, c in along.items()}
    for name in {f"neuroid_{REGION}", NEUROID_ID} & set(labels):
        labels[name] = np.array([str(label).rpartition(" at ")[0] for label in labels[name]], dtype=object)
    if NEUROID_ID in labels:
        labels[NEUROID_ID] = responses[NEUROID_ID].values
    parted = _part(scores.drop_vars(list(along)), REGION, responses)
    if NEUROID in scores.dims:
        parted = _part(parted, NEUROID, responses)
    return parted.assign_coords({REGION: regions, **{name: (NEUROID, values) for name, values in labels.items()}})


def _part(scores: xr.Dataset, dim: str, timed: xr.DataArray) -> xr.Dataset:
    """Return ``scores`` with ``dim`` taken apart into itself and time_bin, labelled as ``timed`` is along time_bin."""
    rolled = scores.drop_vars(dim, errors="ignore").coarsen({dim: timed.sizes[TIME_BIN]})
    parted = rolled.construct({dim: ("place", TIME_BIN)}).transpose(..., TIME_BIN).rename(place=dim)
    return parted.assign_coords({name: c for name, c in timed.coords.items() if c.dims == (TIME_BIN,)})
