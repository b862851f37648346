"""Ways of arrows from one column to another: gutters between columns, bands above and below.

A wire leaves at the bottom of its column, or to the right; it goes up in the gutter, along the
band above all columns, and comes down onto its card, or from the gutter before its column.
"""

from dataclasses import dataclass, field

from neurolens.view.layout.channels import (
    ASIDE,
    Corner,
    enter_down,
    leave_down,
    leaves_left,
    leaves_right,
    list_lane,
)
from neurolens.view.layout.tracks import APART, Tracks, assign_slots, request_track
from neurolens.view.layout.tree import Link, Spot

GUTTER = 20.0  # between two columns, and this much more for each wire
WIRE = 8.0
WIRE_START = 11.0  # from a column to the first wire beside it
BAND_START = 11.0  # from the top of the columns up to the first wire above
BELOW_START = 9.0  # from the bottom of a column to the first wire below
BAND = 6.0  # between wires above or below
OUTSIDE = 10.0  # beyond the ends of a column, where tracks only need an order


@dataclass(slots=True)
class Ways:
    """The tracks between columns: a gutter right of each, a band below each, one above all."""

    gutters: list[Tracks]
    below: list[Tracks]
    above: Tracks = field(default_factory=dict)
    n_above: int = 0
    n_below: list[int] = field(default_factory=list)
    n_gutter: list[int] = field(default_factory=list)


def build_ways(n_columns: int) -> Ways:
    """Return ways without any tracks."""
    return Ways([{} for _ in range(n_columns)], [{} for _ in range(n_columns)])


def route_wire(link: Link, roots: list[Spot], ways: Ways) -> list[Corner]:
    """Return the corners of an arrow between two columns, asking for tracks."""
    tail = link.tail
    loop = link.head.column < tail.column
    source = tail.column
    gutter = ways.gutters[source]
    leaving = _leave(tail, roots[source], ways)
    out_y = leaving[-1].y
    leave = out_y if isinstance(out_y, float) else roots[source].height + OUTSIDE
    entering, via = _enter(link, roots[link.head.column], loop)
    if via is None:
        where = float(link.head.column)
    elif via == source:
        enter = link.head.y + link.head.height / 2
        track = request_track(gutter, tail.order, loop, leave, enter)
        return [*leaving, Corner(track, out_y), Corner(track, enter), *entering]
    else:
        where = via + 0.5
    first = request_track(gutter, tail.order, loop, leave, -OUTSIDE)
    band = request_track(ways.above, tail.order, loop, source + 0.5, where)
    corners = [*leaving, Corner(first, out_y), Corner(first, band)]
    if via is None:
        return [*corners, Corner(entering[0].x, band, entering[0].side), *entering]
    enter = link.head.y + link.head.height / 2
    second = request_track(ways.gutters[via], tail.order, loop, -OUTSIDE, enter)
    return [*corners, Corner(second, band), Corner(second, enter), *entering]


def _leave(tail: Spot, root: Spot, ways: Ways) -> list[Corner]:
    """Lead out of a column; the last corner has the height at which the gutter is reached."""
    side = tail.y + tail.height / 2 + ASIDE
    if not _is_outermost(tail, -1) and leaves_right(tail, root, side):
        return [Corner(tail, side, "right")]
    corners = leave_down(tail, root, False)
    lane = _get_root_lane(tail)
    track = request_track(ways.below[root.column], tail.order, False, lane, 2.0 * len(root.lanes))
    return [*corners, Corner(corners[-1].x, track, corners[-1].side)]


def _enter(link: Link, root: Spot, loop: bool) -> tuple[list[Corner], int | None]:
    """Lead into a column, and the gutter from which; none for the band above."""
    head = link.head
    middle = head.y + head.height / 2
    if loop and leaves_right(head, root, middle):
        return [Corner(head, middle, "right")], root.column
    if not loop and not _is_outermost(head, 0) and leaves_left(head, root, middle):
        return [Corner(head, middle, "left")], root.column - 1
    return enter_down(head, root, loop, link.tail), None


def _is_outermost(spot: Spot, end: int) -> bool:
    """Whether nothing stands above (end 0) or below (end -1) a card in the lanes around it."""
    while spot.kind != "root":
        if list_lane(spot, spot.lane)[end] is not spot:
            return False
        spot = spot.parent
    return True


def _get_root_lane(spot: Spot) -> float:
    while spot.parent.kind != "root":
        spot = spot.parent
    return float(spot.lane)


def assign_ways(ways: Ways) -> None:
    """Give wires that run in parallel their numbers."""
    ways.n_above = len(assign_slots(ways.above.values(), 0.1))
    ways.n_below = [len(assign_slots(tracks.values(), 0.0)) for tracks in ways.below]
    ways.n_gutter = [len(assign_slots(tracks.values(), APART)) for tracks in ways.gutters]


def place_ways(ways: Ways, roots: list[Spot], left: float) -> list[float]:
    """Set where all wires run; return the left of each column and the right of the last gutter.

    Heights are counted from the top of the columns.
    """
    for track in ways.above.values():
        track.at = -(BAND_START + track.slot * BAND)
    x = left
    edges = []
    for k, root in enumerate(roots):
        edges.append(x)
        x += root.width
        for track in ways.gutters[k].values():
            track.at = x + WIRE_START + track.slot * WIRE
        for track in ways.below[k].values():
            track.at = root.height + BELOW_START + track.slot * BAND
        if k < len(roots) - 1:
            x += GUTTER + max(1, ways.n_gutter[k]) * WIRE
        elif ways.n_gutter[k]:
            x += WIRE_START + ways.n_gutter[k] * WIRE
    edges.append(x)
    return edges
