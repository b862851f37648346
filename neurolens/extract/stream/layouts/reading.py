"""The layouts of a run, from stimuli of all parts of the set, tested in a second batch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from neurolens.errors import InputError, RecordingError, warn_user
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.forward import record_forward, wants_gradients
from neurolens.extract.capture.restore import release_memory
from neurolens.extract.graph.ops import Op
from neurolens.extract.stream.batches import (
    are_alike,
    call_with_batch,
    read_batch,
    slice_rows,
    take_places,
)
from neurolens.extract.stream.follow import PassDeviated, Read, follow_forward, list_reads
from neurolens.extract.stream.layouts.finding import LayoutFinder, Layouts, list_fed
from neurolens.extract.stream.layouts.layout import Layout, iterate_rows
from neurolens.extract.stream.layouts.pair import FirstResults, find_in_pair
from neurolens.extract.stream.layouts.recorded import RecordedRows
from neurolens.extract.stream.layouts.rows import (
    MIXES,
    KnownRows,
    RowComparison,
    RowSamples,
    shuffle_rows,
    spread_rows,
)
from neurolens.extract.validation.unwritten import WITHOUT_VALUES
from neurolens.stimuli import StimulusSet
from neurolens.stimuli.batches.inputs import Batch

_N_RECORDED = 3
_N_SHUFFLED = 8
_N_ROUNDS = 3
_LEAST_HELD = 2**24  # bytes of results that are held whatever the budget
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
    budget: int | None = None,
    first: FirstResults | None = None,
) -> Layouts:
    """Return the layouts of all results of a model for the stimuli of a set.

    ``kwargs`` are keyword arguments of the model that are the same for all stimuli. With
    ``samples`` the results that differ between samples count as those that random numbers feed.
    Results held meanwhile take no more than three quarters of ``budget``, or 16 MiB where that is
    more: where they do not fit, ops are tested in groups, and the passes repeated for each. Where
    not even those of one op do, a warning says so. ``first``, where given, takes results of the
    first batch, if it is run for that.

    Where nothing is unusual two passes tell them, see `find_in_pair`. Otherwise the first two and
    the first three stimuli are recorded, or others where these are alike. Up to eight from all
    parts of the set, among them these in another order, are then run in one batch, and each result
    is compared for the stimuli of both: a row must follow its stimulus. With batches of one
    stimulus it does.

    A model that draws from generators whose numbers follow the batch is run in two batches more,
    which draw the same numbers and differ in their other stimuli.

    Raises
    ------
    InputError
        For fewer than two stimuli.
    """
    if len(stimuli) < 2:
        raise InputError(
            "extraction needs at least 2 stimuli, to tell their axis from the others",
            anchor="too-few-stimuli",
        )
    dim_names = _list_dim_names(stimuli)
    room = None if budget is None else max(budget * 3 // 4, _LEAST_HELD)
    found = find_in_pair(model, stimuli, device, batch_size, kwargs, room, dim_names, first)
    if found is not None and not _list_suspects(found.layouts, ()):
        _end_pair(first if found.is_first else None)
        return found.layouts
    release_memory()
    rows = list(range(min(_N_RECORDED, len(stimuli))))
    batch = read_batch(stimuli, rows, device)
    if are_alike(batch):
        rows = spread_rows(len(stimuli), _N_RECORDED)
        batch = read_batch(stimuli, rows, device)
    ids = [stimuli.ids[row] for row in rows]
    few = slice_rows(batch, slice(-1))
    settings = (few, batch, ids, noise, kwargs)
    try:
        finder = LayoutFinder(model, *settings, room=room)
    except RecordingError as error:
        if not wants_gradients(error):
            raise
        finder = LayoutFinder(model, *settings, gradients=True, room=room)
    if room is not None and finder.largest_bytes > room:
        _warn_of_largest(finder, room)
    n_rows = min(_N_SHUFFLED, batch_size or _N_SHUFFLED, len(stimuli))
    chosen = rows[:1] if batch_size == 1 else shuffle_rows(len(stimuli), rows, n_rows)
    test = _BatchTest(model, stimuli, device, noise, finder.layouts, ids, chosen, kwargs, samples)
    for recorded in finder.iterate_groups():
        test.run(recorded)
        release_memory()
    return test.describe(finder.describe(dim_names))


def _end_pair(first: FirstResults | None) -> None:
    """Confirm the results of the first batch, or return the memory that two small passes took."""
    if first is None:
        release_memory()
    else:
        first.confirm()  # the next batch takes the memory


def _list_dim_names(stimuli: StimulusSet) -> dict[str, Sequence[str]]:
    """Return a user's names of the axes of inputs, by the names that recordings give these."""
    named = stimuli.layout.items()
    return {"input" if key is None else f"input.{key}": names for key, names in named}


def _warn_of_largest(finder: LayoutFinder, room: int) -> None:
    """Warn where planning cannot do with the memory that it may take."""
    warn_user(
        f"planning holds the results of one op for {_N_RECORDED} stimuli, twice, at least: "
        f"{finder.largest_bytes / 2**20:.0f} MiB of {finder.largest!r}, and memory= leaves it "
        f"{room / 2**20:.0f} MiB, three quarters. It takes what it needs; give more memory=, or "
        "smaller stimuli"
    )


class _BatchTest:
    """Compares the results of a second batch, of these rows, with those recorded before.

    In batches of one stimulus, rows follow their stimuli, and only random numbers are looked for.
    """

    def __init__(
        self,
        model: nn.Module,
        stimuli: StimulusSet,
        device: torch.device,
        noise: StimulusNoise,
        layouts: Layouts,
        recorded_ids: Sequence[str],
        rows: Sequence[int],
        kwargs: dict[str, Any] | None,
        samples: bool = False,
    ) -> None:
        self._model = model
        self._stimuli = stimuli
        self._device = device
        self._kwargs = kwargs
        self._noise = noise
        self._layouts = layouts
        self._recorded_ids = recorded_ids
        self._rows = rows
        self._ids = [stimuli.ids[row] for row in rows]
        self._is_drawn = bool(layouts.drawn)
        self._samples = samples and bool(self._is_drawn or layouts.random)
        self._is_repeated = self._is_drawn or self._samples
        # Of the group of ops that is being tested.
        self._tested: dict[str, Layout] = {}
        self._precisions: dict[str, float] = {}
        # Of all groups.
        self._random: set[str] = set()
        self._mixing: list[str] = []
        self._known: dict[str, RowSamples] = {}
        # What Python read in the last pass, and in that of the batch that is compared.
        self._reads: tuple[Read, ...] = ()
        self._reads_compared: tuple[Read, ...] = ()

    def run(self, recorded: RecordedRows) -> None:
        """Test the results of a group of ops, whose recorded values are then let go of."""
        is_alone = len(self._rows) == 1
        if is_alone and not self._is_repeated:
            return
        self._tested = recorded.layouts
        self._precisions |= recorded.precisions
        batch = read_batch(self._stimuli, self._rows, self._device)
        first = self._compare(batch, self._ids, recorded.rows, self._recorded_ids)
        # The last group of ops has those of a whole pass.
        self._reads_compared = self._reads
        recorded.rows.clear()
        random = self._find_following(batch, self._ids, first)
        self._random |= random
        if is_alone:
            return
        # What follows the batch's numbers has other values in another batch for that reason alone.
        unlike = random if self._is_drawn else set()
        differing = dict.fromkeys([*recorded.differing, *first.mixing])
        mixing = [name for name in differing if name not in unlike]
        if self._is_drawn:
            others = self._compare_company(self._ids, first)
            mixing += [name for name in others if name not in mixing]
        self._mixing += mixing
        self._known |= {name: one for name, one in first.samples.items() if name not in unlike}

    def describe(self, layouts: Layouts) -> Layouts:
        """Return the layouts with what the batch tells of them."""
        layouts = self._mark_random(layouts)
        if len(self._rows) == 1:
            return layouts
        return replace(
            layouts,
            mixing=dict.fromkeys(self._mixing, MIXES),
            known=KnownRows(self._known, self._ids, self._precisions),
            suspects=_list_suspects(layouts, self._mixing),
            reads=layouts.reads | {self._reads_compared},
        )

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

    def _mark_random(self, layouts: Layouts) -> Layouts:
        """Return the layouts with what was found among the results that random numbers feed."""
        random = {*layouts.random, *[layouts.by_name[name].op for name in self._random]}
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
        for name, layout in self._tested.items():
            if name in reference:
                by_op.setdefault(layout.op, []).append(layout)
        settings = (reference, reference_ids, ids, self._precisions, self._is_repeated)
        comparison = RowComparison(*settings)
        if not by_op:
            return comparison
        take = partial(_take_results, comparison, len(ids))
        handlers = {expected.positions[op]: partial(take, group) for op, group in by_op.items()}
        call = call_with_batch(self._model, batch, self._kwargs, self._layouts.gradients)
        self._noise.begin(ids, sample)
        try:
            reads = follow_forward(call.copy_inputs(), expected, len(ids), handlers, self._noise)
        except PassDeviated:
            comparison = RowComparison(*settings)
            self._noise.begin(ids, sample)
            recording = record_forward(
                call.copy_inputs(),
                keep=by_op.__contains__,
                sites=expected.sites,
                noise=self._noise,
            )
            reads = list_reads(recording, expected.fixed_reads)
            for event in recording.events:
                if event.name in by_op:
                    tensors = [value.tensor for value in event.outputs]
                    _take_results(comparison, len(ids), by_op[event.name], tensors)
        self._reads = reads
        return comparison


def _take_results(
    comparison: RowComparison,
    n_stimuli: int,
    layouts: Sequence[Layout],
    tensors: Sequence[torch.Tensor | None],
) -> None:
    """Compare the results of one op; those that have no rows here are left to the run."""
    for layout, rows in iterate_rows(layouts, n_stimuli, tensors):
        comparison.compare(layout, rows)


def _list_without_rows(layouts: Layouts) -> set[str]:
    """Return the ops whose results have values, and no rows."""
    return {name for name, why in layouts.skipped.items() if why not in WITHOUT_VALUES}


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
    Memory of which not all was written is no such value.
    Where Python reads such a value as a float (``float(x.max())``), what runs later may follow it.
    """
    graph = layouts.graph
    reads = {read.parent: read for read in reversed(graph.host_reads) if _is_float(read.value)}
    first_read = len(graph)
    fed = list_fed(layouts.graph)
    of_batch = {layouts.by_name[name].op for name in mixing}
    without_rows = _list_without_rows(layouts)
    reached: set[str] = set()
    for op in graph:
        is_fed = op.name in fed
        if is_fed and op.name in without_rows:
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
