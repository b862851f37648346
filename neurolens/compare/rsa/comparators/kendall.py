"""Kendall's tau-a when stimuli are counted several times: pure arrays."""

import numpy as np

from neurolens.compare.rsa.comparators.moments import Moments, weigh_pairs
from neurolens.compare.rsa.comparators.orders import rank_rows
from neurolens.compare.stats.linalg import keep_positive


def count_concordance(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, kept: np.ndarray | None = None
) -> Moments:
    """Return concordant less discordant comparisons of drawn pairs as ``cross``.

    RDMs are ``x`` (m, p) and ``y`` (b, p), ``counts`` is (d, n), ``kept`` (p,) the pairs that
    count. Dissimilarities that are equal up to rounding are tied. A drawn pair and its own copy are
    tied. Time O(d m b p log p): with draws of stimuli by far the slowest comparator; rho-a serves
    the same purpose in closed form.
    """
    x = rank_rows(x)
    y = rank_rows(y)
    difference = np.zeros((len(counts), len(x), len(y)))
    total = np.zeros(len(counts))
    for draws, weights in weigh_pairs(counts, kept):
        for draw, weight in zip(range(draws.start, draws.stop), weights.astype(int), strict=True):
            total[draw] = weight.sum()
            drawn_x = np.repeat(x, weight, axis=1)
            drawn_y = np.repeat(y, weight, axis=1)
            for i, j in np.ndindex(len(x), len(y)):
                difference[draw, i, j] = subtract_discordant(drawn_x[i], drawn_y[j])
    power_x = np.ones((len(counts), len(x)))
    power_y = np.ones((len(counts), len(y)))
    return Moments(difference, power_x, power_y, total)


def average_concordance(moments: Moments) -> np.ndarray:
    """Return tau-a = (concordant - discordant) / (N (N - 1) / 2) over N drawn pairs."""
    return moments.cross / keep_positive(moments.total * (moments.total - 1) / 2)[:, None, None]


def subtract_discordant(x: np.ndarray, y: np.ndarray) -> float:
    """Return the number of concordant less that of discordant pairs of entries.

    It is computed from scipy's tau-b by undoing the correction for ties.
    """
    from scipy.stats import kendalltau

    if len(x) < 3:
        return float(np.sign(x[-1] - x[0]) * np.sign(y[-1] - y[0])) if len(x) else 0.0
    comparisons = len(x) * (len(x) - 1) / 2
    untied_x = comparisons - _count_ties(x)
    untied_y = comparisons - _count_ties(y)
    if min(untied_x, untied_y) == 0:
        return 0.0
    tau_b = kendalltau(x, y, method="asymptotic").statistic
    return float(np.rint(tau_b * np.sqrt(untied_x * untied_y)))


def _count_ties(values: np.ndarray) -> float:
    """Return how many pairs of entries are equal."""
    sizes = np.unique(values, return_counts=True)[1]
    return float((sizes * (sizes - 1) / 2).sum())
