"""How two Grams are compared: CKA, Procrustes, regression and canonical correlation. Pure arrays, float64.

Each row of ALIGNMENTS first prepares a Gram once, then scores a pair of prepared ones, so that a
table of many ops costs one decomposition per op and one product per pair.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from neurolens.compare.rsa.comparators.bures import factor_gram, sum_singular
from neurolens.compare.stats.linalg import center_twice

# Share of the variance that SVCCA keeps, and how far the ridge penalty reaches around the mean
# eigenvalue.
KEPT_VARIANCE = 0.99
PENALTIES = np.logspace(-6, 6, 25)


class Alignment(NamedTuple):
    """One row of ALIGNMENTS: ``prepare(gram)`` for a centred Gram (n, n), ``score(a.

    B)`` of two prepared ones.
    """

    prepare: Callable[[np.ndarray], Any]
    score: Callable[[Any, Any], float]


def centre_unbiased(gram: np.ndarray) -> np.ndarray:
    """Return the U-centred Gram divided by its norm: products of two are CKA from unbiased HSIC.

    Zero diagonal, then row and column sums off, with n - 2 and n - 1 in place of n (Szekely & Rizzo
    2014), so that <K, L> / (n (n - 3)) = [tr(KL) + (1'K1)(1'L1)/((n-1)(n-2)) - 2/(n-2) 1'KL1] / (n
    (n - 3)).
    """
    n = len(gram)
    hollow = gram - np.diag(np.diag(gram))
    rows = hollow.sum(axis=1) / (n - 2)
    unbiased = hollow - rows[:, None] - rows + hollow.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(unbiased, 0.0)
    return unbiased / np.linalg.norm(unbiased)


def find_basis(gram: np.ndarray, kept: float = 1.0) -> np.ndarray:
    """Return the basis (n.

    K) of the fewest principal components with the share ``kept`` of the variance, or of all.
    """
    factor = factor_gram(gram)[:, ::-1]
    share = np.cumsum((factor**2).sum(axis=0))
    if kept < 1:
        factor = factor[:, : 1 + int(np.searchsorted(share, kept * share[-1]))]
    return factor / np.linalg.norm(factor, axis=0)


def correlate_bases(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean canonical correlation of two bases, over as many as the smaller one has."""
    return sum_singular(a.T @ b) / min(a.shape[1], b.shape[1])


def weigh_correlations(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
    """Return canonical correlations averaged with the variance of A along each canonical direction of A."""
    rotation, correlations, _ = np.linalg.svd(a[0].T @ b[0], full_matrices=False)
    directions = a[0] @ rotation
    weight = np.einsum("nk,nm,mk->k", directions, a[1], directions, optimize=True)
    return float(weight @ correlations / weight.sum())


def decompose(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return eigenvalues, eigenvectors and the Gram."""
    values, vectors = np.linalg.eigh(gram)
    return np.maximum(values, 0.0), vectors, gram


def predict_left_out(a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...]) -> float:
    """Return R^2 of B predicted from A by ridge, each stimulus left out in turn, over all features of B at once.

    With H = 1 1'/n + K inv(K + alpha I), the left-out residual of stimulus i is (y - Hy)_i / (1 -
    H_ii), so the sum over features needs only the Gram of B. One alpha, the best of ``PENALTIES``
    times the mean eigenvalue.
    """
    values, vectors, _ = a
    target = b[2]
    n = len(values)
    rotated = vectors.T @ target @ vectors
    best = -np.inf
    for alpha in PENALTIES * values.mean():
        left = alpha / (values + alpha)
        residual = np.einsum("ik,kl,il->i", vectors * left, rotated, vectors * left, optimize=True)
        unexplained = (vectors**2) @ left - 1 / n
        kept = np.maximum(unexplained, 1e-12)
        best = max(best, 1 - (residual / kept**2).sum() / (np.trace(target) * (n / (n - 1)) ** 2))
    return float(best)


ALIGNMENTS: dict[str, Alignment] = {
    # Biased CKA is the product of centred Grams over their norms.
    "cka": Alignment(lambda gram: gram / np.linalg.norm(gram), np.vdot),
    "cka-unbiased": Alignment(centre_unbiased, np.vdot),
    # Of factors of trace 1 the nuclear norm is 1 - d^2 / 2 of the Procrustes distance d.
    "procrustes": Alignment(
        lambda gram: factor_gram(gram / np.trace(gram)), lambda a, b: sum_singular(a.T @ b)
    ),
    "linear-predictivity": Alignment(decompose, predict_left_out),
    "cca": Alignment(find_basis, correlate_bases),
    "svcca": Alignment(partial(find_basis, kept=KEPT_VARIANCE), correlate_bases),
    "pwcca": Alignment(lambda gram: (find_basis(gram, KEPT_VARIANCE), gram), weigh_correlations),
}


def align_grams(a: np.ndarray, b: np.ndarray, alignment: Alignment) -> np.ndarray:
    """Return (len(a), len(b)) for Grams (m, n, n) and (k, n, n).

    NaN where a Gram is NaN or does not vary.
    """
    ours, theirs = ([_prepare(gram, alignment) for gram in side] for side in (a, b))
    score = np.full((len(ours), len(theirs)), np.nan)
    for i, j in np.ndindex(score.shape):
        if ours[i] is not None and theirs[j] is not None:
            score[i, j] = alignment.score(ours[i], theirs[j])
    return score


def _prepare(gram: np.ndarray, alignment: Alignment) -> Any:
    """Return the prepared Gram, or None where nothing varies: centring leaves only rounding."""
    centred = center_twice(gram[None])[0]
    centred = (centred + centred.T) / 2
    if not np.trace(centred) > 1e-12 * np.trace(gram):
        return None
    return alignment.prepare(centred)
