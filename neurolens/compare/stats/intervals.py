"""Intervals from draws and from variances: pure arrays."""

import numpy as np


def percentile_interval(draws: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (low, high) over axis 0 of ``draws``, leaving undefined draws out.

    NaN where every draw is undefined.
    """
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    bounds = np.full((2, *draws.shape[1:]), np.nan)
    known = ~np.isnan(draws)
    whole = known.all(axis=0)
    some = known.any(axis=0)
    # Leaving NaN out is slow, and seldom needed.
    for columns, quantile in ((some & whole, np.quantile), (some & ~whole, np.nanquantile)):
        if columns.any():
            bounds[:, columns] = quantile(draws[:, columns], tails, axis=0)
    return bounds[0], bounds[1]


def count_freedom(n_subjects: int, n_stimuli: int) -> int:
    """Return the degrees of freedom, min(S, C) - 1; C - 1 for one subject.

    Over whom nothing is generalised.
    """
    return (min(n_subjects, n_stimuli) if n_subjects > 1 else n_stimuli) - 1


def infer_mean(
    estimate: np.ndarray,
    variance: np.ndarray,
    freedom: float | np.ndarray,
    confidence: float,
    *,
    two_sided: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (low, high) of the symmetric t interval, and p that ``estimate`` is above 0, or ``two_sided`` not 0.

    p is NaN where the variance is 0, or no more than rounding of ``estimate``.
    """
    from scipy.stats import t

    variance = np.where(variance <= 1e-13 * estimate**2, 0.0, variance)
    reach = t.ppf((1 + confidence) / 2, freedom) * np.sqrt(variance)
    ratio = estimate / np.sqrt(np.where(variance > 0, variance, np.nan))
    p = 2 * t.sf(np.abs(ratio), freedom) if two_sided else t.sf(ratio, freedom)
    return estimate - reach, estimate + reach, p
