"""All ops of one pass, what connects them, and how they are found by name."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from neurolens.errors import UnknownNameError
from neurolens.extract.graph.layers import Layer, LayerEdge, link_layers, roll_ops
from neurolens.extract.graph.ops import HostRead, Op, Parent, TensorSpec
from neurolens.labels import list_names, suggest_name


@dataclass(frozen=True)
class Graph:
    """All ops of one pass in execution order, and what connects them to the outside.

    ``inputs`` maps a name (``"input"``, ``"input.1"``, ``"input.mask"``) to its tensor; ``outputs``
    lists the parents that the model returned; ``modules`` maps addresses to class names;
    ``module_outputs`` maps ``(address, call)`` to the op that made that module's output.
    """

    ops: tuple[Op, ...]
    inputs: dict[str, TensorSpec] = field(default_factory=dict)
    outputs: tuple[Parent, ...] = ()
    modules: dict[str, str] = field(default_factory=dict)
    module_outputs: dict[tuple[str, int], str] = field(default_factory=dict)
    host_reads: tuple[HostRead, ...] = ()

    def __repr__(self) -> str:
        return f"<Graph: {len(self)} ops in {len(self.modules)} modules>"

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
        """Names of the ops made by each composite.

        At the level of kernels, these are the kernels that each function-level op ran.
        """
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
    def returned_ops(self) -> frozenset[str]:
        """Names of the ops whose results the model returned."""
        return frozenset(parent.source for parent in self.outputs if parent.kind == "op")

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The rolled view: layers with their passes, in order of first execution."""
        return roll_ops(self.ops)

    @cached_property
    def layer_edges(self) -> tuple[LayerEdge, ...]:
        """The edges of the rolled view, and which of them recur."""
        return link_layers(self.ops, self.layers)

    def find_op(self, key: str | int) -> Op:
        """Return the op for an exact name, a module address or a position.

        A module address (``"layer1.0"``, ``"fc@2"`` for its second call) stands for the op that
        made that module's output. ``_1`` and ``@1`` may be written out: ``"relu/relu@1"`` is
        ``"relu/relu"``.

        Raises
        ------
        UnknownNameError
            With the closest names.
        """
        if isinstance(key, int):
            return self._find_position(key)
        for name in (key, key.removesuffix("@1"), key.removesuffix("@1").removesuffix("_1")):
            if name in self.by_name:
                return self.by_name[name]
        address, _, call = key.partition("@")
        if (not call or call.isdecimal()) and "/" not in key:
            output = self._find_module_output(address, int(call or 1))
            if output is not None:
                return self.by_name[output]
        addresses = dict.fromkeys(a for a, _ in self.module_outputs if a)
        raise suggest_name(key, [*self.by_name, *addresses], "op or module")

    def _find_position(self, position: int) -> Op:
        try:
            return self.ops[position]
        except IndexError:
            message = f"op {position} asked for, but there are {len(self)} ops"
            raise UnknownNameError(message) from None

    def _find_module_output(self, address: str, call: int) -> str | None:
        """Return the op that made a module's output, None where there is no such module."""
        name = self.module_outputs.get((address, call))
        if name is None and address in self.modules:
            calls = sorted(c for a, c in self.module_outputs if a == address)
            raise UnknownNameError(
                f"module {address!r} ({self.modules[address]}) has no op as the output of call "
                f"{call}; calls with one: {list_names(calls)}"
            )
        return name
