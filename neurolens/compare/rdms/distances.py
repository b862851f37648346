"""Distances between stimuli from a Gram: pure arrays, float64.

For features A (stimulus, feature) a Gram is G = A A', with row sums s = A 1 and the number of
features p. Every metric here is a function of (G, s, p) alone, so activations need not be kept.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from neurolens.compare.rdms.rounding import clean_square, find_feature_noise
from neurolens.compare.stats.linalg import can_view, compute_gram, multiply_views

FLOAT64_EPS = float(np.finfo(np.float64).eps)
# A row of features varies if its variance is above that of its rounding, which is this share of the
# rounding that a difference between two rows must exceed.
OWN_ROUNDING = 1 / 16


class Precision(NamedTuple):
    """How exact a Gram is: its products up to ``eps`` of their size, for each term in them.

    ``blur`` (n,) is the squared length of the rounding in each row of features behind it.
    Where products are float32 of what is left of rows without what stimuli share, ``residual`` (n,)
    are the squared lengths of that; products are exact up to ``eps`` of these as a whole, and all
    else is float64.
    """

    eps: float
    blur: np.ndarray
    residual: np.ndarray | None = None

    def bound_products(self, gram: np.ndarray, n_features: int) -> np.ndarray:
        """Return the rounding (n,) of each squared length in a Gram, a sum of p terms in blocks.

        Measured ones are half of this or less, for 10 to 300,000 terms of equal or mixed sign.
        """
        return self._bound(gram, 4 + np.sqrt(n_features) / 16)

    def bound_variances(self, gram: np.ndarray, n_features: int) -> np.ndarray:
        """Return the rounding (n,) of each squared length about the mean of p features.

        It is that of a sum of p terms in any order.
        """
        return self._bound(gram, 16 + np.sqrt(n_features))

    def _bound(self, gram: np.ndarray, n_terms: float) -> np.ndarray:
        if self.residual is None:
            return self.eps * n_terms * np.diag(gram)
        return self.eps * self.residual + FLOAT64_EPS * n_terms * np.diag(gram)


class ShiftedGram(NamedTuple):
    """G (n, n) and s (n,) of features less an offset, and how exact they are."""

    gram: np.ndarray
    row_sum: np.ndarray
    precision: Precision


def compute_gram_for(features: np.ndarray, metric: str) -> ShiftedGram:
    """Return G and s of ``features`` (n, p), shifted if ``metric`` would lose digits otherwise."""
    gram, row_sum, offset = _shift_gram(features, metric)
    # The length of the features as they came, whose rounding a shift does not take away.
    length = np.sqrt(np.diag(gram)) + np.sqrt(offset)
    blur = (find_feature_noise(features) * length) ** 2
    return ShiftedGram(gram, row_sum, Precision(FLOAT64_EPS, blur))


def _shift_gram(
    features: np.ndarray, metric: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray | float]:
    """Return G, s and the squared length of the shift, of each row or of all.

    Shifting needs a copy, so features that are already central are not shifted. A subset of the
    features shows first whether that is likely.
    """
    kernel = METRICS[metric]
    p = features.shape[1]
    shift = kernel.shift(features)
    if kernel.is_central is not None and can_view(features):
        few = features[:, :: max(1, p // 32)]
        if kernel.is_central(np.einsum("ij,ij->i", few, few), few.sum(axis=1), few.shape[1]):
            gram, row_sum = multiply_views(features)
            if kernel.is_central(np.diag(gram), row_sum, p):
                return gram, row_sum, 0.0
            shift = row_sum[:, None] / p
    offset = 0.0 if shift is None else (shift**2).sum(axis=1) * (p / shift.shape[1])
    return *compute_gram(features, shift), offset


def correlation_distance(
    gram: np.ndarray, row_sum: np.ndarray, n_features: int, precision: Precision
) -> np.ndarray:
    """Return 1 - Pearson r between the rows behind ``gram``: the cosine distance of G - s s'/p."""
    centered = gram - np.outer(row_sum, row_sum) / n_features
    rounding = precision.bound_products(gram, n_features)
    # Below the rounding of a sum of p terms in any order a variance is noise, and r would be a
    # random number.
    own = precision.bound_variances(gram, n_features)
    dead = np.diag(centered) <= own + OWN_ROUNDING**2 * precision.blur
    return _cosine_distance(centered, dead, rounding, precision.blur)


def cosine_distance(
    gram: np.ndarray, row_sum: np.ndarray, n_features: int, precision: Precision
) -> np.ndarray:
    """Return 1 - cos between the rows behind ``gram``: 1 - G_ij / sqrt(G_ii G_jj)."""
    rounding = precision.bound_products(gram, n_features)
    return _cosine_distance(gram, np.diag(gram) <= 0, rounding, precision.blur)


def euclidean_distance(
    gram: np.ndarray, row_sum: np.ndarray, n_features: int, precision: Precision
) -> np.ndarray:
    """Return the SQUARED euclidean distance per feature: (G_ii + G_jj - 2 G_ij) / p."""
    power = np.diag(gram)
    rounding = 2 * precision.bound_products(gram, n_features) / n_features
    distance = (power[:, None] + power - 2 * gram) / n_features
    return _finish(distance, np.inf, rounding, precision.blur / n_features)


def _cosine_distance(
    gram: np.ndarray, dead: np.ndarray, rounding: np.ndarray, blur: np.ndarray
) -> np.ndarray:
    """Return 1 - G_ij / sqrt(G_ii G_jj), NaN for the pairs of ``dead`` rows.

    ``rounding`` (n,) is that of the squared length of each row, ``blur`` (n,) as in `Precision`.
    """
    power = np.where(dead, np.nan, np.diag(gram))
    norm = np.sqrt(power)
    distance = 1 - gram / np.outer(norm, norm)
    return _finish(distance, 2.0, rounding / power, blur / 2 / power)


def _finish(
    distance: np.ndarray, largest: float, rounding: np.ndarray, blur: np.ndarray
) -> np.ndarray:
    """Return ``distance`` exactly symmetric, within [0, largest], zero on the diagonal.

    It is without what is only rounding: each row's part in that of its distances is ``rounding``
    and ``blur`` (n,).
    """
    distance = np.clip((distance + distance.T) / 2, 0.0, largest)
    np.fill_diagonal(distance, 0.0)
    return clean_square(distance, rounding, blur)


class Metric(NamedTuple):
    """One row of METRICS.

    ``distance(gram, row_sum, n_features, precision)`` gives the matrix. ``shift(features)`` is an
    offset that the metric does not depend on; it is subtracted so that a large common offset does
    not cost the Gram its precision. ``is_central(power, row_sum, n_features)``, with the diagonal
    of the Gram of unshifted features, says whether that Gram is already precise enough; it is False
    for NaN.
    """

    distance: Callable[[np.ndarray, np.ndarray, int, Precision], np.ndarray]
    shift: Callable[[np.ndarray], np.ndarray | None]
    is_central: Callable[[np.ndarray, np.ndarray, int], bool] | None = None


def _varies_enough(power: np.ndarray, row_sum: np.ndarray, n_features: int) -> bool:
    """Return whether each row's variance is a quarter of its power or more: half a digit lost."""
    return bool((row_sum**2 <= 0.75 * n_features * power).all())


def _take_typical_row(features: np.ndarray) -> np.ndarray:
    """Return the row (1, p) whose length is the median of all, by a subset of the features.

    Differences from a row that is far from all others would have lost their digits.
    """
    few = features[:, :: max(1, features.shape[1] // 32)].astype(np.float64)
    power = np.einsum("ij,ij->i", few, few)
    row = np.argsort(power, kind="stable")[len(power) // 2]
    return features[[row]].astype(np.float64)


METRICS: dict[str, Metric] = {
    "correlation": Metric(
        correlation_distance, lambda features: features[:, :1].astype(np.float64), _varies_enough
    ),
    "cosine": Metric(cosine_distance, lambda features: None),
    "euclidean": Metric(euclidean_distance, _take_typical_row),
}
