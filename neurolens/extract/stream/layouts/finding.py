"""The layouts of all results of a model, found from two recordings."""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from neurolens.extract.capture.calls.call_sites import CallSites
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.events import Event, KeptMemory, Recording, hash_tensors
from neurolens.extract.capture.forward import make_sites, record_forward
from neurolens.extract.graph.build import assemble_graph
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Op, Parent
from neurolens.extract.stream.batches import call_with_batch, count_rows
from neurolens.extract.stream.follow import (
    Counts,
    ExpectedPass,
    Read,
    expect_pass,
    list_reads,
)
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.layouts.recorded import LayoutReader, RecordedRows
from neurolens.extract.stream.layouts.rows import KnownRows
from neurolens.extract.stream.layouts.unseen import find_unseen
from neurolens.extract.validation.perturb import SHAPE_OF_SECOND, SHAPE_ONLY
from neurolens.stimuli.batches.inputs import Batch

# These hand out memory that may then be written to unseen.
_HANDING_OUT = frozenset(("numpy", "__array__", "__dlpack__", "data_ptr"))
# These read two tensors, of which a recording notes the first.
_COMPARING = frozenset(("equal", "allclose", "__contains__"))


@dataclass(frozen=True)
class Layouts:
    """The layouts of all results that have stimuli, and why the other ops have none.

    ``skipped`` maps an op to the reason: it does not depend on the stimuli's number, or mixes them.
    ``expected`` is what later passes are checked against. ``live_bytes`` is the most that results
    alive at one moment took, for each of its two counts of stimuli. ``constants`` is a hash of the
    tensors that the model uses and has not registered. ``drawn`` names the random generators that
    it drew from and whose numbers could not be drawn for each stimulus; ``random`` are the ops that
    random numbers feed. ``mixing`` maps results whose rows do not follow their stimuli to the
    reason; ``known`` are values that batches of the run are compared with. ``history`` are the
    addresses of what a pass changes in the model and that cannot be put back; ``suspects`` the
    results that were computed from values of the whole batch. ``unseen`` says what takes tensors
    that something unseen made; ``gradients`` whether the model differentiates in its forward and
    runs with gradients. ``reads`` is what Python read in each of the batches that were compared.
    """

    graph: Graph
    by_name: dict[str, Layout]
    skipped: dict[str, str]
    expected: ExpectedPass
    live_bytes: Counts
    constants: str = ""
    drawn: tuple[str, ...] = ()
    random: tuple[str, ...] = ()
    mixing: Mapping[str, str] = field(default_factory=dict)
    known: KnownRows | None = None
    history: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    gradients: bool = False
    reads: frozenset[tuple[Read, ...]] = frozenset()

    def find_last(self) -> int:
        """Return the position of the last op that has a result for each stimulus."""
        positions = self.expected.positions
        return max(positions[layout.op] for layout in self.by_name.values())

    def predict_live_bytes(self, n_stimuli: int) -> int:
        """Return the most that results of a plain pass take at one moment, inputs aside."""
        counts = self.expected.counts
        low = self.live_bytes.few
        high = self.live_bytes.more
        return low + (high - low) * (n_stimuli - counts.few) // (counts.more - counts.few)


def find_layouts(model: nn.Module, few: Batch, more: Batch) -> Layouts:
    """Return the layouts of all results, as `LayoutFinder` finds them."""
    ids = [str(i) for i in range(count_rows(more))]
    finder = LayoutFinder(model, few, more, ids, StimulusNoise())
    for _ in finder.iterate_groups():
        pass
    return finder.describe()


class LayoutFinder:
    """Finds the stimulus axis of every result from a batch and a larger one that begins with it.

    Parameters
    ----------
    model : Module
    few, more : Tensor (m, ...), (n, ...), or dict or tuple of these
        ``more`` starts with the stimuli of ``few``.
    ids : sequence of str
        Of the stimuli of ``more``.
    noise : StimulusNoise
        Draws the random numbers, and learns where the stimuli are among them.
    kwargs : dict, optional
        Keyword arguments of the model that are the same for all stimuli.
    gradients : bool
        Run the model with gradients.
    room : int, optional
        The most bytes that results of the larger batch, twice, may take at once.

    Attributes
    ----------
    layouts : Layouts
        What the first two passes tell of the model, without the layouts themselves.
    largest : str
        The op whose results take most.
    largest_bytes : int
        What they take for the larger batch, twice.

    Notes
    -----
    An axis counts as the stimuli's when it alone grows, in proportion. When it holds more than the
    stimuli, the values tell whether they come stimulus by stimulus or interleaved; where both fit,
    the results that fed the op decide, else it is left out. Nothing is assumed from position:
    attention in PyTorch puts tokens first.

    The model runs twice. Where the room does not hold the results of all ops, it holds those of a
    group of consecutive ones, as many as fit and at least one, and both passes are repeated, up to
    the last of them, for every further group.
    """

    def __init__(
        self,
        model: nn.Module,
        few: Batch,
        more: Batch,
        ids: Sequence[str],
        noise: StimulusNoise,
        kwargs: dict[str, Any] | None = None,
        gradients: bool = False,
        room: int | None = None,
    ) -> None:
        self._call = partial(call_with_batch, model, kwargs=kwargs, gradients=gradients)
        self._batches = (few, more)
        self._ids = ids
        self._noise = noise
        self._sites = make_sites()
        self._counts = Counts(count_rows(few), count_rows(more))
        # For the smaller batch.
        self._room = None if room is None else room * self._counts.few // (2 * self._counts.more)
        small, large = self._record_first()
        if noise.forget_guesses():
            small, large = self._record_first()
        drawn = self._confirm_drawn(small, large)
        noise.seeds_generators = bool(drawn)
        self._recorded = (small, large)
        self._small_events = _list_events(small)
        self._reader = LayoutReader(self._counts, large, may_share(large))
        largest = max(large.events, key=Event.measure_results, default=None)
        self.largest = largest.name if largest else ""
        self.largest_bytes = 2 * largest.measure_results() if largest else 0
        started = start_layouts(small, large, self._counts, self._sites)
        self.layouts = replace(started, drawn=drawn, gradients=gradients)

    def _record(self, number: int, **settings: Any) -> Recording:
        """Record a pass of the smaller (0) or the larger batch (1)."""
        batch = self._batches[number]
        self._noise.begin(self._ids[: count_rows(batch)])
        call = self._call(batch).copy_inputs()
        return record_forward(call, sites=self._sites, noise=self._noise, **settings)

    def _record_first(self) -> tuple[Recording, Recording]:
        """Record both passes, and keep the results of the first ops, as many as there is room."""
        small = self._record(0, room=self._room)
        kept = small.list_kept()
        keeps_all = len(kept) == len(small.events)
        return small, self._record(1, keep=None if keeps_all else set(kept).__contains__)

    def _confirm_drawn(self, small: Recording, large: Recording) -> tuple[str, ...]:
        """Return the generators that the model draws from, each time.

        Another thread, such as that of a worker of a cluster, may have drawn from those of the
        process while it ran.
        """
        drawn = dict.fromkeys(small.drawn + large.drawn)
        again: set[str] = set()
        for number in (0, 1) if drawn else ():
            again.update(self._record(number, keep=lambda name: False).drawn)
        return tuple(name for name in drawn if name in again)

    def _record_again(self, names: Sequence[str]) -> tuple[Recording, Recording]:
        """Record both passes as they were, and keep the results of some ops."""
        seeds = self._noise.seeds_generators
        self._noise.seeds_generators = False
        settings = {"keep": set(names).__contains__, "stop_after": names[-1]}
        try:
            return self._record(0, **settings), self._record(1, **settings)
        finally:
            self._noise.seeds_generators = seeds

    def _split_ops(self) -> list[list[Op]]:
        """Return the groups of ops; the results of the first are kept already."""
        ops = list(self.layouts.graph)
        lacking = {event.name for event in self._small_events.values() if not event.is_kept}
        first = list(itertools.takewhile(lambda op: op.name not in lacking, ops))
        groups = [first] if first else []
        memory = None
        for op in ops[len(first) :]:
            event = self._small_events.get(op.name)
            if event is not None:
                if memory is not None:
                    memory.add(event)
                if memory is None or memory.n_bytes > (self._room or 0):
                    memory = KeptMemory()
                    memory.add(event)
                    groups.append([])
            groups[-1].append(op)
        return groups

    def iterate_groups(self) -> Iterator[RecordedRows]:
        """Find the layouts, group by group, and yield what was recorded of each.

        The values of a group are let go of before the next.
        """
        groups = self._split_ops()
        events = _list_events(self._recorded[1])
        reader = self._reader
        for number, ops in enumerate(groups):
            names = [op.name for op in ops if op.name in self._small_events]
            if names and (number or not self._small_events[names[0]].is_kept):
                self._recorded = self._record_again(names)
            small, large = map(_list_events, self._recorded)
            for op in ops:
                reader.read(op, events[op.name], small.get(op.name), large.get(op.name))
            for recording in self._recorded:
                recording.release_values()
            later = itertools.chain.from_iterable(groups[number + 1 :])
            yield reader.close_group(later)

    def describe(self, dim_names: Mapping[str, Sequence[str]] | None = None) -> Layouts:
        """Return the layouts of all results; ``dim_names`` are a user's, of inputs' axes."""
        reader = self._reader
        reader.name_dims(self._batches[1], dim_names or {})
        return replace(self.layouts, by_name=reader.layouts, skipped=reader.list_skipped())


def start_layouts(small: Recording, large: Recording, counts: Counts, sites: CallSites) -> Layouts:
    """Return what the recordings of two batches tell of a model, without layouts of results."""
    graph = assemble_graph(large)
    fixed_reads = find_fixed_reads(graph)
    expected = expect_pass(small, large, counts, sites)
    return Layouts(
        graph=graph,
        by_name={},
        skipped={},
        expected=replace(expected, fixed_reads=fixed_reads),
        live_bytes=Counts(measure_live_bytes(small), measure_live_bytes(large)),
        constants=hash_tensors(_list_constants(large)),
        random=_list_random(graph, {*small.random, *large.random}),
        history=tuple(dict.fromkeys(small.depends_on_history + large.depends_on_history)),
        unseen=find_unseen(small, large),
        reads=frozenset(list_reads(one, fixed_reads) for one in (small, large)),
    )


def may_share(recording: Recording) -> bool:
    """Return whether views surely have their source's values: no memory was handed out of torch."""
    return not any(read.function in _HANDING_OUT for read in recording.host_reads)


def _list_events(recording: Recording) -> dict[str, Event]:
    """Return the events of a recording by the name of their op."""
    return {event.name: event for event in recording.events}


def list_fed(graph: Graph) -> set[str]:
    """Return the ops that are computed from values of the stimuli, not only from their number."""
    fed: set[str] = set()
    for op in graph:
        if any(p.kind == "input" or p.source in fed for p in _list_values(op)):
            fed.add(op.name)
    return fed


def _list_values(op: Op) -> list[Parent]:
    """Return the arguments of an op whose values it reads, not only their shape or dtype."""
    if op.call in SHAPE_ONLY:
        return []
    if op.function in SHAPE_OF_SECOND:
        return list(op.parents[:1])
    return list(op.parents)


def find_fixed_reads(graph: Graph) -> frozenset[tuple[int, str]]:
    """Return where Python reads values that do not follow from the stimuli."""
    fed = list_fed(graph) | set(graph.inputs)
    places: dict[tuple[int, str], bool] = {}
    for read in graph.host_reads:
        place = (read.after, read.function)
        is_fed = read.parent in fed or read.function in _COMPARING
        places[place] = places.get(place, False) or is_fed
    return frozenset(place for place, is_fed in places.items() if not is_fed)


def _list_random(graph: Graph, random: Collection[str]) -> tuple[str, ...]:
    """Return the ops that random numbers feed, in order; ``random`` are those that drew some."""
    fed = []
    reached = set(random)
    for op in graph:
        if op.name in reached or reached.intersection(op.parent_ops):
            reached.add(op.name)
            fed.append(op.name)
    return tuple(fed)


def _list_constants(recording: Recording) -> list[torch.Tensor]:
    """Return the tensors that ops used and that are no input, parameter, buffer or result."""
    return [
        value.tensor
        for event in recording.events
        for value, _ in event.parents
        if value.kind == "constant" and value.tensor is not None
    ]


def measure_live_bytes(recording: Recording) -> int:
    """Return the most bytes that results alive at one moment took, from first op to last use."""
    size: dict[int, int] = {}
    spans: dict[int, list[int]] = {}
    for i, event in enumerate(recording.events):
        for value, spec in zip(event.outputs, event.specs, strict=True):
            n_bytes = spec.shape.numel() * spec.dtype.itemsize
            size[value.memory] = max(size.get(value.memory, 0), n_bytes)
            spans.setdefault(value.memory, [i, i])[1] = i
        for value, _ in event.parents:
            if value.memory in spans:
                spans[value.memory][1] = i
    change = [0] * (len(recording.events) + 1)
    for memory, (first, last) in spans.items():
        change[first] += size[memory]
        change[last + 1] -= size[memory]
    return max(itertools.accumulate(change), default=0)


def list_sampled(layouts: Layouts) -> frozenset[str]:
    """Return the ops whose results may differ between samples.

    These are the ops that random numbers feed, and those that run after Python has read a value of
    one of these (``if torch.rand(()) < 0.5``): what it did with it cannot be seen. Where the model
    draws from generators whose numbers cannot be followed, or random numbers may have gone through
    code that was not seen, these are all ops.
    """
    names = [op.name for op in layouts.graph]
    if layouts.drawn or (layouts.random and layouts.unseen):
        return frozenset(names)
    random = set(layouts.random)
    first_read = min(
        (read.after for read in layouts.graph.host_reads if read.parent in random),
        default=len(names),
    )
    return frozenset(random.union(names[first_read:]))
