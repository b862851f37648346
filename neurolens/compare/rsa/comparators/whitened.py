"""Whitened similarity: RDMs compared without the covariance of pairs that share a stimulus.

With D a dissimilarity matrix, V = -D/2 is modelled by row and column effects a_i + a_j; the
residual is the double-centered Gram, and its cosine is that of RDMs whitened for independent noise
of equal variance (linear CKA). When stimuli occur c times, pairs of a stimulus with its own copy do
not exist, and double centering becomes least squares: A b = R with b = 2a, A_ii = (N - c_i)/2 + 1,
A_ij = c_j/2, R = V c and N the number of drawn stimuli. Then <residual_x, residual_y> = sum_ij c_i
c_j V^x_ij V^y_ij - sum_i c_i b^x_i R^y_i: no residual is ever formed.
"""

import numpy as np

from neurolens.compare.rsa.comparators.moments import (
    Moments,
    center_rows,
    centered_moments,
    count_once,
    raw_moments,
    subtract_explained,
    weigh_pairs,
)
from neurolens.compare.stats.linalg import expand_pairs, keep_positive
from neurolens.support.progress import share_progress
from neurolens.support.units import bring_near


def whiten_raw(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> Moments:
    """Return whitened products about zero, for ``x`` (m, p), ``y`` (b, p), ``counts`` (d, n)."""
    x = bring_near(x, axis=1)
    y = bring_near(y, axis=1)
    with share_progress(0):
        plain = raw_moments(x, y, counts)
    return _whiten(x, y, counts, plain, centered=False)


def whiten_centered(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> Moments:
    """Return whitened products after removing each RDM's weighted mean.

    RDMs are ``x`` (m, p) and ``y`` (b, p), ``counts`` is (d, n).
    """
    # A common offset changes nothing here, and without it a constant RDM is exactly zero.
    x = bring_near(center_rows(x), axis=1)
    y = bring_near(center_rows(y), axis=1)
    with share_progress(0):
        plain = centered_moments(x, y, counts)
    return _whiten(x, y, counts, plain, centered=True)


def divide_whitened(pairs: np.ndarray) -> np.ndarray:
    """Return each row divided by its whitened norm."""
    pairs = bring_near(pairs, axis=1)
    power = whiten_raw(pairs, pairs[:0], count_once(pairs)).power_x
    return pairs / np.sqrt(power[0, :, None])


def divide_whitened_centered(pairs: np.ndarray) -> np.ndarray:
    """Return each row less its mean, divided by its whitened norm."""
    pairs = bring_near(center_rows(pairs), axis=1)
    power = whiten_centered(pairs, pairs[:0], count_once(pairs)).power_x
    return pairs / np.sqrt(power[0, :, None])


def _whiten(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, plain: Moments, *, centered: bool
) -> Moments:
    """Return ``plain`` moments less what row and column effects explain.

    Time O(d (n^3 + (m + b) n^2)).
    """
    explained = Moments(*map(np.zeros_like, plain))
    pairs = np.concatenate([x, y])
    squares = expand_pairs(pairs) / -2  # (m + b, n, n)
    n = counts.shape[1]
    m = len(x)
    for draws, pair_weights in weigh_pairs(counts):
        c = counts[draws].astype(np.float64)
        drawn = c.sum(axis=1, keepdims=True)
        row = np.einsum("kij,dj->dik", squares, c, optimize=True)
        if centered:
            mean = pair_weights @ pairs.T / keep_positive(plain.total[draws, None])
            row += (drawn - c)[:, :, None] * mean[:, None, :] / 2
        normal = np.broadcast_to(c[:, None, :] / 2, (len(c), n, n)).copy()
        normal[:, range(n), range(n)] = (drawn - c) / 2 + 1
        effect = np.linalg.solve(normal, row) * c[:, :, None]  # (d, n, m + b)
        explained.cross[draws] = np.swapaxes(effect[..., :m], 1, 2) @ row[..., m:]
        power = np.einsum("dik,dik->dk", effect, row)
        explained.power_x[draws] = power[:, :m]
        explained.power_y[draws] = power[:, m:]
    # sum_ij over ordered pairs of V V is half the sum over unordered pairs of D D, which is a mean
    # times the total.
    half = keep_positive(plain.total)[:, None] / 2
    return Moments(
        plain.cross * half[:, :, None] - explained.cross,
        subtract_explained(plain.power_x * half, explained.power_x, 1e-12),
        subtract_explained(plain.power_y * half, explained.power_y, 1e-12),
        plain.total,
    )
