"""Moments of pair vectors when stimuli are counted several times, or not at all: pure arrays.

Drawing stimulus i c_i times gives the pair (i, j) the weight w_ij = c_i c_j; pairs of a stimulus with its own copy do
not exist among the original pairs, so they are dropped. A bootstrap draw (counts), a half of the stimuli (0 or 1) and
the whole set (all 1) are thus one computation, and no RDM is ever copied.

Axes: d draws, n stimuli, p = n(n-1)/2 pairs (row by row, upper triangle), m model RDMs, b brain RDMs.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

# Pair weights held at once, so that memory does not grow with the number of draws.
BLOCK_WEIGHTS = 2**22
# Ranks found at once, few enough for a processor's cache.
BLOCK_RANKS = 2**18


class Moments(NamedTuple):
    """Weighted means of products, per draw: ``cross`` (d, m, b), ``power_x`` (d, m), ``power_y`` (d, b).

    ``total`` (d,) is the sum of the weights: how many pairs the draw holds.
    """

    cross: np.ndarray
    power_x: np.ndarray
    power_y: np.ndarray
    total: np.ndarray


def count_stimuli(n_pairs: int) -> int:
    """Return n for n(n-1)/2 pairs."""
    return round((1 + np.sqrt(1 + 8 * n_pairs)) / 2)


def count_once(pairs: np.ndarray) -> np.ndarray:
    """Return the counts (1, n) that take each stimulus of ``pairs`` (k, p) once."""
    return np.ones((1, count_stimuli(pairs.shape[1])), dtype=int)


def weigh_pairs(counts: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (draws, weights) in blocks of draws, with weights (d', p) = c_i c_j for ``counts`` (d, n)."""
    first, second = np.triu_indices(counts.shape[1], 1)
    step = max(1, BLOCK_WEIGHTS // max(1, len(first)))
    for start in range(0, len(counts), step):
        block = counts[start : start + step].astype(np.float64)
        weights = block.take(first, axis=1)
        weights *= block.take(second, axis=1)
        yield slice(start, start + len(block)), weights


def centre_rows(pairs: np.ndarray) -> np.ndarray:
    """Return each row less its mean, exactly zero if constant."""
    # Taking off the first value before the mean makes a constant vector exactly zero.
    pairs = pairs - pairs[:, :1]
    return pairs - pairs.mean(axis=1, keepdims=True)


def raw_moments(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> Moments:
    """Return weighted means of x y, x^2 and y^2 about zero, for ``x`` (m, p), ``y`` (b, p), ``counts`` (d, n)."""
    return _product_moments(x, y, counts, centred=False)


def centred_moments(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> Moments:
    """Return weighted covariances and variances, for ``x`` (m, p), ``y`` (b, p), ``counts`` (d, n)."""
    return _product_moments(centre_rows(x), centre_rows(y), counts, centred=True)


def rank_moments(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> Moments:
    """Return covariances and variances of the mid-ranks within each draw, for ``x`` (m, p), ``y`` (b, p).

    Ranks are those of the drawn pairs, each as often as its weight, so they are found anew for each draw. Sorting is
    done once: a draw only adds weights up along the sorted order. Time O(d (m + b) p + d m b p), memory O((m + b) p).
    """
    result = empty_moments(len(x), len(y), len(counts))
    step = max(1, BLOCK_RANKS // max(1, x.shape[1]))
    ours, theirs = (
        [(slice(k, k + step), _sort_pairs(side[k : k + step])) for k in range(0, len(side), step)] for side in (x, y)
    )
    room = RankRoom(*(np.zeros((min(step, max(map(len, (x, y)))), x.shape[1] + extra)) for extra in (0, 1, 0)))
    shares = np.empty_like(y)
    for draws, weights in weigh_pairs(counts):
        for draw, weight in zip(range(draws.start, draws.stop), weights, strict=True):
            result.total[draw] = total = weight.sum()
            share, own = weight / keep_positive(total), (weight - total) / 2
            for rows, table in theirs:
                ranks = _centre_ranks(table, weight, own, room)
                np.multiply(ranks, share, out=shares[rows])
                result.power_y[draw, rows] = np.einsum("kp,kp->k", ranks, shares[rows])
            for rows, table in ours:
                ranks = _centre_ranks(table, weight, own, room)
                result.cross[draw, rows] = ranks @ shares.T
                ranks *= ranks
                result.power_x[draw, rows] = ranks @ share
    return result


class SortedPairs(NamedTuple):
    """The order of each row's values and, as flat places in its running sum of weights, where each value's ties lie."""

    order: np.ndarray
    below: np.ndarray
    upto: np.ndarray | None


class RankRoom(NamedTuple):
    """What ranking one block of rows writes to, again for each draw: (k, p), but ``running`` (k, p + 1), 0 in front."""

    picked: np.ndarray
    running: np.ndarray
    ranks: np.ndarray


def _sort_pairs(values: np.ndarray) -> SortedPairs:
    """Return the sorted order of each row (k, p), and for each value how many are below it and up to it."""
    k, p = values.shape
    order = np.argsort(values, axis=1, kind="stable")
    in_order = np.take_along_axis(values, order, axis=1)
    new = np.ones((k, p + 1), dtype=bool)
    new[:, 1:p] = in_order[:, 1:] != in_order[:, :-1]
    places = np.broadcast_to(np.arange(p + 1), (k, p + 1))
    below = np.maximum.accumulate(np.where(new, places, 0), axis=1)[:, :p]
    after = np.where(new, places, p)[:, ::-1]
    upto = np.minimum.accumulate(after, axis=1)[:, ::-1][:, 1:]
    back = np.empty_like(order)
    np.put_along_axis(back, order, places[:, :p], axis=1)
    rows = np.arange(k)[:, None] * (p + 1)
    flat = [np.take_along_axis(place, back, axis=1) + rows for place in (below, upto)]
    return SortedPairs(order, flat[0], None if new.all() else flat[1])


def _centre_ranks(table: SortedPairs, weight: np.ndarray, own: np.ndarray, room: RankRoom) -> np.ndarray:
    """Return, in ``room``, the mid-rank (k, p) of each pair less the mean rank, when pair p occurs ``weight[p]`` times.

    The mid-rank is (below + up to + 1) / 2 and the mean rank (total + 1) / 2, where "below" and "up to" count the
    drawn pairs with a smaller value, and with one no larger. ``own`` is (weight - total) / 2.
    """
    picked, running, ranks = (part[: len(table.order)] for part in room)
    # Out of range cannot occur; any other mode would take the values to a copy first.
    weight.take(table.order, out=picked, mode="clip")
    # torch adds up several times as fast as numpy.
    torch.cumsum(torch.from_numpy(picked), 1, out=torch.from_numpy(running)[:, 1:])
    running.take(table.below, out=ranks, mode="clip")
    # Without ties "up to" is the pair itself more than "below", which spares the second look-up.
    if table.upto is None:
        ranks += own
        return ranks
    ranks += running.take(table.upto, out=picked, mode="clip")
    ranks -= running[0, -1]
    ranks /= 2
    return ranks


def _product_moments(x: np.ndarray, y: np.ndarray, counts: np.ndarray, *, centred: bool) -> Moments:
    """Return weighted means of products, about the weighted means if ``centred``."""
    result = empty_moments(len(x), len(y), len(counts))
    mean_x, mean_y = np.zeros_like(result.power_x), np.zeros_like(result.power_y)
    product = np.empty_like(x)
    for draws, weights in weigh_pairs(counts):
        result.total[draws] = weights.sum(axis=1)
        result.power_x[draws], result.power_y[draws] = _sum_rows(weights, x**2), _sum_rows(weights, y**2)
        for b, row in enumerate(y):
            result.cross[draws, :, b] = _sum_rows(weights, np.multiply(x, row, out=product))
        if centred:
            mean_x[draws], mean_y[draws] = _sum_rows(weights, x), _sum_rows(weights, y)
    total = keep_positive(result.total)[:, None]
    mean_x, mean_y = mean_x / total, mean_y / total
    return Moments(
        result.cross / total[:, :, None] - mean_x[:, :, None] * mean_y[:, None, :],
        subtract_explained(result.power_x / total, mean_x**2),
        subtract_explained(result.power_y / total, mean_y**2),
        result.total,
    )


def _sum_rows(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the sum (d, k) of each of ``rows`` (k, p) under ``weights`` (d, p); torch is faster at it than numpy."""
    return (torch.from_numpy(weights) @ torch.from_numpy(rows).T).numpy()


def subtract_explained(power: np.ndarray, explained: np.ndarray, slack: float = 1e-13) -> np.ndarray:
    """Return ``power - explained``, exactly 0 where the difference is only rounding."""
    left = power - explained
    return np.where(left <= slack * power, 0.0, left)


def empty_moments(m: int, b: int, d: int) -> Moments:
    """Return moments to be filled."""
    return Moments(np.empty((d, m, b)), np.empty((d, m)), np.empty((d, b)), np.empty(d))


def keep_positive(total: np.ndarray) -> np.ndarray:
    """Return ``total``, NaN where it is not above 0: a draw of one stimulus holds no pair, a constant has no scale."""
    return np.where(total > 0, total, np.nan)


def percentile_interval(draws: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (low, high) over axis 0 of ``draws``, leaving undefined draws out; NaN where every draw is undefined."""
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    bounds = np.full((2, *draws.shape[1:]), np.nan)
    known = ~np.isnan(draws)
    whole, some = known.all(axis=0), known.any(axis=0)
    # Leaving NaN out is slow, and seldom needed.
    for columns, quantile in ((some & whole, np.quantile), (some & ~whole, np.nanquantile)):
        if columns.any():
            bounds[:, columns] = quantile(draws[:, columns], tails, axis=0)
    return bounds[0], bounds[1]
