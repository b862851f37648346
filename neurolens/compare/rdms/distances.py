"""Distances between stimuli from a Gram: pure arrays, float64.

For features A (stimulus, feature) a Gram is G = A A', with row sums s = A 1 and the number of
features p. Every metric here is a function of (G, s, p) alone, so activations need not be kept.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from neurolens.compare.stats.linalg import can_view, compute_gram, multiply_views


def compute_gram_for(features: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return G and s of ``features`` (n, p), shifted if ``metric`` would lose digits otherwise.

    Shifting needs a copy, so features that are already central are not shifted. A subset of the
    features shows first whether that is likely.
    """
    kernel = METRICS[metric]
    p = features.shape[1]
    if kernel.is_central is not None and can_view(features):
        few = features[:, :: max(1, p // 32)]
        if kernel.is_central(np.einsum("ij,ij->i", few, few), few.sum(axis=1), few.shape[1]):
            gram, row_sum = multiply_views(features)
            if kernel.is_central(np.diag(gram), row_sum, p):
                return gram, row_sum
            return compute_gram(features, row_sum[:, None] / p)
    return compute_gram(features, kernel.shift(features))


def correlation_distance(
    gram: np.ndarray, row_sum: np.ndarray, n_features: int, eps: float
) -> np.ndarray:
    """Return 1 - Pearson r between the rows behind ``gram``: the cosine distance of G - s s'/p."""
    centered = gram - np.outer(row_sum, row_sum) / n_features
    # Below the rounding of a sum of p terms a variance is noise, and r would be a random number.
    dead = np.diag(centered) <= eps * (16 + np.sqrt(n_features)) * np.diag(gram)
    return _cosine_distance(centered, dead)


def cosine_distance(
    gram: np.ndarray, row_sum: np.ndarray, n_features: int, eps: float
) -> np.ndarray:
    """Return 1 - cos between the rows behind ``gram``: 1 - G_ij / sqrt(G_ii G_jj)."""
    return _cosine_distance(gram, np.diag(gram) <= 0)


def euclidean_distance(
    gram: np.ndarray, row_sum: np.ndarray, n_features: int, eps: float
) -> np.ndarray:
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

    ``distance(gram, row_sum, n_features, eps)`` gives the matrix; ``eps`` is the precision of the
    Gram. ``shift(features)`` is an offset that the metric does not depend on; it is subtracted so
    that a large common offset does not cost the Gram its precision. ``is_central(power, row_sum,
    n_features)``, with the diagonal of the Gram of unshifted features, says whether that Gram is
    already precise enough; it is False for NaN.
    """

    distance: Callable[[np.ndarray, np.ndarray, int, float], np.ndarray]
    shift: Callable[[np.ndarray], np.ndarray | None]
    is_central: Callable[[np.ndarray, np.ndarray, int], bool] | None = None


def _varies_enough(power: np.ndarray, row_sum: np.ndarray, n_features: int) -> bool:
    """Return whether each row's variance is a quarter of its power or more: half a digit lost."""
    return bool((row_sum**2 <= 0.75 * n_features * power).all())


METRICS: dict[str, Metric] = {
    "correlation": Metric(
        correlation_distance, lambda features: features[:, :1].astype(np.float64), _varies_enough
    ),
    "cosine": Metric(cosine_distance, lambda features: None),
    "euclidean": Metric(euclidean_distance, lambda features: features[:1].astype(np.float64)),
}
