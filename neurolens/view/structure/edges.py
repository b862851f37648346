"""Edges between nodes: their roles, and the shortcuts of dense blocks, which are not drawn."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_

from neurolens.view.structure.records import Edge, Run

# A run is dense where more than this share of the edges between its parts are shortcuts, and where
# a part that reads any reads at least this many on average: in a chain of residual blocks half of
# the edges between blocks are shortcuts as well, one for each block, and those are worth drawing.
DENSE_SHARE = 0.4
DENSE_READS = 2.0


def build_edges(
    pairs: Iterable[tuple[int, int]], runs: Sequence[Run], run_of_node: Sequence[int]
) -> tuple[Edge, ...]:
    """Return the edges of pairs (tail, head) of nodes, each once, in the order given.

    Parameters
    ----------
    pairs : iterable of (int, int)
        A tail that does not precede its head is read in a later pass.
    runs, run_of_node
        All runs, and the innermost one around each node, -1 for none.
    """
    unique = list(dict.fromkeys(pairs))
    forward = [pair for pair in unique if pair[0] < pair[1]]
    shortcuts = find_shortcuts(len(run_of_node), forward)
    crossings = _find_crossings(forward, runs, run_of_node)
    dense = _find_dense_runs(crossings, shortcuts)
    edges = []
    for tail, head in unique:
        pair = (tail, head)
        role = "main" if tail < head else "loop"
        if pair in shortcuts:
            role = "shortcut"
        left_out = role == "shortcut" and _is_dense(pair, crossings, dense, runs, run_of_node)
        edges.append(Edge(tail, head, role, left_out))
    return tuple(edges)


def find_shortcuts(n_nodes: int, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the pairs (tail, head), tail < head, between which a longer path exists as well.

    One bit set of ancestors per node makes this nodes × pairs / 64 steps. Those that no later node
    reads are let go, because together they are as large as the square of the number of nodes.
    """
    parents: list[list[int]] = [[] for _ in range(n_nodes)]
    last_reader = [-1] * n_nodes
    for tail, head in pairs:
        parents[head].append(tail)
        last_reader[tail] = max(last_reader[tail], head)
    ancestors: dict[int, int] = {}
    shortcuts: set[tuple[int, int]] = set()
    for head, tails in enumerate(parents):
        above = reduce(or_, (ancestors[tail] for tail in tails), 0)
        shortcuts.update((tail, head) for tail in tails if above >> tail & 1)
        for tail in tails:
            if last_reader[tail] == head:
                ancestors.pop(tail, None)
        if last_reader[head] >= 0:
            ancestors[head] = reduce(or_, (1 << tail for tail in tails), above)
    return shortcuts


def _find_crossings(
    pairs: Iterable[tuple[int, int]], runs: Sequence[Run], run_of_node: Sequence[int]
) -> dict[tuple[int, int], int]:
    """Return the innermost run around both ends of each pair, -1 for the model itself."""
    crossings = {}
    for tail, head in pairs:
        run = run_of_node[head]
        while run >= 0 and not runs[run].first <= tail <= runs[run].last:
            run = runs[run].parent
        crossings[tail, head] = run
    return crossings


def _find_dense_runs(
    crossings: Mapping[tuple[int, int], int], shortcuts: set[tuple[int, int]]
) -> set[int]:
    """Return the runs between whose parts shortcuts are so many that they hide the rest."""
    n_edges = Counter(crossings.values())
    n_shortcuts: Counter[int] = Counter()
    readers: dict[int, set[int]] = defaultdict(set)
    for tail, head in shortcuts:
        run = crossings[tail, head]
        n_shortcuts[run] += 1
        readers[run].add(head)
    dense = set()
    for run, n in n_shortcuts.items():
        if n > DENSE_SHARE * n_edges[run] and n >= DENSE_READS * len(readers[run]):
            dense.add(run)
    return dense


def _is_dense(
    pair: tuple[int, int],
    crossings: Mapping[tuple[int, int], int],
    dense: set[int],
    runs: Sequence[Run],
    run_of_node: Sequence[int],
) -> bool:
    """Return whether an edge leads to a part of a dense run, from another part or from outside."""
    if crossings[pair] in dense:
        return True
    run = run_of_node[pair[1]]
    while run != crossings[pair]:
        if run in dense:
            return True
        run = runs[run].parent
    return False
