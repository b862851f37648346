"""Shapes of point clouds from their Grams: how far rotation can lay one upon another. Pure arrays.

For centred features X, Y the largest tr(X R Y') over rotations R is the nuclear norm of X'Y, which
is the fidelity tr (K^1/2 L K^1/2)^1/2 of their Grams K, L: the Procrustes and the Bures similarity
are one number.
"""

import numpy as np

from neurolens.compare.rsa.comparators.moments import Moments
from neurolens.compare.stats.linalg import expand_pairs


def factor_gram(gram: np.ndarray) -> np.ndarray:
    """Return F (n, k) with F F' = ``gram`` (n, n), what of it is negative set to zero.

    K its numerical rank.
    """
    values, vectors = np.linalg.eigh(gram)
    kept = values > len(gram) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    return vectors[:, kept] * np.sqrt(values[kept])


def sum_singular(product: np.ndarray) -> float:
    """Return the nuclear norm of a matrix; 0 of an empty one."""
    return float(np.linalg.svd(product, compute_uv=False).sum()) if product.size else 0.0


def overlap_shapes(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> Moments:
    """Return fidelities as ``cross`` and traces as powers, for RDMs ``x`` (m, p), ``y`` (b, p), ``counts`` (d, n).

    RDMs are taken as squared distances, G = -H D H / 2; negative eigenvalues of G are set to zero.
    A stimulus drawn c times weighs c: here its copies are points at distance 0, for a Gram cannot
    lack entries. Time O(d m b n^3).
    """
    squares = [expand_pairs(pairs) for pairs in (x, y)]
    cross = np.empty((len(counts), len(x), len(y)))
    powers = np.empty((len(counts), len(x))), np.empty((len(counts), len(y)))
    total = (counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)) / 2
    for d, count in enumerate(counts):
        a, b = ([factor_gram(_weigh_gram(square, count)) for square in side] for side in squares)
        cross[d] = [[sum_singular(f.T @ g) for g in b] for f in a]
        for power, factors in zip(powers, (a, b), strict=True):
            power[d] = [(f**2).sum() if total[d] > 0 else np.nan for f in factors]
    return Moments(cross, *powers, total)


def _weigh_gram(square: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return the Gram of the stimuli drawn, about their weighted mean.

    Times the root of their weights.
    """
    kept = np.flatnonzero(count)
    weight = count[kept] / count.sum()
    gram = square[np.ix_(kept, kept)] / -2
    row = gram @ weight
    return (gram - row[:, None] - row + weight @ row) * np.sqrt(np.outer(weight, weight))
