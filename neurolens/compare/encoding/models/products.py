"""Spectrum of centered predictors from sums over blocks of stimuli, folds by down-dating.

Float64. For features X (n, p) and responses Y (n, v) the products X'X and X'Y are sums over
stimuli, so they are added up block by block, and those of a training set are the products of all
stimuli less those of the stimuli it leaves out. With the eigenvectors V of the centered X'X, the
directions of `Spectrum` are U = X V / sqrt(d): they are computed for a block of stimuli where a
measure needs single ones.

An eigenvalue of X'X is known to rounding of the largest one, which limits how small a penalty may
be (`is_exact`), and a difference of products is not taken where it would lose digits (`MAX_LOST`).

Axes: n stimuli, t test stimuli, p features, k directions, v voxels, b stimuli of a block.
"""

from collections.abc import Iterator
from copy import copy
from typing import Any, NamedTuple

import numpy as np
import torch

from neurolens.compare.encoding.models.spectrum import (
    Rows,
    Size,
    Spectrum,
    blank_rounding,
    decompose_kernel,
)
from neurolens.compare.encoding.ops.features import FeatureBlocks

# The largest share of the smallest penalty that the rounding of products may be: the fit is one
# with a penalty that differs by as much.
MAX_ERROR = 1e-6
# How many times larger products of all stimuli may be than those of a training set.
MAX_LOST = 100.0
# The same for squared responses.
MAX_LOST_SQUARES = 1e8
# Of the budget, what a spectrum may keep for the next block of voxels.
SHARED = 1 / 4
# Numbers of a block of responses that is multiplied at once.
BLOCK_NUMBERS = 2**22


def is_exact(spread: float, least: float) -> bool:
    """Return whether products of features serve for penalties from ``least`` on.

    ``spread`` is the trace of X'X.
    """
    return float(np.finfo(np.float64).eps) * spread <= MAX_ERROR * least


class BlockedFeatures:
    """Features of one op, read in blocks, as predictors on a ``device``."""

    def __init__(self, blocks: FeatureBlocks, device: str | torch.device) -> None:
        self.blocks = blocks
        self.device = device

    @property
    def size(self) -> Size:
        """The side that the op is solved on."""
        return Size("primal", self.blocks.n_features)

    def begin(self, values: torch.Tensor, rows: np.ndarray) -> "Products":
        """Return the products with ``values`` (stimulus, v) over the stimuli ``rows``."""
        return Products(self, values, rows)

    def iterate(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Yield positions (b,) in ``rows`` and the features (b, p) of these."""
        for positions, values in self.blocks.iterate(rows):
            yield positions, torch.from_numpy(values).to(self.device)

    def take(self, rows: np.ndarray) -> torch.Tensor:
        """Return the features (m, p) of ``rows`` (m,)."""
        return torch.from_numpy(self.blocks.take(rows)).to(self.device)

    def compute_kernel(self, n_stimuli: int) -> np.ndarray:
        """Return the kernel of the first stimuli."""
        values = self.take(np.arange(n_stimuli))
        return (values @ values.T).cpu().numpy()

    def measure_power(self) -> torch.Tensor:
        """Return the squared length (stimulus,) of features about their mean."""
        power = torch.empty(self.blocks.n_stimuli, dtype=torch.float64, device=self.device)
        for positions, values in self.iterate(np.arange(self.blocks.n_stimuli)):
            power[torch.from_numpy(positions).to(self.device)] = values.square().sum(1)
        return power


class Products:
    """Products of features and responses over the stimuli ``rows``, and those of parts of them.

    They are computed when they are first needed.
    """

    def __init__(self, features: BlockedFeatures, values: torch.Tensor, rows: np.ndarray) -> None:
        self.features = features
        self.rows = rows
        self._values = values
        # The mean of these stimuli alone: others must not change the last digit of a fit.
        self._center = torch.empty_like(values[0])
        for voxels in self._list_voxels(len(rows)):
            self._center[voxels] = self._select(values[:, voxels], rows).mean(0)
        self._gram: Gram | None = None
        self._crossed: torch.Tensor | None = None

    def split(self, train: np.ndarray, test: np.ndarray) -> "Spectrum | ProductSpectrum":
        """Return the spectrum of the predictors of ``train``, which are some of the rows.

        With no more training stimuli than features it comes from their kernel.
        """
        if len(train) <= self.features.blocks.n_features:
            inside = self.features.take(train)
            mean = inside.mean(0)
            inside -= mean
            outside = self.features.take(test) - mean
            return decompose_kernel(inside @ inside.T, outside @ inside.T, mean @ mean)
        centered, left_out = self._center_gram(train)
        values, vectors = torch.linalg.eigh(centered.products)
        values = blank_rounding(values, centered.level, len(train))
        varies = values > 0
        crossed = None
        if left_out is not None:
            crossed = self._multiply_all()
            if len(left_out):
                outside = self._multiply(left_out)
                # In place: both are as large as the weights of all voxels.
                crossed = torch.sub(crossed, outside, out=outside)
        return ProductSpectrum(
            self, values[varies], vectors[:, varies], centered.mean, train, test, left_out, crossed
        )

    def cross(
        self, spectrum: "ProductSpectrum", targets: torch.Tensor, voxels: slice
    ) -> torch.Tensor:
        """Return the centered products (p, v) of training features and ``targets`` (n, v).

        ``targets`` are the responses of ``voxels``, centered.
        """
        left_out = spectrum.left_out
        if left_out is None or spectrum.crossed is None:
            return self._multiply_targets(spectrum, targets)
        outside = self._select(self._values[:, voxels], left_out) - self._center[voxels]
        # Of all rows, the sum about their mean is 0.
        crossed = spectrum.crossed[:, voxels] + torch.outer(spectrum.mean, outside.sum(0))
        lost = outside.square().sum(0) > MAX_LOST_SQUARES * targets.square().sum(0)
        if lost.any():
            crossed[:, lost] = self._multiply_targets(spectrum, targets[:, lost])
        return crossed

    def _multiply_targets(self, spectrum: "ProductSpectrum", targets: torch.Tensor) -> torch.Tensor:
        """Return the products (p, v) of centered training features and ``targets``, summed."""
        crossed = targets.new_zeros((len(spectrum.mean), targets.shape[1]))
        for positions, values in self.features.iterate(spectrum.train):
            crossed.addmm_((values - spectrum.mean).T, self._select(targets, positions))
        return crossed

    def _center_gram(self, train: np.ndarray) -> "tuple[CenteredGram, np.ndarray | None]":
        """Return the centered products of ``train``, and the rows that were subtracted from all.

        Training stimuli are summed, and nothing is subtracted (None), where they are fewer than the
        others, or their features far smaller.
        """
        left_out = np.setdiff1d(self.rows, train, assume_unique=True)
        if len(left_out) > len(train):
            return self._sum(train).center(), None
        if self._gram is None:
            self._gram = self._sum(self.rows)
        gram = self._gram
        if len(left_out):
            gram = gram.subtract(self._sum(left_out))
        centered = gram.center()
        if self._gram.products.trace() > MAX_LOST * centered.products.trace():
            mean = self._sum(train).center().mean
            level = len(train) * torch.finfo(mean.dtype).eps * (mean @ mean)
            return CenteredGram(mean, self._sum(train, mean).products, level), None
        return centered, left_out

    def _sum(self, rows: np.ndarray, shift: torch.Tensor | None = None) -> "Gram":
        """Return the sums over ``rows`` of features, less ``shift`` (p,)."""
        size = self.features.blocks.n_features
        products = torch.zeros((size, size), dtype=torch.float64, device=self.features.device)
        total = products.new_zeros(size)
        for _, values in self.features.iterate(rows):
            moved = values if shift is None else values - shift
            products.addmm_(moved.T, moved)
            total += moved.sum(0)
        return Gram(len(rows), total, products)

    def _multiply_all(self) -> torch.Tensor:
        """Return the products (p, v) of features and all responses over all rows."""
        if self._crossed is None:
            self._crossed = self._multiply(self.rows)
        return self._crossed

    def _multiply(self, rows: np.ndarray) -> torch.Tensor:
        """Return the products (p, v) of features and responses over ``rows``, a block at a time."""
        crossed = self._center.new_zeros((self.features.blocks.n_features, len(self._center)))
        for positions, values in self.features.iterate(rows):
            for part in self._list_voxels(len(values)):
                moved = self._select(self._values[:, part], rows[positions]) - self._center[part]
                crossed[:, part].addmm_(values.T, moved)
        return crossed

    def _list_voxels(self, n: int) -> list[slice]:
        """Return the voxels of which ``n`` responses are selected at once."""
        width = max(1, BLOCK_NUMBERS // max(1, n))
        n_voxels = self._values.shape[1]
        return [slice(k, min(k + width, n_voxels)) for k in range(0, n_voxels, width)]

    def _select(self, values: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
        """Return ``values`` at ``rows``."""
        return values[torch.from_numpy(rows).to(values.device)]


class CenteredGram(NamedTuple):
    """The ``mean`` (p,) of features and their ``products`` (p, p) about it.

    ``level`` (a scalar) is what rounding of the products is relative to, beside the largest.
    """

    mean: torch.Tensor
    products: torch.Tensor
    level: torch.Tensor


class Gram(NamedTuple):
    """Sums over ``n`` stimuli: of features, ``total`` (p,), and of their ``products`` (p, p)."""

    n: int
    total: torch.Tensor
    products: torch.Tensor

    def subtract(self, other: "Gram") -> "Gram":
        """Return the sums without the stimuli of ``other``."""
        return Gram(self.n - other.n, self.total - other.total, self.products - other.products)

    def center(self) -> CenteredGram:
        """Return the products about the mean."""
        mean = self.total / self.n
        products = self.products - self.n * torch.outer(mean, mean)
        return CenteredGram(mean, products, mean @ mean)


class ProductSpectrum:
    """A `Spectrum` whose ``vectors`` U (n, k) are computed for the stimuli that need them.

    ``values`` (k,) are the eigenvalues d above rounding, ``basis`` V (p, k) their directions,
    ``mean`` (p,) that of the training features, ``train`` (n,) the training stimuli and
    ``left_out`` those that were subtracted from all, as for ``crossed`` (p, v), the products with
    all responses (None where ``train`` is summed).
    """

    is_whole = False

    def __init__(
        self,
        products: Products,
        values: torch.Tensor,
        basis: torch.Tensor,
        mean: torch.Tensor,
        train: np.ndarray,
        test: np.ndarray,
        left_out: np.ndarray | None,
        crossed: torch.Tensor | None,
    ) -> None:
        self.values = values
        self.basis = basis
        self.mean = mean
        self.train = train
        self.left_out = left_out
        self.crossed = crossed
        self.test = self._turn(products.features.take(test)) * values.sqrt()
        self._products = products
        self._first = 0
        # What any responses share, so that it is computed once for all blocks of voxels.
        self.kept_blocks: dict[int, Any] = {}
        self._kept_rows: list[Rows] = []

    @property
    def n(self) -> int:
        """The number of training stimuli."""
        return len(self.train)

    def may_keep(self, n_numbers: int) -> bool:
        """Return whether the budget allows to keep as many numbers."""
        return 8 * n_numbers <= SHARED * self._products.features.blocks.memory

    def select(self, voxels: slice) -> "ProductSpectrum":
        """Return the spectrum for targets that are those of ``voxels``."""
        chosen = copy(self)
        chosen._first = voxels.start
        return chosen

    def rotate(self, targets: torch.Tensor, voxels: slice) -> torch.Tensor:
        """Return U' Y (k, v) of the centered ``targets`` Y (n, v), those of ``voxels``."""
        where = slice(self._first + voxels.start, self._first + voxels.stop)
        crossed = self._products.cross(self, targets, where)
        return (self.basis.T @ crossed) / self.values.sqrt()[:, None]

    def iterate_rows(self) -> "Iterator[Rows]":
        """Yield U a block of training stimuli at a time; kept where the budget allows."""
        if self._kept_rows:
            yield from self._kept_rows
            return
        keep = self.may_keep(self.n * len(self.values))
        scale = self.values.sqrt()
        kept = []
        for positions, values in self._products.features.iterate(self.train):
            where = torch.from_numpy(positions).to(self.values.device)
            rows = Rows(where, self._turn(values) / scale)
            if keep:
                kept.append(rows)
            yield rows
        self._kept_rows.extend(kept)

    def take_coordinates(self, positions: torch.Tensor) -> torch.Tensor:
        """Return U sqrt(d) (b, k) of the training stimuli at ``positions`` (b,)."""
        return self._turn(self._products.features.take(self.train[positions.cpu().numpy()]))

    def _turn(self, values: torch.Tensor) -> torch.Tensor:
        """Return features (b, p), less their training mean, in the basis V (b, k)."""
        return (values - self.mean) @ self.basis
