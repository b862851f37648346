"""The layouts of a run from two passes, for models in which nothing is unusual."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple, Protocol

import torch
from torch import nn

from neurolens.errors import RecordingError
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.events import Event, Recording
from neurolens.extract.capture.forward import make_sites, record_forward
from neurolens.extract.graph.build import assemble_graph
from neurolens.extract.graph.graph import Graph
from neurolens.extract.stream.batches import are_alike, call_with_batch, read_batch, take_places
from neurolens.extract.stream.follow import Counts
from neurolens.extract.stream.layouts.ending import Ending
from neurolens.extract.stream.layouts.finding import (
    Layouts,
    find_fixed_reads,
    may_share,
    start_layouts,
)
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.layouts.matching import ORDER_UNKNOWN
from neurolens.extract.stream.layouts.recorded import LayoutReader, guess_layouts
from neurolens.extract.stream.layouts.rows import (
    KnownRows,
    RowSamples,
    sample_rows,
    spread_rows,
)
from neurolens.stimuli import StimulusSet
from neurolens.stimuli.batches.inputs import Batch

# Size of the larger batch -> where the stimuli of the smaller are in it. No stimulus keeps its
# company there in what mixes neighbours, groups of two or three, halves, a reversed or a shifted
# batch, or takes one position for all.
_PLACES = {4: (1, 3, 0), 5: (1, 3, 2), 6: (5, 2, 1)}
# A multiple of all batch sizes that a run chooses itself, and where stimuli are in the first of
# such a batch, whichever is chosen.
_BATCH_SIZE = 32
_CHOSEN_PLACES = (7, 2)


class Wanted(NamedTuple):
    """What a run wants of its first batch: of how many stimuli, and results of which ops at most.

    There are no stimuli where its results are not wanted.
    """

    n_stimuli: int
    ops: Collection[str]


class FirstResults(Protocol):
    """Takes results of the first batch of a run, in place of the larger of two passes."""

    def begin(self, layouts: Layouts, stimuli: StimulusSet) -> Wanted:
        """Return what is wanted of the first batch.

        ``layouts`` are those of all results as far as the smaller batch tells them.
        """

    def take(self, layout: Layout, rows: torch.Tensor) -> None:
        """Take a result of the first batch, (stimulus, *shape); its axes have no names yet."""

    def confirm(self) -> None:
        """Learn that every row that was compared follows its stimulus, and nothing is unusual."""


class _FirstBatch(NamedTuple):
    """What takes results of the first batch, of which ops at most, and where its pass may end."""

    results: FirstResults
    ops: Collection[str]
    ending: Ending


class FoundPair(NamedTuple):
    """The layouts of all results, and whether the first batch of the run told them."""

    layouts: Layouts
    is_first: bool


def find_in_pair(
    model: nn.Module,
    stimuli: StimulusSet,
    device: torch.device,
    batch_size: int | None,
    kwargs: dict[str, Any] | None,
    room: int | None,
    dim_names: Mapping[str, Sequence[str]],
    first: FirstResults | None = None,
) -> FoundPair | None:
    """Return the layouts of all results from two passes, or None where these do not tell enough.

    Three stimuli are recorded, and then a batch of six, evenly spread over the set, with the three
    at other places and with other neighbours. All their results are compared as they are made.
    Where ``first`` wants them, the first batch of the run takes the place of the six. Up to five
    stimuli are recorded then: two or three of the first batch, and the last one of the set, which
    the run meets, and of the batch before where that is longer. The pass of the first batch ends
    after the last op that is wanted where the recorded stimuli tell enough of the others; see
    `Ending`.

    Parameters
    ----------
    model, stimuli, device
    batch_size : int, optional
        Of the run.
    kwargs : dict, optional
        Keyword arguments of the model that are the same for all stimuli.
    room : int, optional
        Bytes of results that planning may hold: the three take a third of it at most.
    dim_names : dict of str
        A user's names of the axes of inputs.
    first : FirstResults, optional

    Returns
    -------
    FoundPair or None
        None unless both passes run the same ops, draw no random numbers, see all that runs and
        leave the model as it was, Python reads nothing that follows from the stimuli, and every row
        of every result follows its stimulus.
    """
    most = max(_PLACES)
    n_rows = min(most, batch_size or most, len(stimuli))
    if n_rows not in _PLACES:
        return None
    rows = _order_rows(len(stimuli), n_rows, batch_size or _BATCH_SIZE)
    few_rows = [rows[place] for place in _PLACES[n_rows]]
    if first is not None:
        few_rows = _choose_rows_of_first(stimuli, batch_size) or few_rows
    few = read_batch(stimuli, few_rows, device)
    if any(are_alike(take_places(few, two)) for two in combinations(range(len(few_rows)), 2)):
        return None
    finder = _PairFinder(model, stimuli, device, few_rows, kwargs, room, dim_names)
    try:
        small = finder.record_few(few)
        if small is None:
            return None
        found = None if first is None else finder.find_in_first(small, few, first)
        if found is not None:
            return FoundPair(found, True)
        # Where stimuli have other values in the first batch, the run finds that: it meets them.
        found = finder.find(small, _surround_rows(few_rows, rows))
        return None if found is None else FoundPair(found, False)
    except RecordingError:
        return None  # longer planning raises it, with its own stimuli


class _PairFinder:
    """Records a few stimuli, of these rows of the set, and a larger batch with some of them."""

    def __init__(
        self,
        model: nn.Module,
        stimuli: StimulusSet,
        device: torch.device,
        few_rows: Sequence[int],
        kwargs: dict[str, Any] | None,
        room: int | None,
        dim_names: Mapping[str, Sequence[str]],
    ) -> None:
        self._call = partial(call_with_batch, model, kwargs=kwargs)
        self._stimuli = stimuli
        self._device = device
        self._few_rows = few_rows
        self._room = None if room is None else room // 3
        self._dim_names = dim_names
        self._noise = StimulusNoise()
        self._sites = make_sites()

    def _name_stimuli(self, rows: Sequence[int]) -> list[str]:
        return [self._stimuli.ids[row] for row in rows]

    def record_few(self, few: Batch) -> Recording | None:
        """Return the recording of the smaller batch; None where something is unusual."""
        self._noise.begin(self._name_stimuli(self._few_rows))
        small = record_forward(
            self._call(few).copy_inputs(), sites=self._sites, noise=self._noise, room=self._room
        )
        is_kept = all(event.is_kept for event in small.events)
        return small if is_kept and _is_usual(small) else None

    def find_in_first(self, small: Recording, few: Batch, results: FirstResults) -> Layouts | None:
        """Return what `find` does of the first batch of the run; None where that is not wanted."""
        n_few = len(self._few_rows)
        started = start_layouts(small, small, Counts(n_few, n_few), self._sites)
        guessed = guess_layouts(small, started.graph, n_few, few, self._dim_names)
        wanted = results.begin(replace(started, by_name=guessed), self._stimuli)
        rows = range(wanted.n_stimuli)
        if not set(self._few_rows[:2]) <= set(rows):
            return None
        ending = Ending(small, started.graph, guessed, n_few, wanted.ops)
        return self.find(small, rows, _FirstBatch(results, wanted.ops, ending))

    def find(
        self, small: Recording, rows: Sequence[int], first: _FirstBatch | None = None
    ) -> Layouts | None:
        """Return what the smaller batch and one of these rows tell; None if that is not enough."""
        graph = assemble_graph(small)
        if _reads_stimuli(graph):
            return None
        few_rows = self._few_rows
        places = [rows.index(row) for row in few_rows if row in rows]
        counts = Counts(len(few_rows), len(rows))
        reader = LayoutReader(counts, small, may_share(small), places)
        comparison = _Comparison(small, graph, reader, len(few_rows), first)
        ids = self._name_stimuli(rows)
        self._noise.begin(ids)
        batch = read_batch(self._stimuli, rows, self._device)
        large = record_forward(
            self._call(batch).copy_inputs(),
            keep=_keep_none,
            stop_after=None if first is None else first.ending.op,
            sites=self._sites,
            noise=self._noise,
            watch=comparison.compare,
        )
        if first is not None and first.ending.op is not None:
            if not first.ending.agrees(large, reader.layouts):
                return None
            large = first.ending.complete(large, counts)
            first.ending.add_rest(reader, graph.by_name, large)
        if not _is_usual(large) or not comparison.agrees(large):
            return None
        layouts = start_layouts(small, large, counts, self._sites)
        if layouts.unseen or _reads_stimuli(layouts.graph):
            return None
        reader.name_dims(batch, self._dim_names)
        known_ids = ids if first is None else self._name_stimuli(few_rows)
        return replace(
            layouts,
            by_name=reader.layouts,
            skipped=reader.list_skipped(),
            known=KnownRows(comparison.samples, known_ids, reader.precisions),
        )


class _Comparison:
    """Compares the results of a larger batch, as they are made, with those of a smaller one.

    ``samples`` hold by result what is kept of its values: for all stimuli of the larger batch, or,
    where its results are taken, of those that may be wanted, for the stimuli of the smaller, which
    the run has yet to meet.
    """

    def __init__(
        self,
        small: Recording,
        graph: Graph,
        reader: LayoutReader,
        n_few: int,
        first: _FirstBatch | None,
    ) -> None:
        self.samples: dict[str, RowSamples] = {}
        self._reader = reader
        self._first = first
        self._ops = graph.by_name
        self._events = {event.name: event for event in small.events}
        self._names = small.list_names()
        self._n_few = n_few
        self._may_share = may_share(small)

    def compare(self, event: Event, results: Sequence[torch.Tensor]) -> None:
        """Take the results of an op of the larger batch."""
        earlier = self._events.get(event.name)
        if earlier is None or len(earlier.outputs) != len(results):
            return  # the passes do not agree
        op = self._ops[event.name]
        for name, rows in self._reader.read_results(op, event, earlier, results).items():
            known = rows
            if self._first is not None:
                if event.name not in self._first.ops:
                    continue
                layout = self._reader.layouts[name]
                self._first.results.take(layout, rows)
                tensor = earlier.outputs[max(layout.output, 0)].tensor
                assert tensor is not None, "all values of the smaller batch are kept"
                known = layout.put_stimuli_first(tensor, self._n_few)
            self.samples[name] = sample_rows(known.detach())

    def agrees(self, large: Recording) -> bool:
        """Return whether the larger batch ran the same ops, and all rows follow their stimuli."""
        n_results = [len(event.outputs) for event in large.events]
        return (
            large.list_names() == self._names
            and n_results == [len(self._events[name].outputs) for name in self._names]
            and may_share(large) == self._may_share
            and not self._reader.differing
            and ORDER_UNKNOWN.isdisjoint(self._reader.skipped.values())
        )


def _keep_none(name: str) -> bool:
    return False


def _order_rows(n_stimuli: int, n_rows: int, batch_size: int) -> list[int]:
    """Return rows from all parts of a set, with the first, a middle and the last at `_PLACES`.

    One of the others ends a batch of the run: what depends on a place beyond those of the larger
    batch (a capacity) shows there.
    """
    spread = spread_rows(n_stimuli, n_rows)
    end = (spread[1] // batch_size + 1) * batch_size - 1
    if end < n_stimuli and end not in spread:
        spread[1] = end
    return _surround_rows([spread[0], spread[n_rows // 2], spread[-1]], spread)


def _surround_rows(few: Sequence[int], spread: Sequence[int]) -> list[int]:
    """Return as many rows as ``spread`` has: three of the few at `_PLACES`, and others."""
    places = _PLACES[len(spread)]
    by_place = dict(zip(places, few[: len(places)], strict=True))
    others = iter([*few[len(places) :], *(row for row in spread if row not in few)])
    return [by_place[place] if place in by_place else next(others) for place in range(len(spread))]


def _choose_rows_of_first(stimuli: StimulusSet, batch_size: int | None) -> list[int]:
    """Return rows of the first batch, and then the last one of the set and of the batch before.

    So what depends on a place of a batch, which is the longest of the set or like it, or on how
    long the last one is, shows. Where the last two are of one length, the last stimulus of the set
    tells as much. None are returned for small batches.
    """
    batches = stimuli.split_rows(batch_size or _BATCH_SIZE)
    n_first = len(batches[0])
    if n_first <= max(_CHOSEN_PLACES):
        return []
    rows = [n_first // 3, n_first - 1] if batch_size else [*_CHOSEN_PLACES, n_first - 1]
    by_length = {len(batch): batch[-1] for batch in batches[-2:]}
    chosen = list(dict.fromkeys([*rows, *by_length.values()]))
    return chosen if len(chosen) > 2 else [*chosen, n_first // 2 + 1]


def _is_usual(recording: Recording) -> bool:
    """Return whether a pass drew no random numbers and left nothing changed that stays so."""
    return not (recording.random or recording.drawn or recording.depends_on_history)


def _reads_stimuli(graph: Graph) -> bool:
    """Return whether Python reads values that follow from the stimuli."""
    fixed = find_fixed_reads(graph)
    return any((read.after, read.function) not in fixed for read in graph.host_reads)
