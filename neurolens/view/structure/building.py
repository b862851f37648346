"""The structure of a graph: nodes in order of execution, runs of modules, edges."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace

from neurolens.errors import InputError
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import HostRead, Op, Parent
from neurolens.view.structure.edges import build_edges
from neurolens.view.structure.order import order_layers
from neurolens.view.structure.records import Node, Run, Structure
from neurolens.view.structure.runs import (
    build_runs,
    cut_prefix,
    cut_wrappers,
    find_paths,
    write_call,
)
from neurolens.view.style import format_shape

# A source of data: the kind of its `Parent`, and its name.
Source = tuple[str, str]


def build_structure(graph: Graph, *, rolled: bool | None = None) -> Structure:
    """Return what can be shown of a graph.

    Parameters
    ----------
    graph : Graph
    rolled : bool, optional
        Whether the passes of a recurrent layer share a node; by default they do where a later pass
        of a layer reads an earlier one (``graph.layer_edges``) and some repeated layer has
        parameters. A loop without any, such as one that writes a mask piece by piece, is a
        computation and no recurrent layer.

    Raises
    ------
    InputError
        For a graph without ops, or what is no graph.

    Notes
    -----
    Modules around everything are left out; the innermost is ``root``. So is a run of a single node,
    and below the second level one of two: its nodes stand in the run around it. Time is that of
    `edges.find_shortcuts`.
    """
    _check_arguments(graph, rolled)
    if rolled is None:
        rolled = _is_recurrent(graph)
    groups = order_layers(graph) if rolled else [[op] for op in graph]
    shared = [op.name for group in groups if len(group) > 1 for op in group]
    paths, root = cut_wrappers(find_paths(graph, shared))
    inputs = _list_inputs(graph)
    first_paths = [paths[group[0].name] for group in groups]
    runs = build_runs([*[()] * len(inputs), *first_paths], graph.modules, root)
    run_of_node = _find_innermost(runs, len(inputs) + len(groups))
    generated = _find_generated(graph)
    nodes = list(inputs)
    for group in groups:
        node = _build_node(group, generated)
        position = run_of_node[len(nodes)]
        nodes.append(_place_node(node, group[0], position, runs, root))
    if graph.outputs:
        nodes.append(_build_output(graph))
        run_of_node.append(-1)
    nodes = _attach_reads(nodes, graph.host_reads)
    edges = build_edges(_list_pairs(graph, nodes), runs, run_of_node)
    return Structure(tuple(nodes), tuple(runs), edges, bool(shared), root)


def _is_recurrent(graph: Graph) -> bool:
    """Return whether passes of a layer feed each other and a repeated layer has parameters."""
    if not any(edge.recurrent for edge in graph.layer_edges):
        return False
    repeated = [graph.by_name[layer.ops[0]] for layer in graph.layers if len(layer.ops) > 1]
    return any(parent.kind == "parameter" for op in repeated for parent in op.parents)


def _check_arguments(graph: Graph, rolled: bool | None) -> None:
    if not isinstance(graph, Graph):
        raise InputError(
            f"a Graph is needed to draw, got {type(graph).__name__}. Pass trace(model, inputs).",
            anchor="wrong-object",
        )
    if not len(graph):
        raise InputError(
            "the graph has no ops, so there is nothing to draw. Trace a model that calls torch."
        )
    if rolled is not None and not isinstance(rolled, bool):
        raise InputError(f"rolled must be True, False or None, got {rolled!r}.")


def _list_inputs(graph: Graph) -> list[Node]:
    """Return a node for each input that an op reads, or that the model returned."""
    reads = [parent for op in graph for parent in op.parents]
    names = dict.fromkeys(p.source for p in [*reads, *graph.outputs] if p.kind == "input")
    nodes = []
    for name in names:
        spec = graph.inputs.get(name)
        shape = format_shape(spec.shape) if spec else ""
        nodes.append(Node("input", name, "", (), -1, shape))
    return nodes


def _find_innermost(runs: Sequence[Run], n_nodes: int) -> list[int]:
    """Return the innermost run around each node, -1 for none."""
    innermost = [-1] * n_nodes
    for position, run in enumerate(runs):  # each after the one around it
        innermost[run.first : run.last + 1] = [position] * (run.last + 1 - run.first)
    return innermost


def _find_generated(graph: Graph) -> set[str]:
    """Return the ops that no input reaches."""
    fed: set[str] = set()
    for op in graph:
        if any(p.kind == "input" or (p.kind == "op" and p.source in fed) for p in op.parents):
            fed.add(op.name)
    return {op.name for op in graph} - fed


def _build_node(group: Sequence[Op], generated: Container[str]) -> Node:
    """Return the node of one op, or of all passes of a layer."""
    op = group[0]
    return Node(
        kind="op",
        name=op.function,
        label="",
        ops=tuple(one.name for one in group),
        run=-1,
        shape=format_shape(op.shape),
        n_outputs=len(op.outputs),
        generated=all(one.name in generated for one in group),
        steps=_number_steps(group),
    )


def _place_node(node: Node, op: Op, position: int, runs: Sequence[Run], root: str) -> Node:
    """Return a node in its run, with the label that it has as seen from there."""
    address = runs[position].address if position >= 0 else root
    label = cut_prefix(op.module, address)
    parts = ["" if label == op.function else label]
    if len(node.ops) == 1:
        parts.append(write_call(op.pass_number, runs[position].call if position >= 0 else 1))
    return replace(node, run=position, label=" ".join(part for part in parts if part))


def _number_steps(group: Sequence[Op]) -> tuple[int, ...]:
    """Return the time step of each pass, or its number where steps do not tell passes apart."""
    steps = [op.time_step for op in group if op.time_step is not None]
    if len(steps) < len(group) or len(set(steps)) < len(group):
        return tuple(range(1, len(group) + 1))
    return tuple(steps)


def _build_output(graph: Graph) -> Node:
    results = dict.fromkeys((p.kind, p.source, p.output) for p in graph.outputs)
    if len(results) > 1:
        return Node("output", "output", f"{len(results)} tensors", (), -1, "")
    first = graph.outputs[0]
    op = graph.by_name.get(first.source)
    if first.kind == "op" and op is not None:
        return Node("output", "output", "", (), -1, format_shape(op.outputs[first.output].shape))
    return Node("output", "output", "", (), -1, "")


def _attach_reads(nodes: Sequence[Node], reads: Iterable[HostRead]) -> list[Node]:
    """Return the nodes with the values that Python read from them."""
    by_source: dict[str, list[HostRead]] = {}
    for read in reads:
        by_source.setdefault(read.parent, []).append(read)
    attached = []
    for node in nodes:
        sources = node.ops if node.kind == "op" else (node.name,) * (node.kind == "input")
        found = [read for source in sources for read in by_source.get(source, ())]
        attached.append(replace(node, reads=tuple(found)) if found else node)
    return attached


def _list_pairs(graph: Graph, nodes: Sequence[Node]) -> list[tuple[int, int]]:
    """Return tail and head of every read between nodes, in order of execution."""
    positions: dict[Source, int] = {}
    for i, node in enumerate(nodes):
        if node.kind == "input":
            positions["input", node.name] = i
        for name in node.ops:
            positions["op", name] = i
    reads: list[tuple[Parent, int]] = []
    for op in graph:
        reads += [(parent, positions["op", op.name]) for parent in op.parents]
    reads += [(parent, len(nodes) - 1) for parent in graph.outputs]
    pairs = []
    for parent, head in reads:
        tail = positions.get((parent.kind, parent.source))
        if tail is not None:
            pairs.append((tail, head))
    return pairs
