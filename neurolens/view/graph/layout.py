"""Layout: which ops have a box of their own, which modules are folded, and how boxes are linked."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, chain, groupby
from operator import or_
from typing import Any, NamedTuple

from neurolens.errors import InputError
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Op
from neurolens.view.graph.columns import arrange_boxes, count_shared

MOST_VISIBLE = 160
LAYOUTS = ("auto", "columns", "flow")


class ModulePaths(NamedTuple):
    """The modules around each op that hold several ops, outermost first, and the common wrapper."""

    paths: dict[str, tuple[str, ...]]
    root: str


class Box(NamedTuple):
    """Ops drawn together, and the modules around them, outermost first.

    Several ops are a folded module, the last of ``path``.
    """

    path: tuple[str, ...]
    ops: tuple[Op, ...]

    @property
    def is_folded(self) -> bool:
        """Whether the box stands for a module of several ops."""
        return len(self.ops) > 1

    @property
    def around(self) -> tuple[str, ...]:
        """The modules in whose areas the box stands."""
        return self.path[:-1] if self.is_folded else self.path


class Folding(NamedTuple):
    """All boxes, and the level at which modules are folded, None when none is."""

    boxes: list[Box]
    depth: int | None


@dataclass(frozen=True, slots=True)
class Node:
    """A box: ``kind`` is ``"op"``, ``"module"`` (folded, several ops), ``"input"`` or ``"output"``.

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
    """An arrow between nodes.

    ``shortcut``: a longer path also leads there; ``wired``: it is drawn by a column wire.
    """

    tail: int
    head: int
    shortcut: bool
    wired: bool


@dataclass(frozen=True, slots=True)
class Cluster:
    """One uninterrupted run of a module's ops, to be drawn as a shaded area.

    ``call`` counts the calls of the module, from 1; a container whose parts are called one by one
    can have several runs in one call.
    """

    address: str
    title: str
    module_class: str
    depth: int
    call: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Nodes in order of execution, edges, clusters, and columns as lists of nodes.

    ``depth`` is None when no module is folded; ``spines[k]`` is the longest path down column ``k``,
    and ``wires[k]`` the node whose output leads from it to the next column, or None. ``parts`` has
    for each area, a cluster in a column, its position among those of the same call, as
    ``"2 of 4"``, or ``""`` for the only one.
    """

    depth: int | None
    nodes: list[Node]
    edges: list[Edge]
    clusters: list[Cluster]
    columns: list[list[int]]
    spines: list[list[int]]
    wires: list[int | None]
    parts: dict[tuple[int, int], str]


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
    folding = _fold_modules(graph, paths, depth)
    bodies, clusters = _open_clusters(graph, folding.boxes, root)
    nodes = _list_inputs(graph) + bodies
    if graph.outputs:
        nodes.append(_build_output(graph))
    arrows = _list_arrows(graph, nodes)
    heights = [1.5 if node.kind == "module" else 1.0 for node in nodes]
    around = [node.clusters for node in nodes]
    columns, spines, wires, wired = arrange_boxes(heights, around, arrows, layout)
    shortcuts = find_shortcuts(len(nodes), arrows)
    edges = [Edge(*arrow, shortcut=arrow in shortcuts, wired=arrow in wired) for arrow in arrows]
    parts = _number_areas(nodes, clusters, columns)
    return Layout(folding.depth, nodes, edges, clusters, columns, spines, wires, parts)


def find_module_paths(graph: Graph) -> ModulePaths:
    """Return the modules around each op that are to be drawn as areas.

    A module around a single op (``conv1`` around ``conv2d``) is no container: its name goes on the
    op's card. Wrappers around the whole model are left out; the innermost is ``root``, ``""`` when
    there is none.
    """
    around = {
        op.name: tuple(accumulate(op.module.split("."), "{}.{}".format)) if op.module else ()
        for op in graph
    }
    n_ops = Counter((op.module, op.module_call) for op in graph)
    containers = {address for path in around.values() for address in path[:-1]}
    containers.update(module for (module, _), n in n_ops.items() if n > 1)
    paths = {}
    for name, path in around.items():
        paths[name] = tuple(address for address in path if address in containers)
    root = ""
    while all(paths.values()) and len({path[0] for path in paths.values()}) == 1:
        root = next(iter(paths.values()))[0]
        paths = {name: path[1:] for name, path in paths.items()}
    return ModulePaths(paths, root)


def find_shortcuts(n_nodes: int, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the pairs (tail, head), tail < head, between which a longer path exists as well.

    One bit set of ancestors per box makes this boxes × pairs / 64 steps.
    """
    parents: list[list[int]] = [[] for _ in range(n_nodes)]
    for tail, head in pairs:
        parents[head].append(tail)
    ancestors: list[int] = []
    shortcuts: set[tuple[int, int]] = set()
    for head, tails in enumerate(parents):
        above = reduce(or_, (ancestors[tail] for tail in tails), 0)
        shortcuts.update((tail, head) for tail in tails if above >> tail & 1)
        ancestors.append(reduce(or_, (1 << tail for tail in tails), above))
    return shortcuts


def number_calls(areas: Sequence[tuple[str, Sequence[str]]]) -> list[int]:
    """Return which call of its module each area belongs to, from 1.

    Parameters
    ----------
    areas : sequence of (str, sequence of str)
        Address of the module and sites of its ops, in order of execution. An area that runs a site
        again that the current call of its module has run begins the next call.
    """
    calls: dict[str, int] = {}
    executed: dict[str, set[str]] = {}
    numbers = []
    for address, sites in areas:
        if address not in calls or executed[address].intersection(sites):
            calls[address] = calls.get(address, 0) + 1
            executed[address] = set()
        executed[address].update(sites)
        numbers.append(calls[address])
    return numbers


def number_parts(keys: Sequence[Hashable]) -> list[str]:
    """Return ``"2 of 4"`` for the second of four equal keys, ``""`` for one that does not repeat.

    Examples
    --------
    >>> number_parts(["down", "up", "down"])
    ['1 of 2', '', '2 of 2']
    """
    totals = Counter(keys)
    counts: Counter[Hashable] = Counter()
    parts = []
    for key in keys:
        counts[key] += 1
        parts.append(f"{counts[key]} of {totals[key]}" if totals[key] > 1 else "")
    return parts


def _fold_modules(graph: Graph, paths: dict[str, tuple[str, ...]], depth: int | None) -> Folding:
    """Group ops into boxes; runs are unbroken, so no box can feed itself."""
    deepest = max(len(path) for path in paths.values())
    # One level below the deepest nothing is folded.
    for level in range(deepest + 1, 0, -1) if depth is None else [depth]:
        boxes = _fold_level(graph, paths, level)
        if len(boxes) <= MOST_VISIBLE:
            break
    return Folding(boxes, level if level <= deepest else None)


def _fold_level(graph: Graph, paths: dict[str, tuple[str, ...]], level: int) -> list[Box]:
    """Return a box for each run of ops in one module of this level, and for each other op."""
    boxes: list[Box] = []
    for path, run in groupby(graph, key=lambda op: paths[op.name][:level]):
        ops = tuple(run)
        if len(path) == level and len(ops) > 1:
            boxes.append(Box(path, ops))
        else:
            boxes += [Box(paths[op.name], (op,)) for op in ops]
    return boxes


def _open_clusters(graph: Graph, boxes: list[Box], root: str) -> tuple[list[Node], list[Cluster]]:
    """Return a node per box, and the areas in which the nodes stand."""
    # Below the second level an area for one or two boxes costs more room than the name it carries.
    sizes = Counter(chain.from_iterable(box.around for box in boxes))
    nodes: list[Node] = []
    paths: list[tuple[str, ...]] = []  # per area, the modules down to its own
    sites: list[list[str]] = []
    open_areas: tuple[int, ...] = ()
    for box, box_label in zip(boxes, _label_folded(boxes), strict=True):
        outer = tuple(a for i, a in enumerate(box.around) if i < 2 or sizes[a] > 2)
        n_shared = count_shared([paths[area][-1] for area in open_areas], outer)
        open_areas = open_areas[:n_shared]
        for level in range(n_shared, len(outer)):
            open_areas = (*open_areas, len(paths))
            paths.append(outer[: level + 1])
            sites.append([])
        for area in open_areas:
            sites[area] += [op.site for op in box.ops]
        prefix = outer[-1] if outer else root
        nodes.append(_build_node(graph, box, prefix, open_areas, box_label))
    calls = number_calls([(path[-1], run) for path, run in zip(paths, sites, strict=True)])
    clusters = []
    for path, call in zip(paths, calls, strict=True):
        title = _cut_prefix(path[-1], path[-2] if len(path) > 1 else root)
        title = "." * (len(path) > 1) + title + _write_call(call)
        module_class = graph.modules.get(path[-1], "")
        clusters.append(Cluster(path[-1], title, module_class, len(path) - 1, call))
    return nodes, clusters


def _label_folded(boxes: list[Box]) -> list[str]:
    """Return what the label of each folded box adds: ``@2``, `` 1 of 2``, ``""`` for the others."""
    folded = []
    for box in boxes:
        if box.is_folded:
            sites = [op.site for op in box.ops]
            folded.append((box.path[-1], sites))
    calls = number_calls(folded)
    parts = number_parts(
        [(address, call) for (address, _), call in zip(folded, calls, strict=True)]
    )
    labels = [
        _write_call(call) + (f" {part}" if part else "")
        for call, part in zip(calls, parts, strict=True)
    ]
    remaining = iter(labels)
    return [next(remaining) if box.is_folded else "" for box in boxes]


def _build_node(
    graph: Graph, box: Box, prefix: str, areas: tuple[int, ...], folded_label: str
) -> Node:
    """Return the node of a box, its names as seen from the module ``prefix``."""
    if box.is_folded:
        address = box.path[-1]
        label = "." * bool(areas) + _cut_prefix(address, prefix) + folded_label
        module_class = graph.modules.get(address, "")
        return Node("module", label, address, box.ops, areas, module_class=module_class)
    op = box.ops[0]
    label = _cut_prefix(op.module, prefix)
    label = ("" if label == op.function else label) + _write_call(op.pass_number)
    is_fed = any(parent.kind in ("op", "input") for parent in op.parents)
    return Node("op", label, op.module, box.ops, areas, generated=not is_fed)


def _number_areas(
    nodes: list[Node], clusters: list[Cluster], columns: list[list[int]]
) -> dict[tuple[int, int], str]:
    """Return which part of its module's call each area, a cluster in a column, shows."""
    areas: dict[tuple[int, int], None] = {}
    for k, column in enumerate(columns):
        for i in column:
            areas |= {(cluster, k): None for cluster in nodes[i].clusters}
    keys = [(clusters[cluster].address, clusters[cluster].call) for cluster, _ in areas]
    return dict(zip(areas, number_parts(keys), strict=True))


def _list_inputs(graph: Graph) -> list[Node]:
    """Return a node for each input that an op reads."""
    names = dict.fromkeys(p.source for op in graph for p in op.parents if p.kind == "input")
    nodes = []
    for name in names:
        spec = graph.inputs.get(name)
        nodes.append(Node("input", name, shape=spec.shape if spec else None))
    return nodes


def _list_arrows(graph: Graph, nodes: list[Node]) -> list[tuple[int, int]]:
    """Return the arrows between nodes as pairs of positions, without repeats."""
    positions: dict[tuple[str, str], int] = {}
    for i, node in enumerate(nodes):
        if node.kind == "input":
            positions["input", node.label] = i
        positions |= {("op", op.name): i for op in node.ops}
    reads = [(parent, positions["op", op.name]) for op in graph for parent in op.parents]
    reads += [(parent, len(nodes) - 1) for parent in graph.outputs]
    arrows: dict[tuple[int, int], None] = {}
    for parent, head in reads:
        tail = positions.get((parent.kind, parent.source))
        if tail is not None and tail != head:
            arrows[tail, head] = None
    return list(arrows)


def _build_output(graph: Graph) -> Node:
    results = dict.fromkeys((p.kind, p.source, p.output) for p in graph.outputs)
    if len(results) > 1:
        return Node("output", f"{len(results)} outputs")
    first = graph.outputs[0]
    op = graph.by_name.get(first.source)
    return Node("output", "output", shape=op.outputs[first.output].shape if op else None)


def _cut_prefix(address: str, prefix: str) -> str:
    """Return an address as seen from the module ``prefix`` around it."""
    return address.removeprefix(prefix).removeprefix(".")


def _write_call(number: int) -> str:
    return f"@{number}" if number > 1 else ""
