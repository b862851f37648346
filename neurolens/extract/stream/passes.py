"""Repeated passes over a stimulus set, batch by batch, keeping only what was asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from neurolens.errors import InputError, RecordingError
from neurolens.extract.capture.forward import record_forward
from neurolens.extract.capture.restore import preserve_buffers
from neurolens.extract.stream.axes import Layout
from neurolens.extract.stream.batches import load_batches
from neurolens.extract.stream.follow import ExpectedPass, PassDeviated, follow_forward
from neurolens.extract.stream.plan import Plan
from neurolens.labels import list_names


@dataclass(frozen=True, slots=True)
class BatchDeviation:
    """What a batch did otherwise than the recorded pass: where it left it.

    And the ops that only it has.
    """

    changed: str = ""
    unlisted: tuple[str, ...] = ()


def describe_notes(
    ids: Sequence[str], notes: Mapping[int, BatchDeviation], ran: Mapping[str, np.ndarray]
) -> dict[str, list[str]]:
    """Return what there is to tell of a whole set, as attributes of its result.

    ``notes`` are of the batches, by first row; ``ran`` (stimulus) says of each op which stimuli ran
    it.
    """
    told = {
        "changed_batches": [
            f"{ids[row]}: {note.changed}" for row, note in sorted(notes.items()) if note.changed
        ],
        "ops_some_stimuli_lack": [
            f"{op}: {list_names([ids[i] for i in np.flatnonzero(~there).tolist()])}"
            for op, there in ran.items()
            if not there.all()
        ],
        "ops_only_some_stimuli_have": sorted(
            {op for note in notes.values() for op in note.unlisted}
        ),
    }
    return {key: value for key, value in told.items() if value}


def run_set(
    plan: Plan,
    chosen: Sequence[Layout],
    take: Callable[[Layout, slice, torch.Tensor | None], None],
    *,
    batches: Sequence[range],
    progress: tqdm | None = None,
    close: Callable[[range, BatchDeviation], None] = lambda rows, note: None,
) -> None:
    """Run some batches of the plan's stimuli once, handing out each wanted result as soon as it exists.

    Parameters
    ----------
    take : callable
        Called with (layout, rows of the set, result with stimuli first): the live result, which the
        model may overwrite when this returns. The result is None where the op did not run for these
        stimuli.
    batches : sequence of range
        Rows of each batch.
    progress : tqdm, optional
        Counts stimuli.
    close : callable
        Called with (rows, note) after each batch.

    Notes
    -----
    Every op of a batch is checked against the first recording, by name and shape, and the pass ends
    after the last wanted op. A batch that does something else is recorded in full.
    """
    model = plan.model
    stimuli = plan.stimuli
    script = plan.layouts.script
    position = {name: i for i, name in enumerate(script.names)}
    wanted: dict[str, list[Layout]] = {}
    for layout in chosen:
        wanted.setdefault(layout.op, []).append(layout)
    for rows, batch in load_batches(stimuli, batches, plan.device, plan.workers):
        place = slice(rows.start, rows.stop)
        ids = stimuli.ids[rows.start : rows.stop]

        def hand_out(
            made: Sequence[torch.Tensor],
            group: list[Layout],
            place: slice = place,
            n: int = len(rows),
        ) -> None:
            for layout in group:
                if max(layout.output, 0) >= len(made):
                    raise InputError(
                        f"{layout.op!r} gave {len(made)} results for "
                        f"{list_names(stimuli.ids[place])}, more for the "
                        "first stimuli: their number depends on the stimuli. Leave it out of ops=."
                    )
                take(layout, place, layout.put_stimuli_first(made[max(layout.output, 0)], n))

        takes = {position[op]: partial(hand_out, group=group) for op, group in wanted.items()}
        note = BatchDeviation()
        try:
            try:
                with preserve_buffers(model):
                    follow_forward(model, batch, script, len(rows), takes)
            except PassDeviated as change:
                found = _record_batch(model, batch, script, wanted)
                note = BatchDeviation(str(change), tuple(sorted(set(found) - set(script.names))))
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
    model: nn.Module, batch: torch.Tensor, script: ExpectedPass, wanted: dict[str, list[Layout]]
) -> dict[str, list[Any]]:
    """Run a batch that left the script; return what its ops made, by name.

    Values for the wanted ones.
    """
    with preserve_buffers(model):
        recording = record_forward(model, batch, keep=wanted.__contains__, sites=script.sites)
    return {event.name: [value.tensor for value in event.outputs] for event in recording.events}


def show_progress(total: int, what: str, quiet: bool) -> tqdm:
    """Return a progress bar counting stimuli, silent when ``quiet``."""
    return tqdm(total=total, desc=what, unit=" stimuli", disable=quiet, leave=False)
