"""Variance of RDMs explained on pairs of stimuli that were not used for fitting: pure arrays.

Axes: k model RDMs, b brain RDMs, p pairs, n stimuli.
"""

from typing import NamedTuple

import numpy as np

from neurolens.compare.rdms.vectors import pair_within
from neurolens.compare.rsa.regression.coefficients import (
    SINGULAR,
    correlate_pairs,
    fit_least_squares,
    inflate_variance,
)


class HeldOut(NamedTuple):
    """``r2`` (b,), and ``unique`` (k, b): r2 less that without the RDM, on held-out stimuli."""

    r2: np.ndarray
    unique: np.ndarray


class Division(NamedTuple):
    """Pairs (k + b, p) of the training stimuli and of the test stimuli, on one scale.

    The training pairs of each RDM have mean 0 and variance 1; ``spread`` (k + b,) is the deviation
    that they had.
    """

    train: np.ndarray
    test: np.ndarray
    spread: np.ndarray


def deal_divisions(
    n_stimuli: int, n_folds: int, n_divisions: int, generator: np.random.Generator
) -> np.ndarray:
    """Return the fold (division, n) of each stimulus in each random division into folds."""
    return np.stack(
        [generator.permutation(n_stimuli) % n_folds for _ in range(n_divisions)]
    ).reshape(n_divisions, n_stimuli)


def predict_held_out(
    x: np.ndarray, y: np.ndarray, fold_of: np.ndarray, ranked: bool, nonnegative: bool
) -> HeldOut:
    """Return what ``x`` (k, p) explain of ``y`` (b, p) on pairs of two test stimuli.

    Coefficients are of pairs of two training stimuli; pairs of one of each are not used. R^2 = 1 -
    sum SSE / sum SST about the training mean, sums over all folds of all divisions ``fold_of``
    (division, n).
    """
    n_models = len(x)
    both = np.concatenate([x, y])
    # Left out: nothing, then each RDM in turn.
    error = np.zeros((1 + n_models, len(y)))
    whole = np.zeros(len(y))
    for folds in fold_of:
        for fold in range(folds.max() + 1):
            parted = divide_pairs(both, folds == fold, ranked)
            # Back in the units of the RDM, which all folds share.
            power = parted.spread[n_models:] ** 2
            whole += power * (parted.test[n_models:] ** 2).sum(axis=1)
            error += power * _measure_errors(parted, n_models, nonnegative)
    r2 = 1 - error / whole
    return HeldOut(r2[0], r2[0] - r2[1:])


def divide_pairs(pairs: np.ndarray, is_test: np.ndarray, ranked: bool) -> Division:
    """Return the pairs of training and of test stimuli, scaled by the training pairs alone.

    With ``ranked`` a value becomes its mid-rank among the training pairs.
    """
    train = pairs[:, pair_within(~is_test)]
    test = pairs[:, pair_within(is_test)]
    if ranked:
        in_order = np.sort(train, axis=1)
        train = _place_among(in_order, train)
        test = _place_among(in_order, test)
    mean = train.mean(axis=1, keepdims=True)
    spread = train.std(axis=1, keepdims=True)
    spread[spread <= 0] = np.nan
    return Division((train - mean) / spread, (test - mean) / spread, spread[:, 0])


def _place_among(in_order: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return how many of the sorted row ``in_order`` (k, p) are below each of ``values`` (k, t).

    Equal ones count half.
    """
    places = np.empty(values.shape)
    for k, (row, wanted) in enumerate(zip(in_order, values, strict=True)):
        below = np.searchsorted(row, wanted, side="left")
        places[k] = (below + np.searchsorted(row, wanted, side="right")) / 2
    return places


def _measure_errors(parted: Division, n_models: int, nonnegative: bool) -> np.ndarray:
    """Return squared errors (1 + k, b) on test pairs, with all RDMs and without each in turn."""
    weight = np.ones(parted.train.shape[1])
    among, with_brain = correlate_pairs(parted.train[:n_models], parted.train[n_models:], weight)
    if (inflate_variance(among) >= SINGULAR).any():
        return np.full((1 + n_models, with_brain.shape[1]), np.nan)
    test_x = parted.test[:n_models]
    test_y = parted.test[n_models:]
    errors = np.empty((1 + n_models, len(test_y)))
    for row, left_out in enumerate([None, *range(n_models)]):
        kept = np.arange(n_models) != (-1 if left_out is None else left_out)
        beta = fit_least_squares(among[np.ix_(kept, kept)], with_brain[kept], nonnegative)
        errors[row] = ((test_y - beta.T @ test_x[kept]) ** 2).sum(axis=1)
    return errors
