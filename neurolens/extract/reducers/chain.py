"""Several reducers in a row: read from the argument, planned, and opened for each op."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from neurolens.errors import InputError
from neurolens.extract.capture.restore import full_precision
from neurolens.extract.reducers.base import Function, Reducer, Rows, Step
from neurolens.extract.reducers.cast import Cast
from neurolens.extract.reducers.pca import PCA, PrincipalAxes
from neurolens.extract.reducers.pool import PaddedPool
from neurolens.extract.reducers.table import REDUCERS
from neurolens.labels import check_name


def count_overflow(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Return per stimulus (batch,), int64, how many finite values a cast made infinite."""
    if are_finite(after):
        return torch.zeros(len(after), dtype=torch.int64, device=after.device)
    return (before.isfinite() & after.isinf()).reshape(len(after), -1).sum(1)


def are_finite(tensor: torch.Tensor) -> bool:
    """Return whether all values are finite: the extremes tell, of which NaN is one."""
    if tensor.numel() == 0 or not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    low, high = torch.aminmax(tensor)
    return bool(low.isfinite() & high.isfinite())


@dataclass
class Chain:
    """Several reducers opened for one op.

    ``overflow`` (batch,) is what `count_overflow` found in the last batch. ``counted`` (batch,
    position), where given, are the positions that do not only pad a stimulus.
    """

    steps: list[Function]
    overflow: torch.Tensor = field(default_factory=lambda: torch.zeros(0))

    @property
    def axes(self) -> PrincipalAxes | None:
        """The step that is fitted first, if any."""
        return next((step for step in self.steps if isinstance(step, PrincipalAxes)), None)

    @property
    def leaves_padding(self) -> bool:
        """Whether a step leaves positions out, and wants to be told which."""
        return any(isinstance(step, PaddedPool) for step in self.steps)

    def fit(self, tensor: torch.Tensor, start: int, counted: torch.Tensor | None = None) -> None:
        """Fit the `axes` to a batch of the stimuli to fit on, whose first row is ``start``."""
        with full_precision(tensor.device):
            for step in self.steps:
                if isinstance(step, PrincipalAxes):
                    step.fit(tensor, start)
                    break
                tensor = apply_step(step, tensor, counted)

    def __call__(self, tensor: torch.Tensor, counted: torch.Tensor | None = None) -> torch.Tensor:
        """Return (batch, *new shape) of (batch, *shape).

        Results may arrive inside an autocast of the model, which must not apply to reducers.
        """
        self.overflow = torch.zeros(len(tensor), dtype=torch.int64, device=tensor.device)
        with full_precision(tensor.device):
            for step in self.steps:
                before = tensor
                tensor = apply_step(step, tensor, counted)
                # Only casts keep the shape.
                if tensor.shape == before.shape and tensor.dtype != before.dtype:
                    self.overflow += count_overflow(before, tensor)
        return tensor


def apply_step(step: Function, tensor: torch.Tensor, counted: torch.Tensor | None) -> torch.Tensor:
    """Return the results (batch, ...) after one step."""
    if isinstance(step, PaddedPool):
        if counted is None:
            raise ValueError("pooling that leaves padding out needs the positions that count")
        return step(tensor, counted)
    return step(tensor)


@dataclass(frozen=True, slots=True)
class ChainPlan:
    """The effect of several reducers in a row on the results of one op."""

    raw: Rows
    steps: tuple[Step, ...]

    @property
    def kept(self) -> Rows:
        """The form of each stimulus's result after all of them."""
        return self.steps[-1].after if self.steps else self.raw

    @property
    def fitted(self) -> Rows | None:
        """The form of what is fitted before the run, per stimulus; None where nothing is."""
        for step in self.steps:
            if isinstance(step.reducer, PCA) and not step.stayed_whole:
                return step.before
        return None

    def explain(self) -> list[dict[str, Any]]:
        """Return what each reducer does, in order; see `Step.explain`."""
        return [step.explain() for step in self.steps]

    def open(self, device: torch.device, shared: dict) -> Chain:
        """Return the function that applies all reducers; see `Step.open`."""
        return Chain([step.open(device, shared) for step in self.steps])


def plan_chain(reducers: Sequence[Reducer], raw: Rows, n_stimuli: int) -> ChainPlan:
    """Return what reducers do to the results of one op, in one pass over them.

    Raises what `Reducer.plan_step` raises.
    """
    steps: list[Step] = []
    rows = raw
    for reducer in reducers:
        steps.append(reducer.plan_step(rows, n_stimuli))
        rows = steps[-1].after
    return ChainPlan(raw, tuple(steps))


def read_reducer(reducer: Any) -> tuple[Reducer, ...]:
    """Return the reducers asked for, in order.

    Parameters
    ----------
    reducer : None, str, Reducer or list of these
        A string is a key of REDUCERS.

    Raises
    ------
    UnknownNameError
        For another key.
    InputError
        For a reducer that needs settings, and for PCA before anything but casts.

    Examples
    --------
    >>> from neurolens.extract.reducers.project import Project
    >>> read_reducer(["mean", Project(64), "float16"])
    (Pool(how='mean'), Project(n_components=64, epsilon=0.1, seed=0), Cast(dtype='float16'))
    """
    if reducer is None:
        return ()
    if isinstance(reducer, (list, tuple)):
        chain: list[Reducer] = []
        for part in reducer:
            chain += read_reducer(part)
        _check_order(chain)
        return tuple(chain)
    if isinstance(reducer, str):
        check_name(reducer, REDUCERS, "reducer")
        reducer = REDUCERS[reducer]
    if isinstance(reducer, type) and issubclass(reducer, Reducer):
        names = [field.name for field in fields(reducer)]  # type: ignore[arg-type]
        settings = ", ".join(f"{name}=..." for name in names)
        raise InputError(
            f"{reducer.__name__} needs settings. Type {reducer.__name__}({settings}).",
            anchor="reducer-settings",
        )
    if isinstance(reducer, Reducer):
        return (reducer,)
    raise InputError(
        f"reducer must be one of {', '.join(REDUCERS)}, a Reducer or a list of these, got "
        f"{reducer!r}.",
        anchor="reducer-settings",
    )


def _check_order(chain: Sequence[Reducer]) -> None:
    """Raise InputError when PCA is followed by anything but casts."""
    is_after = False
    for reducer in chain:
        if is_after and not isinstance(reducer, Cast):
            raise InputError(
                f"only casts may follow PCA, got {type(reducer).__name__}. "
                "Type reducer=[..., PCA(...), 'float16'].",
                anchor="reducer-settings",
            )
        is_after = is_after or isinstance(reducer, PCA)
