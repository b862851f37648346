"""RDMs as squares whose sums of products are similarities: permuting stimuli permutes rows and columns, no more.

A comparator that cannot be written so has no entry in EMBEDDINGS.
"""

from collections.abc import Callable

import numpy as np

from neurolens.compare.rsa.comparators.moments import centre_rows
from neurolens.compare.rsa.comparators.table import rank_rows
from neurolens.compare.stats.linalg import center_twice, expand_pairs, keep_positive


def normalise(squares: np.ndarray) -> np.ndarray:
    """Return each square (rdm, n, n) divided by its Frobenius norm; NaN where it is zero."""
    norm = np.sqrt((squares**2).sum(axis=(-2, -1), keepdims=True))
    return squares / keep_positive(norm)


def scale_ranks(pairs: np.ndarray) -> np.ndarray:
    """Return centred mid-ranks as squares whose sums of products are rho-a.

    Each pair occurs twice in them.
    """
    n_pairs = pairs.shape[1]
    return expand_pairs(centre_rows(rank_rows(pairs))) * np.sqrt(6 / (n_pairs**3 - n_pairs))


EMBEDDINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "spearman": lambda pairs: normalise(expand_pairs(centre_rows(rank_rows(pairs)))),
    "pearson": lambda pairs: normalise(expand_pairs(centre_rows(pairs))),
    "cosine": lambda pairs: normalise(expand_pairs(pairs)),
    "rho-a": scale_ranks,
    "whitened-pearson": lambda pairs: normalise(center_twice(expand_pairs(centre_rows(pairs)))),
    "whitened-cosine": lambda pairs: normalise(center_twice(expand_pairs(pairs))),
}
