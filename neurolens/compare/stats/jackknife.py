"""Jackknife of the accuracy of predictions, by leaving out blocks of observations: pure arrays.

Axes: n observations, v voxels, g blocks. Blocks are consecutive and numbered from 0.
"""

import numpy as np

from neurolens.support.units import bring_near

# Share of a sum of squares below which what is left by a block is rounding.
ROUNDING = 1e-10


def leave_out_r(measured: np.ndarray, predicted: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return Pearson's r (g, v) of two (n, v) without each ``block`` (n,) of observations.

    It is NaN where one of them does not vary without the block. Time O(n v).
    """
    x = bring_near(measured - measured.mean(axis=0), axis=0)
    y = bring_near(predicted - predicted.mean(axis=0), axis=0)
    n_left = len(x) - np.bincount(block)[:, None]  # (g, 1)
    x_sum = _sum_blocks(x, block)
    y_sum = _sum_blocks(y, block)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Sums of all are 0, so those of the rest are those of the block, negated.
        squares_x = _leave_sum(x * x, block) - x_sum**2 / n_left
        squares_y = _leave_sum(y * y, block) - y_sum**2 / n_left
        products = _leave_sum(x * y, block) - x_sum * y_sum / n_left
        r = products / np.sqrt(_keep_whole(squares_x, x) * _keep_whole(squares_y, y))
    return np.clip(r, -1, 1)


def leave_out_r2(
    measured: np.ndarray, predicted: np.ndarray, mean: np.ndarray, block: np.ndarray
) -> np.ndarray:
    """Return 1 - residual / total sum of squares (g, v) without each ``block`` (n,).

    ``mean`` (v,) is that of the training responses, about which the total is taken.
    """
    change = measured - mean
    residual = _leave_sum((measured - predicted) ** 2, block)
    total = _keep_whole(_leave_sum(change**2, block), change)
    return 1 - residual / total


def center_left_out(left_out: np.ndarray) -> np.ndarray:
    """Return deviations (g, ...) whose squares add up to the variance of the whole estimate.

    ``left_out`` (g, ...) are the estimates without each of g blocks. Efron & Stein (1981) Ann.
    Stat. 9:586: on average the variance is not too small.
    """
    n_blocks = len(left_out)
    return np.sqrt((n_blocks - 1) / n_blocks) * (left_out - left_out.mean(axis=0))


def _sum_blocks(values: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return the sums (g, v) of the rows of each block."""
    return np.add.reduceat(values, np.flatnonzero(np.diff(block, prepend=-1)), axis=0)


def _leave_sum(values: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return the sums (g, v) of the rows outside of each block."""
    return values.sum(axis=0) - _sum_blocks(values, block)


def _keep_whole(left: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return sums of squares (g, v), NaN where they are no more than rounding of the whole."""
    return np.where(left > ROUNDING * (change**2).sum(axis=0), left, np.nan)
