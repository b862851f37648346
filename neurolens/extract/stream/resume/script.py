"""The script of a pass: every call, what it returns, and how long each tensor is in use."""

import gc
import hashlib
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from neurolens.extract.capture.calls.torch_calls import Call
from neurolens.extract.capture.events import read_storage
from neurolens.extract.capture.tracking.tensor_tracker import find_written
from neurolens.extract.capture.trees import iterate_tensors
from neurolens.extract.stream.follow import FollowingRecorder

_PLAIN = (torch.Tensor, nn.Parameter)
# What Python may ask of a tensor and that a placeholder answers otherwise.
LAYOUT_READS = frozenset("stride is_contiguous storage_offset untyped_storage _version".split())
# Calls that make no tensor and whose answer does not follow from values.
_OF_FORM = frozenset(("is_nested", "result_type", "is_same_size", "can_cast"))
# Calls that give a tensor object other memory.
_SWAPS = frozenset(("set_", "resize_", "resize_as_"))
_WORDS = 1021
_NEVER = 2**62

Place = tuple[int, int]
"""Position of an op in the pass, and which of its results."""


class OutputForm(NamedTuple):
    """One tensor that an op returns.

    ``given`` says which tensor among the arguments it is, -1 for a new one.
    """

    dtype: torch.dtype
    device: torch.device
    given: int


class ScriptCall(NamedTuple):
    """One call of a torch function.

    ``outputs`` are what it returns, in ``container``, the type of a tuple or list of tensors; that
    is None for a tensor alone. A call that only writes returns nothing and has no outputs; one
    that is no op neither.
    """

    exact: str
    is_op: bool
    container: type | None = None
    outputs: tuple[OutputForm, ...] = ()


@dataclass(slots=True)
class MadeTensor:
    """A tensor object that an op made: where, in which memory, until which op it is used.

    ``flaw`` says why its values cannot be saved, "" where they can.
    """

    place: Place
    memory: int
    form: tuple
    n_bytes: int
    last_use: int
    flaw: str


@dataclass
class Script:
    """What a pass does, read from one batch.

    Attributes
    ----------
    calls : list of ScriptCall
        In order.
    ops : dict of int
        Position -> the call of the op there.
    tensors : list of MadeTensor
        In the order in which they were made.
    own_memories : set of int
        Those of inputs, parameters and other tensors that no op made.
    op_bytes : list of int
        What each op writes into memory.
    limit : int
        The last position at which another pass may start.
    reason : str
        Why not later, "" where it may.
    digests : dict of int
        Position of a wanted op -> a digest of its results.
    input_use : int
        Position of the last op that takes a stimulus input; beyond all where Python looks at one.
    """

    calls: list[ScriptCall] = field(default_factory=list)
    ops: dict[int, ScriptCall] = field(default_factory=dict)
    tensors: list[MadeTensor] = field(default_factory=list)
    own_memories: set[int] = field(default_factory=set)
    op_bytes: list[int] = field(default_factory=list)
    limit: int = _NEVER
    reason: str = ""
    digests: dict[int, str] = field(default_factory=dict)
    input_use: int = -1

    def forbid(self, position: int, reason: str) -> None:
        """Let no pass start behind a position."""
        if position < self.limit:
            self.limit = position
            self.reason = reason


class _Memories:
    """Numbers memories, so that one that is freed and one that takes its place are two."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, StorageWeakRef]] = {}
        self._n = 0

    def number(self, tensor: torch.Tensor) -> int:
        """Return the number of the memory behind a tensor, 0 where it has none of its own."""
        storage = read_storage(tensor)
        if not storage:
            return 0
        known = self._known.get(storage)
        if known is None or known[1].expired():
            self._n += 1
            known = (self._n, StorageWeakRef(tensor.untyped_storage()))
            self._known[storage] = known
        return known[0]


class ScriptReader(FollowingRecorder):
    """Follows a pass as `FollowingRecorder` does, and reads its script.

    Parameters
    ----------
    inputs : sequence of Tensor
        The stimuli, as the model gets them.

    Attributes
    ----------
    script : Script
    """

    def __init__(self, *args: Any, inputs: Sequence[torch.Tensor] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.script = Script()
        self._memories = _Memories()
        self._input_memories = {self._memories.number(tensor) for tensor in inputs}
        self._made: dict[int, tuple[weakref.ref, MadeTensor]] = {}
        self._first_makers: dict[int, int] = {}

    def run_call(self, call: Call, func: Any, args: tuple, kwargs: dict) -> Any:
        """Run one call and read it."""
        position = self.position
        given = list(iterate_tensors((args, kwargs)))
        is_fed = False
        for tensor in given:
            is_fed = self._note_use(tensor) or is_fed
        for tensor in find_written(call, args, kwargs):
            self._note_write(tensor, call)
        result = super().run_call(call, func, args, kwargs)
        if self.position == position:
            self.script.calls.append(ScriptCall(call.exact, is_op=False))
            if call.function not in _OF_FORM:
                self._note_look(call, given, is_fed)
        else:
            self._note_op(position, call, given, result)
        return result

    def forbid_kept(self) -> None:
        """Let later passes run what made results that are still there once this one is over.

        A cache outside of the model would get placeholders otherwise.
        """
        if any(reference() is not None for reference, _ in self._made.values()):
            gc.collect()
        for reference, made in self._made.values():
            if reference() is not None:
                self.script.forbid(made.place[0], "results are kept beyond the pass")

    def _note_look(self, call: Call, given: Sequence[torch.Tensor], is_fed: bool) -> None:
        """Note that Python looked at tensors, of which some are results where ``is_fed``."""
        if is_fed:
            self.script.forbid(self.position, f"Python reads values ({call.exact})")
        if any(self._is_input(tensor) for tensor in given):
            self.script.input_use = _NEVER

    def _is_input(self, tensor: torch.Tensor) -> bool:
        return self._memories.number(tensor) in self._input_memories

    def close_composite(self, call: Call, args: tuple, kwargs: dict, result: Any) -> None:
        """Check an op that is a function of torch's as a whole, inside which nothing is seen."""
        position = self.position
        super().close_composite(call, args, kwargs, result)
        if self.position > position:
            self.script.forbid(position, f"{call.exact} computes unseen")
            self._note_op(position, call, [], result)

    def _note_unrecorded(self, call: Call, func: Any, args: tuple) -> None:
        super()._note_unrecorded(call, func, args)
        if not call.quiet:
            self.script.forbid(self.position, f"{call.exact} runs inside vmap or the like")
            return
        if call.function not in LAYOUT_READS or not args:
            return
        if self._look_up(args[0]) is not None:
            self.script.forbid(self.position, f"Python reads the layout of results ({call.exact})")
        elif self._is_input(args[0]):
            self.script.input_use = _NEVER

    def _look_up(self, tensor: Any) -> MadeTensor | None:
        """Return what is known of a tensor object, None for one that no op made."""
        known = self._made.get(id(tensor))
        return known[1] if known is not None and known[0]() is tensor else None

    def _note_use(self, tensor: torch.Tensor) -> bool:
        """Note that a call takes a tensor; return whether an op made it."""
        if type(tensor) not in _PLAIN:
            kind = type(tensor).__name__
            self.script.forbid(self.position, f"tensors are of the class {kind}")
        memory = self._memories.number(tensor)
        made = self._look_up(tensor)
        if made is not None:
            made.last_use = self.position
            if (made.memory, made.form) != (memory, _read_form(tensor)):
                self.script.forbid(made.place[0], "a tensor gets other memory unseen")
            return True
        if memory in self._input_memories:
            self.script.input_use = max(self.script.input_use, self.position)
        maker = self._first_makers.get(memory)
        if maker is not None and memory:
            self.script.forbid(maker, "another object for a result is made unseen")
            return True
        self.script.own_memories.add(memory)
        return False

    def _note_write(self, tensor: torch.Tensor, call: Call) -> None:
        made = self._look_up(tensor)
        if made is None or made.memory in self.script.own_memories:
            what = "inputs, buffers or other tensors of the model's own"
            self.script.forbid(self.position, f"{call.exact} writes into {what}")

    def _note_op(
        self, position: int, call: Call, given: Sequence[torch.Tensor], result: Any
    ) -> None:
        """Note what an op returned."""
        script = self.script
        tensors = list(iterate_tensors(result))
        hazard = self._find_hazard(position, call, result, tensors)
        if hazard:
            script.forbid(position, f"{call.exact} {hazard}")
        for tensor in given if call.mutates or call.writes else ():
            self._check_form(position, call, tensor)
        n_bytes = 0
        outputs = []
        for k, tensor in enumerate(tensors):
            place = next((j for j, one in enumerate(given) if one is tensor), -1)
            outputs.append(OutputForm(tensor.dtype, tensor.device, place))
            if place >= 0:
                n_bytes += _count_bytes(tensor) if call.mutates else 0
            else:
                n_bytes += self._note_made((position, k), call, tensor)
        container = None if isinstance(result, torch.Tensor) or result is None else type(result)
        noted = ScriptCall(call.exact, True, container, tuple(outputs))
        script.calls.append(noted)
        script.ops[position] = noted
        script.op_bytes.append(n_bytes)

    def _find_hazard(
        self, position: int, call: Call, result: Any, tensors: Sequence[torch.Tensor]
    ) -> str:
        """Return what an op does that no placeholder could stand for, or ""."""
        if not _is_plain_result(result, tensors):
            return f"returns a {type(result).__name__}"
        if self.draws(call):
            return "draws random numbers"
        if call.exact in _SWAPS or call.exact.endswith(".__set__"):
            return "gives a tensor other memory"
        return "" if self._shapes[position] is not None else "has shapes that cannot be foretold"

    def _check_form(self, position: int, call: Call, tensor: torch.Tensor) -> None:
        """Note an op that leaves its argument in another shape, layout or memory."""
        made = self._look_up(tensor)
        if made is None:
            return
        now = (self._memories.number(tensor), _read_form(tensor))
        if (made.memory, made.form) != now:
            self.script.forbid(position, f"{call.exact} changes the form of a tensor")
            made.memory = now[0]
            made.form = now[1]

    def _note_made(self, place: Place, call: Call, tensor: torch.Tensor) -> int:
        """Note a tensor that an op made; return the bytes that it wrote."""
        if self._look_up(tensor) is not None or type(tensor) not in _PLAIN:
            self.script.forbid(place[0], f"{call.exact} returns an object from elsewhere")
        memory = self._memories.number(tensor)
        n_bytes = _count_bytes(tensor)
        is_new = memory not in self._first_makers and memory not in self.script.own_memories
        if is_new:
            self._first_makers[memory] = place[0]
        form = _read_form(tensor)
        made = MadeTensor(place, memory, form, n_bytes, place[0], _find_flaw(tensor))
        self._made[id(tensor)] = (weakref.ref(tensor), made)
        self.script.tensors.append(made)
        return n_bytes if is_new else 0


def _is_plain_result(result: Any, tensors: Sequence[torch.Tensor]) -> bool:
    """Return whether a result is a tensor, nothing, or a tuple or list of tensors only."""
    if result is None or isinstance(result, torch.Tensor):
        return True
    kind = type(result)
    if kind not in (tuple, list) and kind.__module__ != "torch.return_types":
        return False
    return len(result) == len(tensors) and all(isinstance(one, torch.Tensor) for one in result)


def _find_flaw(tensor: torch.Tensor) -> str:
    """Return why the values of a tensor cannot be saved as the bytes of its memory, or ""."""
    if tensor.is_nested or tensor.layout != torch.strided or tensor.is_quantized:
        return "is no strided tensor"
    if not read_storage(tensor):
        return "has no memory of its own"
    return "is conjugated" if tensor.is_conj() or tensor.is_neg() else ""


def _read_form(tensor: torch.Tensor) -> tuple:
    if _find_flaw(tensor):
        return (tensor.dtype,)
    return (tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.storage_offset())


def count_span(tensor: torch.Tensor) -> int:
    """Return the number of elements from the first to the last of a strided tensor."""
    if tensor.numel() == 0:
        return 0
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    return 1 + sum((size - 1) * stride for size, stride in steps)


def _count_bytes(tensor: torch.Tensor) -> int:
    """Return the bytes of memory from the first to the last element."""
    if _find_flaw(tensor):
        return 0
    return count_span(tensor) * tensor.element_size()


def digest_tensors(tensors: Iterable[torch.Tensor]) -> str:
    """Return a digest of tensors' shapes, dtypes and bits.

    It is the sha256 of sums, modulo 2^64, of every 1021st of their words of 8 bytes.
    """
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        # The memory of quantised values has no view as bytes.
        values = tensor.dequantize() if tensor.is_quantized else tensor
        flat = values.detach().resolve_conj().resolve_neg().reshape(-1).contiguous()
        if not flat.numel():
            continue
        octets = flat.view(torch.uint8)
        whole = len(octets) // (8 * _WORDS) * 8 * _WORDS
        words = octets[:whole].clone() if octets.storage_offset() % 8 else octets[:whole]
        sums = words.view(torch.int64).reshape(-1, _WORDS).sum(0)  # (word,)
        # Of copies: memory that numpy has seen can never be resized again.
        for part in (octets[whole:], sums):
            digest.update(part.to("cpu", copy=True).numpy().tobytes())
    return digest.hexdigest()
