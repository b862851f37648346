"""Repeated passes over a stimulus set, batch by batch, keeping only the wanted results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from tqdm import tqdm

from neurolens.errors import InputError, RecordingError
from neurolens.extract.capture.forward import record_forward
from neurolens.extract.capture.restore import preserve_buffers
from neurolens.extract.stream.axes import Layout
from neurolens.extract.stream.batches import call_with_batch, load_batches
from neurolens.extract.stream.follow import PassDeviated, follow_forward
from neurolens.extract.stream.plan import Plan
from neurolens.labels import list_names

# Called with (layout, rows of the set, result with stimuli first or None where the op did not run).
ResultHandler = Callable[[Layout, slice, torch.Tensor | None], None]


@dataclass(frozen=True, slots=True)
class BatchDeviation:
    """How a batch deviated from the recorded pass.

    ``changed`` says where this began, "" where nothing deviated; ``unlisted`` are the ops that only
    this batch has.
    """

    changed: str = ""
    unlisted: tuple[str, ...] = ()


def describe_deviations(
    ids: Sequence[str], deviations: Mapping[int, BatchDeviation], ran: Mapping[str, np.ndarray]
) -> dict[str, list[str]]:
    """Return the attributes that say which batches of a set deviated.

    ``deviations`` are by first row of a batch; ``ran`` (stimulus) says of each op which stimuli ran
    it.
    """
    lacking = {}
    for op, has_run in ran.items():
        if not has_run.all():
            lacking[op] = [ids[i] for i in np.flatnonzero(~has_run).tolist()]
    unlisted = {op for deviation in deviations.values() for op in deviation.unlisted}
    attributes = {
        "changed_batches": [
            f"{ids[row]}: {deviation.changed}"
            for row, deviation in sorted(deviations.items())
            if deviation.changed
        ],
        "ops_some_stimuli_lack": [f"{op}: {list_names(names)}" for op, names in lacking.items()],
        "ops_only_some_stimuli_have": sorted(unlisted),
    }
    return {key: sentences for key, sentences in attributes.items() if sentences}


def run_set(
    plan: Plan,
    layouts: Sequence[Layout],
    handle: ResultHandler,
    *,
    batches: Sequence[range],
    progress: tqdm | None = None,
    close: Callable[[range, BatchDeviation], None] = lambda rows, deviation: None,
) -> None:
    """Run some batches once, passing on each wanted result as soon as it exists.

    Parameters
    ----------
    plan : Plan
    layouts : sequence of Layout
        Of the wanted results.
    handle : callable
        Called with (layout, rows of the set, result with stimuli first): the live result, which the
        model may overwrite when this returns. The result is None where the op did not run for these
        stimuli.
    batches : sequence of range
        Rows of each batch.
    progress : tqdm, optional
        Counts stimuli.
    close : callable
        Called with (rows, deviation) after each batch.

    Notes
    -----
    Every op of a batch is checked against the first recording, by name and shape, and the pass ends
    after the last wanted op. A batch that does something else is recorded in full.
    """
    ids = plan.stimuli.ids
    by_op: dict[str, list[Layout]] = {}
    for layout in layouts:
        by_op.setdefault(layout.op, []).append(layout)
    for rows, batch in load_batches(plan.stimuli, batches, plan.device, plan.workers):
        try:
            deviation = _run_batch(plan, batch, by_op, partial(_hand_out, handle, ids, rows))
        except RecordingError as error:
            raise RecordingError(
                f"stimuli {ids[rows[0]]!r} to {ids[rows[-1]]!r}: {error}"
            ) from error
        close(rows, deviation)
        if progress is not None:
            progress.update(len(rows))


def _run_batch(
    plan: Plan,
    batch: torch.Tensor,
    by_op: Mapping[str, Sequence[Layout]],
    hand_out: Callable[[Sequence[Layout], Sequence[torch.Tensor] | None], None],
) -> BatchDeviation:
    """Run one batch; pass on the wanted results, by op, and None where an op did not run."""
    expected = plan.layouts.expected
    handlers = {expected.positions[op]: partial(hand_out, layouts) for op, layouts in by_op.items()}
    try:
        with preserve_buffers(plan.model):
            follow_forward(call_with_batch(plan.model, batch), expected, len(batch), handlers)
    except PassDeviated as change:
        results = _record_batch(plan, batch, by_op)
        for op, layouts in by_op.items():
            hand_out(layouts, results.get(op))
        unlisted = sorted(set(results) - set(expected.names))
        return BatchDeviation(str(change), tuple(unlisted))
    return BatchDeviation()


def _hand_out(
    handle: ResultHandler,
    ids: Sequence[str],
    rows: range,
    layouts: Sequence[Layout],
    results: Sequence[torch.Tensor] | None,
) -> None:
    """Pass on the results of one op for the stimuli of a batch, or None for each."""
    block = slice(rows.start, rows.stop)
    for layout in layouts:
        if results is None:
            handle(layout, block, None)
            continue
        k = max(layout.output, 0)
        if k >= len(results):
            raise InputError(
                f"{layout.op!r} gave {len(results)} results for {list_names(ids[block])}, more for "
                "the first stimuli: their number depends on the stimuli. Leave it out of ops=."
            )
        handle(layout, block, layout.put_stimuli_first(results[k], len(rows)))


def _record_batch(
    plan: Plan, batch: torch.Tensor, by_op: Mapping[str, Sequence[Layout]]
) -> dict[str, list[torch.Tensor]]:
    """Record a batch that deviated from the expected pass; return the results of its ops, by name.

    Only the results of the wanted ops are tensors.
    """
    sites = plan.layouts.expected.sites
    with preserve_buffers(plan.model):
        call = call_with_batch(plan.model, batch)
        recording = record_forward(call, keep=by_op.__contains__, sites=sites)
    results = {}
    for event in recording.events:
        results[event.name] = [value.tensor for value in event.outputs]
    return results  # type: ignore[return-value]


def show_progress(total: int, what: str, quiet: bool) -> tqdm:
    """Return a progress bar counting stimuli, silent when ``quiet``."""
    return tqdm(total=total, desc=what, unit=" stimuli", disable=quiet, leave=False)
