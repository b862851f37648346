"""One run over the set into an output: reducers fitted, results reduced, counted and written."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import xarray as xr

from neurolens.errors import InputError
from neurolens.extract.stream.axes import Layout
from neurolens.extract.stream.passes import BatchDeviation, run_set, show_progress
from neurolens.extract.stream.plan import (
    Output,
    Plan,
    find_numpy_dtype,
    pack_items,
)
from neurolens.extract.stream.store import (
    CHECKS,
    KEPT_UNIT,
    Checks,
    Writer,
    describe_nodes,
    describe_result,
)
from neurolens.labels import STIMULUS


def group_slots(plan: Plan, budget: int) -> list[list[Output]]:
    """Return the slots of each run over the set: all in one.

    Unless reducers that are fitted first hold too much.
    """
    return pack_items(plan.slots, lambda slot: count_fitted_bytes(plan, (slot,)), budget)


def count_fitted_bytes(plan: Plan, group: Sequence[Output]) -> int:
    """Return the bytes that fitting a group's reducers takes, batch included.

    0 where none is fitted.
    """
    if plan.fit_on is None:
        return 0
    return sum(8 * slot.raw.size * (slot.kept.size + plan.batch_size) for slot in group)


def run_groups(
    plan: Plan,
    groups: Sequence[Sequence[Output]],
    sink: Writer,
    numbers: Sequence[int] | None = None,
    quiet: bool = False,
) -> None:
    """Run what is not done yet of all batches, or of those with ``numbers``, into the sink."""
    wanted = range(len(plan.batches)) if numbers is None else numbers
    for g, group in enumerate(groups):
        todo = [number for number in wanted if not sink.is_done(g, number)]
        if todo:
            _run_group(
                plan, group, sink, g, todo, f"activations, pass {g + 1} of {len(groups)}", quiet
            )


def _run_group(
    plan: Plan,
    group: Sequence[Output],
    sink: Writer,
    place: int,
    todo: list[int],
    title: str,
    quiet: bool,
) -> None:
    n_stimuli = len(plan.stimuli)
    shared: dict = {}
    chains = {slot.name: slot.chain.open(plan.device, shared) for slot in group}
    slots = {slot.name: slot for slot in group}
    if plan.fit_on is not None:
        _fit_chains(plan, group, chains, quiet)
    checks: Checks = {}

    def take(layout: Layout, rows: slice, tensor: torch.Tensor | None) -> None:
        slot = slots[layout.name]
        n = rows.stop - rows.start
        if tensor is None:
            dtype = find_numpy_dtype(slot.kept.dtype)
            values = np.full((n, *slot.kept.shape), np.nan if dtype.kind in "fc" else 0, dtype)
            bad = over = np.zeros(n, np.int32)
        else:
            chain = chains[layout.name]
            kept = chain(tensor)
            bad = count_nonfinite(kept)
            over = chain.overflow.cpu().numpy()
            values = to_numpy(kept)
        for key, found in (
            ("n_nonfinite", bad),
            ("n_overflowed", over),
            ("ran", np.full(n, tensor is not None)),
        ):
            checks.setdefault(key, {})[layout.name] = found
        sink.write(slot, rows, values)

    numbers = {plan.batches[number].start: number for number in todo}

    def close(rows: range, note: BatchDeviation) -> None:
        sink.close_batch(place, numbers[rows.start], rows, note, checks)
        checks.clear()

    layouts = [slot.layout for slot in group]
    batches = [plan.batches[number] for number in todo]
    with show_progress(n_stimuli, title, quiet) as progress:
        progress.update(n_stimuli - sum(map(len, batches)))
        run_set(plan, layouts, take, batches=batches, progress=progress, close=close)


def _fit_chains(plan: Plan, group: Sequence[Output], chains: dict[str, Any], quiet: bool) -> None:
    """Run the stimuli that reducers are fitted on, and fit them."""
    chosen = plan.stimuli.select(plan.fit_on or ())
    seen: set[tuple[str, int]] = set()

    def take(layout: Layout, rows: slice, tensor: torch.Tensor | None) -> None:
        # A batch whose graph turns out to be another is handed out again, whole.
        if tensor is not None and (layout.name, rows.start) not in seen:
            chains[layout.name].fit(tensor)
            seen.add((layout.name, rows.start))

    plan = replace(plan, stimuli=chosen)
    layouts = [slot.layout for slot in group]
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


class ArrayWriter(Writer):
    """Results in memory."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        n = len(plan.stimuli)
        needed = n * sum(slot.n_bytes for slot in plan.slots)
        available = (
            os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            if hasattr(os, "sysconf")
            else None
        )
        if available is not None and needed > 0.8 * available:
            raise InputError(
                f"the {len(plan.slots)} chosen ops over {n} stimuli need {needed / 2**30:.1f} GiB "
                f"and this machine has "
                f"{available / 2**30:.1f} GiB. Write them to disk with store=, make them smaller "
                f"with reducer=, choose "
                "fewer with ops=, or use extract_grams, which stores no activations."
            )
        self._arrays = {
            s.name: np.empty((n, *s.kept.shape), find_numpy_dtype(s.kept.dtype)) for s in plan.slots
        }
        self._row = {slot.name: i for i, slot in enumerate(plan.slots)}
        self._checks = {key: np.zeros((len(plan.slots), n), kind) for key, kind in CHECKS.items()}
        self._notes: dict[int, BatchDeviation] = {}

    def write(self, slot: Output, rows: slice, values: np.ndarray) -> None:
        self._arrays[slot.name][rows] = values

    def close_batch(
        self, group: int, number: int, rows: range, note: BatchDeviation, checks: Checks
    ) -> None:
        self._notes[rows.start] = note
        for key, found in checks.items():
            for name, values in found.items():
                self._checks[key][self._row[name], rows.start : rows.stop] = values

    def label(self) -> xr.DataTree:
        """Return the labelled tree, as `open_activations` would."""
        nodes = {"/": xr.Dataset(coords={STIMULUS: np.array(self._plan.stimuli.ids, dtype=object)})}
        for (slot, place, dims, attrs), ran in zip(
            describe_nodes(self._plan), self._checks["ran"], strict=True
        ):
            held = {"activation": xr.DataArray(self._arrays[slot.name], dims=dims, attrs=attrs)}
            held |= {key: xr.DataArray(value, dims=KEPT_UNIT) for key, value in slot.arrays.items()}
            if not ran.all():
                held["ran"] = xr.DataArray(ran, dims=STIMULUS)
            nodes[place] = xr.Dataset(held)
        tree = xr.DataTree.from_dict(nodes, name="activations")
        tree.attrs.update(describe_result(self._plan, self._notes, self._checks))
        return tree
