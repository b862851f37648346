"""Repeated passes over a stimulus set, batch by batch, keeping only what was asked for."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from neurolens.errors import InputError, RecordingError
from neurolens.extract.axes import Layout, Layouts, find_layouts
from neurolens.extract.forward import record_forward, run_light
from neurolens.extract.guards import preserve_buffers, release_memory
from neurolens.extract.light import GraphChanged, Script
from neurolens.extract.pipeline import load_batches
from neurolens.extract.select import OpSelection, is_named, select_ops
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
    found = find_layouts(model, more[:-1], more)
    release_memory()
    return found


def find_device(model: nn.Module, device: str | torch.device | None) -> torch.device:
    """Return the device to run on: the one asked for, else where the model's parameters are."""
    if device is not None:
        chosen = torch.device(device)
        if chosen.type == "cuda" and not torch.cuda.is_available():
            raise InputError(f"device={str(device)!r} was asked for, but torch sees no GPU. Leave device= out.")
        return chosen
    held = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if held is None else held.device


@dataclass(frozen=True, slots=True)
class Note:
    """What a batch did otherwise than the recorded pass: where it left it, and the ops that only it has."""

    changed: str = ""
    unlisted: tuple[str, ...] = ()


def describe_notes(
    ids: Sequence[str], notes: Mapping[int, Note], ran: Mapping[str, np.ndarray]
) -> dict[str, list[str]]:
    """Return what there is to tell of a whole set, as attributes of its result.

    ``notes`` are of the batches, by first row; ``ran`` (stimulus) says of each op which stimuli ran it.
    """
    told = {
        "changed_batches": [f"{ids[row]}: {note.changed}" for row, note in sorted(notes.items()) if note.changed],
        "ops_some_stimuli_lack": [
            f"{op}: {list_names([ids[i] for i in np.flatnonzero(~there).tolist()])}"
            for op, there in ran.items()
            if not there.all()
        ],
        "ops_only_some_stimuli_have": sorted({op for note in notes.values() for op in note.unlisted}),
    }
    return {key: value for key, value in told.items() if value}


def run_set(
    model: nn.Module,
    stimuli: StimulusSet,
    layouts: Layouts,
    chosen: Sequence[Layout],
    take: Callable[[Layout, slice, torch.Tensor | None], None],
    *,
    batches: Sequence[range],
    device: torch.device,
    workers: int | None = None,
    progress: tqdm | None = None,
    close: Callable[[range, Note], None] = lambda rows, note: None,
) -> None:
    """Run some batches of the set once, handing out each wanted result as soon as it exists.

    Parameters
    ----------
    take : callable
        Called with (layout, rows of the set, result with stimuli first): the live result, which the model may overwrite
        when this returns. The result is None where the op did not run for these stimuli.
    batches : sequence of range
        Rows of each batch.
    workers : int, optional
        Processes that read stimuli ahead, as for `load_batches`.
    progress : tqdm, optional
        Counts stimuli.
    close : callable
        Called with (rows, note) after each batch.

    Notes
    -----
    Every op of a batch is checked against the first recording, by name and shape, and the pass ends after the last
    wanted op. A batch that does something else is recorded in full.
    """
    position = {name: i for i, name in enumerate(layouts.script.names)}
    wanted: dict[str, list[Layout]] = {}
    for layout in chosen:
        wanted.setdefault(layout.op, []).append(layout)
    for rows, batch in load_batches(stimuli, batches, device, workers):
        place, ids = slice(rows.start, rows.stop), stimuli.ids[rows.start : rows.stop]

        def hand_out(
            made: Sequence[torch.Tensor], group: list[Layout], place: slice = place, n: int = len(rows)
        ) -> None:
            for layout in group:
                if max(layout.output, 0) >= len(made):
                    raise InputError(
                        f"{layout.op!r} gave {len(made)} results for {list_names(stimuli.ids[place])}, more for the "
                        "first stimuli: their number depends on the stimuli. Leave it out of ops=."
                    )
                take(layout, place, layout.put_stimuli_first(made[max(layout.output, 0)], n))

        takes = {position[op]: partial(hand_out, group=group) for op, group in wanted.items()}
        note = Note()
        try:
            try:
                with preserve_buffers(model):
                    run_light(model, batch, layouts.script, len(rows), takes)
            except GraphChanged as change:
                found = _record_batch(model, batch, layouts.script, wanted)
                note = Note(str(change), tuple(sorted(set(found) - set(layouts.script.names))))
                for op, group in wanted.items():
                    if op in found:
                        hand_out(found[op], group)
                    else:
                        for layout in group:
                            take(layout, place, None)
        except RecordingError as error:
            raise RecordingError(f"stimuli {ids[0]!r} to {ids[-1]!r}: {error}") from error
        close(rows, note)
        if progress is not None:
            progress.update(len(rows))


def _record_batch(
    model: nn.Module, batch: torch.Tensor, script: Script, wanted: dict[str, list[Layout]]
) -> dict[str, list[Any]]:
    """Run a batch that left the script; return what its ops made, by name, values for the wanted ones."""
    with preserve_buffers(model):
        recording = record_forward(model, batch, keep=wanted.__contains__, sites=script.sites)
    return {event.name: [value.tensor for value in event.outputs] for event in recording.events}


def choose_layouts(layouts: Layouts, ops: OpSelection) -> list[Layout]:
    """Return the layouts of the selected ops in execution order.

    Raises
    ------
    InputError
        When an op asked for by name has no stimulus axis.
    UnknownNameError
        For a name or pattern that matches nothing.
    """
    names = select_ops(layouts.graph, ops)
    unusable = [n for n in names if n in layouts.skipped] if is_named(ops) else []
    if unusable:
        raise InputError(f"{unusable[0]!r} has no result per stimulus: {layouts.skipped[unusable[0]]}")
    chosen = set(names)
    found = [layout for layout in layouts.by_name.values() if layout.op in chosen]
    if not found:
        raise InputError(f"none of the {len(names)} selected ops has a result per stimulus")
    return found


def show_progress(total: int, what: str, quiet: bool) -> tqdm:
    """Return a progress bar counting stimuli, silent when ``quiet``."""
    return tqdm(total=total, desc=what, unit=" stimuli", disable=quiet, leave=False)
