"""Ranks within subsets of the pairs, of several subsets at a time: pure arrays.

The rank of a pair within a subset is how many of the subset come before it in the sorted order of
all pairs. An integer holds such counts of several subsets, each in bits of its own, so that one
running sum serves them all.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from neurolens.compare.rsa.comparators.orders import SortedPairs

WORD_BITS = 64
# Counts of a subset have these bits, for subsets of fewer pairs than they can count.
LANES: tuple[tuple[int, type], ...] = ((16, np.uint16), (32, np.uint32))


class SubsetBuffers:
    """Memory that ranking writes to, the same for all subsets: fresh memory costs page faults.

    It is for up to ``n_rows`` RDMs of ``n_pairs`` pairs, of which the subsets hold ``largest`` or
    fewer.
    """

    def __init__(self, n_rows: int, n_pairs: int, largest: int) -> None:
        self.bits, kind = _choose_lane(largest)
        self.n_lanes = WORD_BITS // self.bits
        self.member = np.zeros(n_pairs, dtype=np.uint64)
        self.picked = np.empty(n_pairs, dtype=np.uint64)
        self.running = np.zeros((n_rows, n_pairs + 1), dtype=np.uint64)
        # The lowest bits come first.
        little = self.running.astype("<u8", copy=False)
        self.counts = little.view(np.dtype(kind).newbyteorder("<")).reshape(-1)
        self.places = np.empty(largest, dtype=np.intp)
        self.ranks = np.empty((self.n_lanes, n_rows, largest))


def pack_subsets(subsets: Sequence[np.ndarray], n_lanes: int) -> Iterator[list[np.ndarray]]:
    """Yield ``subsets``, each the positions of its pairs, ``n_lanes`` or fewer at a time."""
    for start in range(0, len(subsets), n_lanes):
        yield list(subsets[start : start + n_lanes])


def rank_subsets(
    pairs: SortedPairs, subsets: list[np.ndarray], buffers: SubsetBuffers
) -> list[np.ndarray]:
    """Return the mid-ranks (k, s) within each subset of s pairs, less their mean.

    ``subsets`` are some that ``pack_subsets`` yields. The ranks are in ``buffers``, which the next
    call changes.
    """
    member = buffers.member
    member[:] = 0
    for lane, subset in enumerate(subsets):
        member[subset] += np.uint64(1 << (buffers.bits * lane))
    for row, order in enumerate(pairs.order):
        # Indices are never out of range; any other mode would copy the values first.
        member.take(order, out=buffers.picked, mode="clip")
        np.cumsum(buffers.picked, out=buffers.running[row, 1:])
    ranks = [
        of_lane[: len(pairs.order), : len(subset)]
        for of_lane, subset in zip(buffers.ranks, subsets, strict=False)
    ]
    for lane, (subset, of_lane) in enumerate(zip(subsets, ranks, strict=True)):
        places = buffers.places[: len(subset)]
        for row, of_row in enumerate(of_lane):
            below = _count_places(pairs.below[row], subset, lane, buffers, places)
            if pairs.upto is None:
                np.subtract(below, (len(subset) - 1) / 2, out=of_row)
                continue
            np.subtract(below, len(subset), out=of_row, dtype=np.float64)
            of_row += _count_places(pairs.upto[row], subset, lane, buffers, places)
            of_row /= 2
    return ranks


def _count_places(
    positions: np.ndarray,
    subset: np.ndarray,
    lane: int,
    buffers: SubsetBuffers,
    places: np.ndarray,
) -> np.ndarray:
    """Return the running counts of one lane at the ``positions`` (p,) of the pairs of a subset."""
    positions.take(subset, out=places, mode="clip")
    places *= buffers.n_lanes
    return buffers.counts[lane:].take(places, mode="clip")


def _choose_lane(largest: int) -> tuple[int, type]:
    """Return the fewest bits that count the ``largest`` subset, and the integer of that size."""
    for bits, kind in LANES:
        if largest < 2**bits:
            return bits, kind
    raise ValueError(f"subsets of fewer than 2**{LANES[-1][0]} pairs are ranked, got {largest}")
