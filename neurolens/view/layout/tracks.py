"""Tracks: parallel lines beside lanes, in gutters and above and below columns.

Arrows from the same card share a track; others get tracks next to each other where they would
run on top of each other.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable

APART = 4.0  # between the ends of two arrows on one line


class Track:
    """A stretch of a vertical or horizontal line.

    ``low`` and ``high`` are its ends, ``slot`` its number among parallel tracks, 0 for the
    nearest, and ``at`` where it is: an x if vertical, a y if horizontal.
    """

    __slots__ = ("at", "high", "low", "order", "slot")

    def __init__(self, order: int, low: float, high: float) -> None:
        self.order = order
        self.low = low
        self.high = high
        self.slot = 0
        self.at = 0.0


Tracks = dict[tuple[int, bool], Track]


def request_track(tracks: Tracks, order: int, loop: bool, a: float, b: float) -> Track:
    """Return the track of a card's arrows, long enough to reach from ``a`` to ``b``.

    ``order`` is the card's; its loops have a track of their own.
    """
    low = min(a, b)
    high = max(a, b)
    track = tracks.get((order, loop))
    if track is None:
        track = Track(2 * order + loop, low, high)
        tracks[order, loop] = track
    else:
        track.low = min(track.low, low)
        track.high = max(track.high, high)
    return track


class Slot:
    """Tracks on one line, in order: none meets another."""

    __slots__ = ("lows", "tracks")

    def __init__(self) -> None:
        self.lows: list[float] = []
        self.tracks: list[Track] = []

    def is_free(self, track: Track, apart: float) -> bool:
        """Whether a track fits in, this far from its neighbors."""
        at = bisect_left(self.lows, track.low)
        if at and self.tracks[at - 1].high + apart > track.low:
            return False
        return at == len(self.lows) or track.high + apart <= self.lows[at]

    def insert(self, track: Track) -> None:
        """Put in a track that fits."""
        at = bisect_left(self.lows, track.low)
        self.lows.insert(at, track.low)
        self.tracks.insert(at, track)

    def list_beside(self, track: Track, apart: float) -> list[Track]:
        """Return the tracks that would meet a track, or come nearer to it than ``apart``."""
        first = bisect_left(self.lows, track.low)
        if first and self.tracks[first - 1].high + apart > track.low:
            first -= 1
        return self.tracks[first : bisect_left(self.lows, track.high + apart)]


def assign_slots(tracks: Iterable[Track], apart: float) -> list[Slot]:
    """Sort tracks into slots, in each of which they are ``apart``.

    Short ones come first and get the nearest slots, so that long ones run around them.
    """
    slots: list[Slot] = []
    for track in sorted(tracks, key=_rate_track):
        number = 0
        while number < len(slots) and not slots[number].is_free(track, apart):
            number += 1
        if number == len(slots):
            slots.append(Slot())
        slots[number].insert(track)
        track.slot = number
    return slots


def _rate_track(track: Track) -> tuple[float, float, int]:
    return (track.high - track.low, track.low, track.order)


def spread_tracks(
    tracks: Collection[Track], apart: float, between: float, find_least: Callable[[Track], float]
) -> float | None:
    """Set where vertical tracks are: as near as ``find_least`` allows, ``between`` each other.

    Returns the farthest, None without tracks.
    """
    slots = assign_slots(tracks, apart)
    for number, slot in enumerate(slots):
        for track in slot.tracks:
            at = find_least(track)
            for nearer in slots[:number]:
                for other in nearer.list_beside(track, apart):
                    at = max(at, other.at + between)
            track.at = at
    return max((track.at for track in tracks), default=None)
