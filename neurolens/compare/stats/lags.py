"""Dissimilarities of a series without what their distance in time makes of them: pure arrays."""

import numpy as np

# Residuals of this share of the largest dissimilarity are rounding.
ROUNDING = 1e-12


def remove_lag_means(pairs: np.ndarray, rows: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return dissimilarities (k, pair) less the mean over all pairs at the same distance in time.

    ``group`` (n,) is the series of each stimulus, ``rows`` (n,) are the stimuli in order of time;
    the distance in time of two stimuli is that of their positions in their series, and pairs of the
    same series have other means than pairs of different ones. NaN stays NaN.
    """
    classes = _number_lags(rows, group)
    n_classes = classes.max() + 1
    known = ~np.isnan(pairs)
    residuals = np.empty_like(pairs)
    for row, values in enumerate(pairs):
        inside = classes[known[row]]
        count = np.bincount(inside, minlength=n_classes)
        total = np.bincount(inside, values[known[row]], minlength=n_classes)
        residuals[row] = values - (total / np.maximum(count, 1))[classes]
    largest = np.fmax.reduce(np.abs(pairs), axis=1, keepdims=True)
    return np.where(np.abs(residuals) <= ROUNDING * largest, 0.0, residuals)


def _number_lags(rows: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return a number (pair,) for each distance in time, others for pairs of different series."""
    n = len(group)
    place = np.empty(n, dtype=int)
    for name in np.unique(group):
        inside = rows[group[rows] == name]
        place[inside] = np.arange(len(inside))
    first, second = np.triu_indices(n, 1)
    lag = np.abs(place[first] - place[second])
    return lag + n * (group[first] != group[second])
