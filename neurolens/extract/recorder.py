"""One forward pass as a stream of op events, through TorchFunctionMode: no torch name is patched."""

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from neurolens.extract.calls import Call, CloneShop, describe_call
from neurolens.extract.scopes import Scope, ScopeStack
from neurolens.extract.sites import Site, SiteBook

_Tensor = torch.Tensor
# Anything else among the types is a tensor subclass with an answer of its own: its calls are leaves.
_PLAIN_TYPES = ((), (_Tensor,))


class StopForward(BaseException):
    """Raised inside a forward pass to end it after the last wanted op; never leaves this package."""


class Value:
    """One tensor at one moment of the pass.

    ``kind`` and ``source`` say where it came from: an op's event (``source`` is its index), or an input,
    parameter, buffer or constant (``source`` is its address). ``tensor`` is the value as it was then: the
    live tensor, or a clone once something is about to overwrite it. None when it is not kept.
    """

    __slots__ = ("kind", "output", "ref", "source", "storage", "tensor", "version")

    def __init__(self, kind: str, source: Any, output: int, tensor: torch.Tensor, storage: int, keep: bool) -> None:
        self.kind = kind
        self.source = source
        self.output = output
        self.ref = weakref.ref(tensor)
        self.storage = storage
        self.tensor = tensor if keep else None
        self.version = read_version(tensor)


@dataclass(slots=True)
class Event:
    """One executed op, as it is recorded; `assemble_graph` turns events into `Op` records."""

    name: str
    call: Call
    func: Callable
    args: tuple
    kwargs: dict
    parents: list[tuple[Value, str]]
    outputs: list[Value]
    scope: Scope
    site: Site
    composite: str
    pass_number: int
    specs: tuple
    random_state: Any = None


@dataclass(slots=True)
class Recording:
    """Everything one pass left: events, sources, host reads, and what the modules and the model returned."""

    events: list[Event] = field(default_factory=list)
    inputs: dict[str, Value] = field(default_factory=dict)
    host_reads: list[tuple[str, Value, str, int]] = field(default_factory=list)
    module_outputs: dict[tuple[str, int], Value] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    outputs: list[tuple[Value, str]] = field(default_factory=list)
    result: Any = None


class Recorder(TorchFunctionMode):
    """Records every torch call that makes a tensor while it is the active function mode.

    Parameters
    ----------
    scopes : ScopeStack
        Tells which module is running.
    sources : dict
        ``id(tensor) -> (kind, address)`` of parameters and buffers.
    runner : code
        Code object of the function that calls the model: where the walk up the frames ends.
    keep : callable
        Op name -> bool: whether its value stays in memory after the pass. All values are tracked either way.
    stop_after : str, optional
        Name of the op after which the pass is ended with StopForward.
    random_states : bool
        Whether to store the generator states before each op, for replay.
    """

    def __init__(
        self,
        scopes: ScopeStack,
        sources: dict[int, tuple[str, str]],
        runner: Any,
        *,
        keep: Callable[[str], bool],
        stop_after: str | None = None,
        random_states: bool = False,
    ) -> None:
        super().__init__()
        self.recording = Recording()
        self.failure: tuple[BaseException, str] | None = None
        self._scopes = scopes
        scopes.on_return = self.note_module_output
        self._sources = sources
        self._keep = keep
        self._stop_after = stop_after
        self._random_states = random_states
        self._sites = SiteBook(Recorder.__torch_function__.__code__, runner)
        self._clones = CloneShop()
        self._calls: dict[Any, Call] = {}
        self._values: dict[int, Value] = {}
        self._storages: dict[int, list[Value]] = {}
        self._composites: list[tuple[Call, Any]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        call = self._calls.get(func)
        if call is None:
            call = self._calls[func] = describe_call(func, self._clones)
        if call.quiet:
            return func(*args, **kwargs)
        outer = self._composites[-1] if self._composites else None
        if call.body is not None and types in _PLAIN_TYPES and (outer is None or outer[0] is not call):
            return self._open_composite(call, args, kwargs)
        parents: list[tuple[Value, str]] = []
        kept_args = tuple(self._find_parents(a, str(i), parents) for i, a in enumerate(args))
        kept_kwargs = {k: self._find_parents(v, k, parents) for k, v in kwargs.items()} if kwargs else {}
        written = self._find_written(call, args, kwargs)
        if written:
            self._preserve_values(written)
        random_state = read_random_state() if self._random_states else None
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            if self.failure is None or self.failure[0] is not error:
                self.failure = (error, f"{self._scopes.current.address}/{call.function}")
            raise
        made = written if result is None and written else list(iterate_tensors(result))
        if made:
            self._record_event(call, func, kept_args, kept_kwargs, parents, made, written, random_state)
        elif call.host_read and parents:
            place = self._sites.read_place(None)
            site = self._sites.find_site(self._scopes.current.address, call.exact, place)
            self.recording.host_reads.append((call.exact, parents[0][0], site.source, len(self.recording.events)))
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
        if result is NotImplemented:
            return result
        unseen = [t for t in iterate_tensors(result) if self._look_up(t) is None and id(t) not in self._sources]
        if unseen:
            parents: list[tuple[Value, str]] = []
            kept = tuple(self._find_parents(a, str(i), parents) for i, a in enumerate(args))
            kept_kwargs = {k: self._find_parents(v, k, parents) for k, v in kwargs.items()}
            self._record_event(call, call.body, kept, kept_kwargs, parents, list(iterate_tensors(result)), [], None)
        return result

    def add_inputs(self, args: Any, kwargs: dict) -> None:
        """Register the tensors the model is called with, named by where they stand."""
        found: list[tuple[torch.Tensor, str]] = []
        if isinstance(args, tuple) and len(args) == 1:
            collect_tensors(args[0], "input", found)
        else:
            collect_tensors(args, "input", found)
        collect_tensors(kwargs, "input", found)
        for tensor, name in found:
            value = self._make_value("input", name, 0, tensor, True)
            self._values[id(tensor)] = value
            self.recording.inputs[name] = value

    def add_result(self, result: Any) -> None:
        """Register what the model returned."""
        found: list[tuple[torch.Tensor, str]] = []
        collect_tensors(result, "output", found)
        self.recording.result = result
        self.recording.outputs = [(self._get_value(tensor), name) for tensor, name in found]

    def note_module_output(self, scope: Scope, output: Any) -> None:
        """Remember which value a module returned first."""
        for tensor in iterate_tensors(output):
            value = self._look_up(tensor)
            if value is not None:
                self.recording.module_outputs[scope.address, scope.call] = value
            return

    def _record_event(self, call, func, args, kwargs, parents, made, written, random_state) -> None:
        scope = self._scopes.current
        outer = self._composites[-1] if self._composites else None
        place = self._sites.read_place(outer and outer[1])
        site = self._sites.find_site(scope.address, call.function, place)
        name = site.next_name()
        events = self.recording.events
        index, keep = len(events), self._keep(name)
        outputs = [self._make_value("op", index, k, t, keep) for k, t in enumerate(made)]
        specs = tuple((t.shape, t.dtype, t.device) for t in made)
        composite = "/".join(c.function for c, _ in self._composites)
        events.append(
            Event(
                name,
                call,
                func,
                args,
                kwargs,
                parents,
                outputs,
                scope,
                site,
                composite,
                site.count,
                specs,
                random_state,
            )
        )
        for tensor, value in zip(made, outputs, strict=True):
            self._values[id(tensor)] = value
        if written:
            self._renew_aliases(written, index, keep)
        if name == self._stop_after:
            raise StopForward

    def _make_value(self, kind: str, source: Any, output: int, tensor: torch.Tensor, keep: bool) -> Value:
        storage = read_storage(tensor)
        value = Value(kind, source, output, tensor, storage, keep)
        if storage:
            self._storages.setdefault(storage, []).append(value)
        return value

    def _look_up(self, tensor: torch.Tensor) -> Value | None:
        """Return the current value of a live tensor object; ids of dead ones are not trusted."""
        value = self._values.get(id(tensor))
        return value if value is not None and value.ref() is tensor else None

    def _get_value(self, tensor: torch.Tensor) -> Value:
        value = self._look_up(tensor)
        if value is None:
            kind, address = self._sources.get(id(tensor), ("constant", "constant"))
            value = self._values[id(tensor)] = self._make_value(kind, address, 0, tensor, True)
        return value

    def _find_parents(self, arg: Any, position: str, found: list[tuple[Value, str]]) -> Any:
        """Return ``arg`` with each tensor replaced by its Value, noting each one's position in the call."""
        if isinstance(arg, _Tensor):
            value = self._get_value(arg)
            found.append((value, position))
            return value
        kind = type(arg)
        if kind is tuple or kind is list:
            return kind(self._find_parents(a, f"{position}.{i}", found) for i, a in enumerate(arg))
        if kind is dict:
            return {k: self._find_parents(a, f"{position}.{k}", found) for k, a in arg.items()}
        return arg

    def _find_written(self, call: Call, args: tuple, kwargs: dict) -> list[torch.Tensor]:
        """Return the tensors this call is about to overwrite."""
        written: list[torch.Tensor] = []
        if call.mutates and args:
            written.extend(iterate_tensors(args[0]))
        if kwargs and kwargs.get("out") is not None:
            written.extend(iterate_tensors(kwargs["out"]))
        flag = call.updates_statistics
        if flag and len(args) > flag and args[flag]:
            written.extend(t for t in args[3:5] if isinstance(t, _Tensor))
        return written

    def _preserve_values(self, written: list[torch.Tensor]) -> None:
        """Clone the kept values that share memory with ``written``, before it changes."""
        for storage in {read_storage(t) for t in written}:
            for value in self._storages.get(storage, ()):
                if value.tensor is not None and value.tensor is value.ref():
                    with torch.no_grad():
                        value.tensor = value.tensor.detach().clone()

    def _renew_aliases(self, written: list[torch.Tensor], index: int, keep: bool) -> None:
        """Give every live tensor that shares memory with ``written`` a new value, made by event ``index``.

        What was written into the model's own tensors or its inputs is kept as a clone: those outlive the pass.
        """
        for storage in {read_storage(t) for t in written}:
            old = self._storages.pop(storage, [])
            values = self._storages[storage] = [v for v in old if v.kind != "op" or v.source == index]
            for tensor in [t for t in (v.ref() for v in old) if t is not None]:
                current = self._look_up(tensor)
                if current is not None and not (current.kind == "op" and current.source == index):
                    self._values[id(tensor)] = self._make_value("op", index, 0, tensor, keep)
            if keep and any(v.kind != "op" for v in values):
                for value in values:
                    if value.kind == "op":
                        value.tensor = None if value.tensor is None else value.tensor.detach().clone()


def iterate_tensors(result: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in a result: a tensor, or (nested) tuples, lists, dicts and dataclass-like objects of them."""
    if isinstance(result, _Tensor):
        yield result
    elif isinstance(result, torch.Size):
        return
    elif isinstance(result, (tuple, list)):
        for item in result:
            yield from iterate_tensors(item)
    elif isinstance(result, dict):
        for item in result.values():
            yield from iterate_tensors(item)
    elif hasattr(result, "__dataclass_fields__"):
        for name in result.__dataclass_fields__:
            yield from iterate_tensors(getattr(result, name, None))


def collect_tensors(tree: Any, path: str, found: list[tuple[torch.Tensor, str]]) -> None:
    """Append (tensor, path) for every tensor in a nested structure: ``input``, ``input.1``, ``input.mask``."""
    if isinstance(tree, _Tensor):
        found.append((tree, path))
    elif isinstance(tree, (tuple, list)) and not isinstance(tree, torch.Size):
        for i, item in enumerate(tree):
            collect_tensors(item, f"{path}.{i}", found)
    elif isinstance(tree, dict):
        for key, item in tree.items():
            collect_tensors(item, f"{path}.{key}", found)
    elif hasattr(tree, "__dataclass_fields__"):
        for name in tree.__dataclass_fields__:
            collect_tensors(getattr(tree, name, None), f"{path}.{name}", found)


def read_storage(tensor: torch.Tensor) -> int:
    """Return an identity of the memory behind ``tensor``, 0 where there is none to speak of (sparse, meta views)."""
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):
        return 0


def read_version(tensor: torch.Tensor) -> int:
    """Return the counter that in-place changes raise, -1 where there is none (inference tensors)."""
    return -1 if tensor.is_inference() else tensor._version


def read_random_state() -> Any:
    """Return the states of torch's generators, for running an op again."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return torch.get_rng_state(), cuda
