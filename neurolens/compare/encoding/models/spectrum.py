"""Spectrum of centered predictors, from features or from their kernel, whichever is smaller.

Pure tensors, float64. For centered training features Ac (n, p) = U diag(d)^(1/2) V', ridge and PLS
follow from d, from U (n, k) and from the test rows in the basis U. With fewer features than
training stimuli these come from a QR decomposition of the features, O(n p^2), and no square of
stimuli is made ("primal"); otherwise from the eigenvectors of the kernel Ac Ac', O(n^3) ("kernel").
Both give the same answers.

Axes: n training stimuli, t test stimuli, p features, k directions.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch


class Size(NamedTuple):
    """The side that an op is solved on, ``name``, and its length."""

    name: str
    length: int


class Sides(NamedTuple):
    """Predictors of one op on a device: features (stimulus, p), or their kernel, a square.

    Eigenvalues of a kernel up to ``rounding`` are those of rounding in its products.
    """

    values: torch.Tensor
    is_kernel: bool
    rounding: float = 0.0

    @property
    def size(self) -> Size:
        """The smaller side, which the op is solved on."""
        return Size("kernel" if self.is_kernel else "primal by QR", self.values.shape[1])

    def begin(self, values: torch.Tensor, rows: np.ndarray) -> "Sides":
        """Return these: nothing is computed of all stimuli ``rows`` and responses together."""
        return self

    def split(self, train: np.ndarray, test: np.ndarray) -> "Spectrum":
        """Return the spectrum of predictors of the stimuli ``train``, ``test``."""
        parts = [torch.from_numpy(rows).to(self.values.device) for rows in (train, test)]
        return split_predictors(self, *parts)

    def compute_kernel(self, n_stimuli: int) -> np.ndarray:
        """Return the kernel of the first stimuli."""
        first = self.values[:n_stimuli]
        products = first[:, :n_stimuli] if self.is_kernel else first @ first.T
        return products.cpu().numpy()

    def measure_power(self) -> torch.Tensor:
        """Return the squared length (stimulus,) of features about their mean."""
        if self.is_kernel:
            mean = self.values.mean(0)
            return self.values.diagonal() - 2 * mean + mean.mean()
        return (self.values - self.values.mean(0)).square().sum(1)


def describe_solvers(sizes: Sequence[Size], n_blocks: Sequence[int] = ()) -> str:
    """Return on which side ops were solved: "primal (256 features)", "kernel (90 stimuli)".

    ``n_blocks`` are the blocks of stimuli that their features were read in.
    """
    parts = []
    units = {"primal": "features", "primal by QR": "features", "kernel": "stimuli"}
    for name, unit in units.items():
        lengths = [size.length for size in sizes if size.name == name]
        if lengths:
            span = (
                f"{min(lengths)}" if len(set(lengths)) == 1 else f"{min(lengths)} to {max(lengths)}"
            )
            count = "" if len(lengths) == len(sizes) else f" for {len(lengths)} ops"
            parts.append(f"{name} ({span} {unit}){count}")
    if max(n_blocks, default=1) > 1:
        parts.append(f"features read in up to {max(n_blocks)} blocks of stimuli")
    return "; ".join(parts)


class CenteredKernel(NamedTuple):
    """Kernels of features minus their training means: ``train`` (n, n), ``test`` (t, n).

    ``size`` (a scalar) is the squared length of those means.
    """

    train: torch.Tensor
    test: torch.Tensor
    size: torch.Tensor


class Rows(NamedTuple):
    """Rows ``vectors`` (b, k) of U, those of the training stimuli at ``positions``."""

    positions: slice | torch.Tensor
    vectors: torch.Tensor


class Spectrum(NamedTuple):
    """``values`` d (k,) and ``vectors`` U (n, k) of the centered training predictors; test rows.

    ``test`` (t, k) are the test rows of the centered kernel in the basis U. Centering uses training
    means only. U has all n columns, or no more than there are features; a direction that the
    features do not have has the value 0.
    """

    values: torch.Tensor
    vectors: torch.Tensor
    test: torch.Tensor

    @property
    def n(self) -> int:
        """The number of training stimuli."""
        return len(self.vectors)

    @property
    def is_whole(self) -> bool:
        """Whether U is a basis of all n dimensions, so that nothing lies outside of it."""
        return self.vectors.shape[0] == self.vectors.shape[1]

    def select(self, voxels: slice) -> "Spectrum":
        """Return this spectrum, which is the same for any targets."""
        return self

    def rotate(self, targets: torch.Tensor, voxels: slice) -> torch.Tensor:
        """Return U' Y (k, v) of the centered ``targets`` Y (n, v) of any ``voxels``."""
        return self.vectors.T @ targets

    def iterate_rows(self) -> Iterator[Rows]:
        """Yield all rows of U."""
        yield Rows(slice(None), self.vectors)


def split_predictors(sides: Sides, train: torch.Tensor, test: torch.Tensor) -> Spectrum:
    """Return the spectrum of predictors at the indices ``train``, ``test``, on the smaller side."""
    if sides.is_kernel:
        return split_kernel(sides.values, train, test, sides.rounding)
    return split_features(sides.values, train, test)


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


def split_kernel(
    kernel: torch.Tensor, train: torch.Tensor, test: torch.Tensor, rounding: float = 0.0
) -> Spectrum:
    """Return the spectrum of ``kernel`` (stimulus, stimulus) at the indices ``train``, ``test``.

    Eigenvalues up to ``rounding`` are 0. Time O(n^3).
    """
    inner, cross, size = center_kernel(kernel, train, test)
    return decompose_kernel(inner, cross, size, rounding)


def split_features(features: torch.Tensor, train: torch.Tensor, test: torch.Tensor) -> Spectrum:
    """Return the spectrum of ``features`` (stimulus, p) at the indices ``train``, ``test``.

    Time O(n p^2) and memory O(n p), with fewer training stimuli than features O(n^3 + n^2 p).
    """
    inside = features[train]
    mean = inside.mean(0)
    inside -= mean
    outside = features[test] - mean
    if len(inside) <= features.shape[1]:
        return decompose_kernel(inside @ inside.T, outside @ inside.T, mean @ mean)
    # Unlike eigenvectors of p x p products, those of a QR decomposition stay orthogonal where
    # features are nearly collinear.
    basis, triangle = torch.linalg.qr(inside)
    del inside  # as large as the features
    left, scale, right = torch.linalg.svd(triangle)
    test_rows = (outside @ right.T) * scale
    return Spectrum(blank_rounding(scale**2, mean @ mean, len(train)), basis @ left, test_rows)


def decompose_kernel(
    inner: torch.Tensor, cross: torch.Tensor, size: torch.Tensor, rounding: float = 0.0
) -> Spectrum:
    """Return the spectrum of a centered kernel ``inner`` (n, n), ``cross`` (t, n).

    Eigenvalues up to ``rounding`` are 0.
    """
    values, vectors = torch.linalg.eigh(inner)
    values = blank_rounding(values, size, len(inner))
    return Spectrum(torch.where(values > rounding, values, 0.0), vectors, cross @ vectors)


def blank_rounding(values: torch.Tensor, size: torch.Tensor, n: int) -> torch.Tensor:
    """Return eigenvalues (k,), 0 for those at the level of rounding.

    Such a direction is one that the features do not have. ``size`` is the squared length of the
    means that were subtracted.
    """
    if not len(values):
        return values
    floor = n * torch.finfo(values.dtype).eps * torch.maximum(values.max(), size.abs())
    return torch.where(values > floor, values, 0.0)
