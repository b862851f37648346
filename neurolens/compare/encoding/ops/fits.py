"""The fits of all ops: within each fold, within halves, and to all stimuli."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

from neurolens.compare.encoding.cross_validation import Source, fit_dual, score_heldout
from neurolens.compare.encoding.models.accuracy import SCORES
from neurolens.compare.encoding.models.penalties import Settings
from neurolens.compare.encoding.models.spectrum import Size
from neurolens.compare.encoding.ops.records import FitRecords, hash_problem
from neurolens.compare.encoding.ops.sources import iterate_ops
from neurolens.compare.encoding.split_half import score_halves
from neurolens.compare.inputs.dependence import KernelSum, warn_dependent
from neurolens.compare.inputs.features import Features
from neurolens.compare.inputs.folds import Folds
from neurolens.compare.inputs.responses import Targets
from neurolens.labels import NEUROID, OP, STIMULUS
from neurolens.support.progress import count_steps
from neurolens.support.versions import __version__


class Problem(NamedTuple):
    """Checked input of every op: settings of the fits, responses, and the fold of each stimulus.

    ``member`` (split, stimulus); ``measure`` is that of the scores of halves; ``memory`` is the
    budget in bytes for the features of an op.
    """

    settings: Settings
    targets: Targets
    folds: Folds
    member: np.ndarray
    measure: str
    aggregate: str
    device: str | torch.device
    memory: int


class Fits(NamedTuple):
    """Results of the fits of all ops.

    ``by_neuroid`` has (op, neuroid) for each of `SCORES`, ``alpha`` is (op, fold, neuroid),
    ``ends`` (op, 2) are the shares of penalties at the ends of the grid, ``sides`` those that the
    ops were solved on, ``n_blocks`` the parts that their features were read in, ``halves`` (split,
    half, op, region, subject) are the scores within halves, ``dual`` and ``prediction`` (op,
    stimulus, neuroid) are there where asked for; with ``dual`` also its penalties, ``dual_alpha``
    (op, neuroid), and ``power`` (op, stimulus) of the features.
    """

    by_neuroid: dict[str, np.ndarray]
    alpha: np.ndarray
    ends: np.ndarray
    sides: list[Size]
    n_blocks: list[int]
    halves: np.ndarray
    dual: np.ndarray | None
    dual_alpha: np.ndarray
    power: np.ndarray
    prediction: np.ndarray | None


def fit_ops(
    features: Features,
    problem: Problem,
    *,
    dual: bool,
    predictions: bool,
    checkpoint: str | Path | None = None,
) -> Fits:
    """Return the fits of every op of ``features``, one op in memory at a time.

    ``checkpoint`` is a folder where the fit of each op is kept, and taken from if it is there.
    """
    targets = problem.targets
    usable = targets.usable
    # Without a copy where every neuroid can be predicted.
    known = targets.values if usable.all() else targets.values[:, usable]
    values = torch.from_numpy(known).to(problem.device)
    records = None
    if checkpoint is not None:
        records = FitRecords(checkpoint, _hash_problem(problem, values, dual, predictions))
    n_ops = len(features.ops)
    by_stimulus_shape = (n_ops, *targets.values.shape)
    fits = Fits(
        {name: np.full((n_ops, len(usable)), np.nan) for name in SCORES},
        np.full((n_ops, len(problem.folds.numbers), len(usable)), np.nan),
        np.zeros((n_ops, 2)),
        [],
        [],
        np.empty((len(problem.member), 2, n_ops, len(targets.regions), len(targets.subjects))),
        np.full(by_stimulus_shape, np.nan) if dual else None,
        np.full((n_ops, len(usable)), np.nan),
        np.full((n_ops, len(targets.ids)), np.nan),
        np.full(by_stimulus_shape, np.nan) if predictions else None,
    )
    kernels = KernelSum(len(targets.ids))
    numbers = problem.folds.numbers
    least = min(len(problem.folds.find_train(number)) for number in numbers)
    ops = iterate_ops(
        features, targets.ids, least, problem.settings, problem.device, problem.memory
    )
    for op in ops:
        name = "" if records is None else op.hash_values()
        fit = None if records is None else records.read(name)
        if fit is None:
            fit = _fit_op(op.open(), values, problem, kernels.size, dual, predictions)
            if records is not None:
                records.write(name, fit)
        _write_fit(fits, len(fits.sides), fit, usable)
        fits.n_blocks.append(op.n_blocks)
        kernels.add(fit["kernel"], op.rounding)
        count_steps()
        # The next op is read only after this one is gone; `enumerate` would hold it.
        del op, fit
    warn_dependent(kernels, targets, problem.folds)
    return fits


def _fit_op(
    source: Source,
    values: torch.Tensor,
    problem: Problem,
    n_kernel: int,
    dual: bool,
    predictions: bool,
) -> dict[str, np.ndarray]:
    """Return the fit of one op to the usable neuroids as arrays by name.

    ``kernel`` is that of the first ``n_kernel`` stimuli.
    """
    targets = problem.targets
    heldout = score_heldout(
        source,
        values,
        problem.folds,
        problem.settings,
        targets.columns,
        predictions=predictions,
    )
    fit = {
        **heldout.pool_folds(),
        "alpha": heldout.alpha.cpu().numpy(),
        "ends": heldout.ends,
        "side": np.array(source.size.name),
        "length": np.array(source.size.length),
        "kernel": source.compute_kernel(n_kernel),
        "halves": score_halves(
            source,
            values,
            problem.folds,
            problem.settings,
            targets,
            problem.member,
            problem.measure,
            problem.aggregate,
        ),
    }
    if heldout.prediction is not None:
        fit["prediction"] = heldout.prediction
    if dual:
        fitted = fit_dual(source, values, problem.folds, problem.settings)
        fit |= {"dual": fitted.weights, "dual_alpha": fitted.alpha, "power": fitted.power}
    return fit


def _write_fit(fits: Fits, i: int, fit: dict[str, np.ndarray], usable: np.ndarray) -> None:
    """Write the arrays of the fit of the ``i``-th op into ``fits``."""
    fits.sides.append(Size(str(fit["side"]), int(fit["length"])))
    fits.ends[i] = fit["ends"]
    fits.alpha[i][:, usable] = fit["alpha"]
    fits.halves[:, :, i] = fit["halves"]
    for name in SCORES:
        fits.by_neuroid[name][i, usable] = fit[name]
    if fits.prediction is not None:
        fits.prediction[i][:, usable] = fit["prediction"]
    if fits.dual is not None:
        fits.dual[i][:, usable] = fit["dual"]
        fits.dual_alpha[i][usable] = fit["dual_alpha"]
        fits.power[i] = fit["power"]


def _hash_problem(problem: Problem, values: torch.Tensor, dual: bool, predictions: bool) -> str:
    """Return a hash of all that the fit of an op depends on beside its features."""
    targets = problem.targets
    folds = problem.folds
    alphas = problem.settings.alphas
    return hash_problem(
        __version__,
        values.cpu().numpy(),
        targets.ids,
        targets.usable,
        targets.regions,
        targets.subjects,
        [columns.tolist() for columns in targets.columns],
        folds.number,
        folds.unit,
        folds.position,
        folds.gap,
        problem.member,
        problem.measure,
        problem.aggregate,
        problem.settings._replace(alphas=None),
        alphas,
        dual,
        predictions,
    )


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
