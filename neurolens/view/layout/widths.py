"""Widths and places of lanes: as near to each other as cards and arrows between them allow."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import partial

from neurolens.view.layout.lanes import SIDE, get_top
from neurolens.view.layout.records import Plan
from neurolens.view.layout.tracks import APART, Track, spread_tracks
from neurolens.view.layout.tree import Spot, Tree

LANE_GAP = 10.0
RAIL = 9.0  # between arrows that run in parallel
RAIL_START = 7.0  # from a lane to the first arrow beside it
RAIL_END = 4.0  # from the last arrow to the side of the box
TITLE_ENDS = 18.0  # a box is this much wider than its title


def place_lanes(tree: Tree, plan: Plan) -> None:
    """Set widths, axes and ``x`` of everything, the latter from the left of its column."""
    for spot in reversed(tree.spots):
        if spot.kind == "box":
            inner = _space_children(spot, plan)
            spot.width = max(inner + 2 * SIDE, plan.titles[spot.index] + TITLE_ENDS)
            spot.axis += SIDE
        else:
            spot.axis = spot.width / 2
    for root in tree.roots:
        root.width = _space_children(root, plan)
    for spot in tree.spots:
        if spot.parent.kind == "box":
            spot.x += spot.parent.x + SIDE
    for spot in tree.spots:
        if spot.kind == "box":
            _move_tracks(spot, spot.x + SIDE)


def _space_children(box: Spot, plan: Plan) -> float:
    """Place lanes and channels from x = 0; set the axis of the box; return the width.

    Lanes beside the first are placed section by section: only next to what stands at their height.
    """
    for lane in box.lanes:
        _share_width(lane, plan)
    spine = box.lanes[0]
    box.axis = max((spot.axis for spot in spine), default=0.0)
    for spot in spine:
        spot.x = box.axis - spot.axis
    width = max((spot.x + spot.width for spot in spine), default=0.0)
    for section in _find_sections(box):
        width = max(width, _space_section(box, section))
    outermost = box.channels[-1].values()
    farthest = spread_tracks(outermost, APART, RAIL, partial(_find_least, box.lanes, box.axis))
    return width if farthest is None else max(width, farthest + RAIL_END)


@dataclass(slots=True)
class _Section:
    """A stretch of heights in which something runs beside the first lane, and its tracks."""

    low: float
    high: float
    channels: list[list[Track]]


def _find_sections(box: Spot) -> list[_Section]:
    """Return the sections of a box, from the top."""
    inner = box.channels[:-1]
    spans = [(spot.y, spot.bottom) for lane in box.lanes[1:] for spot in lane]
    spans += box.spans
    spans += [(track.low, track.high) for channel in inner for track in channel.values()]
    sections: list[_Section] = []
    for low, high in sorted(spans):
        if sections and low <= sections[-1].high:
            sections[-1].high = max(sections[-1].high, high)
        else:
            sections.append(_Section(low, high, [[] for _ in inner]))
    lows = [section.low for section in sections]
    for k, channel in enumerate(inner):
        for track in channel.values():
            sections[bisect_right(lows, track.low) - 1].channels[k].append(track)
    return sections


def _space_section(box: Spot, section: _Section) -> float:
    """Place the lanes beside the first, and the channels between, in a section."""
    beside = _list_between(box.lanes[0], section.low - APART, section.high + APART)
    edge = max((spot.x + spot.width for spot in beside), default=box.axis)
    axis = box.axis
    for k, channel in enumerate(section.channels):
        farthest = spread_tracks(channel, APART, RAIL, partial(_find_least, [box.lanes[k]], axis))
        x = edge + LANE_GAP
        if farthest is not None:
            x = max(x, farthest + RAIL_START)
        spots = _list_between(box.lanes[k + 1], section.low, section.high)
        left = max((spot.axis for spot in spots), default=0.0)
        for spot in spots:
            spot.x = x + left - spot.axis
            edge = max(edge, spot.x + spot.width)
        axis = x + left if spots else x - LANE_GAP
        edge = max(edge, axis)
    return edge


def _list_between(lane: list[Spot], low: float, high: float) -> list[Spot]:
    """Return what stands in a lane between two heights, at least in part."""
    end = bisect_right(lane, high, key=get_top)
    start = end
    while start > 0 and lane[start - 1].bottom >= low:
        start -= 1
    return lane[start:end]


def _find_least(lanes: list[list[Spot]], axis: float, track: Track) -> float:
    """Return the least x of a track to the right of lanes, next to what stands beside it."""
    right = axis
    for lane in lanes:
        for spot in _list_between(lane, track.low - APART, track.high + APART):
            right = max(right, spot.x + spot.width)
    return right + RAIL_START


def _share_width(lane: list[Spot], plan: Plan) -> None:
    """Give the cards of a lane the width of the widest; inputs and outputs keep theirs."""
    cards = [
        spot
        for spot in lane
        if spot.kind == "module" or (spot.kind == "node" and not plan.is_end[spot.index])
    ]
    widest = max((spot.width for spot in cards), default=0.0)
    for spot in cards:
        spot.width = widest
        spot.axis = widest / 2


def _move_tracks(box: Spot, x: float) -> None:
    for channel in box.channels:
        for track in channel.values():
            track.at += x
