"""Influences on normalized products of dissimilarities: cosine and Pearson. Pure arrays."""

import numpy as np

from neurolens.compare.rdms.vectors import MIN_PAIRS
from neurolens.compare.rsa.comparators.influences.incidence import Incidence
from neurolens.compare.rsa.comparators.moments import divide_rms, standardize_rows

# Share of a variance below which what is left of it is rounding.
ROUNDING = 1e-10


def influence_cosine(x: np.ndarray, y: np.ndarray, incidence: Incidence) -> np.ndarray:
    """Return the influences (m, b, u) on the cosines of ``x`` (m, p) and ``y`` (b, p)."""
    return _leave_out(divide_rms(x), divide_rms(y), incidence, centered=False)


def influence_pearson(x: np.ndarray, y: np.ndarray, incidence: Incidence) -> np.ndarray:
    """Return the influences (m, b, u) on Pearson's r of ``x`` (m, p) and ``y`` (b, p)."""
    return _leave_out(standardize_rows(x), standardize_rows(y), incidence, centered=True)


def compare_left(whole: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return the influences of units on the similarities ``whole`` (m, b).

    ``left`` (m, b, u) are those without each unit. Where one of them is undefined all are NaN, for
    there is no telling how the similarity varies.
    """
    n_units = left.shape[-1]
    influences = (whole[:, :, None] - left) * ((n_units - 1) / n_units)
    undefined = np.isnan(left).any(axis=-1)
    influences[undefined] = np.nan
    return influences


def _leave_out(x: np.ndarray, y: np.ndarray, incidence: Incidence, *, centered: bool) -> np.ndarray:
    """Return the influences on mean(x y) / sqrt(mean(x^2) mean(y^2)); both mean squares are 1.

    Means are about the mean of the pairs that are left if ``centered``. Time O(m b n^2).
    """
    n_pairs = x.shape[1]
    cross = x @ y.T
    n_left = n_pairs - incidence.sum_touched(np.ones((1, n_pairs)))[0]  # (u,)
    # As of all pairs, there is no similarity of fewer.
    n_left = np.where(n_left >= MIN_PAIRS, n_left, np.nan)
    mean_x = (x.sum(axis=1)[:, None] - incidence.sum_touched(x)) / n_left * centered  # (m, u)
    mean_y = (y.sum(axis=1)[:, None] - incidence.sum_touched(y)) / n_left * centered
    power_x = _keep_whole((n_pairs - incidence.sum_touched(x**2)) / n_left - mean_x**2)
    power_y = _keep_whole((n_pairs - incidence.sum_touched(y**2)) / n_left - mean_y**2)
    left = (cross[:, :, None] - incidence.sum_touched_products(x, y)) / n_left  # (m, b, u)
    left -= mean_x[:, None] * mean_y
    return compare_left(cross / n_pairs, left / np.sqrt(power_x[:, None] * power_y))


def _keep_whole(power: np.ndarray) -> np.ndarray:
    """Return mean squares, NaN where they are no more than rounding of the whole's, which is 1."""
    return np.where(power > ROUNDING, power, np.nan)
