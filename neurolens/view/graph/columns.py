"""Columns of boxes: where a chain of boxes is cut, and what leads from each column to the next.

Boxes are numbered in order of execution, so every arrow, a pair (tail, head), goes from a lower to
a higher number.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise, takewhile
from operator import eq
from typing import NamedTuple

import numpy as np

# Gives a page of about 1.6 : 1, for the usual width and height of a card.
COLUMNS_PER_ROW = 0.41
FEWEST_ROWS = 11
MOST_JUMPS = 0.1
Arrow = tuple[int, int]


class Arrangement(NamedTuple):
    """The positions of boxes.

    ``columns`` are the boxes of each column; ``spines`` per column the longest path down to the box
    its wire leaves from, to be drawn as one straight line; ``wires`` per border the box in the
    column before it whose output is read most often right after it; ``wired`` the arrows that are
    drawn as these wires.
    """

    columns: list[list[int]]
    spines: list[list[int]]
    wires: list[int | None]
    wired: set[Arrow]


class Wires(NamedTuple):
    """The box each border's wire leaves from, the arrows drawn so, and how many others cross."""

    boxes: list[int | None]
    arrows: set[Arrow]
    n_jumps: int


def arrange_boxes(
    heights: Sequence[float],
    modules: Sequence[tuple[int, ...]],
    arrows: Sequence[Arrow],
    layout: str,
) -> Arrangement:
    """Place boxes in columns.

    Parameters
    ----------
    heights : sequence of float
        Per box, in rows.
    modules : sequence of tuple of int
        The modules around each box, outermost first.
    arrows : sequence of (int, int)
    layout : str
        As in ``lay_out``.
    """
    parents: list[list[int]] = [[] for _ in heights]
    readers: list[list[int]] = [[] for _ in heights]
    for tail, head in arrows:
        parents[head].append(tail)
        readers[tail].append(head)
    tops = _measure_tops(heights, parents, readers)
    bottoms = [top + height for top, height in zip(tops, heights, strict=True)]
    columns = [list(range(len(heights)))]
    if layout != "flow":
        borders = [_price_border(one, other) for one, other in pairwise(modules)]
        columns = _cut_columns(tops, bottoms, borders, readers)
    wires = _find_wires(columns, arrows)
    if layout == "auto" and wires.n_jumps > MOST_JUMPS * len(arrows):
        return arrange_boxes(heights, modules, arrows, "flow")
    spines = []
    for column, wire in zip(columns, [*wires.boxes, None], strict=True):
        spine = [max(column, key=bottoms.__getitem__) if wire is None else wire]
        while above := set(parents[spine[-1]]).intersection(column):
            spine.append(max(above, key=lambda box: (bottoms[box], -box)))
        spines.append(spine[::-1])
    return Arrangement(columns, spines, wires.boxes, wires.arrows)


def count_shared(one: Sequence, other: Sequence) -> int:
    """Return how many entries two sequences share before they first differ."""
    return sum(takewhile(bool, map(eq, one, other)))


def _measure_tops(
    heights: Sequence[float], parents: list[list[int]], readers: list[list[int]]
) -> list[float]:
    """Return the row where each box begins when every box stands below all that feed it."""
    tops: list[float] = []
    for above in parents:
        tops.append(max((tops[p] + heights[p] for p in above), default=0.0))
    for i, heads in enumerate(readers):
        # A box without inputs (a mask, positions) is placed just above its first reader, not at the
        # top.
        if heads and not parents[i]:
            tops[i] = max(0.0, min(tops[head] for head in heads) - heights[i])
    return tops


def _cut_columns(
    tops: Sequence[float],
    bottoms: Sequence[float],
    borders: Sequence[float],
    readers: list[list[int]],
) -> list[list[int]]:
    """Cut boxes into columns of similar height, where ``borders`` cost little and few cross.

    Dynamic programming over cuts; a column is never more than three times the wanted height, which
    bounds the work to boxes × boxes per column.
    """
    n = len(tops)
    rows = max(bottoms)
    if rows < FEWEST_ROWS or n < 3:
        return [list(range(n))]
    # Branches side by side make a column wider, so that fewer fit the page.
    width = sum(bottom - top for top, bottom in zip(tops, bottoms, strict=True)) / rows
    wanted = rows / max(1, round(math.sqrt(COLUMNS_PER_ROW * rows / width)))
    boxes = np.arange(n)
    last_readers = np.array([max(heads, default=0) for heads in readers])
    crossing = [int(np.sum((boxes < cut) & (last_readers >= cut))) for cut in range(n)]
    costs = [0.0] + [math.inf] * n
    origin = [0] * (n + 1)
    for end in range(1, n + 1):
        low = math.inf
        high = -math.inf
        for start in range(end - 1, -1, -1):
            low = min(low, tops[start])
            high = max(high, bottoms[start])
            excess = (high - low) / wanted - 1
            if excess > 2 and start < end - 1:
                break
            border = borders[start - 1] + 2.0 * max(0, crossing[start] - 1) if start else 0.0
            cost = costs[start] + border + (8 if excess > 0 else 1) * excess**2
            if cost < costs[end]:
                costs[end] = cost
                origin[end] = start
    columns = []
    end = n
    while end:
        columns.append(list(range(origin[end], end)))
        end = origin[end]
    return columns[::-1]


def _price_border(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Return what a cut between boxes inside modules ``one`` and ``other`` costs.

    The cost is low where a module begins or ends, the lower the higher up that module is, and high
    inside a block.
    """
    shared = min(count_shared(one, other), 2)
    return (0.0, 1.0, 3.0)[shared] if one == other else 0.4 * shared


def _find_wires(columns: list[list[int]], arrows: Sequence[Arrow]) -> Wires:
    column_of = {box: k for k, column in enumerate(columns) for box in column}
    crossing = [(tail, head) for tail, head in arrows if column_of[tail] != column_of[head]]
    wires: list[int | None] = []
    wired: set[Arrow] = set()
    for k in range(len(columns) - 1):
        adjacent = [(a, b) for a, b in crossing if (column_of[a], column_of[b]) == (k, k + 1)]
        reads = Counter(tail for tail, _ in adjacent)
        busiest = max(reads, key=lambda box: (reads[box], box), default=None)
        wires.append(busiest)
        wired.update(arrow for arrow in adjacent if arrow[0] == busiest)
    return Wires(wires, wired, len(crossing) - len(wired))
