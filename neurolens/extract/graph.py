"""What ran and what fed what: plain records, no tensors."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from neurolens.errors import UnknownNameError
from neurolens.extract.rolling import Layer, LayerEdge, link_layers, roll_ops
from neurolens.labels import list_names, suggest_name


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Shape, dtype and device of one tensor, as plain values."""

    shape: tuple[int, ...]
    dtype: str
    device: str
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Parent:
    """One tensor argument of an op.

    ``kind`` is ``"op"``, ``"input"``, ``"parameter"``, ``"buffer"`` or ``"constant"`` (a tensor that
    no recorded op made); ``source`` is the op's name or the tensor's address; ``output`` says which
    result of a multi-output op; ``position`` where in the call it stood: ``"0"``, ``"1.2"``, ``"weight"``.
    """

    kind: str
    source: str
    output: int
    position: str


@dataclass(frozen=True, slots=True)
class Op:
    """One executed torch call that produced a tensor.

    Attributes
    ----------
    index : int
        Position in the order of execution, from 0.
    name : str
        ``<module address>/<function>[_<n>][@<pass>]``, unique within the graph.
    function : str
        Plain name: in-place and operator forms are folded (``relu_`` is ``relu``, ``__iadd__`` is ``add``).
    call : str
        The exact call that ran.
    settings : str
        Its arguments other than tensors, as text: ``"_, _, None, (2, 2), (0, 0)"``, with ``_`` for a tensor.
    composite : str
        The Python functions of torch that led to it, outermost first, ``""`` when called directly.
    module, module_class, module_call
        Address of the innermost running module (``""`` is the model itself), its class, and which call of it.
    site : str
        The name without ``@<pass>``: the place in the module that made the call.
    pass_number : int
        Which execution of that site, from 1.
    parents : tuple of Parent
        In order of argument position.
    outputs : tuple of TensorSpec
    alias_of : str
        The op whose memory this op's result shares (views, in-place, no-ops), or ``""``.
    source : str
        ``file:line`` of the caller outside torch.
    seconds : float
        Wall time of this execution.
    """

    index: int
    name: str
    function: str
    call: str
    settings: str
    composite: str
    module: str
    module_class: str
    module_call: int
    site: str
    pass_number: int
    parents: tuple[Parent, ...]
    outputs: tuple[TensorSpec, ...]
    alias_of: str
    source: str
    seconds: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the first output, batch axis included."""
        return self.outputs[0].shape

    @property
    def parent_ops(self) -> tuple[str, ...]:
        """Names of the ops that fed this one, without repeats, in argument order."""
        return tuple(dict.fromkeys(p.source for p in self.parents if p.kind == "op"))


@dataclass(frozen=True, slots=True)
class HostRead:
    """A value that left torch: ``function`` (``item``, ``__bool__``, ...) read ``parent`` at ``source``.

    ``after`` counts the ops that had run; ``value`` is what was read, shortened: for a branch, which way it went.
    """

    function: str
    parent: str
    source: str
    after: int
    value: str


@dataclass(frozen=True)
class Graph:
    """All ops of one pass in execution order, and what connects them to the outside.

    ``inputs`` maps a name (``"input"``, ``"input.1"``, ``"input.mask"``) to its tensor; ``outputs`` lists
    the parents that the model returned; ``modules`` maps addresses to class names; ``module_outputs``
    maps ``(address, call)`` to the op that made that module's output.
    """

    ops: tuple[Op, ...]
    inputs: dict[str, TensorSpec] = field(default_factory=dict)
    outputs: tuple[Parent, ...] = ()
    modules: dict[str, str] = field(default_factory=dict)
    module_outputs: dict[tuple[str, int], str] = field(default_factory=dict)
    host_reads: tuple[HostRead, ...] = ()

    def __len__(self) -> int:
        return len(self.ops)

    def __iter__(self) -> Iterator[Op]:
        return iter(self.ops)

    @cached_property
    def by_name(self) -> dict[str, Op]:
        """Ops by exact name."""
        return {op.name: op for op in self.ops}

    @cached_property
    def by_composite(self) -> dict[str, tuple[str, ...]]:
        """Names of the ops made by each composite; at the level of kernels, those each function-level op ran."""
        made: dict[str, list[str]] = {}
        for op in self.ops:
            made.setdefault(op.composite, []).append(op.name)
        return {name: tuple(names) for name, names in made.items()}

    @cached_property
    def children(self) -> dict[str, tuple[str, ...]]:
        """Names of the ops each op feeds, in execution order."""
        fed: dict[str, list[str]] = {op.name: [] for op in self.ops}
        for op in self.ops:
            for parent in op.parent_ops:
                fed[parent].append(op.name)
        return {name: tuple(names) for name, names in fed.items()}

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The rolled view: layers with their passes, in order of first execution."""
        return roll_ops(self.ops)

    @cached_property
    def layer_edges(self) -> tuple[LayerEdge, ...]:
        """What feeds what in the rolled view, and which edges recur."""
        return link_layers(self.ops, self.layers)

    def find_op(self, key: str | int) -> Op:
        """Return the op for an exact name, a module address (``"layer1.0"``, ``"fc@2"``) or a position.

        ``_1`` and ``@1`` may be written out: ``"relu/relu@1"`` is ``"relu/relu"``.

        Raises
        ------
        UnknownNameError
            With the closest names.
        """
        if isinstance(key, int):
            try:
                return self.ops[key]
            except IndexError:
                raise UnknownNameError(f"op {key} asked for, but there are {len(self)} ops") from None
        for name in (key, key.removesuffix("@1"), key.removesuffix("@1").removesuffix("_1")):
            if name in self.by_name:
                return self.by_name[name]
        address, _, call = key.partition("@")
        if (not call or call.isdecimal()) and "/" not in key:
            made = self.module_outputs.get((address, int(call or 1)))
            if made is not None:
                return self.by_name[made]
            if address in self.modules:
                calls = sorted(c for a, c in self.module_outputs if a == address)
                raise UnknownNameError(
                    f"module {address!r} ({self.modules[address]}) has no op as the output of call {call or 1}; "
                    f"calls with one: {list_names(calls)}"
                )
        addresses = dict.fromkeys(a for a, _ in self.module_outputs if a)
        raise suggest_name(key, [*self.by_name, *addresses], "op or module")
