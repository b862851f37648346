"""Distances between stimuli from a Gram: pure arrays, float64.

For features A (stimulus, feature) a Gram is G = A A', with row sums s = A 1 and the number of features p.
Every metric here is a function of (G, s, p) alone, so activations need not be kept.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


def compute_gram(features: np.ndarray, shift: np.ndarray, block_bytes: int = 2**22) -> tuple[np.ndarray, np.ndarray]:
    """Return G (n, n) and s (n,) of ``features`` (n, p) minus ``shift``, in float64, a block of features at a time.

    ``shift`` broadcasts to (n, p). Blocks fit a processor's cache. Memory beyond the input: ``block_bytes``
    and the (n, n) result.
    """
    n, p = features.shape
    gram, row_sum = np.zeros((n, n)), np.zeros(n)
    shift = np.broadcast_to(shift, features.shape)
    width = max(1, block_bytes // (8 * n))
    for start in range(0, p, width):
        columns = slice(start, start + width)
        block = np.subtract(features[:, columns], shift[:, columns], dtype=np.float64)
        gram += block @ block.T
        row_sum += block.sum(axis=1)
    return gram, row_sum


def correlation_distance(gram: np.ndarray, row_sum: np.ndarray, n_features: int, eps: float) -> np.ndarray:
    """Return 1 - Pearson r between the rows behind ``gram``: the cosine distance of C = G - s s'/p."""
    centred = gram - np.outer(row_sum, row_sum) / n_features
    # Below the rounding of a sum of p terms a variance is noise, and r would be a random number.
    dead = np.diag(centred) <= eps * (16 + np.sqrt(n_features)) * np.diag(gram)
    return _cosine_distance(centred, dead)


def cosine_distance(gram: np.ndarray, row_sum: np.ndarray, n_features: int, eps: float) -> np.ndarray:
    """Return 1 - cos between the rows behind ``gram``: 1 - G_ij / sqrt(G_ii G_jj)."""
    return _cosine_distance(gram, np.diag(gram) <= 0)


def euclidean_distance(gram: np.ndarray, row_sum: np.ndarray, n_features: int, eps: float) -> np.ndarray:
    """Return the SQUARED euclidean distance per feature: (G_ii + G_jj - 2 G_ij) / p."""
    power = np.diag(gram)
    return _finish((power[:, None] + power - 2 * gram) / n_features, np.inf)


def _cosine_distance(gram: np.ndarray, dead: np.ndarray) -> np.ndarray:
    """Return 1 - G_ij / sqrt(G_ii G_jj), NaN for the pairs of ``dead`` rows."""
    norm = np.sqrt(np.where(dead, np.nan, np.diag(gram)))
    return _finish(1 - gram / np.outer(norm, norm), 2.0)


def _finish(distance: np.ndarray, largest: float) -> np.ndarray:
    """Return ``distance`` exactly symmetric, within [0, largest], zero on the diagonal."""
    distance = np.clip((distance + distance.T) / 2, 0.0, largest)
    np.fill_diagonal(distance, 0.0)
    return distance


class Metric(NamedTuple):
    """One row of METRICS.

    ``distance(gram, row_sum, n_features, eps)`` gives the matrix; ``eps`` is the precision of the Gram.
    ``shift(features)`` is something the metric does not depend on; removing it keeps a large common offset
    from eating the digits of the Gram.
    """

    distance: Callable[[np.ndarray, np.ndarray, int, float], np.ndarray]
    shift: Callable[[np.ndarray], np.ndarray]


METRICS: dict[str, Metric] = {
    "correlation": Metric(correlation_distance, lambda features: features[:, :1].astype(np.float64)),
    "cosine": Metric(cosine_distance, lambda features: np.zeros((1, 1))),
    "euclidean": Metric(euclidean_distance, lambda features: features[:1].astype(np.float64)),
}
