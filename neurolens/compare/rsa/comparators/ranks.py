"""Moments of ranks when stimuli are counted several times: pure arrays."""

from typing import NamedTuple

import numpy as np
import torch

from neurolens.compare.rdms.rounding import level_rows
from neurolens.compare.rsa.comparators.moments import Moments, empty_moments, weigh_pairs
from neurolens.compare.stats.linalg import keep_positive

# Ranks computed at once, few enough for a processor's cache.
BLOCK_RANKS = 2**18


def rank_rows(pairs: np.ndarray) -> np.ndarray:
    """Return the mid-ranks of each row; NaN stays NaN and has no rank.

    Dissimilarities that are equal up to rounding have the same rank.
    """
    if np.isnan(pairs).any():
        return _rank_partial(pairs)
    order = np.argsort(pairs, axis=1)
    ties = _find_ties(level_rows(np.take_along_axis(pairs, order, axis=1)))
    ranks = np.empty(pairs.shape)
    np.put_along_axis(ranks, order, (ties.below + ties.upto + 1) / 2, axis=1)
    return ranks


def _rank_partial(pairs: np.ndarray) -> np.ndarray:
    """Return the mid-ranks of the numbers in each row, some of which hold NaN."""
    ranks = np.full(pairs.shape, np.nan)
    for row, values in zip(ranks, pairs, strict=True):
        there = ~np.isnan(values)
        row[there] = rank_rows(values[None, there])[0]
    return ranks


def average_ties(moments: Moments) -> np.ndarray:
    """Return rho-a = 12 / (N^3 - N) sum (R1 - mean)(R2 - mean) over N drawn pairs.

    It is the mean Spearman correlation when ties are broken at random.
    """
    return 12 * moments.cross / keep_positive(moments.total**2 - 1)[:, None, None]


class Ties(NamedTuple):
    """How many of a row's sorted values are ``below`` each, and how many ``upto`` it (k, p).

    ``are_any`` says whether any two values of a row are tied.
    """

    below: np.ndarray
    upto: np.ndarray
    are_any: bool


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


class RankBuffers(NamedTuple):
    """Memory that ranking writes to, the same for every draw and block of rows.

    ``picked`` and ``ranks`` (k, p); ``running`` (k, p + 1), whose first column stays 0.
    """

    picked: np.ndarray
    running: np.ndarray
    ranks: np.ndarray


def rank_moments(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, kept: np.ndarray | None = None
) -> Moments:
    """Return covariances and variances of the mid-ranks within each draw.

    RDMs are ``x`` (m, p) and ``y`` (b, p), ``counts`` is (d, n), ``kept`` (p,) the pairs that
    count. Ranks are those of the drawn pairs, each as often as its weight, so they differ between
    draws. Dissimilarities that are equal up to rounding are tied. Sorting is done once: a draw only
    adds weights up along the sorted order. Time O(d (m + b) p + d m b p), memory O((m + b) p).
    """
    result = empty_moments(len(x), len(y), len(counts))
    step = max(1, BLOCK_RANKS // max(1, x.shape[1]))
    blocks_x = _sort_blocks(x, step)
    blocks_y = _sort_blocks(y, step)
    buffers = _make_buffers(min(step, max(len(x), len(y))), x.shape[1])
    shares = np.empty_like(y)
    for draws, weights in weigh_pairs(counts, kept):
        for draw, weight in zip(range(draws.start, draws.stop), weights, strict=True):
            total = weight.sum()
            result.total[draw] = total
            share = weight / keep_positive(total)
            own = (weight - total) / 2
            for rows, pairs in blocks_y:
                ranks = _center_ranks(pairs, weight, own, buffers)
                np.multiply(ranks, share, out=shares[rows])
                result.power_y[draw, rows] = np.einsum("kp,kp->k", ranks, shares[rows])
            for rows, pairs in blocks_x:
                ranks = _center_ranks(pairs, weight, own, buffers)
                result.cross[draw, rows] = ranks @ shares.T
                ranks *= ranks
                result.power_x[draw, rows] = ranks @ share
    return result


def _sort_blocks(values: np.ndarray, step: int) -> list[tuple[slice, SortedPairs]]:
    """Return ``step`` rows of ``values`` (k, p) at a time, sorted."""
    blocks = [slice(start, start + step) for start in range(0, len(values), step)]
    return [(rows, sort_pairs(values[rows])) for rows in blocks]


def _make_buffers(k: int, p: int) -> RankBuffers:
    """Return memory for the ranks of ``k`` rows of ``p`` pairs."""
    return RankBuffers(np.zeros((k, p)), np.zeros((k, p + 1)), np.zeros((k, p)))


def sort_pairs(values: np.ndarray) -> SortedPairs:
    """Return the sorted order of each row (k, p), and how many are below and up to each value."""
    k, p = values.shape
    order = np.argsort(values, axis=1)
    in_order = level_rows(np.take_along_axis(values, order, axis=1))
    ties = _find_ties(in_order)
    unsort = np.empty_like(order)
    np.put_along_axis(unsort, order, np.broadcast_to(np.arange(p), (k, p)), axis=1)
    offsets = np.arange(k)[:, None] * (p + 1)
    flat_below = np.take_along_axis(ties.below, unsort, axis=1) + offsets
    if not ties.are_any:
        return SortedPairs(order, flat_below, None)
    return SortedPairs(order, flat_below, np.take_along_axis(ties.upto, unsort, axis=1) + offsets)


def _center_ranks(
    pairs: SortedPairs, weight: np.ndarray, own: np.ndarray, buffers: RankBuffers
) -> np.ndarray:
    """Return the mid-rank (k, p) of each pair less the mean rank, in ``buffers``.

    Pair p occurs ``weight[p]`` times. The mid-rank is (below + up to + 1) / 2 and the mean rank
    (total + 1) / 2, where "below" and "up to" count the drawn pairs with a smaller value, and with
    one no larger. ``own`` is (weight - total) / 2.
    """
    n_rows = len(pairs.order)
    picked = buffers.picked[:n_rows]
    running = buffers.running[:n_rows]
    ranks = buffers.ranks[:n_rows]
    # Indices are never out of range; any other mode would copy the values first.
    weight.take(pairs.order, out=picked, mode="clip")
    # torch adds up several times as fast as numpy.
    torch.cumsum(torch.from_numpy(picked), 1, out=torch.from_numpy(running)[:, 1:])
    running.take(pairs.below, out=ranks, mode="clip")
    # Without ties "up to" is the pair itself more than "below", which spares the second look-up.
    if pairs.upto is None:
        ranks += own
        return ranks
    ranks += running.take(pairs.upto, out=picked, mode="clip")
    ranks -= running[0, -1]
    ranks /= 2
    return ranks
