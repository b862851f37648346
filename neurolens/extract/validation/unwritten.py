"""Results that hold memory which nothing has been written to, or follow from such memory."""

from typing import NamedTuple

import torch

from neurolens.extract.capture.events import Event, Recording, TensorForm, Value
from neurolens.extract.capture.restore import open_attention, preserve_random_states
from neurolens.extract.validation.perturb import SHAPE_ONLY
from neurolens.extract.validation.replay import (
    UNINITIALISED,
    call_event,
    equal_bits,
    find_obstacle,
)

# Why memory that is handed out, and written to later, is no result.
NO_VALUES = "has no values of its own: it is memory that holds whatever was there before"
# Why what follows from it before all of it is written is none.
OF_NO_VALUES = "follows from memory that holds whatever was there before"
ON_META = "is on device 'meta', which holds shapes and no values"
WITHOUT_VALUES = frozenset({NO_VALUES, OF_NO_VALUES, ON_META})
# Reads that hand out memory, into which anything may then be written.
_HANDED_OUT = frozenset("numpy __array__ __dlpack__ data_ptr".split())
# Of which the first argument gives its shape, or is filled; after a resize it has what it had.
_OVERWRITES = SHAPE_ONLY - {"resize_"}


class _Contents(NamedTuple):
    """Two tensors that stand for one, with other values where nothing was written.

    Views of a tensor, and what is written into it, are those of these.
    """

    one: torch.Tensor
    other: torch.Tensor

    def differ(self) -> bool:
        """Return whether there is something that was not written."""
        # The last elements are written last, as a rule.
        last = (-1,) * self.one.dim()
        has_last = self.one.shape == self.other.shape and self.one.numel() > 0
        if has_last and not equal_bits(self.one[last], self.other[last]):
            return True
        return not equal_bits(self.one, self.other)


def find_unwritten(recording: Recording) -> dict[str, str]:
    """Return the ops whose results hold values that nothing has written, each with the reason.

    These are allocations, and whatever else changes with what was in that memory: each op that
    takes such a value, or writes into it, is run with two contents. So an op counts only where a
    value that was not written has an effect, in any of its results. An op that cannot be run again,
    such as one whose other arguments are not kept, does not count, and what it writes into counts
    as written; nor does memory that left torch, or that something unseen has written into.
    """
    if not any(event.call.function in UNINITIALISED for event in recording.events):
        return {}
    exposed = {r.value.memory for r in recording.host_reads if r.function in _HANDED_OUT}
    tracer = _Tracer(exposed)
    found = {}
    with (
        preserve_random_states(),
        open_attention(),
        torch.inference_mode(False),
        torch.no_grad(),
    ):
        for event in recording.events:
            if event.call.function in UNINITIALISED:
                tracer.allocate(event)
                found[event.name] = NO_VALUES
            elif tracer.follow(event):
                found[event.name] = OF_NO_VALUES
    return found


class _Tracer:
    """Follows two contents of memory through the ops that take it, in the order of execution.

    ``exposed`` are memories that anything may have been written into.
    """

    def __init__(self, exposed: set[int]) -> None:
        self._exposed = exposed
        self._contents: dict[int, _Contents] = {}

    def allocate(self, event: Event) -> None:
        """Take the results of an op that hands out memory."""
        for value, form in zip(event.outputs, event.specs, strict=True):
            if value.memory in self._exposed or _is_written_unseen(value):
                continue
            contents = _fill_memory(value, form)
            if contents is not None:
                self._contents[id(value)] = contents

    def follow(self, event: Event) -> bool:
        """Run an op with both contents of what it takes; return whether its results differ."""
        if not self._contents:
            return False
        known = {}
        for value, _ in event.parents:
            contents = self._find(value)
            if contents is not None:
                known[id(value)] = contents
        if not any(map(_may_differ, known.values())):
            return False
        if _is_overwriting(event, known):
            self._take_recorded(event, known)
            return False
        try:
            results = [_run(event, known, side) for side in range(2)]
            made = list(zip(event.outputs, *results, strict=True))
        except Exception:
            self._take_recorded(event, known)
            return False
        has_unwritten = False
        for value, one, other in made:
            contents = _Contents(one, other)
            if _may_differ(contents):
                self._contents[id(value)] = contents
                has_unwritten = True
        return has_unwritten

    def _find(self, value: Value) -> _Contents | None:
        """Return the contents of a value, which are those it had before something was written."""
        earlier: Value | None = value
        while earlier is not None and earlier.memory == value.memory:
            if id(earlier) in self._contents:
                return self._contents[id(earlier)]
            earlier = earlier.previous
        return None

    def _take_recorded(self, event: Event, known: dict[int, _Contents]) -> None:
        """Give memory that an op writes into the values that it got."""
        recorded = {value.memory: value.tensor for value in event.outputs}
        for value, _ in event.parents:
            if value.memory not in recorded:
                continue
            result = recorded[value.memory]
            for tensor in known.get(id(value), ()):
                if result is not None and result.shape == tensor.shape:
                    tensor.copy_(result)
                else:
                    tensor.zero_()


def _is_overwriting(event: Event, known: dict[int, _Contents]) -> bool:
    """Return whether an op takes of what is known no values, whatever it is."""
    if event.call.exact not in _OVERWRITES and event.call.function not in _OVERWRITES:
        return False
    return all(position == "0" for value, position in event.parents if id(value) in known)


def _may_differ(contents: _Contents) -> bool:
    """Return whether contents differ; not where they are of a kind that cannot be compared."""
    try:
        return contents.differ()
    except (NotImplementedError, RuntimeError):
        return False


def _run(event: Event, known: dict[int, _Contents], side: int) -> list[torch.Tensor]:
    """Run an op with one of two contents of what is known, and draw the same numbers for both."""
    obstacle = find_obstacle(event)
    if obstacle:
        raise LookupError(obstacle)
    call = event.call
    writes = call.mutates or call.writes or call.updates_statistics or "out" in event.kwargs
    others: dict[int, torch.Tensor] = {}

    def resolve(value: Value) -> torch.Tensor:
        key = id(value)
        if key in known:
            return known[key][side]
        if key not in others:
            if value.tensor is None:
                raise LookupError("a value that is not kept")
            others[key] = value.tensor.detach().clone() if writes else value.tensor.detach()
        return others[key]

    torch.manual_seed(0)
    return call_event(event, resolve)


def _is_written_unseen(value: Value) -> bool:
    """Return whether memory that no recorded op wrote into has been written to."""
    tensor = value.tensor
    if tensor is None or tensor is not value.ref() or tensor.is_inference():
        return False
    return tensor._version > 0


def _fill_memory(value: Value, form: TensorForm) -> _Contents | None:
    """Return two contents of memory; None where it has no elements, or numbers of unusual kind."""
    tensor = value.tensor
    if not form.shape.numel():
        return None
    # Numbers of either sign beside 0, or 1 beside 0: indices that are there, as a rule.
    if form.dtype.is_floating_point or form.dtype.is_complex:
        wide = torch.complex64 if form.dtype.is_complex else torch.float32
        generator = torch.Generator().manual_seed(0)
        numbers = torch.randn(form.shape, generator=generator, dtype=wide)
    else:
        numbers = torch.ones((), dtype=torch.uint8)
    filled = []
    try:
        for scale in (0, 1):
            memory = torch.empty(form.shape, dtype=form.dtype, device=form.device)
            if tensor is not None:
                memory = torch.empty_strided(
                    form.shape, tensor.stride(), dtype=form.dtype, device=form.device
                )
            filled.append(memory.copy_(numbers * scale))
    except (NotImplementedError, RuntimeError):
        return None
    contents = _Contents(*filled)
    return contents if _may_differ(contents) else None
