"""Kendall's tau-a when stimuli are counted several times: pure arrays."""

import numpy as np

from neurolens.compare.rsa.comparators.moments import Moments, weigh_pairs
from neurolens.compare.stats.linalg import keep_positive


def count_concordance(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> Moments:
    """Return concordant less discordant comparisons of drawn pairs as ``cross``, for ``x`` (m, p), ``y`` (b, p).

    A drawn pair and its own copy are tied. Time O(d m b p log p): with draws of stimuli by far the
    slowest comparator; rho-a answers the same need in closed form.
    """
    result = np.zeros((len(counts), len(x), len(y)))
    total = np.zeros(len(counts))
    for draws, weights in weigh_pairs(counts):
        for draw, weight in zip(range(draws.start, draws.stop), weights.astype(int), strict=True):
            total[draw] = weight.sum()
            ours = np.repeat(x, weight, axis=1)
            theirs = np.repeat(y, weight, axis=1)
            result[draw] = [[_subtract_discordant(a, b) for b in theirs] for a in ours]
    return Moments(result, np.ones(result.shape[:2]), np.ones((len(counts), len(y))), total)


def average_concordance(moments: Moments) -> np.ndarray:
    """Return tau-a = (concordant - discordant) / (N (N - 1) / 2) over N drawn pairs."""
    return moments.cross / keep_positive(moments.total * (moments.total - 1) / 2)[:, None, None]


def _subtract_discordant(x: np.ndarray, y: np.ndarray) -> float:
    """Return concordant less discordant pairs of entries.

    From scipy's tau-b without its correction for ties.
    """
    from scipy.stats import kendalltau

    if len(x) < 3:
        return float(np.sign(x[-1] - x[0]) * np.sign(y[-1] - y[0])) if len(x) else 0.0
    untied = [len(x) * (len(x) - 1) / 2 - _count_ties(values) for values in (x, y)]
    if min(untied) == 0:
        return 0.0
    return float(
        np.rint(kendalltau(x, y, method="asymptotic").statistic * np.sqrt(untied[0] * untied[1]))
    )


def _count_ties(values: np.ndarray) -> float:
    sizes = np.unique(values, return_counts=True)[1]
    return float((sizes * (sizes - 1) / 2).sum())
