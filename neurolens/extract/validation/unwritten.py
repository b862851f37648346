"""Results that hold memory which nothing has been written to, or follow from such memory."""

from typing import NamedTuple

import torch

from neurolens.extract.capture.events import Event, Recording, TensorForm, Value
from neurolens.extract.capture.restore import open_attention, preserve_random_states
from neurolens.extract.validation.contents import (
    N_CONTENTS,
    Contents,
    fill_memory,
    may_differ,
)
from neurolens.extract.validation.perturb import SHAPE_ONLY
from neurolens.extract.validation.replay import UNINITIALISED, call_event, find_obstacle

# Why memory that is handed out, and written to later, is no result.
NO_VALUES = "has no values of its own: it is memory that holds whatever was there before"
# Why what follows from it before all of it is written is none.
OF_NO_VALUES = "follows from memory that holds whatever was there before"
ON_META = "is on device 'meta', which holds shapes and no values"
WITHOUT_VALUES = frozenset({NO_VALUES, OF_NO_VALUES, ON_META})
# Reads that hand out memory, into which anything may then be written.
_HANDED_OUT = frozenset("numpy __array__ __dlpack__ data_ptr".split())
# Layouts of tensors without elements that were not written.
_SPARSE = frozenset(
    {torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc}
)
# Of which the first argument gives its shape, or is filled; after a resize it has what it had.
_OVERWRITES = SHAPE_ONLY - {"resize_"}


def find_unwritten(recording: Recording) -> dict[str, str]:
    """Return the ops whose results hold values that nothing has written, each with the reason.

    These are allocations, and whatever else changes with what was in that memory: each op that
    takes such a value, or writes into it, is run with several contents. So an op counts only where
    a value that was not written has an effect, in any of its results, or on whether it runs. An op
    that cannot be run again, such as one whose other arguments are not kept, does not count, and
    what it writes into counts as written; nor does memory that left torch, or that something unseen
    has written into.
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
                if tracer.allocate(event):
                    found[event.name] = NO_VALUES
            elif tracer.follow(event):
                found[event.name] = OF_NO_VALUES
    return found


class _Tracer:
    """Follows contents of memory through the ops that take it, in the order of execution.

    ``exposed`` are memories that anything may have been written into.
    """

    def __init__(self, exposed: set[int]) -> None:
        self._exposed = exposed
        self._contents: dict[int, Contents] = {}
        self._n_filled = 0

    def allocate(self, event: Event) -> bool:
        """Take the results of an op that hands out memory; return whether it has no values."""
        if any(_has_no_elements(value) for value in event.outputs):
            return False
        for value, form in zip(event.outputs, event.specs, strict=True):
            if value.memory not in self._exposed and not _is_written_unseen(value):
                self._fill(value, form)
        return True

    def _fill(self, value: Value, form: TensorForm) -> None:
        """Give a value contents of its own, those of memory that nothing was written to."""
        self._n_filled += 1
        contents = fill_memory(value, form, self._n_filled)
        if contents is not None:
            self._contents[id(value)] = contents

    def follow(self, event: Event) -> bool:
        """Run an op with all contents of what it takes; return whether its results differ."""
        if not self._contents:
            return False
        known = {}
        for value, _ in event.parents:
            contents = self._find(value)
            if contents is not None:
                known[id(value)] = contents
        if not any(map(may_differ, known.values())):
            return False
        if _is_overwriting(event, known):
            self._take_recorded(event, known)
            return False
        runs = [_try_running(event, known, side) for side in range(N_CONTENTS)]
        ran = [run for run in runs if run is not None]
        if len(ran) == N_CONTENTS:
            self._take_written(ran)
            return self._take_results(event, list(zip(*[run.results for run in ran], strict=True)))
        if not ran or not _writes_nothing(event):
            self._take_recorded(event, known)
            return False
        # What was in the memory decides whether it runs.
        for value, form in zip(event.outputs, event.specs, strict=True):
            self._fill(value, form)
        return True

    def _take_written(self, ran: list["_Run"]) -> None:
        """Take other arguments that an op has written into, such as running statistics."""
        for key in ran[0].copied:
            contents = tuple([run.copied[key] for run in ran if key in run.copied])
            if len(contents) == len(ran) and may_differ(contents):
                self._contents[key] = contents

    def _take_results(self, event: Event, made: list[Contents]) -> bool:
        """Take what an op gave with all contents; return whether any of its results differ."""
        has_unwritten = False
        for value, contents in zip(event.outputs, made, strict=True):
            if may_differ(contents):
                self._contents[id(value)] = contents
                has_unwritten = True
        return has_unwritten

    def _find(self, value: Value) -> Contents | None:
        """Return the contents of a value, which are those it had before something was written."""
        earlier: Value | None = value
        while earlier is not None and earlier.memory == value.memory:
            if id(earlier) in self._contents:
                return self._contents[id(earlier)]
            earlier = earlier.previous
        return None

    def _take_recorded(self, event: Event, known: dict[int, Contents]) -> None:
        """Give memory that an op writes into the values that it got."""
        if _writes_nothing(event):
            return
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


def _writes_nothing(event: Event) -> bool:
    """Return whether an op leaves what it takes as it is; its results may be views of that."""
    if not event.call.harmless or "out" in event.kwargs:
        return False
    # A function that is not known to write may return what it was given.
    return all(value.previous is None for value in event.outputs)


def _is_overwriting(event: Event, known: dict[int, Contents]) -> bool:
    """Return whether an op takes of what is known no values, whatever it is."""
    if event.call.exact not in _OVERWRITES and event.call.function not in _OVERWRITES:
        return False
    return all(position == "0" for value, position in event.parents if id(value) in known)


class _Run(NamedTuple):
    """What an op gave, and copies of what else it took and may have written into, by value."""

    results: list[torch.Tensor]
    copied: dict[int, torch.Tensor]


def _try_running(event: Event, known: dict[int, Contents], side: int) -> _Run | None:
    """Run an op with one content of what is known.

    None where it cannot be run, or gives another number of results than it did.
    """
    try:
        run = _run(event, known, side)
    except Exception:
        return None
    return run if len(run.results) == len(event.outputs) else None


def _run(event: Event, known: dict[int, Contents], side: int) -> _Run:
    """Run an op with one content of what is known, and draw the same numbers for each."""
    obstacle = find_obstacle(event)
    if obstacle:
        raise LookupError(obstacle)
    for arg in (*event.args, *event.kwargs.values()):
        if callable(arg) and not isinstance(arg, type):
            raise LookupError("it calls a function, which may count its calls")
    writes = not event.call.harmless or "out" in event.kwargs
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
    return _Run(call_event(event, resolve), others if writes else {})


def _has_no_elements(value: Value) -> bool:
    """Return whether memory holds only the elements that were put into it, none at first."""
    return value.tensor is not None and value.tensor.layout in _SPARSE


def _is_written_unseen(value: Value) -> bool:
    """Return whether memory that no recorded op wrote into has been written to."""
    tensor = value.tensor
    if tensor is None or tensor is not value.ref() or tensor.is_inference():
        return False
    return tensor._version > 0
