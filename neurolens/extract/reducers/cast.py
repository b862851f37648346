"""Results in another dtype."""

from dataclasses import dataclass, replace

import torch

from neurolens.extract.reducers.base import Function, Reducer, Rows
from neurolens.labels import check_name

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class Cast(Reducer):
    """Convert floating-point results to ``"float16"``, ``"bfloat16"`` or ``"float32"``.

    The largest float16 is 65504; `count_overflow` counts larger values.
    """

    dtype: str

    def __post_init__(self) -> None:
        check_name(self.dtype, DTYPES, "dtype to cast to")

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        if not rows.dtype.is_floating_point:
            return f"only floating-point results are cast, this is {rows.dtype}"
        after = replace(rows, dtype=DTYPES[self.dtype])
        return f"is {rows.dtype} already" if rows == after else after

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        return lambda tensor: tensor.to(after.dtype)
