"""Light passes: each op is checked against a recorded pass, and wanted results are passed on."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from neurolens.errors import RecordingError
from neurolens.extract.capture.calls.call_sites import CallSites
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.calls.torch_calls import Call
from neurolens.extract.capture.events import Recording, StopForward
from neurolens.extract.capture.forward import ModelCall, open_pass, run_model
from neurolens.extract.capture.interceptor import Interceptor, describe_failure
from neurolens.extract.capture.modules.module_calls import ScopeStack
from neurolens.extract.capture.tracking.tensor_tracker import find_written
from neurolens.extract.capture.trees import iterate_tensors

Shape = tuple[int, ...]
Shapes = tuple[Shape, ...]
# Those that hand out no values, or only to be shown.
_NOT_READ = frozenset("__dlpack__ data_ptr __repr__ __str__ __format__".split())
_LONGEST = 64
# Position in the expected pass -> the function that gets that op's live results once it has run.
Handlers = Mapping[int, Callable[[list[torch.Tensor]], None]]


class PassDeviated(BaseException):
    """Ends a light pass that did something else than the recorded one.

    It is never raised to callers outside this package.
    """


class Counts(NamedTuple):
    """A number for the smaller and for the larger of two recorded batches."""

    few: int
    more: int


class Read(NamedTuple):
    """A value that Python read in a pass: after how many ops, by which function, and a digest."""

    after: int
    function: str
    value: str


class KnownShapes(NamedTuple):
    """The shapes of an op's results in the smaller and in the larger of two recorded batches."""

    few: Shapes
    more: Shapes


@dataclass(frozen=True)
class ExpectedPass:
    """The expected ops of a pass, from the recordings of two batches.

    ``names`` are the ops in order; ``composites`` those that are a function of torch's own as a
    whole, with its name; ``sizes`` holds, per op, the shapes of its results at both ``counts`` of
    stimuli, or None where only one batch ran it; ``sites`` the lines that call torch, so that every
    later pass gives the same names. ``fixed_reads`` are the places, (position, function), where
    Python reads values that do not follow from the stimuli.
    """

    names: tuple[str, ...]
    composites: dict[int, str]
    sizes: tuple[KnownShapes | None, ...]
    counts: Counts
    sites: CallSites
    n_results: tuple[int, ...]
    fixed_reads: frozenset[tuple[int, str]] = frozenset()

    @cached_property
    def positions(self) -> dict[str, int]:
        """Position of each op, by name."""
        return {name: i for i, name in enumerate(self.names)}

    def count_results(self, name: str) -> int:
        """Return the number of results of an op in the recorded pass."""
        return self.n_results[self.positions[name]]

    def predict_shapes(self, n_stimuli: int) -> list[Shapes | None]:
        """Return the shapes of each op's results for a batch; None where unknown.

        Sizes are linear in the number of stimuli, through the two known shapes.
        """
        return [
            None if shapes is None else self._predict_op(shapes, n_stimuli) for shapes in self.sizes
        ]

    def _predict_op(self, shapes: KnownShapes, n_stimuli: int) -> Shapes | None:
        if [len(shape) for shape in shapes.few] != [len(shape) for shape in shapes.more]:
            return None
        pairs = zip(shapes.few, shapes.more, strict=True)
        return tuple(self._extrapolate(few, more, n_stimuli) for few, more in pairs)

    def _extrapolate(self, few: Shape, more: Shape, n_stimuli: int) -> Shape:
        steps = n_stimuli - self.counts.few
        span = self.counts.more - self.counts.few
        return tuple(a + (b - a) * steps // span for a, b in zip(few, more, strict=True))


def expect_pass(few: Recording, more: Recording, counts: Counts, sites: CallSites) -> ExpectedPass:
    """Return the expected ops of a pass like ``more``; ``few`` is the model on a smaller batch."""
    small = _read_shapes(few)
    large = _read_shapes(more)
    return ExpectedPass(
        names=tuple(large),
        composites={
            i: event.call.exact
            for i, event in enumerate(more.events)
            if event.func is event.call.body
        },
        sizes=tuple(
            KnownShapes(small[name], shapes) if name in small else None
            for name, shapes in large.items()
        ),
        counts=counts,
        sites=sites,
        n_results=tuple(len(shapes) for shapes in large.values()),
    )


def _read_shapes(recording: Recording) -> dict[str, Shapes]:
    """Return the shapes of each op's results, by name."""
    shapes = {}
    for event in recording.events:
        shapes[event.name] = tuple(tuple(spec.shape) for spec in event.specs)
    return shapes


def list_reads(recording: Recording, fixed: Collection[tuple[int, str]] = ()) -> tuple[Read, ...]:
    """Return what Python read in a recorded pass that follows from the stimuli, but for floats."""
    reads = []
    for read in recording.host_reads:
        if (read.after, read.function) not in fixed and is_read(read.function, read.result):
            reads.append(Read(read.after, read.function, digest_read(read.result)))
    return tuple(reads)


def is_read(function: str, result: Any) -> bool:
    """Return whether a function read a value other than a float, by which a pass can be steered.

    What follows from floats of the whole batch is told in any case.
    """
    return function not in _NOT_READ and not isinstance(result, float)


def digest_read(result: Any) -> str:
    """Return a short text that is another for every value read."""
    if isinstance(result, np.ndarray):
        text = f"{result.dtype}{result.shape}{hashlib.sha256(result.tobytes()).hexdigest()}"
    else:
        text = repr(result)
    return text if len(text) <= _LONGEST else hashlib.sha256(text.encode()).hexdigest()


class FollowingRecorder(Interceptor):
    """Checks a pass op by op while it is the active function mode, and passes on wanted results.

    Parameters
    ----------
    scopes, expected
    n_stimuli : int
        In this batch.
    handlers : Handlers
        The results are live tensors, which the model may overwrite later.

    Attributes
    ----------
    position : int
        How many ops have run.
    last : int
        Position of the last op that has a handler, which ends the pass unless it goes on
        ``to_end``.
    error : Exception or None
        What a handler raised.
    reads : list of Read
        What Python read, but for floats and what does not follow from the stimuli.
    after_op : callable
        Called after each op that ran as expected.
    """

    def __init__(
        self,
        scopes: ScopeStack,
        expected: ExpectedPass,
        n_stimuli: int,
        handlers: Handlers,
        noise: StimulusNoise | None = None,
        *,
        to_end: bool = False,
    ) -> None:
        super().__init__(scopes, expected.sites.restart(), noise)
        self.position = 0
        self.last = max(handlers)
        self.error: Exception | None = None
        self.reads: list[Read] = []
        self.after_op: Callable[[], None] = _do_nothing
        self._expected = expected
        self._shapes = expected.predict_shapes(n_stimuli)
        self._handlers = handlers
        self._to_end = to_end

    def run_call(self, call: Call, func: Any, args: tuple, kwargs: dict) -> Any:
        """Run one op, and check it against the expected pass."""
        try:
            result = self.call_function(call, func, args, kwargs)
        except Exception as error:
            self.note_failure(call, error)
            raise
        if isinstance(result, torch.Tensor):
            self._follow(call, [result])
        else:
            tensors = (
                find_written(call, args, kwargs)
                if result is None
                else list(iterate_tensors(result))
            )
            if tensors:
                self._follow(call, tensors)
            elif call.host_read:
                self._note_read(call, result)
        return result

    def _note_read(self, call: Call, result: Any) -> None:
        place = (self.position, call.exact)
        if place not in self._expected.fixed_reads and is_read(call.exact, result):
            self.reads.append(Read(*place, digest_read(result)))

    def close_composite(self, call: Call, args: tuple, kwargs: dict, result: Any) -> None:
        """Check the composite itself where the expected pass has it as an op."""
        if self._expected.composites.get(self.position) == call.exact:
            self._follow(call, list(iterate_tensors(result)))

    def _follow(self, call: Call, tensors: list[torch.Tensor]) -> None:
        i = self.position
        name = self.find_site(call.function).next_name()
        expected = self._expected.names[i] if i < len(self._expected.names) else "nothing"
        if name != expected:
            self.end_pass(PassDeviated(f"ran {name!r} where {expected!r} was expected"))
            return
        shapes = self._shapes[i]
        if shapes is not None and (
            len(shapes) != len(tensors)
            or any(t.shape != s for t, s in zip(tensors, shapes, strict=True))
        ):
            found = [tuple(t.shape) for t in tensors]
            text = f"{name!r} has shapes {found}, expected {list(shapes)}"
            self.end_pass(PassDeviated(text))
            return
        self.position = i + 1
        self.note_op(i, tensors)
        if i in self._handlers:
            try:
                self._handlers[i](tensors)
            except Exception as error:
                self.error = error
        self.after_op()
        is_over = i == self.last and not self._to_end
        if is_over or self.error is not None:
            self.end_pass(StopForward())

    def note_op(self, position: int, tensors: list[torch.Tensor]) -> None:
        """Take the results of an op that ran as expected; here nothing is done with them."""


def _do_nothing() -> None:
    pass


def follow_forward(
    call: ModelCall,
    expected: ExpectedPass,
    n_stimuli: int,
    handlers: Handlers,
    noise: StimulusNoise | None = None,
    *,
    to_end: bool = False,
    after_op: Callable[[], None] = _do_nothing,
    make_recorder: Callable[..., FollowingRecorder] = FollowingRecorder,
) -> tuple[Read, ...]:
    """Run the model as expected, up to the last op whose results are wanted, or to its end.

    Returns what Python read meanwhile and follows from the stimuli, but for floats.

    Parameters
    ----------
    call : ModelCall
        As for `record_forward`.
    expected : ExpectedPass
    n_stimuli : int
        In this batch.
    handlers : Handlers
    noise : StimulusNoise, optional
        Draws the random numbers.
    to_end : bool
        Go on behind the last op that is wanted, so that ops which only these stimuli run are
        noticed there too.
    after_op : callable
        Called after each op that ran as expected.
    make_recorder : callable
        Returns what follows the pass, from the arguments of `FollowingRecorder`.

    Raises
    ------
    PassDeviated
        When the model does something else.
    RecordingError
        When the model raises. Errors of a handler are raised unchanged.
    """
    scopes = ScopeStack(call.model)
    recorder = make_recorder(scopes, expected, n_stimuli, handlers, noise, to_end=to_end)
    recorder.after_op = after_op
    try:
        with open_pass(call, noise) as opened:
            opened.watch_writes(recorder)
            try:
                with scopes, recorder:
                    run_model(call, gradients=False)
            finally:
                opened.note_draws(recorder)
        recorder.raise_end()
    except StopForward:
        if recorder.error is not None:
            raise recorder.error from None
    except Exception as error:
        raise RecordingError(
            describe_failure(recorder, scopes, expected.names[: recorder.position], error),
            anchor="model-raised",
        ) from error
    if recorder.position <= recorder.last:
        raise PassDeviated(
            f"ended after {recorder.position} ops, before {expected.names[recorder.last]!r}"
        )
    return tuple(recorder.reads)
