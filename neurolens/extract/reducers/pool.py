"""Results pooled over named axes."""

import math
import re
from dataclasses import dataclass
from typing import Any

import torch

from neurolens.errors import InputError
from neurolens.extract.reducers.base import Function, Reducer, Rows
from neurolens.labels import check_name

POOLED = {
    "mean": ("frame", "time", "y", "x", "token", "window"),
    "max": ("frame", "time", "y", "x", "token", "window"),
    "cls": ("token",),
}


# What a result's attributes say of positions that only pad a stimulus.
LEFT_OUT = "left out"
INCLUDED = "included, if any"


def is_position(dim: str, how: str = "mean") -> bool:
    """Return whether an axis of this name is pooled over."""
    return re.sub(r"^window_\d+$", "window", dim) in POOLED[how]


@dataclass(frozen=True)
class Pool(Reducer):
    """Take ``"mean"`` or ``"max"`` over space, time and tokens, or the first token (``"cls"``).

    Axes are found by name: ``y``, ``x``, ``frame``, ``time``, ``token``, ``window`` (of tokens),
    ``window_2``; not ``key``, the tokens that each token attends to, nor ``group``, such as the
    heads of an attention. The mean of integers and booleans is float32. Positions that only pad a
    stimulus are left out where the axis that holds them is known, which the result's attributes
    say: that is where it has the length of the padded input and comes from no other. The result is
    then NaN for a stimulus none of whose positions count, and so of integers and booleans it is
    float64, or float32 where that holds them all.
    """

    how: str

    def __post_init__(self) -> None:
        check_name(self.how, POOLED, "way to pool")

    def _find_axes(self, rows: Rows) -> list[int]:
        return [
            i for i, dim in enumerate(rows.dims) if is_position(dim, self.how) and rows.shape[i] > 0
        ]

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        axes = self._find_axes(rows)
        real = not rows.dtype.is_complex
        if not axes:
            return f"has no axis named {' or '.join(POOLED[self.how])}"
        if self.how == "max" and not real:
            raise InputError(
                f"'max' wants values that can be ordered, got {rows.dtype}. Type reducer='mean'.",
                anchor="reducer-settings",
            )
        kept = [i for i in range(len(rows.dims)) if i not in axes]
        dtype = rows.dtype
        if real and not dtype.is_floating_point:
            if self.how == "mean":
                dtype = torch.float32
            elif rows.padded in axes:
                dtype = torch.float64 if dtype.itemsize > 2 else torch.float32
        return Rows(tuple(rows.shape[i] for i in kept), tuple(rows.dims[i] for i in kept), dtype)

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        found = self._find_axes(rows)
        axes = [i + 1 for i in found]
        if rows.padded in found:
            return PaddedPool(self.how, axes, rows.padded + 1, after.dtype)
        if self.how == "cls":
            return lambda tensor: tensor.select(axes[0], 0)
        return lambda tensor: (
            tensor.amax(axes) if self.how == "max" else tensor.to(after.dtype).mean(axes)
        )

    def _add_details(self, rows: Rows) -> dict[str, Any]:
        axes = self._find_axes(rows)
        details: dict[str, Any] = {"pooled": [rows.dims[i] for i in axes]}
        if rows.padding:
            details["padding"] = LEFT_OUT if rows.padded in axes else INCLUDED
        return details


@dataclass(frozen=True)
class PaddedPool:
    """Pool results over ``axes``, of which ``padded`` holds positions that may not count.

    All are counted with the stimuli as the first.
    """

    how: str
    axes: list[int]
    padded: int
    dtype: torch.dtype

    def __call__(self, tensor: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
        """Return pooled results of (batch, *shape); ``counted`` (batch, position) is boolean.

        Where no position counts the result is NaN.
        """
        if tensor.device.type == "mps" and self.dtype == torch.float64:
            tensor = tensor.cpu()  # that device has no float64
        counted = counted.to(tensor.device)
        if self.how == "cls":
            first = counted.to(torch.uint8).argmax(1)  # (batch,)
            rows = torch.arange(len(tensor), device=tensor.device)
            return self._blank(tensor.movedim(self.padded, 1)[rows, first], counted)
        shape = [1] * tensor.ndim
        shape[0] = tensor.shape[0]
        shape[self.padded] = tensor.shape[self.padded]
        left_out = ~counted.reshape(shape)
        if self.how == "max":
            filled = tensor.masked_fill(left_out, find_lowest(tensor.dtype))
            return self._blank(filled.amax(self.axes), counted)
        others = [tensor.shape[axis] for axis in self.axes if axis != self.padded]
        n_summed = counted.sum(1) * math.prod(others)  # (batch,)
        precise = torch.promote_types(self.dtype, torch.float32)
        # NaN and infinity at positions that do not count must not reach the sum.
        total = tensor.masked_fill(left_out, 0).sum(self.axes, dtype=precise)
        return (total / n_summed.reshape(-1, *[1] * (total.ndim - 1))).to(self.dtype)

    def _blank(self, pooled: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
        """Return pooled results with NaN for stimuli none of whose positions count."""
        is_empty = ~counted.any(1).reshape(-1, *[1] * (pooled.ndim - 1))
        return pooled.to(self.dtype).masked_fill(is_empty, math.nan)


def find_lowest(dtype: torch.dtype) -> float | int | bool:
    """Return the smallest number of a dtype."""
    if dtype == torch.bool:
        return False
    return -math.inf if dtype.is_floating_point else torch.iinfo(dtype).min
