"""What makes each stimulus's result of one op smaller, on the device.

Before anything is copied or stored.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from neurolens.errors import InputError

Function = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Rows:
    """What each stimulus's result looks like: ``shape`` and ``dims`` without the stimulus axis."""

    shape: tuple[int, ...]
    dims: tuple[str, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """Number of units, p."""
        return math.prod(self.shape)


class Reducer:
    """Base of all reducers: frozen settings.

    What one has nothing to do for stays whole, and `explain` says why.
    """

    fit_on: tuple[str, ...] | None = None

    def plan(self, rows: Rows, n_stimuli: int) -> Rows:
        """Return what each result looks like afterwards.

        InputError when results of this dtype cannot be reduced so.
        """
        found = self._shrink(rows, n_stimuli)
        return rows if isinstance(found, str) else found

    def explain(self, rows: Rows, n_stimuli: int) -> dict[str, Any]:
        """Return what was done to an op in JSON's types, but for ``kept_units``: kind, settings, before and after.

        ``stayed_whole`` is the reason where nothing was done.
        """
        after = self.plan(rows, n_stimuli)
        found = self._shrink(rows, n_stimuli)
        shapes = {"shape_before": list(rows.shape), "shape_after": list(after.shape)}
        dtypes = {"dtype_before": str(rows.dtype), "dtype_after": str(after.dtype)}
        details = {"stayed_whole": found} if isinstance(found, str) else self._add_details(rows)
        return {"kind": type(self).__name__.lower(), **vars(self), **shapes, **dtypes, **details}

    def open(self, rows: Rows, n_stimuli: int, device: torch.device, shared: dict) -> Function:
        """Return the function that reduces (batch, *shape).

        ``shared`` keeps what ops of one run have in common.
        """
        found = self._shrink(rows, n_stimuli)
        return (
            (lambda tensor: tensor)
            if isinstance(found, str)
            else self._make(rows, found, device, shared)
        )

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        """Return what comes out, or why the op stays whole."""
        raise NotImplementedError

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        raise NotImplementedError

    def _add_details(self, rows: Rows) -> dict[str, Any]:
        return {}


def flatten_rows(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.reshape(len(tensor), math.prod(tensor.shape[1:]))


def take_units(rows: Rows, n_units: int, dim: str, dtype: torch.dtype) -> Rows | str:
    if rows.size <= n_units:
        return f"has {rows.size} units, no more than {n_units}"
    if rows.dtype.is_complex and not dtype.is_complex:
        raise InputError(
            f"wants real values, got {rows.dtype}. Leave this op out of ops=, or use Subsample."
        )
    return Rows((n_units,), (dim,), dtype)


def check_count(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(
            f"{name} must be an int of at least 1, got {value!r}. Type e.g. {name}=100."
        )
