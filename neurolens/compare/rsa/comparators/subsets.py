"""Ranks within subsets of the pairs, of several subsets at a time: pure arrays.

The rank of a pair within a subset is how many of the subset come before it in the sorted order of
all pairs. An integer holds such counts of several subsets, each in bits of its own, so that one
running sum serves them all.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from neurolens.compare.rsa.comparators.orders import SortedPairs

WORD_BITS = 64
# Counts have this many bits, which can be read without shifting, or more: up to the second number.
SHORT_BITS = 16
MOST_BITS = 32


class PackedSubsets(NamedTuple):
    """Subsets that are ranked together, each in a lane of an integer.

    ``subsets`` are the positions of their pairs; ``member`` (p,) has in each lane a 1 for the pairs
    of its subset, and ``places`` are those of each subset's counts, for ``SubsetBuffers.read``.
    """

    subsets: list[np.ndarray]
    member: np.ndarray
    places: list[np.ndarray]


class SubsetBuffers:
    """Memory that ranking writes to, the same for all subsets: fresh memory costs page faults.

    It is for up to ``n_rows`` RDMs of ``n_pairs`` pairs, of which the subsets hold ``largest`` or
    fewer.
    """

    def __init__(self, n_rows: int, n_pairs: int, largest: int) -> None:
        self.bits = _choose_bits(largest)
        self.n_lanes = WORD_BITS // self.bits
        self.picked = np.empty(n_pairs, dtype=np.uint64)
        self.running = np.zeros(n_pairs + 1, dtype=np.uint64)
        self.positions = np.empty(n_pairs, dtype=np.intp)
        # The lowest bits come first.
        self.counts = np.empty(n_pairs, dtype="<u8")
        self.short_counts = self.counts.view("<u2")
        self.ranks = np.empty((self.n_lanes, n_rows, largest))

    def pack(self, subsets: Sequence[np.ndarray]) -> Iterator[PackedSubsets]:
        """Yield ``subsets``, each the positions of its pairs, as many at a time as have lanes."""
        for start in range(0, len(subsets), self.n_lanes):
            together = list(subsets[start : start + self.n_lanes])
            member = np.zeros(len(self.picked), dtype=np.uint64)
            for lane, subset in enumerate(together):
                member[subset] += np.uint64(1 << (self.bits * lane))
            places = together
            if self.bits == SHORT_BITS:
                places = [subset * self.n_lanes + lane for lane, subset in enumerate(together)]
            yield PackedSubsets(together, member, places)

    def read(self, lane: int, places: np.ndarray) -> np.ndarray:
        """Return the counts (s,) in one lane of the pairs at ``places`` (s,)."""
        if self.bits == SHORT_BITS:
            return self.short_counts.take(places, mode="clip")
        counts = self.counts.take(places, mode="clip")
        counts >>= np.uint64(self.bits * lane)
        counts &= np.uint64(2**self.bits - 1)
        return counts.view(np.int64)


def rank_subsets(
    pairs: SortedPairs, packed: PackedSubsets, buffers: SubsetBuffers
) -> list[np.ndarray]:
    """Return the mid-ranks (k, s) within each subset of s pairs, less their mean.

    The ranks are in ``buffers``, which the next call changes.
    """
    ranks = [
        of_lane[: len(pairs.order), : len(subset)]
        for of_lane, subset in zip(buffers.ranks, packed.subsets, strict=False)
    ]
    n_pairs = len(buffers.picked)
    for row, order in enumerate(pairs.order):
        _add_up(packed.member, order, buffers)
        first = row * (n_pairs + 1)
        _count_pairs(pairs.below[row], first, buffers)
        for lane, (of_lane, places) in enumerate(zip(ranks, packed.places, strict=True)):
            below = buffers.read(lane, places)
            if pairs.upto is None:
                np.subtract(below, (len(places) - 1) / 2, out=of_lane[row])
            else:
                np.subtract(below, len(places), out=of_lane[row], dtype=np.float64)
        if pairs.upto is None:
            continue
        _count_pairs(pairs.upto[row], first, buffers)
        for lane, (of_lane, places) in enumerate(zip(ranks, packed.places, strict=True)):
            of_lane[row] += buffers.read(lane, places)
            of_lane[row] /= 2
    return ranks


def _add_up(member: np.ndarray, order: np.ndarray, buffers: SubsetBuffers) -> None:
    """Write the running sums of ``member`` (p,) along the sorted ``order`` (p,)."""
    # Indices are never out of range; any other mode would copy the values first.
    member.take(order, out=buffers.picked, mode="clip")
    # torch adds up several times as fast as numpy; it has signed integers, of the same sums.
    picked = torch.from_numpy(buffers.picked.view(np.int64))
    torch.cumsum(picked, 0, out=torch.from_numpy(buffers.running[1:].view(np.int64)))


def _count_pairs(flat: np.ndarray, first: int, buffers: SubsetBuffers) -> None:
    """Write the running sums at the ``flat`` positions (p,) of all pairs, the row's from ``first``.

    All lanes are looked up at once.
    """
    positions = np.subtract(flat, first, out=buffers.positions) if first else flat
    buffers.running.take(positions, out=buffers.counts, mode="clip")


def _choose_bits(largest: int) -> int:
    """Return how many bits hold the counts of the ``largest`` subset."""
    bits = max(SHORT_BITS, largest.bit_length())
    if bits > MOST_BITS:
        raise ValueError(f"subsets of fewer than 2**{MOST_BITS} pairs are ranked, got {largest}")
    return bits
