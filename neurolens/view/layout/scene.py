"""The layout of a whole graph: columns for a frame, cards in them, arrows around them."""

import math
from dataclasses import dataclass

from neurolens.view.layout.channels import Corner
from neurolens.view.layout.columns import choose_columns
from neurolens.view.layout.lanes import place_rows
from neurolens.view.layout.records import Arrow, Frame, Item, Plan, Point, Scene
from neurolens.view.layout.routes import route_inside
from neurolens.view.layout.rows import part_rows
from neurolens.view.layout.tree import Spot, Tree, build_tree
from neurolens.view.layout.widths import place_lanes
from neurolens.view.layout.wires import (
    BAND,
    BAND_START,
    BELOW_START,
    Ways,
    assign_ways,
    build_ways,
    place_ways,
    route_wire,
)

MARGIN = 8.0
SAME = 0.015


def lay_out(plan: Plan, frame: Frame) -> Scene:
    """Return where everything stands, in as many columns as show it largest in a frame.

    docs/layout.md specifies how. No two cards overlap and no arrow meets a card but its own two,
    or the title of a box that holds neither. Cost: near linear in what is visible.

    Parameters
    ----------
    plan : Plan
        The cards with their sizes, the runs around them, which of these are folded, the edges.
    frame : Frame
        The room to fill.

    See Also
    --------
    place_in_columns : the same in given columns.
    """
    return place_in_columns(plan, choose_columns(plan, frame))


def place_in_columns(plan: Plan, columns: list[int]) -> Scene:
    """Return where everything stands in given columns, as when a module is folded or unfolded.

    Parameters
    ----------
    plan : Plan
    columns : list of int
        Column of each node, never falling; those that become empty are closed up.
    """
    placed = _place(plan, columns)
    part_rows(placed.tree.links, placed.corners)
    arrows = [
        Arrow(
            link.tail.order,
            link.head.order,
            link.role,
            not link.inside,
            _resolve(found, placed.top),
        )
        for link, found in zip(placed.tree.links, placed.corners, strict=True)
    ]
    return Scene(
        width=_fix(placed.width),
        height=_fix(placed.height),
        n_columns=len(placed.tree.roots),
        items=tuple(_read_item(spot, placed.top) for spot in placed.tree.spots),
        arrows=tuple(arrows),
    )


def measure_zoom(plan: Plan, frame: Frame) -> float:
    """Return the zoom at which ``lay_out`` shows all of a plan in a frame."""
    placed = _place(plan, choose_columns(plan, frame))
    return min(frame.width / placed.width, frame.height / placed.height)


@dataclass(slots=True)
class _Placed:
    """Spots with their places, the corners of each link, and the size of everything.

    ``top`` is the y of the top of the columns.
    """

    tree: Tree
    corners: list[list[Corner]]
    top: float
    width: float
    height: float


def _place(plan: Plan, columns: list[int]) -> _Placed:
    tree = build_tree(plan, close_gaps(plan, columns))
    place_rows(tree)
    ways = build_ways(len(tree.roots))
    corners = [
        route_inside(link) if link.inside else route_wire(link, tree.roots, ways)
        for link in tree.links
    ]
    place_lanes(tree, plan)
    assign_ways(ways)
    edges = place_ways(ways, tree.roots, MARGIN)
    _shift_columns(tree, edges)
    top = MARGIN + (BAND_START + (ways.n_above - 1) * BAND if ways.n_above else 0.0)
    height = top + _measure_depth(tree, ways) + MARGIN
    return _Placed(tree, corners, top, edges[-1] + MARGIN, height)


def list_columns(plan: Plan, scene: Scene) -> list[int]:
    """Return the column of each node in a scene of the same graph, for ``place_in_columns``.

    Nodes of a folded run have the column of its card.
    """
    column_of_node = {item.index: item.column for item in scene.items if item.kind == "node"}
    column_of_run = {item.index: item.column for item in scene.items if item.kind == "module"}
    columns = []
    for node, (run, _) in enumerate(plan.nodes):
        column = column_of_node.get(node)
        while column is None:
            column = column_of_run.get(run)
            run = plan.runs[run]
        columns.append(column)
    return columns


def close_gaps(plan: Plan, columns: list[int]) -> list[int]:
    """Return columns numbered from 0 without gaps, a folded run in that of its first node."""
    outer = _list_folded(plan)
    closed = []
    number = -1
    last = -1
    around = -1
    for node, (run, _) in enumerate(plan.nodes):
        folded = outer[run] if run >= 0 else -1
        inside = folded >= 0 and folded == around
        around = folded
        if not inside and (columns[node] != last or node == 0):
            number += 1
            last = columns[node]
        closed.append(number)
    return closed


def _list_folded(plan: Plan) -> list[int]:
    """Return of each run the outermost folded run around it, itself included; -1 for none."""
    known: dict[int, int] = {-1: -1}
    for run in range(len(plan.runs)):
        missing = []
        around = run
        while around not in known:
            missing.append(around)
            around = plan.runs[around]
        for each in reversed(missing):
            outer = known[plan.runs[each]]
            known[each] = outer if outer >= 0 else (each if each in plan.folded else -1)
    return [known[run] for run in range(len(plan.runs))]


def _shift_columns(tree: Tree, edges: list[float]) -> None:
    """Count x from the left of the scene instead of the left of each column."""
    for spot in tree.spots:
        spot.x += edges[spot.column]
    for spot in (*tree.roots, *tree.spots):
        for channel in spot.channels:
            for track in channel.values():
                track.at += edges[spot.column]


def _measure_depth(tree: Tree, ways: Ways) -> float:
    """Return the height of the columns with the wires below them."""
    return max(
        root.height + (BELOW_START + n * BAND if n else 0.0)
        for root, n in zip(tree.roots, ways.n_below, strict=True)
    )


def _read_item(spot: Spot, top: float) -> Item:
    return Item(
        spot.kind,
        spot.index,
        spot.column,
        _fix(spot.x),
        _fix(spot.y + top),
        _fix(spot.width),
        _fix(spot.height),
        _fix(spot.x + spot.axis),
    )


def _resolve(corners: list[Corner], top: float) -> tuple[Point, ...]:
    """Return the corners of a line as points, without those where it does not turn."""
    points: list[Point] = []
    for corner in corners:
        point = (_fix(corner.find_x()), _fix(corner.find_y() + top))
        if points:
            point = _snap(points[-1], point)
            if point == points[-1]:
                continue
        if len(points) > 1 and _is_between(points[-2], points[-1], point):
            points[-1] = point
        else:
            points.append(point)
    return tuple(points)


def _snap(before: Point, point: Point) -> Point:
    """Remove the hundredth of a pixel by which rounding parts two points of a straight line."""
    x = before[0] if abs(point[0] - before[0]) < SAME else point[0]
    y = before[1] if abs(point[1] - before[1]) < SAME else point[1]
    return (x, y)


def _is_between(first: Point, second: Point, third: Point) -> bool:
    """Whether three points lie on one horizontal or vertical line."""
    return first[0] == second[0] == third[0] or first[1] == second[1] == third[1]


def _fix(value: float) -> float:
    """Round to a hundredth of a pixel, halves up, as the page does."""
    return math.floor(value * 100 + 0.5) / 100
