"""Running sums along the sorted order of an RDM, added up over the pairs of each stimulus."""

from functools import cached_property
from typing import Any

import numpy as np

from neurolens.compare.rsa.comparators.influences.incidence import Incidence
from neurolens.compare.rsa.comparators.orders import SortedPairs

# Pairs in a segment, and columns summed at once: few enough for a processor's cache.
SEGMENT = 128
BLOCK_COLUMNS = 12


class Segments:
    """Positions 0 to p - 1 of ``n_pairs`` sorted pairs, dealt into segments of equal length.

    Running sums are made in all segments at once: row r of a table holds position r of each. The
    last segment is filled up with positions that are not used.
    """

    def __init__(self, n_pairs: int) -> None:
        self.n_pairs = n_pairs
        self.n_segments = -(-n_pairs // SEGMENT)
        self.length = -(-n_pairs // self.n_segments)

    @cached_property
    def places(self) -> np.ndarray:
        """The position of each entry of the table, row by row."""
        size = self.n_segments * self.length
        return np.arange(size).reshape(self.n_segments, self.length).T.ravel()

    @cached_property
    def used(self) -> np.ndarray:
        """The positions that are used, in the order of the table."""
        return self.places[self.places < self.n_pairs]

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the two stimuli of each entry start among those of all; unused entries have none.

        In 32 bits where these hold them, because sparse matrices are of the smallest integers.
        """
        ends = np.cumsum(2 * (self.places < self.n_pairs))
        kind = np.int32 if 2 * self.n_pairs < 2**31 else np.int64
        return np.concatenate([[0], ends]).astype(kind)

    def find(self, positions: np.ndarray) -> np.ndarray:
        """Return the entries of the table of ``positions``; the one past its end of -1."""
        entries = positions % self.length * self.n_segments + positions // self.length
        return np.where(positions < 0, self.n_segments * self.length, entries)

    def accumulate(self, table: np.ndarray) -> None:
        """Replace ``table`` (entry, l), ordered as ``places``, by its running sums."""
        n_columns = table.shape[1]
        rows = table.reshape(self.length, -1)
        for row in range(1, self.length):
            np.add(rows[row - 1], rows[row], out=rows[row])
        before = np.zeros((self.n_segments, n_columns))
        np.cumsum(rows[-1].reshape(self.n_segments, n_columns)[:-1], axis=0, out=before[1:])
        rows += before.ravel()


def displace(rows: list[SortedPairs], others: np.ndarray, incidence: Incidence) -> np.ndarray:
    """Return sum_q sum_p 1/2 sign(x_p - x_q) others_p, (k, l, n), for each x of k ``rows``.

    q are the pairs of each stimulus and p all pairs; each of ``others`` (l, p) adds up to 0. Sums
    over the pairs with smaller values, and over those with larger ones, are running sums along the
    sorted order of x.
    """
    n_columns, n_pairs = others.shape
    result = np.empty((len(rows), n_columns, incidence.n))
    segments = Segments(n_pairs)
    padded = np.minimum(segments.places, n_pairs - 1)
    gathers = [_gather_stimuli(pairs, incidence, segments) for pairs in rows]
    orders = [pairs.order[0].take(padded) for pairs in rows]
    own = incidence.sum_rows(others)  # (l, n)
    # All blocks are written to the same place: fresh memory would cost page faults. One entry more,
    # of which the sum is 0.
    memory = np.zeros((len(padded) + 1) * min(BLOCK_COLUMNS, n_columns))
    for start in range(0, n_columns, BLOCK_COLUMNS):
        block = slice(start, start + BLOCK_COLUMNS)
        columns = np.ascontiguousarray(others[block].T)  # (p, l)
        n_here = columns.shape[1]
        table = memory[: (len(padded) + 1) * n_here].reshape(-1, n_here)
        table[-1] = 0
        for row, pairs in enumerate(rows):
            # Indices are never out of range; any other mode would copy the values first.
            columns.take(orders[row], axis=0, out=table[:-1], mode="clip")
            segments.accumulate(table[:-1])
            # Sums over larger values are those over values no larger, negated.
            if pairs.upto is None:
                result[row, block] = own[block] / 2 - (gathers[row] @ table[:-1]).T
            else:
                sums = _add_ties(pairs, pairs.upto, segments, table)
                result[row, block] = (gathers[row] @ sums).T / -2
    return result


def _gather_stimuli(pairs: SortedPairs, incidence: Incidence, segments: Segments) -> Any:
    """Return the sparse matrix (n, entry) that adds up entries over the pairs of each stimulus."""
    from scipy.sparse import csc_array

    stimuli = incidence.ends.take(pairs.order[0].take(segments.used), axis=0)
    shape = (incidence.n, len(segments.places))
    return csc_array((incidence.ones, stimuli.ravel(), segments.starts), shape=shape)


def _add_ties(
    pairs: SortedPairs, upto: np.ndarray, segments: Segments, table: np.ndarray
) -> np.ndarray:
    """Return for each entry the sum over smaller values and that over values no larger."""
    order = pairs.order[0].take(np.minimum(segments.places, segments.n_pairs - 1))
    below = segments.find(pairs.below[0].take(order) - 1)
    return table.take(below, axis=0) + table.take(segments.find(upto[0].take(order) - 1), axis=0)
