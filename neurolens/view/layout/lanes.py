"""Lanes of a box: the longest path straight down, what runs beside it in lanes of its own.

Heights and lanes come first, since they do not depend on arrows; widths come when it is known how
many arrows run between the lanes (``widths``).
"""

from bisect import bisect_left

from neurolens.view.layout.tree import Spot, Tree

GAP = 13.0  # between cards of a lane
TOP = 24.0  # room for the title of a box
SIDE = 8.0
MAX_LANES = 6


def get_top(spot: Spot) -> float:
    """Return the key by which lanes are sorted."""
    return spot.y


def place_rows(tree: Tree) -> None:
    """Set heights and ``y`` of everything, and lanes."""
    for spot in reversed(tree.spots):
        if spot.kind == "box":
            spot.height = _place_children(spot) + TOP + SIDE
    for root in tree.roots:
        root.height = _place_children(root)
    for spot in tree.spots:
        if spot.parent.kind == "box":
            spot.y += spot.parent.y + TOP


def _place_children(box: Spot) -> float:
    """Place the children of a box in lanes, from y = 0; return the height they take."""
    children = box.children
    spine = _find_spine(children)
    lanes: list[list[Spot]] = [[]]
    tops: list[list[float]] = [[]]
    for spot in children:
        spot.y = max((source.bottom + GAP for source in spot.sources), default=0.0)
        if spot.position in spine:
            if lanes[0]:
                spot.y = max(spot.y, lanes[0][-1].bottom + GAP)
            spot.lane = 0
        else:
            _choose_lane(spot, lanes, tops, spine)
        _insert(spot, lanes, tops)
    for spot in children:
        if spot.position not in spine and not spot.fed and spot.readers:
            _lower(spot, lanes, tops)
    box.lanes = lanes
    box.channels = [{} for _ in lanes]
    return max((spot.bottom for spot in children), default=0.0)


def _find_spine(children: list[Spot]) -> set[int]:
    """Return positions of the children on the path with most nodes; the first of equal ones."""
    far: list[int] = []
    came: list[int] = []
    for spot in children:
        best = 0
        source = -1
        for each in sorted(s.position for s in spot.sources):
            if far[each] > best:
                best = far[each]
                source = each
        far.append(best + spot.weight)
        came.append(source)
    spine = set()
    at = far.index(max(far)) if far else -1
    while at >= 0:
        spine.add(at)
        at = came[at]
    return spine


def _choose_lane(
    spot: Spot, lanes: list[list[Spot]], tops: list[list[float]], spine: set[int]
) -> None:
    """Choose a lane: that of a source, else the first that is free there.

    Lanes whose last card has a reader to come are left to that, and a card with such a reader
    stands where nothing is below it, if it can. When no lane is free, it is the one that becomes
    free first, further down.
    """
    for source in spot.sources:
        if source.lane > 0 and _is_free(spot, source.lane, lanes, tops, spot.y):
            spot.lane = source.lane
            return
    free = []
    goes_on = _is_continued(spot, spot.position, spine)
    for lane in range(1, MAX_LANES):
        if lane == len(lanes):
            lanes.append([])
            tops.append([])
        if _is_free(spot, lane, lanes, tops, spot.y):
            free.append(lane)
            if _suits(spot, lanes[lane], goes_on, spine):
                spot.lane = lane
                return
    if free:
        spot.lane = free[0]
        return
    ends = [lane[-1].bottom for lane in lanes[1:]]
    spot.lane = 1 + ends.index(min(ends))
    spot.y = max(spot.y, min(ends) + GAP)


def _suits(spot: Spot, lane: list[Spot], goes_on: bool, spine: set[int]) -> bool:
    """Whether neither a spot nor the lane's last card would be in the way of what follows."""
    if not lane:
        return True
    last = lane[-1]
    if _is_continued(last, spot.position, spine):
        return False
    return not goes_on or last.y < spot.y


def _is_continued(last: Spot, position: int, spine: set[int]) -> bool:
    """Whether a reader of the last card of a lane, beside the spine, is still to be placed."""
    return any(r.position > position and r.position not in spine for r in last.readers)


def _is_free(
    spot: Spot, lane: int, lanes: list[list[Spot]], tops: list[list[float]], y: float
) -> bool:
    """Whether a spot fits into a lane at ``y``, with gaps above and below."""
    at = bisect_left(tops[lane], y)
    before = lanes[lane][at - 1] if at else None
    after = lanes[lane][at] if at < len(lanes[lane]) else None
    if before is spot:
        before = lanes[lane][at - 2] if at > 1 else None
    if before is not None and before.bottom + GAP > y:
        return False
    return after is None or after is spot or after.y >= y + spot.height + GAP


def _insert(spot: Spot, lanes: list[list[Spot]], tops: list[list[float]]) -> None:
    at = bisect_left(tops[spot.lane], spot.y)
    lanes[spot.lane].insert(at, spot)
    tops[spot.lane].insert(at, spot.y)


def _lower(spot: Spot, lanes: list[list[Spot]], tops: list[list[float]]) -> None:
    """Move what is made without input down to just above its first reader, where it fits."""
    y = min(reader.y for reader in spot.readers) - GAP - spot.height
    if y <= spot.y or not _is_free(spot, spot.lane, lanes, tops, y):
        return
    at = bisect_left(tops[spot.lane], spot.y)
    del lanes[spot.lane][at]
    del tops[spot.lane][at]
    spot.y = y
    _insert(spot, lanes, tops)
