"""Sums of products between all stimuli, in float32 without what they share or in float64."""

import math
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from neurolens.extract.capture.restore import full_precision
from neurolens.extract.stream.grams.bands import (
    BLOCK,
    FEW_ROWS,
    Band,
    find_block_kernel,
    multiply_bands,
    multiply_blocks,
)
from neurolens.extract.stream.grams.scales import LOST, is_plain, may_hold, scale_rows

SINGLE = "float32"
DOUBLE = "float64"
PRECISIONS = (SINGLE, DOUBLE)
# Features that are multiplied at once: so many, but no more than fit these bytes as float32 unless
# the products would be too narrow for a fast kernel.
CHUNK_FEATURES = 16_384
CHUNK_BYTES = 16 * 2**20
LEAST_FEATURES = 2_048
# Chunks end where rows are aligned.
_ALIGNED_FEATURES = 16
# Above, a device does not multiply float32 as such, and products are taken in float64.
LARGEST_EPS = 2.0**-13
_TILE = 64
# How many stimuli tell the pattern over features that all share.
_N_SAMPLED = 64
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
    if n_features >= _ALIGNED_FEATURES:
        return n_features // _ALIGNED_FEATURES * _ALIGNED_FEATURES
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
        n_features = chunk.shape[1]
        if chunk.dtype != torch.float32:
            values = self._take("values", chunk.shape, torch.float32, chunk.device)
            chunk = values.copy_(chunk)
        shared = _find_shared(chunk)
        products = self._multiply_in_blocks(chunk, shared) or self._multiply_rows(chunk, shared)
        device = sums.gram.device
        with_pattern = []
        rest_sums = []
        for band in products.bands:
            rows = slice(band.top, band.top + len(band.products))
            values = band.products.to(device)
            lost: float | torch.Tensor = n_features * LOST
            if products.scales is not None:
                scales = products.scales.to(device, torch.float64)
                values = values.to(torch.float64) * scales[rows, None]
                values[:, :-2] *= scales[band.top : len(chunk)]
                values[:, -2] *= scales[-1]
                lost = lost * scales[rows] ** 2
            with_pattern.append(values[:, -2].to(torch.float64))
            rest_sums.append(values[:, -1].to(torch.float64))
            values = values[:, :-2]
            sums.gram[rows, band.top :] += values
            sums.residual[rows] += values.diagonal().to(torch.float64) + lost
        shared.put_back(sums, torch.cat(rest_sums), torch.cat(with_pattern))

    def _multiply_in_blocks(self, chunk: torch.Tensor, shared: "_Shared") -> "_Products | None":
        """Return products of the rest of a chunk block after block, each made when it is needed.

        None where such kernels are not used, or where float32 may not hold the squares.
        """
        n_stimuli, n_features = chunk.shape
        kernel = find_block_kernel(n_stimuli, n_features, chunk.device)
        if kernel is None:
            return None
        shape = (n_stimuli + 2, kernel.n_features)
        memory = self._take("block", shape, torch.float32, chunk.device)
        bands = multiply_blocks(shared.list_blocks(chunk, memory), n_stimuli, kernel)
        squares = torch.cat([band.products.diagonal() for band in bands])
        pattern_square = shared.pattern.dot(shared.pattern)
        if shared.has_pattern and not bool(is_plain(pattern_square.sqrt(), n_features)):
            return None
        in_doubt = (~is_plain(squares.sqrt(), n_features)).nonzero()[:, 0]
        # Some rows may be 0 or not finite, for which there is nothing to scale.
        if len(in_doubt) > n_stimuli // 8:
            return None
        if len(in_doubt):
            some = shared._replace(
                weights=shared.weights[in_doubt], rest_means=shared.rest_means[in_doubt]
            )
            shape = (len(in_doubt) + 2, n_features)
            rows = self._take("rows", shape, torch.float32, chunk.device)
            some.write_rest(chunk[in_doubt], slice(0, n_features), rows)
            if scale_rows(rows[:-2]) is not None:
                return None
        return _Products(bands, None)

    def _multiply_rows(self, chunk: torch.Tensor, shared: "_Shared") -> "_Products":
        """Return products of the rest of a chunk, scaled where float32 does not hold squares."""
        n_stimuli, n_features = chunk.shape
        # Whole blocks, so that few rows can be multiplied block by block.
        width = -(-n_features // BLOCK) * BLOCK if n_stimuli < FEW_ROWS else n_features
        rows = self._take("rows", (n_stimuli + 2, width), torch.float32, chunk.device)
        rows[:, n_features:] = 0
        shared.write_rest(chunk, slice(0, n_features), rows[:, :n_features])
        scales = scale_rows(rows[:-1] if shared.has_pattern else rows[:-2])
        return _Products(list(multiply_bands(rows[:-2], rows)), scales)

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


class _Products(NamedTuple):
    """Products of the rest of each row with those, with the pattern and with ones.

    ``scales`` are what each row, and the pattern as the last where there is one, was divided by;
    None where all are 1.
    """

    bands: list[Band]
    scales: torch.Tensor | None


class _Shared(NamedTuple):
    """What is taken from each row of a chunk (stimulus, feature): float32, on its device.

    From rows whose ``weights`` (stimulus,) are 1 and not 0 first ``typical`` (feature,) is taken,
    whose mean is ``typical_mean``; from all then ``rest_means`` (stimulus,). ``pattern`` (feature,)
    is ``typical`` without its mean, and 0 where no row has it.
    """

    typical: torch.Tensor
    typical_mean: torch.Tensor
    pattern: torch.Tensor
    weights: torch.Tensor
    rest_means: torch.Tensor
    has_pattern: bool

    def write_rest(self, chunk: torch.Tensor, features: slice, rows: torch.Tensor) -> None:
        """Write the rest of some features to ``rows`` (stimulus + 2, feature), pattern and ones.

        Products with the last two rows are those with the pattern and the row sums.
        """
        rest = rows[:-2]
        values = chunk[:, features]
        if self.has_pattern:
            # First, and with its mean: a row that is close to it loses no digits then.
            typical = self.typical[features]
            torch.addcmul(values, self.weights[:, None], typical, value=-1, out=rest)
            values = rest
        torch.sub(values, self.rest_means[:, None], out=rest)
        rows[-2] = self.pattern[features]
        rows[-1] = 1

    def list_blocks(self, chunk: torch.Tensor, memory: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield blocks (stimulus + 2, feature) of what `write_rest` writes, in the same memory."""
        n_features = chunk.shape[1]
        for start in range(0, n_features, memory.shape[1]):
            width = min(memory.shape[1], n_features - start)
            block = memory.view(-1)[: len(memory) * width].view(len(memory), width)
            self.write_rest(chunk, slice(start, start + width), block)
            yield block

    def put_back(
        self, sums: ProductSums, rest_sums: torch.Tensor, with_pattern: torch.Tensor
    ) -> None:
        """Add what was taken to the sums of the rest B.

        ``rest_sums`` (stimulus,) is B 1 and ``with_pattern`` (stimulus,) is B m, as float64.
        """
        device = sums.gram.device
        typical_mean = self.typical_mean.to(device, torch.float64)
        weights = self.weights.to(device, torch.float64)
        means = self.rest_means.to(device, torch.float64) + typical_mean * weights
        pattern = self.typical.to(device, torch.float64) - typical_mean
        if not self.has_pattern:
            pattern = pattern * 0
        n_features = len(pattern)
        pattern_sum = pattern.sum()
        beside_means = rest_sums + pattern_sum * weights + n_features / 2 * means
        beside_weights = with_pattern + pattern.square().sum() / 2 * weights
        left = torch.stack([means, beside_means, weights, beside_weights])  # (4, stimulus)
        right = torch.stack([beside_means, means, beside_weights, weights])
        sums.gram.addmm_(left.T, right)
        sums.total.add_(rest_sums + pattern_sum * weights + n_features * means)


def _find_shared(chunk: torch.Tensor) -> _Shared:
    """Return the pattern of a chunk (stimulus, feature), the rows with it, and means of the rest.

    A row has the pattern where that makes it shorter.
    """
    n_stimuli, n_features = chunk.shape
    sample = chunk[:: -(-n_stimuli // _N_SAMPLED)]
    typical = sample.mean(0).nan_to_num_(0, 0, 0)  # (feature,)
    typical_mean = typical.mean()
    pattern = typical - typical_mean
    guides = torch.stack([torch.full_like(pattern, 1 / n_features), pattern, typical])
    means, along, along_typical = (chunk @ guides.T).unbind(1)
    # A row closer to the pattern than to 0, with and without its mean.
    weights = (along > pattern.dot(pattern) / 2) & (along_typical > typical.dot(typical) / 2)
    weights = weights.float()  # (stimulus,)
    is_taken = weights.any()
    has_pattern = may_hold(is_taken)
    if has_pattern:
        means = means - weights * typical_mean
    return _Shared(typical, typical_mean, pattern * is_taken, weights, means, has_pattern)


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
