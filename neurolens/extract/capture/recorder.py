"""Recorder of the torch functions of one forward pass."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch

from neurolens.extract.capture.calls.call_sites import CallSites
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.calls.torch_calls import Call
from neurolens.extract.capture.events import (
    Event,
    KeptMemory,
    ReadEvent,
    Recording,
    StopForward,
    list_parents,
    read_random_state,
)
from neurolens.extract.capture.interceptor import Interceptor
from neurolens.extract.capture.modules.module_calls import ScopeStack
from neurolens.extract.capture.tracking.tensor_tracker import (
    METADATA_ONLY,
    TensorTracker,
    find_written,
)
from neurolens.extract.capture.trees import iterate_tensors, replace_tensors

_Tensor = torch.Tensor
_NOTHING: list[torch.Tensor] = []


class Recorder(Interceptor):
    """Records every torch call that makes a tensor while it is the active function mode.

    Parameters
    ----------
    scopes, sites, noise
        As for `Interceptor`.
    tracker : TensorTracker
        Follows the tensors.
    keep : callable, optional
        Op name -> bool: whether its value stays in memory after the pass. All values are tracked
        either way.
    stop_after : str, optional
        Name of the op after which the pass is ended with StopForward.
    random_states : bool
        Whether to store the generator states before each op, for replay.
    room : int, optional
        The most bytes of results that are kept: from the first op that takes more on, none are.
    watch : callable, optional
        Called with the event of each op and its live results, which the model may overwrite later.

    Attributes
    ----------
    recording : Recording
    watched : bool
        Whether another recorder reads ``running``.
    running : list or None
        While a torch function runs: a list that gets the name of its op once it is recorded. None
        between functions.
    """

    def __init__(
        self,
        scopes: ScopeStack,
        sites: CallSites,
        tracker: TensorTracker,
        *,
        keep: Callable[[str], bool] | None = None,
        stop_after: str | None = None,
        random_states: bool = False,
        noise: StimulusNoise | None = None,
        room: int | None = None,
        watch: Callable[[Event, list[torch.Tensor]], None] | None = None,
    ) -> None:
        super().__init__(scopes, sites, noise)
        self.recording = Recording()
        self.watched = False
        self.running: list[str] | None = None
        self._tracker = tracker
        self._keep = keep
        self._stop_after = stop_after
        self._random_states = random_states
        self._room = room
        self._memory = KeptMemory()
        self._watch = watch

    def run_call(self, call: Call, func: Any, args: tuple, kwargs: dict) -> Any:
        """Run one op and record it."""
        noted = self._tracker.note_arguments(args, kwargs)
        written = _NOTHING if call.harmless and not kwargs else find_written(call, args, kwargs)
        if written:
            self._tracker.preserve_values(written)
        random_state = read_random_state() if self._random_states else None
        running = self.running = [] if self.watched else None
        start = perf_counter()
        try:
            result = self.call_function(call, func, args, kwargs)
        except Exception as error:
            self.note_failure(call, error)
            raise
        finally:
            self.running = None
        seconds = perf_counter() - start
        if isinstance(result, _Tensor):
            made = [result]
        else:
            made = written if result is None and written else list(iterate_tensors(result))
        if made:
            name = self._record_event(call, func, noted, made, written, seconds, random_state)
            if running is not None:
                running.append(name)
            if name == self._stop_after:
                self.end_pass(StopForward())
        elif call.host_read and (parents := list_parents(*noted)):
            source = self.find_site(call.exact).source
            read = ReadEvent(call.exact, parents[0][0], source, len(self.recording.events), result)
            self.recording.host_reads.append(read)
        return result

    def close_composite(self, call: Call, args: tuple, kwargs: dict, result: Any) -> None:
        """Record the composite itself as the op when no call that was seen made its tensor."""
        made = [result] if isinstance(result, _Tensor) else list(iterate_tensors(result))
        if not all(map(self._tracker.knows, made)):
            noted = self._tracker.note_arguments(args, kwargs)
            self._record_event(call, call.body, noted, made, [], 0.0, None)

    def _record_event(
        self,
        call: Call,
        func: Any,
        noted: tuple[tuple, dict],
        made: list[torch.Tensor],
        written: list[torch.Tensor],
        seconds: float,
        random_state: Any,
    ) -> str:
        scope = self._scopes.current
        tracker = self._tracker
        events = self.recording.events
        site = self.find_site(call.function)
        name = site.next_name()
        index = len(events)
        keep = self._keep is None or self._keep(name)
        outputs = []
        for k, tensor in enumerate(made):
            value = tracker.make_value("op", index, k, tensor, keep)
            if self._random_states:
                value.version = -1 if tensor.is_inference() else tensor._version
            outputs.append(tracker.set_value(value, tensor))
        composite = "/".join([c.function for c, _ in self._composites]) if self._composites else ""
        event = Event(
            name,
            call,
            func,
            *noted,
            outputs,
            scope,
            site,
            composite,
            site.count,
            seconds,
            random_state,
        )
        events.append(event)
        if keep and self._room is not None:
            keep = self._has_room(event)
        if self.draws(call):
            self.recording.random.append(name)
        if written and call.exact not in METADATA_ONLY:
            tracker.renew_aliases(written, index, keep)
        if self._watch is not None:
            self._watch(event, made)
        return name

    def _has_room(self, event: Event) -> bool:
        """Return whether the results of an op can be kept; let go of them where they cannot."""
        self._memory.add(event)
        if self._room is None or self._memory.n_bytes <= self._room:
            return True
        self._keep = _keep_none
        for value in event.outputs:
            self._tracker.let_go(value)
        return False


def _keep_none(name: str) -> bool:
    return False


def detach_values(recording: Recording) -> None:
    """Take the kept results of ops, and what the model returned, out of autograd."""
    detached = {id(one): one.detach() for one in iterate_tensors(recording.result)}
    recording.result = replace_tensors(recording.result, detached)
    for event in recording.events:
        for value in event.outputs:
            if value.tensor is not None:
                value.keep_copy(value.tensor.detach())
