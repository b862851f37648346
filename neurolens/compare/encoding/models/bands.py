"""Banded ridge on kernels, one per feature space, by the random search of himalaya."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from neurolens.compare.encoding.models.ridge import find_edges
from neurolens.compare.encoding.models.spectrum import split_kernel


class Search(NamedTuple):
    """The random search: ``n_iter`` weights of the kernels, each with all ``alphas``."""

    n_iter: int
    alphas: np.ndarray
    seed: int


class Kernel(NamedTuple):
    """The kernel (stimulus, stimulus) of a space; eigenvalues up to ``rounding`` are 0."""

    values: torch.Tensor
    rounding: float = 0.0


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


def scale_kernels(kernels: Sequence[Kernel], train: np.ndarray, test: np.ndarray) -> ScaledKernels:
    """Return the kernels at the indices ``train`` and ``test``, comparable in size.

    As in ridge of one space, directions at the level of rounding are ones that a space does not
    have: a space that varies in none of the training stimuli is 0. Time O(n^3) per space.
    """
    train_scaled = []
    test_scaled = []
    for kernel in kernels:
        spectrum = split_kernel(
            kernel.values, torch.from_numpy(train), torch.from_numpy(test), kernel.rounding
        )
        varies = spectrum.values > 0
        vectors = spectrum.vectors[:, varies]
        unit = spectrum.values.sum() / len(train)
        # A space that does not vary stays 0.
        unit = torch.where(unit > 0, unit, 1.0)
        inner = (vectors * spectrum.values[varies]) @ vectors.T
        train_scaled.append((inner / unit).numpy())
        test_scaled.append((spectrum.test[:, varies] @ vectors.T / unit).numpy())
    return ScaledKernels(np.stack(train_scaled), np.stack(test_scaled))


def search_weights(
    kernels: np.ndarray, targets: np.ndarray, fold: np.ndarray, search: Search
) -> KernelWeights:
    """Return the best weights for centered ``kernels`` (space, n, n) and ``targets`` (n, v).

    Targets are divided by their standard deviation, because himalaya prefers one set of weights to
    another only where its error is less by an amount that has no unit.
    """
    from himalaya.backend import get_backend, set_backend
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
    from sklearn.model_selection import PredefinedSplit

    settings: dict[str, Any] = {
        "n_iter": search.n_iter if len(kernels) > 1 else np.ones((1, 1)),
        "alphas": search.alphas,
        "random_state": search.seed,
        # With an intercept, kernels are centered anew within each inner split.
        "fit_intercept": True,
        "return_weights": "dual",
        "progress_bar": False,
    }
    spread = targets.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    backend = get_backend()
    set_backend("numpy")
    try:
        solved = solve_multiple_kernel_ridge_random_search(
            kernels, targets / scale, cv=PredefinedSplit(fold), **settings
        )
    finally:
        set_backend(backend)
    return KernelWeights(solved[0], solved[1] * scale)


def split_residual(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return by how much each prediction (space, t, v) lowers the residual: (space, v).

    ``measured`` (t, v) are less the mean of the training responses. The parts add up to the total
    less the residual sum of squares.
    """
    return (predicted * (2 * measured - predicted.sum(axis=0))).sum(axis=1)


def count_band_ends(kernels: np.ndarray, log_weight: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """Return the shares (2,) of voxels at either end of the grid that a wider grid would change.

    ``kernels`` (space, n, n) are centered, ``log_weight`` (space, v) are log (weight / penalty) of
    each; the weights of the spaces add up to 1. A space of little weight has a larger one, for its
    penalty, among the other weights tried, so that the lowest penalty limits only those of much.
    """
    ends = np.zeros(2)
    if len(alphas) == 1:
        return ends
    ratio = np.exp(log_weight)
    alpha = 1 / ratio.sum(axis=0)  # (v,)
    weight = np.round(ratio * alpha, 12)  # (space, v)
    grid = torch.from_numpy(alphas)
    for end, least in enumerate((1 / len(kernels), 0.0)):
        chosen = np.isclose(alpha, alphas[-end], rtol=1e-6)
        candidates, counts = np.unique(weight[:, chosen], axis=1, return_counts=True)
        for candidate, count in zip(candidates.T, counts, strict=True):
            limited = np.where(candidate >= least - 1e-9, candidate, 0.0)
            values = torch.linalg.eigvalsh(torch.from_numpy(np.tensordot(limited, kernels, 1)))
            rounding = len(values) * torch.finfo(values.dtype).eps * values.max()
            values = torch.where(values > rounding, values, 0.0)
            ends[end] += find_edges(values, grid)[end] * count / len(alpha)
    return ends
