"""Tracking of the value that each live tensor holds, and of values about to be overwritten."""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from neurolens.extract.capture.calls.torch_calls import Call
from neurolens.extract.capture.events import Recording, Value, list_elements, read_storage
from neurolens.extract.capture.modules.module_calls import Scope, ScopeStack
from neurolens.extract.capture.tracking.overlap import may_overlap
from neurolens.extract.capture.trees import iterate_tensors, name_tensors

_Tensor = torch.Tensor
_ATOMS = frozenset({int, float, bool, str, type(None), torch.dtype, torch.device})
# Memories are looked at, whether they were freed, once there are so many.
_LEAST_LOOKED_AT = 4
# In-place calls that change the description of a tensor and no element, so that other views do not
# change.
METADATA_ONLY = frozenset(
    (
        "unsqueeze_ squeeze_ t_ transpose_ swapaxes_ swapdims_ as_strided_ rename_ "
        "requires_grad_ detach_"
    ).split()
)


class TensorTracker:
    """Follows tensor objects through one pass, by identity and by the memory behind them.

    Parameters
    ----------
    sources : dict
        ``id(tensor) -> (kind, address)`` of parameters and buffers.
    gradients : bool
        Whether kept clones stay in the autograd graph and each value's place in it is noted.
    copies : bool
        Whether to keep what is about to be overwritten; otherwise only connections are tracked.
    """

    def __init__(
        self, sources: dict[int, tuple[str, str]], gradients: bool = False, copies: bool = True
    ) -> None:
        self._sources = sources
        self._copies = copies
        self._gradients = gradients
        self._values: dict[int, Value] = {}
        # The only value with a memory, or all of them.
        self._storages: dict[int, Value | list[Value]] = {}
        # The number of each memory, which is that of no other, also once it is freed.
        self._memories: dict[int, int] = {}
        self._n_memories = 0
        # Those that cannot be freed, because a value that has them is kept.
        self._kept: set[int] = set()
        # Those that may be freed before the pass ends, and how many there may be of them.
        self._passing: dict[int, StorageWeakRef] = {}
        self._most_passing = _LEAST_LOOKED_AT

    def knows(self, tensor: torch.Tensor) -> bool:
        """Return whether the tensor is the model's own or one seen before in this pass."""
        return self.look_up(tensor) is not None or id(tensor) in self._sources

    def look_up(self, tensor: torch.Tensor) -> Value | None:
        """Return the current value of a live tensor object; ids of dead ones are not trusted."""
        value = self._values.get(id(tensor))
        if value is None or (value.tensor is not tensor and value.ref() is not tensor):
            return None
        return value

    def get_value(self, tensor: torch.Tensor) -> Value:
        """Return the current value of a tensor, noting a source or a constant on its first use."""
        value = self.look_up(tensor)
        if value is not None:
            return value
        source = self._sources.get(id(tensor))
        twin = self._find_twin(tensor) if source is None else None
        if twin is not None:
            value = self.set_value(
                self.make_value(twin.kind, twin.source, twin.output, tensor, True), tensor
            )
            value.previous = twin
            return value
        kind, address = source or ("constant", "constant")
        return self.set_value(self.make_value(kind, address, 0, tensor, True), tensor)

    def _find_twin(self, tensor: torch.Tensor) -> Value | None:
        """Return the current value of another object with the very same elements.

        An example is a tensor that was converted to a subclass.
        """
        storage = read_storage(tensor)
        values = self._list_sharing(storage) if storage else []
        elements = list_elements(tensor) if values else ()
        for value in reversed(values):
            live = value.ref()
            if live is None:
                found = value.elements
            elif read_storage(live) == storage and self.look_up(live) is value:
                found = list_elements(live)
            else:
                continue
            if found == elements:
                return value
        return None

    def make_value(
        self, kind: str, source: Any, output: int, tensor: torch.Tensor, keep: bool
    ) -> Value:
        """Return a new value for a tensor, without making it the current one."""
        storage = read_storage(tensor)
        value = Value(kind, source, output, tensor, storage, keep)
        if storage:
            memory = self._memories.get(storage)
            if memory is None:
                memory = self._add_memory(storage, tensor, keep)
            value.memory = memory
            sharing = self._storages.get(storage)
            if sharing is None:
                self._storages[storage] = value
            elif isinstance(sharing, Value):
                self._storages[storage] = [sharing, value]
            else:
                sharing.append(value)
        if self._gradients and tensor.requires_grad:
            value.edge = find_edge(tensor)
        return value

    def _list_sharing(self, storage: int) -> list[Value]:
        """Return the values that have a memory, in the order in which they were made."""
        sharing = self._storages.get(storage)
        if isinstance(sharing, Value):
            return [sharing]
        return sharing or []

    def _add_memory(self, storage: int, tensor: torch.Tensor, keep: bool) -> int:
        """Return a number for the memory behind a tensor, whose identity is ``storage``."""
        number = self._n_memories = self._n_memories + 1
        self._memories[storage] = number
        if keep:
            self._kept.add(storage)
        else:
            self._watch_memory(storage, tensor)
        return number

    def _watch_memory(self, storage: int, tensor: torch.Tensor) -> None:
        """Find out from now on whether the memory behind a tensor is freed."""
        self._passing[storage] = StorageWeakRef(tensor.untyped_storage())
        if len(self._passing) > self._most_passing:
            self._forget_freed()

    def _release_memory(self, storage: int, tensor: torch.Tensor) -> None:
        """Note that values which have the memory behind a tensor are kept there no longer."""
        if storage in self._kept:
            self._kept.discard(storage)
            self._watch_memory(storage, tensor)

    def let_go(self, value: Value) -> None:
        """Keep a value no longer."""
        if value.tensor is not None:
            self._release_memory(value.storage, value.tensor)
        value.let_go()

    def _forget_freed(self) -> None:
        """Forget memories that were freed; only then can others get their identities.

        It is done whenever half as many have come as were left, so that two are looked at for each
        new one. What refers to a freed memory keeps the allocator from using its place again: with
        more of them, a pass that holds little would take as much memory as one that holds all.
        """
        for storage, reference in list(self._passing.items()):
            if reference.expired():
                del self._passing[storage]
                del self._memories[storage]
                self._storages.pop(storage, None)
        self._most_passing = max(len(self._passing) * 3 // 2, _LEAST_LOOKED_AT)

    def set_value(self, value: Value, tensor: torch.Tensor) -> Value:
        """Make ``value`` the current one of ``tensor``."""
        values = self._values
        key = id(tensor)
        if key in values:
            value.previous = self.look_up(tensor)
        values[key] = value
        return value

    def note_arguments(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """Return a call's arguments with each tensor replaced by its Value."""
        noted: list[Any] = []
        for arg in args:
            if isinstance(arg, _Tensor):
                value = self._values.get(id(arg))
                if value is None or (value.tensor is not arg and value.ref() is not arg):
                    value = self.get_value(arg)
                noted.append(value)
            else:
                noted.append(arg if type(arg) in _ATOMS else self._note_argument(arg))
        if kwargs:
            kwargs = {name: self._note_argument(arg) for name, arg in kwargs.items()}
        return tuple(noted), kwargs

    def _note_argument(self, arg: Any) -> Any:
        if isinstance(arg, _Tensor):
            return self.get_value(arg)
        kind = type(arg)
        if kind in _ATOMS:
            return arg
        if kind is tuple or kind is list:
            if _ATOMS.issuperset(map(type, arg)):
                return arg if kind is tuple else list(arg)
            return kind([self._note_argument(entry) for entry in arg])
        if kind is slice:
            return slice(*self._note_argument((arg.start, arg.stop, arg.step)))
        if isinstance(arg, tuple) and kind is not torch.Size:
            return self._note_argument(tuple(arg))
        if kind is dict:
            return {key: self._note_argument(entry) for key, entry in arg.items()}
        return arg

    def preserve_values(self, written: list[torch.Tensor]) -> None:
        """Clone the kept values that share memory with ``written``, before it changes."""
        for storage, tensor in {read_storage(t): t for t in written}.items():
            self._release_memory(storage, tensor)
            for value in self._list_sharing(storage) if self._copies else ():
                if value.tensor is not None and value.tensor is value.ref():
                    value.keep_copy(self._copy(value.tensor))

    def renew_aliases(self, written: list[torch.Tensor], index: int, keep: bool) -> None:
        """Give live tensors that share memory with ``written`` a new value, of event ``index``.

        Values written into the model's own tensors or its inputs are cloned, because those tensors
        outlive the pass.
        """
        for storage in {read_storage(t) for t in written}:
            touched = [t for t in written if read_storage(t) == storage]
            old = self._list_sharing(storage)
            values = [v for v in old if v.kind != "op" or v.source == index]
            self._storages[storage] = values
            for tensor in _list_live(old, storage):
                if _overlap_none(tensor, touched):
                    values.extend(v for v in old if v.ref() is tensor)
                else:
                    self._renew_value(tensor, index, keep)
            if keep and self._copies:
                self._copy_written(values)

    def _renew_value(self, tensor: torch.Tensor, index: int, keep: bool) -> None:
        """Give a known tensor a new value of event ``index``, unless it has one."""
        current = self.look_up(tensor)
        if current is None or (current.kind == "op" and current.source == index):
            return
        self.set_value(self.make_value("op", index, 0, tensor, keep), tensor)

    def _copy_written(self, values: list[Value]) -> None:
        """Clone what ops wrote into one memory, where it is the model's own or an input's."""
        if all(value.kind == "op" for value in values):
            return
        for value in values:
            if value.kind == "op" and value.tensor is not None:
                value.keep_copy(self._copy(value.tensor))

    def begin(self, recording: Recording, scopes: ScopeStack, args: tuple, kwargs: dict) -> None:
        """Register the tensors that the model is called with, and watch what modules return.

        Inputs are named by their position.
        """
        recording.modules = dict(scopes.classes)
        scopes.on_return = partial(self.note_module_output, recording)
        given = args[0] if len(args) == 1 else args
        for tensor, name in chain(name_tensors(given, "input"), name_tensors(kwargs, "input")):
            known = self.look_up(tensor)
            recording.inputs[name] = known or self.set_value(
                self.make_value("input", name, 0, tensor, True), tensor
            )

    def note_result(self, recording: Recording, result: Any) -> None:
        """Register what the model returned."""
        recording.result = result
        for event in recording.events if self._gradients else ():
            _note_late_edge(event.outputs[0])
        recording.outputs = [
            (self.get_value(tensor), name) for tensor, name in name_tensors(result, "output")
        ]

    def note_module_output(self, recording: Recording, scope: Scope, output: Any) -> None:
        """Remember which value a module returned first: None where it returned no tensor."""
        is_tensor = isinstance(output, _Tensor)
        tensor = output if is_tensor else next(iterate_tensors(output), None)
        value = None if tensor is None else self.look_up(tensor)
        if tensor is not None and value is None:
            kind, address = self._sources.get(id(tensor), ("constant", "constant"))
            value = Value(kind, address, 0, tensor, 0, False)
        recording.module_outputs[scope.address, scope.call] = value

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        if self._gradients:
            return tensor.clone()
        with torch.no_grad():
            return tensor.detach().clone()


def find_edge(tensor: torch.Tensor) -> Any:
    """Return a tensor's place in the autograd graph, or None where it has none yet.

    A view that torch makes for a hook on the gradient gets its place after it was made.
    """
    try:
        return torch.autograd.graph.get_gradient_edge(tensor)
    except AssertionError:
        return None


def _note_late_edge(value: Value) -> None:
    """Note the place in the autograd graph that a value got after it was made."""
    tensor = value.tensor
    if value.edge is None and tensor is not None and tensor is value.ref() and tensor.requires_grad:
        value.edge = find_edge(tensor)


def _list_live(values: list[Value], storage: int) -> list[torch.Tensor]:
    """Return the tensor objects of values that are still alive and still have a memory.

    Code that is not seen may have given them another.
    """
    tensors = (value.ref() for value in values)
    return [t for t in tensors if t is not None and read_storage(t) == storage]


def _overlap_none(tensor: torch.Tensor, others: list[torch.Tensor]) -> bool:
    return not any(may_overlap(tensor, other) for other in others)


def find_written(call: Call, args: tuple, kwargs: dict) -> list[torch.Tensor]:
    """Return the tensors that a function-level call is about to overwrite."""
    written: list[torch.Tensor] = []
    if call.mutates and (args or kwargs):
        written.extend(iterate_tensors(args[0] if args else next(iter(kwargs.values()))))
    if call.writes:
        written.extend(_iterate_writes(call.writes, args, kwargs))
    if kwargs and kwargs.get("out") is not None and "out" not in call.writes:
        written.extend(iterate_tensors(kwargs["out"]))
    flag = call.updates_statistics
    if flag and len(args) > flag and args[flag]:
        written.extend(t for t in args[3:5] if isinstance(t, _Tensor))
    return written


def _iterate_writes(
    writes: tuple[int | str, ...], args: tuple, kwargs: dict
) -> Iterator[torch.Tensor]:
    """Yield the tensors among the arguments at these positions and of these names."""
    for place in writes:
        if isinstance(place, str):
            yield from iterate_tensors(kwargs.get(place))
        elif place < len(args):
            yield from iterate_tensors(args[place])
