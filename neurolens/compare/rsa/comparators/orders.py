"""The sorted order of dissimilarities, and their ties: pure arrays."""

from typing import NamedTuple

import numpy as np

from neurolens.compare.rdms.rounding import level_rows

# Values that are looked at before all of a row are.
GLANCE = 32


class Ties(NamedTuple):
    """How many of a row's sorted values are ``below`` each, and how many ``upto`` it (k, p).

    ``are_any`` says whether any two values of a row are tied.
    """

    below: np.ndarray
    upto: np.ndarray
    are_any: bool


class SortedPairs(NamedTuple):
    """The order of each row's values, and where the ties of each value lie.

    ``order`` (k, p) sorts each row. ``below`` and ``upto`` (k, p) are, for each value, flat
    positions in the running sum of weights along that order, (k, p + 1): ``below`` is that after
    all smaller values, ``upto`` that after all values no larger. ``upto`` is None where no row has
    ties.
    """

    order: np.ndarray
    below: np.ndarray
    upto: np.ndarray | None

    def center_ranks(self) -> np.ndarray:
        """Return the mid-rank (k, p) of each value less the mean rank of its row."""
        k, p = self.order.shape
        offsets = np.arange(k)[:, None] * (p + 1)
        if self.upto is None:
            return self.below - (offsets + (p - 1) / 2)
        ranks = (self.below - offsets) + (self.upto - offsets)
        return (ranks - p) / 2


def rank_rows(pairs: np.ndarray) -> np.ndarray:
    """Return the mid-ranks of each row; NaN stays NaN and has no rank.

    Dissimilarities that are equal up to rounding have the same rank.
    """
    if np.isnan(pairs).any():
        return _rank_partial(pairs)
    order = np.argsort(pairs, axis=1)
    ties = _find_ties(level_rows(np.take_along_axis(pairs, order, axis=1)))
    ranks = np.empty(pairs.shape)
    if ties.are_any:
        np.put_along_axis(ranks, order, (ties.below + ties.upto + 1) / 2, axis=1)
    else:
        in_order = np.arange(1.0, pairs.shape[1] + 1)
        for row, positions in zip(ranks, order, strict=True):
            row[positions] = in_order
    return ranks


def rank_whole(pairs: np.ndarray, *, in_place: bool = False) -> np.ndarray:
    """Return ``pairs`` (k, p) with mid-ranks in the rows that hold no NaN, which order the same.

    Ranks without ties need no sort, so that one sort serves all that is computed of a row. With
    ``in_place`` they replace the dissimilarities.
    """
    ranked = pairs if in_place else pairs.copy()
    whole = np.flatnonzero(~np.isnan(pairs).any(axis=1))
    for row in whole:
        ranked[row] = rank_rows(pairs[row][None])[0]
    return ranked


def _rank_partial(pairs: np.ndarray) -> np.ndarray:
    """Return the mid-ranks of the numbers in each row, some of which hold NaN."""
    ranks = np.full(pairs.shape, np.nan)
    for row, values in zip(ranks, pairs, strict=True):
        there = ~np.isnan(values)
        row[there] = rank_rows(values[None, there])[0]
    return ranks


def sort_pairs(values: np.ndarray) -> SortedPairs:
    """Return the sorted order of each row (k, p), and how many are below and up to each value."""
    k, p = values.shape
    offsets = np.arange(k)[:, None] * (p + 1)
    known = _read_ranks(values)
    if known is not None:
        return SortedPairs(known.order, known.below + offsets, None)
    order = np.argsort(values, axis=1)
    ties = _find_ties(level_rows(np.take_along_axis(values, order, axis=1)))
    unsort = np.empty_like(order)
    np.put_along_axis(unsort, order, np.broadcast_to(np.arange(p), (k, p)), axis=1)
    flat_below = np.take_along_axis(ties.below, unsort, axis=1) + offsets
    if not ties.are_any:
        return SortedPairs(order, flat_below, None)
    return SortedPairs(order, flat_below, np.take_along_axis(ties.upto, unsort, axis=1) + offsets)


def _read_ranks(values: np.ndarray) -> SortedPairs | None:
    """Return the order of rows (k, p) that are ranks 1 to p without ties; None for any others.

    ``below`` is within each row.
    """
    k, p = values.shape
    glance = values[:, :GLANCE]
    if not (glance == np.rint(glance)).all() or not (values.min() == 1 and values.max() == p):
        return None
    below = values.astype(np.intp)
    if not (below == values).all():
        return None
    below -= 1
    order = np.full((k, p), -1)
    in_order = np.arange(p)
    for of_row, positions in zip(order, below, strict=True):
        of_row[positions] = in_order
    return None if order.min() < 0 else SortedPairs(order, below, None)


def _find_ties(in_order: np.ndarray) -> Ties:
    """Return which of the sorted values (k, p) of each row are tied."""
    k, p = in_order.shape
    is_new = np.ones((k, p + 1), dtype=bool)
    is_new[:, 1:p] = in_order[:, 1:] != in_order[:, :-1]
    positions = np.broadcast_to(np.arange(p + 1), (k, p + 1))
    if is_new.all():
        return Ties(positions[:, :p], positions[:, 1:], False)
    below = np.maximum.accumulate(np.where(is_new, positions, 0), axis=1)[:, :p]
    after = np.where(is_new, positions, p)[:, ::-1]
    upto = np.minimum.accumulate(after, axis=1)[:, ::-1][:, 1:]
    return Ties(below, upto, True)
