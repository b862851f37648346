"""Activations as BrainIO assemblies, (presentation, neuroid) with a label on every neuroid.

And their netCDF files.
"""

import fnmatch
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.errors import DataError, InputError, LabelError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    PRESENTATION,
    STIMULUS,
    STIMULUS_ID,
    TIME_BIN,
    check_dims,
    list_names,
    suggest_name,
)

MAX_NEUROIDS = 2_000_000
_VARIABLES = ("data", "__xarray_dataarray_variable__")
# As Brain-Score names the axes of maps; other axes keep their names.
_COORDINATES = {"y": "channel_y", "x": "channel_x", "frame": "channel_temporal"}


def to_assembly(
    activations: xr.DataTree, *, ops: str | Sequence[str] | None = None, model: str | None = None
) -> xr.DataArray:
    """Return activations as a flat assembly, the form in which BrainIO and Brain-Score keep recordings and features.

    Parameters
    ----------
    activations : DataTree
        From `extract_activations` or `open_activations`.
    ops : str or sequence of str, optional
        Names and glob patterns of those to take (``"layer4*"``); default all.
    model : str, optional
        Name that stands in the labels; default the model's class.

    Returns
    -------
    DataArray (presentation, neuroid)
        float32, or wider where an op is. One neuroid per unit: ops in the order of the tree's
        nodes, units of an op in that of its flattened axes. All coordinates are one-dimensional and
        none is an index. On presentation ``stimulus_id`` and ``repetition`` (0: a model is shown
        each stimulus once); on neuroid ``neuroid_id`` (``<model>.<op>.<number>``), ``model``,
        ``layer`` (the op), ``neuroid_num``, and the position along every axis that some op has:
        ``channel``, ``channel_y`` (the row), ``channel_x`` (the column), ``channel_temporal`` (the
        frame), others by their name (``token``, ``feature`` ...), -1 for ops without this axis.
        Attributes: ``identifier`` (the model) and ``stimulus_set_identifier`` (the hash of the
        stimuli).

    Raises
    ------
    InputError
        For something else than such a tree, ops with complex values, or more than 2 million
        neuroids.
    UnknownNameError
        For a name or pattern that matches no op, with the closest names.

    Notes
    -----
    Labels are what costs: 0.2 kB and 0.7 us per neuroid here (measured: a million neuroids take 218
    MB and 0.7 s), 1 kB and 15 us once Brain-Score makes a MultiIndex of them. All ops of ResNet-50,
    37.5 million neuroids, would take 8 GB here and 38 GB there. So pool first (``reducer="mean"``)
    or take few ops. Values come on top, read op by op.

    Brain-Score names a map's row ``channel_x`` where it packages images and ``channel_y`` where it
    packages videos; here it is ``channel_y`` throughout. ``neuroid_num`` agrees with both.

    References
    ----------
    Brain-Score, model_helpers/activations/core.py and temporal/core/inferencer/base.py; BrainIO,
    assemblies.py.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from neurolens.extract import extract_activations
    >>> from neurolens.stimuli import load_stimuli
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU())
    >>> acts = extract_activations(net, load_stimuli(np.zeros((4, 3, 8, 8), np.float32)), quiet=True)
    >>> assembly = to_assembly(acts, ops="1/relu", model="tiny")
    >>> assembly.sizes
    Frozen({'presentation': 4, 'neuroid': 72})
    >>> str(assembly.neuroid_id.values[-1])
    'tiny.1/relu.71'
    """
    if not isinstance(activations, xr.DataTree) or "stimulus_hash" not in activations.attrs:
        raise InputError(
            "activations must be the DataTree of extract_activations or open_activations, got "
            f"{type(activations).__name__}. Type to_assembly(open_activations('acts.zarr'))."
        )
    arrays = _choose_arrays(activations, ops)
    label = str(activations.attrs["model"] if model is None else model)
    sizes = [math.prod(array.shape[1:]) for array in arrays.values()]
    n = activations.sizes[STIMULUS]
    total = sum(sizes)
    if total > MAX_NEUROIDS:
        smallest = min(arrays, key=lambda name: arrays[name].size)
        raise InputError(
            f"an assembly holds {MAX_NEUROIDS:,} neuroids at most, got {total:,} of {len(arrays)} "
            f"ops, whose labels "
            f"would take about {total / 1e6:.1f} GB in Brain-Score. Take fewer, such as "
            f"ops={smallest!r}, or "
            "extract with reducer='mean'."
        )
    values = np.empty(
        (n, total), np.result_type(np.float32, *(array.dtype for array in arrays.values()))
    )
    names = dict.fromkeys(
        _COORDINATES.get(d, d) for dims in map(_list_axes, arrays.values()) for d in dims
    )
    places = {name: np.full(total, -1, np.int32) for name in names}
    stop = 0
    for array, size in zip(arrays.values(), sizes, strict=True):
        start = stop
        stop = stop + size
        values[:, start:stop] = array.values.reshape(n, size)
        for dim, place in zip(
            _list_axes(array), np.indices(array.shape[1:], np.int32), strict=True
        ):
            places[_COORDINATES.get(dim, dim)][start:stop] = place.reshape(size)
    numbers = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])
    layers = np.repeat(np.array(list(arrays), dtype=object), sizes)
    ids = [
        f"{label}.{layer}.{number}" for layer, number in zip(layers, numbers.tolist(), strict=True)
    ]
    return xr.DataArray(
        values,
        dims=(PRESENTATION, NEUROID),
        coords={
            STIMULUS_ID: (PRESENTATION, activations.coords[STIMULUS].values.astype(object)),
            "repetition": (PRESENTATION, np.zeros(n, np.int32)),
            NEUROID_ID: (NEUROID, np.array(ids, dtype=object)),
            "model": (NEUROID, np.full(total, label, dtype=object)),
            "layer": (NEUROID, layers),
            "neuroid_num": (NEUROID, numbers),
            **{name: (NEUROID, place) for name, place in places.items()},
        },
        name=_VARIABLES[0],
        attrs={"identifier": label, "stimulus_set_identifier": activations.attrs["stimulus_hash"]},
    )


def write_assembly(assembly: xr.DataArray, path: str | Path) -> None:
    """Write an assembly as BrainIO does: netCDF4, one variable ``data``, each coordinate a variable of its own.

    Parameters
    ----------
    assembly : DataArray (presentation, neuroid) or (presentation, neuroid, time_bin)
        With ``stimulus_id`` and ``neuroid_id``; the levels of a MultiIndex become coordinates.
    path : str or Path
        Replaced where it exists.

    Raises
    ------
    LabelError
        When dimensions or ids are missing, or a dimension has a coordinate of its own name, which
        Brain-Score refuses.
    DataError
        When the file cannot be written.
    """
    stacked = [dim for dim, index in assembly.indexes.items() if isinstance(index, pd.MultiIndex)]
    assembly = _order_dims(assembly.reset_index(stacked), "assembly")
    for dim, needed in ((PRESENTATION, STIMULUS_ID), (NEUROID, NEUROID_ID)):
        if needed not in assembly.coords:
            raise LabelError(
                f"assembly must have the coordinate '{needed}' on '{dim}', got "
                f"{list_names(assembly.coords)}. "
                f"Add it with assembly.assign_coords({needed}=('{dim}', ids))."
            )
    indexed = next((dim for dim in assembly.dims if dim in assembly.coords), None)
    if indexed is not None:
        raise LabelError(
            f"assembly must have no coordinate named as its dimension '{indexed}'. "
            f"Type assembly.drop_vars('{indexed}') where it only repeats ids, or rename it."
        )
    try:
        assembly.to_dataset(name=_VARIABLES[0]).to_netcdf(path, engine="h5netcdf")
    except OSError as error:
        raise DataError(
            f"{str(path)!r} cannot be written: {error}. Give a path you may write to."
        ) from error


def read_assembly(path: str | Path) -> xr.DataArray:
    """Read an assembly from a netCDF4 file of `write_assembly`, BrainIO or Brain-Score, without either.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    DataArray (presentation, neuroid) or (presentation, neuroid, time_bin)
        In memory, with one-dimensional coordinates and no index; older files' ``image_id`` is
        ``stimulus_id``.

    Raises
    ------
    DataError
        When there is no such file, or it holds no assembly.
    LabelError
        When its dimensions are others.
    """
    try:
        held = xr.load_dataset(path, engine="h5netcdf")
    except FileNotFoundError:
        raise DataError(
            f"no file {str(path)!r}; write one with write_assembly(assembly, path)"
        ) from None
    except (OSError, ValueError) as error:
        message = f"{str(path)!r} is damaged or not a netCDF4 file: {error}. Write it again with write_assembly."
        raise DataError(message) from error
    name = next((known for known in _VARIABLES if known in held.data_vars), None)
    if name is None:
        raise DataError(
            f"{str(path)!r} must have a variable 'data', got {list_names(held.data_vars)}. Open it "
            f"with "
            "xarray.open_dataset, and write what you need of it with write_assembly."
        )
    found = (
        _order_dims(held[name], "the file's array").rename(_VARIABLES[0]).assign_attrs(held.attrs)
    )
    legacy = "image_id" in found.coords and STIMULUS_ID not in found.coords
    return found.rename(image_id=STIMULUS_ID) if legacy else found


def _choose_arrays(
    activations: xr.DataTree, ops: str | Sequence[str] | None
) -> dict[str, xr.DataArray]:
    """Return the chosen ops' arrays by name, in the order of the tree."""
    held = [
        node.dataset["activation"] for node in activations.subtree if "activation" in node.data_vars
    ]
    arrays = {str(array.attrs["op"]): array for array in held}
    wanted = list(arrays) if ops is None else [ops] if isinstance(ops, str) else list(ops)
    chosen: set[str] = set()
    for one in wanted:
        found = [one] if one in arrays else fnmatch.filter(arrays, one)
        if not found:
            raise suggest_name(one, arrays, "op")
        chosen.update(found)
    if not chosen:
        raise InputError(
            "ops must name at least one op, got an empty list. Leave it out to take all."
        )
    unreal = [name for name in arrays if name in chosen and arrays[name].dtype.kind == "c"]
    if unreal:
        raise InputError(
            f"an assembly must hold real values, but these ops are complex: {list_names(unreal)}. "
            f"Pass ops=."
        )
    return {name: array for name, array in arrays.items() if name in chosen}


def _list_axes(array: xr.DataArray) -> list[str]:
    """Return the names of an op's own axes; where two nodes of the tree share a name.

    One has ``model_`` before it.
    """
    return [str(dim).removeprefix("model_") for dim in array.dims[1:]]


def _order_dims(array: xr.DataArray, name: str) -> xr.DataArray:
    """Return an assembly with its dimensions in order."""
    check_dims(
        array, (PRESENTATION, NEUROID, *([TIME_BIN] if TIME_BIN in array.dims else [])), name
    )
    return array.transpose(PRESENTATION, NEUROID, ...)
