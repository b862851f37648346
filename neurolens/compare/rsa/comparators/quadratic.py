"""RDMs as squares whose sums of products are similarities: pure arrays.

Permuting the stimuli of such a square only permutes its rows and columns, so one product compares
many permutations. Each function takes RDMs (rdm, pair) and returns squares (rdm, n, n).
"""

import numpy as np

from neurolens.compare.rsa.comparators.moments import center_rows
from neurolens.compare.rsa.comparators.orders import rank_rows
from neurolens.compare.stats.linalg import center_twice, expand_pairs, keep_positive
from neurolens.support.units import bring_near


def embed_raw(pairs: np.ndarray) -> np.ndarray:
    """Return squares whose sums of products are cosines."""
    return _normalize(expand_pairs(pairs))


def embed_centered(pairs: np.ndarray) -> np.ndarray:
    """Return squares whose sums of products are Pearson correlations."""
    return _normalize(expand_pairs(center_rows(pairs)))


def embed_ranks(pairs: np.ndarray) -> np.ndarray:
    """Return squares whose sums of products are Spearman correlations."""
    return _normalize(expand_pairs(center_rows(rank_rows(pairs))))


def embed_scaled_ranks(pairs: np.ndarray) -> np.ndarray:
    """Return squares whose sums of products are rho-a."""
    n_pairs = pairs.shape[1]
    # Each pair occurs twice in a square: 6, not 12.
    return expand_pairs(center_rows(rank_rows(pairs))) * np.sqrt(6 / (n_pairs**3 - n_pairs))


def embed_whitened(pairs: np.ndarray) -> np.ndarray:
    """Return squares whose sums of products are whitened cosines."""
    return _normalize(center_twice(expand_pairs(pairs)))


def embed_whitened_centered(pairs: np.ndarray) -> np.ndarray:
    """Return squares whose sums of products are whitened Pearson correlations."""
    return _normalize(center_twice(expand_pairs(center_rows(pairs))))


def _normalize(squares: np.ndarray) -> np.ndarray:
    """Return each square (rdm, n, n) divided by its Frobenius norm; NaN where it is zero."""
    squares = bring_near(squares, axis=(-2, -1))
    norm = np.sqrt((squares**2).sum(axis=(-2, -1), keepdims=True))
    return squares / keep_positive(norm)
