"""Plans for the layout, made by hand or by hypothesis, and checks of what comes out."""

from itertools import product

from hypothesis import strategies as st

from neurolens.view.layout.lanes import TOP
from neurolens.view.layout.records import Arrow, Item, Plan, Scene, Size

TOUCH = 0.011  # rounding
CELL = 256  # of the grid in which crossings are looked for


def build_plan(nodes, edges, runs=(), folded=(), ends=(), titles=60.0):
    """Build a plan of cards 120 x 40; ``nodes`` holds the run of each, ``runs`` the parents."""
    return Plan(
        nodes=tuple(
            (run, Size(80.0, 24.0) if i in ends else Size(120.0, 40.0))
            for i, run in enumerate(nodes)
        ),
        is_end=tuple(i in ends for i in range(len(nodes))),
        runs=tuple(runs),
        titles=tuple(titles for _ in runs),
        folded_sizes=tuple(Size(140.0, 64.0) for _ in runs),
        folded=frozenset(folded),
        edges=tuple((t, h, "main" if t < h else "loop") for t, h in edges),
    )


def build_chain(n, **options):
    """Build a plan of one path."""
    return build_plan([-1] * n, [(i, i + 1) for i in range(n - 1)], **options)


@st.composite
def make_plans(draw, most=40):
    """Draw plans: any tree of runs, any edges, some backward, any sizes, anything folded."""
    n_nodes = draw(st.integers(1, most))
    runs: list[int] = []
    around: list[int] = [-1]
    nodes = []
    for _ in range(n_nodes):
        for _ in range(draw(st.integers(0, 2))):
            if len(around) > 1 and draw(st.booleans()):
                around.pop()
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
            runs.append(around[-1])
            around.append(len(runs) - 1)
        size = Size(float(draw(st.integers(20, 200))), float(draw(st.integers(16, 120))))
        nodes.append((around[-1], size))
    edges = {}
    for head in range(1, n_nodes):
        for back in draw(st.lists(st.integers(1, 12), max_size=3)):
            if back <= head:
                role = draw(st.sampled_from(["main", "main", "shortcut"]))
                edges[head - back, head] = role
    for _ in range(draw(st.integers(0, 3))):
        tail = draw(st.integers(0, n_nodes - 1))
        edges[tail, draw(st.integers(0, tail))] = "loop"
    used = {run for run, _ in nodes}
    return Plan(
        nodes=tuple(nodes),
        is_end=tuple(draw(st.integers(0, 9)) == 0 for _ in nodes),
        runs=tuple(runs),
        titles=tuple(draw(st.floats(0, 300).map(lambda v: round(v, 3))) for _ in runs),
        folded_sizes=tuple(Size(float(draw(st.integers(60, 260))), 64.0) for _ in runs),
        folded=frozenset(
            run
            for run in sorted(used | set(range(len(runs))))
            if run >= 0 and draw(st.integers(0, 4)) == 0
        ),
        edges=tuple((t, h, role) for (t, h), role in edges.items()),
    )


def list_cards(scene: Scene) -> list[Item]:
    """Return what is not a box."""
    return [item for item in scene.items if item.kind != "box"]


def find_overlaps(scene: Scene) -> list[tuple[Item, Item]]:
    """Return pairs of cards that overlap, by a sweep over x."""
    found = []
    active: list[Item] = []
    for item in sorted(list_cards(scene), key=lambda i: i.x):
        active = [other for other in active if other.x + other.width > item.x + TOUCH]
        found += [(o, item) for o in active if _meets_in_y(o, item)]
        active.append(item)
    return found


def _meets_in_y(one: Item, other: Item) -> bool:
    return one.y + one.height > other.y + TOUCH and other.y + other.height > one.y + TOUCH


def find_crossings(scene: Scene) -> list[tuple[Arrow, Item]]:
    """Return (arrow, item) where an arrow meets a card, or the title of a box without its ends."""
    found = []
    boxes_of = list_boxes_around(scene)
    cells = _fill_cells(scene)
    for arrow in scene.arrows:
        ends = (arrow.tail, arrow.head)
        around = {*boxes_of[arrow.tail], *boxes_of[arrow.head], *ends}
        for segment in zip(arrow.points, arrow.points[1:], strict=False):
            (x1, y1), (x2, y2) = segment
            near: set[int] = set()
            for cell in _list_cells(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)):
                near.update(cells.get(cell, ()))
            for i in near:
                item = scene.items[i]
                own_box = item.kind == "box" and i in around
                if not own_box and _cuts(segment, item, _measure_filled(item)):
                    found.append((arrow, item))
    return found


def _measure_filled(item: Item) -> float:
    """Return how much of an item's height no foreign arrow may meet."""
    return TOP if item.kind == "box" else item.height


def _fill_cells(scene: Scene) -> dict[tuple[int, int], list[int]]:
    """Return the items in every square of a grid."""
    cells: dict[tuple[int, int], list[int]] = {}
    for i, item in enumerate(scene.items):
        bottom = item.y + _measure_filled(item)
        for cell in _list_cells(item.x, item.y, item.x + item.width, bottom):
            cells.setdefault(cell, []).append(i)
    return cells


def _list_cells(left: float, top: float, right: float, bottom: float) -> list[tuple[int, int]]:
    columns = range(int(left // CELL), int(right // CELL) + 1)
    rows = range(int(top // CELL), int(bottom // CELL) + 1)
    return list(product(columns, rows))


def _cuts(segment, item: Item, height: float) -> bool:
    """Whether a horizontal or vertical line runs through the inside of an item."""
    (x1, y1), (x2, y2) = segment
    return (
        min(x1, x2) < item.x + item.width - TOUCH
        and max(x1, x2) > item.x + TOUCH
        and min(y1, y2) < item.y + height - TOUCH
        and max(y1, y2) > item.y + TOUCH
    )


def list_boxes_around(scene: Scene) -> list[list[int]]:
    """Return of each item the boxes it stands in, as positions in the scene."""
    around: list[list[int]] = []
    open_boxes: list[int] = []
    for i, item in enumerate(scene.items):
        while open_boxes and not holds(scene.items[open_boxes[-1]], item):
            open_boxes.pop()
        around.append(list(open_boxes))
        if item.kind == "box":
            open_boxes.append(i)
    return around


def holds(box: Item, item: Item) -> bool:
    """Whether an item stands within a box."""
    return (
        box.column == item.column
        and item.x >= box.x - TOUCH
        and item.x + item.width <= box.x + box.width + TOUCH
        and item.y >= box.y - TOUCH
        and item.y + item.height <= box.y + box.height + TOUCH
    )


def touches(item: Item, point) -> bool:
    """Whether a point lies on the border of an item."""
    x, y = point
    on_x = abs(x - item.x) <= TOUCH or abs(x - item.x - item.width) <= TOUCH
    on_y = abs(y - item.y) <= TOUCH or abs(y - item.y - item.height) <= TOUCH
    in_x = item.x - TOUCH <= x <= item.x + item.width + TOUCH
    in_y = item.y - TOUCH <= y <= item.y + item.height + TOUCH
    return (on_x and in_y) or (on_y and in_x)


def find_shared(scene: Scene) -> list[tuple[Arrow, Arrow]]:
    """Return pairs of arrows of different ends that run on top of each other for 4 px or more."""
    lines: dict[tuple[str, float], list] = {}
    for arrow in scene.arrows:
        for (x1, y1), (x2, y2) in zip(arrow.points, arrow.points[1:], strict=False):
            key = ("x", x1) if x1 == x2 else ("y", y1)
            ends = sorted((y1, y2) if x1 == x2 else (x1, x2))
            lines.setdefault(key, []).append((*ends, arrow))
    found = []
    for parts in lines.values():
        parts.sort(key=lambda part: part[:2])
        for i, (_, high, arrow) in enumerate(parts):
            for low, other_high, other in parts[i + 1 :]:
                if low > high - 4:
                    break
                if (
                    arrow.tail != other.tail
                    and arrow.head != other.head
                    and min(high, other_high) - low >= 4
                ):
                    found.append((arrow, other))
    return found


def list_depths(plan: Plan) -> list[int]:
    """Return the depth of each run, 0 for the outermost."""
    depths: list[int] = []
    for parent in plan.runs:
        depths.append(0 if parent < 0 else depths[parent] + 1)
    return depths


def build_unet(n_levels=3, boxes=True):
    """Build a U-shaped net: blocks of four cards down and up again, each joined across."""
    nodes = [-1]
    runs = []
    edges = []
    left = []

    def add(run=-1):
        nodes.append(run)
        edges.append((len(nodes) - 2, len(nodes) - 1))

    def add_block():
        runs.append(-1)
        for _ in range(4):
            add(len(runs) - 1 if boxes else -1)

    for _ in range(n_levels):
        add_block()
        left.append(len(nodes) - 1)
        add()
    add_block()
    for tail in reversed(left):
        add()
        add()
        edges.append((tail, len(nodes) - 1))
        add_block()
    add()
    return build_plan(nodes, edges, runs=runs if boxes else [], ends={0, len(nodes) - 1})


def build_fan(n_branches, length=2):
    """Build branches side by side between one card and another."""
    nodes = [-1]
    edges = []
    tips = []
    for _ in range(n_branches):
        tail = 0
        for _ in range(length):
            nodes.append(-1)
            edges.append((tail, len(nodes) - 1))
            tail = len(nodes) - 1
        tips.append(tail)
    nodes.append(-1)
    edges += [(tip, len(nodes) - 1) for tip in tips]
    return build_plan(nodes, edges)
