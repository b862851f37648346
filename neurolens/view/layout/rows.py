"""Turns of different arrows at one height are parted, where they would run over each other.

There is room for that: below and above a card its lane is free, a little more than arrows need.
"""

from neurolens.view.layout.channels import Corner
from neurolens.view.layout.tracks import APART, Slot, Track
from neurolens.view.layout.tree import Link

OFFSETS = (0.0, -2.5, 2.5)  # of the first, second, and third arrow of a row


class _Turn(Track):
    """A horizontal stretch of an arrow, and its corners."""

    __slots__ = ("corners", "head", "tail")

    def __init__(self, link: Link, order: int, corners: list[Corner]) -> None:
        ends = [corner.find_x() for corner in corners]
        super().__init__(order, min(ends), max(ends))
        self.tail = link.tail.order
        self.head = link.head.order
        self.corners = corners


def part_rows(links: list[Link], routes: list[list[Corner]]) -> None:
    """Move turns of arrows up or down that would run on top of others.

    Arrows from one card, and arrows to one card, may share a line.
    """
    rows: dict[tuple[int, float], list[_Turn]] = {}
    for order, (link, corners) in enumerate(zip(links, routes, strict=True)):
        if link.inside:
            for y, found in _list_turns(corners):
                turn = _Turn(link, order, found)
                if turn.high > turn.low:
                    rows.setdefault((link.tail.column, y), []).append(turn)
    for turns in rows.values():
        if len(turns) > 1:
            _part(turns)


def _list_turns(corners: list[Corner]) -> list[tuple[float, list[Corner]]]:
    """Return heights and corners of stretches that may be moved: those between vertical lines."""
    turns: list[tuple[float, list[Corner]]] = []
    stretch: list[Corner] = []
    for corner in [*corners, None]:
        if corner is not None and stretch and corner.y == stretch[0].y:
            stretch.append(corner)
            continue
        if len(stretch) > 1 and all(c.side == "axis" for c in stretch):
            turns.append((stretch[0].find_y(), stretch))
        stretch = [] if corner is None else [corner]
    return turns


def _part(turns: list[_Turn]) -> None:
    """Give the turns of a row offsets, the longest first; what fits nowhere keeps its place."""
    slots = [Slot() for _ in OFFSETS]
    shared: dict[tuple[str, int], int] = {}
    for turn in sorted(turns, key=lambda t: (t.low - t.high, t.low, t.order)):
        keys = (("tail", turn.tail), ("head", turn.head))
        number = next((shared[key] for key in keys if key in shared), None)
        if number is None:
            free = [k for k, slot in enumerate(slots) if slot.is_free(turn, APART)]
            number = free[0] if free else 0
            if free:
                slots[number].insert(turn)
        for key in keys:
            shared.setdefault(key, number)
        _move(turn.corners, OFFSETS[number])


def _move(corners: list[Corner], offset: float) -> None:
    for corner in corners:
        corner.y = corner.find_y() + offset
