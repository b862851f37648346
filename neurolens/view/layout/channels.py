"""Where arrows can run within a column, told by lanes and heights alone.

Below and above every card its lane is free for ``GAP``; to the right of every lane is a channel
that is free from the top of the box to its bottom. An arrow that only uses these, and crosses a
lane only where that is free, meets no card and no title of a box that it does not belong to.
"""

from bisect import bisect_right
from dataclasses import dataclass

from neurolens.view.layout.lanes import get_top
from neurolens.view.layout.tracks import Track, request_track
from neurolens.view.layout.tree import Spot

BELOW = 5.0  # from the bottom of a card to an arrow that turns there
ABOVE = 8.0  # from an arrow that turns above a card to its top: room for the tip
ASIDE = 5.0  # below the middle of a side: where arrows leave; they arrive at the middle
CLEAR = 3.0  # between an arrow that crosses a lane and the cards of that lane


@dataclass(slots=True)
class Corner:
    """A corner whose x, and perhaps y, is known when everything has its place.

    ``x`` is a track, or a card with ``side``: ``"axis"``, ``"left"`` or ``"right"``. ``y`` is
    counted from the top of the column.
    """

    x: Track | Spot
    y: float | Track
    side: str = "axis"

    def find_x(self) -> float:
        """Return x, when everything has its place."""
        if isinstance(self.x, Track):
            return self.x.at
        if self.side == "left":
            return self.x.x
        return self.x.x + (self.x.width if self.side == "right" else self.x.axis)

    def find_y(self) -> float:
        """Return y, from the top of the column."""
        return self.y.at if isinstance(self.y, Track) else self.y


def note_span(spot: Spot, low: float, high: float) -> None:
    """Note that an arrow runs up or down within the lane of a spot."""
    if spot.lane > 0:
        spot.parent.spans.append((low, high))


def list_lane(spot: Spot, lane: int) -> list[Spot]:
    """Return a lane of the box around a spot, from the top."""
    return spot.parent.lanes[lane]


def is_row_free(spot: Spot, lane: int, y: float) -> bool:
    """Whether the lanes strictly between a spot's own and another are free at a height."""
    low = min(spot.lane, lane) + 1
    return all(_is_free_at(list_lane(spot, k), y) for k in range(low, max(spot.lane, lane)))


def _is_free_at(lane: list[Spot], y: float) -> bool:
    at = bisect_right(lane, y + CLEAR, key=get_top) - 1
    return at < 0 or lane[at].bottom + CLEAR <= y


def leaves_right(spot: Spot, top: Spot, y: float) -> bool:
    """Whether a line from the right side of a card leaves ``top``, a box around it, at ``y``."""
    while spot is not top:
        if not is_row_free(spot, len(spot.parent.lanes), y):
            return False
        spot = spot.parent
    return True


def leaves_left(spot: Spot, top: Spot, y: float) -> bool:
    """As ``leaves_right`` for the left side."""
    while spot is not top:
        if not is_row_free(spot, -1, y):
            return False
        spot = spot.parent
    return True


def ask_channel(beside: Spot, tail: Spot, loop: bool, a: float, b: float) -> Track:
    """Return the track of a tail's arrows in the channel to the right of a spot's lane."""
    return request_track(beside.parent.channels[beside.lane], tail.order, loop, a, b)


def leave_down(tail: Spot, top: Spot, loop: bool) -> list[Corner]:
    """Lead from the bottom of a card to the bottom of ``top``, itself or a box around it.

    The last corner is the line that leaves; its y is that of the last turn.
    """
    corners = [Corner(tail, tail.bottom)]
    spot = tail
    while spot is not top:
        if list_lane(spot, spot.lane)[-1] is not spot:
            y = spot.bottom + BELOW
            track = ask_channel(spot, tail, loop, y, spot.parent.bottom)
            corners += turn_at(corners[-1], Corner(track, y), y)
        else:
            note_span(spot, spot.y, spot.parent.bottom)
        spot = spot.parent
    return corners


def enter_down(head: Spot, top: Spot, loop: bool, tail: Spot) -> list[Corner]:
    """Lead from the top of ``top``, a card or a box around it, to a card in it.

    It arrives at the top of the card, or at its right side if something stands above it. The
    first corner is the line that comes down.
    """
    corners = [Corner(head, head.y)]
    spot = head
    while spot is not top:
        if list_lane(spot, spot.lane)[0] is spot:
            note_span(spot, spot.parent.y, spot.bottom)
        elif spot is head:
            y = head.y + head.height / 2
            track = ask_channel(head, tail, loop, head.parent.y, y)
            corners = [Corner(track, y), Corner(head, y, "right")]
        else:
            y = spot.y - ABOVE
            track = ask_channel(spot, tail, loop, spot.parent.y, y)
            corners = [*turn_at(Corner(track, y), corners[0], y), *corners]
        spot = spot.parent
    return corners


def turn_at(tail: Corner, head: Corner, y: float) -> list[Corner]:
    """Two corners that lead from one vertical line to another at a height."""
    return [Corner(tail.x, y, tail.side), Corner(head.x, y, head.side)]
