"""Moments of pair vectors when stimuli are counted several times, or not at all: pure arrays.

Drawing stimulus i c_i times gives the pair (i, j) the weight w_ij = c_i c_j; pairs of a stimulus
with its own copy do not exist among the original pairs, so they are dropped. A bootstrap draw
(counts), a half of the stimuli (0 or 1) and the whole set (all 1) are thus one computation, and no
RDM is ever copied.

Axes: d draws, n stimuli, p = n(n-1)/2 pairs (row by row, upper triangle), m model RDMs, b brain
RDMs.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from neurolens.compare.stats.linalg import count_stimuli, keep_positive
from neurolens.support.progress import count_steps
from neurolens.support.units import bring_near

# Pair weights in memory at once, so that memory does not grow with the number of draws.
BLOCK_WEIGHTS = 2**22
# Products below this may have lost digits.
_LEAST_PRODUCT = 1e-290


class Moments(NamedTuple):
    """Weighted means of products, per draw.

    ``cross`` (d, m, b), ``power_x`` (d, m), ``power_y`` (d, b); ``total`` (d,) is the sum of the
    weights: how many pairs the draw holds.
    """

    cross: np.ndarray
    power_x: np.ndarray
    power_y: np.ndarray
    total: np.ndarray


def correlate(moments: Moments) -> np.ndarray:
    """Return cross / sqrt(power_x power_y) (d, m, b); NaN where either does not vary."""
    power_x = moments.power_x[:, :, None]
    power_y = moments.power_y[:, None, :]
    product = power_x * power_y
    scale = np.sqrt(product)
    # Draws without a stimulus that is far from all others can leave very little.
    is_lost = product < _LEAST_PRODUCT
    if is_lost.any():
        scale = np.where(is_lost, np.sqrt(power_x) * np.sqrt(power_y), scale)
    return np.clip(moments.cross / keep_positive(scale), -1.0, 1.0)


def count_once(pairs: np.ndarray) -> np.ndarray:
    """Return the counts (1, n) that take each stimulus of ``pairs`` (k, p) once."""
    return np.ones((1, count_stimuli(pairs.shape[1])), dtype=int)


def weigh_pairs(
    counts: np.ndarray, kept: np.ndarray | None = None
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield blocks of draws and their weights c_i c_j (draw, p), for ``counts`` (d, n).

    Pairs that are not ``kept`` (p,) weigh 0; all are by default. Each draw is a step of the work.
    """
    first, second = np.triu_indices(counts.shape[1], 1)
    step = max(1, BLOCK_WEIGHTS // max(1, len(first)))
    for start in range(0, len(counts), step):
        block = counts[start : start + step].astype(np.float64)
        weights = block.take(first, axis=1)  # (draw, p)
        weights *= block.take(second, axis=1)
        if kept is not None:
            weights *= kept
        yield slice(start, start + len(block)), weights
        count_steps(len(block))


def average_rows(pairs: np.ndarray) -> np.ndarray:
    """Return the mean (k, 1) of the numbers in each row (k, p), NaN left out."""
    there = ~np.isnan(pairs)
    if there.all():
        return pairs.mean(axis=1, keepdims=True)
    return pairs.sum(axis=1, keepdims=True, where=there) / keep_positive(
        there.sum(axis=1, keepdims=True)
    )


def center_rows(pairs: np.ndarray) -> np.ndarray:
    """Return each row less its mean, exactly zero if constant; NaN stays NaN."""
    # Taking off the smallest value before the mean makes a constant vector exactly zero.
    pairs = pairs - np.fmin.reduce(pairs, axis=1, keepdims=True)
    return pairs - average_rows(pairs)


def divide_rms(pairs: np.ndarray) -> np.ndarray:
    """Return each row divided by its root mean square; NaN stays NaN."""
    pairs = bring_near(pairs, axis=1)
    return pairs / np.sqrt(average_rows(pairs**2))


def standardize_rows(pairs: np.ndarray) -> np.ndarray:
    """Return each row with mean 0 and variance 1."""
    return divide_rms(center_rows(pairs))


def raw_moments(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, kept: np.ndarray | None = None
) -> Moments:
    """Return weighted means of x y, x^2 and y^2 about zero, of RDMs brought near 1.

    RDMs are ``x`` (m, p) and ``y`` (b, p), ``counts`` is (d, n), ``kept`` (p,) the pairs that
    count.
    """
    x = bring_near(x, axis=1)
    y = bring_near(y, axis=1)
    return _product_moments(x, y, counts, kept, centered=False)


def centered_moments(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, kept: np.ndarray | None = None
) -> Moments:
    """Return weighted covariances and variances, of RDMs brought near 1.

    RDMs are ``x`` (m, p) and ``y`` (b, p), ``counts`` is (d, n), ``kept`` (p,) the pairs that
    count.
    """
    x = bring_near(center_rows(x), axis=1)
    y = bring_near(center_rows(y), axis=1)
    return _product_moments(x, y, counts, kept, centered=True)


def _product_moments(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, kept: np.ndarray | None, *, centered: bool
) -> Moments:
    """Return weighted means of products, about the weighted means if ``centered``."""
    sums = empty_moments(len(x), len(y), len(counts))
    mean_x = np.zeros_like(sums.power_x)
    mean_y = np.zeros_like(sums.power_y)
    product = np.empty_like(x)
    for draws, weights in weigh_pairs(counts, kept):
        sums.total[draws] = weights.sum(axis=1)
        sums.power_x[draws] = _sum_rows(weights, x**2)
        sums.power_y[draws] = _sum_rows(weights, y**2)
        for b, row in enumerate(y):
            sums.cross[draws, :, b] = _sum_rows(weights, np.multiply(x, row, out=product))
        if centered:
            mean_x[draws] = _sum_rows(weights, x)
            mean_y[draws] = _sum_rows(weights, y)
    total = keep_positive(sums.total)[:, None]  # (d, 1)
    mean_x = mean_x / total
    mean_y = mean_y / total
    return Moments(
        sums.cross / total[:, :, None] - mean_x[:, :, None] * mean_y[:, None, :],
        subtract_explained(sums.power_x / total, mean_x**2),
        subtract_explained(sums.power_y / total, mean_y**2),
        sums.total,
    )


def _sum_rows(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the sum (d, k) of each of ``rows`` (k, p) under ``weights`` (d, p)."""
    # torch multiplies these faster than numpy.
    return (torch.from_numpy(weights) @ torch.from_numpy(rows).T).numpy()


def subtract_explained(
    power: np.ndarray, explained: np.ndarray, slack: float = 1e-13
) -> np.ndarray:
    """Return ``power - explained``, exactly 0 where the difference is only rounding."""
    rest = power - explained
    return np.where(rest <= slack * power, 0.0, rest)


def empty_moments(m: int, b: int, d: int) -> Moments:
    """Return moments of ``m`` model RDMs, ``b`` brain RDMs and ``d`` draws, to be filled."""
    return Moments(np.empty((d, m, b)), np.empty((d, m)), np.empty((d, b)), np.empty(d))
