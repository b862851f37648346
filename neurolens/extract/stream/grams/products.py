"""Sums of products between all stimuli, in float32 without what they share or in float64."""

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from neurolens.extract.capture.restore import full_precision
from neurolens.extract.stream.grams.bands import (
    BLOCK,
    FEW_ROWS,
    SINGLE_EPS,
    arrange_blocks,
    multiply_bands,
    multiply_blocks,
    use_blocks,
)

SINGLE = "float32"
DOUBLE = "float64"
PRECISIONS = (SINGLE, DOUBLE)
# Features that are multiplied at once: so many, but no more than fit these bytes as float32 unless
# the products would be too narrow for a fast kernel.
CHUNK_FEATURES = 16_384
CHUNK_BYTES = 16 * 2**20
LEAST_FEATURES = 2_048
# Above, a device does not multiply float32 as such, and products are taken in float64.
LARGEST_EPS = 2.0**-13
_TILE = 64
# How many stimuli tell the pattern over features that all share.
_N_SAMPLED = 64
# Between these, float32 holds the squares of values and of what rounding leaves of them.
_SAFE_LOW = 1e-9
_SAFE_HIGH = 1e15
_LARGEST_EXPONENT = 100
# What a product that underflows in float32 can lose, as a length that SINGLE_EPS is relative to.
_LOST = 2.0**-126 / SINGLE_EPS
# float32 holds all values of these.
_HELD = (
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
)


def count_chunk_features(n_stimuli: int, budget: int | None = None) -> int:
    """Return how many features are multiplied at once.

    It depends on the number of stimuli only, so that the order of sums does too, unless the chunk
    would take more than an eighth of the budget.
    """
    n_features = min(CHUNK_FEATURES, max(LEAST_FEATURES, CHUNK_BYTES // (4 * n_stimuli)))
    if budget is not None:
        n_features = min(n_features, budget // 8 // (4 * n_stimuli))
    return max(1, n_features)


class ProductSums(NamedTuple):
    """Sums over features of A (stimulus, feature), float64, all on one device.

    ``gram`` (stimulus, stimulus) is A A', of which only the upper triangle counts; ``total``
    (stimulus,) is A 1. ``residual`` (stimulus,) holds the squared lengths of the rows that were
    multiplied in float32, to which `SINGLE_EPS` is relative.
    """

    gram: torch.Tensor
    total: torch.Tensor
    residual: torch.Tensor

    def move(self, device: torch.device) -> "ProductSums":
        """Return the sums on another device."""
        return ProductSums(*(values.to(device) for values in self))


def share_sums(gram: np.ndarray, total: np.ndarray, residual: np.ndarray) -> ProductSums:
    """Return sums that are in the memory of these arrays."""
    return ProductSums(*map(torch.from_numpy, (gram, total, residual)))


class Multiplier:
    """Adds products of rows (stimulus, feature) to sums, ``step`` features at once.

    Products are float32 and their sums over chunks float64. In each chunk the pattern m of features
    that stimuli share is taken from the rows that it makes shorter (w_i is 1 for these, else 0),
    then the mean r_i of each row. With B the rest,

    ``A A' = B B' + w (B m)' + (B m) w' + m'm w w' + r x' + x r'``, ``x = B 1 + (m'1) w + p r / 2``,

    for p features and any r, w and m; ``A 1 = B 1 + (m'1) w + p r``. Only B B', B m and B 1 are
    float32, one product; what is put back is float64.

    Errors: a float32 product of two rows of p features that is added up in blocks is off by at most
    ``e |b_i| |b_j|``, e = `SINGLE_EPS`: each addition rounds by 2^-24 of a partial sum at most, and
    blocks of some 400 products, with half a rounding each, bound what such roundings make together
    where a large product is followed by equal small ones (the worst case of p additions,
    ``p 2^-24``, Higham 2002, eq. 3.5, is not met by kernels that add in blocks; see `measure_eps`).
    B itself is exact up to 2^-24 of each value, since each subtraction rounds its result. So a
    squared distance is off by ``2 e (|b_i|^2 + |b_j|^2)`` at most and e of itself where both rows
    are without the pattern or both with it, and ``8 e`` in place of ``2 e`` where one is. In a
    correlation distance errors of B 1 and B m cancel to first order, and
    ``3 e (|b_i|^2 / c_ii + |b_j|^2 / c_jj)`` bounds what remains, c_ii the squared length of row i
    about its mean; as a rule it is at least ``|b_i|^2``. An entry of A A' itself is off by
    ``5 e |a_i| |a_j|`` at most: errors of B B' and twice those of B m, where m is shorter than
    ``2 |a_i|`` and B no longer than A. Sums in float64 add 2^-52 of ``|a_i| |a_j|`` or so.

    Values that float32 does not hold (float64, large integers) are multiplied in float64. Values
    whose squares float32 does not hold are scaled by a power of 2. Autocast and reduced-precision
    products that the caller has set for the model (TF32, bfloat16) do not apply here.

    Parameters
    ----------
    step : int
    is_exact : bool
        Multiply in float64 always.

    Notes
    -----
    About ``1.25 n^2 p`` floating-point operations: the square is taken in four bands, of which
    those below the diagonal are left out. The workspace is allocated once.

    References
    ----------
    Higham (2002) Accuracy and stability of numerical algorithms, 2nd ed., chapters 3 and 4.
    """

    def __init__(self, step: int, is_exact: bool = False) -> None:
        self._step = step
        self._is_exact = is_exact
        self._workspace: dict[tuple[str, torch.device, torch.dtype], torch.Tensor] = {}

    def is_single(self, rows: torch.Tensor) -> bool:
        """Return whether products of these rows are float32."""
        return not self._is_exact and rows.dtype in _HELD

    def add(self, rows: torch.Tensor, sums: ProductSums) -> None:
        """Add the products of rows (stimulus, feature) of real numbers; they stay as they are.

        Values that are not finite stay so in the sums, in their own rows and columns.
        """
        is_single = self.is_single(rows)
        with full_precision(rows.device):
            for start in range(0, rows.shape[1], self._step):
                chunk = rows[:, start : start + self._step]  # (stimulus, feature of the chunk)
                if is_single:
                    self._add_single(chunk, sums)
                else:
                    self._add_double(chunk, sums)

    def _add_double(self, chunk: torch.Tensor, sums: ProductSums) -> None:
        on_mps = chunk.device.type == "mps"  # which has no float64
        device = torch.device("cpu") if on_mps else chunk.device
        rows = self._take("rows", chunk.shape, torch.float64, device)
        rows.copy_(chunk)
        sums.total.add_(rows.sum(1))
        for band in multiply_bands(rows, rows):
            height = len(band.products)
            sums.gram[band.top : band.top + height, band.top :] += band.products

    def _add_single(self, chunk: torch.Tensor, sums: ProductSums) -> None:
        n_stimuli, n_features = chunk.shape
        # Whole blocks, so that few rows can be multiplied block by block.
        width = -(-n_features // BLOCK) * BLOCK if n_stimuli < FEW_ROWS else n_features
        rows = self._take("rows", (n_stimuli + 2, width), torch.float32, chunk.device)
        rows[:, n_features:] = 0
        # The products with the two rows at the end are those with the pattern and the row sums.
        values = rows[:-2, :n_features]
        pattern = rows[-2, :n_features]
        values.copy_(chunk)
        rows[-1, :n_features] = 1
        device = sums.gram.device
        shared = _take_shared(values, pattern, device)
        scales = _scale_rows(rows[:-1]).to(device, torch.float64)  # (stimulus + 1,)
        scale = scales[:-1]
        if use_blocks(n_stimuli, n_features, chunk.device):
            blocks = self._take("blocks", (rows.numel(),), torch.float32, chunk.device)
            bands = multiply_blocks(arrange_blocks(rows, blocks), n_stimuli)
        else:
            bands = multiply_bands(rows[:-2], rows)
        with_pattern = []
        rest_sums = []
        for band in bands:
            bottom = band.top + len(band.products)
            products = band.products.to(device, torch.float64)
            products *= scale[band.top : bottom, None]
            with_pattern.append(products[:, -2] * scales[-1])
            rest_sums.append(products[:, -1].clone())
            products = products[:, :-2].mul_(scale[band.top :])
            sums.gram[band.top : bottom, band.top :] += products
            lost = n_features * _LOST * scale[band.top : bottom] ** 2
            sums.residual[band.top : bottom] += products.diagonal() + lost
        shared.put_back(sums, torch.cat(rest_sums), torch.cat(with_pattern))

    def _take(
        self, name: str, shape: Sequence[int], dtype: torch.dtype, device: torch.device
    ) -> torch.Tensor:
        """Return the workspace of this name in some shape, with values of any kind."""
        n_values = math.prod(shape)
        flat = self._workspace.get((name, device, dtype))
        if flat is None or len(flat) < n_values:
            flat = torch.empty(n_values, dtype=dtype, device=device)
            self._workspace[name, device, dtype] = flat
        return flat[:n_values].view(*shape)


class _Shared(NamedTuple):
    """What was taken from each row: ``means`` (stimulus,) and ``weights`` (stimulus,) of a pattern.

    ``pattern_sum`` and ``pattern_power`` are the sum of the pattern and of its squares. All are
    float64.
    """

    means: torch.Tensor
    weights: torch.Tensor
    pattern_sum: torch.Tensor
    pattern_power: torch.Tensor
    n_features: int

    def put_back(
        self, sums: ProductSums, rest_sums: torch.Tensor, with_pattern: torch.Tensor
    ) -> None:
        """Add what was taken to the sums of the rest B.

        ``rest_sums`` (stimulus,) is B 1 and ``with_pattern`` (stimulus,) is B m.
        """
        weights = self.weights
        means = self.means
        beside_means = rest_sums + self.pattern_sum * weights + self.n_features / 2 * means
        beside_weights = with_pattern + self.pattern_power / 2 * weights
        left = torch.stack([means, beside_means, weights, beside_weights])  # (4, stimulus)
        right = torch.stack([beside_means, means, beside_weights, weights])
        sums.gram.addmm_(left.T, right)
        sums.total.add_(rest_sums + self.pattern_sum * weights + self.n_features * means)


def _take_shared(values: torch.Tensor, pattern: torch.Tensor, device: torch.device) -> _Shared:
    """Take a pattern from the rows that it makes shorter, then the mean of each row.

    ``values`` (stimulus, feature), float32, are overwritten, and ``pattern`` (feature,) is written.
    What is returned is on ``device``.
    """
    n_stimuli, n_features = values.shape
    sample = values[:: -(-n_stimuli // _N_SAMPLED)]
    typical = sample.mean(0).nan_to_num_(0, 0, 0)  # (feature,)
    typical_mean = typical.mean()
    torch.sub(typical, typical_mean, out=pattern)
    guides = torch.stack([torch.full_like(pattern, 1 / n_features), pattern, typical])
    means, along, along_typical = (values @ guides.T).unbind(1)
    # A row closer to the pattern than to 0, with and without its mean.
    weights = (along > pattern.dot(pattern) / 2) & (along_typical > typical.dot(typical) / 2)
    weights = weights.float()  # (stimulus,)
    is_taken = weights.any()
    if _may_hold(is_taken):
        # First, and with its mean: a row that is close to it loses no digits then.
        values.addcmul_(weights[:, None], typical, value=-1)
        means = means - weights * typical_mean
    values.sub_(means[:, None])
    pattern.mul_(is_taken)
    exact_mean = typical_mean.to(device, torch.float64)
    exact_pattern = (typical.to(device, torch.float64) - exact_mean) * is_taken.to(device)
    weights = weights.to(device, torch.float64)
    return _Shared(
        means.to(device, torch.float64) + exact_mean * weights,
        weights,
        exact_pattern.sum(),
        exact_pattern.square().sum(),
        n_features,
    )


def _may_hold(condition: torch.Tensor) -> bool:
    """Return whether a condition holds; on a GPU True, since asking would wait for it."""
    return condition.device.type == "cuda" or bool(condition)


def _scale_rows(rows: torch.Tensor) -> torch.Tensor:
    """Divide rows (row, feature) by powers of 2 so that float32 holds their squares.

    Returned is the power of each row (row,), float32: 1 where float32 holds the squares as they
    are, and where some values are not finite.
    """
    lengths = torch.linalg.vector_norm(rows, dim=1)  # (row,)
    is_plain = (lengths > _SAFE_LOW * math.sqrt(rows.shape[1])) & (lengths < _SAFE_HIGH)
    if not _may_hold(~is_plain.all()):
        return torch.ones_like(lengths)
    low, high = torch.aminmax(rows, dim=1)
    largest = torch.maximum(-low, high)
    is_safe = (largest > _SAFE_LOW) & (largest < _SAFE_HIGH)
    is_scaled = ~is_safe & largest.isfinite() & (largest > 0)
    exponent = torch.frexp(largest).exponent.clamp(-_LARGEST_EXPONENT, _LARGEST_EXPONENT)
    exponent = torch.where(is_scaled, exponent, 0)
    if _may_hold(is_scaled.any()):
        rows.mul_(torch.exp2(-exponent.float())[:, None])
    return torch.exp2(exponent.float())


def measure_speed(n_stimuli: int, device: torch.device, is_exact: bool) -> float:
    """Return multiplications and additions per second of this device's products of rows.

    The measured product counts half a square.
    """
    width = count_chunk_features(n_stimuli)
    rows = torch.ones((n_stimuli, width), dtype=torch.float32, device=device)
    gram = np.zeros((n_stimuli, n_stimuli))
    sums = share_sums(gram, np.zeros(n_stimuli), np.zeros(n_stimuli))
    if device.type == "cuda":
        sums = sums.move(device)
    multiplier = Multiplier(width, is_exact)
    multiplier.add(rows, sums)
    start = time.perf_counter()
    multiplier.add(rows, sums)
    # Reading a number waits for a GPU.
    float(sums.gram[0, 0])
    return float(n_stimuli) ** 2 * width / (time.perf_counter() - start)


def mirror_triangle(gram: np.ndarray) -> None:
    """Copy the upper triangle of a Gram onto the lower one."""
    for top in range(0, len(gram), _TILE):
        bottom = min(top + _TILE, len(gram))
        gram[top:bottom, :top] = gram[:top, top:bottom].T
        square = gram[top:bottom, top:bottom]
        square[:] = np.triu(square) + np.triu(square, 1).T
