"""Repeated passes over a stimulus set, batch by batch, keeping only what was asked for."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from neurolens.errors import InputError, RecordingError
from neurolens.extract.axes import Layout, Layouts, find_layouts
from neurolens.extract.forward import record_forward
from neurolens.stimuli import StimulusSet


def read_layouts(model: nn.Module, stimuli: StimulusSet, device: torch.device) -> Layouts:
    """Return the layouts of all results, from the first two stimuli of the set."""
    if not isinstance(stimuli, StimulusSet):
        raise InputError(
            f"stimuli must be a StimulusSet, got {type(stimuli).__name__}. Make one with neurolens.load_stimuli(...)."
        )
    if len(stimuli) < 2:
        raise InputError("extraction needs at least 2 stimuli, to tell their axis from the others")
    _, pair = next(stimuli.iterate_batches(2))
    pair = pair.to(device)
    return find_layouts(model, pair[:1], pair)


def find_device(model: nn.Module, device: str | torch.device | None) -> torch.device:
    """Return the device to run on: the one asked for, else where the model's parameters are."""
    if device is not None:
        return torch.device(device)
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def iterate_results(
    model: nn.Module,
    stimuli: StimulusSet,
    layouts: Sequence[Layout],
    *,
    batch_size: int,
    device: torch.device,
    progress: tqdm | None = None,
) -> Iterator[tuple[slice, dict[str, torch.Tensor]]]:
    """Run the whole set once, yielding for each batch its rows and the wanted results, stimuli first.

    The pass ends after the last wanted op. Ops that a batch lacks, or that turn up in another number, raise: the
    graph depends on the stimuli.
    """
    wanted = {layout.op for layout in layouts}
    last = layouts[-1].op
    start = 0
    for ids, batch in stimuli.iterate_batches(batch_size):
        rows = slice(start, start + len(ids))
        start += len(ids)
        try:
            recording = record_forward(model, batch.to(device), keep=wanted.__contains__, stop_after=last)
        except RecordingError as error:
            raise RecordingError(f"stimuli {ids[0]!r} to {ids[-1]!r}: {error}") from error
        found = {event.name: event.outputs for event in recording.events if event.name in wanted}
        missing = wanted - found.keys()
        if missing:
            raise InputError(
                f"op {sorted(missing)[0]!r} did not run for stimuli {ids[0]!r} to {ids[-1]!r}: the graph depends "
                "on the stimuli. Leave it out of ops=, or extract these stimuli on their own."
            )
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
        if not any(isinstance(ops, str) and c in ops for c in "*?[") and ops != "all":
            unusable = [n for n in names if n in layouts.skipped]
            if unusable:
                raise InputError(f"{unusable[0]!r} has no result per stimulus: {layouts.skipped[unusable[0]]}")
    chosen = set(names)
    found = [layout for layout in layouts.by_name.values() if layout.op in chosen]
    if not found:
        raise InputError(f"none of the {len(names)} selected ops has a result per stimulus")
    return found


def show_progress(total: int, what: str, quiet: bool) -> tqdm:
    """Return a progress bar counting stimuli, silent when ``quiet``."""
    return tqdm(total=total, desc=what, unit=" stimuli", disable=quiet, leave=False)
