"""Intervals from draws and from variances: pure arrays."""

from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """The bounds of an interval, ``low`` and ``high``."""

    low: np.ndarray
    high: np.ndarray


class Inference(NamedTuple):
    """The bounds of an interval, ``low`` and ``high``, and ``p``."""

    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def percentile_interval(draws: np.ndarray, confidence: float) -> Interval:
    """Return the percentiles over axis 0 of ``draws``, leaving undefined draws out.

    They are NaN where every draw is undefined.
    """
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    bounds = np.full((2, *draws.shape[1:]), np.nan)
    is_defined = ~np.isnan(draws)
    whole = is_defined.all(axis=0)
    some = is_defined.any(axis=0)
    # Leaving NaN out is slow, and seldom needed.
    for columns, quantile in ((some & whole, np.quantile), (some & ~whole, np.nanquantile)):
        if columns.any():
            bounds[:, columns] = quantile(draws[:, columns], tails, axis=0)
    return Interval(bounds[0], bounds[1])


def count_freedom(n_subjects: int, n_stimuli: int) -> int:
    """Return the degrees of freedom, min(S, C) - 1.

    For one subject they are C - 1, because nothing is generalized over subjects.
    """
    return (min(n_subjects, n_stimuli) if n_subjects > 1 else n_stimuli) - 1


def infer_mean(
    estimate: np.ndarray,
    variance: np.ndarray,
    freedom: float | np.ndarray,
    confidence: float,
    *,
    two_sided: bool = False,
) -> Inference:
    """Return the symmetric t interval, and the p of ``estimate`` above 0, or ``two_sided`` not 0.

    p is NaN where the variance is 0, or no more than rounding of ``estimate``.
    """
    # Importing scipy.stats takes longer than most of what needs it.
    from scipy.special import stdtr, stdtrit

    variance = np.where(variance <= 1e-13 * estimate**2, 0.0, variance)
    reach = stdtrit(freedom, (1 + confidence) / 2) * np.sqrt(variance)
    ratio = estimate / np.sqrt(np.where(variance > 0, variance, np.nan))
    p = 2 * stdtr(freedom, -np.abs(ratio)) if two_sided else stdtr(freedom, -ratio)
    return Inference(estimate - reach, estimate + reach, p)
