"""Reducers one after another: read from what was asked for, planned, opened for each op."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from neurolens.errors import InputError
from neurolens.extract.reducers.base import Function, Reducer, Rows
from neurolens.extract.reducers.cast import Cast
from neurolens.extract.reducers.pca import PCA, PrincipalAxes
from neurolens.extract.reducers.table import REDUCERS
from neurolens.labels import check_name


def count_overflow(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Return per stimulus (batch,), int64, how many finite values a cast made infinite."""
    return (before.isfinite() & after.isinf()).reshape(len(after), -1).sum(1)


@dataclass
class Chain:
    """Several reducers opened for one op.

    ``overflow`` (batch,) is what `count_overflow` found in the last batch.
    """

    steps: list[Function]
    overflow: torch.Tensor = field(default_factory=lambda: torch.zeros(0))

    def fit(self, tensor: torch.Tensor) -> None:
        """Let the `PrincipalAxes` among the steps, if any.

        Learn from a batch of the stimuli to fit on.
        """
        for step in self.steps:
            if isinstance(step, PrincipalAxes):
                step.fit(tensor)
                break
            tensor = step(tensor)

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return (batch, *new shape) of (batch, *shape)."""
        self.overflow = torch.zeros(len(tensor), dtype=torch.int64, device=tensor.device)
        for step in self.steps:
            before = tensor
            tensor = step(tensor)
            if tensor.shape == before.shape and tensor.dtype != before.dtype:  # only casts do that
                self.overflow += count_overflow(before, tensor)
        return tensor


def plan_chain(reducers: Sequence[Reducer], rows: Rows, n_stimuli: int) -> Rows:
    """Return what each stimulus's result looks like after all reducers.

    Raises what `Reducer.plan` raises.
    """
    for reducer in reducers:
        rows = reducer.plan(rows, n_stimuli)
    return rows


def explain_chain(reducers: Sequence[Reducer], rows: Rows, n_stimuli: int) -> list[dict[str, Any]]:
    """Return what each reducer did to an op, in order; see `Reducer.explain`."""
    return [
        r.explain(plan_chain(reducers[:i], rows, n_stimuli), n_stimuli)
        for i, r in enumerate(reducers)
    ]


def open_chain(
    reducers: Sequence[Reducer], rows: Rows, n_stimuli: int, device: torch.device, shared: dict
) -> Chain:
    """Return the function that applies all reducers to the results of one op.

    See `Reducer.open`.
    """
    befores = [plan_chain(reducers[:i], rows, n_stimuli) for i in range(len(reducers))]
    return Chain(
        [r.open(b, n_stimuli, device, shared) for r, b in zip(reducers, befores, strict=True)]
    )


def read_reducer(reducer: Any) -> tuple[Reducer, ...]:
    """Return the reducers asked for by None, a key of REDUCERS, a `Reducer`, or a list of these, in order.

    UnknownNameError for another key; InputError for one that needs settings and for PCA before
    anything but casts.

    >>> from neurolens.extract.reducers.project import Project
    >>> read_reducer(["mean", Project(64), "float16"])
    (Pool(how='mean'), Project(n_components=64, epsilon=0.1, seed=0), Cast(dtype='float16'))
    """
    if isinstance(reducer, list | tuple):
        chain = tuple(one for part in reducer for one in read_reducer(part))
        first = next((i for i, one in enumerate(chain) if isinstance(one, PCA)), len(chain))
        late = [type(one).__name__ for one in chain[first + 1 :] if not isinstance(one, Cast)]
        if late:
            raise InputError(
                f"only casts may follow PCA, got {late[0]}. Type reducer=[..., PCA(...), "
                f"'float16']."
            )
        return chain
    if isinstance(reducer, str):
        check_name(reducer, REDUCERS, "reducer")
        reducer = REDUCERS[reducer]
    if isinstance(reducer, type) and issubclass(reducer, Reducer):
        settings = ", ".join(f"{field.name}=..." for field in fields(reducer))  # type: ignore[arg-type]
        raise InputError(f"{reducer.__name__} needs settings. Type {reducer.__name__}({settings}).")
    if reducer is None or isinstance(reducer, Reducer):
        return () if reducer is None else (reducer,)
    raise InputError(
        f"reducer must be one of {', '.join(REDUCERS)}, a Reducer or a list of these, got "
        f"{reducer!r}."
    )
