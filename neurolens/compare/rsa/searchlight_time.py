"""Searchlights over time: one map for each time bin."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.labels import TIME_BIN, get_ids

Maps = TypeVar("Maps", xr.Dataset, xr.DataArray)
Settings = ParamSpec("Settings")


def each_time_bin(function: Callable[Settings, Maps]) -> Callable[Settings, Maps]:
    """Let a searchlight take ``responses`` with ``time_bin``: its result gets time_bin too, last.

    Each bin is computed by itself, so that a neighborhood never mixes times.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def map_bins(*args: Settings.args, **kwargs: Settings.kwargs) -> Maps:
        bound = signature.bind(*args, **kwargs)
        responses = bound.arguments["responses"]
        if not isinstance(responses, xr.DataArray) or TIME_BIN not in responses.dims:
            return function(*args, **kwargs)
        if isinstance(responses.indexes.get(TIME_BIN), pd.MultiIndex):
            responses = responses.reset_index(TIME_BIN)
        if TIME_BIN in responses.coords:
            get_ids(responses, TIME_BIN, "responses")
        timed = [name for name, coord in responses.coords.items() if TIME_BIN in coord.dims]
        plain = responses.drop_vars(timed)
        maps = []
        for k in range(responses.sizes[TIME_BIN]):
            bound.arguments["responses"] = plain.isel({TIME_BIN: k})
            maps.append(function(*bound.args, **bound.kwargs))
        columns = {str(name): responses[name].variable for name in timed}
        columns.setdefault(TIME_BIN, xr.Variable(TIME_BIN, np.arange(len(maps))))
        return _join_maps(maps).assign_coords(columns)

    return map_bins


def _join_maps(maps: list[Maps]) -> Maps:
    """Return the maps of all times along time_bin, the last dimension."""
    settings: dict[str, Any] = {"data_vars": "all"} if isinstance(maps[0], xr.Dataset) else {}
    joined = xr.concat(
        maps,
        TIME_BIN,
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="override",
        **settings,
    )
    return joined.transpose(..., TIME_BIN)
