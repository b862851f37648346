"""Base of reducers, which make one op's results smaller on the device before they are copied."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from neurolens.errors import InputError

Function = Callable[..., torch.Tensor]


@dataclass(frozen=True, slots=True)
class Rows:
    """The form of each stimulus's result: ``shape`` and ``dims`` without the stimulus axis.

    ``padding`` says whether positions that only pad the stimuli are among its values, and
    ``padded`` is the axis that holds them, where it is known.
    """

    shape: tuple[int, ...]
    dims: tuple[str, ...]
    dtype: torch.dtype
    padding: bool = False
    padded: int | None = None

    @property
    def size(self) -> int:
        """Number of units, p."""
        return math.prod(self.shape)


class Reducer:
    """Base of all reducers: frozen settings.

    A result that a reducer cannot make smaller stays whole, and its `Step` says why.
    """

    fit_on: tuple[str, ...] | None = None

    def plan_step(self, rows: Rows, n_stimuli: int) -> "Step":
        """Return what this reducer does to results of one op.

        Raises
        ------
        InputError
            When results of this dtype cannot be reduced so.
        """
        after = self._shrink(rows, n_stimuli)
        if isinstance(after, str):
            return Step(self, rows, rows, after)
        return Step(self, rows, after, "")

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        """Return the form of the reduced result, or why the op stays whole."""
        raise NotImplementedError

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        """Return the function that reduces (batch, *shape), for an op that can be reduced."""
        raise NotImplementedError

    def _add_details(self, rows: Rows) -> dict[str, Any]:
        """Return details of an op that was reduced, beside settings and shapes."""
        return {}


@dataclass(frozen=True, slots=True)
class Step:
    """The effect of one reducer on the results of one op.

    ``stayed_whole`` is the reason where it has none.
    """

    reducer: Reducer
    before: Rows
    after: Rows
    stayed_whole: str

    def explain(self) -> dict[str, Any]:
        """Return kind, settings, shapes and dtypes before and after, in JSON's types.

        Only ``kept_units``, where present, is an array. Of the stimuli that the reducer is fitted
        on, which may be 10,000, there is a hash.
        """
        reducer = self.reducer
        settings = dict(vars(reducer))
        fit_on = settings.pop("fit_on", None)
        if fit_on:
            settings["fit_on_sha256"] = hashlib.sha256(json.dumps(fit_on).encode()).hexdigest()
        details = {"stayed_whole": self.stayed_whole}
        if not self.stayed_whole:
            details = reducer._add_details(self.before)
        return {
            "kind": type(reducer).__name__.lower(),
            **settings,
            "shape_before": list(self.before.shape),
            "shape_after": list(self.after.shape),
            "dtype_before": str(self.before.dtype),
            "dtype_after": str(self.after.dtype),
            **details,
        }

    def open(self, device: torch.device, shared: dict) -> Function:
        """Return the function that reduces (batch, *shape).

        ``shared`` holds objects that the ops of one run have in common.
        """
        if self.stayed_whole:
            return return_whole
        return self.reducer._make(self.before, self.after, device, shared)


def return_whole(tensor: torch.Tensor) -> torch.Tensor:
    """Return a result as it is."""
    return tensor


def flatten_rows(tensor: torch.Tensor) -> torch.Tensor:
    """Return results (batch, *shape) as (batch, unit)."""
    return tensor.reshape(len(tensor), math.prod(tensor.shape[1:]))


def take_units(rows: Rows, n_units: int, dim: str, dtype: torch.dtype) -> Rows | str:
    """Return results of ``n_units`` along one dimension, or why there are too few of them."""
    if rows.size <= n_units:
        return f"has {rows.size} units, no more than {n_units}"
    if rows.dtype.is_complex and not dtype.is_complex:
        raise InputError(
            f"wants real values, got {rows.dtype}. Leave this op out of ops=, or use Subsample.",
            anchor="reducer-settings",
        )
    return Rows((n_units,), (dim,), dtype)


def check_count(name: str, value: Any) -> None:
    """Raise InputError unless a setting is a whole number of at least 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(
            f"{name} must be an int of at least 1, got {value!r}. Type e.g. {name}=100.",
            anchor="reducer-settings",
        )
