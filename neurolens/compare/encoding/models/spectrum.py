"""Spectrum of centered predictors, from features or from their kernel, whichever is smaller.

Pure tensors, float64. For centered training features Ac (n, p) = U diag(d)^(1/2) V', ridge and PLS
follow from d, from U (n, k) and from the test rows in the basis U. With fewer features than
training stimuli these come from a QR decomposition of the features, O(n p^2), and no square of
stimuli is made ("primal"); otherwise from the eigenvectors of the kernel Ac Ac', O(n^3) ("kernel").
Both give the same answers.

Axes: n training stimuli, t test stimuli, p features, k directions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch


class Size(NamedTuple):
    """The side that an op is solved on, ``name``, and its length."""

    name: str
    length: int


class Sides(NamedTuple):
    """Predictors of one op on a device: features (stimulus, p), or their kernel, a square."""

    values: torch.Tensor
    is_kernel: bool

    @property
    def size(self) -> Size:
        """The smaller side, which the op is solved on."""
        return Size("kernel" if self.is_kernel else "primal", self.values.shape[1])

    def measure_power(self) -> torch.Tensor:
        """Return the squared length (stimulus,) of features about their mean."""
        if self.is_kernel:
            mean = self.values.mean(0)
            return self.values.diagonal() - 2 * mean + mean.mean()
        return (self.values - self.values.mean(0)).square().sum(1)


def describe_solvers(sizes: Sequence[Size]) -> str:
    """Return on which side ops were solved: "primal (256 features)", "kernel (90 stimuli)"."""
    parts = []
    for name, unit in (("primal", "features"), ("kernel", "stimuli")):
        lengths = [size.length for size in sizes if size.name == name]
        if lengths:
            span = (
                f"{min(lengths)}" if len(set(lengths)) == 1 else f"{min(lengths)} to {max(lengths)}"
            )
            count = "" if len(lengths) == len(sizes) else f" for {len(lengths)} ops"
            parts.append(f"{name} ({span} {unit}){count}")
    return "; ".join(parts)


class CenteredKernel(NamedTuple):
    """Kernels of features minus their training means: ``train`` (n, n), ``test`` (t, n).

    ``size`` (a scalar) is the squared length of those means.
    """

    train: torch.Tensor
    test: torch.Tensor
    size: torch.Tensor


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
    def is_whole(self) -> bool:
        """Whether U is a basis of all n dimensions, so that nothing lies outside of it."""
        return self.vectors.shape[0] == self.vectors.shape[1]


def split_predictors(sides: Sides, train: torch.Tensor, test: torch.Tensor) -> Spectrum:
    """Return the spectrum of predictors at the indices ``train``, ``test``, on the smaller side."""
    if sides.is_kernel:
        return split_kernel(sides.values, train, test)
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


def split_kernel(kernel: torch.Tensor, train: torch.Tensor, test: torch.Tensor) -> Spectrum:
    """Return the spectrum of ``kernel`` (stimulus, stimulus) at the indices ``train``, ``test``.

    Time O(n^3).
    """
    inner, cross, size = center_kernel(kernel, train, test)
    return _decompose(inner, cross, size)


def split_features(features: torch.Tensor, train: torch.Tensor, test: torch.Tensor) -> Spectrum:
    """Return the spectrum of ``features`` (stimulus, p) at the indices ``train``, ``test``.

    Time O(n p^2) and memory O(n p), with fewer training stimuli than features O(n^3 + n^2 p).
    """
    inside = features[train]
    mean = inside.mean(0)
    inside -= mean
    outside = features[test] - mean
    if len(inside) <= features.shape[1]:
        return _decompose(inside @ inside.T, outside @ inside.T, mean @ mean)
    # Unlike eigenvectors of p x p products, those of a QR decomposition stay orthogonal where
    # features are nearly collinear.
    basis, triangle = torch.linalg.qr(inside)
    del inside  # as large as the features
    left, scale, right = torch.linalg.svd(triangle)
    test_rows = (outside @ right.T) * scale
    return Spectrum(_blank_rounding(scale**2, mean @ mean, len(train)), basis @ left, test_rows)


def _decompose(inner: torch.Tensor, cross: torch.Tensor, size: torch.Tensor) -> Spectrum:
    """Return the spectrum of a centered kernel ``inner`` (n, n), ``cross`` (t, n)."""
    values, vectors = torch.linalg.eigh(inner)
    return Spectrum(_blank_rounding(values, size, len(inner)), vectors, cross @ vectors)


def _blank_rounding(values: torch.Tensor, size: torch.Tensor, n: int) -> torch.Tensor:
    """Return eigenvalues (k,), 0 for those at the level of rounding.

    Such a direction is one that the features do not have. ``size`` is the squared length of the
    means that were subtracted.
    """
    if not len(values):
        return values
    floor = n * torch.finfo(values.dtype).eps * torch.maximum(values.max(), size.abs())
    return torch.where(values > floor, values, 0.0)
