"""The fits of all ops: within each fold, within halves, and to all stimuli."""

from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

from neurolens.compare.encoding.cross_validation import fit_dual, score_heldout
from neurolens.compare.encoding.models.accuracy import SCORES
from neurolens.compare.encoding.models.penalties import Settings
from neurolens.compare.encoding.models.spectrum import Sides, Size
from neurolens.compare.encoding.split_half import score_halves
from neurolens.compare.inputs.dependence import KernelSum, warn_dependent
from neurolens.compare.inputs.features import Features
from neurolens.compare.inputs.folds import Folds
from neurolens.compare.inputs.responses import Targets
from neurolens.labels import NEUROID, OP, STIMULUS


class Problem(NamedTuple):
    """Checked input of every op: settings of the fits, responses, and the fold of each stimulus.

    ``member`` (split, stimulus); ``measure`` is that of the scores of halves.
    """

    settings: Settings
    targets: Targets
    folds: Folds
    member: np.ndarray
    measure: str
    aggregate: str
    device: str | torch.device


class Fits(NamedTuple):
    """Results of the fits of all ops.

    ``by_neuroid`` has (op, neuroid) for each of `SCORES`, ``alpha`` is (op, fold, neuroid),
    ``ends`` (op, 2) are the shares of penalties at the ends of the grid, ``sides`` those that the
    ops were solved on, ``halves`` (split, half, op, region, subject) are the scores within halves,
    ``dual`` and ``prediction`` (op, stimulus, neuroid) are there where asked for; with ``dual``
    also its penalties, ``dual_alpha`` (op, neuroid), and ``power`` (op, stimulus) of the features.
    """

    by_neuroid: dict[str, np.ndarray]
    alpha: np.ndarray
    ends: np.ndarray
    sides: list[Size]
    halves: np.ndarray
    dual: np.ndarray | None
    dual_alpha: np.ndarray
    power: np.ndarray
    prediction: np.ndarray | None


def fit_ops(features: Features, problem: Problem, *, dual: bool, predictions: bool) -> Fits:
    """Return the fits of every op of ``features``, one op in memory at a time."""
    settings, targets, folds, member, measure, aggregate, device = problem
    usable = targets.usable
    # Without a copy where every neuroid can be predicted.
    known = targets.values if usable.all() else targets.values[:, usable]
    values = torch.from_numpy(known).to(device)
    n_ops = len(features.ops)
    by_stimulus_shape = (n_ops, *targets.values.shape)
    fits = Fits(
        {name: np.full((n_ops, len(usable)), np.nan) for name in SCORES},
        np.full((n_ops, len(folds.numbers), len(usable)), np.nan),
        np.zeros((n_ops, 2)),
        [],
        np.empty((len(member), 2, n_ops, len(targets.regions), len(targets.subjects))),
        np.full(by_stimulus_shape, np.nan) if dual else None,
        np.full((n_ops, len(usable)), np.nan),
        np.full((n_ops, len(targets.ids)), np.nan),
        np.full(by_stimulus_shape, np.nan) if predictions else None,
    )
    kernels = KernelSum(len(targets.ids))
    least = min(len(folds.find_train(number)) for number in folds.numbers)
    for i, predictors in enumerate(features.iterate_predictors(targets.ids, least)):
        sides = Sides(torch.from_numpy(predictors.values).to(device), predictors.is_kernel)
        fits.sides.append(sides.size)
        kernels.add(predictors.compute_kernel(kernels.size))
        heldout = score_heldout(
            sides, values, folds, settings, targets.columns, predictions=predictions
        )
        fits.ends[i] = heldout.ends
        fits.alpha[i][:, usable] = heldout.alpha.cpu().numpy()
        for name, score in heldout.pool_folds().items():
            fits.by_neuroid[name][i, usable] = score
        if fits.prediction is not None:
            fits.prediction[i][:, usable] = heldout.prediction
        fits.halves[:, :, i] = score_halves(
            sides, values, folds, settings, targets, member, measure, aggregate
        )
        if fits.dual is not None:
            fitted = fit_dual(sides, values, folds, settings)
            fits.dual[i][:, usable] = fitted.weights
            fits.dual_alpha[i][usable] = fitted.alpha
            fits.power[i] = fitted.power
    warn_dependent(kernels, targets, folds)
    return fits


def add_fits(result: xr.Dataset, fits: Fits, targets: Targets, estimator: str) -> xr.Dataset:
    """Return ``result`` with the penalties, and with dual weights and predictions if asked for."""
    result["alpha"] = ((OP, "fold", NEUROID), fits.alpha)
    if fits.dual is not None:
        result["dual"] = ((OP, STIMULUS, NEUROID), fits.dual)
        result["dual_alpha"] = ((OP, NEUROID), fits.dual_alpha)
        result["feature_power"] = ((OP, STIMULUS), fits.power)
        result["response_mean"] = (NEUROID, targets.values.mean(axis=0))
    if fits.prediction is not None:
        # The name by which compare_predicted describes the model behind the predictions.
        attrs = {"estimator": estimator}
        result["prediction"] = ((OP, STIMULUS, NEUROID), fits.prediction, attrs)
    return result
