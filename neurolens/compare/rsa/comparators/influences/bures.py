"""Influences on the Bures similarity: pure arrays.

With F the factor of the positive part F F' of a Gram G = -H D H / 2 and F_x' F_y = U S V', the
similarity is tr S / (|F_x| |F_y|). Where stimulus i weighs w_i, its entries of the Gram are
multiplied by the root of w_i; what the weighted mean changes by is orthogonal to all F. So |F|^2
changes by |f_i|^2, f_i the row of the stimulus, and tr S by the mean of f_i U V' f_i' over both
sides. Where G has negative eigenvalues l_n, which the positive part lacks, their vectors q_n turn
against those of the positive ones l_p as the Gram changes, and Q_n (C o Q_n' Z) is added to
Z = F_y V U', with C = 2 l_n / (l_p - l_n).
"""

from typing import NamedTuple

import numpy as np

from neurolens.compare.rsa.comparators.influences.incidence import Incidence
from neurolens.compare.stats.linalg import center_twice, expand_pairs
from neurolens.support.units import bring_near


class Parts(NamedTuple):
    """The parts of a Gram whose eigenvalues are above and below 0.

    ``factor`` (n, k) times its own transpose is the positive part, ``positive`` (k,) its
    eigenvalues; ``negative`` (l,) are those below 0 and ``vectors`` (n, l) their vectors.
    """

    factor: np.ndarray
    positive: np.ndarray
    vectors: np.ndarray
    negative: np.ndarray


def influence_bures(x: np.ndarray, y: np.ndarray, incidence: Incidence) -> np.ndarray:
    """Return the influences (m, b, u) on Bures similarities of ``x`` (m, p) and ``y`` (b, p).

    All pairs of the stimuli must be there. Time O(m b n^3).
    """
    parts_x = _divide(x)
    parts_y = _divide(y)
    influences = np.empty((len(x), len(y), incidence.n))
    for i, j in np.ndindex(len(x), len(y)):
        influences[i, j] = _influence_pair(parts_x[i], parts_y[j])
    return incidence.add_units(influences)


def _divide(pairs: np.ndarray) -> list[Parts]:
    grams = center_twice(expand_pairs(bring_near(pairs, axis=1)) / -2)
    parts = []
    for gram in grams:
        values, vectors = np.linalg.eigh(gram)
        least = len(gram) * np.finfo(np.float64).eps * np.abs(values).max()
        above = values > least
        below = values < -least
        factor = vectors[:, above] * np.sqrt(values[above])
        parts.append(Parts(factor, values[above], vectors[:, below], values[below]))
    return parts


def _influence_pair(x: Parts, y: Parts) -> np.ndarray:
    """Return the influences (n,) on one similarity; NaN where that is 0 or has no scale."""
    if not (x.positive.size and y.positive.size):
        return np.full(len(x.factor), np.nan)
    left, singular, right = np.linalg.svd(x.factor.T @ y.factor, full_matrices=False)
    trace_x = x.positive.sum()
    trace_y = y.positive.sum()
    # What is 0 grows whichever way the weights change: its derivative counts as 0.
    least = len(x.factor) * np.finfo(np.float64).eps * np.sqrt(trace_x * trace_y)
    there = singular > least
    if not there.any():
        return np.full(len(x.factor), np.nan)
    total = singular.sum()
    rotation = left[:, there] @ right[there]
    change = _change_fidelity(x, y.factor @ rotation.T) + _change_fidelity(y, x.factor @ rotation)
    change /= total
    change -= (x.factor**2).sum(axis=1) / (2 * trace_x) + (y.factor**2).sum(axis=1) / (2 * trace_y)
    return total / np.sqrt(trace_x * trace_y) * change


def _change_fidelity(parts: Parts, turned: np.ndarray) -> np.ndarray:
    """Return what weighing each stimulus (n,) more on one side adds to tr S.

    ``turned`` (n, k) are the points of the other side, rotated to fit.
    """
    gap = parts.positive - parts.negative[:, None]  # (l, k)
    lost = 2 * parts.negative[:, None] / gap * (parts.vectors.T @ turned)
    return (parts.factor * (turned + parts.vectors @ lost)).sum(axis=1) / 2
