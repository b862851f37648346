"""RDMs with time bins: each (region, time_bin) is one region to the kernels, and is taken apart again afterwards."""

import numpy as np
import xarray as xr

from neurolens.compare.triangles import expand_leading
from neurolens.labels import OP, REGION, SUBJECT, TIME_BIN, get_ids


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
    parted = scores.drop_vars(REGION).coarsen({REGION: rdms.sizes[TIME_BIN]}).construct({REGION: ("place", TIME_BIN)})
    order = [dim for dim in (OP, "place", SUBJECT, TIME_BIN) if dim in parted.dims]
    parted = parted.transpose(*(dim for dim in parted.dims if dim not in order), *order).rename(place=REGION)
    times = {name: c for name, c in rdms.coords.items() if c.dims == (TIME_BIN,)}
    return parted.assign_coords({REGION: rdms[REGION], **times})
