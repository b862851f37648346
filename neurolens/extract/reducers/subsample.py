"""Some units of a result, drawn at random."""

from dataclasses import dataclass
from typing import Any

import torch

from neurolens.extract.reducers.base import (
    Function,
    Reducer,
    Rows,
    check_count,
    flatten_rows,
    take_units,
)


@dataclass(frozen=True)
class Subsample(Reducer):
    """Keep ``n_units`` units drawn without replacement, in their order.

    Ops of equal size keep the same units.
    """

    n_units: int
    seed: int = 0

    def __post_init__(self) -> None:
        check_count("n_units", self.n_units)

    def draw_units(self, p: int) -> torch.Tensor:
        """Return the kept positions (n_units,) among p units, ascending, int64 on the CPU."""
        return (
            torch.randperm(p, generator=torch.Generator().manual_seed(self.seed))[: self.n_units]
            .sort()
            .values
        )

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        return take_units(rows, self.n_units, "unit", rows.dtype)

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        key = (self, rows.size, device)
        if key not in shared:
            shared[key] = self.draw_units(rows.size).to(device)
        return lambda tensor: flatten_rows(tensor).index_select(1, shared[key])

    def _add_details(self, rows: Rows) -> dict[str, Any]:
        return {"kept_units": self.draw_units(rows.size).numpy()}
