"""Results pooled over named axes."""

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


@dataclass(frozen=True)
class Pool(Reducer):
    """Take ``"mean"`` or ``"max"`` over space, time and tokens, or the first token (``"cls"``).

    Axes are found by name: ``y``, ``x``, ``frame``, ``time``, ``token``, ``window`` (of tokens),
    ``window_2``; not ``key``, the tokens that each token attends to, nor ``group``, such as the
    heads of an attention. The mean of integers and booleans is float32.
    """

    how: str

    def __post_init__(self) -> None:
        check_name(self.how, POOLED, "way to pool")

    def _find_axes(self, rows: Rows) -> list[int]:
        names = [re.sub(r"^window_\d+$", "window", dim) for dim in rows.dims]
        return [i for i, name in enumerate(names) if name in POOLED[self.how] and rows.shape[i] > 0]

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        axes = self._find_axes(rows)
        real = not rows.dtype.is_complex
        if not axes:
            return f"has no axis named {' or '.join(POOLED[self.how])}"
        if self.how == "max" and not real:
            raise InputError(
                f"'max' wants values that can be ordered, got {rows.dtype}. Type reducer='mean'."
            )
        kept = [i for i in range(len(rows.dims)) if i not in axes]
        counts = self.how == "mean" and real and not rows.dtype.is_floating_point
        dtype = torch.float32 if counts else rows.dtype
        return Rows(tuple(rows.shape[i] for i in kept), tuple(rows.dims[i] for i in kept), dtype)

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        axes = [i + 1 for i in self._find_axes(rows)]
        if self.how == "cls":
            return lambda tensor: tensor.select(axes[0], 0)
        return lambda tensor: (
            tensor.amax(axes) if self.how == "max" else tensor.to(after.dtype).mean(axes)
        )

    def _add_details(self, rows: Rows) -> dict[str, Any]:
        return {"pooled": [rows.dims[i] for i in self._find_axes(rows)]}
