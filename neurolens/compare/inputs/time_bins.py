"""Time bins: functions that compare treat each region or neuroid at each time bin as its own.

`over_time_bins` lets a function of one time bin take several: it merges them, calls the function
once and splits its result again.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.compare.inputs.regions import MEMBER, list_members, list_regions
from neurolens.compare.inputs.repeats import NEUROID_REPEATS
from neurolens.errors import InputError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    REGION,
    SUBJECT,
    TIME_BIN,
    UNNAMED,
    align_labels,
    check_dims,
    get_ids,
)

Scores = TypeVar("Scores", xr.Dataset, xr.DataArray, dict[str, xr.Dataset])
Labeled = TypeVar("Labeled", xr.Dataset, xr.DataArray)
Settings = ParamSpec("Settings")
# The dimension that is merged with time, until its labels are restored.
PLACE = "place"


def over_time_bins(
    data: str, *matched: str
) -> Callable[[Callable[Settings, Scores]], Callable[Settings, Scores]]:
    """Let a function without time bins take time bins in the argument called ``data``.

    For RDMs (..., time_bin, ...) the function gets each region at each time as a region. For
    responses (..., neuroid, time_bin) it gets each neuroid at each time as a neuroid, in a region
    of that time. It is called once, so whatever it computes over regions or neuroids, such as the
    largest of all scores, it computes over time too. All of its result that has region or neuroid
    gets time_bin too; of responses, there may be several Datasets by name.

    Parameters
    ----------
    data : str
        The name of the argument: brain RDMs or responses. Without time bins it is passed on.
    *matched : str
        Names of other arguments (a ceiling, predicted responses) of the same neuroids, which must
        have the same time bins where ``data`` has any, in any order; None is passed on.

    Raises
    ------
    LabelError
        Time bins repeat, or those of a matched argument differ.
    """

    def decorate(function: Callable[Settings, Scores]) -> Callable[Settings, Scores]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def merge(*args: Settings.args, **kwargs: Settings.kwargs) -> Scores:
            bound = signature.bind(*args, **kwargs)
            array = bound.arguments[data]
            if not isinstance(array, xr.DataArray) or TIME_BIN not in array.dims:
                return function(*args, **kwargs)
            for name in matched:
                other = bound.arguments.get(name)
                if other is not None:
                    bound.arguments[name] = _match_bins(other, array, name, data)
            at_once: Callable[..., Any] = function

            def compare(flat: xr.DataArray) -> Any:
                bound.arguments[data] = flat
                return at_once(*bound.args, **bound.kwargs)

            spread = fit_bins if NEUROID in array.dims else compare_bins
            return spread(compare, array)

        return merge

    return decorate


def _match_bins(other: xr.DataArray, data: xr.DataArray, name: str, data_name: str) -> xr.DataArray:
    """Return ``other`` with the time bins of ``data``, in their order, merged into neuroids."""
    others = [str(dim) for dim in other.dims if dim != TIME_BIN]
    check_dims(other, [*others, TIME_BIN], name)
    if TIME_BIN in data.coords:
        times = data[TIME_BIN].values.tolist()
        other = align_labels(other, times, name=name, other=f"the {data_name}", dims=[TIME_BIN])
    return merge_bins(other)


def compare_bins(compare: Callable[[xr.DataArray], Any], rdms: xr.DataArray) -> Any:
    """Return the result of ``compare`` for ``rdms`` (..., time_bin), with the dimension time_bin.

    ``compare`` gets each region at each time as a region.
    """
    rdms = expand_leading(rdms, {REGION: UNNAMED[REGION]})
    if TIME_BIN not in rdms.coords:
        rdms = rdms.assign_coords({TIME_BIN: np.arange(rdms.sizes[TIME_BIN])})
    regions = get_ids(rdms, REGION, "brain_rdms")
    times = get_ids(rdms, TIME_BIN, "brain_rdms")
    names = [f"{region} at {time}" for region in regions for time in times]
    flat = rdms.drop_vars([REGION, TIME_BIN]).rename({REGION: PLACE})
    flat = flat.stack({REGION: (PLACE, TIME_BIN)}, create_index=False)  # region * time_bin
    scores = compare(flat.assign_coords({REGION: names}))
    parted = _part(scores.drop_vars(REGION), REGION, len(times))
    return parted.assign_coords({REGION: regions, **_list_coords(rdms, TIME_BIN)})


def fit_bins(fit: Callable[[xr.DataArray], Any], responses: xr.DataArray) -> Any:
    """Return the result of ``fit`` for ``responses`` (..., time_bin), with the dimension time_bin.

    ``fit`` gets each neuroid at each time as a neuroid, and returns one Dataset or several by name.
    """
    responses = _open_levels(responses)
    if TIME_BIN in responses.coords:
        get_ids(responses, TIME_BIN, "responses")
    found = fit(merge_bins(responses))
    if isinstance(found, dict):
        return {name: _part_bins(scores, responses) for name, scores in found.items()}
    return _part_bins(found, responses)


def _part_bins(scores: Labeled, responses: xr.DataArray) -> Labeled:
    """Return ``scores`` of regions and neuroids at times with the dimension time_bin."""
    n_times = responses.sizes[TIME_BIN]
    parted = _part(_drop_along(scores, REGION, NEUROID), REGION, n_times)
    coords = _list_coords(responses, TIME_BIN)
    if NEUROID in scores.dims:
        parted = _part(parted, NEUROID, n_times)
        for name, column in _list_coords(responses, NEUROID).items():
            coords[f"neuroid_{name}" if name in (REGION, SUBJECT) else name] = column
    if NEUROID_REPEATS in scores.coords:
        repeats = scores[NEUROID_REPEATS].values.reshape(-1, n_times)  # (neuroid, time_bin)
        coords[NEUROID_REPEATS] = xr.Variable((NEUROID, TIME_BIN), repeats)
    return parted.assign_coords({REGION: list_regions(responses), **coords})


def merge_bins(responses: xr.DataArray) -> xr.DataArray:
    """Return responses, or a ceiling, with each neuroid at each time as a neuroid."""
    responses = _open_levels(responses)
    n_times = responses.sizes[TIME_BIN]
    timed = [name for name, c in responses.coords.items() if TIME_BIN in c.dims or name == NEUROID]
    flat = responses.drop_vars(timed).rename({NEUROID: PLACE})
    flat = flat.stack({NEUROID: (PLACE, TIME_BIN)}, create_index=False)  # neuroid * time_bin
    members = list_members(responses)
    flat = flat.drop_vars([MEMBER + region for region in members])
    if members:
        return _name_bins(flat.assign_coords(_spread_members(members, n_times)), n_times)
    if REGION not in flat.coords:
        flat = flat.assign_coords({REGION: UNNAMED[REGION]})
    return _name_bins(flat, n_times)


def _spread_members(members: dict[str, np.ndarray], n_times: int) -> dict[str, xr.Variable]:
    """Return which neuroids at a time (neuroid * time_bin) are of each region at each time."""
    spread = {}
    for region, inside in members.items():
        for t in range(n_times):
            here = np.zeros((len(inside), n_times), dtype=bool)
            here[:, t] = inside
            spread[f"{MEMBER}{region} at {t}"] = xr.Variable(NEUROID, here.ravel())
    return spread


def _name_bins(flat: xr.DataArray, n_times: int) -> xr.DataArray:
    """Return ``flat`` (..., neuroid * time_bin) with regions and neuroids named by their time."""
    for name in {REGION, NEUROID_ID} & set(flat.coords):
        column = np.broadcast_to(flat[name].values, flat.sizes[NEUROID]).tolist()
        names = [f"{label} at {i % n_times}" for i, label in enumerate(column)]
        variable = xr.Variable(NEUROID, np.array(names, dtype=object))
        flat = flat.drop_vars(name).assign_coords({name: variable})
    return flat


def refuse_bins(scores: xr.Dataset, function: str) -> None:
    """Raise InputError if ``scores`` have time bins, which ``function`` does not take."""
    if TIME_BIN in scores.dims:
        raise InputError(
            f"{function} takes one time bin. Select with scores.isel(time_bin=0, drop=True).",
            anchor="one-time-bin",
        )


def _open_levels(responses: xr.DataArray) -> xr.DataArray:
    """Return ``responses`` with the levels of its indexes as coordinates."""
    return responses.reset_index(
        [d for d in (NEUROID, TIME_BIN) if isinstance(responses.indexes.get(d), pd.MultiIndex)]
    )


def _list_coords(array: xr.DataArray, dim: str) -> dict[str, xr.Variable]:
    return {str(name): c.variable for name, c in array.coords.items() if c.dims == (dim,)}


def _drop_along(scores: Labeled, *dims: str) -> Labeled:
    """Return ``scores`` without the coordinates that have any of ``dims``."""
    names = []
    for label, coord in scores.coords.items():
        if set(dims) & set(coord.dims):
            names.append(label)
    return scores.drop_vars(names)


def _part(scores: Labeled, dim: str, n_times: int) -> Labeled:
    """Return ``scores`` with the unlabelled ``dim`` split into itself and time_bin."""
    return (
        scores.coarsen({dim: n_times})
        .construct({dim: (PLACE, TIME_BIN)})
        .transpose(..., TIME_BIN)
        .rename({PLACE: dim})
    )


def expand_leading(array: xr.DataArray, defaults: dict[str, str]) -> xr.DataArray:
    """Return ``array`` with the dimensions of ``defaults`` that it lacks.

    Each is labelled by its coordinate of that name, or by the default.
    """
    for dim, label in defaults.items():
        if dim not in array.dims:
            array = array.expand_dims(dim if dim in array.coords else {dim: np.array([label])})
    return array
