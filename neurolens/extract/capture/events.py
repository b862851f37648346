"""Records of one pass: tensors at a moment, executed ops, and where their values came from."""

import hashlib
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from neurolens.errors import RecordingError
from neurolens.extract.capture.calls.call_sites import Site
from neurolens.extract.capture.calls.torch_calls import Call
from neurolens.extract.capture.modules.module_calls import Scope

_CHUNK_BYTES = 2**24
# Names of the first positions in a call.
_N_NUMBERS = 16
_NUMBERS = tuple(map(str, range(_N_NUMBERS)))
# What arguments of a call may hold tensors in.
_CONTAINERS = frozenset({tuple, list, dict, slice})


class StopForward(BaseException):
    """Raised inside a forward pass to end it after the last wanted op.

    It is never raised to callers outside this package.
    """


class NestedTensorError(RecordingError):
    """An op takes or makes a nested tensor, which cannot be recorded."""


class Value:
    """One tensor at one moment of the pass.

    ``kind`` and ``source`` say where it came from: an op's event (``source`` is its index), or an
    input, parameter, buffer or constant (``source`` is its address). ``tensor`` is the value as it
    was then: the live tensor, or a clone once something is about to overwrite it; None when it is
    not kept. ``previous`` is the value the same tensor object had before an in-place change;
    ``edge`` its place in the autograd graph, if any; ``version`` the tensor's counter of in-place
    changes then, -1 where that was not noted; ``shape`` its shape; ``elements`` which elements of
    its memory it has, where the value is not kept; ``memory`` the number of its memory in the pass,
    which ``storage`` identifies while it is not freed; ``dtype`` and ``device`` are the tensor's.
    ``ref`` returns the tensor object that had the value, None once it is gone.
    """

    __slots__ = (
        "device",
        "dtype",
        "edge",
        "elements",
        "kind",
        "memory",
        "output",
        "previous",
        "ref",
        "shape",
        "source",
        "storage",
        "tensor",
        "version",
    )

    def __init__(
        self, kind: str, source: Any, output: int, tensor: torch.Tensor, storage: int, keep: bool
    ) -> None:
        self.kind = kind
        self.source = source
        self.output = output
        self.storage = storage
        self.memory = 0
        if tensor.is_nested:
            raise NestedTensorError(
                "expected tensors of one shape, got a nested tensor, whose parts differ in shape, "
                "so that it has no value that can be recorded. Pad it: "
                "torch.nested.to_padded_tensor(x, 0.0)"
            )
        self.shape = tensor.shape
        self.dtype = tensor.dtype
        self.device = tensor.device
        self.tensor: torch.Tensor | None = tensor
        self.elements: tuple | None = None
        # While there is one, torch refuses to swap the content of the tensor for that of another.
        self.ref = weakref.ref(tensor)
        if not keep:
            self.let_go()
        self.version = -1
        self.previous: Value | None = None
        self.edge: Any = None

    def keep_copy(self, copy: torch.Tensor) -> None:
        """Keep a copy in place of the tensor itself."""
        self.tensor = copy

    def let_go(self) -> None:
        """Keep the value no longer, only which elements of its memory it has."""
        if self.tensor is None:
            return
        if self.storage:
            self.elements = list_elements(self.tensor)
        self.tensor = None

    def detach_memory(self) -> None:
        """Keep a clone of the value, since its memory is about to be written to.

        A value that has been overwritten unseen is left, so that this can be found.
        """
        tensor = self.tensor
        if tensor is None or 0 <= self.version != tensor._version:
            return
        with torch.set_grad_enabled(tensor.requires_grad):
            self.keep_copy(tensor.clone())


class TensorForm(NamedTuple):
    """Shape, dtype and device of a tensor at one moment."""

    shape: torch.Size
    dtype: torch.dtype
    device: torch.device


class RandomState(NamedTuple):
    """States of torch's generators, and the (device, dtype) of each autocast that is on."""

    cpu: torch.Tensor
    cuda: list[torch.Tensor]
    autocast: list[tuple[str, torch.dtype]]


class ReadEvent(NamedTuple):
    """A value that left torch: ``function`` read it at ``source``, after that many ops."""

    function: str
    value: "Value"
    source: str
    after: int
    result: Any


class Event:
    """One executed op, as it is recorded; `assemble_graph` turns events into `Op` records.

    ``args`` and ``kwargs`` are its arguments with each tensor replaced by its `Value`. What follows
    from these and from ``outputs`` is found when it is first asked for.
    """

    __slots__ = (
        "_parents",
        "_specs",
        "args",
        "call",
        "composite",
        "func",
        "kwargs",
        "name",
        "outputs",
        "pass_number",
        "random_state",
        "scope",
        "seconds",
        "site",
    )

    def __init__(
        self,
        name: str,
        call: Call,
        func: Callable,
        args: tuple,
        kwargs: dict,
        outputs: list[Value],
        scope: Scope,
        site: Site,
        composite: str,
        pass_number: int,
        seconds: float,
        random_state: RandomState | None,
    ) -> None:
        self.name = name
        self.call = call
        self.func = func
        self.args = args
        self.kwargs = kwargs
        self.outputs = outputs
        self.scope = scope
        self.site = site
        self.composite = composite
        self.pass_number = pass_number
        self.seconds = seconds
        self.random_state = random_state
        self._parents: list[tuple[Value, str]] | None = None
        self._specs: tuple[TensorForm, ...] | None = None

    @property
    def parents(self) -> list[tuple[Value, str]]:
        """Each tensor among its arguments, and where in the call it stood."""
        if self._parents is None:
            self._parents = list_parents(self.args, self.kwargs)
        return self._parents

    @parents.setter
    def parents(self, parents: list[tuple[Value, str]]) -> None:
        self._parents = parents

    @property
    def specs(self) -> tuple[TensorForm, ...]:
        """The form of each result when the op returned."""
        if self._specs is None:
            self._specs = tuple([TensorForm(v.shape, v.dtype, v.device) for v in self.outputs])
        return self._specs

    @specs.setter
    def specs(self, specs: tuple[TensorForm, ...]) -> None:
        self._specs = specs

    @property
    def is_kept(self) -> bool:
        """Whether its results are kept."""
        return all(value.tensor is not None for value in self.outputs)

    def measure_results(self) -> int:
        """Return the bytes of its results, had each memory of its own."""
        return sum(spec.shape.numel() * spec.dtype.itemsize for spec in self.specs)


def list_parents(args: tuple, kwargs: dict) -> list[tuple[Value, str]]:
    """Return each `Value` among the arguments of a call, with its position in the call."""
    found: list[tuple[Value, str]] = []
    for i, arg in enumerate(args):
        if type(arg) is Value:
            found.append((arg, _NUMBERS[i] if i < _N_NUMBERS else str(i)))
        elif type(arg) in _CONTAINERS:
            _collect_values(arg, str(i), found)
    for name, arg in kwargs.items():
        _collect_values(arg, name, found)
    return found


def _collect_values(arg: Any, position: str, found: list[tuple[Value, str]]) -> None:
    kind = type(arg)
    if kind is Value:
        found.append((arg, position))
    elif kind is slice:
        _collect_values((arg.start, arg.stop, arg.step), position, found)
    elif kind in _CONTAINERS:
        for key, entry in arg.items() if kind is dict else enumerate(arg):
            _collect_values(entry, f"{position}.{key}", found)


class KeptMemory:
    """Adds up the memory that results of ops take while they are kept.

    Memory that several share counts once, and again where an op writes into it, since what it held
    is then copied. That of parameters, buffers and inputs does not count.

    Attributes
    ----------
    n_bytes : int
    """

    def __init__(self) -> None:
        self.n_bytes = 0
        self._memories: set[int] = set()

    def add(self, event: Event) -> None:
        """Add the results of an op, in the order of execution."""
        known = self._memories
        known.update(value.memory for value, _ in event.parents if value.kind != "op")
        is_new = event.call.mutates or bool(event.call.writes)
        is_new = is_new or any(value.memory not in known for value in event.outputs)
        if is_new or not event.outputs[0].memory:
            self.n_bytes += event.measure_results()
        known.update(value.memory for value in event.outputs)


@dataclass(slots=True)
class Recording:
    """The record of one pass: events, sources, host reads, and what modules and model returned.

    ``drawn`` names the random generators it drew from: ``"torch"``, ``"numpy"``, ``"python"``, and
    by address those that modules hold. ``random`` are the ops whose random numbers were drawn for
    each stimulus, from none of these. ``changed`` are addresses of buffers and plain attributes of
    modules that it changed; ``depends_on_history`` of those, and of parameters, that could not be
    put back, so that later passes follow from this one.
    """

    events: list[Event] = field(default_factory=list)
    inputs: dict[str, Value] = field(default_factory=dict)
    host_reads: list[ReadEvent] = field(default_factory=list)
    size_reads: list[Value] = field(default_factory=list)
    module_outputs: dict[tuple[str, int], Value | None] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    outputs: list[tuple[Value, str]] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)
    random: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    depends_on_history: list[str] = field(default_factory=list)
    result: Any = None

    def list_names(self) -> list[str]:
        """Return the names of the ops, in the order they ran."""
        return [event.name for event in self.events]

    def list_kept(self) -> list[str]:
        """Return the names of the ops whose results are kept, in the order they ran."""
        return [event.name for event in self.events if event.is_kept]

    def release_values(self) -> None:
        """Let go of the results of ops, and of what the model returned."""
        self.result = None
        values = [*self.module_outputs.values(), *[value for value, _ in self.outputs]]
        values += [read.value for read in self.host_reads]
        for event in self.events:
            values += [*event.outputs, *[value for value, _ in event.parents]]
        for value in values:
            earlier = value
            while earlier is not None and earlier.kind == "op":
                earlier.let_go()
                earlier = earlier.previous


def hash_tensors(tensors: Iterable[torch.Tensor]) -> str:
    """Return the sha256 of tensors' shapes, dtypes and values, as hex.

    Values are read from copies: memory that numpy has seen can never be resized again.
    """
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        value = tensor.detach()
        if value.is_meta or value.layout != torch.strided or not value.numel():
            continue
        value = value.dequantize() if value.is_quantized else value
        flat = value.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8)
        for chunk in flat.split(_CHUNK_BYTES):
            digest.update(chunk.to("cpu", copy=True).numpy().data)
    return digest.hexdigest()


def read_storage(tensor: torch.Tensor) -> int:
    """Return an identity of the memory behind ``tensor``.

    It is 0 for tensors without memory of their own (sparse, meta views).
    """
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError, ValueError):
        return 0


def list_elements(tensor: torch.Tensor) -> tuple:
    """Return what two tensors on one memory have in common where they have the same elements."""
    if tensor.layout != torch.strided or tensor.is_nested:
        return (id(tensor),)
    return tensor.shape, tensor.stride(), tensor.storage_offset(), tensor.dtype


def read_random_state() -> RandomState:
    """Return the states of torch's generators and of autocast, for running an op again."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    autocast = [
        (d, torch.get_autocast_dtype(d)) for d in ("cpu", "cuda") if torch.is_autocast_enabled(d)
    ]
    return RandomState(torch.get_rng_state(), cuda, autocast)
