"""The layouts of a run, from stimuli of all parts of the set, tested in a second batch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.forward import record_forward
from neurolens.extract.capture.restore import release_memory
from neurolens.extract.graph.ops import Op, Parent
from neurolens.extract.stream.batches import are_alike, call_with_batch, read_batch, slice_rows
from neurolens.extract.stream.follow import PassDeviated, follow_forward
from neurolens.extract.stream.layouts.finding import Layouts, Recorded, record_layouts
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.layouts.rows import (
    MIXES,
    KnownRows,
    RowComparison,
    shuffle_rows,
    spread_rows,
)
from neurolens.extract.validation.perturb import SHAPE_OF_SECOND, SHAPE_ONLY
from neurolens.stimuli import StimulusSet
from neurolens.stimuli.inputs import Batch

_N_RECORDED = 3
_N_SHUFFLED = 8
_N_ROUNDS = 3


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
    test = _BatchTest(model, stimuli, device, noise, recorded, ids, kwargs)
    if batch_size == 1:
        layouts = test.find_random(rows[:1])
    else:
        n_rows = min(_N_SHUFFLED, batch_size or _N_SHUFFLED, len(stimuli))
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
        self._recorded = recorded
        self._recorded_ids = recorded_ids

    def run(self, rows: Sequence[int]) -> Layouts:
        """Return the layouts with what a batch of these rows tells of them."""
        ids = [self._stimuli.ids[row] for row in rows]
        batch = read_batch(self._stimuli, rows, self._device)
        first = self._compare(batch, ids, self._recorded.rows, self._recorded_ids)
        random = self._find_following(batch, ids, first)
        differing = dict.fromkeys([*self._recorded.differing, *first.mixing])
        layouts = self._mark_random(random)
        mixing = [name for name in differing if name not in random]
        samples = {name: one for name, one in first.samples.items() if name not in random}
        return replace(
            layouts,
            mixing=dict.fromkeys(mixing, MIXES),
            known=KnownRows(samples, ids, self._recorded.precisions),
            suspects=_list_suspects(layouts, mixing),
        )

    def find_random(self, rows: Sequence[int]) -> Layouts:
        """Return the layouts with the ops that numbers of other generators feed."""
        if not self._layouts.drawn:
            return self._layouts
        ids = [self._stimuli.ids[row] for row in rows]
        batch = read_batch(self._stimuli, rows, self._device)
        first = self._compare(batch, ids, self._recorded.rows, self._recorded_ids)
        return self._mark_random(self._find_following(batch, ids, first))

    def _find_following(self, batch: Batch, ids: Sequence[str], first: RowComparison) -> set[str]:
        """Return the results that follow generators whose numbers are not drawn per stimulus.

        The batch is run some times more, with other seeds of these generators.
        """
        found: set[str] = set()
        if not self._layouts.drawn:
            return found
        for _ in range(_N_ROUNDS):
            self._noise.round += 1
            found.update(self._compare(batch, ids, first.values, first.shared_ids).mixing)
        self._noise.round = 0
        return found

    def _mark_random(self, results: Collection[str]) -> Layouts:
        """Return the layouts with these results among those that random numbers feed."""
        layouts = self._layouts
        random = {*layouts.random, *[layouts.by_name[name].op for name in results]}
        return replace(layouts, random=tuple(op.name for op in layouts.graph if op.name in random))

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
        settings = (reference, reference_ids, ids, self._recorded.precisions)
        keeps_all = bool(self._layouts.drawn)
        comparison = RowComparison(*settings, keeps_all)
        if not by_op:
            return comparison
        take = partial(_take_results, comparison, len(ids))
        handlers = {expected.positions[op]: partial(take, group) for op, group in by_op.items()}
        call = call_with_batch(self._model, batch, self._kwargs)
        self._noise.begin(ids)
        try:
            follow_forward(call.copy_inputs(), expected, len(ids), handlers, self._noise)
        except PassDeviated:
            comparison = RowComparison(*settings, keeps_all)
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


def _list_values(op: Op) -> list[Parent]:
    """Return the arguments of an op whose values it reads, not only their shape or dtype."""
    if op.call in SHAPE_ONLY:
        return []
    if op.function in SHAPE_OF_SECOND:
        return list(op.parents[:1])
    return list(op.parents)


def _list_suspects(layouts: Layouts, mixing: Sequence[str]) -> tuple[str, ...]:
    """Return the results that were computed from values of the whole batch, and do not mix it.

    These are values whose rows do not follow their stimuli, and such as have no rows although
    stimuli feed them. A dependence on the rest of the batch may be rare in what follows from them.
    """
    graph = layouts.graph
    fed: set[str] = set()
    of_batch = {layouts.by_name[name].op for name in mixing}
    reached: set[str] = set()
    for op in graph:
        is_fed = any(p.kind == "input" or p.source in fed for p in _list_values(op))
        if is_fed:
            fed.add(op.name)
        if is_fed and op.name in layouts.skipped:
            of_batch.add(op.name)
        if any(name in of_batch or name in reached for name in op.parent_ops):
            reached.add(op.name)
    return tuple(
        name
        for name, layout in layouts.by_name.items()
        if layout.op in reached and name not in mixing
    )
