"""Memory for the rows that a pass holds, which the next pass takes again."""

import math
from collections.abc import Sequence

import torch

_ALIGNMENT = 64


def count_row_bytes(n_features: int, itemsize: int) -> int:
    """Return the bytes from one row of features to the next: rows of some length are aligned.

    Kernels add up in another order where they are not, so that the width of a slice would change
    the rounding of sums.
    """
    n_bytes = n_features * itemsize
    return n_bytes if n_bytes < _ALIGNMENT else count_aligned_bytes(n_bytes)


def floor_row_bytes(n_bytes: int) -> int:
    """Return the most of ``n_bytes`` that one aligned row can take."""
    return n_bytes if n_bytes < _ALIGNMENT else n_bytes // _ALIGNMENT * _ALIGNMENT


def count_aligned_bytes(n_bytes: int) -> int:
    """Return the bytes that a tensor of ``n_bytes`` takes of an arena."""
    return -(-n_bytes // _ALIGNMENT) * _ALIGNMENT


class Arena:
    """One block of memory per device, from which tensors are taken until all are given back.

    Fresh memory costs as much as what is copied into it, since the system clears each page first.

    Parameters
    ----------
    n_bytes : int
        Size of a block; it takes memory only as far as it was ever written. Tensors that do not fit
        have memory of their own.
    """

    def __init__(self, n_bytes: int) -> None:
        self._n_bytes = n_bytes
        self._blocks: dict[torch.device, torch.Tensor] = {}
        self._used: dict[torch.device, int] = {}

    def take(self, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Return a tensor, with values of any kind, that stays valid until ``clear``."""
        n_bytes = math.prod(shape) * dtype.itemsize
        start = self._used.get(device, 0)
        stop = start + n_bytes
        if not n_bytes or stop > self._n_bytes:
            return torch.empty(shape, dtype=dtype, device=device)
        if device not in self._blocks:
            self._blocks[device] = torch.empty(self._n_bytes, dtype=torch.uint8, device=device)
        self._used[device] = count_aligned_bytes(stop)
        return self._blocks[device][start:stop].view(dtype).view(*shape)

    def clear(self) -> None:
        """Give back all tensors that were taken."""
        self._used.clear()
