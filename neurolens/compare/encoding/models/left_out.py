"""Error of predicting blocks of training stimuli from the others, by down-dating products.

Pure tensors, float64. In the coordinates Z = U sqrt(d) (n, k) of the centered training predictors,
Z' Z = diag(d). Without the block B it is diag(d) - Z_B' Z_B, centered again, whose eigenvectors
serve every penalty and voxel: O(k^3 + a k^2 v) per block, as a few products.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from neurolens.compare.encoding.models.products import ProductSpectrum


class Left(NamedTuple):
    """A block of training stimuli that is left out, and the fit to the others.

    ``block`` (b,) are its positions, ``inside`` (b, k) its coordinates; ``mean`` (k,) is that of
    the others' coordinates, ``values`` (k,) and ``vectors`` (k, k) the eigenvalues and eigenvectors
    of their centered products. ``test`` is the block in the basis of those, (b, k); where it has
    more rows than columns it is a square, in the orthonormal ``basis`` (b, k).
    """

    block: torch.Tensor
    inside: torch.Tensor
    mean: torch.Tensor
    values: torch.Tensor
    vectors: torch.Tensor
    test: torch.Tensor
    basis: torch.Tensor | None


def leave_out(
    spectrum: ProductSpectrum,
    targets: torch.Tensor,
    rotated: torch.Tensor,
    alphas: torch.Tensor,
    blocks: Sequence[torch.Tensor],
) -> torch.Tensor:
    """Return the squared error (a, v) of predicting each of ``blocks`` from the other stimuli.

    ``targets`` Y (n, v) are centered, ``rotated`` (k, v) is U' Y.
    """
    losses = targets.new_zeros((len(alphas), targets.shape[1]))
    size = len(spectrum.values)
    keep = spectrum.may_keep(2 * size * (size * len(blocks) + spectrum.n))
    for k, block in enumerate(blocks):
        left = spectrum.kept_blocks.get(k) or _leave_block(spectrum, block)
        if keep:
            spectrum.kept_blocks[k] = left
        losses += _measure_block(left, spectrum, targets, rotated, alphas)
    return losses


def _leave_block(spectrum: ProductSpectrum, block: torch.Tensor) -> Left:
    """Return the fit to the stimuli that are not in ``block``, which any responses share.

    Sums over all training stimuli of coordinates are 0. However large the block, what rounding
    leaves of the difference is small beside a penalty that products are exact for.
    """
    inside = spectrum.take_coordinates(block)
    n_others = spectrum.n - len(block)
    mean = -inside.sum(0) / n_others
    products = torch.diag(spectrum.values) - inside.T @ inside
    values, vectors = torch.linalg.eigh(products - n_others * torch.outer(mean, mean))
    test = (inside - mean) @ vectors
    basis = None
    if len(test) > test.shape[1]:
        basis, test = torch.linalg.qr(test)
    return Left(block, inside, mean, values.clamp_min(0), vectors, test, basis)


def _measure_block(
    left: Left,
    spectrum: ProductSpectrum,
    targets: torch.Tensor,
    rotated: torch.Tensor,
    alphas: torch.Tensor,
) -> torch.Tensor:
    """Return the squared error (a, v) of predicting a block from the other stimuli."""
    n_others = spectrum.n - len(left.block)
    measured = targets[left.block]  # (b, v)
    response = -measured.sum(0) / n_others
    crossed = spectrum.values.sqrt()[:, None] * rotated - left.inside.T @ measured
    crossed -= n_others * torch.outer(left.mean, response)
    turned = left.vectors.T @ crossed
    measured = measured - response
    outside = measured.new_zeros(measured.shape[1])
    if left.basis is not None:
        # What lies outside of the columns of ``test`` is the same for every penalty.
        shortened = left.basis.T @ measured
        outside = (measured - left.basis @ shortened).square().sum(0)
        measured = shortened
    losses = []
    for alpha in alphas:
        errors = measured - left.test @ (turned / (left.values + alpha)[:, None])
        losses.append(outside + errors.square().sum(0))
    return torch.stack(losses)
