"""Measures that compare two Grams: CKA, Procrustes, regression and canonical correlation.

Pure arrays, float64. Each row of ALIGNMENTS first prepares a Gram once, then scores a pair of
prepared ones, so that a table of many ops costs one decomposition per op and one product per pair.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from neurolens.compare.rsa.comparators.bures import factor_gram, sum_singular
from neurolens.compare.stats.linalg import center_twice
from neurolens.support.progress import count_steps

# Share of the variance that SVCCA keeps, and how far the ridge penalty reaches around the mean
# eigenvalue.
KEPT_VARIANCE = 0.99
PENALTIES = np.logspace(-6, 6, 25)


class Alignment(NamedTuple):
    """One row of ALIGNMENTS: how a centered Gram (n, n) is prepared, and how a pair is scored.

    ``by_rank`` says whether components of little variance count too, alike or by its root, so that
    ``prepare`` must know, as a second argument, up to which eigenvalue components are rounding.
    """

    prepare: Callable[..., Any]
    score: Callable[[Any, Any], float]
    by_rank: bool = False


class Components(NamedTuple):
    """Principal components ``basis`` (n, k) with most of the variance of ``gram`` (n, n)."""

    basis: np.ndarray
    gram: np.ndarray


class Decomposition(NamedTuple):
    """Eigenvalues ``values`` (n,) and eigenvectors ``vectors`` (n, n) of ``gram`` (n, n)."""

    values: np.ndarray
    vectors: np.ndarray
    gram: np.ndarray


def scale_gram(gram: np.ndarray) -> np.ndarray:
    """Return the Gram divided by its norm, so that the product of two is biased CKA."""
    return gram / np.linalg.norm(gram)


def center_unbiased(gram: np.ndarray) -> np.ndarray:
    """Return the U-centered Gram divided by its norm, so that the product of two is unbiased CKA.

    The diagonal is set to zero, then row and column sums are subtracted, with n - 2 and n - 1 in
    place of n (Szekely & Rizzo 2014), so that the unbiased HSIC is <K, L> / (n (n - 3)) = [tr(KL) +
    (1'K1)(1'L1)/((n-1)(n-2)) - 2/(n-2) 1'KL1] / (n (n - 3)).
    """
    n = len(gram)
    hollow = gram - np.diag(np.diag(gram))
    rows = hollow.sum(axis=1) / (n - 2)
    unbiased = hollow - rows[:, None] - rows + hollow.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(unbiased, 0.0)
    return unbiased / np.linalg.norm(unbiased)


def find_factor(gram: np.ndarray, rounding: float = 0.0) -> np.ndarray:
    """Return points (n, k) whose Gram is ``gram`` divided by its trace.

    Components are left out whose eigenvalues are not above ``rounding``.
    """
    scale = np.trace(gram)
    return factor_gram(gram / scale, rounding / scale)


def overlap_factors(a: np.ndarray, b: np.ndarray) -> float:
    """Return the nuclear norm of A'B: for factors of trace 1 it is 1 - d^2 / 2, d of Procrustes."""
    return sum_singular(a.T @ b)


def find_basis(gram: np.ndarray, rounding: float = 0.0, *, kept: float = 1.0) -> np.ndarray:
    """Return the basis (n, k) of the fewest principal components with ``kept`` of the variance.

    With ``kept`` = 1 all components are kept whose eigenvalues are above ``rounding``.
    """
    factor = factor_gram(gram, rounding)[:, ::-1]
    share = np.cumsum((factor**2).sum(axis=0))
    if kept < 1:
        factor = factor[:, : 1 + int(np.searchsorted(share, kept * share[-1]))]
    return factor / np.linalg.norm(factor, axis=0)


def correlate_bases(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean canonical correlation of two bases, over as many as the smaller one has."""
    return sum_singular(a.T @ b) / min(a.shape[1], b.shape[1])


def find_components(gram: np.ndarray) -> Components:
    """Return the principal components that SVCCA would keep, with the Gram."""
    return Components(find_basis(gram, kept=KEPT_VARIANCE), gram)


def weigh_correlations(a: Components, b: Components) -> float:
    """Return the mean canonical correlation, weighted by the variance of A along each direction."""
    rotation, correlations, _ = np.linalg.svd(a.basis.T @ b.basis, full_matrices=False)
    directions = a.basis @ rotation  # (n, k)
    weight = np.einsum("nk,nm,mk->k", directions, a.gram, directions, optimize=True)
    return float(weight @ correlations / weight.sum())


def decompose(gram: np.ndarray, rounding: float = 0.0) -> Decomposition:
    """Return the eigendecomposition of a Gram, eigenvalues that are not above ``rounding`` 0."""
    values, vectors = np.linalg.eigh(gram)
    values = np.where(values > rounding, values, 0.0)
    # Without negative ones, or what a stimulus leaves unexplained could be negative.
    return Decomposition(values, vectors, (vectors * values) @ vectors.T)


def predict_left_out(a: Decomposition, b: Decomposition) -> float:
    """Return R^2 of all features of B predicted from A by ridge, each stimulus left out in turn.

    With H = 1 1'/n + K inv(K + alpha I), the left-out residual of stimulus i is (y - Hy)_i / (1 -
    H_ii), so the sum over features needs only the Gram of B. One alpha, the best of ``PENALTIES``
    times the mean eigenvalue.
    """
    values, vectors, _ = a
    n = len(values)
    rotated = vectors.T @ b.gram @ vectors
    total = np.trace(b.gram) * (n / (n - 1)) ** 2
    best = -np.inf
    for alpha in PENALTIES * values.mean():
        left = alpha / (values + alpha)
        residual = np.einsum("ik,kl,il->i", vectors * left, rotated, vectors * left, optimize=True)
        unexplained = np.maximum((vectors**2) @ left - 1 / n, 1e-12)  # 1 - H_ii
        best = max(best, 1 - (residual / unexplained**2).sum() / total)
    return float(best)


ALIGNMENTS: dict[str, Alignment] = {
    "cka": Alignment(scale_gram, np.vdot),
    "cka-unbiased": Alignment(center_unbiased, np.vdot),
    "procrustes": Alignment(find_factor, overlap_factors, by_rank=True),
    "linear-predictivity": Alignment(decompose, predict_left_out, by_rank=True),
    "cca": Alignment(find_basis, correlate_bases, by_rank=True),
    "svcca": Alignment(partial(find_basis, kept=KEPT_VARIANCE), correlate_bases),
    "pwcca": Alignment(find_components, weigh_correlations),
}


def align_grams(
    a: np.ndarray, b: np.ndarray, alignment: Alignment, rounding: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return scores (len(a), len(b)) for Grams (m, n, n) and (k, n, n).

    ``rounding`` (m, n) and (k, n) is that of the rows of both. A score is NaN where a Gram is NaN
    or does not vary. Each Gram and each score is a step of the work.
    """
    prepared_a = [_prepare(*pair, alignment) for pair in zip(a, rounding[0], strict=True)]
    prepared_b = [_prepare(*pair, alignment) for pair in zip(b, rounding[1], strict=True)]
    score = np.full((len(a), len(b)), np.nan)
    for i, j in np.ndindex(score.shape):
        if prepared_a[i] is not None and prepared_b[j] is not None:
            score[i, j] = alignment.score(prepared_a[i], prepared_b[j])
        count_steps()
    return score


def count_alignment(n_grams: int, n_others: int) -> int:
    """Return how many steps it is to align Grams with others."""
    return n_grams + n_others + n_grams * n_others


def _prepare(gram: np.ndarray, rounding: np.ndarray, alignment: Alignment) -> Any:
    """Return the prepared Gram, or None if centering leaves only rounding error."""
    count_steps()
    centered = center_twice(gram[None])[0]
    centered = (centered + centered.T) / 2
    if not np.trace(centered) > 1e-12 * np.trace(gram):
        return None
    if alignment.by_rank:
        # Rounding of products is relative to the features as they are, not about their mean. That
        # of n x n products of about the mean square q is a matrix of norm 2 sqrt(n) eps q or so.
        return alignment.prepare(centered, rounding.sum())
    return alignment.prepare(centered)
