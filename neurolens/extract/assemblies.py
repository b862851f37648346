"""Activations as BrainIO assemblies, (presentation, neuroid)."""

import fnmatch
import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    PRESENTATION,
    SAMPLE,
    STIMULUS,
    STIMULUS_ID,
    list_names,
    suggest_name,
)

MAX_NEUROIDS = 2_000_000
# The name that BrainIO gives the array in its files.
_VARIABLE = "data"
# Brain-Score's names of the axes of maps; other axes keep their names.
_COORDINATES = {"y": "channel_y", "x": "channel_x", "frame": "channel_temporal"}


def to_assembly(
    activations: xr.DataTree, *, ops: str | Sequence[str] | None = None, model: str | None = None
) -> xr.DataArray:
    """Return activations as a flat assembly, the format of recordings in BrainIO and Brain-Score.

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
        each stimulus once; of a stochastic model the number of the sample, for each stimulus, ops
        without samples repeated); on neuroid ``neuroid_id`` (``<model>.<op>.<number>``), ``model``,
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
    The labels take most memory and time: 0.2 kB and 0.7 us per neuroid here (measured: a million
    neuroids take 218 MB and 0.7 s), 1 kB and 15 us once Brain-Score makes a MultiIndex of them. All
    ops of ResNet-50, 37.5 million neuroids, would take 8 GB here and 38 GB there. So pool first
    (``reducer="mean"``) or take few ops. Values come on top, read op by op.

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
    >>> images = load_stimuli(np.zeros((4, 3, 8, 8), np.float32))
    >>> acts = extract_activations(net, images, quiet=True)
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
    sizes = [math.prod(_list_units(array).values()) for array in arrays.values()]
    _check_size(arrays, sum(sizes))
    n_samples = max(array.sizes.get(SAMPLE, 1) for array in arrays.values())
    shown = activations.coords[STIMULUS].values.astype(object)
    repetitions = np.tile(np.arange(n_samples, dtype=np.int32), len(shown))
    numbers = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])
    layers = np.repeat(np.array(list(arrays), dtype=object), sizes)
    ids = [
        f"{label}.{layer}.{number}" for layer, number in zip(layers, numbers.tolist(), strict=True)
    ]
    positions = _number_axes(list(arrays.values()), sizes)
    return xr.DataArray(
        _join_values(list(arrays.values()), sizes, n_samples),
        dims=(PRESENTATION, NEUROID),
        coords={
            STIMULUS_ID: (PRESENTATION, np.repeat(shown, n_samples)),
            "repetition": (PRESENTATION, repetitions),
            NEUROID_ID: (NEUROID, np.array(ids, dtype=object)),
            "model": (NEUROID, np.full(len(ids), label, dtype=object)),
            "layer": (NEUROID, layers),
            "neuroid_num": (NEUROID, numbers),
            **{name: (NEUROID, indices) for name, indices in positions.items()},
        },
        name=_VARIABLE,
        attrs={"identifier": label, "stimulus_set_identifier": activations.attrs["stimulus_hash"]},
    )


def _check_size(arrays: dict[str, xr.DataArray], total: int) -> None:
    """Raise unless the labels of so many neuroids can be kept."""
    if total > MAX_NEUROIDS:
        smallest = min(arrays, key=lambda name: arrays[name].size)
        raise InputError(
            f"an assembly holds {MAX_NEUROIDS:,} neuroids at most, got {total:,} of {len(arrays)} "
            f"ops, whose labels would take about {total / 1e6:.1f} GB in Brain-Score. Take fewer, "
            f"such as ops={smallest!r}, or extract with reducer='mean'."
        )


def _join_values(
    arrays: Sequence[xr.DataArray], sizes: Sequence[int], n_samples: int
) -> np.ndarray:
    """Return the values of all ops side by side, (presentation, neuroid), read op by op.

    Presentations are stimuli, and of each its samples; ops without samples are the same in all.
    """
    n_stimuli = arrays[0].sizes[STIMULUS]
    dtype = np.result_type(np.float32, *(array.dtype for array in arrays))
    values = np.empty((n_stimuli, n_samples, sum(sizes)), dtype)
    stop = 0
    for array, size in zip(arrays, sizes, strict=True):
        start = stop
        stop = start + size
        n_held = array.sizes.get(SAMPLE, 1)
        values[..., start:stop] = array.values.reshape(n_stimuli, n_held, size)
    return values.reshape(n_stimuli * n_samples, -1)


def _number_axes(arrays: Sequence[xr.DataArray], sizes: Sequence[int]) -> dict[str, np.ndarray]:
    """Return each neuroid's position along every axis that some op has; -1 along others."""
    positions: dict[str, np.ndarray] = {}
    stop = 0
    for array, size in zip(arrays, sizes, strict=True):
        start = stop
        stop = start + size
        units = _list_units(array)
        indices = np.indices(tuple(units.values()), np.int32)  # (axis, *shape)
        for axis, along in zip(units, indices, strict=True):
            name = _COORDINATES.get(axis, axis)
            if name not in positions:
                positions[name] = np.full(sum(sizes), -1, np.int32)
            positions[name][start:stop] = along.reshape(size)
    return positions


def _choose_arrays(
    activations: xr.DataTree, ops: str | Sequence[str] | None
) -> dict[str, xr.DataArray]:
    """Return the chosen ops' arrays by name, in the order of the tree."""
    arrays = {}
    for node in activations.subtree:
        if "activation" in node.data_vars:
            array = node.dataset["activation"]
            arrays[str(array.attrs["op"])] = array
    chosen = set(arrays) if ops is None else _match_names(arrays, ops)
    if not chosen:
        raise InputError(
            "ops must name at least one op, got an empty list. Leave it out to take all."
        )
    unreal = [name for name in arrays if name in chosen and arrays[name].dtype.kind == "c"]
    if unreal:
        raise InputError(
            f"an assembly must hold real values, but these ops are complex: {list_names(unreal)}. "
            "Pass ops=."
        )
    return {name: array for name, array in arrays.items() if name in chosen}


def _match_names(arrays: dict[str, xr.DataArray], ops: str | Sequence[str]) -> set[str]:
    """Return the names that names and glob patterns match; UnknownNameError where one does not."""
    chosen: set[str] = set()
    for pattern in [ops] if isinstance(ops, str) else ops:
        matches = [pattern] if pattern in arrays else fnmatch.filter(arrays, pattern)
        if not matches:
            raise suggest_name(pattern, arrays, "op", anchor="unknown-op")
        chosen.update(matches)
    return chosen


def _list_units(array: xr.DataArray) -> dict[str, int]:
    """Return the sizes of an op's own axes by their names.

    Where two nodes of the tree share a name, the axes of one are prefixed with ``model_``.
    """
    own = {dim: size for dim, size in array.sizes.items() if dim not in (STIMULUS, SAMPLE)}
    return {str(dim).removeprefix("model_"): size for dim, size in own.items()}
