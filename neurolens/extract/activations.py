"""Labelled activations: one array per op, with its real dimensions and stimulus ids."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.axes import Layout, label_dims
from neurolens.extract.guards import evaluation_mode, preserve_buffers
from neurolens.extract.passes import choose_layouts, find_device, read_layouts, run_set, show_progress
from neurolens.labels import STIMULUS
from neurolens.stimuli import StimulusSet


def extract_activations(
    model: nn.Module,
    stimuli: StimulusSet,
    *,
    ops: str | list[str] | Callable[[Any], bool] = "all",
    batch_size: int = 16,
    device: str | torch.device | None = None,
    quiet: bool = False,
) -> xr.DataTree:
    """Return what the chosen ops computed for each stimulus.

    Parameters
    ----------
    model : Module
        Runs in evaluation mode; its own mode is put back afterwards.
    stimuli : StimulusSet
        At least 2, of one shape.
    ops : str, list of str or callable
        ``"all"``, names, module addresses, glob patterns, or a predicate over `Op` records. Ops without a result per
        stimulus (factories, weights, shapes) are left out of ``"all"`` and of patterns, and listed in the attributes.
    batch_size : int
        Stimuli per pass.
    device : optional
        Where to run; default: where the model is. The model is not moved.
    quiet : bool
        Show no progress.

    Returns
    -------
    DataTree
        One node per op, at the op's name, with the variable ``activation`` of dimensions ``(stimulus, channel, y, x)``,
        ``(stimulus, token, feature)`` or ``(stimulus, feature)``; ``dim_k`` where the meaning of an axis is unknown.
        Several results of one op are nodes ``<op>.0``, ``<op>.1``. Values keep the model's dtype (bfloat16 as float32).
        Where the graph depends on the stimuli, an op that did not run for some has NaN there (0 for integers) and a
        variable ``ran`` (stimulus); the root's attributes list such ops and batches.

    Raises
    ------
    InputError
        When the values would not fit into memory; for an op without a result per stimulus asked for by name.
    UnknownNameError
        For an op that does not exist, with the closest names.
    RecordingError
        When the model raises.

    Notes
    -----
    Two small passes find the stimulus axis of each op, then one pass over the set, ended after the last chosen op.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from neurolens.stimuli import load_stimuli
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU())
    >>> images = load_stimuli(np.zeros((4, 3, 8, 8), np.float32))
    >>> acts = extract_activations(net, images, ops="1", quiet=True)
    >>> acts["1/relu"]["activation"].sizes
    Frozen({'stimulus': 4, 'channel': 2, 'y': 6, 'x': 6})
    """
    target = find_device(model, device)
    with evaluation_mode(model), preserve_buffers(model), torch.no_grad():
        layouts = read_layouts(model, stimuli, target)
        chosen = choose_layouts(layouts, ops)
        arrays = _allocate_arrays(chosen, len(stimuli))
        ran = {layout.name: np.ones(len(stimuli), bool) for layout in chosen}

        def take(layout: Layout, rows: slice, tensor: torch.Tensor | None) -> None:
            if tensor is None:
                ran[layout.name][rows] = False
                arrays[layout.name][rows] = np.nan if arrays[layout.name].dtype.kind in "fc" else 0
            else:
                arrays[layout.name][rows] = to_numpy(tensor)

        with show_progress(len(stimuli), "activations", quiet) as progress:
            tally = run_set(
                model, stimuli, layouts, chosen, take, batch_size=batch_size, device=target, progress=progress
            )
    nodes: dict[str, xr.Dataset] = {"/": xr.Dataset(coords={STIMULUS: np.array(stimuli.ids, dtype=object)})}
    for layout in chosen:
        held = {"activation": _label_array(layout, arrays[layout.name], chosen)}
        if not ran[layout.name].all():
            held["ran"] = xr.DataArray(ran[layout.name], dims=STIMULUS)
        nodes[layout.name.removeprefix("/")] = xr.Dataset(held)
    tree = xr.DataTree.from_dict(nodes, name="activations")
    skipped = [f"{name}: {reason}" for name, reason in layouts.skipped.items()]
    tree.attrs.update(model=type(model).__name__, stimulus_hash=stimuli.hash_content(), skipped_ops=skipped)
    tree.attrs.update(tally.describe())
    return tree


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor as numpy, bfloat16 as float32 (numpy has none)."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _label_array(layout: Layout, array: np.ndarray, chosen: list[Layout]) -> xr.DataArray:
    dims = label_dims(layout)
    # An op of the model itself ("/relu") and a module of that name share a tree node's branch, where xarray wants one
    # size per dimension.
    if layout.op.startswith("/") and any(other.op.startswith(layout.op[1:] + "/") for other in chosen):
        dims = (STIMULUS, *(f"model_{d}" for d in layout.dims))
    attrs = {"op": layout.name, "repeatable": int(layout.repeatable)}
    return xr.DataArray(array, dims=dims, attrs=attrs)


def _allocate_arrays(chosen: list[Layout], n_stimuli: int) -> dict[str, np.ndarray]:
    shapes = {layout.name: (n_stimuli, *layout.shape) for layout in chosen}
    dtypes = {layout.name: to_numpy(torch.empty(0, dtype=layout.dtype)).dtype for layout in chosen}
    needed = sum(int(np.prod(shapes[name])) * dtypes[name].itemsize for name in shapes)
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    if available is not None and needed > 0.8 * available:
        raise InputError(
            f"the {len(shapes)} chosen ops over {n_stimuli} stimuli need {needed / 2**30:.1f} GiB and this machine has "
            f"{available / 2**30:.1f} GiB. Choose fewer with ops=, or use extract_grams, which stores no activations."
        )
    return {name: np.empty(shapes[name], dtypes[name]) for name in shapes}
