"""The layouts of all results of a model, found from two recordings."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import nn

from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.differences import measure_difference
from neurolens.extract.capture.events import Event, Recording, hash_tensors
from neurolens.extract.capture.forward import make_sites, record_forward
from neurolens.extract.graph.build import assemble_graph
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Op
from neurolens.extract.stream.batches import call_with_batch, count_rows, list_batch_inputs
from neurolens.extract.stream.follow import Counts, ExpectedPass, expect_pass
from neurolens.extract.stream.layouts.axes import name_dims
from neurolens.extract.stream.layouts.layout import Layout, read_numbers
from neurolens.extract.stream.layouts.matching import AxisMatch, match_axes
from neurolens.extract.stream.layouts.naming import Result, name_results
from neurolens.extract.stream.layouts.rows import KnownRows
from neurolens.extract.stream.layouts.unseen import find_unseen
from neurolens.stimuli.inputs import Batch

# These hand out memory that may then be written to unseen.
_HANDING_OUT = frozenset(("numpy", "__array__", "__dlpack__", "data_ptr"))
# Only these may share a Gram with what they view, and only when the values agree too.
_VIEWS = frozenset(
    "view reshape flatten permute transpose t T mT squeeze unsqueeze contiguous dropout movedim "
    "unflatten swapaxes identity to detach alias clone feature_dropout alpha_dropout".split()
)


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
    runs with gradients.
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

    def predict_live_bytes(self, n_stimuli: int) -> int:
        """Return the most that results of a plain pass take at one moment, inputs aside."""
        counts = self.expected.counts
        low = self.live_bytes.few
        high = self.live_bytes.more
        return low + (high - low) * (n_stimuli - counts.few) // (counts.more - counts.few)


class Recorded(NamedTuple):
    """The layouts of all results, and the results of the larger batch, stimuli first.

    ``precisions`` and ``differing`` are those of `_LayoutReader`.
    """

    layouts: Layouts
    rows: dict[str, torch.Tensor]
    precisions: dict[str, float]
    differing: list[str]


def find_layouts(model: nn.Module, few: Batch, more: Batch) -> Layouts:
    """Return the layouts of all results, as `record_layouts` finds them."""
    ids = [str(i) for i in range(count_rows(more))]
    return record_layouts(model, few, more, ids, StimulusNoise()).layouts


def record_layouts(
    model: nn.Module,
    few: Batch,
    more: Batch,
    ids: Sequence[str],
    noise: StimulusNoise,
    kwargs: dict[str, Any] | None = None,
    dim_names: Mapping[str, Sequence[str]] | None = None,
    gradients: bool = False,
) -> Recorded:
    """Find the stimulus axis of every result from a batch and a larger one that begins with it.

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
    dim_names : dict of str, optional
        Input -> names of its axes beside the stimuli's.
    gradients : bool
        Run the model with gradients.

    Returns
    -------
    Recorded

    Notes
    -----
    An axis counts as the stimuli's when it alone grows, in proportion. When it holds more than the
    stimuli, the values tell whether they come stimulus by stimulus or interleaved; where both fit,
    the results that fed the op decide, else it is left out. Nothing is assumed from position:
    attention in PyTorch puts tokens first.
    """
    sites = make_sites()
    counts = Counts(count_rows(few), count_rows(more))

    def record(batch: Batch) -> Recording:
        noise.begin(ids[: count_rows(batch)])
        call = call_with_batch(model, batch, kwargs, gradients).copy_inputs()
        return record_forward(call, sites=sites, noise=noise)

    small = record(few)
    large = record(more)
    if noise.forget_guesses():
        small = record(few)
        large = record(more)
    noise.seeds_generators = bool(small.drawn or large.drawn)
    graph = assemble_graph(large)
    reader = _LayoutReader(counts, _may_share(large))
    small_events = {event.name: event for event in small.events}
    for op, event in zip(graph, large.events, strict=True):
        reader.read(op, small_events.get(op.name), event)
    reader.name_dims(more, dim_names or {})
    with_layout = {layout.op for layout in reader.layouts.values()}
    layouts = Layouts(
        graph=graph,
        by_name=reader.layouts,
        skipped={name: why for name, why in reader.skipped.items() if name not in with_layout},
        expected=expect_pass(small, large, counts, sites),
        live_bytes=Counts(measure_live_bytes(small), measure_live_bytes(large)),
        constants=hash_tensors(_list_constants(large)),
        drawn=tuple(dict.fromkeys(small.drawn + large.drawn)),
        random=_list_fed(graph, {*small.random, *large.random}),
        history=tuple(dict.fromkeys(small.depends_on_history + large.depends_on_history)),
        unseen=find_unseen(small, large),
        gradients=gradients,
    )
    return Recorded(layouts, reader.rows, reader.precisions, reader.differing)


def _may_share(recording: Recording) -> bool:
    """Return whether views surely have their source's values: no memory was handed out of torch."""
    return not any(read.function in _HANDING_OUT for read in recording.host_reads)


def _list_fed(graph: Graph, random: Collection[str]) -> tuple[str, ...]:
    """Return the ops that random numbers feed, in order; ``random`` are those that drew some."""
    fed = []
    reached = set(random)
    for op in graph:
        if op.name in reached or reached.intersection(op.parent_ops):
            reached.add(op.name)
            fed.append(op.name)
    return tuple(fed)


class _LayoutReader:
    """Reads two recordings op by op, in order, and finds the layouts of their results.

    Attributes
    ----------
    layouts : dict of str
        By label of the result.
    skipped : dict of str
        Op -> why a result of it has no layout.
    rows : dict of str
        Result -> its values in the larger batch, (stimulus, *shape).
    precisions : dict of str
        Result -> the coarsest machine precision of what it was computed from.
    differing : list of str
        The results whose values for a stimulus differ between the two batches.
    """

    def __init__(self, counts: Counts, may_share: bool) -> None:
        self.layouts: dict[str, Layout] = {}
        self.skipped: dict[str, str] = {}
        self.rows: dict[str, torch.Tensor] = {}
        self._counts = counts
        self._may_share = may_share
        self.precisions: dict[str, float] = {}
        self.differing: list[str] = []
        self._coarsest: dict[str, float] = {}
        self._results: list[Result] = []

    def read(self, op: Op, small: Event | None, large: Event) -> None:
        """Find the layouts of an op's results from its events in the two recordings."""
        if small is None or len(small.outputs) != len(large.outputs):
            self.skipped[op.name] = "runs only for some batch sizes"
            return
        before = [self.layouts[name] for name in op.parent_ops if name in self.layouts]
        for k, (a, b) in enumerate(zip(small.outputs, large.outputs, strict=True)):
            assert a.tensor is not None, "recordings without keep= hold all values"
            assert b.tensor is not None, "recordings without keep= hold all values"
            few = read_numbers(a.tensor)
            more = read_numbers(b.tensor)
            precision = self._follow_precision(op, more.dtype)
            match = match_axes(few, more, self._counts, before, precision)
            if isinstance(match, str):
                self.skipped.setdefault(op.name, match)
                continue
            layout = self._add(op, large, k, match, more)
            self.precisions[layout.name] = precision
            fewer_rows = layout.put_stimuli_first(few, self._counts.few)
            same_rows = self.rows[layout.name][: self._counts.few]
            if measure_difference(fewer_rows, same_rows, precision) > 1:
                self.differing.append(layout.name)

    def _follow_precision(self, op: Op, dtype: torch.dtype) -> float:
        """Return the coarsest machine precision of a result and of what it was computed from."""
        coarsest = max((self._coarsest.get(name, 0.0) for name in op.parent_ops), default=0.0)
        if dtype.is_floating_point or dtype.is_complex:
            coarsest = max(coarsest, torch.finfo(dtype).eps)
        self._coarsest[op.name] = max(coarsest, self._coarsest.get(op.name, 0.0))
        return coarsest

    def _add(self, op: Op, event: Event, k: int, match: AxisMatch, tensor: torch.Tensor) -> Layout:
        """Add the layout of the k-th result, given for the larger batch as ``tensor``."""
        self._results.append(Result(op, event, k, tuple(tensor.shape), match.stimuli))
        layout = Layout(
            op=op.name,
            output=k if len(event.outputs) > 1 else -1,
            axis=match.stimuli.axis,
            group=match.stimuli.group,
            major=match.stimuli.major,
            shape=match.shape,
            dims=(),
            dtype=tensor.dtype,
            shares="",
        )
        rows = layout.put_stimuli_first(tensor, self._counts.more)
        self.rows[layout.name] = rows
        if layout.output < 0 and self._may_share:
            layout = replace(layout, shares=self._find_source(op, event, rows))
        self.layouts[layout.name] = layout
        return layout

    def name_dims(self, batch: Batch, given: Mapping[str, Sequence[str]]) -> None:
        """Name the axes of all results; ``given`` are a user's names for those of inputs."""
        shapes = {key: tensor.shape for key, tensor in list_batch_inputs(batch).items()}
        axes = name_results(self._results, shapes, given)
        for name, layout in self.layouts.items():
            found = axes[layout.op, max(layout.output, 0)]
            self.layouts[name] = replace(layout, dims=name_dims(found, len(layout.shape)))

    def _find_source(self, op: Op, event: Event, rows: torch.Tensor) -> str:
        """Return the label of the result that an op only views, or ""."""
        if op.function not in _VIEWS or event.call.mutates:
            return ""
        source = self.layouts.get(op.alias_of)
        if source is None or fingerprint_rows(rows) != fingerprint_rows(self.rows[source.name]):
            return ""
        return source.shares or source.name


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
            size[value.storage] = max(size.get(value.storage, 0), n_bytes)
            spans.setdefault(value.storage, [i, i])[1] = i
        for value, _ in event.parents:
            if value.storage in spans:
                spans[value.storage][1] = i
    change = [0] * (len(recording.events) + 1)
    for storage, (first, last) in spans.items():
        change[first] += size[storage]
        change[last + 1] -= size[storage]
    return max(itertools.accumulate(change), default=0)


def fingerprint_rows(rows: torch.Tensor) -> tuple:
    """Return a fingerprint of each stimulus that does not change when its values are reordered.

    It consists of dtype, count, and exact sums over the bits of (stimulus, ...).
    """
    flat = rows.resolve_conj().resolve_neg().reshape(len(rows), -1).contiguous()
    if flat.is_complex():
        flat = torch.view_as_real(flat).flatten(1)  # (stimulus, 2 * feature)
    elif flat.dtype in (torch.bool, torch.bfloat16):
        flat = flat.float()
    width = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[flat.dtype.itemsize]
    bits = flat.view(width).to(torch.int64)
    sums = [bits.sum(1), (bits * bits).sum(1), (bits * bits * bits).sum(1)]
    return rows.dtype, bits.shape[1], tuple(tuple(s.tolist()) for s in sums)
