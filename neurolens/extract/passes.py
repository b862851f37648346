"""Repeated passes over a stimulus set, batch by batch, keeping only what was asked for."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from neurolens.errors import InputError, RecordingError
from neurolens.extract.axes import Layout, Layouts, find_layouts
from neurolens.extract.forward import record_forward
from neurolens.extract.graph import Graph
from neurolens.extract.guards import preserve_buffers
from neurolens.stimuli import StimulusSet


def read_layouts(model: nn.Module, stimuli: StimulusSet, device: torch.device) -> Layouts:
    """Return the layouts of all results, from the first two stimuli of the set."""
    if not isinstance(stimuli, StimulusSet):
        raise InputError(
            f"stimuli must be a StimulusSet, got {type(stimuli).__name__}. Make one with neurolens.load_stimuli(...)."
        )
    if len(stimuli) < 2:
        raise InputError("extraction needs at least 2 stimuli, to tell their axis from the others")
    _, more = next(stimuli.iterate_batches(min(3, len(stimuli))))
    more = more.to(device)
    return find_layouts(model, more[:-1], more)


def find_device(model: nn.Module, device: str | torch.device | None) -> torch.device:
    """Return the device to run on: the one asked for, else where the model's parameters are."""
    if device is not None:
        chosen = torch.device(device)
        if chosen.type == "cuda" and not torch.cuda.is_available():
            raise InputError(f"device={str(device)!r} was asked for, but torch sees no GPU. Leave device= out.")
        return chosen
    held = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if held is None else held.device


def iterate_results(
    model: nn.Module,
    stimuli: StimulusSet,
    graph: Graph,
    layouts: Sequence[Layout],
    *,
    batch_size: int,
    device: torch.device,
    progress: tqdm | None = None,
) -> Iterator[tuple[slice, dict[str, torch.Tensor]]]:
    """Run the whole set once, yielding for each batch its rows and the wanted results, stimuli first.

    The pass ends after the last wanted op. A batch whose ops are not those of ``graph`` raises: the graph depends on
    the stimuli.
    """
    wanted = {layout.op for layout in layouts}
    last = layouts[-1].op
    expected = [(op.name, op.source) for op in graph.ops[: graph.by_name[last].index + 1]]
    start = 0
    for ids, batch in stimuli.iterate_batches(batch_size):
        rows = slice(start, start + len(ids))
        start += len(ids)
        try:
            with preserve_buffers(model):
                recording = record_forward(model, batch.to(device), keep=wanted.__contains__, stop_after=last)
        except RecordingError as error:
            raise RecordingError(f"stimuli {ids[0]!r} to {ids[-1]!r}: {error}") from error
        ran = [(event.name, event.site.source) for event in recording.events]
        if ran != expected:
            pairs = itertools.zip_longest(expected, ran, fillvalue=("nothing", ""))
            (want, at), (got, there) = next(pair for pair in pairs if pair[0] != pair[1])
            raise InputError(
                f"the graph depends on the stimuli: for {ids[0]!r} to {ids[-1]!r} the model ran {got!r} ({there}) "
                f"where the first stimuli ran {want!r} ({at}). Extract these stimuli on their own."
            )
        found = {event.name: event.outputs for event in recording.events if event.name in wanted}
        yield rows, {x.name: _take(x, found[x.op], len(ids)) for x in layouts}
        if progress is not None:
            progress.update(len(ids))


def _take(layout: Layout, outputs: list, n_stimuli: int) -> torch.Tensor:
    return layout.put_stimuli_first(outputs[max(layout.output, 0)].tensor, n_stimuli)


def choose_layouts(layouts: Layouts, ops: str | list[str] | Callable[[Any], bool]) -> list[Layout]:
    """Return the layouts of the selected ops in execution order.

    Raises
    ------
    InputError
        When an op asked for by name has no stimulus axis.
    UnknownNameError
        For a name or pattern that matches nothing.
    """
    if callable(ops):
        names = [op.name for op in layouts.graph if ops(op)]
    else:
        names = layouts.graph.select_names(ops)
        if is_named(ops):
            unusable = [n for n in names if n in layouts.skipped]
            if unusable:
                raise InputError(f"{unusable[0]!r} has no result per stimulus: {layouts.skipped[unusable[0]]}")
    chosen = set(names)
    found = [layout for layout in layouts.by_name.values() if layout.op in chosen]
    if not found:
        raise InputError(f"none of the {len(names)} selected ops has a result per stimulus")
    return found


def is_named(ops: Any) -> bool:
    """Return whether every op was asked for by name, rather than by pattern, predicate or ``"all"``."""
    patterns = [ops] if isinstance(ops, str) else [] if callable(ops) else list(ops)
    return bool(patterns) and not any(p == "all" or any(c in p for c in "*?[") for p in patterns)


def show_progress(total: int, what: str, quiet: bool) -> tqdm:
    """Return a progress bar counting stimuli, silent when ``quiet``."""
    return tqdm(total=total, desc=what, unit=" stimuli", disable=quiet, leave=False)
