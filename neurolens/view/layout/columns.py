"""Which column each node stands in: the number of columns that shows the graph largest.

The graph is laid out once in a single column; from the heights there follows where it is cut into
any number of columns, and about how large each would be.
"""

from bisect import bisect_right
from dataclasses import dataclass

from neurolens.view.layout.lanes import SIDE, TOP, place_rows
from neurolens.view.layout.records import Frame, Plan
from neurolens.view.layout.tree import Spot, build_tree
from neurolens.view.layout.widths import place_lanes

MORE_COLUMNS = 1.02  # more columns only if they show the graph larger by this factor
BETWEEN_COLUMNS = 28.0
AROUND = 16.0  # width and height taken by margins and by wires above and below
AROUND_HEIGHT = 48.0
TALLER = 12.0  # columns may be this much taller than the least that is possible
SPLIT_MODULE = 120.0  # so much shorter may a column be to end between modules
CUT_ARROW = 6.0  # and so is each arrow that crosses a cut, beyond the first
MOST_CUT = 12
LESS_CLEAR = 0.005  # times their square: how much smaller a graph may be to avoid such arrows
SLACK = 0.75  # columns are filled to this part of the tallest at least, if they can be
ALONE = 1.7  # a module of ops alone is cut if it is this much taller than a column ...
LOOPED = 4.0
TOO_TALL = 1.3  # ... and than the frame
TRIES = 16  # every number of columns up to this one, then steps of an eighth


@dataclass(slots=True)
class Whole:
    """The layout in one column, and how many cards' arrows pass between a node and the next."""

    root: Spot
    passing: list[int]


@dataclass(slots=True)
class Cut:
    """Units (cards and whole boxes) of the layout, in order, and where columns begin.

    ``ends[j]`` is how far down the first ``j`` units reach.
    """

    units: list[Spot]
    ends: list[float]
    starts: list[int]
    zoom: float = 0.0


def choose_columns(plan: Plan, frame: Frame) -> list[int]:
    """Return the column of each node."""
    return spread_columns(plan, choose_cut(plan, frame))


def choose_cut(plan: Plan, frame: Frame) -> Cut:
    """Return where to cut so that the graph is about as large as it can be in a frame."""
    whole = _lay_out_whole(plan)
    best = None
    n_columns = 1
    while True:
        cut = _cut(whole, frame, n_columns)
        if cut is None:
            break
        if best is None or cut.zoom > best.zoom * MORE_COLUMNS:
            best = cut
        if frame.single or _is_wide(cut, best):
            break
        n_columns += 1 if n_columns < TRIES else n_columns // 8
    if best is None:
        return Cut([], [0.0], [0])
    return best


def _is_wide(cut: Cut, best: Cut) -> bool:
    """Whether more columns would only make the graph wider than the frame."""
    return cut.zoom < best.zoom / 2


def spread_columns(plan: Plan, cut: Cut) -> list[int]:
    """Return the column of each node."""
    columns = [0] * len(plan.nodes)
    firsts = [cut.units[start].first for start in cut.starts[1:]]
    bounds = [*firsts, len(plan.nodes)]
    for column, (first, end) in enumerate(zip(firsts, bounds[1:], strict=True), start=1):
        columns[first:end] = [column] * (end - first)
    return columns


def _lay_out_whole(plan: Plan) -> Whole:
    """Place everything in one column, without arrows."""
    tree = build_tree(plan, [0] * len(plan.nodes))
    place_rows(tree)
    place_lanes(tree, plan)
    last = [-1] * len(plan.nodes)
    for tail, head, _ in plan.edges:
        last[tail] = max(last[tail], head)
    passing = [0] * (len(plan.nodes) + 1)
    for tail, head in enumerate(last):
        if head > tail:
            passing[tail + 1] += 1
            passing[head + 1] -= 1
    for node in range(1, len(passing)):
        passing[node] += passing[node - 1]
    return Whole(tree.roots[0], passing)


def _cut(whole: Whole, frame: Frame, n_columns: int) -> Cut | None:
    """Cut into a number of columns; None if there is not that much to cut."""
    units = _list_units(whole.root, whole.root.height / n_columns, frame)
    if n_columns > len(units):
        return None
    ends = [0.0]
    for unit in units:
        ends.append(max(ends[-1], unit.bottom))
    starts = _choose_starts(units, ends, whole.passing, n_columns)
    cut = Cut(units, ends, starts)
    crossing = sum(_count_crossing(whole.passing, units[start]) ** 2 for start in starts[1:])
    cut.zoom = _estimate_zoom(cut, frame) / (1 + LESS_CLEAR * crossing)
    return cut


def _list_units(root: Spot, target: float, frame: Frame) -> list[Spot]:
    """Return cards and boxes that are not cut, in order, for columns of a height."""
    units = []
    waiting = list(reversed(root.children))
    while waiting:
        spot = waiting.pop()
        if spot.kind == "box" and _is_cut(spot, target, frame):
            waiting.extend(reversed(spot.children))
        else:
            units.append(spot)
    return units


def _is_cut(box: Spot, target: float, frame: Frame) -> bool:
    """Whether a box may stand in several columns: it holds modules, or is far too tall."""
    if any(child.kind != "node" for child in box.children):
        return box.height > 1.05 * target
    much = LOOPED if box.loops else ALONE
    return box.height > max(much * target, TOO_TALL * frame.height)


def _choose_starts(
    units: list[Spot], ends: list[float], passing: list[int], n_columns: int
) -> list[int]:
    """Return the first unit of each column: the tallest column is about as low as it can be.

    Where columns may end a little earlier, they end between modules, and where few arrows pass.
    """
    limit = _find_limit(ends, n_columns) + TALLER
    needed = _count_needed(ends, limit)
    penalties = [_rate_cut(units, passing, j) for j in range(len(units))]
    starts = [0]
    for rest in range(n_columns - 1, 0, -1):
        start = starts[-1]
        reach = bisect_right(ends, ends[start] + limit) - 1
        reach = max(start + 1, min(reach, len(units) - rest))
        best = reach
        j = reach - 1
        while j > start and needed[j] <= rest and ends[j] - ends[start] >= SLACK * limit:
            if ends[j] - penalties[j] > ends[best] - penalties[best]:
                best = j
            j -= 1
        starts.append(best)
    return starts


def _rate_cut(units: list[Spot], passing: list[int], j: int) -> float:
    """Return by how much taller a column may be to avoid a cut before unit ``j``."""
    if j == 0:
        return 0.0
    outer = units[j].parent
    within = outer is units[j - 1].parent and outer.kind == "box"
    arrows = _count_crossing(passing, units[j])
    return (SPLIT_MODULE if within else 0.0) + arrows * CUT_ARROW


def _count_crossing(passing: list[int], unit: Spot) -> int:
    """Return how many arrows cross a cut before a unit, beyond the first and up to a limit."""
    return min(max(passing[unit.first] - 1, 0), MOST_CUT)


def _find_limit(ends: list[float], n_columns: int) -> float:
    """Return the least height of the tallest of so many columns, to half a pixel."""
    high = ends[-1]
    low = ends[-1] / n_columns
    while high - low > 0.5:
        middle = (low + high) / 2
        if _fits(ends, middle, n_columns):
            high = middle
        else:
            low = middle
    return high


def _fits(ends: list[float], limit: float, n_columns: int) -> bool:
    start = 0
    for _ in range(n_columns):
        reach = bisect_right(ends, ends[start] + limit) - 1
        if reach == len(ends) - 1:
            return True
        if reach == start:
            return False
        start = reach
    return False


def _count_needed(ends: list[float], limit: float) -> list[int]:
    """Return how many columns the units from each one on need."""
    n_units = len(ends) - 1
    needed = [0] * (n_units + 1)
    for j in range(n_units - 1, -1, -1):
        reach = max(j + 1, bisect_right(ends, ends[j] + limit) - 1)
        needed[j] = 1 + needed[reach]
    return needed


def _estimate_zoom(cut: Cut, frame: Frame) -> float:
    """Return about how large the graph can be shown in a frame."""
    width = AROUND + (len(cut.starts) - 1) * BETWEEN_COLUMNS
    height = 0.0
    for start, end in zip(cut.starts, [*cut.starts[1:], len(cut.units)], strict=True):
        units = cut.units[start:end]
        depth = max(unit.depth for unit in units) - 1  # boxes around them
        left = min(unit.x for unit in units)
        width += max(unit.x + unit.width for unit in units) - left + 2 * SIDE * depth
        tall = cut.ends[end] - cut.ends[start] + (TOP + SIDE) * depth
        height = max(height, tall)
    return min(frame.width / width, frame.height / (height + AROUND_HEIGHT))
