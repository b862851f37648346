"""Repeated passes over a stimulus set, batch by batch, keeping only what was asked for."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from neurolens.errors import InputError, RecordingError
from neurolens.extract.axes import Layout, Layouts, find_layouts
from neurolens.extract.forward import record_forward, run_light
from neurolens.extract.guards import preserve_buffers
from neurolens.extract.light import GraphChanged, Script
from neurolens.labels import list_names
from neurolens.stimuli import StimulusSet


def read_layouts(model: nn.Module, stimuli: StimulusSet, device: torch.device) -> Layouts:
    """Return the layouts of all results, from the first two stimuli of the set."""
    if not isinstance(stimuli, StimulusSet):
        raise InputError(
            f"stimuli must be a StimulusSet, got {type(stimuli).__name__}. Make one with neurolens.load_stimuli(...)."
        )
    if len(stimuli) < 2:
        raise InputError("extraction needs at least 2 stimuli, to tell their axis from the others")
    _, more = next(stimuli.iterate_batches(min(3, len(stimuli))))
    more = more.to(device)
    return find_layouts(model, more[:-1], more)


def find_device(model: nn.Module, device: str | torch.device | None) -> torch.device:
    """Return the device to run on: the one asked for, else where the model's parameters are."""
    if device is not None:
        chosen = torch.device(device)
        if chosen.type == "cuda" and not torch.cuda.is_available():
            raise InputError(f"device={str(device)!r} was asked for, but torch sees no GPU. Leave device= out.")
        return chosen
    held = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if held is None else held.device


@dataclass
class Tally:
    """What a pass over the set met: batches whose graph was another, and for which stimuli an op did not run."""

    changed: dict[str, str] = field(default_factory=dict)
    absent: dict[str, list[str]] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)

    def describe(self) -> dict[str, list[str]]:
        """Return what there is to tell, as attributes of the result."""
        told = {
            "changed_batches": [f"{first}: {what}" for first, what in self.changed.items()],
            "ops_some_stimuli_lack": [f"{op}: {list_names(ids)}" for op, ids in self.absent.items()],
            "ops_only_some_stimuli_have": sorted(self.unlisted),
        }
        return {key: value for key, value in told.items() if value}


def run_set(
    model: nn.Module,
    stimuli: StimulusSet,
    layouts: Layouts,
    chosen: Sequence[Layout],
    take: Callable[[Layout, slice, torch.Tensor | None], None],
    *,
    batch_size: int,
    device: torch.device,
    progress: tqdm | None = None,
    tally: Tally | None = None,
) -> Tally:
    """Run the set once, batch by batch, handing out each wanted result as soon as it exists.

    Parameters
    ----------
    take : callable
        Called with (layout, rows of the set, result with stimuli first): the live result, which the model may overwrite
        when this returns. The result is None where the op did not run for these stimuli.
    progress : tqdm, optional
        Counts stimuli.

    Returns
    -------
    Tally

    Notes
    -----
    Every op of a batch is checked against the first recording, by name and shape, and the pass ends after the last
    wanted op. A batch that does something else is recorded in full.
    """
    tally = Tally() if tally is None else tally
    position = {name: i for i, name in enumerate(layouts.script.names)}
    wanted: dict[str, list[Layout]] = {}
    for layout in chosen:
        wanted.setdefault(layout.op, []).append(layout)
    start = 0
    for ids, batch in stimuli.iterate_batches(batch_size):
        rows = slice(start, start + len(ids))
        start += len(ids)

        def hand_out(made: Sequence[torch.Tensor], group: list[Layout], rows: slice = rows, n: int = len(ids)) -> None:
            for layout in group:
                take(layout, rows, layout.put_stimuli_first(made[max(layout.output, 0)], n))

        batch = batch.to(device)
        takes = {position[op]: partial(hand_out, group=group) for op, group in wanted.items()}
        try:
            try:
                with preserve_buffers(model):
                    run_light(model, batch, layouts.script, len(ids), takes)
            except GraphChanged as change:
                tally.changed[ids[0]] = str(change)
                _record_batch(model, batch, ids, layouts.script, wanted, hand_out, take, rows, tally)
        except RecordingError as error:
            raise RecordingError(f"stimuli {ids[0]!r} to {ids[-1]!r}: {error}") from error
        if progress is not None:
            progress.update(len(ids))
    return tally


def _record_batch(
    model: nn.Module,
    batch: torch.Tensor,
    ids: Sequence[str],
    script: Script,
    wanted: dict[str, list[Layout]],
    hand_out: Callable,
    take: Callable[[Layout, slice, torch.Tensor | None], None],
    rows: slice,
    tally: Tally,
) -> None:
    """Run a batch that left the script, and hand out what it has of the wanted results."""
    with preserve_buffers(model):
        recording = record_forward(model, batch, keep=wanted.__contains__, sites=script.sites)
    found = {event.name: event.outputs for event in recording.events}
    tally.unlisted.update(set(found) - set(script.names))
    for op, group in wanted.items():
        if op in found:
            hand_out([value.tensor for value in found[op]], group)
            continue
        for layout in group:
            take(layout, rows, None)
        tally.absent.setdefault(op, []).extend(ids)


def choose_layouts(layouts: Layouts, ops: str | list[str] | Callable[[Any], bool]) -> list[Layout]:
    """Return the layouts of the selected ops in execution order.

    Raises
    ------
    InputError
        When an op asked for by name has no stimulus axis.
    UnknownNameError
        For a name or pattern that matches nothing.
    """
    if callable(ops):
        names = [op.name for op in layouts.graph if ops(op)]
    else:
        names = layouts.graph.select_names(ops)
        if is_named(ops):
            unusable = [n for n in names if n in layouts.skipped]
            if unusable:
                raise InputError(f"{unusable[0]!r} has no result per stimulus: {layouts.skipped[unusable[0]]}")
    chosen = set(names)
    found = [layout for layout in layouts.by_name.values() if layout.op in chosen]
    if not found:
        raise InputError(f"none of the {len(names)} selected ops has a result per stimulus")
    return found


def is_named(ops: Any) -> bool:
    """Return whether every op was asked for by name, rather than by pattern, predicate or ``"all"``."""
    patterns = [ops] if isinstance(ops, str) else [] if callable(ops) else list(ops)
    return bool(patterns) and not any(p == "all" or any(c in p for c in "*?[") for p in patterns)


def show_progress(total: int, what: str, quiet: bool) -> tqdm:
    """Return a progress bar counting stimuli, silent when ``quiet``."""
    return tqdm(total=total, desc=what, unit=" stimuli", disable=quiet, leave=False)
