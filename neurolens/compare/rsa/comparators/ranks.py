"""Moments of ranks when stimuli are counted several times: pure arrays."""

from typing import NamedTuple

import numpy as np
import torch

from neurolens.compare.rsa.comparators.moments import Moments, empty_moments, weigh_pairs
from neurolens.compare.rsa.comparators.orders import SortedPairs, sort_pairs
from neurolens.compare.rsa.comparators.subsets import SubsetBuffers, rank_subsets
from neurolens.compare.stats.linalg import keep_positive
from neurolens.support.progress import count_steps

# Ranks computed at once, few enough for a processor's cache.
BLOCK_RANKS = 2**18
# Rows of RDMs at a time, sorted.
Blocks = list[tuple[slice, SortedPairs]]


def average_ties(moments: Moments) -> np.ndarray:
    """Return rho-a = 12 / (N^3 - N) sum (R1 - mean)(R2 - mean) over N drawn pairs.

    It is the mean Spearman correlation when ties are broken at random.
    """
    return 12 * moments.cross / keep_positive(moments.total**2 - 1)[:, None, None]


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
    if not (len(x) and len(y)):
        count_steps(len(counts))
        return Moments(*(np.full(part.shape, np.nan) for part in result))
    step = max(1, BLOCK_RANKS // max(1, x.shape[1]))
    blocks_x = _sort_blocks(x, step)
    blocks_y = _sort_blocks(y, step)
    once = ((counts == 0) | (counts == 1)).all(axis=1)
    _fill_subsets(result, blocks_x, blocks_y, counts, np.flatnonzero(once), kept)
    repeated = np.flatnonzero(~once)
    if len(repeated):
        _fill_draws(result, blocks_x, blocks_y, counts, repeated, kept)
    return result


def _fill_subsets(
    result: Moments,
    blocks_x: Blocks,
    blocks_y: Blocks,
    counts: np.ndarray,
    draws: np.ndarray,
    kept: np.ndarray | None,
) -> None:
    """Write the moments of ``draws`` in which no stimulus occurs twice: subsets of the stimuli."""
    first, second = np.triu_indices(counts.shape[1], 1)
    is_kept = True if kept is None else kept
    all_y = _join_blocks(blocks_y)
    subsets = []
    of_parts = []
    for draw in draws:
        row = counts[draw] > 0
        subset = np.flatnonzero(row[first] & row[second] & is_kept)
        if len(subset) == len(first):
            _fill_whole(result, blocks_x, all_y, draw)
            count_steps()
        else:
            subsets.append(subset)
            of_parts.append(draw)
    largest = max((len(subset) for subset in subsets), default=0)
    buffers_y = SubsetBuffers(len(all_y.order), len(first), largest)
    buffers_x = SubsetBuffers(max(len(pairs.order) for _, pairs in blocks_x), len(first), largest)
    done = 0
    for packed in buffers_x.pack(subsets):
        places = of_parts[done : done + len(packed.subsets)]
        ranks_y = rank_subsets(all_y, packed, buffers_y)
        for draw, ranks in zip(places, ranks_y, strict=True):
            result.total[draw] = ranks.shape[1]
            result.power_y[draw] = _average_squares(all_y, ranks)
        for rows, pairs in blocks_x:
            of_rows = rank_subsets(pairs, packed, buffers_x)
            for draw, ranks, others in zip(places, of_rows, ranks_y, strict=True):
                result.cross[draw, rows] = _average_products(ranks, others)
                result.power_x[draw, rows] = _average_squares(pairs, ranks)
        done += len(places)
        count_steps(len(places))


def _fill_whole(result: Moments, blocks_x: Blocks, all_y: SortedPairs, draw: int) -> None:
    """Write the moments of a ``draw`` of all pairs, once each: their ranks are known."""
    ranks_y = all_y.center_ranks()
    result.total[draw] = ranks_y.shape[1]
    result.power_y[draw] = _average_squares(all_y, ranks_y)
    for rows, pairs in blocks_x:
        ranks = pairs.center_ranks()
        result.cross[draw, rows] = _average_products(ranks, ranks_y)
        result.power_x[draw, rows] = _average_squares(pairs, ranks)


def _average_products(ranks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the mean products (k, l) of ``ranks`` (k, s) and ``others`` (l, s), NaN of none."""
    return ranks @ others.T * _find_share(ranks)


def _average_squares(pairs: SortedPairs, ranks: np.ndarray) -> np.ndarray:
    """Return the mean squares (k,) of ``ranks`` (k, s), which are those of ``pairs``; NaN of none.

    Without ties they are those of 1 to s.
    """
    n_ranks = ranks.shape[1]
    if pairs.upto is None:
        return np.full(len(ranks), n_ranks * (n_ranks**2 - 1) / 12 * _find_share(ranks))
    return np.einsum("kp,kp->k", ranks, ranks) * _find_share(ranks)


def _find_share(ranks: np.ndarray) -> float:
    """Return the share of a pair among those of ``ranks`` (k, s)."""
    return 1 / ranks.shape[1] if ranks.shape[1] else np.nan


def _join_blocks(blocks: Blocks) -> SortedPairs:
    """Return all rows as one block."""
    parts = [pairs for _, pairs in blocks]
    if len(parts) == 1:
        return parts[0]
    width = parts[0].order.shape[1] + 1
    starts = np.cumsum([0, *(len(part.order) for part in parts[:-1])]) * width
    below = [part.below + start for part, start in zip(parts, starts, strict=True)]
    upto = None
    if any(part.upto is not None for part in parts):
        ends = [part.below + 1 if part.upto is None else part.upto for part in parts]
        upto = np.concatenate([end + start for end, start in zip(ends, starts, strict=True)])
    return SortedPairs(np.concatenate([part.order for part in parts]), np.concatenate(below), upto)


def _fill_draws(
    result: Moments,
    blocks_x: Blocks,
    blocks_y: Blocks,
    counts: np.ndarray,
    draws: np.ndarray,
    kept: np.ndarray | None,
) -> None:
    """Write the moments of ``draws`` in which stimuli occur more than once."""
    n_pairs = blocks_y[0][1].order.shape[1]
    largest = max(len(pairs.order) for _, pairs in [*blocks_x, *blocks_y])
    buffers = _make_buffers(largest, n_pairs)
    shares = np.empty((result.power_y.shape[1], n_pairs))
    for block, weights in weigh_pairs(counts[draws], kept):
        for draw, weight in zip(draws[block], weights, strict=True):
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


def _sort_blocks(values: np.ndarray, step: int) -> Blocks:
    """Return ``step`` rows of ``values`` (k, p) at a time, sorted."""
    blocks = [slice(start, start + step) for start in range(0, len(values), step)]
    return [(rows, sort_pairs(values[rows])) for rows in blocks]


def _make_buffers(k: int, p: int) -> RankBuffers:
    """Return memory for the ranks of ``k`` rows of ``p`` pairs."""
    return RankBuffers(np.zeros((k, p)), np.zeros((k, p + 1)), np.zeros((k, p)))


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
