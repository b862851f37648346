"""Permutation of the stimuli of residuals, after Freedman & Lane (1983): pure arrays.

What is left of the brain RDMs given the controls is permuted, rows and columns together, and
regressed on the controls again.
"""

import numpy as np

from neurolens.compare.stats.linalg import expand_pairs
from neurolens.support.progress import count_steps


def correlate_orders(
    x: np.ndarray, y: np.ndarray, basis: np.ndarray, orders: np.ndarray
) -> np.ndarray:
    """Return the partial correlation (order, m, b) of residuals, y's stimuli in each of ``orders``.

    ``x`` (m, p) and ``y`` (b, p) are residuals of unit norm given ``basis`` (q, p), orthonormal.
    Each order is a step of the work.
    """
    squares = expand_pairs(y)
    first, second = np.triu_indices(orders.shape[1], 1)
    known = np.concatenate([x, basis])
    scores = np.empty((len(orders), len(x), len(y)))
    for k, order in enumerate(orders):
        permuted = squares[:, order[first], order[second]]  # (b, p)
        products = known @ permuted.T  # (m + q, b)
        rest = 1 - (products[len(x) :] ** 2).sum(axis=0)
        scores[k] = products[: len(x)] / np.sqrt(np.maximum(rest, np.finfo(float).tiny))
        count_steps()
    return np.clip(scores, -1.0, 1.0)


def explain_orders(y: np.ndarray, basis: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Return the share (order, b) of centered ``y`` (b, p) at unit norm that ``basis`` explains.

    The stimuli of ``y`` are put in each of ``orders``, each a step of the work.
    """
    squares = expand_pairs(y)
    first, second = np.triu_indices(orders.shape[1], 1)
    shares = np.empty((len(orders), len(y)))
    for k, order in enumerate(orders):
        products = basis @ squares[:, order[first], order[second]].T  # (q, b)
        shares[k] = (products**2).sum(axis=0)
        count_steps()
    return shares
