"""Accuracy of predicted responses, neuroid by neuroid: pure tensors."""

from typing import NamedTuple

import torch

from neurolens.compare.stats.correlation import FLAT, correlate_columns

# The measures of held-out predictions. r: Pearson correlation within each fold, averaged over
# folds. r2: 1 - residual / total sum of squares, each summed over all held-out stimuli.
SCORES = ("r", "r2")


class Accuracy(NamedTuple):
    """How well the stimuli of one fold are predicted: ``r``, ``residual`` and ``total`` (v,).

    ``residual`` and ``total`` are sums of squares over the stimuli, of the measured responses less
    the predicted ones, and less the mean of the training responses.
    """

    r: torch.Tensor
    residual: torch.Tensor
    total: torch.Tensor


def measure_fold(measured: torch.Tensor, predicted: torch.Tensor, mean: torch.Tensor) -> Accuracy:
    """Return the accuracy of predictions (t, v); ``mean`` (v,) is that of training responses.

    The variance of few test stimuli is no denominator: with the training mean, which is what a
    model without features predicts, ``total`` can be added up over folds of any size.
    """
    change = measured - mean
    size = torch.maximum(measured.abs().amax(0), mean.abs())
    flat = change.abs().amax(0) <= FLAT * size
    total = torch.where(flat, 0.0, change.square().sum(0))
    residual = (measured - predicted).square().sum(0)
    return Accuracy(correlate_columns(measured, predicted), residual, total)


def explain_variance(residual: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    """Return R^2 = 1 - sum over folds of residual / sum of total, from (fold, ...) to (...).

    It is NaN where the held-out responses are the training mean.
    """
    whole = total.sum(0)
    return 1 - residual.sum(0) / torch.where(whole > 0, whole, torch.nan)
