"""What a run over a stimulus set will do, settled before it starts: results, what is kept of them, batches, groups."""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.axes import Layout, Layouts, find_layouts
from neurolens.extract.chains import explain_chain, plan_chain, read_reducer
from neurolens.extract.guards import evaluation_mode, preserve_buffers, release_memory
from neurolens.extract.reducers import Reducer, Rows
from neurolens.extract.select import OpSelection, is_named, select_ops
from neurolens.labels import list_names
from neurolens.stimuli import StimulusSet

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_BATCH_SIZES = (32, 16, 8, 4, 2)
ModelSource = nn.Module | Callable[[], nn.Module]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Slot:
    """One result and what is kept of it per stimulus; ``notes`` and ``arrays`` say what the reducers did."""

    layout: Layout
    kept: Rows
    notes: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def name(self) -> str:
        """Label of the result."""
        return self.layout.name

    @property
    def raw(self) -> Rows:
        """What the op gives per stimulus."""
        return Rows(self.layout.shape, self.layout.dims, self.layout.dtype)

    @property
    def n_bytes(self) -> int:
        """Bytes kept per stimulus, as numpy holds them."""
        return count_elements(self.kept.shape) * find_numpy_dtype(self.kept.dtype).itemsize


@dataclass(frozen=True)
class Plan:
    """Everything a run follows: ``batches`` are rows, ``fit_on`` the stimuli that reducers are fitted on."""

    model: nn.Module
    stimuli: StimulusSet
    layouts: Layouts
    slots: tuple[Slot, ...]
    reducers: tuple[Reducer, ...]
    batches: tuple[range, ...]
    batch_size: int
    device: torch.device
    fit_on: tuple[str, ...] | None
    workers: int | None = None


def make_plan(
    model: nn.Module,
    stimuli: StimulusSet,
    *,
    ops: OpSelection,
    reducer: Any,
    batch_size: int | None,
    memory: str | int,
    device: str | torch.device | None,
    workers: int | None = None,
) -> Plan:
    """Return the plan of a run; the model runs twice, on three stimuli at most, in the mode it is in.

    Raises
    ------
    InputError
        For stimuli, a device, ops, a reducer, a batch size or a budget that cannot be used.
    UnknownNameError
        For ops that match nothing.
    """
    budget = read_bytes(memory)
    target = find_device(model, device)
    reducers = read_reducer(reducer)
    layouts = read_layouts(model, stimuli, target)
    slots = []
    for layout in choose_layouts(layouts, ops):
        raw = Rows(layout.shape, layout.dims, layout.dtype)
        try:
            told, kept = explain_chain(reducers, raw, len(stimuli)), plan_chain(reducers, raw, len(stimuli))
        except InputError as error:
            if is_named(ops):
                raise InputError(f"{layout.name!r}: {error}") from None
            layouts.skipped[layout.name] = str(error)
            continue
        arrays = {k: v for one in told for k, v in one.items() if isinstance(v, np.ndarray)}
        plain = [{k: v for k, v in one.items() if k not in arrays and k != "fit_on"} for one in told]
        notes = {"reducers": json.dumps(plain)} if plain else {}
        position = layouts.graph.by_name[layout.op].index
        slots.append(Slot(layout, kept, {"position": position, **notes}, arrays))
    if not slots:
        raise InputError(f"none of the selected ops can be reduced so: {list_names(layouts.skipped.values())}")
    if batch_size is None:
        batch_size = choose_batch_size(layouts, budget)
    fit_on = next((one.fit_on for one in reducers if one.fit_on), None)
    if fit_on is not None:
        stimuli.select(fit_on)
    batches = tuple(stimuli.split_rows(batch_size))
    return Plan(model, stimuli, layouts, tuple(slots), reducers, batches, batch_size, target, fit_on, workers)


@contextmanager
def open_plan(model: nn.Module, stimuli: StimulusSet, **settings: Any) -> Iterator[Plan]:
    """Make the plan of a run and, while it is followed, keep the model in evaluation mode; see `make_plan`."""
    with evaluation_mode(model), preserve_buffers(model), torch.no_grad():
        yield make_plan(model, stimuli, **settings)


def materialize_model(source: ModelSource) -> nn.Module:
    """Return a model from itself or from a function that makes it; whether it is one, `open_plan` checks."""
    return source if isinstance(source, nn.Module) or not callable(source) else source()


def read_layouts(model: nn.Module, stimuli: StimulusSet, device: torch.device) -> Layouts:
    """Return the layouts of all results, from the first three stimuli of the set."""
    if not isinstance(stimuli, StimulusSet):
        raise InputError(
            f"stimuli must be a StimulusSet, got {type(stimuli).__name__}. Make one with neurolens.load_stimuli(...)."
        )
    if len(stimuli) < 2:
        raise InputError("extraction needs at least 2 stimuli, to tell their axis from the others")
    more = stimuli.read_rows(range(min(3, len(stimuli)))).to(device)
    found = find_layouts(model, more[:-1], more)
    release_memory()
    return found


def find_device(model: nn.Module, device: str | torch.device | None) -> torch.device:
    """Return the device to run on: the one asked for, else where the model's parameters are."""
    if device is not None:
        try:
            chosen = torch.device(device)
            torch.empty(0, device=chosen)
        except Exception as error:
            raise InputError(
                f"device={device!r} cannot be used: {_explain_device(device, error)}. Leave device= out to run where "
                "the model is, or type e.g. device='cpu'."
            ) from None
        if chosen.type == "meta":
            raise InputError("device='meta' holds no values. Leave device= out, or type e.g. device='cpu'.")
        return chosen
    held = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if held is None else held.device


def _explain_device(device: Any, error: Exception) -> str:
    if str(device).startswith("cuda") and not torch.cuda.is_available():
        return "torch sees no GPU"
    return str(error).partition("\n")[0].rstrip(".")


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
    unusable = [n for n in names if n in layouts.skipped] if is_named(ops) else []
    if unusable:
        raise InputError(f"{unusable[0]!r} has no result per stimulus: {layouts.skipped[unusable[0]]}")
    chosen = set(names)
    found = [layout for layout in layouts.by_name.values() if layout.op in chosen]
    if not found:
        raise InputError(f"none of the {len(names)} selected ops has a result per stimulus")
    return found


def choose_batch_size(layouts: Layouts, budget: int) -> int:
    """Return the largest usual batch whose pass holds no more than a quarter of the budget."""
    return next((b for b in _BATCH_SIZES if layouts.predict_live_bytes(b) <= budget // 4), _BATCH_SIZES[-1])


def pack_items(items: Iterable[Item], measure: Callable[[Item], int], budget: int) -> list[list[Item]]:
    """Split items, in order, into groups within the budget, each as full as can be; what exceeds it stands alone."""
    groups: list[list[Item]] = []
    free = 0
    for item in items:
        size = measure(item)
        if not groups or size > free:
            groups.append([])
            free = budget
        groups[-1].append(item)
        free -= size
    return groups


def read_bytes(memory: str | int) -> int:
    """Return a number of bytes from ``"4GiB"``, ``"500 MB"`` or an int."""
    if isinstance(memory, int) and not isinstance(memory, bool) and memory > 0:
        return memory
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B)\s*", str(memory))
    if not match or match[2] not in _UNITS or float(match[1]) <= 0:
        raise InputError(f"memory must be a size such as '4GiB', '500MB' or a number of bytes, got {memory!r}")
    return int(float(match[1]) * _UNITS[match[2]])


def count_elements(shape: Sequence[int]) -> int:
    """Return the number of elements of a shape."""
    return int(torch.Size(shape).numel())


def find_numpy_dtype(dtype: torch.dtype) -> Any:
    """Return the numpy dtype that holds a tensor's values: float32 for bfloat16, of which numpy has none."""
    return torch.empty(0, dtype=torch.float32 if dtype == torch.bfloat16 else dtype).numpy().dtype
