"""Ridge regression of many voxels on one kernel, every penalty from one eigendecomposition: pure tensors, float64.

For training features A (n, p) and responses Y (n, v), with an unpenalised intercept, ridge
minimises ``|Y - 1 b' - A W|^2 + alpha |W|^2``. With K = A A' and its centred form Kc = U diag(d)
U', all follows from (d, U): the fit is ``mean(Y) + U diag(d / (d + alpha)) U' Y``, so no feature is
ever touched.

Axes: n training stimuli, t test stimuli, v voxels, a penalties.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

# Numbers held at once per block of voxels, so that memory does not grow with the number of voxels.
BLOCK = 2**24


class Spectrum(NamedTuple):
    """``values`` (n,) and ``vectors`` (n, n) of the centred training kernel; ``test`` (t, n): centred test rows in U.

    Centring uses training means only.
    """

    values: torch.Tensor
    vectors: torch.Tensor
    test: torch.Tensor


class Fit(NamedTuple):
    """``coefficients`` (n, v) in the basis U: test predictions are ``test @ coefficients``, dual weights ``U @`` them.

    ``chosen`` (v,) is the index of each voxel's penalty.
    """

    coefficients: torch.Tensor
    chosen: torch.Tensor


def centre_kernel(
    kernel: torch.Tensor, train: torch.Tensor, test: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the kernels (n, n) and (t, n) of features minus their training means.

    And the size (,) of those means.
    """
    inner = kernel[train][:, train]
    cross = kernel[test][:, train]
    mean = inner.mean(0)
    size = mean.mean()
    return (
        inner - mean - mean[:, None] + size,
        cross - cross.mean(1, keepdim=True) - mean + size,
        size,
    )


def split_kernel(kernel: torch.Tensor, train: torch.Tensor, test: torch.Tensor) -> Spectrum:
    """Return the spectrum of ``kernel`` (stimulus, stimulus) for the places ``train`` and ``test``.

    Time O(n^3).
    """
    inner, cross, size = centre_kernel(kernel, train, test)
    values, vectors = torch.linalg.eigh(inner)
    # What rounding leaves of an eigenvalue is a direction that the features do not have.
    floor = len(values) * torch.finfo(values.dtype).eps * torch.maximum(values[-1], size.abs())
    return Spectrum(torch.where(values > floor, values, 0.0), vectors, cross @ vectors)


def fit_ridge(
    spectrum: Spectrum,
    targets: torch.Tensor,
    alphas: torch.Tensor,
    select: str = "gcv",
    blocks: Sequence = (),
) -> Fit:
    """Return ridge for ``targets`` (n, v), centred, with the best of ``alphas`` (a,) > 0 for each voxel.

    ``select`` is a key of SELECTORS; ``blocks`` are the training places that "folds" leaves out
    together. Time O(n^2 v), for "loo" and "folds" O(a n^2 v).
    """
    values, vectors, _ = spectrum
    left = alphas[:, None] / (
        values + alphas[:, None]
    )  # (a, n): what each penalty leaves of each direction
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
    return Fit(coefficients, chosen)


def score_gcv(
    spectrum: Spectrum, rotated: torch.Tensor, left: torch.Tensor, blocks: Sequence
) -> torch.Tensor:
    """Return generalised cross-validation, |residual|^2 / (n - tr H - 1)^2 (a, v); the 1 is for the intercept.

    Golub, Heath & Wahba (1979) Technometrics 21:215, eq. 1.4.
    """
    return (left**2 @ rotated**2) / (left.sum(1) - 1)[:, None] ** 2


def score_loo(
    spectrum: Spectrum, rotated: torch.Tensor, left: torch.Tensor, blocks: Sequence
) -> torch.Tensor:
    """Return the squared error of leaving one stimulus out (a, v): residual_i / (1 - H_ii) summed in squares.

    H includes the intercept's 1/n. Allen (1974) Technometrics 16:125 (PRESS).
    """
    vectors = spectrum.vectors
    free = vectors**2 @ left.T - 1 / len(vectors)  # (n, a): 1 - H_ii
    return torch.stack(
        [_sum_squares(vectors * w / f[:, None], rotated) for w, f in zip(left, free.T, strict=True)]
    )


def score_folds(
    spectrum: Spectrum, rotated: torch.Tensor, left: torch.Tensor, blocks: Sequence
) -> torch.Tensor:
    """Return the squared error of leaving each of ``blocks`` out (a, v): (I - H_BB)^-1 residual_B summed in squares.

    Exact for any block, intercept included, without fitting again: the identity behind PRESS, for
    several rows.
    """
    losses = []
    rows = [spectrum.vectors[block] for block in blocks]
    for w in left:
        errors = [torch.linalg.solve((row * w) @ row.T - 1 / len(w), row * w) for row in rows]
        losses.append(_sum_squares(torch.cat(errors), rotated))
    return torch.stack(losses)


def _sum_squares(operator: torch.Tensor, rotated: torch.Tensor) -> torch.Tensor:
    """Return the squared length (v,) of each column of ``operator`` (rows.

    N) applied to ``rotated`` (n, v).
    """
    return torch.linalg.vector_norm(operator @ rotated, dim=0) ** 2


Selector = Callable[[Spectrum, torch.Tensor, torch.Tensor, Sequence], torch.Tensor]
SELECTORS: dict[str, Selector] = {"gcv": score_gcv, "loo": score_loo, "folds": score_folds}


def find_edges(spectrum: Spectrum, alphas: torch.Tensor) -> tuple[bool, bool]:
    """Return whether penalties (below.

    Above) the grid could still change a fit by over one degree of freedom.
    """
    values = spectrum.values
    low, high = ((values / (values + alpha)).sum() for alpha in (alphas[0], alphas[-1]))
    return bool((values > 0).sum() - low > 1), bool(high > 1)
