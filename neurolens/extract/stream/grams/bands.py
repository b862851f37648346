"""Products of rows as float32 or float64, in bands that leave out most below the diagonal."""

import itertools
from collections.abc import Iterable, Iterator
from functools import cache
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
# Features of a block for kernels of oneDNN, which add a block up one by one, and the fewest rows
# for which they are faster than those of torch.mm.
LONG_BLOCK = 512
_MANY_ROWS = 96
# From so many rows on, two bands of oneDNN take less time than one.
_TWO_BANDS = 160


class Band(NamedTuple):
    """Products of some rows, from ``top`` on, with those that are not above them."""

    top: int
    products: torch.Tensor


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
def _has_blocks() -> bool:
    """Return whether this processor and this torch have the kernels of oneDNN."""
    if (
        torch.backends.cpu.get_cpu_capability() != "AVX512"
        or not torch.backends.mkldnn.is_available()
    ):
        return False
    try:
        _multiply_block(torch.ones(2, 2), torch.ones(2, 2))
    except Exception:
        return False
    return True


def use_blocks(n_stimuli: int, n_features: int, device: torch.device) -> bool:
    """Return whether float32 products of so many rows and features are faster in blocks.

    It does not depend on measurements, so that products are the same in every run.
    """
    is_large = n_stimuli >= _MANY_ROWS and n_features >= LONG_BLOCK
    return is_large and device.type == "cpu" and _has_blocks()


def multiply_blocks(blocks: Iterable[torch.Tensor], n_stimuli: int) -> list[Band]:
    """Return the products of the first ``n_stimuli`` rows of blocks (row, feature) with all rows.

    With AVX-512 kernels of oneDNN take two thirds of the time of torch.mm. They want each block in
    one piece. A block is used up before the next is asked for: all may be in the same memory.
    """
    n_bands = max(2 if n_stimuli >= _TWO_BANDS else 1, -(-n_stimuli // _LARGEST_BAND))
    height = -(-n_stimuli // n_bands)
    bands: list[Band] = []
    for block in blocks:
        for number, top in enumerate(range(0, n_stimuli, height)):
            bottom = min(top + height, n_stimuli)
            products = _multiply_block(block[top:bottom], block[top:])
            if number < len(bands):
                bands[number].products.add_(products)
            else:
                bands.append(Band(top, products))
    return bands


def _multiply_block(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")


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
            kernels: list[Iterable[Band]] = [multiply_bands(rows, rows)]
            if use_blocks(n_stimuli, width, device):
                blocks = map(torch.Tensor.contiguous, rows.split(LONG_BLOCK, dim=1))
                kernels.append(multiply_blocks(blocks, n_stimuli))
            for band in itertools.chain(*kernels):
                error = (band.products.to("cpu", torch.float64) / exact - 1).abs().max()
                worst = max(worst, float(error))
    return SINGLE_EPS if worst <= SINGLE_EPS else 2 * worst
