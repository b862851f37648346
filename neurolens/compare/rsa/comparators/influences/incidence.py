"""Which pairs each stimulus is part of, and sums over them: pure arrays."""

from functools import cached_property
from typing import Any

import numpy as np

# Squares of RDMs at once.
BLOCK_SQUARES = 8


class Incidence:
    """The pairs of stimuli at positions ``first`` and ``second`` (p,), each pair once.

    Some pairs may be missing. ``unit`` (n,), numbered from 0, is what each stimulus is drawn with:
    itself, or its group.
    """

    def __init__(self, first: np.ndarray, second: np.ndarray, unit: np.ndarray) -> None:
        self.first = first
        self.second = second
        self.unit = unit
        self.n = len(unit)
        self.n_units = int(unit.max()) + 1

    @cached_property
    def degree(self) -> np.ndarray:
        """How many pairs each stimulus is part of, (n,)."""
        return np.bincount(np.concatenate([self.first, self.second]), minlength=self.n)

    @cached_property
    def ends(self) -> np.ndarray:
        """The two stimuli (p, 2) of each pair, in the integers that sparse matrices are of."""
        kind = np.int32 if 2 * len(self.first) < 2**31 else np.int64
        return np.stack([self.first, self.second], axis=1).astype(kind)

    @cached_property
    def ones(self) -> np.ndarray:
        """A one (2 p,) for each stimulus of each pair."""
        return np.ones(2 * len(self.first))

    @cached_property
    def pairs(self) -> np.ndarray:
        """The pairs (2 p,) of the first stimulus, then those of the second, and so on."""
        ends = np.concatenate([self.first, self.second])
        return np.argsort(ends, kind="stable") % len(self.first)

    @cached_property
    def members(self) -> list[np.ndarray]:
        """The stimuli of each unit."""
        return [np.flatnonzero(self.unit == number) for number in range(self.n_units)]

    @cached_property
    def touched(self) -> list[np.ndarray]:
        """The pairs of each unit, those of which it holds one or both stimuli."""
        ends = np.cumsum(self.degree)
        by_stimulus = np.split(self.pairs, ends[:-1])
        touched = []
        for member in self.members:
            pairs = np.concatenate([by_stimulus[i] for i in member])
            touched.append(pairs if len(member) == 1 else np.unique(pairs))
        return touched

    def add_units(self, values: np.ndarray) -> np.ndarray:
        """Return the sums (..., u) of ``values`` (..., n) over the stimuli of each unit."""
        if self.n_units == self.n:
            return values[..., np.argsort(self.unit)]
        sums = [values[..., member].sum(axis=-1) for member in self.members]
        return np.stack(sums, axis=-1)

    @cached_property
    def inside(self) -> dict[int, np.ndarray]:
        """The pairs of two stimuli of one unit, for each unit of several stimuli."""
        of_pair = np.where(
            self.unit[self.first] == self.unit[self.second], self.unit[self.first], -1
        )
        several = [number for number, member in enumerate(self.members) if len(member) > 1]
        return {number: np.flatnonzero(of_pair == number) for number in several}

    def sum_touched(self, values: np.ndarray) -> np.ndarray:
        """Return the sums (k, u) of ``values`` (k, p) over the pairs that each unit is part of."""
        sums = self.add_units(self.sum_rows(values))
        for number, pairs in self.inside.items():
            sums[:, number] -= values[:, pairs].sum(axis=1)
        return sums

    def sum_touched_products(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the sums (m, b, u) of x y over the pairs that each unit is part of."""
        sums = self.add_units(self.sum_products(x, y))
        for number, pairs in self.inside.items():
            sums[..., number] -= x[:, pairs] @ y[:, pairs].T
        return sums

    def gather(self, n_columns: int, *places: np.ndarray) -> Any:
        """Return a sparse matrix (n, n_columns) that adds up columns over the pairs of a stimulus.

        Pair p stands at column ``place[p]`` of each of ``places``, once for each.
        """
        from scipy.sparse import csr_array

        counts = len(places) * self.degree
        starts = np.concatenate([[0], np.cumsum(counts)])
        columns = np.stack([place[self.pairs] for place in places], axis=1).ravel()
        return csr_array((np.ones(len(columns)), columns, starts), shape=(self.n, n_columns))

    def sum_rows(self, values: np.ndarray) -> np.ndarray:
        """Return the sums (k, n) of ``values`` (k, p) over the pairs of each stimulus."""
        total = self.gather(values.shape[1], np.arange(values.shape[1]))
        return (total @ values.T).T

    def sum_products(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the sums (m, b, n) of x y over the pairs of each stimulus.

        They are of each of ``x`` (m, p) with each of ``y`` (b, p). Time O(m b n^2).
        """
        products = np.empty((self.n, len(x), len(y)))
        columns_y = np.ascontiguousarray(np.moveaxis(self._expand(y), 0, 2))  # (n, n, b)
        # All blocks are written to the same place, which fits a processor's cache: fresh memory
        # would cost page faults.
        squares = np.empty((min(BLOCK_SQUARES, len(x)), self.n, self.n))
        for start in range(0, len(x), BLOCK_SQUARES):
            block = x[start : start + BLOCK_SQUARES]
            rows_x = np.swapaxes(self._expand(block, squares[: len(block)]), 0, 1)  # (n, m, n)
            products[:, start : start + BLOCK_SQUARES] = np.matmul(rows_x, columns_y)
        return np.moveaxis(products, 0, -1)

    @cached_property
    def _pair_of(self) -> np.ndarray:
        """The pair (n, n) of each two stimuli, or the number of pairs where they have none."""
        pair_of = np.full((self.n, self.n), len(self.first))
        pair_of[self.first, self.second] = np.arange(len(self.first))
        pair_of[self.second, self.first] = np.arange(len(self.first))
        return pair_of

    def _expand(self, values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return the squares (k, n, n) of ``values`` (k, p), 0 where there is no pair."""
        squares = np.empty((len(values), self.n, self.n)) if out is None else out
        for square, row in zip(squares, values, strict=True):
            # Indices are never out of range; any other mode would copy the values first.
            np.append(row, 0.0).take(self._pair_of, out=square, mode="clip")
        return squares
