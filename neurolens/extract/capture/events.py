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
from neurolens.extract.capture.module_calls import Scope

_CHUNK_BYTES = 2**24


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
    which ``storage`` identifies while it is not freed.
    """

    __slots__ = (
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
        self.ref = weakref.ref(tensor)
        self.storage = storage
        self.memory = 0
        if tensor.is_nested:
            raise NestedTensorError(
                "expected tensors of one shape, got a nested tensor, whose parts differ in shape, "
                "so that it has no value that can be recorded. Pad it: "
                "torch.nested.to_padded_tensor(x, 0.0)"
            )
        self.shape = tensor.shape
        self.tensor: torch.Tensor | None = tensor
        self.elements: tuple | None = None
        if not keep:
            self.let_go()
        self.version = -1
        self.previous: Value | None = None
        self.edge: Any = None

    def let_go(self) -> None:
        """Keep the value no longer, only which elements of its memory it has."""
        if self.tensor is not None and self.storage:
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
            self.tensor = tensor.clone()


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
    specs: tuple[TensorForm, ...]
    seconds: float
    random_state: RandomState | None = None

    @property
    def is_kept(self) -> bool:
        """Whether its results are kept."""
        return all(value.tensor is not None for value in self.outputs)

    def measure_results(self) -> int:
        """Return the bytes of its results, had each memory of its own."""
        return sum(spec.shape.numel() * spec.dtype.itemsize for spec in self.specs)


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
