"""Penalties of ridge: their grid, the choice for each voxel, and a word where it ends too soon."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from neurolens.compare.encoding.models.products import ProductSpectrum
from neurolens.compare.encoding.models.ridge import Fit, find_edges, fit_ridge
from neurolens.compare.encoding.models.spectrum import Spectrum
from neurolens.compare.inputs.folds import Folds
from neurolens.errors import InputError, warn_user
from neurolens.labels import list_names

# Penalties in units of the mean eigenvalue of the training kernel, that is, as a ratio of noise to
# signal.
RATIOS = np.logspace(-4, 5, 10)
AnySpectrum = Spectrum | ProductSpectrum


class Settings(NamedTuple):
    """Settings of the fits of every op and fold; ``alphas`` is None for the default grid."""

    method: str
    alphas: np.ndarray | None
    select: str
    n_components: int


def read_alphas(alphas: Sequence[float]) -> np.ndarray:
    """Return penalties in rising order, or raise InputError for those that cannot be used."""
    grid = np.unique(np.asarray(alphas, dtype=np.float64))
    if len(grid) == 0 or not (np.isfinite(grid) & (grid > 0)).all():
        raise InputError(
            f"alphas must be numbers above 0, got {alphas!r}. Pass e.g. alphas=np.logspace(-1, 8, "
            f"10)."
        )
    return grid


def scale_alphas(spectrum: AnySpectrum, settings: Settings) -> torch.Tensor:
    """Return the penalties (a,) to try, by default ratios times the mean eigenvalue."""
    values = spectrum.values
    if settings.alphas is not None:
        return torch.from_numpy(settings.alphas).to(values)
    # The kernel has as many eigenvalues as there are stimuli; those that are not listed are 0.
    unit = values.sum() / spectrum.n
    return torch.from_numpy(RATIOS).to(values) * (unit if unit > 0 else 1.0)


def fit_penalties(
    spectrum: AnySpectrum, targets: torch.Tensor, folds: Folds, settings: Settings
) -> Fit:
    """Fit ridge to the training ``targets`` (n, v) of stimuli in ``folds``."""
    tests = [folds.find_test(number) for number in folds.numbers]
    blocks = [torch.from_numpy(test).to(targets.device) for test in tests]
    return fit_ridge(spectrum, targets, scale_alphas(spectrum, settings), settings.select, blocks)


def count_ends(spectrum: AnySpectrum, fit: Fit) -> np.ndarray:
    """Return the shares (2,) of voxels at either end of the grid that a wider grid would change."""
    last = len(fit.alphas) - 1
    if last == 0:
        return np.zeros(2)
    at_ends = [float((fit.chosen == end).double().mean()) for end in (0, last)]
    return np.multiply(at_ends, find_edges(spectrum.values, fit.alphas))


def warn_ends(names: Sequence[str], ends: np.ndarray) -> None:
    """Warn once, naming the models whose penalty a wider grid would change.

    ``ends`` (model, 2) are the shares of fits at the lowest and the highest penalty.
    """
    sentences = []
    for end, shares in zip(("lowest", "highest"), ends.T, strict=True):
        told = [
            f"{n}: {share:.1%} of the fits" for n, share in zip(names, shares, strict=True) if share
        ]
        if told:
            sentences.append(f"the {end} in {list_names(told)}")
    if sentences:
        warn_user(
            f"the best penalty ends the grid: {'; '.join(sentences)}. A better one may lie beyond; "
            f"widen it with alphas=."
        )
