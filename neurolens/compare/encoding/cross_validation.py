"""Cross-validation with one kernel for many voxels: each fold is predicted from the others.

Scores are computed within each fold. Pure tensors.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from neurolens.compare.encoding.accuracy import SCORES
from neurolens.compare.encoding.pls import predict_pls
from neurolens.compare.encoding.ridge import Fit, Spectrum, find_edges, fit_ridge, split_kernel
from neurolens.errors import InputError

# Method -> what it is called in a paper.
METHODS = {"ridge": "ridge regression", "pls": "partial least squares"}
# Penalties in units of the mean eigenvalue of the training kernel, that is, as a ratio of noise to
# signal.
RATIOS = np.logspace(-4, 5, 10)


class Settings(NamedTuple):
    """Settings of the fits of every op and fold; ``alphas`` is None for the default grid."""

    method: str
    alphas: np.ndarray | None
    select: str
    n_components: int


class HeldOut(NamedTuple):
    """Scores of one op's predictions of held-out stimuli.

    ``scores`` are (fold, v) by name, including "alpha", which is NaN for a method without penalty.
    ``ends`` (2,) are the shares of fits whose penalty is at the lowest and the highest end of the
    grid, where the fit depends on it. ``prediction`` (n, v), where asked for, is NaN for stimuli in
    no fold.
    """

    scores: dict[str, np.ndarray]
    ends: np.ndarray
    prediction: np.ndarray | None


def score_heldout(
    kernel: torch.Tensor,
    values: torch.Tensor,
    fold: torch.Tensor,
    settings: Settings,
    columns: list[np.ndarray],
    *,
    predictions: bool = False,
) -> HeldOut:
    """Return scores of ``values`` (n, v) predicted from ``kernel`` (n, n), by ``fold`` (n,).

    Stimuli of a fold below 0 are always trained on. ``columns`` are the voxels that "pls" fits
    together.
    """
    numbers = fold[fold >= 0].unique()
    scores = {name: np.full((len(numbers), values.shape[1]), np.nan) for name in (*SCORES, "alpha")}
    ends = np.zeros(2)
    prediction = np.full(values.shape, np.nan) if predictions else None
    for k, number in enumerate(numbers):
        train = (fold != number).nonzero()[:, 0]
        test = (fold == number).nonzero()[:, 0]
        mean = values[train].mean(0)
        spectrum = split_kernel(kernel, train, test)
        targets = values[train] - mean
        if settings.method == "pls":
            predicted = torch.empty_like(values[test])
            for group in columns:
                predicted[:, group] = predict_pls(
                    spectrum, targets[:, group], settings.n_components
                )
        else:
            fit = fit_penalties(spectrum, targets, fold[train], settings)
            predicted = spectrum.test @ fit.coefficients
            scores["alpha"][k] = fit.alphas[fit.chosen].cpu().numpy()
            ends += count_ends(spectrum, fit) / len(numbers)
        predicted += mean
        for name, score in SCORES.items():
            scores[name][k] = score(values[test], predicted).cpu().numpy()
        if prediction is not None:
            prediction[test.cpu().numpy()] = predicted.cpu().numpy()
    return HeldOut(scores, ends, prediction)


def fit_dual(
    kernel: torch.Tensor, values: torch.Tensor, fold: torch.Tensor, settings: Settings
) -> torch.Tensor:
    """Return ridge's dual weights (n, v), fitted to all stimuli.

    Predictions are ``centered kernel @ dual + mean``.
    """
    everything = torch.arange(len(kernel), device=kernel.device)
    spectrum = split_kernel(kernel, everything, everything[:0])
    fit = fit_penalties(spectrum, values - values.mean(0), fold, settings)
    return spectrum.vectors @ fit.coefficients


def fit_penalties(
    spectrum: Spectrum, targets: torch.Tensor, fold: torch.Tensor, settings: Settings
) -> Fit:
    """Fit ridge to the training ``targets`` (n, v) of stimuli in ``fold`` (n,)."""
    values = spectrum.values
    alphas = torch.from_numpy(RATIOS if settings.alphas is None else settings.alphas).to(values)
    if settings.alphas is None and values.any():
        alphas = alphas * values.mean()
    blocks = [(fold == number).nonzero()[:, 0] for number in fold[fold >= 0].unique()]
    return fit_ridge(spectrum, targets, alphas, settings.select, blocks)


def count_ends(spectrum: Spectrum, fit: Fit) -> np.ndarray:
    """Return the shares (2,) of voxels at either end of the grid that a wider grid would change."""
    last = len(fit.alphas) - 1
    if last == 0:
        return np.zeros(2)
    at_ends = [float((fit.chosen == end).double().mean()) for end in (0, last)]
    return np.multiply(at_ends, find_edges(spectrum, fit.alphas))


def read_alphas(alphas: Sequence[float]) -> np.ndarray:
    """Return penalties in rising order, or raise InputError for those that cannot be used."""
    grid = np.unique(np.asarray(alphas, dtype=np.float64))
    if len(grid) == 0 or not (np.isfinite(grid) & (grid > 0)).all():
        raise InputError(
            f"alphas must be numbers above 0, got {alphas!r}. Pass e.g. alphas=np.logspace(-1, 8, "
            f"10)."
        )
    return grid
