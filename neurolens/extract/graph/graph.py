"""All ops of one pass, what connects them, and how they are found by name."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from neurolens.errors import UnknownNameError
from neurolens.extract.graph.executions import Executions, split_choice
from neurolens.extract.graph.layers import Layer, LayerEdge, link_layers, roll_ops
from neurolens.extract.graph.ops import HostRead, Op, Parent, TensorSpec
from neurolens.extract.graph.summaries import write_graph
from neurolens.labels import list_names, suggest_name


@dataclass(frozen=True)
class Graph:
    """All ops of one pass in execution order, and what connects them to the outside.

    ``inputs`` maps a name (``"input"``, ``"input.1"``, ``"input.mask"``) to its tensor; ``outputs``
    lists the parents that the model returned; ``modules`` maps addresses to class names;
    ``module_outputs`` maps ``(address, call)`` to the op that made that module's output, and
    ``other_outputs`` to what the module returned where that is no op's result: an input, parameter
    or constant, None for no tensor.
    """

    ops: tuple[Op, ...]
    inputs: dict[str, TensorSpec] = field(default_factory=dict)
    outputs: tuple[Parent, ...] = ()
    modules: dict[str, str] = field(default_factory=dict)
    module_outputs: dict[tuple[str, int], str] = field(default_factory=dict)
    host_reads: tuple[HostRead, ...] = ()
    other_outputs: dict[tuple[str, int], Parent | None] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Graph: {len(self)} ops in {len(self.modules)} modules>"

    def _repr_html_(self) -> str:
        return write_graph(f"Graph: {len(self)} ops in {len(self.modules)} modules", self)

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

    @cached_property
    def executions(self) -> Executions:
        """The executions of each place and the calls of each module."""
        sites: dict[str, list[str]] = {}
        for op in self.ops:
            sites.setdefault(op.site, []).append(op.name)
        n_calls = dict.fromkeys(self.modules, 0)
        for address, call in itertools.chain(self.module_outputs, self.other_outputs):
            n_calls[address] = max(call, n_calls.get(address, 0))
        modules = {}
        for address, n in n_calls.items():
            calls = range(1, n + 1)
            modules[address] = [self.module_outputs.get((address, call)) for call in calls]
        return Executions(sites, modules)

    def find_op(self, key: str | int) -> Op:
        """Return the op for an exact name, a module address or a position.

        A module address (``"layer1.0"``) stands for the op that made that module's output, in its
        first call where there are several: ``"fc@2"`` is its second, ``"fc@last"`` its last; ops
        that run again are named alike. ``_1`` and ``@1`` may be written out: ``"relu/relu@1"`` is
        ``"relu/relu"``.

        Raises
        ------
        UnknownNameError
            With the closest names; for a module call whose output no op made, with what to use
            instead; for a name that stands for several ops, ``"fc@*"``.
        """
        if isinstance(key, int):
            return self._find_position(key)
        if key in self.by_name:
            return self.by_name[key]
        if key in self.executions.modules:
            key = f"{key}@1"
        found = self.find_executions(key)
        if len(found) > 1:
            raise UnknownNameError(
                f"{key!r} stands for {len(found)} ops: {list_names(found)}. Take one of them, or "
                "pass it as ops= to a function that takes several.",
                anchor="unknown-op",
            )
        return self.by_name[found[0]]

    def find_executions(self, text: str) -> list[str]:
        """Return the ops that a place or module address with a choice of executions stands for.

        Raises
        ------
        UnknownNameError
            With the closest names, or why a call of the module has no op as its output.
        """
        found = self.executions.find(text)
        if found is None:
            raise suggest_name(
                text, [*self.by_name, *_list_called(self)], "op or module", anchor="unknown-op"
            )
        address = text if text in self.modules else split_choice(text)[0]
        if not found:
            raise UnknownNameError(_explain_uncalled(self, address), anchor="unknown-op")
        names = []
        for number, name in found.items():
            if name is None:
                raise UnknownNameError(_explain_output(self, address, number), anchor="unknown-op")
            names.append(name)
        return names

    def _find_position(self, position: int) -> Op:
        try:
            return self.ops[position]
        except IndexError:
            message = f"op {position} asked for, but there are {len(self)} ops"
            raise UnknownNameError(message, anchor="unknown-op") from None


def _explain_uncalled(graph: Graph, address: str) -> str:
    """Return why a module has no call, and what to ask for instead."""
    module = _describe_module(graph, address)
    within = _list_within(graph, address)
    if within:
        children = dict.fromkeys(op.module for op in within)
        return (
            f"{module} was not called itself, only what it contains. Ask for that: "
            f"{list_names(children, 3)}, or the pattern '{address}.*'."
        )
    return (
        f"{module} did not run in this pass, or not as a module whose calls can be seen. "
        f"Ask for one that ran: {list_names(_list_called(graph), 3)}."
    )


def _explain_output(graph: Graph, address: str, call: int) -> str:
    """Return why no op made the output of a module's call, and what to ask for instead."""
    returned = graph.other_outputs.get((address, call))
    if returned is None:
        what = "returned no tensor, or had not returned when the pass ended"
    elif returned.kind == "input":
        what = f"returned {returned.source!r} as it came in, which is no op's result"
    elif returned.kind == "constant":
        what = "returned a tensor that no recorded op made"
    else:
        what = f"returned the {returned.kind} {returned.source!r} itself, which is no op's result"
    calls = [f"{address}@{c}" for a, c in graph.module_outputs if a == address]
    within = [op.name for op in _list_within(graph, address)]
    readers = [op.name for op in graph if _reads(op, returned)]
    instead = "another module"
    if calls:
        instead = f"the calls whose output an op made: {list_names(calls, 3)}"
    elif within:
        instead = f"ops within it: {list_names(within, 3)}"
    elif readers:
        instead = f"what reads it: {list_names(readers, 3)}"
    return f"call {call} of {_describe_module(graph, address)} {what}. Ask for {instead}."


def _describe_module(graph: Graph, address: str) -> str:
    return f"module {address!r} ({graph.modules.get(address, 'Module')})"


def _list_within(graph: Graph, address: str) -> list[Op]:
    """Return the ops that ran in a module, what it contains included."""
    return [op for op in graph if f"{op.module}.".startswith(f"{address}.")]


def _reads(op: Op, source: Parent | None) -> bool:
    """Return whether an op takes a named tensor as an argument."""
    if source is None or source.kind == "constant":
        return False
    return any((p.kind, p.source) == (source.kind, source.source) for p in op.parents)


def _list_called(graph: Graph) -> list[str]:
    """Return the addresses of the modules whose output an op made, the model itself aside."""
    return list(dict.fromkeys(address for address, _ in graph.module_outputs if address))
