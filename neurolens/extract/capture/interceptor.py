"""Interception of torch calls, common to all passes; torch's own Python functions are opened."""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from neurolens.extract.capture.attention import list_opened
from neurolens.extract.capture.call_sites import CallSites, Site
from neurolens.extract.capture.module_calls import ScopeStack
from neurolens.extract.capture.torch_calls import SIZE_READS, Call, FunctionCloner, describe_call

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

    Attributes
    ----------
    failure : (exception, op name) or None
        The last error raised inside an op.
    size_reads : list of Tensor or None
        Collects the tensors whose size the model asks for, when it is a list.
    """

    def __init__(self, scopes: ScopeStack, sites: CallSites) -> None:
        super().__init__()
        self.failure: tuple[BaseException, str] | None = None
        self.size_reads: list[torch.Tensor] | None = None
        self._scopes = scopes
        self._sites = sites
        self._clones = FunctionCloner()
        self._opened = list_opened()
        self._calls: dict[Any, Call] = {}
        self._composites: list[tuple[Call, int]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        call = self._calls.get(func)
        if call is None:
            call = self._calls[func] = describe_call(func, self._clones, self._opened)
        # Inside vmap and similar transforms, tensors stand for batches that only the transform
        # knows, so results are not recorded.
        if call.quiet or torch._C._are_functorch_transforms_active():
            if self.size_reads is not None and args:
                self._note_size_read(call, args[0])
            return func(*args, **kwargs)
        if call.body is not None and types in _PLAIN_TYPES:
            outer = self._composites[-1] if self._composites else None
            if outer is None or outer[0] is not call:
                return self._open_composite(call, outer[1] if outer else 0, args, kwargs)
        return self.run_call(call, func, args, kwargs)

    def _note_size_read(self, call: Call, tensor: torch.Tensor) -> None:
        """Note a tensor whose size the model itself reads, rather than a function of torch's."""
        if call.function in SIZE_READS and not self._composites and self.size_reads is not None:
            self.size_reads.append(tensor)

    def _open_composite(self, call: Call, outer_site: int, args: tuple, kwargs: dict) -> Any:
        """Run a Python function of torch's own so that the calls it makes arrive one by one."""
        body = call.body
        assert body is not None
        self._composites.append((call, self._sites.read_place(outer_site)))
        try:
            with self:
                result = body(*args, **kwargs)
        finally:
            self._composites.pop()
        if result is not NotImplemented:
            self.close_composite(call, args, kwargs, result)
        return result

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
