"""Ways of arrows within a column: straight, over an elbow, along channels, or around as a loop."""

from bisect import bisect_right

from neurolens.view.layout.channels import (
    ABOVE,
    ASIDE,
    BELOW,
    CLEAR,
    Corner,
    ask_channel,
    enter_down,
    is_row_free,
    leave_down,
    leaves_right,
    list_lane,
    note_span,
    turn_at,
)
from neurolens.view.layout.lanes import SIDE, get_top
from neurolens.view.layout.tracks import request_track
from neurolens.view.layout.tree import Link, Spot


def route_inside(link: Link) -> list[Corner]:
    """Return the corners of an arrow between two cards of one column, asking for tracks."""
    if link.tail is link.head:
        return _route_self(link.tail)
    if link.start.position < link.end.position:
        return _route_down(link, link.start, link.end)
    return _route_back(link, link.start, link.end)


def _route_self(spot: Spot) -> list[Corner]:
    """Return a loop from a card to itself, beside it."""
    middle = spot.y + spot.height / 2
    track = ask_channel(spot, spot, True, middle - ASIDE, middle + ASIDE)
    return [
        Corner(spot, middle + ASIDE, "right"),
        Corner(track, middle + ASIDE),
        Corner(track, middle - ASIDE),
        Corner(spot, middle - ASIDE, "right"),
    ]


def _route_down(link: Link, start: Spot, end: Spot) -> list[Corner]:
    """Lead to a later card: straight, over one elbow, or along a channel."""
    below = start.bottom + BELOW
    above = end.y - ABOVE
    if _is_open(start, end, above):
        note_span(start, start.y, above)
        note_span(end, above, end.y)
        leaving = leave_down(link.tail, start, False)
        entering = enter_down(link.head, end, False, link.tail)
        return [*leaving, *turn_at(leaving[-1], entering[0], above), *entering]
    if _is_open(end, start, below):
        note_span(end, below, end.y)
        leaving = leave_down(link.tail, start, False)
        entering = enter_down(link.head, end, False, link.tail)
        return [*leaving, *turn_at(leaving[-1], entering[0], below), *entering]
    return _route_along(link, start, end)


def _is_open(passed: Spot, reached: Spot, y: float) -> bool:
    """Whether the lane of ``passed`` is free from it to ``y``, and from there to ``reached``."""
    if not _is_lane_free(passed, min(passed.bottom, y), max(passed.y, y)):
        return False
    return is_row_free(passed, reached.lane, y)


def _is_lane_free(spot: Spot, low: float, high: float) -> bool:
    """Whether nothing but the spot itself stands in its lane between two heights."""
    lane = list_lane(spot, spot.lane)
    at = bisect_right(lane, high, key=get_top) - 1
    while at >= 0 and lane[at].bottom > low:
        if lane[at] is not spot:
            return False
        at -= 1
    return True


def _route_along(link: Link, start: Spot, end: Spot) -> list[Corner]:
    """Lead to a later card along channels beside the lanes of both ends."""
    tail = link.tail
    below = start.bottom + BELOW
    above = end.y - ABOVE
    beside = _choose_channel(start, end, below, above)
    leaving = leave_down(tail, start, False)
    if beside is None:
        entering = enter_down(link.head, end, False, tail)
        crossing = _cross(tail, start, end, below, above, False)
        return [
            *leaving,
            *turn_at(leaving[-1], crossing[0], below),
            *crossing,
            *turn_at(crossing[-1], entering[0], above),
            *entering,
        ]
    middle = link.head.y + link.head.height / 2
    channel = start.parent.channels[beside]
    if beside == end.lane and leaves_right(link.head, end, middle):
        track = request_track(channel, tail.order, False, below, middle)
        entering = [Corner(track, middle), Corner(link.head, middle, "right")]
        return [*leaving, *turn_at(leaving[-1], entering[0], below), *entering]
    entering = enter_down(link.head, end, False, tail)
    line = Corner(request_track(channel, tail.order, False, below, above), below)
    return [
        *leaving,
        *turn_at(leaving[-1], line, below),
        *turn_at(line, entering[0], above),
        *entering,
    ]


def _choose_channel(start: Spot, end: Spot, below: float, above: float) -> int | None:
    """Return the lane to the right of which one channel leads from start to end, if any does.

    The channel beside one lane; the lanes between are crossed at the other end.
    """
    if start.lane == end.lane:
        return start.lane
    if start.lane < end.lane:
        if is_row_free(start, end.lane, above):
            return start.lane
        return end.lane - 1 if is_row_free(start, end.lane, below) else None
    if is_row_free(start, end.lane, below):
        return end.lane
    return start.lane - 1 if is_row_free(start, end.lane, above) else None


def _cross(tail: Spot, start: Spot, end: Spot, low: float, high: float, loop: bool) -> list[Corner]:
    """Lead along the channel of one lane, over the lanes between, and along that of the other."""
    y = _find_free_row(start, end, low, high)
    first = Corner(ask_channel(start, tail, loop, low, y), y)
    second = Corner(ask_channel(end, tail, loop, y, high), y)
    return [first, second]


def _find_free_row(start: Spot, end: Spot, low: float, high: float) -> float:
    """Return a height at which all lanes from one channel to the other are free.

    The nearest below ``low`` that lies above ``high``, else below everything in the box.
    """
    box = start.parent
    first = min(start.lane, end.lane) + 1
    last = max(start.lane, end.lane)
    spots = [spot for k in range(first, last + 1) for spot in box.lanes[k]]
    y = low
    for spot in sorted(spots, key=lambda s: (s.y, s.order)):
        if spot.y >= y + CLEAR:
            break
        y = max(y, spot.bottom + CLEAR)
    if y <= high:
        return y
    return max(spot.bottom for lane in box.lanes for spot in lane) + SIDE / 2


def _route_back(link: Link, start: Spot, end: Spot) -> list[Corner]:
    """Lead to an earlier card: out of the right side, up beside the lanes, and in from there."""
    tail = link.tail
    head = link.head
    leave = tail.y + tail.height / 2 + ASIDE
    enter = head.y + head.height / 2
    side_out = leaves_right(tail, start, leave)
    side_in = leaves_right(head, end, enter)
    if not side_out:
        leave = start.bottom + BELOW
    if not side_in:
        enter = end.y - ABOVE
    beside = start if start.lane >= end.lane else end
    n_lanes = beside.lane + 1
    if is_row_free(start, n_lanes, leave) and is_row_free(end, n_lanes, enter):
        track = ask_channel(beside, tail, True, leave, enter)
        crossing = [Corner(track, leave), Corner(track, enter)]
    else:
        low = min(leave, enter)
        crossing = _cross(tail, start, end, low, low - 1.0, True)
        y = crossing[0].find_y()
        ask_channel(start, tail, True, leave, y)
        ask_channel(end, tail, True, enter, y)
    leaving = [Corner(tail, leave, "right")] if side_out else leave_down(tail, start, True)
    entering = [Corner(head, enter, "right")] if side_in else enter_down(head, end, True, tail)
    return [
        *leaving,
        *turn_at(leaving[-1], crossing[0], leave),
        *crossing,
        *turn_at(crossing[-1], entering[0], enter),
        *entering,
    ]
