"""Banded ridge on several feature spaces, and the variance that each explains alone.

The fits are computed by himalaya.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from neurolens.compare.encoding.aggregate import (
    AGGREGATES,
    NeuroidScores,
    aggregate_scores,
    build_encoding,
    describe_score,
    pool_neuroids,
)
from neurolens.compare.encoding.explainable import read_ceiling
from neurolens.compare.encoding.models.accuracy import SCORES, explain_variance, measure_fold
from neurolens.compare.encoding.models.bands import (
    Kernel,
    Search,
    count_band_ends,
    scale_kernels,
    search_weights,
    split_residual,
)
from neurolens.compare.encoding.models.penalties import RATIOS, read_alphas, warn_ends
from neurolens.compare.encoding.normalized import read_explainable
from neurolens.compare.inputs.checks import Seed, check_whole, make_generator
from neurolens.compare.inputs.dependence import KernelSum, warn_dependent
from neurolens.compare.inputs.features import FeatureData, open_features
from neurolens.compare.inputs.folds import Folds, check_inner, read_folds
from neurolens.compare.inputs.responses import Targets, read_targets
from neurolens.errors import InputError, MissingToolError
from neurolens.labels import NEUROID, REGION, SUBJECT, check_name, list_names
from neurolens.support.progress import count_steps, show_progress

SPACE = "space"
ESTIMATOR = "banded ridge regression"


def fit_banded(
    spaces: Mapping[str, FeatureData],
    responses: xr.DataArray,
    *,
    cv: int | str | xr.DataArray = 5,
    metric: str = "r2",
    aggregate: str = "mean",
    n_iter: int = 50,
    alphas: Sequence[float] = tuple(RATIOS),
    ceiling: xr.DataArray | None = None,
    rng: Seed = 0,
    quiet: bool = False,
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
    responses, cv, metric, aggregate, ceiling, rng
        As for ``fit_encoding``; 3 folds or more.
    n_iter : int
        Weights of the kernels to try, the first of them equal.
    alphas : sequence of float
        Penalties to try with each, above 0.
    quiet : bool
        Show no progress.

    Returns
    -------
    Dataset
        As from ``fit_encoding`` without ``n_splits``: no halves and no intervals. The one op has
        the names of all spaces, "a + b". In addition, ``r2_split`` (space, neuroid): the part of
        R^2 assigned to each space, sum yhat_i (2 y - sum_j yhat_j) / sum y^2 over all held-out
        stimuli, with y the response less its training mean and yhat_i what space i adds to that
        mean. The parts add up to ``r2``. ``log_weight`` (space, fold, neuroid): log of kernel
        weight / penalty.

    Raises
    ------
    MissingToolError
        himalaya is not installed.
    InputError
        There are fewer than two spaces or three folds, a space has several ops, or as for
        ``fit_encoding``.
    LabelError, UnknownNameError
        As for ``fit_encoding``.

    Warns
    -----
    RuntimeWarning
        As for ``fit_encoding``; the penalty is at an end of ``alphas`` beyond which the fit would
        still change.

    Notes
    -----
    Time O(n_iter folds^2 (n^3 + alphas n^2 v)). Memory: of each space all features while its kernel
    is made, then the kernels, 8 n^2 bytes per space and as much again in each fold, and the
    responses. Directions of a kernel at the level of rounding are left out, as in
    ``fit_encoding``. himalaya's process-wide backend is put back as it
    was.

    References
    ----------
    Nunez-Elizalde et al. (2019) NeuroImage 197:482; Dupre la Tour et al. (2022) NeuroImage
    264:119728, on the solver and the split of R^2 (product measure).
    """
    check_name(metric, SCORES, "metric")
    check_name(aggregate, AGGREGATES, "aggregate")
    problem = _read_problem(spaces, responses, cv, n_iter, alphas, rng)
    targets = problem.targets
    share = read_ceiling(ceiling, targets)
    explainable = None if share is None else read_explainable(share, responses, targets)
    with show_progress(len(problem.folds.numbers), "banded ridge", quiet=quiet):
        fits = _fit_spaces(problem, list(spaces))
    op = " + ".join(spaces)
    warn_ends([op], fits.ends[None])
    by_neuroid = {name: score[None] for name, score in fits.scores.items()}  # (op, neuroid)
    scores = NeuroidScores(
        [op], targets, by_neuroid, metric, problem.folds.number, share, explainable, aggregate
    )
    result = aggregate_scores(scores).assign_coords({SPACE: list(spaces)})
    result["r2_split"] = ((SPACE, NEUROID), fits.r2_split)
    result["log_weight"] = ((SPACE, "fold", NEUROID), fits.log_weight)
    return build_encoding(
        result, scores, estimator=ESTIMATOR, rng=rng, details={"n_iter": int(n_iter)}
    )


def partition_variance(
    spaces: Mapping[str, FeatureData],
    responses: xr.DataArray,
    *,
    cv: int | str | xr.DataArray = 5,
    aggregate: str = "mean",
    n_iter: int = 50,
    alphas: Sequence[float] = tuple(RATIOS),
    rng: Seed = 0,
    quiet: bool = False,
) -> xr.Dataset:
    """Compute the held-out variance that each feature space explains alone, and that they share.

    unique_i = R^2(all spaces) - R^2(all but i); shared = R^2(all) - sum_i unique_i, which for two
    spaces is R^2(A) + R^2(B) - R^2(AB). On held-out data each can be negative, and is reported as
    it is. The result splits one score between spaces. It does not hold scores of ops, and functions
    that take scores do not accept it.

    Parameters
    ----------
    spaces, responses, cv, aggregate, n_iter, alphas, rng, quiet
        As for ``fit_banded``, which is fitted to all spaces and to all but one, with the same
        folds.

    Returns
    -------
    Dataset
        ``unique`` (space, neuroid), ``shared`` and ``r2`` (neuroid), R^2 of all spaces; and their
        means, or medians, over neuroids: ``unique_mean`` (space, region, subject), ``shared_mean``,
        ``r2_mean`` (region, subject).

    Raises
    ------
    MissingToolError, InputError, LabelError
        As for ``fit_banded``.

    Warns
    -----
    RuntimeWarning
        As for ``fit_banded``, of any of the fits.

    References
    ----------
    Lescroart, Stansbury & Gallant (2015) Front. Comput. Neurosci. 9:135, on variance partitioning.
    """
    check_name(aggregate, AGGREGATES, "aggregate")
    problem = _read_problem(spaces, responses, cv, n_iter, alphas, rng)
    targets = problem.targets
    names = list(spaces)
    total = (1 + len(names)) * len(problem.folds.numbers)
    with show_progress(total, "partitioning variance", quiet=quiet):
        whole = _fit_spaces(problem, names)
        r2 = whole.scores["r2"]  # (neuroid,)
        unique = np.empty((len(names), len(r2)))
        ends = {" + ".join(names): whole.ends}
        for k in range(len(names)):
            others = names[:k] + names[k + 1 :]
            without = _fit_spaces(problem, others)
            unique[k] = r2 - without.scores["r2"]
            ends[" + ".join(others)] = without.ends
    warn_ends(list(ends), np.array(list(ends.values())))
    shared = r2 - unique.sum(axis=0)
    return xr.Dataset(
        {
            "unique": ((SPACE, NEUROID), unique),
            "shared": (NEUROID, shared),
            "r2": (NEUROID, r2, {"kind": "r2", "n_repeats": targets.n_repeats}),
            "unique_mean": ((SPACE, REGION, SUBJECT), pool_neuroids(unique, targets, aggregate)),
            "shared_mean": ((REGION, SUBJECT), pool_neuroids(shared, targets, aggregate)),
            "r2_mean": ((REGION, SUBJECT), pool_neuroids(r2, targets, aggregate)),
        },
        coords={SPACE: names, REGION: targets.regions, SUBJECT: targets.subjects, **targets.coords},
        attrs={
            "method": "variance partitioning",
            "measure": "r2",
            "estimator": ESTIMATOR,
            "n_stimuli": len(targets.ids),
            "aggregate": aggregate,
            "score_note": describe_score(problem.folds.number, "r2", aggregate),
        },
    )


class Problem(NamedTuple):
    """Checked input: one kernel (stimulus, stimulus) per space, responses, folds, the search."""

    kernels: dict[str, Kernel]
    targets: Targets
    folds: Folds
    search: Search


class SpaceFits(NamedTuple):
    """Results of fitting some spaces together, NaN for neuroids that cannot be predicted.

    ``scores`` (neuroid,) for each of `SCORES`; ``r2_split`` (space, neuroid) are the parts of R^2;
    ``log_weight`` is (space, fold, neuroid); ``ends`` (2,) are the shares of penalties at the ends
    of the grid.
    """

    scores: dict[str, np.ndarray]
    r2_split: np.ndarray
    log_weight: np.ndarray
    ends: np.ndarray


def _fit_spaces(problem: Problem, names: list[str]) -> SpaceFits:
    """Return the fits of the spaces ``names`` together, each fold held out in turn.

    Each fold is a step of the work.
    """
    folds = problem.folds
    usable = problem.targets.usable
    numbers = folds.numbers
    values = problem.targets.values[:, usable]
    by_fold = (len(numbers), int(usable.sum()))
    r = torch.empty(by_fold, dtype=torch.float64)
    residual = torch.empty_like(r)
    total = torch.empty_like(r)
    parts = np.empty((len(names), *by_fold))
    log_weight = np.full((len(names), len(numbers), len(usable)), np.nan)
    ends = np.zeros(2)
    for k, number in enumerate(numbers):
        train = folds.find_train(number)
        test = folds.find_test(number)
        kernels = scale_kernels([problem.kernels[name] for name in names], train, test)
        mean = values[train].mean(axis=0)
        measured = values[test]
        inner = folds.number[train]
        weights = search_weights(kernels.train, values[train] - mean, inner, problem.search)
        # (space, t, v)
        predicted = np.exp(weights.log_weight)[:, None, :] * (kernels.test @ weights.dual)
        whole = torch.from_numpy(predicted.sum(axis=0) + mean)
        accuracy = measure_fold(torch.from_numpy(measured), whole, torch.from_numpy(mean))
        r[k] = accuracy.r
        residual[k] = accuracy.residual
        total[k] = accuracy.total
        parts[:, k] = split_residual(measured - mean, predicted)
        log_weight[:, k, usable] = weights.log_weight
        alphas = problem.search.alphas
        ends += count_band_ends(kernels.train, weights.log_weight, alphas) / len(numbers)
        count_steps()
    r2 = explain_variance(residual, total)
    scores = {name: np.full(len(usable), np.nan) for name in SCORES}
    scores["r"][usable] = r.mean(0).numpy()
    scores["r2"][usable] = r2.numpy()
    r2_split = np.full((len(names), len(usable)), np.nan)
    # Without any variance R^2 is NaN, and so are its parts.
    scale = torch.where(r2.isnan(), torch.nan, total.sum(0)).numpy()
    r2_split[:, usable] = parts.sum(axis=1) / scale
    return SpaceFits(scores, r2_split, log_weight, ends)


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
    folds = read_folds(cv, targets.presented, targets.ids.tolist(), rng)
    check_inner(folds)
    kernels = {name: _read_kernel(name, features, targets.ids) for name, features in spaces.items()}
    summed = KernelSum(len(targets.ids))
    for kernel in kernels.values():
        summed.add(kernel.values.numpy(), kernel.rounding)
    warn_dependent(summed, targets, folds)
    seed = int(generator.integers(2**31))
    return Problem(kernels, targets, folds, Search(int(n_iter), read_alphas(alphas), seed))


def _read_kernel(name: str, features: FeatureData, ids: np.ndarray) -> Kernel:
    """Return the kernel (stimulus, stimulus) of one space, its stimuli in the order of ``ids``."""
    by_op = open_features(features)
    if len(by_op.ops) != 1:
        raise InputError(
            f"space {name!r} must be one op, got {len(by_op.ops)}: {list_names(by_op.ops)}. Select "
            "one, e.g. grams.sel(op='conv1/conv2d')."
        )
    predictors = next(by_op.iterate_predictors(ids, 0))
    return Kernel(torch.from_numpy(predictors.values), predictors.rounding)
