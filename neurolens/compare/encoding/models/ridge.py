"""Ridge regression of many voxels on one set of predictors, every penalty from one spectrum.

Pure tensors, float64. For training features A (n, p) and responses Y (n, v), with an unpenalized
intercept, ridge minimizes ``|Y - 1 b' - A W|^2 + alpha |W|^2``. With the spectrum (d, U) of the
centered features, the fit is ``mean(Y) + U diag(d / (d + alpha)) U' Y``: beside the spectrum,
neither the features nor their kernel are needed. U may have fewer than n columns; what is left of Y
outside of them, which no penalty changes, enters the errors that the penalty is chosen by.

Axes: n training stimuli, t test stimuli, k directions, v voxels, a penalties.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch

from neurolens.compare.encoding.models.left_out import leave_out
from neurolens.compare.encoding.models.products import ProductSpectrum
from neurolens.compare.encoding.models.spectrum import Rows, Spectrum
from neurolens.errors import InputError

# Numbers held at once per block of voxels, so that memory does not grow with the number of voxels.
BLOCK = 2**22
LEAST_BLOCK = 2**20
# Share of the squared length of responses below which a difference of squares has lost its digits.
CANCELED = 1e-6
# What a fit leaves of a stimulus, 1 - H, below which that difference has lost its digits.
LEAST_FREE = 1e-12


class Fit(NamedTuple):
    """Ridge with the best of several penalties for each voxel.

    ``coefficients`` (k, v) are in the basis U: test predictions are ``test @ coefficients``, dual
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


class Candidates(NamedTuple):
    """What the choice of a penalty depends on, for a block of voxels.

    ``spectrum`` holds U (n, k); ``targets`` Y (n, v) are centered, ``rotated`` (k, v) is U' Y;
    ``alphas`` (a,) are the penalties, and ``left`` (a, k) is what each leaves of each direction,
    alpha / (d + alpha); ``blocks`` are training indices that are left out together. ``intercept``
    is 1 where directions of ``left``, or what lies outside of U, hold the intercept, else 0.
    """

    spectrum: Spectrum | ProductSpectrum
    targets: torch.Tensor
    rotated: torch.Tensor
    alphas: torch.Tensor
    left: torch.Tensor
    blocks: Sequence[torch.Tensor]
    intercept: float

    def find_outside(self, rows: Rows) -> torch.Tensor | None:
        """Return what of ``rows`` of Y (b, v) lies outside of U, or None where nothing can."""
        if self.spectrum.is_whole:
            return None
        return self.targets[rows.positions] - rows.vectors @ self.rotated


def open_candidates(
    spectrum: Spectrum | ProductSpectrum,
    targets: torch.Tensor,
    rotated: torch.Tensor,
    alphas: torch.Tensor,
    blocks: Sequence[torch.Tensor] = (),
) -> Candidates:
    """Return what the choice among ``alphas`` (a,) depends on."""
    values = spectrum.values
    left = alphas[:, None] / (values + alphas[:, None])
    intercept = 1.0
    if spectrum.is_whole and int((values > 0).sum()) == len(values) - 1:
        # The only direction without features is that of the intercept. It is left out here: to
        # subtract it later would take the digits of small penalties with it.
        left = torch.where(values > 0, left, 0.0)
        intercept = 0.0
    return Candidates(spectrum, targets, rotated, alphas, left, blocks, intercept)


def fit_ridge(
    spectrum: Spectrum | ProductSpectrum,
    targets: torch.Tensor,
    alphas: torch.Tensor,
    select: str = "gcv",
    blocks: Sequence[torch.Tensor] = (),
) -> Fit:
    """Fit ridge to centered ``targets`` (n, v), with the best of ``alphas`` (a,) per voxel.

    ``alphas`` are above 0. ``select`` is a key of SELECTORS; ``blocks`` are the training indices
    that "folds" leaves out together. Time O(n k v), for "loo" and "folds" O(a n k v).
    """
    values = spectrum.values
    coefficients = targets.new_empty((len(values), targets.shape[1]))
    chosen = torch.zeros(targets.shape[1], dtype=torch.long, device=targets.device)
    # Targets that are a block of `iterate_blocks` stay whole: narrow products are slow.
    for voxels in iterate_blocks(len(targets), targets.shape[1], "loo"):
        part = targets[:, voxels]
        rotated = spectrum.rotate(part, voxels)
        if len(alphas) > 1:
            candidates = open_candidates(spectrum, part, rotated, alphas, blocks)
            chosen[voxels] = SELECTORS[select](candidates).argmin(0)
        best = alphas[chosen[voxels]]
        # A direction without features has no weight, however small the penalty.
        coefficients[:, voxels] = (values > 0)[:, None] * rotated / (values[:, None] + best)
    return Fit(coefficients, chosen, alphas)


def iterate_blocks(n: int, n_voxels: int, select: str = "gcv") -> Iterator[slice]:
    """Yield slices of voxels whose responses to ``n`` stimuli are at most `BLOCK` numbers.

    With "gcv", which does nothing anew for each block, they are an eighth of all, so that what is
    computed of a block adds little to the memory that responses take; or `LEAST_BLOCK`.
    """
    size = BLOCK
    if select == "gcv":
        size = min(BLOCK, max(LEAST_BLOCK, n * n_voxels // 8))
    width = max(1, size // max(1, n))
    for start in range(0, n_voxels, width):
        yield slice(start, min(start + width, n_voxels))


def score_gcv(candidates: Candidates) -> torch.Tensor:
    """Return generalized cross-validation (a, v): |residual|^2 / (n - tr H - 1)^2.

    The 1 is for the intercept. Golub, Heath & Wahba (1979) Technometrics 21:215, eq. 1.4.
    """
    left = candidates.left
    n = candidates.spectrum.n
    k = len(candidates.rotated)
    residual = left**2 @ candidates.rotated**2  # (a, v)
    if not candidates.spectrum.is_whole:
        residual = residual + _measure_outside(candidates)
    return residual / (n - k + left.sum(1) - candidates.intercept)[:, None] ** 2


def score_loo(candidates: Candidates) -> torch.Tensor:
    """Return the squared error (a, v) of leaving one stimulus out.

    It is the sum of the squares of residual_i / (1 - H_ii), where H includes the intercept's 1/n.
    Allen (1974) Technometrics 16:125 (PRESS).
    """
    shape = (len(candidates.left), candidates.targets.shape[1])
    losses = candidates.targets.new_zeros(shape)
    constant = candidates.intercept / candidates.spectrum.n
    for rows in candidates.spectrum.iterate_rows():
        squares = rows.vectors**2
        outside = candidates.find_outside(rows)
        lost = 0.0 if outside is None else (1 - squares.sum(1)).clamp_min(0)
        for k, weight in enumerate(candidates.left):
            free = lost + squares @ weight - constant  # (b,): 1 - H_ii
            _refuse_lost(float(free.min()), candidates)
            errors = rows.vectors @ (weight[:, None] * candidates.rotated)
            if outside is not None:
                errors += outside
            losses[k] += _sum_squares(errors.div_(free[:, None]))
    return losses


def score_folds(candidates: Candidates) -> torch.Tensor:
    """Return the squared error (a, v) of leaving each of ``blocks`` out.

    It is the sum of the squares of (I - H_BB)^-1 residual_B, which is exact for any block,
    intercept included, without fitting again. This extends the identity behind PRESS to several
    rows. A block of more rows than directions is solved on the side of the directions (Woodbury).
    """
    spectrum = candidates.spectrum
    if isinstance(spectrum, ProductSpectrum):
        return leave_out(
            spectrum, candidates.targets, candidates.rotated, candidates.alphas, candidates.blocks
        )
    outside = candidates.find_outside(Rows(slice(None), spectrum.vectors))
    shape = (len(candidates.left), candidates.targets.shape[1])
    losses = candidates.targets.new_zeros(shape)
    for block in candidates.blocks:
        rows = spectrum.vectors[block]  # (b, k)
        if outside is not None and len(rows) > rows.shape[1] + 1:
            losses += _leave_directions(candidates, rows, outside[block])
        else:
            losses += _leave_rows(candidates, rows, None if outside is None else outside[block])
    return losses


def _refuse_lost(free: float, candidates: Candidates) -> None:
    """Raise InputError where 1 - H, of which ``free`` is the least, is rounding.

    Without the direction of the intercept it has all digits, however small it is.
    """
    if candidates.intercept and free < LEAST_FREE:
        raise InputError(
            f"with the smallest of these alphas, {float(candidates.alphas[0]):.3g}, a fit goes "
            "through single stimuli, and what it would predict of them when they are left out is "
            "lost in rounding. Pass larger alphas, such as the default ones, or select='gcv'."
        )


def _leave_rows(
    candidates: Candidates, rows: torch.Tensor, outside: torch.Tensor | None
) -> torch.Tensor:
    """Return the squared error (a, v) of leaving ``rows`` (b, k) out, from the square of rows."""
    constant = candidates.intercept / len(candidates.targets)
    fixed = rows.new_full((len(rows), len(rows)), -constant)
    if outside is not None:
        fixed += torch.eye(len(rows), dtype=rows.dtype, device=rows.device) - rows @ rows.T
    losses = []
    for k, weight in enumerate(candidates.left):
        weighted = rows * weight
        residual = weighted @ candidates.rotated
        if outside is not None:
            residual += outside
        square = fixed + weighted @ rows.T
        if k == 0 and candidates.intercept:  # penalties rise, and so does what is free
            _refuse_lost(float(torch.linalg.eigvalsh(square)[0]), candidates)
        losses.append(_sum_squares(torch.linalg.solve(square, residual)))
    return torch.stack(losses)


def _leave_directions(
    candidates: Candidates, rows: torch.Tensor, outside: torch.Tensor
) -> torch.Tensor:
    """Return the squared error (a, v) of leaving ``rows`` (b, k) out, from products of columns.

    With H_BB = Z Z', (I - H_BB)^-1 R = R + Z (I - Z' Z)^-1 Z' R, where R is what lies ``outside``
    (b, v) and a combination of the columns of Z, and so is the error: its square needs their
    products alone.
    """
    constant = rows.new_full((len(rows), 1), len(candidates.targets) ** -0.5)
    wide = torch.cat([rows, constant], dim=1)  # (b, k + 1)
    products = wide.T @ wide
    crossed = wide.T @ outside  # (k + 1, v)
    length = _sum_squares(outside)
    unit = torch.eye(len(products), dtype=rows.dtype, device=rows.device)
    losses = []
    for k, weight in enumerate(candidates.left):
        scale = torch.cat([(1 - weight).sqrt(), weight.new_ones(1)])[:, None]
        inside = torch.cat(
            [weight[:, None] * candidates.rotated, crossed.new_zeros(1, len(length))]
        )
        projected = scale * (crossed + products @ inside)
        square = unit - scale * products * scale.T
        if k == 0:
            _refuse_lost(float(torch.linalg.eigvalsh(square)[0]), candidates)
        solved = torch.linalg.solve(square, projected)
        inside = inside + scale * solved
        losses.append(length + (inside * (2 * crossed + products @ inside)).sum(0))
    return torch.stack(losses)


def _measure_outside(candidates: Candidates) -> torch.Tensor:
    """Return the squared length (v,) of what of the targets lies outside of U."""
    whole = (candidates.targets**2).sum(0)
    outside = whole - (candidates.rotated**2).sum(0)
    # Where next to nothing is left, the difference is rounding: computed from the residuals then.
    lost = (outside < CANCELED * whole).nonzero()[:, 0]
    if len(lost):
        outside[lost] = 0
        for rows in candidates.spectrum.iterate_rows():
            residual = candidates.targets[rows.positions][:, lost]
            residual = residual - rows.vectors @ candidates.rotated[:, lost]
            outside[lost] += _sum_squares(residual)
    return outside


def _sum_squares(residual: torch.Tensor) -> torch.Tensor:
    """Return the squared length (v,) of each column of ``residual``."""
    return torch.linalg.vector_norm(residual, dim=0) ** 2


SELECTORS: dict[str, Callable[[Candidates], torch.Tensor]] = {
    "gcv": score_gcv,
    "loo": score_loo,
    "folds": score_folds,
}


def find_edges(values: torch.Tensor, alphas: torch.Tensor) -> GridEnds:
    """Return at which ends a wider grid could change a fit by over one degree of freedom.

    ``values`` are the eigenvalues of the centered predictors.
    """
    freedom_low = (values / (values + alphas[0])).sum()
    freedom_high = (values / (values + alphas[-1])).sum()
    return GridEnds(bool((values > 0).sum() - freedom_low > 1), bool(freedom_high > 1))
