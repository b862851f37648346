"""One kernel, many voxels: each fold predicted from the other stimuli and scored by itself.

Pure tensors.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from neurolens.compare.encoding.accuracy import SCORES
from neurolens.compare.encoding.pls import predict_pls
from neurolens.compare.encoding.ridge import Fit, Spectrum, find_edges, fit_ridge, split_kernel
from neurolens.errors import InputError

METHODS = ("ridge", "pls")
# Penalties in units of the mean eigenvalue of the training kernel, that is, as a ratio of noise to
# signal.
RATIOS = np.logspace(-4, 5, 10)


class Settings(NamedTuple):
    """How to fit; ``alphas`` None for the default grid. The same for every op and fold."""

    method: str
    alphas: np.ndarray | None
    select: str
    n_components: int


def score_heldout(
    kernel: torch.Tensor,
    values: torch.Tensor,
    fold: torch.Tensor,
    settings: Settings,
    columns: list[np.ndarray],
    *,
    predictions: bool = False,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return scores of ``values`` (n, v) predicted from ``kernel`` (n, n), for each ``fold`` (n,) from 0 up.

    They are (fold, v) by name, with "alpha", NaN for a method without; and the shares (2,) of fits
    whose penalty is at the lowest and the highest end of the grid, where the fit depends on it.
    ``columns`` are the voxels that "pls" fits together. With ``predictions`` there is "prediction"
    (n, v) too, NaN for stimuli in no fold.
    """
    numbers = fold[fold >= 0].unique()
    scores = {name: np.full((len(numbers), values.shape[1]), np.nan) for name in (*SCORES, "alpha")}
    ends = np.zeros(2)
    if predictions:
        scores["prediction"] = np.full(values.shape, np.nan)
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
            fit, alphas = fit_penalties(spectrum, targets, fold[train], settings)
            predicted = spectrum.test @ fit.coefficients
            scores["alpha"][k] = alphas[fit.chosen].cpu().numpy()
            if len(alphas) > 1:
                at = [float((fit.chosen == end).double().mean()) for end in (0, len(alphas) - 1)]
                ends += np.multiply(at, find_edges(spectrum, alphas)) / len(numbers)
        predicted += mean
        for name, score in SCORES.items():
            scores[name][k] = score(values[test], predicted).cpu().numpy()
        if predictions:
            scores["prediction"][test.cpu().numpy()] = predicted.cpu().numpy()
    return scores, ends


def fit_dual(
    kernel: torch.Tensor, values: torch.Tensor, fold: torch.Tensor, settings: Settings
) -> torch.Tensor:
    """Return ridge's dual weights (n, v) of all stimuli.

    Predictions are ``centred kernel @ dual + mean``.
    """
    everything = torch.arange(len(kernel), device=kernel.device)
    spectrum = split_kernel(kernel, everything, everything[:0])
    return (
        spectrum.vectors
        @ fit_penalties(spectrum, values - values.mean(0), fold, settings)[0].coefficients
    )


def fit_penalties(
    spectrum: Spectrum, targets: torch.Tensor, fold: torch.Tensor, settings: Settings
) -> tuple[Fit, torch.Tensor]:
    """Return ridge for the training ``targets`` (n, v) of stimuli in ``fold`` (n,).

    And the penalties it chose from.
    """
    values = spectrum.values
    alphas = torch.from_numpy(RATIOS if settings.alphas is None else settings.alphas).to(values)
    if settings.alphas is None and values.any():
        alphas = alphas * values.mean()
    blocks = [(fold == number).nonzero()[:, 0] for number in fold[fold >= 0].unique()]
    return fit_ridge(spectrum, targets, alphas, settings.select, blocks), alphas


def read_alphas(alphas: Sequence[float]) -> np.ndarray:
    """Return penalties in rising order, or raise InputError for those that cannot be used."""
    grid = np.unique(np.asarray(alphas, dtype=np.float64))
    if len(grid) == 0 or not (np.isfinite(grid) & (grid > 0)).all():
        raise InputError(
            f"alphas must be numbers above 0, got {alphas!r}. Pass e.g. alphas=np.logspace(-1, 8, "
            f"10)."
        )
    return grid
