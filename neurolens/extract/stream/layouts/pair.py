"""The layouts of a run from two passes, for models in which nothing is unusual."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import torch
from torch import nn

from neurolens.errors import RecordingError
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.events import Event, Recording
from neurolens.extract.capture.forward import ModelCall, make_sites, record_forward
from neurolens.extract.graph.build import assemble_graph
from neurolens.extract.graph.graph import Graph
from neurolens.extract.stream.batches import are_alike, call_with_batch, read_batch, take_places
from neurolens.extract.stream.follow import Counts
from neurolens.extract.stream.layouts.finding import (
    Layouts,
    find_fixed_reads,
    may_share,
    start_layouts,
)
from neurolens.extract.stream.layouts.matching import ORDER_UNKNOWN
from neurolens.extract.stream.layouts.recorded import LayoutReader
from neurolens.extract.stream.layouts.rows import KnownRows, sample_values, spread_rows
from neurolens.stimuli import StimulusSet
from neurolens.stimuli.batches.inputs import Batch

# Size of the larger batch -> where the stimuli of the smaller are in it. No stimulus keeps its
# company there in what mixes neighbours, groups of two or three, halves, a reversed or a shifted
# batch, or takes one position for all.
_PLACES = {4: (1, 3, 0), 5: (1, 3, 2), 6: (5, 2, 1)}
# A multiple of all batch sizes that a run chooses itself.
_BATCH_SIZE = 32


def find_in_pair(
    model: nn.Module,
    stimuli: StimulusSet,
    device: torch.device,
    batch_size: int | None,
    kwargs: dict[str, Any] | None,
    room: int | None,
    dim_names: Mapping[str, Sequence[str]],
) -> Layouts | None:
    """Return the layouts of all results from two passes, or None where these do not tell enough.

    Three stimuli are recorded, and then a batch of six, evenly spread over the set, with the three
    at other places and with other neighbours. All their results are compared as they are made.

    Parameters
    ----------
    model, stimuli, device
    batch_size : int, optional
        Of the run: no batch has more stimuli.
    kwargs : dict, optional
        Keyword arguments of the model that are the same for all stimuli.
    room : int, optional
        Bytes of results that planning may hold: the three take a third of it at most.
    dim_names : dict of str
        A user's names of the axes of inputs.

    Returns
    -------
    Layouts or None
        None unless both passes run the same ops, draw no random numbers, see all that runs and
        leave the model as it was, Python reads nothing that follows from the stimuli, and every row
        of every result follows its stimulus.
    """
    most = max(_PLACES)
    n_rows = min(most, batch_size or most, len(stimuli))
    if n_rows not in _PLACES:
        return None
    places = _PLACES[n_rows]
    rows = _order_rows(len(stimuli), n_rows, batch_size or _BATCH_SIZE)
    ids = [stimuli.ids[row] for row in rows]
    batch = read_batch(stimuli, rows, device)
    few = take_places(batch, places)
    if any(are_alike(take_places(few, two)) for two in combinations(range(len(places)), 2)):
        return None
    call = partial(call_with_batch, model, kwargs=kwargs)
    finder = _PairFinder(ids, places, room)
    try:
        layouts = finder.find(call(few), call(batch).copy_inputs())
    except RecordingError:
        return None  # longer planning raises it, with its own stimuli
    return None if layouts is None else finder.describe(layouts, batch, dim_names)


class _PairFinder:
    """Records some stimuli, and then the larger batch of ``ids`` that has them at ``places``."""

    def __init__(self, ids: Sequence[str], places: Sequence[int], room: int | None) -> None:
        self._ids = ids
        self._places = places
        self._room = None if room is None else room // 3
        self._counts = Counts(len(places), len(ids))
        self._reader = LayoutReader(self._counts, False, places)
        self._samples: dict[str, torch.Tensor] = {}

    def find(self, few: ModelCall, more: ModelCall) -> Layouts | None:
        """Return what the two passes tell, without layouts; None where something is unusual."""
        noise = StimulusNoise()
        sites = make_sites()
        noise.begin([self._ids[place] for place in self._places])
        small = record_forward(few, sites=sites, noise=noise, room=self._room)
        graph = assemble_graph(small)
        is_kept = all(event.is_kept for event in small.events)
        if not is_kept or not _is_usual(small) or _reads_stimuli(graph):
            return None
        self._reader = LayoutReader(self._counts, may_share(small), self._places)
        comparison = _Comparison(small, graph, self._reader, self._samples)
        noise.begin(self._ids)
        large = record_forward(
            more, keep=_keep_none, sites=sites, noise=noise, watch=comparison.compare
        )
        if not _is_usual(large) or not comparison.agrees(large):
            return None
        layouts = start_layouts(small, large, self._counts, sites)
        return None if layouts.unseen or _reads_stimuli(layouts.graph) else layouts

    def describe(
        self, layouts: Layouts, batch: Batch, dim_names: Mapping[str, Sequence[str]]
    ) -> Layouts:
        """Return the layouts of all results; ``dim_names`` are a user's, of inputs' axes."""
        reader = self._reader
        reader.name_dims(batch, dim_names)
        return replace(
            layouts,
            by_name=reader.layouts,
            skipped=reader.list_skipped(),
            known=KnownRows(self._samples, self._ids, reader.precisions),
        )


class _Comparison:
    """Compares the results of a larger batch, as they are made, with those of a smaller one.

    ``samples`` gets by result some of its values (stimulus, k) for all stimuli of the larger batch.
    """

    def __init__(
        self,
        small: Recording,
        graph: Graph,
        reader: LayoutReader,
        samples: dict[str, torch.Tensor],
    ) -> None:
        self._reader = reader
        self._samples = samples
        self._ops = graph.by_name
        self._events = {event.name: event for event in small.events}
        self._names = small.list_names()
        self._may_share = may_share(small)

    def compare(self, event: Event, results: Sequence[torch.Tensor]) -> None:
        """Take the results of an op of the larger batch."""
        earlier = self._events.get(event.name)
        if earlier is None or len(earlier.outputs) != len(results):
            return  # the passes do not agree
        op = self._ops[event.name]
        for name, rows in self._reader.read_results(op, event, earlier, results).items():
            self._samples[name] = sample_values(rows)

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
    few = [spread[0], spread[n_rows // 2], spread[-1]]
    others = iter([row for row in spread if row not in few])
    by_place = dict(zip(_PLACES[n_rows], few, strict=True))
    return [by_place[place] if place in by_place else next(others) for place in range(n_rows)]


def _is_usual(recording: Recording) -> bool:
    """Return whether a pass drew no random numbers and left nothing changed that stays so."""
    return not (recording.random or recording.drawn or recording.depends_on_history)


def _reads_stimuli(graph: Graph) -> bool:
    """Return whether Python reads values that follow from the stimuli."""
    fixed = find_fixed_reads(graph)
    return any((read.after, read.function) not in fixed for read in graph.host_reads)
