"""What is visible: which ops stand for themselves, which modules are folded, what feeds what.

And where.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, chain, groupby
from operator import or_
from typing import Any

from neurolens.errors import InputError
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Op
from neurolens.view.graph.columns import arrange_boxes, count_shared

MOST_VISIBLE = 160
LAYOUTS = ("auto", "columns", "flow")
# The modules around a box, outermost first, and its ops.
Box = tuple[tuple[str, ...], list[Op]]


@dataclass(frozen=True, slots=True)
class Node:
    """One box: ``kind`` is ``"op"``, ``"module"`` (folded, several ops), ``"input"`` or ``"output"``.

    ``clusters`` are positions in ``Layout.clusters``, outermost first; ``address`` is the module;
    ``label`` is what the box adds to its function: the module's name within its cluster, or the
    name of an input, which alone has its ``shape`` here. What is ``generated`` was made without any
    input.
    """

    kind: str
    label: str
    address: str = ""
    ops: tuple[Op, ...] = ()
    clusters: tuple[int, ...] = ()
    shape: tuple[int, ...] | None = None
    module_class: str = ""
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """``shortcut``: a longer path also leads there; ``wired``: drawn by a column wire."""

    tail: int
    head: int
    shortcut: bool
    wired: bool


@dataclass(frozen=True, slots=True)
class Cluster:
    """One uninterrupted run of a module's ops, to be drawn as a shaded area."""

    address: str
    title: str
    module_class: str
    depth: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything a writer needs: nodes in order of execution, edges, clusters, and columns as lists of nodes.

    ``depth`` is None when every op stands for itself; ``spines[k]`` is the longest path down column
    ``k``, and ``wires[k]`` the node whose output leads from it to the next column, or None.
    """

    depth: int | None
    nodes: list[Node]
    edges: list[Edge]
    clusters: list[Cluster]
    columns: list[list[int]]
    spines: list[list[int]]
    wires: list[int | None]


def read_graph(trace: Any) -> Graph:
    """Return the Graph of a trace, or the Graph itself; raise InputError for anything else."""
    graph = getattr(trace, "graph", trace)
    if not isinstance(graph, Graph):
        raise InputError(
            f"a Trace or a Graph is needed to draw, got {type(trace).__name__}. Pass trace(model, "
            f"inputs)."
        )
    return graph


def lay_out(graph: Graph, *, depth: int | None = None, layout: str = "auto") -> Layout:
    """Turn a graph into boxes, arrows, shaded modules and columns.

    Options and errors are those of ``draw_graph``.
    """
    if layout not in LAYOUTS:
        raise InputError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}.")
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 1):
        raise InputError(
            f"depth must be a whole number from 1 (the model's top-level modules), got {depth!r}."
        )
    if not len(graph):
        raise InputError(
            "the graph has no ops, so there is nothing to draw. Trace a model that calls torch."
        )
    paths, root = find_module_paths(graph)
    boxes, depth = _fold_modules(graph, paths, depth)
    bodies, clusters = _open_clusters(graph, boxes, root)
    nodes, arrows = _connect_nodes(graph, bodies)
    heights = [1.5 if node.kind == "module" else 1.0 for node in nodes]
    columns, spines, wires, wired = arrange_boxes(
        heights, [node.clusters for node in nodes], arrows, layout
    )
    shortcuts = find_shortcuts(len(nodes), arrows)
    edges = [Edge(*arrow, shortcut=arrow in shortcuts, wired=arrow in wired) for arrow in arrows]
    return Layout(depth, nodes, edges, clusters, columns, spines, wires)


def find_module_paths(graph: Graph) -> tuple[dict[str, tuple[str, ...]], str]:
    """Return, per op, the modules around it that hold several ops, outermost first, and the common wrapper.

    A module around a single op (``conv1`` around ``conv2d``) is no container: its name goes on the
    op's card. Wrappers around the whole model are left out and answered as the second value, ``""``
    when there is none.
    """
    around = {
        op.name: tuple(accumulate(op.module.split("."), "{}.{}".format)) if op.module else ()
        for op in graph
    }
    n_ops = Counter((op.module, op.module_call) for op in graph)
    containers = {address for path in around.values() for address in path[:-1]}
    containers.update(module for (module, _), n in n_ops.items() if n > 1)
    paths = {
        name: tuple(address for address in path if address in containers)
        for name, path in around.items()
    }
    root = ""
    while all(paths.values()) and len({path[0] for path in paths.values()}) == 1:
        root = next(iter(paths.values()))[0]
        paths = {name: path[1:] for name, path in paths.items()}
    return paths, root


def find_shortcuts(n_nodes: int, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the pairs (tail, head), tail < head, between which a longer path exists as well.

    One bit set of ancestors per box makes this boxes × pairs / 64 steps.
    """
    parents: list[list[int]] = [[] for _ in range(n_nodes)]
    for tail, head in pairs:
        parents[head].append(tail)
    ancestors: list[int] = []
    found: set[tuple[int, int]] = set()
    for head, tails in enumerate(parents):
        above = reduce(or_, (ancestors[tail] for tail in tails), 0)
        found.update((tail, head) for tail in tails if above >> tail & 1)
        ancestors.append(reduce(or_, (1 << tail for tail in tails), above))
    return found


def _fold_modules(
    graph: Graph, paths: dict[str, tuple[str, ...]], depth: int | None
) -> tuple[list[Box], int | None]:
    """Group ops into boxes; runs are unbroken, so no box can feed itself."""
    deepest = max(len(path) for path in paths.values())
    # One level below the deepest nothing is folded.
    for level in range(deepest + 1, 0, -1) if depth is None else [depth]:
        boxes: list[Box] = []
        for path, run in groupby(graph, key=lambda op: paths[op.name][:level]):
            ops = list(run)
            folded = len(path) == level and len(ops) > 1
            boxes += [(path, ops)] if folded else [(paths[op.name], [op]) for op in ops]
        if len(boxes) <= MOST_VISIBLE:
            break
    return boxes, level if level <= deepest else None


def _open_clusters(graph: Graph, boxes: list[Box], root: str) -> tuple[list[Node], list[Cluster]]:
    # A box of one op stands inside all its modules; a folded one is the last of them, seen from
    # outside.
    around = [path[:-1] if len(ops) > 1 else path for path, ops in boxes]
    # Below the second level an area for one or two boxes costs more room than the name it carries.
    sizes = Counter(chain.from_iterable(around))
    around = [tuple(a for i, a in enumerate(path) if i < 2 or sizes[a] > 2) for path in around]
    nodes: list[Node] = []
    clusters: list[Cluster] = []
    places: tuple[int, ...] = ()
    times_opened: Counter[str] = Counter()
    for (path, ops), outer in zip(boxes, around, strict=True):
        places = places[: count_shared([clusters[place].address for place in places], outer)]
        for level, address in list(enumerate(outer))[len(places) :]:
            times_opened[address] += 1
            title = (
                "." * bool(level)
                + _cut_prefix(address, outer[:level], root)
                + _count(times_opened[address])
            )
            places = (*places, len(clusters))
            clusters.append(Cluster(address, title, graph.modules.get(address, ""), level))
        op = ops[0]
        if len(ops) > 1:
            label = "." * bool(outer) + _cut_prefix(path[-1], outer, root)
            module_class = graph.modules.get(path[-1], "")
            nodes.append(
                Node("module", label, path[-1], tuple(ops), places, module_class=module_class)
            )
        else:
            label = _cut_prefix(op.module, outer, root)
            label = ("" if label == op.function else label) + _count(op.pass_number)
            fed = any(parent.kind in ("op", "input") for parent in op.parents)
            nodes.append(Node("op", label, op.module, (op,), places, generated=not fed))
    return nodes, clusters


def _connect_nodes(graph: Graph, bodies: list[Node]) -> tuple[list[Node], list[tuple[int, int]]]:
    """Add boxes for inputs and outputs; return all boxes and the arrows between them."""
    names = dict.fromkeys(p.source for op in graph for p in op.parents if p.kind == "input")
    inputs = [
        Node("input", name, shape=graph.inputs[name].shape if name in graph.inputs else None)
        for name in names
    ]
    nodes = inputs + bodies
    place = {("input", name): i for i, name in enumerate(names)}
    place |= {("op", op.name): i for i, node in enumerate(nodes) for op in node.ops}
    arrows = [(p, place["op", op.name]) for op in graph for p in op.parents]
    if graph.outputs:
        arrows += [(p, len(nodes)) for p in graph.outputs]
        nodes.append(_build_output(graph))
    tails = [place.get((parent.kind, parent.source)) for parent, _ in arrows]
    pairs = dict.fromkeys(
        (t, h) for t, (_, h) in zip(tails, arrows, strict=True) if t is not None and t != h
    )
    return nodes, list(pairs)


def _build_output(graph: Graph) -> Node:
    results = dict.fromkeys((p.kind, p.source, p.output) for p in graph.outputs)
    if len(results) > 1:
        return Node("output", f"{len(results)} outputs")
    first = graph.outputs[0]
    op = graph.by_name.get(first.source)
    return Node("output", "output", shape=op.outputs[first.output].shape if op else None)


def _cut_prefix(address: str, outer: tuple[str, ...], root: str) -> str:
    """Return an address as seen from the innermost of the modules around it.

    Or from the wrapper of all.
    """
    return address.removeprefix(outer[-1] if outer else root).removeprefix(".")


def _count(times: int) -> str:
    return f"@{times}" if times > 1 else ""
