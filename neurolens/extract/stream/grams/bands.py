"""Products of rows as float32 or float64, in bands that leave out most below the diagonal."""

import itertools
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from neurolens.extract.capture.restore import full_precision

# Error of float32 products relative to the lengths of both rows: 512 roundings. Measured are up to
# 15 for values of a network, 110 for equal values, whose roundings add up, and 460 for equal values
# beside a large one, whose roundings are those of the large one.
SINGLE_EPS = 2.0**-15
# Kernels for few rows may add a whole chunk up one by one, so it is divided for them.
FEW_ROWS = 32
BLOCK = 64
_BAND = 64
_LARGEST_BAND = 512
# Features of a block: for kernels of oneDNN, which add a block up one by one, and for those of MKL,
# which do not and whose block then fits the second cache, or the third without AVX-512. The fewest
# rows that are worth blocks, and those between which they are without AVX-512: measured were 64,
# 100, 200, 300, 500 and 1,000.
_BLOCK_OF_ONEDNN = 512
_BLOCK_OF_MKL = 2048
_NARROW_BLOCK_OF_MKL = 4096
_MANY_ROWS = 96
_NARROW_ROWS = range(160, 501)
# From so many rows on, two bands take less time than one.
_TWO_BANDS = 160


class Band(NamedTuple):
    """Products of some rows, from ``top`` on, with those that are not above them."""

    top: int
    products: torch.Tensor


class BlockKernel(NamedTuple):
    """Products of rows (row, feature) with others, block after block of ``n_features``.

    ``n_rows`` are the numbers of rows for which it is faster than products of whole rows.
    """

    n_features: int
    multiply: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    n_rows: range


def multiply_bands(left: torch.Tensor, right: torch.Tensor) -> Iterator[Band]:
    """Yield the products of rows ``left`` (stimulus, feature) with ``right`` (row, feature).

    ``right`` begins with the rows of ``left``. Products below the diagonal are left out by and
    large.
    """
    n_stimuli = len(left)
    n_bands = max(1, min(4, n_stimuli // _BAND), -(-n_stimuli // _LARGEST_BAND))
    height = -(-n_stimuli // n_bands)
    for top in range(0, n_stimuli, height):
        yield Band(top, _multiply(left[top : top + height], right[top:]))


def _multiply(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return the products of rows (row, feature) with others."""
    if left.dtype == torch.float64 or len(left) >= FEW_ROWS:
        return left @ right.T
    blocks = [rows.unflatten(1, (-1, BLOCK)).transpose(0, 1) for rows in (left, right)]
    products = torch.bmm(blocks[0], blocks[1].mT)  # (block, row, other)
    if products.device.type == "mps":
        products = products.cpu()
    return products.sum(0, dtype=torch.float64)


@cache
def _find_kernel() -> BlockKernel | None:
    """Return what is faster on this processor than products of whole rows, None for nothing.

    Known are processors with AVX-512 and with AVX2. On the first that are of Intel, MKL, which
    torch.mm uses, is faster than oneDNN; on others it takes half as long again.
    """
    capability = torch.backends.cpu.get_cpu_capability()
    has_mkl = torch.backends.mkl.is_available()
    if capability == "AVX2" and has_mkl:
        return BlockKernel(_NARROW_BLOCK_OF_MKL, _multiply_by_mkl, _NARROW_ROWS)
    if capability != "AVX512":
        return None
    many_rows = range(_MANY_ROWS, sys.maxsize)
    if _is_intel() and has_mkl:
        return BlockKernel(_BLOCK_OF_MKL, _multiply_by_mkl, many_rows)
    if not torch.backends.mkldnn.is_available():
        return None
    try:
        _multiply_by_onednn(torch.ones(2, 2), torch.ones(2, 2))
    except Exception:
        return None
    return BlockKernel(_BLOCK_OF_ONEDNN, _multiply_by_onednn, many_rows)


def _is_intel() -> bool:
    """Return whether the processor is one of Intel."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = platform.processor()
    return "GenuineIntel" in text


def _multiply_by_mkl(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return left @ right.T


def _multiply_by_onednn(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")


def find_block_kernel(n_stimuli: int, n_features: int, device: torch.device) -> BlockKernel | None:
    """Return the kernel with which so many rows and features are multiplied faster in blocks.

    None where they are not. It does not depend on measurements, so that products are the same in
    every run on a processor.
    """
    kernel = _find_kernel() if device.type == "cpu" else None
    if kernel is None or n_stimuli not in kernel.n_rows or n_features < kernel.n_features:
        return None
    return kernel


def multiply_blocks(
    blocks: Iterable[torch.Tensor], n_stimuli: int, kernel: BlockKernel
) -> list[Band]:
    """Return the products of the first ``n_stimuli`` rows of blocks (row, feature) with all rows.

    Each block is in one piece and used up before the next is asked for: all may be in the same
    memory.
    """
    n_bands = max(2 if n_stimuli >= _TWO_BANDS else 1, -(-n_stimuli // _LARGEST_BAND))
    height = -(-n_stimuli // n_bands)
    bands: list[Band] = []
    for block in blocks:
        for number, top in enumerate(range(0, n_stimuli, height)):
            bottom = min(top + height, n_stimuli)
            products = kernel.multiply(block[top:bottom], block[top:])
            if number < len(bands):
                bands[number].products.add_(products)
            else:
                bands.append(Band(top, products))
    return bands


def measure_eps(n_stimuli: int, n_features: int, device: torch.device) -> float:
    """Return the error of float32 products on a device, relative to the lengths of both rows.

    It is `SINGLE_EPS`, or twice what is measured where that is more. Measured are products of equal
    values, alone and after a large one, whose roundings add up.
    """
    width = -(-n_features // BLOCK) * BLOCK
    worst = 0.0
    with full_precision(device):
        for value, first in ((0.7, 0.7), (0.9123, 0.9123), (0.002, 1.0)):
            rows = torch.full((n_stimuli, width), value, dtype=torch.float32, device=device)
            rows[:, 0] = first
            exact = (width - 1) * float(rows[0, -1]) ** 2 + float(rows[0, 0]) ** 2
            products: list[Iterable[Band]] = [multiply_bands(rows, rows)]
            kernel = find_block_kernel(n_stimuli, width, device)
            if kernel is not None:
                blocks = map(torch.Tensor.contiguous, rows.split(kernel.n_features, dim=1))
                products.append(multiply_blocks(blocks, n_stimuli, kernel))
            for band in itertools.chain(*products):
                error = (band.products.to("cpu", torch.float64) / exact - 1).abs().max()
                worst = max(worst, float(error))
    return SINGLE_EPS if worst <= SINGLE_EPS else 2 * worst
