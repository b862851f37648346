"""Ridge regression of many voxels on one kernel, every penalty from one eigendecomposition.

Pure tensors, float64. For training features A (n, p) and responses Y (n, v), with an unpenalized
intercept, ridge minimizes ``|Y - 1 b' - A W|^2 + alpha |W|^2``. With K = A A' and its centered form
Kc = U diag(d) U', all follows from (d, U): the fit is ``mean(Y) + U diag(d / (d + alpha)) U' Y``,
so the features themselves are not needed.

Axes: n training stimuli, t test stimuli, v voxels, a penalties.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

# Numbers held at once per block of voxels, so that memory does not grow with the number of voxels.
BLOCK = 2**24


class CenteredKernel(NamedTuple):
    """Kernels of features minus their training means: ``train`` (n, n), ``test`` (t, n).

    ``size`` (a scalar) is the squared length of those means.
    """

    train: torch.Tensor
    test: torch.Tensor
    size: torch.Tensor


class Spectrum(NamedTuple):
    """``values`` (n,) and ``vectors`` U (n, n) of the centered training kernel, and test rows.

    ``test`` (t, n) are the centered test rows in the basis U. Centering uses training means only.
    """

    values: torch.Tensor
    vectors: torch.Tensor
    test: torch.Tensor


class Fit(NamedTuple):
    """Ridge with the best of several penalties for each voxel.

    ``coefficients`` (n, v) are in the basis U: test predictions are ``test @ coefficients``, dual
    weights ``U @ coefficients``. ``chosen`` (v,) is the index of each voxel's penalty in ``alphas``
    (a,).
    """

    coefficients: torch.Tensor
    chosen: torch.Tensor
    alphas: torch.Tensor


class GridEnds(NamedTuple):
    """Whether penalties below, and above, the grid could still change a fit."""

    lowest: bool
    highest: bool


def center_kernel(kernel: torch.Tensor, train: torch.Tensor, test: torch.Tensor) -> CenteredKernel:
    """Return the kernels of features minus their training means, at ``train`` and ``test``."""
    inner = kernel[train][:, train]  # (n, n)
    cross = kernel[test][:, train]  # (t, n)
    mean = inner.mean(0)
    size = mean.mean()
    return CenteredKernel(
        inner - mean - mean[:, None] + size,
        cross - cross.mean(1, keepdim=True) - mean + size,
        size,
    )


def split_kernel(kernel: torch.Tensor, train: torch.Tensor, test: torch.Tensor) -> Spectrum:
    """Return the spectrum of ``kernel`` (stimulus, stimulus) at the indices ``train``, ``test``.

    Time O(n^3).
    """
    inner, cross, size = center_kernel(kernel, train, test)
    values, vectors = torch.linalg.eigh(inner)
    # An eigenvalue at the level of rounding belongs to a direction that the features do not have.
    floor = len(values) * torch.finfo(values.dtype).eps * torch.maximum(values[-1], size.abs())
    return Spectrum(torch.where(values > floor, values, 0.0), vectors, cross @ vectors)


def fit_ridge(
    spectrum: Spectrum,
    targets: torch.Tensor,
    alphas: torch.Tensor,
    select: str = "gcv",
    blocks: Sequence = (),
) -> Fit:
    """Fit ridge to centered ``targets`` (n, v), with the best of ``alphas`` (a,) per voxel.

    ``alphas`` are above 0. ``select`` is a key of SELECTORS; ``blocks`` are the training indices
    that "folds" leaves out together. Time O(n^2 v), for "loo" and "folds" O(a n^2 v).
    """
    values, vectors, _ = spectrum
    # (a, n): what each penalty leaves of each direction
    left = alphas[:, None] / (values + alphas[:, None])
    coefficients = torch.empty_like(targets)
    chosen = torch.empty(targets.shape[1], dtype=torch.long, device=targets.device)
    width = max(1, BLOCK // len(targets))
    for start in range(0, targets.shape[1], width):
        voxels = slice(start, start + width)
        rotated = vectors.T @ targets[:, voxels]
        losses = (
            SELECTORS[select](spectrum, rotated, left, blocks)
            if len(alphas) > 1
            else rotated[:1] * 0
        )
        best = losses.argmin(0)
        # A direction without features has no weight, however small the penalty.
        coefficients[:, voxels] = (values > 0)[:, None] * rotated / (values[:, None] + alphas[best])
        chosen[voxels] = best
    return Fit(coefficients, chosen, alphas)


def score_gcv(
    spectrum: Spectrum, rotated: torch.Tensor, left: torch.Tensor, blocks: Sequence
) -> torch.Tensor:
    """Return generalized cross-validation (a, v): |residual|^2 / (n - tr H - 1)^2.

    The 1 is for the intercept. Golub, Heath & Wahba (1979) Technometrics 21:215, eq. 1.4.
    """
    return (left**2 @ rotated**2) / (left.sum(1) - 1)[:, None] ** 2


def score_loo(
    spectrum: Spectrum, rotated: torch.Tensor, left: torch.Tensor, blocks: Sequence
) -> torch.Tensor:
    """Return the squared error (a, v) of leaving one stimulus out.

    It is the sum of the squares of residual_i / (1 - H_ii), where H includes the intercept's 1/n.
    Allen (1974) Technometrics 16:125 (PRESS).
    """
    vectors = spectrum.vectors
    free = vectors**2 @ left.T - 1 / len(vectors)  # (n, a): 1 - H_ii
    return torch.stack(
        [_sum_squares(vectors * w / f[:, None], rotated) for w, f in zip(left, free.T, strict=True)]
    )


def score_folds(
    spectrum: Spectrum, rotated: torch.Tensor, left: torch.Tensor, blocks: Sequence
) -> torch.Tensor:
    """Return the squared error (a, v) of leaving each of ``blocks`` out.

    It is the sum of the squares of (I - H_BB)^-1 residual_B, which is exact for any block,
    intercept included, without fitting again. This extends the identity behind PRESS to several
    rows.
    """
    losses = []
    rows = [spectrum.vectors[block] for block in blocks]
    for w in left:
        errors = [torch.linalg.solve((row * w) @ row.T - 1 / len(w), row * w) for row in rows]
        losses.append(_sum_squares(torch.cat(errors), rotated))
    return torch.stack(losses)


def _sum_squares(operator: torch.Tensor, rotated: torch.Tensor) -> torch.Tensor:
    """Return the squared length (v,) of each column of ``operator`` (rows, n) @ ``rotated``."""
    return torch.linalg.vector_norm(operator @ rotated, dim=0) ** 2


Selector = Callable[[Spectrum, torch.Tensor, torch.Tensor, Sequence], torch.Tensor]
SELECTORS: dict[str, Selector] = {"gcv": score_gcv, "loo": score_loo, "folds": score_folds}


def find_edges(spectrum: Spectrum, alphas: torch.Tensor) -> GridEnds:
    """Return at which ends a wider grid could change a fit by over one degree of freedom."""
    values = spectrum.values
    freedom_low = (values / (values + alphas[0])).sum()
    freedom_high = (values / (values + alphas[-1])).sum()
    return GridEnds(bool((values > 0).sum() - freedom_low > 1), bool(freedom_high > 1))
