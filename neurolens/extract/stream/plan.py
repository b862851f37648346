"""Plan of a run over a stimulus set, made before it starts.

It says which results are kept, in which form, and in which batches.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from neurolens.errors import InputError, warn_user
from neurolens.extract.capture.calls.attention import FUSED, use_attention
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.modules.models import find_module, unwrap_model
from neurolens.extract.capture.restore import evaluation_mode
from neurolens.extract.graph.select import OpSelection, is_named, select_ops
from neurolens.extract.reducers.base import Reducer, Rows
from neurolens.extract.reducers.chain import ChainPlan, plan_chain, read_reducer
from neurolens.extract.stream.batches import prepare_kwargs
from neurolens.extract.stream.checks import check_inputs, check_samples, check_seed, find_device
from neurolens.extract.stream.layouts.finding import Layouts, list_sampled
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.layouts.padding import PaddedRows
from neurolens.extract.stream.layouts.pair import FirstResults
from neurolens.extract.stream.layouts.reading import read_layouts
from neurolens.labels import list_names
from neurolens.stimuli import StimulusSet
from neurolens.support.heap import keep_freed_memory
from neurolens.support.sizes import read_bytes

_BATCH_SIZES = (32, 16, 8, 4, 2)
ModelSource = nn.Module | Callable[[], nn.Module]


@dataclass(frozen=True)
class RunSettings:
    """The settings of a run that a user chooses; see `extract_activations`."""

    ops: OpSelection = "all"
    reducer: Any = None
    batch_size: int | None = None
    memory: str | int = "4GiB"
    device: str | torch.device | None = None
    workers: int | None = None
    rng: int = 0
    batch_dependent: bool = False
    attention: str = FUSED
    kwargs: dict[str, Any] | None = None
    n_samples: int = 1


@dataclass(frozen=True)
class Output:
    """One result and the form in which it is kept per stimulus and sample.

    ``attributes`` and ``arrays`` describe the position of the op and the effect of the reducers;
    ``n_samples`` is how many samples are kept of it, 1 where they are all the same.
    """

    layout: Layout
    chain: ChainPlan
    attributes: dict[str, Any]
    arrays: dict[str, np.ndarray]
    n_samples: int = 1

    @property
    def name(self) -> str:
        """Label of the result."""
        return self.layout.name

    @property
    def raw(self) -> Rows:
        """The form of the op's result per stimulus."""
        return self.chain.raw

    @property
    def kept(self) -> Rows:
        """The form of what is kept of it."""
        return self.chain.kept

    @property
    def is_sampled(self) -> bool:
        """Whether it has the dimension of samples."""
        return self.n_samples > 1

    @property
    def n_bytes(self) -> int:
        """Bytes kept per stimulus, of all samples, as numpy holds them."""
        n_values = self.n_samples * count_elements(self.kept.shape)
        return n_values * find_numpy_dtype(self.kept.dtype).itemsize


class Step(NamedTuple):
    """One step of a run: the rows of a batch, in one sample."""

    number: int
    sample: int
    rows: range


@dataclass(frozen=True)
class Plan:
    """The complete plan of a run.

    ``batches`` are rows of the set; ``fit_on`` names the stimuli that reducers are fitted on;
    ``named`` says whether every op was asked for by name; ``noise`` draws random numbers;
    ``batch_dependent`` says whether results are kept whose rows do not follow their stimuli;
    ``kwargs`` are keyword arguments of the model that are the same for all stimuli; ``n_samples``
    is how often the model is to run with other random numbers, and ``sampled`` names the ops whose
    results may then differ. ``check_memory`` is called now and then, and gives free memory back
    where too much is held.
    """

    model: nn.Module
    stimuli: StimulusSet
    layouts: Layouts
    outputs: tuple[Output, ...]
    reducers: tuple[Reducer, ...]
    batches: tuple[range, ...]
    batch_size: int
    budget: int
    device: torch.device
    fit_on: tuple[str, ...] | None
    workers: int | None = None
    named: bool = False
    noise: StimulusNoise = field(default_factory=StimulusNoise)
    batch_dependent: bool = False
    kwargs: dict[str, Any] = field(default_factory=dict)
    n_samples: int = 1
    sampled: frozenset[str] = frozenset()
    check_memory: Callable[[], None] = lambda: None

    def count_samples(self, layouts: Iterable[Layout]) -> int:
        """Return how often the model runs for some results: once where samples are the same."""
        return self.n_samples if any(one.op in self.sampled for one in layouts) else 1

    @property
    def n_rounds(self) -> int:
        """How often the model runs over the set for all results together."""
        return self.count_samples(output.layout for output in self.outputs)

    @property
    def n_steps(self) -> int:
        """The number of steps of a run: each is one batch in one sample; see `split_step`."""
        return self.n_rounds * len(self.batches)

    def split_step(self, number: int) -> Step:
        """Return what a step of the run is: those of sample 0 come first."""
        sample, batch = divmod(number, len(self.batches))
        return Step(number, sample, self.batches[batch])


def make_plan(
    model: nn.Module,
    stimuli: StimulusSet,
    settings: RunSettings,
    first: FirstResults | None = None,
) -> Plan:
    """Return the plan of a run; the model runs in its own mode, as `read_layouts` says.

    ``first``, where given, takes results of the first batch.

    Raises
    ------
    InputError
        For stimuli, a device, ops, a reducer, a batch size, a budget, a number of samples or
        keyword arguments that cannot be used.
    UnknownNameError
        For ops that match nothing.
    """
    budget = read_bytes(settings.memory)
    device = find_device(model, settings.device)
    reducers = read_reducer(settings.reducer)
    noise = StimulusNoise(check_seed(settings.rng))
    batch_size = settings.batch_size
    if batch_size is not None:
        stimuli.split_rows(batch_size)
    kwargs = prepare_kwargs(settings.kwargs, device)
    n_samples = check_samples(settings.n_samples)
    layouts = read_layouts(
        model, stimuli, device, noise, batch_size, kwargs, n_samples > 1, budget, first
    )
    sampled = list_sampled(layouts) if n_samples > 1 else frozenset()
    outputs = plan_outputs(layouts, settings, reducers, stimuli, sampled)
    if n_samples > 1:
        _warn_of_same_samples(layouts, outputs, n_samples)
    if batch_size is None:
        batch_size = choose_batch_size(layouts, budget)
    fit_on = next((reducer.fit_on for reducer in reducers if reducer.fit_on), None)
    if fit_on is not None:
        stimuli.select(fit_on)
    return Plan(
        model=model,
        stimuli=stimuli,
        layouts=layouts,
        outputs=outputs,
        reducers=reducers,
        batches=tuple(stimuli.split_rows(batch_size)),
        batch_size=batch_size,
        budget=budget,
        device=device,
        fit_on=fit_on,
        workers=settings.workers,
        named=is_named(settings.ops),
        noise=noise,
        batch_dependent=settings.batch_dependent,
        kwargs=kwargs,
        n_samples=n_samples,
        sampled=sampled,
    )


def _warn_of_same_samples(layouts: Layouts, outputs: Sequence[Output], n_samples: int) -> None:
    """Warn where samples are, or may be, the same."""
    if not any(output.is_sampled for output in outputs):
        warn_user(
            f"n_samples={n_samples}, but no random numbers feed the chosen ops: all samples are "
            "the same, so one is kept, without the dimension 'sample'"
        )
    elif not layouts.random:
        warn_user(
            f"n_samples={n_samples}, but the samples that were looked at are all the same: the "
            f"model draws random numbers from {list_names(layouts.drawn)}, which changed no "
            "result. Does it set a seed itself?"
        )


@contextmanager
def open_plan(
    model: Any, stimuli: Any, settings: RunSettings, first: FirstResults | None = None
) -> Iterator[Plan]:
    """Make the plan of a run and, while it is followed, keep the model in evaluation mode.

    Raises
    ------
    InputError
        Also for something that is no model or no stimulus set; see `make_plan`.
    """
    check_inputs(model, stimuli)
    model = unwrap_model(model)
    is_on_cpu = find_device(model, settings.device).type == "cpu"
    with (
        use_attention(settings.attention),
        evaluation_mode(model),
        torch.no_grad(),
        keep_freed_memory(read_bytes(settings.memory) if is_on_cpu else 0) as check_memory,
    ):
        plan = make_plan(model, stimuli, settings, first)
        check_memory()
        yield replace(plan, check_memory=check_memory)


def materialize_model(source: Any) -> Any:
    """Return a model from itself or from a function that makes it; `open_plan` checks it."""
    source = find_module(source)
    return source if isinstance(source, nn.Module) or not callable(source) else source()


def plan_outputs(
    layouts: Layouts,
    settings: RunSettings,
    reducers: Sequence[Reducer],
    stimuli: StimulusSet,
    sampled: Collection[str] = (),
) -> tuple[Output, ...]:
    """Return the outputs that are kept of each selected op.

    An op that the reducers cannot reduce is added to ``layouts.skipped``. Of the ops ``sampled``
    all samples are kept.

    Raises
    ------
    InputError
        When no op is left, or one that was asked for by name cannot be reduced.
    """
    ops = settings.ops
    outputs = []
    rows_of = PaddedRows(layouts, stimuli)
    for layout in choose_layouts(layouts, ops):
        if layout.name in layouts.mixing and not settings.batch_dependent:
            if is_named(ops):
                raise refuse_mixing(layout.name, layouts.mixing[layout.name])
            layouts.skipped[layout.name] = layouts.mixing[layout.name]
            continue
        position = layouts.graph.by_name[layout.op].index
        rows = rows_of.describe(layout)
        n_samples = settings.n_samples if layout.op in sampled else 1
        try:
            output = _plan_output(layout, rows, position, reducers, len(stimuli))
            outputs.append(replace(output, n_samples=n_samples))
        except InputError as error:
            if is_named(ops):
                raise InputError(f"{layout.name!r}: {error}") from None
            layouts.skipped[layout.name] = error.message
    if not outputs:
        reasons = dict.fromkeys(layouts.skipped.values())
        raise InputError(f"none of the selected ops can be kept: {list_names(reasons)}")
    return tuple(outputs)


def refuse_mixing(name: str, reason: str) -> InputError:
    """Return the error that refuses a result whose rows do not follow their stimuli."""
    return InputError(
        f"{name!r} has no values of single stimuli: {reason}. Run with batch_size=1, which shows "
        "the model each stimulus alone, or pass batch_dependent=True to keep such results, marked.",
        anchor="mixes-stimuli",
    )


def _plan_output(
    layout: Layout, rows: Rows, position: int, reducers: Sequence[Reducer], n_stimuli: int
) -> Output:
    chain = plan_chain(reducers, rows, n_stimuli)
    arrays: dict[str, np.ndarray] = {}
    explained = []
    for step in chain.explain():
        arrays |= {key: value for key, value in step.items() if isinstance(value, np.ndarray)}
        explained.append({key: value for key, value in step.items() if key not in arrays})
    attributes: dict[str, Any] = {"position": position}
    if explained:
        attributes["reducers"] = json.dumps(explained)
    return Output(layout, chain, attributes, arrays)


def choose_layouts(layouts: Layouts, ops: OpSelection) -> list[Layout]:
    """Return the layouts of the selected ops in execution order.

    Raises
    ------
    InputError
        When an op asked for by name has no stimulus axis.
    UnknownNameError
        For a name or pattern that matches nothing.
    """
    names = select_ops(layouts.graph, ops)
    unusable = [name for name in names if name in layouts.skipped] if is_named(ops) else []
    if unusable:
        raise InputError(
            f"{unusable[0]!r} has no result per stimulus: {layouts.skipped[unusable[0]]}",
            anchor="no-result-per-stimulus",
        )
    selected = set(names)
    chosen = [layout for layout in layouts.by_name.values() if layout.op in selected]
    if not chosen:
        reasons = dict.fromkeys(layouts.skipped[n] for n in names if n in layouts.skipped)
        why = f": {list_names(reasons)}" if reasons else ""
        raise InputError(
            f"none of the {len(names)} selected ops has a result per stimulus{why}",
            anchor="no-result-per-stimulus",
        )
    return chosen


def choose_batch_size(layouts: Layouts, budget: int) -> int:
    """Return the largest usual batch whose pass holds no more than a quarter of the budget."""
    return fit_batch_size(layouts.predict_live_bytes, budget)


def fit_batch_size(predict_live_bytes: Callable[[int], int], budget: int) -> int:
    """Return what `choose_batch_size` does, from the bytes that a pass of so many stimuli holds."""
    return next((n for n in _BATCH_SIZES if predict_live_bytes(n) <= budget // 4), _BATCH_SIZES[-1])


def count_elements(shape: Sequence[int]) -> int:
    """Return the number of elements of a shape."""
    return int(torch.Size(shape).numel())


def find_numpy_dtype(dtype: torch.dtype) -> Any:
    """Return the numpy dtype that holds a tensor's values; see `find_host_dtype`."""
    return torch.empty(0, dtype=find_host_dtype(dtype)).numpy().dtype


def find_host_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype in which values are held outside of torch.

    It is float32 for bfloat16 and numbers of eight bits, complex64 for halves, which numpy has not.
    """
    if dtype == torch.complex32:
        return torch.complex64
    is_foreign = dtype == torch.bfloat16 or (dtype.is_floating_point and dtype.itemsize == 1)
    return torch.float32 if is_foreign else dtype
