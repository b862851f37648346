"""Moments of ranks when stimuli are counted several times: pure arrays."""

from typing import NamedTuple

import numpy as np
import torch

from neurolens.compare.rsa.comparators.moments import Moments, empty_moments, weigh_pairs
from neurolens.compare.stats.linalg import keep_positive

# Ranks found at once, few enough for a processor's cache.
BLOCK_RANKS = 2**18


def rank_moments(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> Moments:
    """Return covariances and variances of the mid-ranks within each draw, for ``x`` (m, p), ``y`` (b, p).

    Ranks are those of the drawn pairs, each as often as its weight, so they are found anew for each
    draw. Sorting is done once: a draw only adds weights up along the sorted order. Time O(d (m + b)
    p + d m b p), memory O((m + b) p).
    """
    result = empty_moments(len(x), len(y), len(counts))
    step = max(1, BLOCK_RANKS // max(1, x.shape[1]))
    ours, theirs = (
        [(slice(k, k + step), _sort_pairs(side[k : k + step])) for k in range(0, len(side), step)]
        for side in (x, y)
    )
    room = RankBuffers(
        *(np.zeros((min(step, max(map(len, (x, y)))), x.shape[1] + extra)) for extra in (0, 1, 0))
    )
    shares = np.empty_like(y)
    for draws, weights in weigh_pairs(counts):
        for draw, weight in zip(range(draws.start, draws.stop), weights, strict=True):
            result.total[draw] = total = weight.sum()
            share = weight / keep_positive(total)
            own = (weight - total) / 2
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
    """The order of each row's values and, as flat places in its running sum of weights.

    Where each value's ties lie.
    """

    order: np.ndarray
    below: np.ndarray
    upto: np.ndarray | None


class RankBuffers(NamedTuple):
    """What ranking one block of rows writes to, again for each draw: (k, p), but ``running`` (k.

    P + 1), 0 in front.
    """

    picked: np.ndarray
    running: np.ndarray
    ranks: np.ndarray


def _sort_pairs(values: np.ndarray) -> SortedPairs:
    """Return the sorted order of each row (k, p).

    And for each value how many are below it and up to it.
    """
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


def _centre_ranks(
    table: SortedPairs, weight: np.ndarray, own: np.ndarray, room: RankBuffers
) -> np.ndarray:
    """Return, in ``room``, the mid-rank (k, p) of each pair less the mean rank, when pair p occurs ``weight[p]`` times.

    The mid-rank is (below + up to + 1) / 2 and the mean rank (total + 1) / 2, where "below" and "up
    to" count the drawn pairs with a smaller value, and with one no larger. ``own`` is (weight -
    total) / 2.
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
