"""Least squares on standardized RDMs, from their correlations: pure arrays.

Axes: k model RDMs, b brain RDMs, p pairs.
"""

from typing import NamedTuple

import numpy as np

from neurolens.compare.rsa.regression.weighted_ranks import center_weighted

# The variance inflation of an RDM that is a combination of the others, but for rounding.
SINGULAR = 1e6


class Correlations(NamedTuple):
    """``among`` (k, k) the model RDMs, and of these ``with_brain`` (k, b)."""

    among: np.ndarray
    with_brain: np.ndarray


class Coefficients(NamedTuple):
    """``beta`` (k, b), ``r2`` (b,), and ``unique`` (k, b): r2 less that without the RDM."""

    beta: np.ndarray
    r2: np.ndarray
    unique: np.ndarray


def correlate_pairs(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Correlations:
    """Return the correlations of ``x`` (k, p) and ``y`` (b, p), pairs ``weight`` (p,) times."""
    root = np.sqrt(weight)
    unit_x = _scale_unit(center_weighted(x, weight) * root)
    unit_y = _scale_unit(center_weighted(y, weight) * root)
    return Correlations(unit_x @ unit_x.T, unit_x @ unit_y.T)


def _scale_unit(rows: np.ndarray) -> np.ndarray:
    """Return ``rows`` at unit norm, NaN where they are 0."""
    power = (rows**2).sum(axis=1, keepdims=True)
    return rows / np.sqrt(np.where(power > 0, power, np.nan))


def inflate_variance(among: np.ndarray) -> np.ndarray:
    """Return 1 / (1 - R^2) (k,) of each RDM regressed on the others; inf where it is theirs."""
    if not np.isfinite(among).all():
        return np.full(len(among), np.inf)
    power, vectors = np.linalg.eigh(among)
    power = np.maximum(power, np.finfo(float).eps)
    return (vectors**2 / power).sum(axis=1)


def solve_coefficients(correlations: Correlations, nonnegative: bool) -> Coefficients:
    """Return the least squares fit of each brain RDM, NaN where model RDMs are dependent."""
    among, with_brain = correlations
    if (inflate_variance(among) >= SINGULAR).any():
        lost = np.full(with_brain.shape, np.nan)
        return Coefficients(lost, lost[0], lost)
    if nonnegative:
        return _solve_nonnegative(among, with_brain)
    inverse = np.linalg.inv(among)
    beta = inverse @ with_brain
    return Coefficients(beta, (beta * with_brain).sum(axis=0), beta**2 / np.diag(inverse)[:, None])


def fit_least_squares(among: np.ndarray, with_brain: np.ndarray, nonnegative: bool) -> np.ndarray:
    """Return beta (k, b), 0 or above if ``nonnegative``, of independent model RDMs."""
    from scipy.optimize import nnls

    if not nonnegative or not len(among):
        return np.linalg.solve(among, with_brain)
    root = np.linalg.cholesky(among)
    targets = np.linalg.solve(root, with_brain)
    return np.stack([nnls(root.T, target)[0] for target in targets.T], axis=1)


def _solve_nonnegative(among: np.ndarray, with_brain: np.ndarray) -> Coefficients:
    """Return the fit with coefficients of 0 or more."""
    beta = fit_least_squares(among, with_brain, True)
    r2 = (beta * with_brain).sum(axis=0)
    unique = np.empty(beta.shape)
    for k in range(len(among)):
        others = np.arange(len(among)) != k
        rest = fit_least_squares(among[np.ix_(others, others)], with_brain[others], True)
        unique[k] = r2 - (rest * with_brain[others]).sum(axis=0)
    return Coefficients(beta, r2, unique)
