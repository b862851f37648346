"""What is visible of a plan: cards in boxes, column by column, and the arrows between cards."""

from dataclasses import dataclass, field

from neurolens.view.layout.records import Plan, Size
from neurolens.view.layout.tracks import Track


class Spot:
    """A card or box while it is being placed.

    ``y`` is counted from the top of the column, ``x`` from the left of the box around it until
    the widths of all channels are known. ``lanes`` holds the children of a box, lane by lane from
    the top; ``channels[k]`` the tracks of arrows to the right of lane ``k``; ``spans`` the heights
    between which arrows run up or down within lanes beside the first.
    """

    __slots__ = (
        "axis",
        "channels",
        "children",
        "column",
        "depth",
        "fed",
        "first",
        "height",
        "index",
        "kind",
        "lane",
        "lanes",
        "loops",
        "order",
        "parent",
        "position",
        "readers",
        "sources",
        "spans",
        "weight",
        "width",
        "x",
        "y",
    )

    def __init__(
        self, kind: str, index: int, parent: "Spot | None", column: int, first: int = 0
    ) -> None:
        self.kind = kind
        self.index = index
        self.parent: Spot = self if parent is None else parent
        self.column = column
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.first = first  # its first node
        self.order = 0
        self.position = 0 if parent is None else len(parent.children)
        self.weight = 0  # nodes in it
        self.fed = False  # whether anything leads into it
        self.loops = False  # whether it holds a node that feeds an earlier one
        self.children: list[Spot] = []
        self.lanes: list[list[Spot]] = []
        self.channels: list[dict[tuple[int, bool], Track]] = []
        self.spans: list[tuple[float, float]] = []
        self.lane = 0
        self.x = 0.0
        self.y = 0.0
        self.width = 0.0
        self.height = 0.0
        self.axis = 0.0
        self.sources: list[Spot] = []  # siblings that lead to it, and come earlier
        self.readers: list[Spot] = []
        if parent is not None:
            parent.children.append(self)

    @property
    def bottom(self) -> float:
        """The y of its bottom."""
        return self.y + self.height


@dataclass(slots=True)
class Link:
    """All edges from one card to another: they become one arrow.

    If both stand ``inside`` one column, ``start`` and ``end`` are the cards, or the boxes around
    them, that stand side by side in the innermost box around both.
    """

    tail: Spot
    head: Spot
    role: str
    start: Spot
    end: Spot
    inside: bool


@dataclass(slots=True)
class Tree:
    """The visible cards of all columns: a root box per column, spots in the order of drawing."""

    roots: list[Spot]
    spots: list[Spot] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


def build_tree(plan: Plan, columns: list[int]) -> Tree:
    """Return the visible cards and boxes with the arrows between them.

    Parameters
    ----------
    plan : Plan
    columns : list of int
        Column of each node, from 0 without gaps, never falling. A folded run stands in the column
        of its first node.
    """
    n_columns = 1 + max(columns, default=0)
    tree = Tree([Spot("root", -1, None, k) for k in range(n_columns)])
    spot_of = _grow(plan, columns, tree)
    _link(plan, spot_of, tree)
    return tree


def list_runs_around(plan: Plan) -> list[tuple[int, ...]]:
    """Return of each run itself and those around it, outermost first."""
    known: dict[int, tuple[int, ...]] = {-1: ()}
    for run in range(len(plan.runs)):
        missing = []
        around = run
        while around not in known:
            missing.append(around)
            around = plan.runs[around]
        for each in reversed(missing):
            known[each] = (*known[plan.runs[each]], each)
    return [known[run] for run in range(len(plan.runs))]


def _grow(plan: Plan, columns: list[int], tree: Tree) -> list[Spot]:
    """Make the spots of all nodes and runs; return of each node the card that shows it."""
    around = list_runs_around(plan)
    boxes: list[Spot] = []  # around the last card, outermost first
    spot_of: list[Spot] = []
    for node, (run, _) in enumerate(plan.nodes):
        path = around[run] if run >= 0 else ()
        card = spot_of[-1] if spot_of else None
        if card is None or card.kind != "module" or card.index not in path:
            card = _add_card(plan, tree, boxes, tree.roots[columns[node]], node, path)
        card.weight += 1
        spot_of.append(card)
    for spot in reversed(tree.spots):
        spot.parent.weight += spot.weight
    return spot_of


def _add_card(
    plan: Plan, tree: Tree, boxes: list[Spot], root: Spot, node: int, path: tuple[int, ...]
) -> Spot:
    """Make the card of a node, or of a folded run around it, and the boxes that are new."""
    column = root.column
    del boxes[_count_shared(boxes, path, column) :]
    parent = boxes[-1] if boxes else root
    for run in path[len(boxes) :]:
        if run in plan.folded:
            return _add(tree, Spot("module", run, parent, column, node), plan.folded_sizes[run])
        parent = _add(tree, Spot("box", run, parent, column, node))
        boxes.append(parent)
    return _add(tree, Spot("node", node, parent, column, node), plan.nodes[node][1])


def _count_shared(boxes: list[Spot], path: tuple[int, ...], column: int) -> int:
    """Return how many of the open boxes go on around the next node."""
    if boxes and boxes[0].column != column:
        return 0
    shared = 0
    while shared < min(len(boxes), len(path)) and boxes[shared].index == path[shared]:
        shared += 1
    return shared


def _add(tree: Tree, spot: Spot, size: Size | None = None) -> Spot:
    if size is not None:
        spot.width = size.width
        spot.height = size.height
    spot.order = len(tree.spots)
    tree.spots.append(spot)
    return spot


def _link(plan: Plan, spot_of: list[Spot], tree: Tree) -> None:
    """Merge edges into links, and note between which siblings each leads."""
    known: dict[tuple[int, int], Link] = {}
    for tail_node, head_node, role in plan.edges:
        tail = spot_of[tail_node]
        head = spot_of[head_node]
        head.fed = True
        if tail is head and tail_node != head_node:
            continue  # within a folded run
        key = (tail.order, head.order)
        if key not in known:
            known[key] = Link(tail, head, role, tail, head, tail.column == head.column)
        elif known[key].role != role and known[key].role != "main":
            known[key].role = role if role == "main" else "shortcut"
    tree.links = list(known.values())
    told: set[tuple[int, int]] = set()
    for link in tree.links:
        if link.inside:
            _find_siblings(link, told)
    for spot in reversed(tree.spots):
        spot.parent.fed = spot.parent.fed or spot.fed
        spot.parent.loops = spot.parent.loops or spot.loops


def _find_siblings(link: Link, told: set[tuple[int, int]]) -> None:
    """Set ``start`` and ``end`` of a link within a column; tell these siblings once."""
    start = link.tail
    end = link.head
    while start.parent is not end.parent:
        if start.depth >= end.depth:
            start = start.parent
        else:
            end = end.parent
    link.start = start
    link.end = end
    if start.position >= end.position:
        start.parent.loops = True
    elif (start.order, end.order) not in told:
        told.add((start.order, end.order))
        end.sources.append(start)
        start.readers.append(end)
