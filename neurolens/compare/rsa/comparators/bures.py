"""Similarity of point clouds after the best rotation, from their Grams.

Pure arrays. For mean-centered features X, Y the largest tr(X R Y') over rotations R is the nuclear
norm of X'Y, which is the fidelity tr (K^1/2 L K^1/2)^1/2 of their Grams K, L: the Procrustes and
the Bures similarity are one number.
"""

import numpy as np

from neurolens.compare.rsa.comparators.moments import Moments, count_once, empty_moments
from neurolens.compare.stats.linalg import expand_pairs, keep_positive
from neurolens.support.progress import count_steps
from neurolens.support.units import bring_near


def factor_gram(gram: np.ndarray, rounding: float = 0.0) -> np.ndarray:
    """Return F (n, k) with F F' = ``gram`` (n, n), its negative eigenvalues set to zero.

    k is its numerical rank: eigenvalues up to ``rounding`` count as 0 too.
    """
    values, vectors = np.linalg.eigh(gram)
    least = len(gram) * np.finfo(np.float64).eps * np.abs(values).max()
    positive = values > max(least, rounding)
    return vectors[:, positive] * np.sqrt(values[positive])


def sum_singular(product: np.ndarray) -> float:
    """Return the nuclear norm of a matrix; 0 of an empty one."""
    return float(np.linalg.svd(product, compute_uv=False).sum()) if product.size else 0.0


def divide_trace(pairs: np.ndarray) -> np.ndarray:
    """Return each row divided by the trace of its Gram without negative eigenvalues.

    Of squared distances between points the trace is (n - 1) / 2 times their mean. Distances that
    are corrected for noise can have a mean of 0 or below, and no scale; this trace is above 0
    unless no eigenvalue is: NaN there.
    """
    pairs = bring_near(pairs, axis=1)
    squares = expand_pairs(pairs)
    once = count_once(pairs)[0]
    traces = np.array([(factor_gram(_weigh_gram(square, once)) ** 2).sum() for square in squares])
    return pairs / keep_positive(traces)[:, None]


def overlap_shapes(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> Moments:
    """Return the moments of RDMs: fidelities as ``cross`` and traces as powers.

    RDMs are ``x`` (m, p) and ``y`` (b, p), ``counts`` is (d, n). RDMs are taken as squared
    distances, G = -H D H / 2; negative eigenvalues of G are set to zero. A stimulus drawn c times
    weighs c: here its copies are points at distance 0, for a Gram cannot lack entries. Time O(d m b
    n^3).
    """
    squares_x = expand_pairs(bring_near(x, axis=1))  # (m, n, n)
    squares_y = expand_pairs(bring_near(y, axis=1))
    result = empty_moments(len(x), len(y), len(counts))
    result.total[:] = (counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)) / 2
    for draw, count in enumerate(counts):
        factors_x = [factor_gram(_weigh_gram(square, count)) for square in squares_x]
        factors_y = [factor_gram(_weigh_gram(square, count)) for square in squares_y]
        for i, j in np.ndindex(len(x), len(y)):
            result.cross[draw, i, j] = sum_singular(factors_x[i].T @ factors_y[j])
        scale = 1.0 if result.total[draw] > 0 else np.nan
        result.power_x[draw] = [scale * (factor**2).sum() for factor in factors_x]
        result.power_y[draw] = [scale * (factor**2).sum() for factor in factors_y]
        count_steps()
    return result


def _weigh_gram(square: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return the Gram of the stimuli drawn, about their weighted mean.

    Its entries are multiplied by the roots of the weights of both stimuli.
    """
    drawn = np.flatnonzero(count)
    weight = count[drawn] / count.sum()
    gram = square[np.ix_(drawn, drawn)] / -2
    row = gram @ weight
    return (gram - row[:, None] - row + weight @ row) * np.sqrt(np.outer(weight, weight))
