"""One forward pass as a stream of op events, through TorchFunctionMode: no torch name is patched."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from neurolens.extract.calls import Call, CloneShop, describe_call
from neurolens.extract.ledger import METADATA_ONLY, Ledger, find_written
from neurolens.extract.records import (
    Event,
    Recording,
    StopForward,
    Value,
    iterate_tensors,
    read_random_state,
)
from neurolens.extract.scopes import ScopeStack
from neurolens.extract.sites import SiteBook

# Anything else among the types is a tensor subclass with an answer of its own: its calls are leaves.
_PLAIN_TYPES = ((), (torch.Tensor,))


class Recorder(TorchFunctionMode):
    """Records every torch call that makes a tensor while it is the active function mode.

    Parameters
    ----------
    scopes : ScopeStack
        Tells which module is running.
    ledger : Ledger
        Follows the tensors.
    runner : code
        Code object of the function that calls the model: where the walk up the frames ends.
    keep : callable
        Op name -> bool: whether its value stays in memory after the pass. All values are tracked either way.
    stop_after : str, optional
        Name of the op after which the pass is ended with StopForward.
    random_states : bool
        Whether to store the generator states before each op, for replay.

    Attributes
    ----------
    recording : Recording
    failure : (exception, op name) or None
        The last error raised inside an op.
    running : list or None
        While a torch function runs: a list that gets the name of its op once it is recorded. None between functions.
    """

    def __init__(
        self,
        scopes: ScopeStack,
        ledger: Ledger,
        runner: Any,
        *,
        keep: Callable[[str], bool],
        stop_after: str | None = None,
        random_states: bool = False,
    ) -> None:
        super().__init__()
        self.recording = Recording()
        self.failure: tuple[BaseException, str] | None = None
        self.running: list[str] | None = None
        self._scopes = scopes
        self._ledger = ledger
        self._keep = keep
        self._stop_after = stop_after
        self._random_states = random_states
        self._sites = SiteBook(Recorder.__torch_function__.__code__, runner)
        self._clones = CloneShop()
        self._calls: dict[Any, Call] = {}
        self._composites: list[tuple[Call, Any]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        call = self._calls.get(func)
        if call is None:
            call = self._calls[func] = describe_call(func, self._clones)
        # Inside vmap and its kin, tensors stand for batches that only the transform knows: what comes out is unseen.
        if call.quiet or torch._C._are_functorch_transforms_active():
            return func(*args, **kwargs)
        outer = self._composites[-1] if self._composites else None
        if call.body is not None and types in _PLAIN_TYPES and (outer is None or outer[0] is not call):
            return self._open_composite(call, args, kwargs)
        parents: list[tuple[Value, str]] = []
        kept_args, kept_kwargs = self._note_arguments(args, kwargs, parents)
        written = find_written(call, args, kwargs)
        if written:
            self._ledger.preserve_values(written)
        random_state = read_random_state() if self._random_states else None
        running = self.running = []
        start = perf_counter()
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            if self.failure is None or self.failure[0] is not error:
                self.failure = (error, f"{self._scopes.current.address}/{call.function}")
            raise
        finally:
            self.running = None
        seconds = perf_counter() - start
        if isinstance(result, torch.Tensor):
            made = [result]
        else:
            made = written if result is None and written else list(iterate_tensors(result))
        if made:
            self._record_event(
                call, func, kept_args, kept_kwargs, parents, made, written, seconds=seconds, random_state=random_state
            )
            running.append(self.recording.events[-1].name)
        elif call.host_read and parents:
            place = self._sites.read_place(None)
            site = self._sites.find_site(self._scopes.current.address, call.exact, place)
            read = (call.exact, parents[0][0], site.source, len(self.recording.events), result)
            self.recording.host_reads.append(read)
        return result

    def _open_composite(self, call: Call, args: tuple, kwargs: dict) -> Any:
        """Run a Python function of torch's own so that the calls it makes arrive here one by one."""
        place = self._sites.read_place(self._composites[-1][1] if self._composites else None)
        self._composites.append((call, place))
        try:
            with self:
                result = call.body(*args, **kwargs)  # type: ignore[misc]
        finally:
            self._composites.pop()
        if result is not NotImplemented and any(not self._ledger.knows(t) for t in iterate_tensors(result)):
            # It made a tensor without any call that could be seen: the composite itself is the op.
            parents: list[tuple[Value, str]] = []
            kept_args, kept_kwargs = self._note_arguments(args, kwargs, parents)
            made = list(iterate_tensors(result))
            self._record_event(call, call.body, kept_args, kept_kwargs, parents, made, [])
        return result

    def _note_arguments(self, args: tuple, kwargs: dict, parents: list[tuple[Value, str]]) -> tuple[tuple, dict]:
        find = self._ledger.find_parents
        kept_args = tuple([find(a, str(i), parents) for i, a in enumerate(args)])
        return kept_args, {k: find(v, k, parents) for k, v in kwargs.items()} if kwargs else {}

    def _record_event(
        self,
        call: Call,
        func: Any,
        args: tuple,
        kwargs: dict,
        parents: list[tuple[Value, str]],
        made: list[torch.Tensor],
        written: list[torch.Tensor],
        seconds: float = 0.0,
        random_state: Any = None,
    ) -> None:
        scope, ledger, events = self._scopes.current, self._ledger, self.recording.events
        place = self._sites.read_place(self._composites[-1][1] if self._composites else None)
        site = self._sites.find_site(scope.address, call.function, place)
        name = site.next_name()
        index, keep = len(events), self._keep(name)
        outputs = [ledger.make_value("op", index, k, t, keep) for k, t in enumerate(made)]
        specs = tuple([(t.shape, t.dtype, t.device) for t in made])
        composite = "/".join([c.function for c, _ in self._composites])
        # fmt: off
        events.append(Event(name, call, func, args, kwargs, parents, outputs, scope, site, composite, site.count, specs,
                            seconds, random_state))
        # fmt: on
        for tensor, value in zip(made, outputs, strict=True):
            ledger.set_value(value, tensor)
        if written and call.exact not in METADATA_ONLY:
            ledger.renew_aliases(written, index, keep)
        if name == self._stop_after:
            raise StopForward
