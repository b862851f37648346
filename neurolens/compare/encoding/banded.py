"""Banded ridge on several feature spaces, and the variance that each explains alone.

The fits are computed by himalaya.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from neurolens.compare.encoding.accuracy import SCORES
from neurolens.compare.encoding.aggregate import (
    NeuroidScores,
    aggregate_scores,
    build_encoding,
    pool_neuroids,
)
from neurolens.compare.encoding.cross_validation import RATIOS, read_alphas
from neurolens.compare.encoding.explainable import read_ceiling
from neurolens.compare.encoding.ridge import center_kernel
from neurolens.compare.inputs.checks import Seed, check_whole, make_generator
from neurolens.compare.inputs.features import FeatureData, open_features
from neurolens.compare.inputs.folds import check_inner, read_folds
from neurolens.compare.inputs.responses import Targets, read_targets
from neurolens.errors import InputError, MissingToolError
from neurolens.labels import NEUROID, REGION, SUBJECT, check_name, list_names

SPACE = "space"
ESTIMATOR = "banded ridge regression"


def fit_banded(
    spaces: Mapping[str, FeatureData],
    responses: xr.DataArray,
    *,
    cv: int | str | xr.DataArray = 5,
    metric: str = "r2",
    n_iter: int = 50,
    alphas: Sequence[float] = tuple(RATIOS),
    ceiling: xr.DataArray | None = None,
    rng: Seed = 0,
) -> xr.Dataset:
    """Predict held-out responses from several feature spaces, each with its own penalty.

    Banded ridge minimizes ``|Y - 1 b' - sum_i A_i W_i|^2 + sum_i alpha_i |W_i|^2``, so that a large
    space does not dominate a small one. Penalties are those of a random search (Dirichlet weights
    of the kernels times ``alphas``) with the least error over the other folds, each left out in
    turn within the training stimuli. Each kernel is divided by its mean training eigenvalue first,
    so that ``alphas`` are ratios of noise to signal.

    Parameters
    ----------
    spaces : mapping of str to Dataset, DataTree or DataArray
        Two or more, each what ``fit_encoding`` takes, with one op: ``{"early":
        grams.sel(op="conv1/conv2d"), ...}``.
    responses, cv, metric, ceiling, rng
        As for ``fit_encoding``; 3 folds or more.
    n_iter : int
        Weights of the kernels to try, the first of them equal.
    alphas : sequence of float
        Penalties to try with each, above 0.

    Returns
    -------
    Dataset
        As from ``fit_encoding`` without ``n_splits``: no halves and no intervals. The one op has
        the names of all spaces, "a + b". In addition, ``r2_split`` (space, neuroid): the part of
        R^2 assigned to each space, sum yhat_i (2 y - sum_j yhat_j) / sum y^2, with y less its mean
        over the test stimuli and yhat_i what space i adds to the training mean. ``r2_offset``
        (neuroid): the part assigned to the means, (2 m h - m^2) / v, with m the test mean less the
        training mean of the responses, h the mean over test stimuli of sum_j yhat_j and v the
        variance of the test responses (divided by their number). All are means over folds, and R^2
        = sum of ``r2_split`` over spaces + ``r2_offset``, which can be large, and of either sign,
        where folds are small. ``log_weight`` (space, fold, neuroid): log of kernel weight /
        penalty.

    Raises
    ------
    MissingToolError
        himalaya is not installed.
    InputError
        There are fewer than two spaces or three folds, a space has several ops, or as for
        ``fit_encoding``.
    LabelError, UnknownNameError
        As for ``fit_encoding``.

    Notes
    -----
    Time O(n_iter folds^2 (n^3 + alphas n^2 v)). himalaya's process-wide backend is put back as it
    was.

    References
    ----------
    Nunez-Elizalde et al. (2019) NeuroImage 197:482; Dupre la Tour et al. (2022) NeuroImage
    264:119728, on the solver and the split of R^2 (product measure).
    """
    check_name(metric, SCORES, "metric")
    problem = _read_problem(spaces, responses, cv, n_iter, alphas, rng)
    explainable = read_ceiling(ceiling, problem.targets)
    fits = _fit_spaces(problem, list(spaces))
    by_fold = {name: score[None] for name, score in fits.scores.items()}  # (op, fold, neuroid)
    scores = NeuroidScores(
        [" + ".join(spaces)], problem.targets, by_fold, metric, problem.fold, explainable
    )
    result = aggregate_scores(scores).assign_coords({SPACE: list(spaces)})
    result["r2_split"] = ((SPACE, NEUROID), fits.r2_split.mean(axis=1))
    result["r2_offset"] = (NEUROID, fits.r2_offset.mean(axis=0))
    result["log_weight"] = ((SPACE, "fold", NEUROID), fits.log_weight)
    return build_encoding(
        result, scores, estimator=ESTIMATOR, rng=rng, details={"n_iter": int(n_iter)}
    )


def partition_variance(
    spaces: Mapping[str, FeatureData],
    responses: xr.DataArray,
    *,
    cv: int | str | xr.DataArray = 5,
    n_iter: int = 50,
    alphas: Sequence[float] = tuple(RATIOS),
    rng: Seed = 0,
) -> xr.Dataset:
    """Compute the held-out variance that each feature space explains alone, and that they share.

    unique_i = R^2(all spaces) - R^2(all but i); shared = R^2(all) - sum_i unique_i, which for two
    spaces is R^2(A) + R^2(B) - R^2(AB). On held-out data each can be negative, and is reported as
    it is. The result splits one score between spaces. It does not hold scores of ops, and functions
    that take scores do not accept it.

    Parameters
    ----------
    spaces, responses, cv, n_iter, alphas, rng
        As for ``fit_banded``, which is fitted to all spaces and to all but one, with the same
        folds.

    Returns
    -------
    Dataset
        ``unique`` (space, neuroid), ``shared`` and ``r2`` (neuroid), R^2 of all spaces; and their
        means over neuroids: ``unique_mean`` (space, region, subject), ``shared_mean``, ``r2_mean``
        (region, subject).

    Raises
    ------
    MissingToolError, InputError, LabelError
        As for ``fit_banded``.

    References
    ----------
    Lescroart, Stansbury & Gallant (2015) Front. Comput. Neurosci. 9:135, on variance partitioning.
    """
    problem = _read_problem(spaces, responses, cv, n_iter, alphas, rng)
    targets = problem.targets
    names = list(spaces)
    r2 = _fit_spaces(problem, names).scores["r2"].mean(axis=0)  # (neuroid,)
    unique = np.empty((len(names), len(r2)))
    for k in range(len(names)):
        others = names[:k] + names[k + 1 :]
        unique[k] = r2 - _fit_spaces(problem, others).scores["r2"].mean(axis=0)
    shared = r2 - unique.sum(axis=0)
    return xr.Dataset(
        {
            "unique": ((SPACE, NEUROID), unique),
            "shared": (NEUROID, shared),
            "r2": (NEUROID, r2, {"kind": "r2", "n_repeats": targets.n_repeats}),
            "unique_mean": ((SPACE, REGION, SUBJECT), pool_neuroids(unique, targets)),
            "shared_mean": ((REGION, SUBJECT), pool_neuroids(shared, targets)),
            "r2_mean": ((REGION, SUBJECT), pool_neuroids(r2, targets)),
        },
        coords={SPACE: names, REGION: targets.regions, SUBJECT: targets.subjects, **targets.coords},
        attrs={
            "method": "variance partitioning",
            "measure": "r2",
            "estimator": ESTIMATOR,
            "n_stimuli": len(targets.ids),
        },
    )


def split_variance(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the part of R^2 (space, v) of each prediction (space, t, v).

    ``measured`` (t, v) has zero means.
    """
    total = (measured**2).sum(axis=0)
    parts = (predicted * (2 * measured - predicted.sum(axis=0))).sum(axis=1)
    return parts / np.where(total > 0, total, np.nan)


def offset_variance(measured: np.ndarray, predicted: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the part of R^2 (v,) of ``mean`` + the sum of ``predicted`` that belongs to no space.

    ``measured`` (t, v) are the test responses, ``predicted`` (space, t, v) and ``mean`` (v,) that
    of the training responses.
    """
    variance = measured.var(axis=0)
    gap = measured.mean(axis=0) - mean
    height = predicted.sum(axis=0).mean(axis=0)
    return (2 * gap * height - gap**2) / np.where(variance > 0, variance, np.nan)


class Problem(NamedTuple):
    """Checked input: one kernel (stimulus, stimulus) per space, responses, folds, the search."""

    kernels: dict[str, torch.Tensor]
    targets: Targets
    fold: np.ndarray
    n_iter: int
    alphas: np.ndarray
    seed: int


class SpaceFits(NamedTuple):
    """Results of fitting some spaces together, NaN for neuroids that cannot be predicted.

    ``scores`` (fold, neuroid) for each of `SCORES`; the parts of R^2: ``r2_split`` (space, fold,
    neuroid) and that of the means, ``r2_offset`` (fold, neuroid); ``log_weight`` (space, fold,
    neuroid).
    """

    scores: dict[str, np.ndarray]
    r2_split: np.ndarray
    r2_offset: np.ndarray
    log_weight: np.ndarray


class ScaledKernels(NamedTuple):
    """Centered kernels divided by their mean training eigenvalue.

    ``train`` (space, n, n), ``test`` (space, t, n).
    """

    train: np.ndarray
    test: np.ndarray


class KernelWeights(NamedTuple):
    """himalaya's solution: ``log_weight`` (space, v) of kernels and ``dual`` weights (n, v)."""

    log_weight: np.ndarray
    dual: np.ndarray


def _fit_spaces(problem: Problem, names: list[str]) -> SpaceFits:
    """Return the fits of the spaces ``names`` together, each fold held out in turn."""
    fold = problem.fold
    usable = problem.targets.usable
    numbers = np.unique(fold[fold >= 0])
    values = problem.targets.values[:, usable]
    by_fold = (len(numbers), len(usable))
    fits = SpaceFits(
        {name: np.full(by_fold, np.nan) for name in SCORES},
        np.full((len(names), *by_fold), np.nan),
        np.full(by_fold, np.nan),
        np.full((len(names), *by_fold), np.nan),
    )
    for k, number in enumerate(numbers):
        train = np.flatnonzero(fold != number)
        test = np.flatnonzero(fold == number)
        kernels = _scale_kernels([problem.kernels[name] for name in names], train, test)
        mean = values[train].mean(axis=0)
        measured = values[test]
        weights = _search_weights(kernels.train, values[train] - mean, fold[train], problem)
        # (space, t, v)
        predicted = np.exp(weights.log_weight)[:, None, :] * (kernels.test @ weights.dual)
        whole = torch.from_numpy(predicted.sum(axis=0) + mean)
        for name, score in SCORES.items():
            fits.scores[name][k, usable] = score(torch.from_numpy(measured), whole).numpy()
        fits.log_weight[:, k, usable] = weights.log_weight
        centered = measured - measured.mean(axis=0)
        fits.r2_split[:, k, usable] = split_variance(centered, predicted)
        fits.r2_offset[k, usable] = offset_variance(measured, predicted, mean)
    # Responses that are constant up to rounding have no R^2, and no parts of it.
    without = np.isnan(fits.scores["r2"])
    fits.r2_split[:, without] = np.nan
    fits.r2_offset[without] = np.nan
    return fits


def _scale_kernels(
    kernels: list[torch.Tensor], train: np.ndarray, test: np.ndarray
) -> ScaledKernels:
    """Return the kernels at the indices ``train`` and ``test``, comparable in size."""
    train_scaled = []
    test_scaled = []
    for kernel in kernels:
        centered = center_kernel(kernel, torch.from_numpy(train), torch.from_numpy(test))
        unit = centered.train.trace() / len(train)
        # A space that does not vary stays 0.
        unit = torch.where(unit > 0, unit, 1.0)
        train_scaled.append((centered.train / unit).numpy())
        test_scaled.append((centered.test / unit).numpy())
    return ScaledKernels(np.stack(train_scaled), np.stack(test_scaled))


def _search_weights(
    kernels: np.ndarray, targets: np.ndarray, fold: np.ndarray, problem: Problem
) -> KernelWeights:
    """Return the best weights for centered ``kernels`` (space, n, n) and ``targets`` (n, v)."""
    from himalaya.backend import get_backend, set_backend
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
    from sklearn.model_selection import PredefinedSplit

    settings: dict[str, Any] = {
        "n_iter": problem.n_iter if len(kernels) > 1 else np.ones((1, 1)),
        "alphas": problem.alphas,
        "random_state": problem.seed,
        # With an intercept, kernels are centered anew within each inner split.
        "fit_intercept": True,
        "return_weights": "dual",
        "progress_bar": False,
    }
    backend = get_backend()
    set_backend("numpy")
    try:
        solved = solve_multiple_kernel_ridge_random_search(
            kernels, targets, cv=PredefinedSplit(fold), **settings
        )
    finally:
        set_backend(backend)
    return KernelWeights(solved[0], solved[1])


def _read_problem(
    spaces: Mapping[str, FeatureData],
    responses: xr.DataArray,
    cv: Any,
    n_iter: int,
    alphas: Sequence[float],
    rng: Seed,
) -> Problem:
    """Return the checked input."""
    if importlib.util.find_spec("himalaya") is None:
        raise MissingToolError(
            "banded ridge needs himalaya. Install it with pip install himalaya scikit-learn."
        )
    if not isinstance(spaces, Mapping) or len(spaces) < 2:
        raise InputError(
            "spaces must be a mapping of two or more names to features, e.g. {'pixels': a, 'relu': "
            "b}. For one space use fit_encoding."
        )
    check_whole(n_iter, "n_iter", 1, 50)
    generator = make_generator(rng)
    targets = read_targets(responses)
    fold = read_folds(cv, targets.presented, targets.ids.tolist(), rng)
    check_inner(fold)
    kernels = {name: _read_kernel(name, features, targets.ids) for name, features in spaces.items()}
    seed = int(generator.integers(2**31))
    return Problem(kernels, targets, fold, int(n_iter), read_alphas(alphas), seed)


def _read_kernel(name: str, features: FeatureData, ids: np.ndarray) -> torch.Tensor:
    """Return the kernel (stimulus, stimulus) of one space, its stimuli in the order of ``ids``."""
    by_op = open_features(features)
    if len(by_op.ops) != 1:
        raise InputError(
            f"space {name!r} must be one op, got {len(by_op.ops)}: {list_names(by_op.ops)}. Select "
            "one, e.g. grams.sel(op='conv1/conv2d')."
        )
    return torch.from_numpy(next(by_op.iterate_kernels(ids)))
