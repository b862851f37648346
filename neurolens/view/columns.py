"""Newspaper columns: where to cut a chain of boxes, and which tensor leads from one column to the next.

Boxes are numbered in order of execution, so every arrow goes from a lower to a higher number.
"""

import math
from collections.abc import Sequence

# A page of about 1.6 : 1, from the usual width and height of a card.
COLUMNS_PER_ROW = 0.41
FEWEST_ROWS = 11
Pairs = Sequence[tuple[int, int]]


def measure_rows(heights: Sequence[float], pairs: Pairs) -> tuple[list[float], list[float]]:
    """Return where each box begins and ends when every box stands below all that feed it."""
    n = len(heights)
    parents: list[list[int]] = [[] for _ in range(n)]
    children: list[list[int]] = [[] for _ in range(n)]
    for tail, head in pairs:
        parents[head].append(tail)
        children[tail].append(head)
    tops = [0.0] * n
    for i in range(n):
        tops[i] = max((tops[p] + heights[p] for p in parents[i]), default=0.0)
    for i in reversed(range(n)):
        # What nothing feeds (a mask, positions) stands just above its first reader, not at the top.
        if not parents[i] and children[i]:
            tops[i] = max(0.0, min(tops[c] for c in children[i]) - heights[i])
    return tops, [top + height for top, height in zip(tops, heights, strict=True)]


def cut_columns(
    tops: Sequence[float], bottoms: Sequence[float], borders: Sequence[float], pairs: Pairs
) -> list[list[int]]:
    """Cut boxes into columns of similar height, at module borders, where few tensors cross.

    Parameters
    ----------
    tops, bottoms : sequence of float
        Row where each box begins and ends.
    borders : sequence of float
        For each pair of neighbours, what a cut between them costs: see ``price_border``.
    pairs : sequence of (int, int)
        Arrows.

    Notes
    -----
    Dynamic programming over cuts; a column is never more than three times the wanted height, which bounds
    the work to boxes × boxes per column.
    """
    n = len(tops)
    rows = max(bottoms)
    if rows < FEWEST_ROWS or n < 3:
        return [list(range(n))]
    # Branches side by side make a column wider, so that fewer fit the page.
    width = sum(bottom - top for top, bottom in zip(tops, bottoms, strict=True)) / rows
    wanted = rows / max(1, round(math.sqrt(COLUMNS_PER_ROW * rows / width)))
    crossing = _count_crossing(n, pairs)
    costs = [0.0] + [math.inf] * n
    origin = [0] * (n + 1)
    for end in range(1, n + 1):
        low, high = math.inf, -math.inf
        for start in range(end - 1, -1, -1):
            low, high = min(low, tops[start]), max(high, bottoms[start])
            excess = (high - low) / wanted - 1
            if excess > 2 and start < end - 1:
                break
            border = 0.0
            if start:
                border = borders[start - 1] + 2.0 * max(0, crossing[start] - 1)
            cost = costs[start] + border + (8 if excess > 0 else 1) * excess**2
            if cost < costs[end]:
                costs[end], origin[end] = cost, start
    columns = []
    end = n
    while end:
        columns.append(list(range(origin[end], end)))
        end = origin[end]
    return columns[::-1]


def price_border(one: Sequence, other: Sequence, shared: int) -> float:
    """Return what it costs to cut between boxes inside modules ``one`` and ``other``, ``shared`` of them common.

    Where a module begins or ends a cut is cheap, the more so the higher up; inside a block it is dear.
    """
    if shared < max(len(one), len(other)):
        return 0.4 * min(shared, 2)
    return (0.0, 1.0, 3.0)[min(shared, 2)]


def find_wires(columns: Sequence[Sequence[int]], pairs: Pairs) -> tuple[list[int | None], set[tuple[int, int]], int]:
    """Choose the tensor that leads from each column to the next.

    Returns
    -------
    wires : list of int or None
        Per border, the box in the column before it whose output is read most often right after it.
    wired : set of (int, int)
        The arrows those tensors stand for.
    jumps : int
        How many other arrows cross a border.
    """
    column_of = {node: k for k, column in enumerate(columns) for node in column}
    across: list[dict[int, list[int]]] = [{} for _ in columns[1:]]
    crossing = 0
    for tail, head in pairs:
        crossing += column_of[tail] != column_of[head]
        if column_of[head] == column_of[tail] + 1:
            across[column_of[tail]].setdefault(tail, []).append(head)
    wires: list[int | None] = []
    wired: set[tuple[int, int]] = set()
    for readers in across:
        busiest = max(readers, key=lambda node: (len(readers[node]), node)) if readers else None
        wires.append(busiest)
        if busiest is not None:
            wired.update((busiest, head) for head in readers[busiest])
    return wires, wired, crossing - len(wired)


def find_spine(column: Sequence[int], end: int, bottoms: Sequence[float], pairs: Pairs) -> list[int]:
    """Return the longest path inside ``column`` that leads to ``end``, to be drawn as one straight line."""
    inside = set(column)
    parents: dict[int, list[int]] = {}
    for tail, head in pairs:
        if tail in inside and head in inside:
            parents.setdefault(head, []).append(tail)
    spine = [end]
    while spine[-1] in parents:
        spine.append(max(parents[spine[-1]], key=lambda node: (bottoms[node], -node)))
    return spine[::-1]


def _count_crossing(n: int, pairs: Pairs) -> list[int]:
    """Return, for each possible cut before a box, how many different tensors cross it."""
    last = list(range(n))
    for tail, head in pairs:
        last[tail] = max(last[tail], head)
    steps = [0] * (n + 1)
    for tail, head in enumerate(last):
        steps[tail + 1] += 1
        steps[head + 1 if head > tail else tail + 1] -= 1
    counts, now = [], 0
    for i in range(n):
        now += steps[i]
        counts.append(now)
    return counts
