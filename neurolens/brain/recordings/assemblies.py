"""Assemblies of BrainIO and Brain-Score, recordings or activations, in their netCDF files."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.errors import DataError, InputError, LabelError, warn_user
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    PRESENTATION,
    STIMULUS,
    STIMULUS_ID,
    SUBJECT,
    TIME_BIN,
    check_dims,
    list_names,
)

VARIABLES = ("data", "__xarray_dataarray_variable__")
# Names in files -> names here, where these are not in the file too.
RENAMED = {"image_id": STIMULUS_ID, "animal": SUBJECT}
# Brain-Score refuses a coordinate named as its dimension.
CENTER = "time_bin_center"
# Recordings after a stimulus are longer than as many ms.
MOST_SECONDS = 10.0


def write_assembly(assembly: xr.DataArray, path: str | Path) -> None:
    """Write responses or activations as BrainIO does: netCDF4, one variable per coordinate.

    Parameters
    ----------
    assembly : DataArray (presentation or stimulus, neuroid) or (..., neuroid, time_bin)
        With ``stimulus_id`` and ``neuroid_id``: what `read_responses` or ``extract.to_assembly``
        returns. The levels of a MultiIndex become coordinates; so do the labels of time bins,
        ``time_bin_center``. Attributes that netCDF does not hold are written as JSON.
    path : str or Path
        Replaced, where it exists, once the new file is whole.

    Raises
    ------
    InputError
        For something else than a DataArray, or a coordinate of other objects than text.
    LabelError
        When dimensions or ids are missing, or a dimension has a coordinate of its own name, which
        Brain-Score refuses.
    DataError
        When the file cannot be written.

    Warns
    -----
    RuntimeWarning
        Time bins seem to be in seconds.

    References
    ----------
    BrainIO, docs/SPECIFICATION.md and packaging.py. Brain-Score wants the attributes
    ``identifier`` and ``stimulus_set_identifier``.
    """
    if not isinstance(assembly, xr.DataArray):
        raise InputError(
            f"assembly must be a DataArray, got {type(assembly).__name__}. Type "
            "write_assembly(to_assembly(activations), path)."
        )
    path = Path(path)
    assembly = _prepare(assembly)
    attrs = {str(name): _write_attribute(value) for name, value in assembly.attrs.items()}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        dataset = assembly.assign_attrs(attrs).to_dataset(name=VARIABLES[0])
        dataset.to_netcdf(part, engine="h5netcdf")
        os.replace(part, path)
    except OSError as error:
        raise DataError(
            f"{str(path)!r} cannot be written: {error}. Give a path you may write to.",
            anchor="cannot-write",
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _prepare(assembly: xr.DataArray) -> xr.DataArray:
    """Return an assembly with one-dimensional coordinates only, checked."""
    stacked = [dim for dim, index in assembly.indexes.items() if isinstance(index, pd.MultiIndex)]
    assembly = assembly.reset_index(stacked)
    if PRESENTATION not in assembly.dims and STIMULUS in assembly.coords:
        assembly = assembly.rename({STIMULUS: STIMULUS_ID}).swap_dims({STIMULUS_ID: PRESENTATION})
    if TIME_BIN in assembly.coords:
        _tell_seconds(assembly[TIME_BIN].values)
        # A selected bin is a label without a dimension.
        assembly = assembly.reset_index([dim for dim in [TIME_BIN] if dim in assembly.indexes])
        assembly = assembly.rename({TIME_BIN: CENTER})
        assembly = assembly.swap_dims({CENTER: TIME_BIN}) if CENTER in assembly.dims else assembly
    assembly = _order_dims(assembly, "assembly")
    _check_coordinates(assembly)
    return assembly


def _tell_seconds(times: np.ndarray) -> None:
    """Warn where labels of time bins look as if they were in seconds."""
    is_number = times.dtype.kind == "f" and times.size > 1
    if is_number and np.abs(times).max() < MOST_SECONDS and (times != np.rint(times)).any():
        warn_user(
            f"time bins are from {times.min():g} to {times.max():g}, which may be seconds, and "
            "times of assemblies are in ms. Type assembly.assign_coords(time_bin=assembly.time_bin "
            "* 1000) if so."
        )


def _check_coordinates(assembly: xr.DataArray) -> None:
    """Raise where coordinates are missing, or Brain-Score or a file refuses them."""
    for dim, needed in ((PRESENTATION, STIMULUS_ID), (NEUROID, NEUROID_ID)):
        if needed not in assembly.coords:
            raise LabelError(
                f"assembly must have the coordinate '{needed}' on '{dim}', got "
                f"{list_names(assembly.coords)}. Add it with "
                f"assembly.assign_coords({needed}=('{dim}', ids)).",
                anchor="ids-missing",
            )
    indexed = next((dim for dim in assembly.dims if dim in assembly.coords), None)
    if indexed is not None:
        raise LabelError(
            f"assembly must have no coordinate named as its dimension '{indexed}'. "
            f"Type assembly.drop_vars('{indexed}') where it only repeats ids, or rename it.",
            anchor="ids-missing",
        )
    for name, column in assembly.coords.items():
        others = [one for one in column.values.ravel() if not isinstance(one, str)]
        if column.dtype == object and others:
            raise InputError(
                f"the coordinate {name!r} must be text or numbers throughout, and holds "
                f"{others[0]!r} beside text. Fill it up, or drop it: assembly.drop_vars({name!r})."
            )


def _write_attribute(value: Any) -> Any:
    """Return an attribute as netCDF can hold it: text, numbers, lists of either, else JSON."""
    plain = str | int | float | np.number
    if isinstance(value, plain) and not isinstance(value, bool):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        return value
    if isinstance(value, list | tuple) and value:
        for kind in (str, int | float | np.number):
            if all(isinstance(one, kind) and not isinstance(one, bool) for one in value):
                return list(value)
    return json.dumps(value, default=str)


def read_assembly(path: str | Path) -> xr.DataArray:
    """Read an assembly from a netCDF4 file of BrainIO, Brain-Score or `write_assembly`.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    DataArray (presentation, neuroid) or (presentation, neuroid, time_bin)
        In memory, in the numbers of the file, with one-dimensional coordinates: ``stimulus_id``
        (``image_id`` in older files), ``neuroid_id``, ``subject`` (``animal`` in files), and all
        others, such as ``region`` and ``repetition``. Times are in ms, as in Brain-Score.

    Raises
    ------
    DataError
        When there is no such file, or it holds no assembly.
    LabelError
        When its dimensions are others, or its presentations name no stimuli.

    Notes
    -----
    Brain-Score's ``majajhong2015`` and others hold several rows for a stimulus: see
    ``neurolens.brain.average_repeats``. A single time bin is selected with
    ``.isel(time_bin=0, drop=True)``.
    """
    try:
        content = xr.load_dataset(path, engine="h5netcdf", decode_timedelta=False)
    except FileNotFoundError:
        raise DataError(
            f"no file {str(path)!r}; write one with write_assembly(assembly, path)",
            anchor="file-not-found",
        ) from None
    except Exception as error:
        raise DataError(
            f"{str(path)!r} is damaged or not a netCDF4 file: {error}. Copy or fetch it again."
        ) from error
    array = content[_choose_variable(content, str(path))]
    if "event" in array.dims:
        raise LabelError(
            f"{str(path)!r} holds times of spikes, (event), not responses. Count them with "
            "neurolens.brain.count_spikes(times, onsets, window=(0.07, 0.17)).",
            anchor="ids-missing",
        )
    array = _order_dims(array, "the file's array").rename(VARIABLES[0])
    # Metadata are coordinates, also where the file does not say so.
    for name, held in content.data_vars.items():
        if len(held.dims) == 1 and held.dims[0] in array.dims:
            array = array.assign_coords({name: held.variable})
    array = array.assign_attrs(content.attrs)
    for theirs, ours in RENAMED.items():
        if theirs in array.coords and ours not in array.coords:
            array = array.rename({theirs: ours})
    if CENTER in array.coords and TIME_BIN not in array.coords:
        array = array.assign_coords({TIME_BIN: array[CENTER].values}).drop_vars(CENTER)
    if STIMULUS_ID not in array.coords:
        raise LabelError(
            f"the presentations of {str(path)!r} name no stimuli: there is no 'stimulus_id' or "
            f"'image_id' among {list_names(array.coords, 12)}.",
            anchor="ids-missing",
        )
    return array


def _choose_variable(content: xr.Dataset, path: str) -> str:
    """Return the name of the array of responses, by its name or else by its dimensions."""
    name = next((name for name in VARIABLES if name in content.data_vars), None)
    if name is not None:
        return name
    wide = [str(name) for name, held in content.data_vars.items() if len(held.dims) > 1]
    if len(wide) != 1:
        raise DataError(
            f"{path!r} must have a variable 'data', got {list_names(content.data_vars)}. Open "
            "it with xarray.open_dataset, and write what you need of it with write_assembly."
        )
    return wide[0]


def _order_dims(array: xr.DataArray, name: str) -> xr.DataArray:
    """Return an assembly with its dimensions in order."""
    time = [TIME_BIN] if TIME_BIN in array.dims else []
    check_dims(array, (PRESENTATION, NEUROID, *time), name)
    return array.transpose(PRESENTATION, NEUROID, ...)
