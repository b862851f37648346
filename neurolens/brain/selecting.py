"""Some of the regions of brain data."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neurolens.brain.steps import note_step
from neurolens.compare.inputs.regions import MEMBER, list_members
from neurolens.errors import InputError, LabelError
from neurolens.labels import NEUROID, REGION, SUBJECT, check_unique, list_names, suggest_name


def select_regions(data: xr.DataArray, regions: str | Sequence[str]) -> xr.DataArray:
    """Keep some regions of responses or RDMs.

    Parameters
    ----------
    data : DataArray (..., neuroid) or (region, ..., stimulus, stimulus_2)
        Responses with the coordinate ``region``, or with regions that overlap as coordinates of
        True and False, ``region_V1``; or RDMs.
    regions : str or sequence of str
        Names as they are in the data.

    Returns
    -------
    DataArray
        Of responses the neuroids of these regions, in their order, with no coordinate of another
        region; of RDMs these regions, in the order asked for, without subjects that have none of
        them.

    Raises
    ------
    UnknownNameError
        The data have no such region.
    LabelError
        The data name no regions; one is asked for twice.
    InputError
        ``regions`` are not names.

    Examples
    --------
    >>> responses = xr.DataArray(np.zeros((2, 3)), dims=("presentation", "neuroid"),
    ...                          coords={"region": ("neuroid", ["V1", "V4", "V1"])})
    >>> select_regions(responses, "V1").sizes["neuroid"]
    2
    """
    wanted = [regions] if isinstance(regions, str) else list(regions)
    if not wanted or not all(isinstance(one, str) for one in wanted):
        raise InputError(f"regions must be a name or a list of names, got {regions!r}.")
    check_unique(wanted, "regions")
    members = list_members(data) if NEUROID in data.dims else {}
    known = list(members)
    if REGION in data.coords:
        known = list(dict.fromkeys(np.atleast_1d(data[REGION].values).astype(str).tolist()))
    if not known:
        raise LabelError(
            "the data name no regions to choose from. Add them as the coordinate 'region', of the "
            "neuroids of responses, or as dimension of RDMs."
        )
    for name in wanted:
        if name not in known:
            raise suggest_name(
                name, known, "region in the data", f"It has {list_names(known, 12)}."
            )
    if members:
        return _select_members(data, members, wanted)
    if NEUROID in data.dims:
        inside = np.isin(data[REGION].values.astype(str), wanted)
        return _keep(data, inside, wanted)
    return _select_rdms(data, wanted)


def _select_members(
    data: xr.DataArray, members: dict[str, np.ndarray], wanted: list[str]
) -> xr.DataArray:
    """Return the neuroids that are in some of the regions, which may overlap."""
    inside = np.any([members[name] for name in wanted], axis=0)
    others = [MEMBER + name for name in members if name not in wanted]
    return _keep(data.drop_vars(others), inside, wanted)


def _keep(data: xr.DataArray, inside: np.ndarray, wanted: list[str]) -> xr.DataArray:
    note = f"{int(inside.sum())} of {len(inside)} neuroids kept, of {list_names(wanted, 12)}"
    return note_step(data.isel({NEUROID: inside}), data, note)


def _select_rdms(data: xr.DataArray, wanted: list[str]) -> xr.DataArray:
    """Return RDMs of the regions, without subjects that have none of them."""
    if REGION not in data.dims:
        return data
    chosen = data.isel(
        {REGION: [data[REGION].values.astype(str).tolist().index(w) for w in wanted]}
    )
    return chosen.dropna(SUBJECT, how="all") if SUBJECT in chosen.dims else chosen
