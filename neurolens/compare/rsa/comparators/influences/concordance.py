"""Influences on Kendall's tau-a: pure arrays."""

import numpy as np

from neurolens.compare.rsa.comparators.influences.incidence import Incidence
from neurolens.compare.rsa.comparators.orders import rank_rows


def influence_tau_a(x: np.ndarray, y: np.ndarray, incidence: Incidence) -> np.ndarray:
    """Return the influences (m, b, u) on tau-a of ``x`` (m, p) and ``y`` (b, p).

    Weighing a pair more adds its own concordant less discordant comparisons, and one pair to the
    number of comparisons. Time O(m b p log p), with a large constant.
    """
    n_pairs = x.shape[1]
    comparisons = n_pairs * (n_pairs - 1) / 2
    x = rank_rows(x)
    y = rank_rows(y)
    concordance = np.empty((len(x), len(y), n_pairs))
    for i, j in np.ndindex(len(x), len(y)):
        concordance[i, j] = sum_concordance(x[i], y[j])
    tau = concordance.sum(axis=2) / 2 / comparisons
    change = incidence.sum_rows(concordance.reshape(-1, n_pairs)).reshape(*tau.shape, -1)
    growth = (n_pairs - 0.5) * incidence.degree  # (n,)
    return incidence.add_units((change - tau[:, :, None] * growth) / comparisons)


def sum_concordance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return sum_q sign(x_p - x_q) sign(y_p - y_q) for each entry p of ``x`` and ``y`` (p,)."""
    agreeing = _count_below(x, y) + _count_below(-x, -y)
    return agreeing - _count_below(x, -y) - _count_below(-x, y)


def _count_below(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return for each entry how many others have both a smaller x and a smaller y (p,)."""
    positions = np.arange(len(x))
    # Entries tied in x are in decreasing order of y, and those tied in y are ranked in decreasing
    # order of x, so that an earlier entry of smaller rank is smaller in both.
    order = np.lexsort((positions, -y, x))
    rank = np.empty(len(x), dtype=np.int64)
    rank[np.lexsort((-positions, -x, y))] = positions
    counts = np.empty(len(x))
    counts[order] = _count_earlier(rank[order])
    return counts


def _count_earlier(ranks: np.ndarray) -> np.ndarray:
    """Return how many entries before each of ``ranks`` (p,), a permutation of 0 to p - 1, are less.

    Entries are sorted by one bit of their rank after the other, from the highest, each time keeping
    the order of those that are equal so far: of two entries the larger has 1 at the first bit in
    which they differ, where it meets all smaller ones before it.
    """
    p = len(ranks)
    found = np.zeros(p, dtype=np.int64)
    positions = np.arange(p)
    current = ranks
    for bit in range(max(p - 1, 0).bit_length() - 1, -1, -1):
        is_high = ((current >> bit) & 1).astype(bool)
        lows = np.concatenate([[0], np.cumsum(~is_high)])
        start = (current >> (bit + 1)) << (bit + 1)
        lows_before = lows[positions] - lows[start]
        found[current[is_high]] += lows_before[is_high]
        highs_before = positions - start - lows_before
        place = start + np.where(is_high, (1 << bit) + highs_before, lows_before)
        following = np.empty_like(current)
        following[place] = current
        current = following
    return found[ranks]
