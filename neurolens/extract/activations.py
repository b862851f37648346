"""Labelled activations: one array per op, with its real dimensions and stimulus ids, in memory or in a store."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.axes import Layout
from neurolens.extract.chains import open_chain
from neurolens.extract.passes import Note, run_set, show_progress
from neurolens.extract.plan import Plan, Slot, find_numpy_dtype, materialize_model, open_plan, pack_items, read_bytes
from neurolens.extract.provenance import describe_provenance, warn_of_unseen
from neurolens.extract.select import OpSelection
from neurolens.extract.store import (
    CHECKS,
    KEPT_UNIT,
    ActivationStore,
    Checks,
    Sink,
    describe_nodes,
    describe_result,
    open_activations,
)
from neurolens.labels import STIMULUS
from neurolens.stimuli import StimulusSet


def extract_activations(
    model: nn.Module,
    stimuli: StimulusSet,
    *,
    ops: OpSelection = "all",
    reducer: Any = None,
    store: str | Path | None = None,
    batch_size: int | None = None,
    memory: str | int = "4GiB",
    device: str | torch.device | None = None,
    workers: int | None = None,
    client: Any = None,
    resources: dict[str, float] | None = None,
    quiet: bool = False,
) -> xr.DataTree:
    """Return what the chosen ops computed for each stimulus.

    Parameters
    ----------
    model : Module
        Runs in evaluation mode; its own mode is put back afterwards.
    stimuli : StimulusSet
        At least 2, of one shape.
    ops : str, list or other
        ``"all"``, ``"modules"``, names, module addresses, glob patterns, ``re.compile(...)``, slices (every fifth op:
        ``slice(None, None, 5)``), or predicates over `Op` records. Ops without a result per stimulus (factories,
        weights, shapes) are left out of ``"all"`` and of patterns, and listed in the attributes.
    reducer : str, Reducer or list, optional
        What makes results smaller before they are copied from the device: a key of ``neurolens.extract.REDUCERS``
        (``"mean"``, ``"float16"`` ...), a reducer with settings (``Project(seed=1)``), or several, applied in order.
    store : path, optional
        Write into a zarr store instead of memory. The same call goes on where an interrupted one ended.
    batch_size : int, optional
        Stimuli per pass; by default the largest of 32, 16, 8, 4 and 2 with which the results alive at one moment take
        a quarter of ``memory`` at most (2 where none does). The root's attributes say which it was.
    memory : str or int
        What a pass may hold beside the model and, without a store, the result.
    device : optional
        Where to run; default: where the model is. The model is not moved.
    workers : int, optional
        Processes that read stimuli ahead; by default none on a CPU and up to four for a GPU.
    client : dask.distributed.Client, optional
        Spread the batches over its workers; needs a store that all of them can write. ``model`` may then be a function
        that makes the model, which is cheaper to send.
    resources : dict, optional
        What each task takes of a worker, such as ``{"GPU": 1}``.
    quiet : bool
        Show no progress.

    Returns
    -------
    DataTree
        One node per op, at the op's name, with the variable ``activation`` of dimensions ``(stimulus, channel, y, x)``,
        ``(stimulus, token, feature)`` or ``(stimulus, feature)``; ``dim_k`` where the meaning of an axis is unknown.
        Several results of one op are nodes ``<op>.0``, ``<op>.1``. Values keep the model's dtype (bfloat16 as float32).
        Where the graph depends on the stimuli, an op that did not run for some has NaN there (``nan+0j`` where values
        are complex, 0 for integers, False for booleans) and a variable ``ran`` (stimulus); the root's attributes list
        such ops and batches, ops with values that are not finite, and, as ``random_numbers_from``, the generators that
        the model drew from. From a store, arrays are read when they are used.

    Raises
    ------
    InputError
        When the values would not fit into memory; for an op without a result per stimulus asked for by name; for a
        setting that cannot be used.
    UnknownNameError
        For an op that does not exist, with the closest names.
    RecordingError
        When the model raises.
    DataError
        When the store cannot be written, is being written by another process, or was made differently: what differs is
        named.

    Notes
    -----
    Two small passes find the stimulus axis of each op, then one pass over the set, ended after the last chosen op (two,
    and more where they do not fit ``memory`` together, with a reducer that is fitted first). At a given ``batch_size``
    results do not depend on ``memory`` or ``workers``: give it to compare two runs bit for bit, since by default it
    follows from ``memory``. On ``batch_size`` they depend as far as torch's kernels do, in float32 by a few 1e-6 of the
    op's largest value, so that single values near zero may differ altogether; with `PCA` fitted in several batches by
    much more. Every batch begins with the random generators where they were before the call, those of the process and
    those that the model's modules hold.

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
    settings = {"ops": ops, "reducer": reducer, "batch_size": batch_size, "memory": memory, "device": device}
    settings["workers"], source = workers, model
    if client is not None:
        if store is None:
            raise InputError("client= writes into a store that all workers reach; pass store='acts.zarr'")
        model = materialize_model(source)
    with open_plan(model, stimuli, **settings) as plan:
        groups = group_slots(plan, read_bytes(memory))
        if store is None:
            sink = _Arrays(plan)
            run_groups(plan, groups, sink, quiet=quiet)
            return sink.label()
        held = ActivationStore(Path(store).absolute(), plan, groups)
        provenance = describe_provenance(plan)
        warn_of_unseen(stimuli)
        with held.hold(provenance):
            if client is None:
                run_groups(plan, groups, held, quiet=quiet)
            else:
                from neurolens.extract.cluster import Job, fill_store

                job = Job(source, stimuli, settings | {"batch_size": plan.batch_size}, provenance)
                fill_store(client, job, held, resources, quiet)
            held.finish()
    return open_activations(store)


def group_slots(plan: Plan, budget: int) -> list[list[Slot]]:
    """Return the slots of each run over the set: all in one, unless reducers that are fitted first hold too much."""
    return pack_items(plan.slots, lambda slot: count_fitted_bytes(plan, (slot,)), budget)


def count_fitted_bytes(plan: Plan, group: Sequence[Slot]) -> int:
    """Return the bytes that fitting a group's reducers takes, batch included; 0 where none is fitted."""
    if plan.fit_on is None:
        return 0
    return sum(8 * slot.raw.size * (slot.kept.size + plan.batch_size) for slot in group)


def run_groups(
    plan: Plan, groups: Sequence[Sequence[Slot]], sink: Sink, numbers: Sequence[int] | None = None, quiet: bool = False
) -> None:
    """Run what is not done yet of all batches, or of those with ``numbers``, into the sink."""
    wanted = range(len(plan.batches)) if numbers is None else numbers
    for g, group in enumerate(groups):
        todo = [number for number in wanted if not sink.is_done(g, number)]
        if todo:
            _run_group(plan, group, sink, g, todo, f"activations, pass {g + 1} of {len(groups)}", quiet)


def _run_group(
    plan: Plan, group: Sequence[Slot], sink: Sink, place: int, todo: list[int], title: str, quiet: bool
) -> None:
    n_stimuli = len(plan.stimuli)
    shared: dict = {}
    chains = {slot.name: open_chain(plan.reducers, slot.raw, n_stimuli, plan.device, shared) for slot in group}
    slots = {slot.name: slot for slot in group}
    if plan.fit_on is not None:
        _fit_chains(plan, group, chains, quiet)
    checks: Checks = {}

    def take(layout: Layout, rows: slice, tensor: torch.Tensor | None) -> None:
        slot, n = slots[layout.name], rows.stop - rows.start
        if tensor is None:
            dtype = find_numpy_dtype(slot.kept.dtype)
            values = np.full((n, *slot.kept.shape), np.nan if dtype.kind in "fc" else 0, dtype)
            bad = over = np.zeros(n, np.int32)
        else:
            chain = chains[layout.name]
            kept = chain(tensor)
            bad, over, values = count_nonfinite(kept), chain.overflow.cpu().numpy(), to_numpy(kept)
        for key, found in (("n_nonfinite", bad), ("n_overflowed", over), ("ran", np.full(n, tensor is not None))):
            checks.setdefault(key, {})[layout.name] = found
        sink.write(slot, rows, values)

    numbers = {plan.batches[number].start: number for number in todo}

    def close(rows: range, note: Note) -> None:
        sink.close_batch(place, numbers[rows.start], rows, note, checks)
        checks.clear()

    layouts, batches = [slot.layout for slot in group], [plan.batches[number] for number in todo]
    with show_progress(n_stimuli, title, quiet) as progress:
        progress.update(n_stimuli - sum(map(len, batches)))
        run_set(plan, layouts, take, batches=batches, progress=progress, close=close)


def _fit_chains(plan: Plan, group: Sequence[Slot], chains: dict[str, Any], quiet: bool) -> None:
    """Run the stimuli that reducers are fitted on, and fit them."""
    chosen = plan.stimuli.select(plan.fit_on or ())
    seen: set[tuple[str, int]] = set()

    def take(layout: Layout, rows: slice, tensor: torch.Tensor | None) -> None:
        # A batch whose graph turns out to be another is handed out again, whole.
        if tensor is not None and (layout.name, rows.start) not in seen:
            chains[layout.name].fit(tensor)
            seen.add((layout.name, rows.start))

    plan, layouts = replace(plan, stimuli=chosen), [slot.layout for slot in group]
    with show_progress(len(chosen), "fitting", quiet) as progress:
        run_set(plan, layouts, take, batches=chosen.split_rows(plan.batch_size), progress=progress)


def count_nonfinite(tensor: torch.Tensor) -> np.ndarray:
    """Return per stimulus how many values are NaN or infinite; a finite sum tells that none is."""
    if not (tensor.is_floating_point() or tensor.is_complex()) or bool(tensor.sum().isfinite()):
        return np.zeros(len(tensor), np.int32)
    return (~tensor.isfinite()).reshape(len(tensor), -1).sum(1).cpu().numpy()


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor as numpy, bfloat16 as float32 (numpy has none)."""
    tensor = tensor.detach().resolve_conj().resolve_neg().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


class _Arrays(Sink):
    """Results in memory."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        n = len(plan.stimuli)
        needed = n * sum(slot.n_bytes for slot in plan.slots)
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
        if available is not None and needed > 0.8 * available:
            raise InputError(
                f"the {len(plan.slots)} chosen ops over {n} stimuli need {needed / 2**30:.1f} GiB and this machine has "
                f"{available / 2**30:.1f} GiB. Write them to disk with store=, make them smaller with reducer=, choose "
                "fewer with ops=, or use extract_grams, which stores no activations."
            )
        self._arrays = {s.name: np.empty((n, *s.kept.shape), find_numpy_dtype(s.kept.dtype)) for s in plan.slots}
        self._row = {slot.name: i for i, slot in enumerate(plan.slots)}
        self._checks = {key: np.zeros((len(plan.slots), n), kind) for key, kind in CHECKS.items()}
        self._notes: dict[int, Note] = {}

    def write(self, slot: Slot, rows: slice, values: np.ndarray) -> None:
        self._arrays[slot.name][rows] = values

    def close_batch(self, group: int, number: int, rows: range, note: Note, checks: Checks) -> None:
        self._notes[rows.start] = note
        for key, found in checks.items():
            for name, values in found.items():
                self._checks[key][self._row[name], rows.start : rows.stop] = values

    def label(self) -> xr.DataTree:
        """Return the labelled tree, as `open_activations` would."""
        nodes = {"/": xr.Dataset(coords={STIMULUS: np.array(self._plan.stimuli.ids, dtype=object)})}
        for (slot, place, dims, attrs), ran in zip(describe_nodes(self._plan), self._checks["ran"], strict=True):
            held = {"activation": xr.DataArray(self._arrays[slot.name], dims=dims, attrs=attrs)}
            held |= {key: xr.DataArray(value, dims=KEPT_UNIT) for key, value in slot.arrays.items()}
            if not ran.all():
                held["ran"] = xr.DataArray(ran, dims=STIMULUS)
            nodes[place] = xr.Dataset(held)
        tree = xr.DataTree.from_dict(nodes, name="activations")
        tree.attrs.update(describe_result(self._plan, self._notes, self._checks))
        return tree
