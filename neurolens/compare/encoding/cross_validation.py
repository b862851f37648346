"""Cross-validation of one op for many voxels: each fold is predicted from the others.

Pure tensors.
"""

from typing import NamedTuple, cast

import numpy as np
import torch

from neurolens.compare.encoding.models.accuracy import SCORES, explain_variance, measure_fold
from neurolens.compare.encoding.models.penalties import Settings, count_ends, fit_penalties
from neurolens.compare.encoding.models.pls import predict_pls
from neurolens.compare.encoding.models.products import BlockedFeatures, Products
from neurolens.compare.encoding.models.ridge import iterate_blocks
from neurolens.compare.encoding.models.spectrum import Sides, Spectrum
from neurolens.compare.inputs.folds import Folds

# Method -> what it is called in a paper.
METHODS = {"ridge": "ridge regression", "pls": "partial least squares"}
# What an op predicts from: in memory, or read in blocks.
Source = Sides | BlockedFeatures


class HeldOut(NamedTuple):
    """Accuracy of one op's predictions of held-out stimuli.

    ``r``, ``residual``, ``total`` (fold, v) are those of `Accuracy`; ``alpha`` (fold, v) is NaN for
    a method without penalty. ``ends`` (2,) are the shares of fits whose penalty is at the lowest
    and the highest end of the grid, where the fit depends on it. ``prediction`` (n, v), where asked
    for, is NaN for stimuli in no fold.
    """

    r: torch.Tensor
    residual: torch.Tensor
    total: torch.Tensor
    alpha: torch.Tensor
    ends: np.ndarray
    prediction: np.ndarray | None

    def pool_folds(self) -> dict[str, np.ndarray]:
        """Return each of `SCORES` (v,) over all folds."""
        pooled = (self.r.mean(0), explain_variance(self.residual, self.total))
        return {name: score.cpu().numpy() for name, score in zip(SCORES, pooled, strict=True)}


def score_heldout(
    sides: Source,
    values: torch.Tensor,
    folds: Folds,
    settings: Settings,
    columns: list[np.ndarray],
    *,
    rows: np.ndarray | None = None,
    predictions: bool = False,
) -> HeldOut:
    """Return the accuracy of ``values`` (n, v) predicted from an op, by ``folds`` of the n.

    ``columns`` are the voxels that "pls" fits together. ``rows`` are the stimuli to use, by default
    all.
    """
    if rows is None:
        rows = np.arange(len(folds))
    used = folds.select(rows)
    numbers = used.numbers
    blank = values.new_full((len(numbers), values.shape[1]), torch.nan)
    prediction = np.full(values.shape, np.nan) if predictions else None
    predictors = sides.begin(values, rows)
    heldout = HeldOut(blank, blank.clone(), blank.clone(), blank.clone(), np.zeros(2), prediction)
    for k, number in enumerate(numbers):
        parts = Parts(rows[used.find_train(number)], rows[used.find_test(number)])
        _score_fold(heldout, k, parts, predictors, values, folds, settings, columns)
    return heldout


class Parts(NamedTuple):
    """The indices of the training stimuli and of the test stimuli of one fold."""

    train: np.ndarray
    test: np.ndarray


def _score_fold(
    heldout: HeldOut,
    k: int,
    parts: Parts,
    predictors: Sides | Products,
    values: torch.Tensor,
    folds: Folds,
    settings: Settings,
    columns: list[np.ndarray],
) -> None:
    """Write the accuracy of the ``k``-th fold into ``heldout``."""
    train = torch.from_numpy(parts.train).to(values.device)
    test = torch.from_numpy(parts.test).to(values.device)
    inner = folds.select(parts.train)
    spectrum = predictors.split(parts.train, parts.test)
    for voxels in list_blocks(settings, columns, len(train), values.shape[1]):
        block = values[:, voxels]
        targets = block[train]  # a copy
        mean = targets.mean(0)
        targets -= mean
        if settings.method == "pls":
            predicted = predict_pls(cast(Spectrum, spectrum), targets, settings.n_components)
        else:
            fit = fit_penalties(spectrum.select(cast(slice, voxels)), targets, inner, settings)
            predicted = spectrum.test @ fit.coefficients
            heldout.alpha[k, voxels] = fit.alphas[fit.chosen]
            share = targets.shape[1] / values.shape[1] / len(heldout.r)
            heldout.ends[:] += count_ends(spectrum, fit) * share
        predicted += mean
        accuracy = measure_fold(block[test], predicted, mean)
        heldout.r[k, voxels] = accuracy.r
        heldout.residual[k, voxels] = accuracy.residual
        heldout.total[k, voxels] = accuracy.total
        if heldout.prediction is not None:
            heldout.prediction[parts.test[:, None], np.r_[voxels]] = predicted.cpu().numpy()


def list_blocks(
    settings: Settings, columns: list[np.ndarray], n_train: int, n_voxels: int
) -> list[np.ndarray] | list[slice]:
    """Return the voxels that are fitted at once: those that share components, or a block."""
    if settings.method == "pls":
        return columns
    return list(iterate_blocks(n_train, n_voxels, settings.select))


class Dual(NamedTuple):
    """Ridge fitted to all stimuli: predictions are ``centered kernel @ weights + mean``.

    ``weights`` (n, v); ``alpha`` (v,) are the penalties. ``power`` (n,) is the squared length of
    each stimulus's features about their mean, by which the features are known again.
    """

    weights: np.ndarray
    alpha: np.ndarray
    power: np.ndarray


def fit_dual(sides: Source, values: torch.Tensor, folds: Folds, settings: Settings) -> Dual:
    """Return ridge's dual weights, fitted to all stimuli."""
    everything = np.arange(len(values))
    spectrum = sides.begin(values, everything).split(everything, everything[:0])
    fit = fit_penalties(spectrum, values - values.mean(0), folds, settings)
    weights = torch.empty_like(values)
    for rows in spectrum.iterate_rows():
        weights[rows.positions] = rows.vectors @ fit.coefficients
    alpha = fit.alphas[fit.chosen]
    return Dual(weights.cpu().numpy(), alpha.cpu().numpy(), sides.measure_power().cpu().numpy())
