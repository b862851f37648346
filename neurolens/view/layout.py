"""What is visible: which ops stand for themselves, which modules are folded, what feeds what, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from neurolens.errors import InputError
from neurolens.extract.graph import Graph, Op
from neurolens.view.columns import cut_columns, find_spine, find_wires, measure_rows, price_border

MOST_VISIBLE = 160
MOST_JUMPS = 0.1
LAYOUTS = ("auto", "columns", "flow")


@dataclass(frozen=True, slots=True)
class Node:
    """One box: ``kind`` is ``"op"``, ``"module"`` (folded, several ops), ``"input"`` or ``"output"``.

    ``clusters`` are positions in ``Layout.clusters``, outermost first; ``address`` is the module; ``label`` is
    what the box adds to its function: the module's name within its cluster, or the name of an input.
    """

    kind: str
    label: str
    address: str
    ops: tuple[Op, ...] = ()
    clusters: tuple[int, ...] = ()
    shape: tuple[int, ...] | None = None
    module_class: str = ""
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """``role`` is ``"main"`` or ``"shortcut"`` (a longer path also leads there); ``wired``: drawn by a column wire."""

    tail: int
    head: int
    role: str
    wired: bool = False


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

    ``wires[k]`` is the node whose output leads from column ``k`` to the next, or None; ``depth`` is None when
    every op stands for itself; ``spines[k]`` is the longest path down column ``k``. With ``kind`` ``"flow"`` there
    is one column and no wire.
    """

    kind: str
    depth: int | None
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    clusters: tuple[Cluster, ...]
    columns: tuple[tuple[int, ...], ...]
    wires: tuple[int | None, ...]
    spines: tuple[tuple[int, ...], ...]


def read_graph(trace: Any) -> Graph:
    """Return the Graph of a trace, or the Graph itself.

    Raises
    ------
    InputError
        For anything else.
    """
    graph = getattr(trace, "graph", trace)
    if not isinstance(graph, Graph):
        raise InputError(
            f"a Trace or a Graph is needed to draw, got {type(trace).__name__}. Pass trace(model, inputs)."
        )
    return graph


def lay_out(graph: Graph, *, depth: int | None = None, layout: str = "auto") -> Layout:
    """Turn a graph into boxes, arrows, shaded modules and newspaper columns.

    Parameters
    ----------
    graph : Graph
    depth : int, optional
        Fold modules standing this many levels below the model into one card each, counted from the first level
        that branches (wrappers that hold everything do not count). By default nothing is folded up to 160 ops,
        and above that the deepest level giving at most 160 boxes.
    layout : str
        ``"columns"`` cuts the chain at module borders, ``"flow"`` leaves placing to Graphviz, ``"auto"`` takes
        columns unless more than a tenth of the arrows would jump over a border.

    Raises
    ------
    InputError
        For an unknown layout, a depth below 1 or a graph without ops.

    Notes
    -----
    Shortcuts are found with one bit set of ancestors per box: boxes × arrows / 64 steps.
    """
    if layout not in LAYOUTS:
        raise InputError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}.")
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 1):
        raise InputError(f"depth must be a whole number from 1 (the model's top-level modules), got {depth!r}.")
    if not len(graph):
        raise InputError("the graph has no ops, so there is nothing to draw. Trace a model that calls torch.")
    paths, root = find_module_paths(graph)
    runs, depth = _fold_modules(graph, paths, depth)
    bodies, clusters = _open_clusters(graph, runs, root)
    nodes, pairs = _connect_nodes(graph, bodies)
    tops, bottoms = measure_rows([1.5 if n.kind == "module" else 1.0 for n in nodes], pairs)
    around = [node.clusters for node in nodes]
    borders = [price_border(a, b, len(_share_prefix(a, b))) for a, b in pairwise(around)]
    columns = [list(range(len(nodes)))]
    if layout != "flow":
        columns = cut_columns(tops, bottoms, borders, pairs)
    wires, wired, jumps = find_wires(columns, pairs)
    if layout == "auto" and jumps > MOST_JUMPS * len(pairs):
        columns = [list(range(len(nodes)))]
        wires, wired, jumps = find_wires(columns, pairs)
    ends = [
        max(column, key=lambda node: bottoms[node]) if wire is None else wire
        for column, wire in zip(columns, [*wires, None], strict=True)
    ]
    shortcuts = find_shortcuts(len(nodes), pairs)
    edges = [Edge(a, b, "shortcut" if (a, b) in shortcuts else "main", (a, b) in wired) for a, b in pairs]
    return Layout(
        kind="columns" if len(columns) > 1 else "flow",
        depth=depth,
        nodes=tuple(nodes),
        edges=tuple(edges),
        clusters=tuple(clusters),
        columns=tuple(tuple(column) for column in columns),
        wires=tuple(wires),
        spines=tuple(tuple(find_spine(column, end, bottoms, pairs)) for column, end in zip(columns, ends, strict=True)),
    )


def find_module_paths(graph: Graph) -> tuple[dict[str, tuple[str, ...]], str]:
    """Return, per op, the modules around it that hold several ops, outermost first, and the common wrapper.

    A module around a single op (``conv1`` around ``conv2d``) is no container: its name goes on the op's card.
    Wrappers around the whole model are left out and answered as the second value, ``""`` when there is none.
    """
    containers: set[str] = set()
    calls: set[tuple[str, int]] = set()
    for op in graph:
        containers.update(_list_addresses(op.module)[:-1])
        if (op.module, op.module_call) in calls:
            containers.add(op.module)
        calls.add((op.module, op.module_call))
    paths = {op.name: tuple(a for a in _list_addresses(op.module) if a in containers) for op in graph}
    root = ""
    while all(paths.values()) and len({path[0] for path in paths.values()}) == 1:
        root = next(iter(paths.values()))[0]
        paths = {name: path[1:] for name, path in paths.items()}
    return paths, root


def find_shortcuts(n_nodes: int, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the pairs (tail, head), tail < head, between which a longer path exists as well."""
    parents: list[list[int]] = [[] for _ in range(n_nodes)]
    for tail, head in pairs:
        parents[head].append(tail)
    ancestors = [0] * n_nodes
    found = set()
    for head in range(n_nodes):
        above = 0
        for tail in parents[head]:
            above |= ancestors[tail]
        for tail in parents[head]:
            if above >> tail & 1:
                found.add((tail, head))
            ancestors[head] |= 1 << tail
        ancestors[head] |= above
    return found


def _list_addresses(module: str) -> list[str]:
    parts = module.split(".") if module else []
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _fold_modules(
    graph: Graph, paths: dict[str, tuple[str, ...]], depth: int | None
) -> tuple[list[tuple[tuple[str, ...], list[Op]]], int | None]:
    """Group ops into boxes: (modules around the box, its ops); runs are unbroken, so no box can feed itself."""

    def fold(level: int) -> list[tuple[tuple[str, ...], list[Op]]]:
        boxes = []
        for folded, run in groupby(graph, key=lambda op: paths[op.name][:level] if level else None):
            ops = list(run)
            if folded is not None and len(folded) == level and len(ops) > 1:
                boxes.append((folded, ops))
            else:
                boxes.extend((paths[op.name], [op]) for op in ops)
        return boxes

    deepest = max(len(path) for path in paths.values())
    if depth is not None:
        return fold(depth), depth if depth <= deepest else None
    if len(graph) <= MOST_VISIBLE or not deepest:
        return fold(0), None
    for level in range(deepest, 0, -1):
        boxes = fold(level)
        if len(boxes) <= MOST_VISIBLE:
            break
    return boxes, level


def _open_clusters(
    graph: Graph, boxes: list[tuple[tuple[str, ...], list[Op]]], root: str
) -> tuple[list[Node], list[Cluster]]:
    # A box of one op stands inside all its modules; a folded one is the last of them, seen from outside.
    around = [path[:-1] if len(ops) > 1 else path for path, ops in boxes]
    around = _drop_small(around)
    clusters: list[Cluster] = []
    seen: dict[str, int] = {}
    open_now: list[tuple[str, int]] = []
    nodes = []
    for (path, ops), outer in zip(boxes, around, strict=True):
        kept = len(_share_prefix(outer, [address for address, _ in open_now]))
        del open_now[kept:]
        for address in outer[kept:]:
            seen[address] = seen.get(address, 0) + 1
            inside = open_now[-1][0] if open_now else root
            title = ("." if open_now else "") + _cut_prefix(address, inside)
            title += f"@{seen[address]}" if seen[address] > 1 else ""
            clusters.append(Cluster(address, title, graph.modules.get(address, ""), len(open_now)))
            open_now.append((address, len(clusters) - 1))
        inside = outer[-1] if outer else root
        op = ops[0]
        places = tuple(place for _, place in open_now)
        if len(ops) > 1:
            label = ("." if outer else "") + _cut_prefix(path[-1], inside)
            nodes.append(Node("module", label, path[-1], tuple(ops), places, None, graph.modules.get(path[-1], "")))
            continue
        label = _cut_prefix(op.module, inside)
        label = "" if label == op.function else label
        label += f"@{op.pass_number}" if op.pass_number > 1 else ""
        fed = any(parent.kind in ("op", "input") for parent in op.parents)
        nodes.append(Node("op", label, op.module, (op,), places, op.shape, op.module_class, not fed))
    return nodes, clusters


def _drop_small(around: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    # Below the second level an area for one or two boxes costs more room than the name it carries.
    sizes: dict[str, int] = {}
    for path in around:
        for address in path:
            sizes[address] = sizes.get(address, 0) + 1
    return [tuple(a for i, a in enumerate(path) if i < 2 or sizes[a] > 2) for path in around]


def _connect_nodes(graph: Graph, bodies: list[Node]) -> tuple[list[Node], list[tuple[int, int]]]:
    used = dict.fromkeys(p.source for op in graph for p in op.parents if p.kind == "input")
    specs = graph.inputs
    nodes = [Node("input", name, "", shape=specs[name].shape if name in specs else None) for name in used]
    place = {("input", name): i for i, name in enumerate(used)}
    for i, node in enumerate(bodies, start=len(nodes)):
        place.update({("op", op.name): i for op in node.ops})
    nodes += bodies
    arrows = [(p, ("op", op.name)) for op in graph for p in op.parents]
    if graph.outputs:
        results = dict.fromkeys((p.kind, p.source, p.output) for p in graph.outputs)
        single = graph.by_name.get(graph.outputs[0].source) if len(results) == 1 else None
        label = "output" if len(results) == 1 else f"{len(results)} outputs"
        shape = single.outputs[graph.outputs[0].output].shape if single else None
        place["output", ""] = len(nodes)
        nodes.append(Node("output", label, "", shape=shape))
        arrows += [(p, ("output", "")) for p in graph.outputs]
    pairs: dict[tuple[int, int], None] = {}
    for parent, head in arrows:
        tail = place.get((parent.kind, parent.source))
        if tail is not None and tail != place[head]:
            pairs[tail, place[head]] = None
    return nodes, list(pairs)


def _cut_prefix(address: str, prefix: str) -> str:
    if address == prefix:
        return ""
    return address.removeprefix(prefix + ".") if prefix else address


def _share_prefix(one: Sequence, other: Sequence) -> Sequence:
    n = 0
    while n < min(len(one), len(other)) and one[n] == other[n]:
        n += 1
    return one[:n]
