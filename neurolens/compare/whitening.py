"""Whitened similarity: RDMs compared after taking out the covariance that pairs sharing a stimulus have.

With D a dissimilarity matrix, V = -D/2 is modelled by row and column effects a_i + a_j; what is left over is the
double-centred Gram, and its cosine is that of RDMs whitened for independent noise of equal variance (linear CKA).
When stimuli occur c times, pairs of a stimulus with its own copy do not exist, and double centring becomes least
squares: A b = R with b = 2a, A_ii = (N - c_i)/2 + 1, A_ij = c_j/2, R = V c and N the number of drawn stimuli.
Then <residual_x, residual_y> = sum_ij c_i c_j V^x_ij V^y_ij - sum_i c_i b^x_i R^y_i: no residual is ever formed.
"""

import numpy as np

from neurolens.compare import weights
from neurolens.compare.weights import Moments


def whiten_raw(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> Moments:
    """Return whitened products about zero, for ``x`` (m, p), ``y`` (b, p), ``counts`` (d, n)."""
    return _whiten(x, y, counts, weights.raw_moments(x, y, counts), centred=False)


def whiten_centred(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> Moments:
    """Return whitened products after removing each RDM's weighted mean, for ``x`` (m, p), ``y`` (b, p)."""
    # A common offset changes nothing here, and without it a constant RDM is exactly zero.
    x, y = weights.centre_rows(x), weights.centre_rows(y)
    return _whiten(x, y, counts, weights.centred_moments(x, y, counts), centred=True)


def _whiten(x: np.ndarray, y: np.ndarray, counts: np.ndarray, plain: Moments, *, centred: bool) -> Moments:
    """Return ``plain`` moments less what row and column effects explain. Time O(d (n^3 + (m + b) n^2))."""
    explained = Moments(*map(np.zeros_like, plain))
    pairs = np.concatenate([x, y])
    squares = expand_pairs(pairs) / -2
    n, m = counts.shape[1], len(x)
    for draws, pair_weights in weights.weigh_pairs(counts):
        c = counts[draws].astype(np.float64)
        drawn = c.sum(axis=1, keepdims=True)
        row = np.einsum("kij,dj->dik", squares, c, optimize=True)
        if centred:
            mean = pair_weights @ pairs.T / weights.keep_positive(plain.total[draws, None])
            row += (drawn - c)[:, :, None] * mean[:, None, :] / 2
        normal = np.broadcast_to(c[:, None, :] / 2, (len(c), n, n)).copy()
        normal[:, range(n), range(n)] = (drawn - c) / 2 + 1
        effect = np.linalg.solve(normal, row) * c[:, :, None]
        explained.cross[draws] = np.swapaxes(effect[..., :m], 1, 2) @ row[..., m:]
        power = np.einsum("dik,dik->dk", effect, row)
        explained.power_x[draws], explained.power_y[draws] = power[:, :m], power[:, m:]
    # sum_ij over ordered pairs of V V is half the sum over unordered pairs of D D, which is a mean times the total.
    half = weights.keep_positive(plain.total)[:, None] / 2
    return Moments(
        plain.cross * half[:, :, None] - explained.cross,
        weights.subtract_explained(plain.power_x * half, explained.power_x, 1e-12),
        weights.subtract_explained(plain.power_y * half, explained.power_y, 1e-12),
        plain.total,
    )


def centre_twice(squares: np.ndarray) -> np.ndarray:
    """Return ``squares`` (k, n, n) less their row and column means, plus the overall mean."""
    rows = squares.mean(axis=-1, keepdims=True)
    return squares - rows - np.swapaxes(rows, -1, -2) + rows.mean(axis=-2, keepdims=True)


def expand_pairs(pairs: np.ndarray) -> np.ndarray:
    """Return the symmetric squares (k, n, n), zero on the diagonal, of upper triangles ``pairs`` (k, p)."""
    n = weights.count_stimuli(pairs.shape[1])
    first, second = np.triu_indices(n, 1)
    squares = np.zeros((len(pairs), n, n))
    squares[:, first, second] = squares[:, second, first] = pairs
    return squares
