"""The axis of each result that holds the stimuli, and the names of the others."""

import itertools
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.capture.events import Event, Recording, Value, hash_tensors
from neurolens.extract.capture.forward import make_sites, record_forward
from neurolens.extract.capture.restore import preserve_buffers
from neurolens.extract.graph.build import assemble_graph
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Op, Parent
from neurolens.extract.stream.batches import call_with_batch
from neurolens.extract.stream.dims import (
    Axes,
    StimulusAxis,
    follow_axes,
    measure_axes,
    name_dims,
    name_input,
)
from neurolens.extract.stream.follow import Counts, ExpectedPass, expect_pass

# Only these may share a Gram with what they view, and only when the values agree too.
_VIEWS = frozenset(
    "view reshape flatten permute transpose t T mT squeeze unsqueeze contiguous dropout movedim "
    "unflatten swapaxes identity to detach alias clone feature_dropout alpha_dropout".split()
)
# A stimulus's values in two batches: equal up to 1 (see `measure_difference`), clearly other
# above 10.
_EQUAL = 1
_OTHER = 10


@dataclass(frozen=True, slots=True)
class Layout:
    """The position of the stimuli in one result.

    The stimulus axis is ``axis``. Where it is shared with other things (windows, heads), it holds
    ``group`` of them per stimulus, stimulus by stimulus when ``major``, else interleaved; they
    become an axis of their own. ``repeatable`` is False when a stimulus's values differed between
    two batches. ``shares`` names the result that this one only views or passes on: the same values
    per stimulus, perhaps in another order.
    """

    op: str
    output: int
    axis: int
    group: int
    major: bool
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    repeatable: bool
    dtype: torch.dtype
    shares: str

    @property
    def name(self) -> str:
        """Label of this result: the op's name, with ``.k`` for the k-th of several."""
        return self.op if self.output < 0 else f"{self.op}.{self.output}"

    def put_stimuli_first(self, tensor: torch.Tensor, n_stimuli: int) -> torch.Tensor:
        """Return the result with shape (stimulus, *shape).

        Raises
        ------
        InputError
            When the result's shape is not the one found for the first stimuli.
        """
        if self.group > 1:
            split = [n_stimuli, self.group] if self.major else [self.group, n_stimuli]
            axis = self.axis if self.major else self.axis + 1
        else:
            split = [n_stimuli]
            axis = self.axis
        expected = list(self.shape)
        expected.insert(axis, n_stimuli)
        sizes = list(tensor.shape)
        if 0 <= self.axis < len(sizes) and sizes[self.axis] == n_stimuli * self.group:
            sizes[self.axis : self.axis + 1] = split
        if sizes != expected:
            raise InputError(
                f"{self.name!r} has shape {tuple(tensor.shape)} for {n_stimuli} stimuli, expected "
                f"{self.shape} per stimulus as for the first ones: its shape depends on the "
                "stimuli. Leave it out of ops=."
            )
        return tensor.reshape(sizes).movedim(axis, 0)  # (stimulus, *shape)


@dataclass(frozen=True)
class Layouts:
    """The layouts of all results that have stimuli, and why the other ops have none.

    ``skipped`` maps an op to the reason: it does not depend on the stimuli's number, or mixes them.
    ``expected`` is what later passes are checked against. ``live_bytes`` is the most that results
    alive at one moment took, for each of its two counts of stimuli. ``constants`` is a hash of the
    tensors that the model uses and has not registered. ``drawn`` names the random generators that
    it drew from.
    """

    graph: Graph
    by_name: dict[str, Layout]
    skipped: dict[str, str]
    expected: ExpectedPass
    live_bytes: Counts
    constants: str = ""
    drawn: tuple[str, ...] = ()

    def predict_live_bytes(self, n_stimuli: int) -> int:
        """Return the most that results of a plain pass take at one moment, inputs aside."""
        counts = self.expected.counts
        low = self.live_bytes.few
        high = self.live_bytes.more
        return low + (high - low) * (n_stimuli - counts.few) // (counts.more - counts.few)


def find_layouts(model: nn.Module, few: torch.Tensor, more: torch.Tensor) -> Layouts:
    """Find the stimulus axis of every result from a batch and a larger one that begins with it.

    Parameters
    ----------
    model : Module
    few, more : Tensor (m, ...), (n, ...)
        ``more`` starts with the stimuli of ``few``.

    Returns
    -------
    Layouts

    Notes
    -----
    An axis counts as the stimuli's when it alone grows, in proportion. When it holds more than the
    stimuli, the values tell whether they come stimulus by stimulus or interleaved; where both fit,
    the results that fed the op decide, else it is left out. Nothing is assumed from position:
    attention in PyTorch puts tokens first.
    """
    sites = make_sites()
    counts = Counts(len(few), len(more))
    with preserve_buffers(model):
        small = record_forward(call_with_batch(model, few), sites=sites)
    with preserve_buffers(model):
        large = record_forward(call_with_batch(model, more), sites=sites)
    graph = assemble_graph(large)
    reader = _LayoutReader(counts, name_input(more.shape))
    small_events = {event.name: event for event in small.events}
    for op, event in zip(graph, large.events, strict=True):
        reader.read(op, small_events.get(op.name), event)
    with_layout = {layout.op for layout in reader.layouts.values()}
    return Layouts(
        graph=graph,
        by_name=reader.layouts,
        skipped={name: why for name, why in reader.skipped.items() if name not in with_layout},
        expected=expect_pass(small, large, counts, sites),
        live_bytes=Counts(measure_live_bytes(small), measure_live_bytes(large)),
        constants=hash_tensors(_list_constants(large)),
        drawn=tuple(dict.fromkeys(small.drawn + large.drawn)),
    )


class _LayoutReader:
    """Reads two recordings op by op, in order, and finds the layouts of their results.

    Attributes
    ----------
    layouts : dict of str
        By label of the result.
    skipped : dict of str
        Op -> why a result of it has no layout.
    """

    def __init__(self, counts: Counts, input_axes: Axes | None) -> None:
        self.layouts: dict[str, Layout] = {}
        self.skipped: dict[str, str] = {}
        self._counts = counts
        self._input_axes = input_axes
        self._axes: dict[tuple[str, int], Axes | None] = {}
        self._rows: dict[str, torch.Tensor] = {}  # label -> (stimulus, *shape)

    def read(self, op: Op, small: Event | None, large: Event) -> None:
        """Find the layouts of an op's results from its events in the two recordings."""
        if small is None or len(small.outputs) != len(large.outputs):
            self.skipped[op.name] = "runs only for some batch sizes"
            return
        before = [self.layouts[name] for name in op.parent_ops if name in self.layouts]
        for k, (a, b) in enumerate(zip(small.outputs, large.outputs, strict=True)):
            few = a.tensor
            more = b.tensor
            assert few is not None, "recordings without keep= hold all values"
            assert more is not None, "recordings without keep= hold all values"
            match = match_axes(few, more, self._counts, before)
            if isinstance(match, str):
                self.skipped.setdefault(op.name, match)
            else:
                self._add(op, large, k, match, more)

    def _add(self, op: Op, event: Event, k: int, match: "AxisMatch", tensor: torch.Tensor) -> None:
        """Add the layout of the k-th result, given for the larger batch as ``tensor``."""
        parents = [
            self._find_axes(p, v) for p, (v, _) in zip(op.parents, event.parents, strict=True)
        ]
        axes = follow_axes(op, event, parents, tensor.shape, match.stimuli)
        self._axes[op.name, k] = axes
        layout = Layout(
            op=op.name,
            output=k if len(event.outputs) > 1 else -1,
            axis=match.stimuli.axis,
            group=match.stimuli.group,
            major=match.stimuli.major,
            shape=match.shape,
            dims=name_dims(axes, len(match.shape)),
            repeatable=match.repeatable,
            dtype=tensor.dtype,
            shares="",
        )
        if layout.output < 0:
            rows = layout.put_stimuli_first(tensor, self._counts.more)
            self._rows[op.name] = rows
            layout = replace(layout, shares=self._find_source(op, event, rows))
        self.layouts[layout.name] = layout

    def _find_axes(self, parent: Parent, value: Value) -> Axes | None:
        """Return the axes of an argument; None where they are unknown or those of another shape.

        The latter are those of a view whose base was written to: it counts as a result of the op
        that wrote, whose own result has the shape of the base.
        """
        if parent.kind == "input":
            axes = self._input_axes
        else:
            axes = self._axes.get((parent.source, parent.output))
        if axes is None or value.tensor is None:
            return axes
        return axes if measure_axes(axes) == list(value.tensor.shape) else None

    def _find_source(self, op: Op, event: Event, rows: torch.Tensor) -> str:
        """Return the label of the result that an op only views, or ""."""
        if op.function not in _VIEWS or event.call.mutates:
            return ""
        source = self.layouts.get(op.alias_of)
        if source is None or fingerprint_rows(rows) != fingerprint_rows(self._rows[source.name]):
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


class AxisMatch(NamedTuple):
    """The stimulus axis of a result, its shape per stimulus, and whether its values repeat."""

    stimuli: StimulusAxis
    shape: tuple[int, ...]
    repeatable: bool


def match_axes(
    few: torch.Tensor, more: torch.Tensor, counts: Counts, parents: list[Layout]
) -> AxisMatch | str:
    """Return the stimulus axis of an op's result, or why it cannot be determined.

    Parameters
    ----------
    few, more : Tensor
        The result for the smaller and for the larger batch.
    counts : Counts
    parents : list of Layout
        Of the results that fed the op.
    """
    if {few.layout, more.layout} != {torch.strided}:
        return "is not a dense tensor"
    if few.ndim != more.ndim:
        return "its number of axes depends on the batch size"
    grown = [i for i, (m, n) in enumerate(zip(few.shape, more.shape, strict=True)) if n != m]
    if not grown:
        return "does not grow with the number of stimuli"
    axis = grown[0]
    length = few.shape[axis]
    in_proportion = length * counts.more == more.shape[axis] * counts.few
    is_whole = length % counts.few == 0
    if not (len(grown) == 1 and in_proportion and is_whole):
        return "mixes the stimuli: it does not grow along one axis in proportion to their number"
    if length > counts.few:
        return _match_shared(few, more, axis, counts, parents)
    shape = list(few.shape)
    del shape[axis]
    repeatable = measure_difference(more.narrow(axis, 0, length), few) <= _EQUAL
    return AxisMatch(StimulusAxis(axis, 1, True), tuple(shape), repeatable)


def _match_shared(
    few: torch.Tensor, more: torch.Tensor, axis: int, counts: Counts, parents: list[Layout]
) -> AxisMatch | str:
    """Return how the stimuli share ``axis`` with other things, or why this is unknown."""
    length = few.shape[axis]
    group = length // counts.few
    shape = list(few.shape)
    shape[axis] = group
    by_stimulus = measure_difference(more.narrow(axis, 0, length), few)
    interleaved = _measure_interleaved(few, more, axis, counts)
    if min(by_stimulus, interleaved) > _EQUAL:
        return "its stimuli share an axis with other things in an order that cannot be told"
    if max(by_stimulus, interleaved) > _OTHER:
        major = by_stimulus < interleaved
        return AxisMatch(StimulusAxis(axis, group, major), tuple(shape), True)
    alike = [layout.major for layout in parents if (layout.axis, layout.group) == (axis, group)]
    if not alike:
        return (
            "its stimuli share an axis with other things, and those looked at do not tell in "
            "which order"
        )
    return AxisMatch(StimulusAxis(axis, group, alike[0]), tuple(shape), True)


def _measure_interleaved(few: torch.Tensor, more: torch.Tensor, axis: int, counts: Counts) -> float:
    """Return how far two batches differ if the stimuli along ``axis`` are interleaved."""
    order = torch.arange(more.shape[axis], device=more.device)
    index = order.reshape(-1, counts.more)[:, : counts.few].reshape(-1)
    return measure_difference(more.index_select(axis, index), few)


def measure_difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the largest difference in units of what rounding in another batch may change.

    A difference of up to 1 counts as equal.
    """
    if a.numel() == 0:
        return 0.0
    if not (a.is_floating_point() or a.is_complex()):
        return 0.0 if bool((a == b).all()) else float("inf")
    if a.dtype.itemsize == 1:
        a = a.float()
        b = b.float()
    if a.is_floating_point():
        # Usually all differ by far less than is allowed, and the extremes suffice; NaN and infinity
        # never pass.
        largest = _find_largest(a - b)
        scale = _find_largest(b)
        if largest <= 1e-5 * scale < float("inf"):
            return largest / (1e-5 * scale + 1e-30)
    scale = float(b.abs().nan_to_num(0, 0, 0).max())
    allowed = 1e-3 * b.abs() + 1e-5 * scale + 1e-30
    is_same = (a == b) | (a.isnan() & b.isnan())
    ratio = torch.where(is_same, torch.zeros_like(allowed), (a - b).abs() / allowed)
    return float(ratio.nan_to_num(float("inf"), float("inf")).max())


def _find_largest(tensor: torch.Tensor) -> float:
    """Return the largest magnitude in a real tensor."""
    low, high = torch.aminmax(tensor)
    return max(abs(float(low)), abs(float(high)))
