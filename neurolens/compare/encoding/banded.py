"""Several feature spaces at once: banded ridge.

And what each space explains that the others do not (himalaya).
"""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from neurolens.compare.encoding.accuracy import SCORES, read_ceiling
from neurolens.compare.encoding.aggregate import gather_scores, pool_neuroids
from neurolens.compare.encoding.cross_validation import RATIOS, read_alphas
from neurolens.compare.encoding.ridge import centre_kernel
from neurolens.compare.inputs.checks import Seed, check_whole, make_generator, put_on
from neurolens.compare.inputs.features import FeatureData, check_features, iterate_kernels, list_ops
from neurolens.compare.inputs.folds import check_inner, read_folds
from neurolens.compare.inputs.responses import Targets, read_targets
from neurolens.errors import InputError, MissingToolError
from neurolens.labels import NEUROID, REGION, SUBJECT, check_name, list_names

SPACE = "space"


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
    """Held-out prediction of each neuroid from several feature spaces, each with a penalty of its own.

    Banded ridge minimises ``|Y - 1 b' - sum_i A_i W_i|^2 + sum_i alpha_i |W_i|^2``, so that a large
    space does not drown a small one. Penalties are those of a random search (Dirichlet weights of
    the kernels times ``alphas``) with the least error over the other folds, each left out in turn
    within the training stimuli. Each kernel is divided by its mean training eigenvalue first, so
    that ``alphas`` are ratios of noise to signal.

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
        As from ``fit_encoding``, with one op named after all spaces; and ``r2_split`` (space,
        neuroid): the part of R^2 that goes to each space, sum yhat_i (2 y - sum_j yhat_j) / sum
        y^2, with y less its mean over the test stimuli and yhat_i what space i adds to the training
        mean. ``r2_offset`` (neuroid): the part that goes to the means, (2 m h - m^2) / v, with m
        the test mean less the training mean of the responses, h the mean over test stimuli of sum_j
        yhat_j and v the variance of the test responses (divided by their number). All are means
        over folds, and R^2 = sum of ``r2_split`` over spaces + ``r2_offset``, which can be large,
        and of either sign, where folds are small. ``log_weight`` (space, fold, neuroid): log of
        kernel weight / penalty.

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
    found, split, log_weight = _score_spaces(problem, list(spaces))
    op = " + ".join(spaces)
    scores = gather_scores([op], problem.targets, found, metric, problem.fold, rng, explainable)
    scores["r2_split"] = ((SPACE, NEUROID), split[:-1].mean(axis=1))
    scores["r2_offset"] = (NEUROID, split[-1].mean(axis=0))
    scores["log_weight"] = ((SPACE, "fold", NEUROID), log_weight)
    return scores.assign_coords({SPACE: list(spaces)}).assign_attrs(
        comparator=f"banded {metric}", n_iter=int(n_iter)
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
    """Held-out variance that each feature space explains alone, and that they share.

    unique_i = R^2(all spaces) - R^2(all but i); shared = R^2(all) - sum_i unique_i, which for two
    spaces is R^2(A) + R^2(B) - R^2(AB). On held-out data each can be negative, and is reported so.

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
    rest = [[other for other in names if other != name] for name in names]
    r2, *without = (
        _score_spaces(problem, kept)[0]["r2"][0].mean(axis=0) for kept in (names, *rest)
    )
    unique = r2 - np.stack(without)
    shared = r2 - unique.sum(axis=0)
    unique_mean, shared_mean, r2_mean = (pool_neuroids(x, targets) for x in (unique, shared, r2))
    return xr.Dataset(
        {
            "unique": ((SPACE, NEUROID), unique),
            "shared": (NEUROID, shared),
            "r2": (NEUROID, r2, {"kind": "r2", "n_repeats": targets.n_repeats}),
            "unique_mean": ((SPACE, REGION, SUBJECT), unique_mean),
            **put_on((REGION, SUBJECT), shared_mean=shared_mean, r2_mean=r2_mean),
        },
        coords={SPACE: names, REGION: targets.regions, SUBJECT: targets.subjects, **targets.coords},
        attrs={"method": "variance partitioning", "metric": "r2", "n_stimuli": len(targets.ids)},
    )


def split_variance(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the part of R^2 (space, v) of each prediction (space, t, v), for ``measured`` (t.

    V) with zero means.
    """
    total = (measured**2).sum(axis=0)
    return (predicted * (2 * measured - predicted.sum(axis=0))).sum(axis=1) / np.where(
        total > 0, total, np.nan
    )


def offset_variance(measured: np.ndarray, predicted: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the part of R^2 (v,) of ``mean`` + the sum of ``predicted`` (space, t, v) that no space has.

    ``measured`` (t, v) are the test responses and ``mean`` (v,) that of the training responses.
    """
    variance = measured.var(axis=0)
    gap = measured.mean(axis=0) - mean
    height = predicted.sum(axis=0).mean(axis=0)
    return (2 * gap * height - gap**2) / np.where(variance > 0, variance, np.nan)


class Problem(NamedTuple):
    """Checked input: one kernel (stimulus, stimulus) per space, responses.

    Folds and how to search.
    """

    kernels: dict[str, torch.Tensor]
    targets: Targets
    fold: np.ndarray
    n_iter: int
    alphas: np.ndarray
    seed: int


def _score_spaces(
    problem: Problem, names: list[str]
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return the held-out scores (1, fold, neuroid) by name of the spaces ``names`` together.

    And the parts of R^2 (space + 1, fold, neuroid), the last that of the means, and the log weights
    (space, fold, neuroid).
    """
    fold = problem.fold
    usable = problem.targets.usable
    numbers = np.unique(fold[fold >= 0])
    values = problem.targets.values[:, usable]
    scores = {name: np.full((1, len(numbers), len(usable)), np.nan) for name in SCORES}
    split = np.full((len(names) + 1, len(numbers), len(usable)), np.nan)
    log_weight = np.full((len(names), len(numbers), len(usable)), np.nan)
    for k, number in enumerate(numbers):
        train = np.flatnonzero(fold != number)
        test = np.flatnonzero(fold == number)
        inner, cross = _scale_kernels([problem.kernels[name] for name in names], train, test)
        mean = values[train].mean(axis=0)
        measured = values[test]
        deltas, dual = _search_weights(inner, values[train] - mean, fold[train], problem)
        predicted = np.exp(deltas)[:, None, :] * (cross @ dual)  # (space, test, neuroid)
        whole = torch.from_numpy(predicted.sum(axis=0) + mean)
        for name, score in SCORES.items():
            scores[name][0, k, usable] = score(torch.from_numpy(measured), whole).numpy()
        log_weight[:, k, usable] = deltas
        split[:-1, k, usable] = split_variance(measured - measured.mean(axis=0), predicted)
        split[-1, k, usable] = offset_variance(measured, predicted, mean)
        # Of responses that are constant but for rounding there is no R^2, and no part of it.
        split[:, k, np.isnan(scores["r2"][0, k])] = np.nan
    return scores, split, log_weight


def _scale_kernels(
    kernels: list[torch.Tensor], train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return training (space, n, n) and test (space, t, n) kernels.

    Centred and divided by the mean eigenvalue.
    """
    places = torch.from_numpy(train), torch.from_numpy(test)
    centred = [centre_kernel(kernel, *places)[:2] for kernel in kernels]
    units = [inner.trace() / len(train) for inner, _ in centred]
    scaled = [
        [x / unit if unit > 0 else x for x in pair]
        for pair, unit in zip(centred, units, strict=True)
    ]
    return np.stack([inner.numpy() for inner, _ in scaled]), np.stack(
        [cross.numpy() for _, cross in scaled]
    )


def _search_weights(
    kernels: np.ndarray, targets: np.ndarray, fold: np.ndarray, problem: Problem
) -> tuple[np.ndarray, np.ndarray]:
    """Return himalaya's log weights (space, v) and dual weights (n.

    V) for centred kernels and targets (n, v).
    """
    from himalaya.backend import get_backend, set_backend
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
    from sklearn.model_selection import PredefinedSplit

    n_iter = problem.n_iter if len(kernels) > 1 else np.ones((1, 1))
    settings: dict[str, Any] = {
        "n_iter": n_iter,
        "alphas": problem.alphas,
        "random_state": problem.seed,
    }
    # With an intercept, kernels are centred anew within each inner split.
    settings |= {"fit_intercept": True, "return_weights": "dual", "progress_bar": False}
    backend = get_backend()
    set_backend("numpy")
    try:
        solved = solve_multiple_kernel_ridge_random_search(
            kernels, targets, cv=PredefinedSplit(fold), **settings
        )
    finally:
        set_backend(backend)
    return solved[0], solved[1]


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
            "banded ridge needs himalaya. Install it with pip install 'neurolens[banded]'."
        )
    if not isinstance(spaces, Mapping) or len(spaces) < 2:
        raise InputError(
            "spaces must be a mapping of two or more names to features, e.g. {'pixels': a, 'relu': "
            "b}. For one space "
            "use fit_encoding."
        )
    check_whole(n_iter, "n_iter", 1, 50)
    generator = make_generator(rng)
    targets = read_targets(responses)
    fold = read_folds(cv, targets.presented, targets.ids.tolist(), rng)
    check_inner(fold)
    kernels = {}
    for name, features in spaces.items():
        check_features(features)
        if len(ops := list_ops(features)) != 1:
            raise InputError(
                f"space {name!r} must be one op, got {len(ops)}: {list_names(ops)}. Select one, "
                f"e.g. "
                "grams.sel(op='conv1/conv2d')."
            )
        kernels[name] = torch.from_numpy(next(iterate_kernels(features, targets.ids)))
    seed = int(generator.integers(2**31))
    return Problem(kernels, targets, fold, int(n_iter), read_alphas(alphas), seed)
