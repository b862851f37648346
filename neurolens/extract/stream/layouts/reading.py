"""The layouts of a run, from stimuli of all parts of the set, tested in a second batch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from neurolens.errors import InputError, RecordingError
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.forward import record_forward, wants_gradients
from neurolens.extract.capture.restore import release_memory
from neurolens.extract.graph.ops import Op, Parent
from neurolens.extract.stream.batches import (
    are_alike,
    call_with_batch,
    read_batch,
    slice_rows,
    take_places,
)
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
# Functions whose arguments after the first say which values of it to take.
_INDEXING = frozenset(("getitem", "index_select"))


def read_layouts(
    model: nn.Module,
    stimuli: StimulusSet,
    device: torch.device,
    noise: StimulusNoise,
    batch_size: int | None = None,
    kwargs: dict[str, Any] | None = None,
    samples: bool = False,
) -> Layouts:
    """Return the layouts of all results of a model for the stimuli of a set.

    ``kwargs`` are keyword arguments of the model that are the same for all stimuli. With
    ``samples`` the results that differ between samples count as those that random numbers feed.

    The first two and the first three stimuli are recorded, or others where these are alike. Up to
    eight from all parts of the set, among them these in another order, are then run in one batch,
    and each result is compared for the stimuli of both: a row must follow its stimulus. With
    batches of one stimulus it does.

    A model that draws from generators whose numbers follow the batch is run in two batches more,
    which draw the same numbers and differ in their other stimuli.

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
    settings = (few, batch, ids, noise, kwargs, dim_names)
    try:
        recorded = record_layouts(model, *settings)
    except RecordingError as error:
        if not wants_gradients(error):
            raise
        recorded = record_layouts(model, *settings, gradients=True)
    test = _BatchTest(model, stimuli, device, noise, recorded, ids, kwargs, samples)
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
        samples: bool = False,
    ) -> None:
        self._model = model
        self._stimuli = stimuli
        self._device = device
        self._kwargs = kwargs
        self._noise = noise
        self._layouts = recorded.layouts
        self._recorded = recorded
        self._recorded_ids = recorded_ids
        self._is_drawn = bool(recorded.layouts.drawn)
        self._samples = samples and bool(self._is_drawn or recorded.layouts.random)
        self._is_repeated = self._is_drawn or self._samples

    def run(self, rows: Sequence[int]) -> Layouts:
        """Return the layouts with what a batch of these rows tells of them."""
        ids = [self._stimuli.ids[row] for row in rows]
        batch = read_batch(self._stimuli, rows, self._device)
        first = self._compare(batch, ids, self._recorded.rows, self._recorded_ids)
        random = self._find_following(batch, ids, first)
        layouts = self._mark_random(random)
        # What follows the batch's numbers has other values in another batch for that reason alone.
        unlike = random if self._is_drawn else set()
        differing = dict.fromkeys([*self._recorded.differing, *first.mixing])
        mixing = [name for name in differing if name not in unlike]
        if self._is_drawn:
            mixing += [name for name in self._compare_company(ids, first) if name not in mixing]
        samples = {name: one for name, one in first.samples.items() if name not in unlike}
        return replace(
            layouts,
            mixing=dict.fromkeys(mixing, MIXES),
            known=KnownRows(samples, ids, self._recorded.precisions),
            suspects=_list_suspects(layouts, mixing),
        )

    def find_random(self, rows: Sequence[int]) -> Layouts:
        """Return the layouts with the ops that numbers of other generators feed."""
        if not self._is_repeated:
            return self._layouts
        ids = [self._stimuli.ids[row] for row in rows]
        batch = read_batch(self._stimuli, rows, self._device)
        first = self._compare(batch, ids, self._recorded.rows, self._recorded_ids)
        return self._mark_random(self._find_following(batch, ids, first))

    def _find_following(self, batch: Batch, ids: Sequence[str], first: RowComparison) -> set[str]:
        """Return the results that follow generators whose numbers are not drawn per stimulus.

        The batch is run some times more, with other seeds of these generators. With samples, it is
        run in other samples, so that all results are found that these change.
        """
        found: set[str] = set()
        if not self._is_repeated:
            return found
        for number in range(1, _N_ROUNDS + 1):
            self._noise.round = number
            sample = number if self._samples else 0
            found.update(self._compare(batch, ids, first.values, first.shared_ids, sample).mixing)
        self._noise.round = 0
        return found

    def _compare_company(self, ids: Sequence[str], first: RowComparison) -> list[str]:
        """Return the results that depend on the rest of a batch that draws the same numbers.

        Stimuli keep their places, and the numbers that follow the batch with them, while others
        after them are replaced by one of these.
        """
        kept = list(first.shared_ids)
        if len(kept) == len(ids):
            kept.pop()
        order = [*kept, *[name for name in ids if name not in kept]]
        rows = [self._stimuli.ids.index(name) for name in order]
        batch = read_batch(self._stimuli, rows, self._device)
        known = self._compare(batch, order, first.values, first.shared_ids)
        batch = read_batch(self._stimuli, rows, self._device)
        places = [i if i < len(kept) else 0 for i in range(len(rows))]
        replaced = take_places(batch, places)
        return self._compare(replaced, order, known.values, kept).mixing

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
        sample: int = 0,
    ) -> RowComparison:
        """Run a batch and compare its results with those of reference, (stimulus, ...)."""
        expected = self._layouts.expected
        by_op: dict[str, list[Layout]] = {}
        for name, layout in self._layouts.by_name.items():
            if name in reference:
                by_op.setdefault(layout.op, []).append(layout)
        settings = (reference, reference_ids, ids, self._recorded.precisions)
        keeps_all = self._is_repeated
        comparison = RowComparison(*settings, keeps_all)
        if not by_op:
            return comparison
        take = partial(_take_results, comparison, len(ids))
        handlers = {expected.positions[op]: partial(take, group) for op, group in by_op.items()}
        call = call_with_batch(self._model, batch, self._kwargs, self._layouts.gradients)
        self._noise.begin(ids, sample)
        try:
            follow_forward(call.copy_inputs(), expected, len(ids), handlers, self._noise)
        except PassDeviated:
            comparison = RowComparison(*settings, keeps_all)
            self._noise.begin(ids, sample)
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


def _list_fed(layouts: Layouts) -> set[str]:
    """Return the ops that are computed from values of the stimuli."""
    fed: set[str] = set()
    for op in layouts.graph:
        if any(p.kind == "input" or p.source in fed for p in _list_values(op)):
            fed.add(op.name)
    return fed


def _list_taken(op: Op, fed: Collection[str]) -> list[str]:
    """Return the ops whose values are in the result, or say which are where stimuli feed them."""
    return [
        parent.source
        for parent in op.parents
        if op.function not in _INDEXING or parent.position == "0" or parent.source in fed
    ]


def _is_float(text: str) -> bool:
    """Return whether what Python read, as text, is a float and no whole number."""
    try:
        float(text)
    except ValueError:
        return False
    return not text.lstrip("-").isdigit()


def _list_suspects(layouts: Layouts, mixing: Sequence[str]) -> tuple[str, ...]:
    """Return the results that were computed from values of the whole batch, and do not mix it.

    These are values whose rows do not follow their stimuli, and such as have no rows although
    stimuli feed them. A dependence on the rest of the batch may be rare in what follows from them.
    It is none where they only say which values to take, and no stimulus feeds them, as in
    ``x[torch.arange(len(x)), last]``: a row that is not the stimulus's own shows in every batch.
    Where Python reads such a value as a float (``float(x.max())``), what runs later may follow it.
    """
    graph = layouts.graph
    reads = {read.parent: read for read in reversed(graph.host_reads) if _is_float(read.value)}
    first_read = len(graph)
    fed = _list_fed(layouts)
    of_batch = {layouts.by_name[name].op for name in mixing}
    reached: set[str] = set()
    for op in graph:
        is_fed = op.name in fed
        if is_fed and op.name in layouts.skipped:
            of_batch.add(op.name)
        follows = not (of_batch | reached).isdisjoint(_list_taken(op, fed))
        if follows or (is_fed and op.index >= first_read):
            reached.add(op.name)
        if op.name in reads and op.name in of_batch | reached:
            first_read = min(first_read, reads[op.name].after)
    return tuple(
        name
        for name, layout in layouts.by_name.items()
        if layout.op in reached and name not in mixing
    )
