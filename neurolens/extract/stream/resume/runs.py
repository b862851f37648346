"""A series of runs over a set, each of which starts where the last one ended."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from neurolens.extract.capture.events import read_storage
from neurolens.extract.capture.forward import ModelCall
from neurolens.extract.capture.modules.module_calls import has_foreign_hooks, has_paired_hooks
from neurolens.extract.capture.trees import iterate_tensors
from neurolens.extract.stream.batches import call_with_batch, count_rows, read_batch
from neurolens.extract.stream.follow import (
    FollowingRecorder,
    Handlers,
    PassDeviated,
    Read,
    follow_forward,
)
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.plan import Plan, Step
from neurolens.extract.stream.resume.cuts import Cut, Span, choose_cuts, explain_start
from neurolens.extract.stream.resume.failures import WrongValuesError
from neurolens.extract.stream.resume.placeholders import Placeholder
from neurolens.extract.stream.resume.recorder import ResumingRecorder, SavingRecorder, Tensors
from neurolens.extract.stream.resume.report import ResumeReport
from neurolens.extract.stream.resume.script import Script, ScriptReader, digest_tensors
from neurolens.extract.stream.resume.spills import SpillFiles, count_staging_bytes
from neurolens.extract.stream.resume.states import SavedStates, find_room_on_disk
from neurolens.stimuli.batches.inputs import Batch, map_inputs


class Resumption:
    """Takes the runs of a series, in order, from where the last one ended.

    Parameters
    ----------
    plan : Plan
    runs : sequence of sequences of Layout
        The results that each run wants.
    rooms : sequence of int
        Bytes that the budget leaves in each run. What is alive at a cut takes these, and beyond
        them a temporary file.

    Attributes
    ----------
    report : ResumeReport

    Notes
    -----
    The first batch is run once more, before the others, to its last wanted op. This tells what is
    alive where, and every later run must have the same results for this batch, bit for bit. A
    batch that does not run as recorded is run from the input by all later runs.
    """

    def __init__(self, plan: Plan, runs: Sequence[Sequence[Layout]], rooms: Sequence[int]) -> None:
        self.report = ResumeReport(n_passes=len(runs))
        self._plan = plan
        self._spans = [_find_span(plan, layouts) for layouts in runs]
        self._rooms = list(rooms)
        self._cuts: list[Cut | None] = [None] * len(runs)
        self._script = Script()
        self._states: dict[int, SavedStates] = {}
        self._files = SpillFiles(count_staging_bytes(plan.budget))
        self._number = -1
        self._start: Cut | None = None
        self._next: Cut | None = None
        self._has_resumed = False
        self._inputs: Batch = ()
        self._last = max(span.last for span in self._spans)
        expected = plan.layouts.expected
        is_whole = self._last == plan.layouts.find_last()
        self._n_ops = len(expected.names) if is_whole else self._last + 1
        self._own_storages = {
            read_storage(one) for one in (*plan.model.parameters(), *plan.model.buffers())
        }
        self._choose(runs)

    def _choose(self, runs: Sequence[Sequence[Layout]]) -> None:
        """Choose where the runs start, and say why some start at the input."""
        most_skipped = sum(span.first for span in self._spans[1:]) * len(self._plan.batches)
        if len(runs) < 2 or not most_skipped:
            return
        reason = find_obstacle(self._plan)
        if not reason and most_skipped <= self._n_ops:
            reason = "looking for where to start would cost more than it saves"
        if not reason:
            reason = self._read_script(runs)
        if reason:
            self.report.note(reason)
            return
        n_first = len(self._plan.batches[0])
        # Two cuts are saved at one time.
        most_bytes = find_room_on_disk() * n_first // (2 * len(self._plan.stimuli))
        self._cuts = choose_cuts(self._script, self._spans, most_bytes)
        for cut, span in zip(self._cuts[1:], self._spans[1:], strict=True):
            if span.first and (cut is None or self._script.limit < span.first):
                self.report.note(explain_start(self._script, span, most_bytes))

    def _read_script(self, runs: Sequence[Sequence[Layout]]) -> str:
        """Read the script from the first batch; return why none could be read, or ""."""
        plan = self._plan
        digests: dict[int, str] = {}

        def note(position: int, tensors: list[torch.Tensor]) -> None:
            digests[position] = digest_tensors(tensors)

        handlers: dict[int, Callable[[list[torch.Tensor]], None]] = {}
        for layout in (one for layouts in runs for one in layouts):
            position = plan.layouts.expected.positions[layout.op]
            handlers[position] = partial(note, position)
        rows = plan.batches[0]
        batch = read_batch(plan.stimuli, rows, plan.device)
        call = call_with_batch(plan.model, batch, plan.kwargs, plan.layouts.gradients)
        plan.noise.begin(plan.stimuli.ids[rows.start : rows.stop])
        self._inputs = _replace_inputs(batch, len(rows))
        inputs = list(iterate_tensors(batch))
        keeper = _Keeper(ScriptReader, inputs=inputs)
        try:
            follow_forward(
                call,
                plan.layouts.expected,
                count_rows(batch),
                handlers,
                plan.noise,
                to_end=self._last == plan.layouts.find_last(),
                make_recorder=keeper,
            )
        except PassDeviated as change:
            return f"the first batch {change}"
        except Exception as error:
            # An error of the model is raised by the first run, too.
            return f"the first batch could not be read: {error}"
        finally:
            self._count(keeper.position, len(rows))
        if keeper.recorder.drew is not False:
            return "the model draws random numbers, or parts of it run unseen"
        keeper.recorder.forbid_kept()
        self._script = keeper.recorder.script
        self._script.digests = digests
        return ""

    def predict_forward(self, n_samples: Sequence[int]) -> float:
        """Return what `ResumeReport.n_forward` will be, where no batch deviates.

        ``n_samples`` is how often each run shows the stimuli.
        """
        total = self.report.n_forward
        later = [*self._cuts[1:], None]
        runs = zip(self._spans, self._cuts, later, n_samples, strict=True)
        for span, cut, following, n_shown in runs:
            start = 0 if cut is None else cut.position
            stop = self._n_ops if span.last == self._last else span.last + 1
            if following is not None and following is not cut:
                stop = max(stop, following.position)
            total += n_shown * (stop - start) / self._n_ops
        return total

    def begin_next(self) -> None:
        """Begin the next run of the series."""
        number = self._number = self._number + 1
        self._start = self._cuts[number]
        self._next = self._find_next(number)
        self._has_resumed = False
        for states in self._states.values():
            with self._noting_full_disk():
                states.finish()
        self._close_states()
        if not any(map(self._find_next, range(number, len(self._cuts)))):
            self._files.end_writing()
        if self._next is not None:
            room = self._take_room(number, self._next)
            self._states[self._next.position] = SavedStates(room, self._files)

    def _find_next(self, number: int) -> Cut | None:
        """Return the cut at which a run saves what is alive, if there is one."""
        later = self._cuts[number + 1] if number + 1 < len(self._cuts) else None
        return None if later is self._cuts[number] else later

    def _close_states(self) -> None:
        """Let go of what no further run starts from."""
        needed = {cut.position for cut in self._cuts[self._number :] if cut is not None}
        for position in list(self._states):
            if position not in needed:
                states = self._states.pop(position)
                self.report.spilled_bytes += states.n_spilled
                states.close()

    def _count_alive(self, cut: Cut) -> int:
        """Return the bytes that are alive at a cut, of all stimuli."""
        return cut.n_bytes * len(self._plan.stimuli) // len(self._plan.batches[0])

    def _take_room(self, number: int, cut: Cut) -> int:
        """Return the bytes that are held in memory at a cut, and take them from the rooms.

        It is all or nothing: many small tensors beside those of the model would divide the memory
        that is free into pieces, and more of it would be taken.
        """
        last = max(i for i, one in enumerate(self._cuts) if one is cut)
        n_bytes = self._count_alive(cut)
        # Tensors of the batch that runs are there twice.
        free = min(self._rooms[number : last + 1]) - cut.n_bytes
        room = n_bytes if n_bytes <= free else 0
        for i in range(number, last + 1):
            self._rooms[i] -= room
        return room

    def close(self) -> None:
        """Let go of all that was saved, after the last run or an error."""
        self._cuts = []
        self._number = 0
        self._close_states()
        self._files.close()

    def can_resume(self, step: Step) -> bool:
        """Return whether a step can start where the last run ended."""
        start = self._start
        return start is not None and step.rows.start in self._states[start.position]

    def needs_no_inputs(self, steps: Sequence[Step]) -> bool:
        """Return whether some steps can start where nothing takes the stimuli any more."""
        start = self._start
        if start is None or self._script.input_use >= start.position:
            return False
        return all(map(self.can_resume, steps))

    def make_inputs(self, step: Step) -> Batch:
        """Return what stands for the stimuli of a step."""
        return _replace_inputs(self._inputs, len(step.rows))

    def follow_rest(
        self, step: Step, call: ModelCall, handlers: Handlers, **settings: Any
    ) -> tuple[Read, ...]:
        """Run a step from where the last run ended; return what Python read.

        Raises
        ------
        Exception, PassDeviated, PlaceholderRead
            Where that cannot be done, or an error of the model or of a handler.
        """
        start = self._start
        assert start is not None, "see can_resume"
        if step.rows.start == self._plan.batches[0].start and step.sample == 0:
            handlers = {i: partial(self._compare, i, take) for i, take in handlers.items()}
        alive = self._states[start.position].load(step.rows.start)
        make = partial(ResumingRecorder, start=start, alive=alive)
        reads = self._follow(step, call, handlers, make, start.position, **settings)
        if not self._has_resumed:
            self._has_resumed = True
            self.report.starts.append(self._plan.layouts.expected.names[start.position])
            self.report.alive_bytes.append(self._count_alive(start))
        return reads

    def follow_all(
        self, step: Step, call: ModelCall, handlers: Handlers, **settings: Any
    ) -> tuple[Read, ...]:
        """Run a step from the input, and save what is alive where the next run starts."""
        return self._follow(step, call, handlers, SavingRecorder, 0, **settings)

    def _follow(
        self,
        step: Step,
        call: ModelCall,
        handlers: Handlers,
        make: Callable[..., FollowingRecorder],
        n_skipped: int,
        **settings: Any,
    ) -> tuple[Read, ...]:
        plan = self._plan
        is_saving = self._next is not None and step.sample == 0
        inputs = iterate_tensors((call.args, call.kwargs))
        keeper = _Keeper(
            make,
            script=self._script,
            cut=self._next if is_saving else None,
            save=partial(self._save, step),
            own_storages=self._own_storages.union(map(read_storage, inputs)),
        )
        n_rows = len(step.rows)
        expected = plan.layouts.expected
        try:
            return follow_forward(
                call,
                expected,
                n_rows,
                handlers,
                plan.noise,
                after_op=plan.check_memory,
                make_recorder=keeper,
                **settings,
            )
        finally:
            self._count(max(0, keeper.position - n_skipped), n_rows)

    def _compare(
        self, position: int, take: Callable[[list[torch.Tensor]], None], tensors: list[torch.Tensor]
    ) -> None:
        """Hand on results of the first batch if they are those of a whole pass."""
        if digest_tensors(tensors) != self._script.digests[position]:
            name = self._plan.layouts.expected.names[position]
            raise WrongValuesError(f"{name!r} had other values than in a whole pass")
        take(tensors)

    def _save(self, step: Step, alive: Tensors) -> None:
        assert self._next is not None
        with self._noting_full_disk():
            self._states[self._next.position].save(step.rows.start, alive)

    @contextmanager
    def _noting_full_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.report.note(f"what is alive could not be saved: {error}")

    def _count(self, n_ops: int, n_rows: int) -> None:
        self.report.n_forward += n_ops * n_rows / (self._n_ops * len(self._plan.stimuli))

    def leave_out(self, step: Step) -> None:
        """Run a batch that deviated, and was recorded in full, from the input from now on."""
        self._count(len(self._plan.layouts.expected.names), len(step.rows))
        for states in self._states.values():
            states.forget(step.rows.start)

    def give_up(self, reason: str) -> None:
        """Run everything from the input from now on, since starting later failed."""
        self.report.note(reason)
        self._cuts = [None] * len(self._cuts)
        self._start = None
        self._next = None
        self._close_states()


def _replace_inputs(batch: Batch, n_rows: int) -> Batch:
    """Return placeholders for so many stimuli like those of a batch."""

    def replace(part: torch.Tensor) -> torch.Tensor:
        return Placeholder((n_rows, *part.shape[1:]), part.dtype, part.device)

    return replace(batch) if isinstance(batch, torch.Tensor) else map_inputs(replace, batch)


class _Keeper:
    """Makes a recorder and keeps it."""

    def __init__(self, make: Callable[..., Any], **settings: Any) -> None:
        self.recorder: Any = None
        self._make = partial(make, **settings)

    def __call__(self, *args: Any, **settings: Any) -> Any:
        self.recorder = self._make(*args, **settings)
        return self.recorder

    @property
    def position(self) -> int:
        """How many ops have run."""
        return 0 if self.recorder is None else self.recorder.position


def _find_span(plan: Plan, layouts: Sequence[Layout]) -> Span:
    """Return the positions of the first and the last op of some results."""
    positions = [plan.layouts.expected.positions[layout.op] for layout in layouts]
    return Span(min(positions), max(positions))


def find_obstacle(plan: Plan) -> str:
    """Return why no run of a plan can start in the middle, or ""."""
    layouts = plan.layouts
    if layouts.drawn:
        return f"the model draws random numbers from {', '.join(layouts.drawn)}"
    if layouts.gradients:
        return "the model differentiates in its forward"
    if layouts.history:
        return f"a pass changes {', '.join(layouts.history)} for good"
    if layouts.unseen:
        return f"parts of the model run unseen: {layouts.unseen[0]}"
    modules = list(plan.model.modules())
    if has_foreign_hooks(modules):
        return "modules have hooks, which may look at values or keep them"
    if has_paired_hooks(modules):
        return "modules have another forward in place of their own"
    if any(isinstance(one, torch.jit.ScriptModule) for one in modules):
        return "parts of the model are TorchScript"
    return ""
