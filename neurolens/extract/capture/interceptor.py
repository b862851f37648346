"""Interception of torch calls, common to all passes; torch's own Python functions are opened."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._C import _pop_torch_function_stack as _pop_mode
from torch._C import _push_on_torch_function_stack as _push_mode
from torch.overrides import TorchFunctionMode

from neurolens.extract.capture.calls.attention import list_opened
from neurolens.extract.capture.calls.call_sites import CallSites, Site
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.calls.torch_calls import (
    SIZE_READS,
    Call,
    FunctionCloner,
    describe_call,
    is_idle,
    may_draw,
)
from neurolens.extract.capture.events import NestedTensorError, read_random_state
from neurolens.extract.capture.modules.module_calls import ScopeStack
from neurolens.extract.capture.tracking.tensor_tracker import find_written

_are_transforms_active = torch._C._are_functorch_transforms_active
# Any other type is a tensor subclass with its own __torch_function__: its calls are leaves.
_PLAIN_TYPES = ((), (torch.Tensor,))


class Interceptor(TorchFunctionMode):
    """Passes each torch call to `run_call` while it is the active function mode.

    No function of torch is patched.

    Parameters
    ----------
    scopes : ScopeStack
        Tells which module is running.
    sites : CallSites
        Names the places that call torch.
    noise : StimulusNoise, optional
        Draws the random numbers; by default the functions draw them themselves.

    Attributes
    ----------
    failure : (exception, op name) or None
        The last error raised inside an op.
    size_reads : list of Tensor or None
        Collects the tensors whose size the model asks for, when it is a list.
    drew : bool or None
        Whether a call has drawn from torch's own random generators; None where that is not known,
        because parts of the model run unseen.
    before_write : callable or None
        Called with the tensors that a call is about to write into.
    """

    def __init__(
        self, scopes: ScopeStack, sites: CallSites, noise: StimulusNoise | None = None
    ) -> None:
        super().__init__()
        self.failure: tuple[BaseException, str] | None = None
        self.size_reads: list[torch.Tensor] | None = None
        self.drew: bool | None = None if scopes.has_script else False
        self.before_write: Callable[[list[torch.Tensor]], None] | None = None
        self._end: BaseException | None = None
        self._scopes = scopes
        self._sites = sites
        self._noise = noise
        self._clones = FunctionCloner()
        self._opened = list_opened()
        self._calls: dict[Any, Call] = {}
        self._drawing: set[Any] = set()
        self._composites: list[tuple[Call, int]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self._end is not None:
            return func(*args, **kwargs)
        call = self._calls.get(func) or self._describe(func)
        # Inside vmap and similar transforms, tensors stand for batches that only the transform
        # knows, so results are not recorded.
        if call.quiet or _are_transforms_active():
            self._note_unrecorded(call, func, args)
            return func(*args, **kwargs)
        if call.body is not None and types in _PLAIN_TYPES:
            outer = self._composites[-1] if self._composites else None
            if outer is None or outer[0] is not call:
                return self._open_composite(call, outer[1] if outer else 0, args, kwargs)
        if self.drew is False and func in self._drawing and not is_idle(call, args, kwargs):
            return self._watch_draw(call, func, args, kwargs)
        return self.run_call(call, func, args, kwargs)

    def _watch_draw(self, call: Call, func: Any, args: tuple, kwargs: dict) -> Any:
        """Run a call, and find out whether it has drawn from torch's own generators."""
        before = read_random_state()
        try:
            return self.run_call(call, func, args, kwargs)
        finally:
            after = read_random_state()
            same = map(torch.equal, (before.cpu, *before.cuda), (after.cpu, *after.cuda))
            self.drew = not all(same)

    def _describe(self, func: Any) -> Call:
        """Return the description of a function that is called for the first time."""
        call = self._calls[func] = describe_call(func, self._clones, self._opened)
        if not call.quiet and may_draw(func, call.exact):
            self._drawing.add(func)
        return call

    def _note_unrecorded(self, call: Call, func: Any, args: tuple) -> None:
        """Note a tensor whose size the model itself reads, and a draw that is not watched."""
        is_size_read = call.function in SIZE_READS and not self._composites
        if is_size_read and self.size_reads is not None and args:
            self.size_reads.append(args[0])
        if self.drew is False and func in self._drawing:
            self.drew = None

    def _open_composite(self, call: Call, outer_site: int, args: tuple, kwargs: dict) -> Any:
        """Run a Python function of torch's own so that the calls it makes arrive one by one."""
        body = call.body
        assert body is not None
        self._composites.append((call, self._sites.read_place(outer_site)))
        _push_mode(self)
        try:
            result = body(*args, **kwargs)
        finally:
            _pop_mode()
            self._composites.pop()
        if result is not NotImplemented and self._end is None:
            self.close_composite(call, args, kwargs, result)
        return result

    def call_function(self, call: Call, func: Any, args: tuple, kwargs: dict) -> Any:
        """Call a torch function, with random numbers from the noise if there is one."""
        if self.before_write is not None and (kwargs or not call.harmless):
            written = find_written(call, args, kwargs)
            if written:
                self.before_write(written)
        if self._noise is None or not self._noise.may_draw(call):
            return func(*args, **kwargs)
        return self._noise.run(call, self._scopes.current.address, func, args, kwargs)

    def draws(self, call: Call) -> bool:
        """Return whether the call that just ran got its random numbers from the noise."""
        return self._noise is not None and self._noise.may_draw(call) and self._noise.drew

    def end_pass(self, reason: BaseException) -> None:
        """End the pass: raise the reason, or, once the model has returned, in `raise_end`.

        The latter where users' hooks would otherwise not be called in pairs; the rest of the model
        then runs without being recorded.
        """
        if self._scopes.may_end_early:
            try:
                raise reason
            finally:
                # The error holds this frame: without a circle, what it holds is freed at once.
                del reason
        self._end = reason

    def raise_end(self) -> None:
        """Raise the reason for which the pass has ended, if it has not been raised."""
        if self._end is not None:
            raise self._end

    def run_call(self, call: Call, func: Any, args: tuple, kwargs: dict) -> Any:
        """Run one op and return its result."""
        raise NotImplementedError

    def close_composite(self, call: Call, args: tuple, kwargs: dict, result: Any) -> None:
        """Process what an opened function returned."""
        raise NotImplementedError

    def find_site(self, function: str) -> Site:
        """Return the place that is calling ``function`` now."""
        outer = self._composites[-1][1] if self._composites else 0
        return self._sites.find_site(self._scopes.current.address, function, outer)

    def note_failure(self, call: Call, error: BaseException) -> None:
        """Note in which op an error was raised first."""
        if self.failure is None or self.failure[0] is not error:
            self.failure = (error, f"{self._scopes.current.address}/{call.function}")


def describe_failure(
    recorder: Interceptor, scopes: ScopeStack, done: Sequence[str], error: Exception
) -> str:
    """Return what the model raised, and where: in which op or module, after which op."""
    last = f"after {done[-1]!r} ({len(done)} ops ran)" if done else "before the first op"
    if recorder.failure is not None and recorder.failure[0] is error:
        where = f"while recording op {recorder.failure[1]!r}, {last}"
    elif scopes.failure is not None and scopes.failure[0] is error:
        where = f"in the forward of module {scopes.failure[1] or 'the model itself'!r}, {last}"
    else:
        where = last
    if isinstance(error, NestedTensorError):
        return f"the model cannot be recorded {where}: {error.message}."
    return (
        f"the model raised {type(error).__name__} {where}: {error}. "
        "Check that model(*inputs) runs without NeuroLens on the same inputs."
    )
