"""Grams, double centering and pairs of squares: pure arrays, float64."""

from typing import Literal

import numpy as np


def compute_gram(
    features: np.ndarray, shift: np.ndarray | None = None, block_bytes: int = 2**22
) -> tuple[np.ndarray, np.ndarray]:
    """Return G (n, n) and s (n,) of ``features`` (n, p) minus ``shift``, in float64.

    Features are read one block at a time. ``shift`` broadcasts to (n, p). Memory beyond the input:
    ``block_bytes`` and two (n, n) results.
    """
    if shift is None and can_view(features):
        return multiply_views(features)
    n, p = features.shape
    # A row of ones below a block gives the row sums with the product, which saves reading the block
    # again.
    gram = np.zeros((n + 1, n + 1))
    product = np.empty((n + 1, n + 1))
    shift = np.broadcast_to(0.0 if shift is None else shift, features.shape)
    width = min(p, max(1, block_bytes // (8 * (n + 1))))
    order: Literal["F", "C"] = "F" if features.flags.f_contiguous else "C"
    # All blocks are written to the same place, which fits a processor's cache: fresh memory would
    # cost page faults.
    buffer = np.empty((n + 1) * width)
    for start in range(0, p, width):
        columns = slice(start, min(start + width, p))
        block = buffer[: (n + 1) * (columns.stop - start)].reshape(n + 1, -1, order=order)
        np.subtract(features[:, columns], shift[:, columns], out=block[:n], dtype=np.float64)
        block[n] = 1
        gram += np.matmul(block, block.T, out=product)
    return gram[:n, :n], gram[:n, n]


def can_view(features: np.ndarray) -> bool:
    """Return whether a block of ``features`` can be multiplied without a copy."""
    return features.dtype == np.float64 and features.itemsize in features.strides


def multiply_views(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return G and s of ``features`` without copying any block."""
    n, p = features.shape
    gram = np.zeros((n, n))
    product = np.empty((n, n))
    row_sum = np.zeros(n)
    # The sums bring a block of 1 MiB into the cache for the product. Narrower ones take longer to
    # add than to multiply.
    width = min(p, max(512, 2**17 // n))
    ones = np.ones(width)
    for start in range(0, p, width):
        block = features[:, start : start + width]  # (n, width)
        row_sum += block @ ones[: block.shape[1]]
        gram += np.matmul(block, block.T, out=product)
    return gram, row_sum


def center_twice(squares: np.ndarray) -> np.ndarray:
    """Return ``squares`` (k, n, n) less their row and column means, plus the overall mean."""
    rows = squares.mean(axis=-1, keepdims=True)
    return squares - rows - np.swapaxes(rows, -1, -2) + rows.mean(axis=-2, keepdims=True)


def expand_pairs(pairs: np.ndarray) -> np.ndarray:
    """Return the symmetric squares (k, n, n), 0 on the diagonal, of triangles ``pairs`` (k, p)."""
    n = count_stimuli(pairs.shape[1])
    first, second = np.triu_indices(n, 1)
    squares = np.zeros((len(pairs), n, n))
    squares[:, first, second] = squares[:, second, first] = pairs
    return squares


def count_stimuli(n_pairs: int) -> int:
    """Return n for n(n-1)/2 pairs."""
    return round((1 + np.sqrt(1 + 8 * n_pairs)) / 2)


def keep_positive(total: np.ndarray) -> np.ndarray:
    """Return ``total``, NaN where it is not above 0.

    A draw of one stimulus holds no pair, and a constant has no scale.
    """
    return np.where(total > 0, total, np.nan)


def bound_rounding(gram: np.ndarray, eps: float, residual: np.ndarray | None) -> np.ndarray:
    """Return bounds (n,) on what rounding changes in a Gram (n, n).

    ``eps`` is the precision of its products, relative to ``residual`` (n,) or to its diagonal.

    An entry of the Gram of features about their mean over stimuli is off by no more than the root
    of the product of those of both stimuli, and so an eigenvalue by no more than their sum.
    """
    lengths = np.diagonal(gram).astype(np.float64)
    if residual is None:
        return 4 * eps * lengths
    return eps * residual + 4 * float(np.finfo(np.float64).eps) * lengths


def blank_rounding(gram: np.ndarray, rounding: np.ndarray) -> np.ndarray:
    """Return ``gram`` (n, n) as float64, all 0 where centering leaves only rounding error.

    ``rounding`` (n,) is that of its rows, from `bound_rounding`.
    """
    gram = gram.astype(np.float64)
    spread = np.trace(gram) - gram.mean(axis=0).sum()
    is_rounding = not spread > max(1e-12 * np.trace(gram), 4 * rounding.sum())
    return np.zeros_like(gram) if is_rounding else gram
