"""The layouts of a run, from stimuli of all parts of the set, tested in a second batch."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.forward import record_forward
from neurolens.extract.capture.restore import release_memory
from neurolens.extract.stream.batches import are_alike, call_with_batch, read_batch, slice_rows
from neurolens.extract.stream.follow import PassDeviated, follow_forward
from neurolens.extract.stream.layouts.finding import Layouts, Recorded, record_layouts
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.layouts.rows import (
    MIXES,
    KnownRows,
    RowComparison,
    follow_precision,
    shuffle_rows,
    spread_rows,
)
from neurolens.stimuli import StimulusSet
from neurolens.stimuli.inputs import Batch

_N_RECORDED = 3
_N_SHUFFLED = 8


def read_layouts(
    model: nn.Module,
    stimuli: StimulusSet,
    device: torch.device,
    noise: StimulusNoise,
    batch_size: int | None = None,
    kwargs: dict[str, Any] | None = None,
) -> Layouts:
    """Return the layouts of all results of a model for the stimuli of a set.

    ``kwargs`` are keyword arguments of the model that are the same for all stimuli.

    The first two and the first three stimuli are recorded, or others where these are alike. Up to
    eight from all parts of the set, among them these in another order, are then run in one batch,
    and each result is compared for the stimuli of both: a row must follow its stimulus. With
    batches of one stimulus it does.

    Raises
    ------
    InputError
        For fewer than two stimuli.
    """
    if len(stimuli) < 2:
        raise InputError("extraction needs at least 2 stimuli, to tell their axis from the others")
    rows = list(range(min(_N_RECORDED, len(stimuli))))
    batch = read_batch(stimuli, rows, device)
    if are_alike(batch):
        rows = spread_rows(len(stimuli), _N_RECORDED)
        batch = read_batch(stimuli, rows, device)
    ids = [stimuli.ids[row] for row in rows]
    dim_names = {}
    for key, names in stimuli.layout.items():
        dim_names["input" if key is None else f"input.{key}"] = names
    few = slice_rows(batch, slice(-1))
    recorded = record_layouts(model, few, batch, ids, noise, kwargs, dim_names)
    layouts = recorded.layouts
    if batch_size != 1:
        n_rows = min(_N_SHUFFLED, batch_size or _N_SHUFFLED, len(stimuli))
        test = _BatchTest(model, stimuli, device, noise, recorded, ids, kwargs)
        layouts = test.run(shuffle_rows(len(stimuli), rows, n_rows))
    release_memory()
    return layouts


class _BatchTest:
    """Compares the results of a second batch with those recorded before."""

    def __init__(
        self,
        model: nn.Module,
        stimuli: StimulusSet,
        device: torch.device,
        noise: StimulusNoise,
        recorded: Recorded,
        recorded_ids: Sequence[str],
        kwargs: dict[str, Any] | None,
    ) -> None:
        self._model = model
        self._stimuli = stimuli
        self._device = device
        self._kwargs = kwargs
        self._noise = noise
        self._layouts = recorded.layouts
        self._recorded = recorded.rows
        self._recorded_ids = recorded_ids
        self._precisions = follow_precision(recorded.layouts.by_name)

    def run(self, rows: Sequence[int]) -> Layouts:
        """Return the layouts with what a batch of these rows tells of them."""
        layouts = self._layouts
        ids = [self._stimuli.ids[row] for row in rows]
        batch = read_batch(self._stimuli, rows, self._device)
        first = self._compare(batch, ids, self._recorded, self._recorded_ids)
        mixing = first.mixing
        random = set(layouts.random)
        if mixing and layouts.drawn:
            # Do they differ because of generators whose numbers cannot be drawn for each stimulus?
            self._noise.round += 1
            again = self._compare(batch, ids, first.values, first.shared_ids)
            self._noise.round -= 1
            random |= {layouts.by_name[name].op for name in again.mixing}
            mixing = [name for name in mixing if name not in again.mixing]
        return replace(
            layouts,
            random=tuple(op.name for op in layouts.graph if op.name in random),
            mixing=dict.fromkeys(mixing, MIXES),
            # Where some random numbers follow the batch, values may differ for that reason.
            known=None if layouts.drawn else KnownRows(first.samples, ids, self._precisions),
        )

    def _compare(
        self,
        batch: Batch,
        ids: Sequence[str],
        reference: Mapping[str, torch.Tensor],
        reference_ids: Sequence[str],
    ) -> RowComparison:
        """Run a batch and compare its results with those of reference, (stimulus, ...)."""
        expected = self._layouts.expected
        by_op: dict[str, list[Layout]] = {}
        for name, layout in self._layouts.by_name.items():
            if name in reference:
                by_op.setdefault(layout.op, []).append(layout)
        comparison = RowComparison(reference, reference_ids, ids, self._precisions)
        if not by_op:
            return comparison
        take = partial(_take_results, comparison, len(ids))
        handlers = {expected.positions[op]: partial(take, group) for op, group in by_op.items()}
        call = call_with_batch(self._model, batch, self._kwargs)
        self._noise.begin(ids)
        try:
            follow_forward(call.copy_inputs(), expected, len(ids), handlers, self._noise)
        except PassDeviated:
            comparison = RowComparison(reference, reference_ids, ids, self._precisions)
            self._noise.begin(ids)
            recording = record_forward(
                call.copy_inputs(),
                keep=by_op.__contains__,
                sites=expected.sites,
                noise=self._noise,
            )
            for event in recording.events:
                if event.name in by_op:
                    tensors = [value.tensor for value in event.outputs]
                    _take_results(comparison, len(ids), by_op[event.name], tensors)
        return comparison


def _take_results(
    comparison: RowComparison,
    n_stimuli: int,
    layouts: Sequence[Layout],
    tensors: Sequence[torch.Tensor | None],
) -> None:
    """Compare the results of one op; those that have no rows here are left to the run."""
    for layout in layouts:
        k = max(layout.output, 0)
        tensor = tensors[k] if k < len(tensors) else None
        if tensor is None:
            continue
        try:
            rows = layout.put_stimuli_first(tensor, n_stimuli)
        except InputError:
            continue
        comparison.compare(layout, rows)
