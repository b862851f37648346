"""Repeated passes over a stimulus set, batch by batch, keeping only the wanted results."""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from neurolens.errors import InputError, RecordingError
from neurolens.extract.capture.events import Recording
from neurolens.extract.capture.forward import record_forward
from neurolens.extract.stream.batches import (
    call_with_batch,
    copy_batch,
    count_rows,
    list_versions,
    load_batches,
    read_batch,
    telling_ended_processes,
)
from neurolens.extract.stream.company import CompanyTest
from neurolens.extract.stream.follow import (
    Handlers,
    PassDeviated,
    Read,
    follow_forward,
    list_reads,
)
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.layouts.rows import MIXES
from neurolens.extract.stream.plan import Plan, Step, refuse_mixing
from neurolens.extract.stream.resume.failures import FAILURES, explain_failure, raise_interrupt
from neurolens.extract.stream.resume.runs import Resumption
from neurolens.labels import list_names
from neurolens.stimuli.batches.inputs import Batch
from neurolens.support.progress import hides_progress

# Called with (layout, step, result with stimuli first or None where the op did not run).
ResultHandler = Callable[[Layout, Step, torch.Tensor | None], None]


@dataclass(frozen=True, slots=True)
class BatchDeviation:
    """The differences between a batch and the recorded pass.

    ``changed`` says where they began, "" where there are none; ``unlisted`` are the ops that only
    this batch has. ``unplaced`` are the results, by label, whose values could not be assigned to
    stimuli, each with the reason; ``mixing`` those kept whose values for a stimulus differed from
    those in another batch.
    """

    changed: str = ""
    unlisted: tuple[str, ...] = ()
    unplaced: tuple[tuple[str, str], ...] = ()
    mixing: tuple[str, ...] = ()


def merge_deviations(first: BatchDeviation, second: BatchDeviation) -> BatchDeviation:
    """Return how a batch deviated in two runs of it, of other outputs or in other samples."""
    return BatchDeviation(
        changed=first.changed or second.changed,
        unlisted=tuple(sorted({*first.unlisted, *second.unlisted})),
        unplaced=tuple(list_unplaced([first, second]).items()),
        mixing=tuple(dict.fromkeys(first.mixing + second.mixing)),
    )


def list_unplaced(deviations: Iterable[BatchDeviation]) -> dict[str, str]:
    """Return the results that could not be assigned to stimuli in some batch, and the reason."""
    reasons: dict[str, str] = {}
    for deviation in deviations:
        for name, reason in deviation.unplaced:
            reasons.setdefault(name, reason)
    return reasons


def describe_deviations(
    ids: Sequence[str], deviations: Mapping[int, BatchDeviation], ran: Mapping[str, np.ndarray]
) -> dict[str, list[str]]:
    """Return the attributes that say which batches of a set deviated.

    ``deviations`` are by first row of a batch; ``ran`` (stimulus) says of each op which stimuli ran
    it.
    """
    lacking = {}
    unplaced = list_unplaced(deviations.values())
    for op, has_run in ran.items():
        if not has_run.all() and op not in unplaced:
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
    steps: Sequence[Step],
    progress: tqdm | None = None,
    close: Callable[[Step, BatchDeviation], None] = lambda step, deviation: None,
    resumption: Resumption | None = None,
) -> None:
    """Run some steps, each once, passing on each wanted result as soon as it exists.

    Steps of the same rows one after the other read their stimuli once. After sample 0, only results
    that differ between samples are wanted.

    Parameters
    ----------
    plan : Plan
    layouts : sequence of Layout
        Of the wanted results.
    handle : callable
        Called with (layout, step, result with stimuli first): the live result, which the model may
        overwrite when this returns. The result is None where the op did not run for these stimuli.
    steps : sequence of Step
    progress : tqdm, optional
        Counts stimuli, in each sample anew.
    close : callable
        Called with (step, deviation) after each step.
    resumption : Resumption, optional
        Runs steps from where the last run ended.

    Notes
    -----
    Every op of a batch is checked against the first recording, by name and shape, and the pass ends
    after the last wanted op, unless no other op with results follows: then it goes to its end,
    because some stimuli may run more. A batch that does something else is recorded in full. One in
    which Python reads other values of the stimuli than in those compared before is run twice more;
    see `CompanyTest`.
    """
    ids = plan.stimuli.ids
    by_op: dict[str, list[Layout]] = {}
    for layout in layouts:
        by_op.setdefault(layout.op, []).append(layout)
    sampled = {op: group for op, group in by_op.items() if op in plan.sampled}
    groups = [list(group) for _, group in itertools.groupby(steps, lambda step: step.rows)]
    company = CompanyTest(plan, by_op)
    with telling_ended_processes():
        for group, batch in _read_groups(plan, groups, resumption):
            rows = group[0].rows
            for step in group:
                try:
                    hand_out = _HandOut(plan, handle, step)
                    wanted = sampled if step.sample else by_op
                    is_last = step is group[-1]
                    ran = _run_batch(plan, batch, wanted, hand_out, is_last, resumption)
                    for name in company.find_mixing(step, ran.reads):
                        hand_out.refuse(name)
                except RecordingError as error:
                    raise RecordingError(
                        f"stimuli {ids[rows[0]]!r} to {ids[rows[-1]]!r}: {error}"
                    ) from error
                unplaced = hand_out.list_unplaced()
                mixing = tuple(dict.fromkeys(hand_out.mixing))
                close(step, BatchDeviation(ran.changed, ran.unlisted, unplaced, mixing))
                plan.check_memory()
                if progress is not None:
                    progress.update(len(rows))


class _Ran(NamedTuple):
    """How a batch ran: where it deviated, the ops that only it has, what Python read."""

    changed: str
    unlisted: tuple[str, ...]
    reads: tuple[Read, ...]


def _read_groups(
    plan: Plan, groups: Sequence[list[Step]], resumption: Resumption | None
) -> Iterator[tuple[list[Step], Batch | None]]:
    """Yield steps of the same rows, and their stimuli, None where the steps can do without."""
    is_read = [resumption is None or not resumption.needs_no_inputs(group) for group in groups]
    batches = [group[0].rows for group, read in zip(groups, is_read, strict=True) if read]
    loaded = load_batches(plan.stimuli, batches, plan.device, plan.workers)
    for group, read in zip(groups, is_read, strict=True):
        yield group, next(loaded)[1] if read else None


def _list_handlers(
    plan: Plan, by_op: Mapping[str, Sequence[Layout]], hand_out: "_HandOut"
) -> Handlers:
    """Return what takes the results of each wanted op, by its position."""
    positions = plan.layouts.expected.positions
    return {positions[op]: partial(hand_out, layouts) for op, layouts in by_op.items()}


def _resume_batch(
    plan: Plan,
    batch: Batch | None,
    by_op: Mapping[str, Sequence[Layout]],
    hand_out: "_HandOut",
    resumption: Resumption,
) -> _Ran:
    """Run one batch from where the last run ended, or raise one of `FAILURES`."""
    step = hand_out.step
    shown = resumption.make_inputs(step) if batch is None else copy_batch(batch)
    call = call_with_batch(plan.model, shown, plan.kwargs, plan.layouts.gradients)
    handlers = _list_handlers(plan, by_op, hand_out)
    to_end = max(handlers) == plan.layouts.find_last()
    plan.noise.begin(hand_out.ids, step.sample)
    return _Ran("", (), resumption.follow_rest(step, call, handlers, to_end=to_end))


def _run_batch(
    plan: Plan,
    batch: Batch | None,
    by_op: Mapping[str, Sequence[Layout]],
    hand_out: "_HandOut",
    is_last: bool,
    resumption: Resumption | None,
) -> _Ran:
    """Run one batch; pass on the wanted results, by op, and None where an op did not run."""
    failure = ""
    handled = sys.exception()
    if resumption is not None and resumption.can_resume(hand_out.step):
        try:
            return _resume_batch(plan, batch, by_op, hand_out, resumption)
        except FAILURES as error:
            raise_interrupt(error, handled)
            failure = explain_failure(error)  # the error itself would hold the batch
    step = hand_out.step
    expected = plan.layouts.expected
    if batch is None:
        batch = read_batch(plan.stimuli, step.rows, plan.device)
    # The next sample gets the stimuli as they were.
    shown = batch if is_last else copy_batch(batch)
    call = call_with_batch(plan.model, shown, plan.kwargs, plan.layouts.gradients)
    versions = list_versions(call)
    handlers = _list_handlers(plan, by_op, hand_out)
    to_end = max(handlers) == plan.layouts.find_last()
    plan.noise.begin(hand_out.ids, step.sample)
    try:
        if resumption is None:
            n_rows = count_rows(batch)
            reads = follow_forward(
                call,
                expected,
                n_rows,
                handlers,
                plan.noise,
                to_end=to_end,
                after_op=plan.check_memory,
            )
        else:
            reads = resumption.follow_all(step, call, handlers, to_end=to_end)
            if failure:
                resumption.give_up(failure)
    except PassDeviated as change:
        if resumption is not None:
            resumption.leave_out(step)
        if list_versions(call) != versions:
            batch = read_batch(plan.stimuli, step.rows, plan.device)
        plan.noise.begin(hand_out.ids, step.sample)
        recording = _record_batch(plan, batch if is_last else copy_batch(batch), by_op)
        results: dict[str, list[torch.Tensor]] = {}
        for event in recording.events:
            results[event.name] = [value.tensor for value in event.outputs]  # type: ignore[misc]
        for op, layouts in by_op.items():
            hand_out(layouts, results.get(op))
        unlisted = sorted(set(results) - set(expected.names))
        return _Ran(str(change), tuple(unlisted), list_reads(recording, expected.fixed_reads))
    return _Ran("", (), reads)


class _HandOut:
    """Assigns the results of one batch to its stimuli and hands them out.

    A result that cannot be assigned counts as one of an op that did not run; where every op was
    asked for by name it is an error instead.

    Attributes
    ----------
    step : Step
        Which batch, in which sample.
    ids : tuple of str
        Of its stimuli.
    mixing : list of str
        The results that are kept although a row does not follow its stimulus.
    """

    def __init__(self, plan: Plan, handle: ResultHandler, step: Step) -> None:
        self.step = step
        self.ids = plan.stimuli.ids[step.rows.start : step.rows.stop]
        self._plan = plan
        self._handle = handle
        self.mixing: list[str] = []
        self._unplaced: dict[str, str] = {}

    def __call__(self, layouts: Sequence[Layout], results: Sequence[torch.Tensor] | None) -> None:
        """Take the results of one op, or None where it did not run."""
        for layout in layouts:
            self._unplaced.pop(layout.name, None)
            placed = None
            if results is not None:
                try:
                    placed = self._place(layout, results)
                except InputError as error:
                    if self._plan.named:
                        raise
                    self._unplaced[layout.name] = error.message
            self._handle(layout, self.step, placed)
        self._plan.check_memory()

    def refuse(self, name: str) -> None:
        """Note that the rows of a result do not follow their stimuli."""
        if self._plan.batch_dependent:
            self.mixing.append(name)
            return
        refusal = refuse_mixing(name, MIXES)
        if self._plan.named:
            raise refusal
        self._unplaced[name] = refusal.message

    def list_unplaced(self) -> tuple[tuple[str, str], ...]:
        """Return the results that could not be assigned, each with the reason."""
        return tuple(self._unplaced.items())

    def _place(self, layout: Layout, results: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return one of an op's results, stimuli first."""
        plan = self._plan
        n_expected = plan.layouts.expected.count_results(layout.op)
        if len(results) != n_expected:
            raise InputError(
                f"{layout.op!r} gave {len(results)} results for {list_names(self.ids)}, "
                f"{n_expected} for the first stimuli: their number depends on the stimuli. Leave "
                "it out of ops=.",
                anchor="no-result-per-stimulus",
            )
        rows = layout.put_stimuli_first(results[max(layout.output, 0)], len(self.ids))
        # Known are values of sample 0.
        known = None if self.step.sample else plan.layouts.known
        if known is not None and known.differ(layout, rows, self.ids):
            if not plan.batch_dependent:
                raise refuse_mixing(layout.name, MIXES)
            self.mixing.append(layout.name)
        return rows


def _record_batch(plan: Plan, batch: Batch, by_op: Mapping[str, Sequence[Layout]]) -> Recording:
    """Record a batch that deviated from the expected pass; results of the wanted ops are kept."""
    sites = plan.layouts.expected.sites
    call = call_with_batch(plan.model, batch, plan.kwargs, plan.layouts.gradients)
    return record_forward(call, keep=by_op.__contains__, sites=sites, noise=plan.noise)


def show_progress(total: int, what: str, quiet: bool) -> tqdm:
    """Return a progress bar counting stimuli, silent when ``quiet``."""
    hidden = hides_progress(quiet)
    return tqdm(total=total, desc=what, unit=" stimuli", disable=hidden, leave=False)
