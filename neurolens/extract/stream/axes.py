"""Which axis of each result holds the stimuli, and what the others are called."""

import itertools
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.capture.events import Recording, hash_tensors
from neurolens.extract.capture.forward import make_sites, record_forward
from neurolens.extract.capture.restore import preserve_buffers
from neurolens.extract.graph.build import assemble_graph
from neurolens.extract.graph.graph import Graph
from neurolens.extract.stream.dims import Axes, follow_axes, name_dims, name_input
from neurolens.extract.stream.follow import ExpectedPass, expect_pass

# Only these may share a Gram with what they view, and only when the values say so too.
_VIEWS = frozenset(
    "view reshape flatten permute transpose t T mT squeeze unsqueeze contiguous dropout movedim "
    "unflatten swapaxes "
    "identity to detach alias clone feature_dropout alpha_dropout".split()
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the stimuli are in one result.

    The stimulus axis is ``axis``. Where it is shared with other things (windows, heads), it holds
    ``group`` of them per stimulus, stimulus by stimulus when ``major``, else interleaved; they
    become an axis of their own. ``repeatable`` is False when a stimulus's values differed between
    two passes in different company. ``shares`` names the result that this one only views or passes
    on: the same values per stimulus, perhaps in another order.
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
                f"{self.shape} per "
                "stimulus as for the first ones: its shape depends on the stimuli. Leave it out of "
                "ops=."
            )
        return tensor.reshape(sizes).movedim(axis, 0)


@dataclass(frozen=True)
class Layouts:
    """The layouts of all results that have stimuli, and why the other ops have none.

    ``skipped`` maps an op to the reason: it does not depend on the stimuli's number, or mixes them.
    ``script`` is what later passes are checked against. ``live_bytes`` is the most that results
    alive at one moment took, for each of the script's two counts of stimuli. ``constants`` is a
    hash of the tensors that the model brings along unregistered. ``drawn`` names the random
    generators that it drew from.
    """

    graph: Graph
    by_name: dict[str, Layout]
    skipped: dict[str, str]
    script: ExpectedPass
    live_bytes: tuple[int, int]
    constants: str = ""
    drawn: tuple[str, ...] = ()

    def predict_live_bytes(self, n_stimuli: int) -> int:
        """Return the most that a plain pass over a batch holds at one moment.

        Inputs and workspace aside.
        """
        (few, more) = self.script.counts
        (low, high) = self.live_bytes
        return low + (high - low) * (n_stimuli - few) // (more - few)


def find_layouts(model: nn.Module, few: torch.Tensor, more: torch.Tensor) -> Layouts:
    """Find the stimulus axis of every result by running some stimuli alone and again beside another one.

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
    what fed the op decides, else it is left out. Nothing is assumed from position: attention in
    PyTorch puts tokens first.
    """
    sites = make_sites()
    counts = (len(few), len(more))
    with preserve_buffers(model):
        alone = record_forward(model, few, sites=sites)
    with preserve_buffers(model):
        beside = record_forward(model, more, sites=sites)
    graph = assemble_graph(beside)
    before = {event.name: event for event in alone.events}
    layouts: dict[str, Layout] = {}
    skipped: dict[str, str] = {}
    results: dict[str, torch.Tensor] = {}
    axes: dict[tuple[str, int], Axes | None] = {}
    shown = name_input(more.shape)
    for op, event in zip(graph, beside.events, strict=True):
        other = before.get(op.name)
        if other is None or len(other.outputs) != len(event.outputs):
            skipped[op.name] = "runs only for some batch sizes"
            continue
        for k, (a, b) in enumerate(zip(other.outputs, event.outputs, strict=True)):
            match = _match_axes(
                a.tensor, b.tensor, counts, [layouts[p] for p in op.parent_ops if p in layouts]
            )
            if isinstance(match, str):
                skipped.setdefault(op.name, match)
                continue
            axis, group, major, sizes, repeatable = match
            output = k if len(event.outputs) > 1 else -1
            # type: ignore[union-attr]
            shape = b.tensor.shape
            dtype = b.tensor.dtype
            before_it = [
                shown if p.kind == "input" else axes.get((p.source, p.output)) for p in op.parents
            ]
            found = axes[op.name, k] = follow_axes(
                op, event, before_it, shape, (axis, group, major)
            )
            named = name_dims(found, len(sizes))
            layout = Layout(
                op.name, output, axis, group, major, sizes, named, repeatable, dtype, ""
            )
            if output < 0:
                tensor = results[op.name] = layout.put_stimuli_first(b.tensor, counts[1])  # type: ignore[arg-type]
                source = (
                    layouts.get(op.alias_of)
                    if op.function in _VIEWS and not event.call.mutates
                    else None
                )
                if source is not None and fingerprint_rows(tensor) == fingerprint_rows(
                    results[source.name]
                ):
                    layout = replace(layout, shares=source.shares or source.name)
            layouts[layout.name] = layout
    used = {layout.op for layout in layouts.values()}
    script = expect_pass(alone, beside, counts, sites)
    skipped = {name: reason for name, reason in skipped.items() if name not in used}
    live = measure_live_bytes(alone), measure_live_bytes(beside)
    held = [
        v.tensor
        for e in beside.events
        for v, _ in e.parents
        if v.kind == "constant" and v.tensor is not None
    ]
    drawn = tuple(dict.fromkeys(alone.drawn + beside.drawn))
    return Layouts(graph, layouts, skipped, script, live, hash_tensors(held), drawn)


def measure_live_bytes(recording: Recording) -> int:
    """Return the most bytes that results alive at one moment took.

    Each memory from its first op to its last use.
    """
    size: dict[int, int] = {}
    spans: dict[int, list[int]] = {}
    for i, event in enumerate(recording.events):
        for value, spec in zip(event.outputs, event.specs, strict=True):
            n_bytes = spec[0].numel() * spec[1].itemsize
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
    """Return what reordering each stimulus's values does not change: dtype, count.

    And exact sums over their bits.
    """
    flat = rows.resolve_conj().resolve_neg().reshape(len(rows), -1).contiguous()
    if flat.dtype == torch.bool or flat.is_complex() or flat.dtype == torch.bfloat16:
        flat = torch.view_as_real(flat).flatten(1) if flat.is_complex() else flat.float()
    width = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[flat.dtype.itemsize]
    bits = flat.view(width).to(torch.int64)
    sums = [bits.sum(1), (bits * bits).sum(1), (bits * bits * bits).sum(1)]
    return rows.dtype, bits.shape[1], tuple(tuple(s.tolist()) for s in sums)


def _match_axes(
    a: Any, b: Any, counts: tuple[int, int], parents: list[Layout]
) -> tuple[int, int, bool, tuple[int, ...], bool] | str:
    """Return (axis, group, major, shape per stimulus, repeatable), or why there is none."""
    few, more = counts
    if a.layout != torch.strided or b.layout != torch.strided:
        return "is not a dense tensor"
    if a.ndim != b.ndim:
        return "its number of axes depends on the batch size"
    changed = [i for i, (m, n) in enumerate(zip(a.shape, b.shape, strict=True)) if n != m]
    if not changed:
        return "does not grow with the number of stimuli"
    axis = changed[0]
    if len(changed) > 1 or a.shape[axis] * more != b.shape[axis] * few or a.shape[axis] % few:
        return "mixes the stimuli: it does not grow along one axis in proportion to their number"
    group = a.shape[axis] // few
    rest = list(a.shape)
    major = _differ(b.narrow(axis, 0, group * few), a)
    if group == 1:
        del rest[axis]
        return axis, 1, True, tuple(rest), major <= 1
    rest[axis] = group
    index = torch.arange(more * group, device=b.device).reshape(group, more)[:, :few].reshape(-1)
    interleaved = _differ(b.index_select(axis, index), a)
    if min(major, interleaved) > 1:
        return "its stimuli share an axis with other things in an order that cannot be told"
    if max(major, interleaved) > 10:
        return axis, group, major < interleaved, tuple(rest), True
    told = next((p.major for p in parents if (p.axis, p.group) == (axis, group)), None)
    if told is None:
        return "its stimuli share an axis with other things, and those looked at do not tell in which order"
    return axis, group, told, tuple(rest), True


def _differ(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the largest difference in units of what rounding in another batch may change.

    Up to 1 counts as equal.
    """
    if a.numel() == 0:
        return 0.0
    if not (a.is_floating_point() or a.is_complex()):
        return 0.0 if bool((a == b).all()) else float("inf")
    if a.dtype.itemsize == 1:
        a = a.float()
        b = b.float()
    if a.is_floating_point():
        # As a rule all differ by far less than is allowed, and the extremes tell; NaN and infinity
        # never pass.
        most, scale = (max(abs(float(end)) for end in torch.aminmax(x)) for x in (a - b, b))
        if most <= 1e-5 * scale < float("inf"):
            return most / (1e-5 * scale + 1e-30)
    scale = float(b.abs().nan_to_num(0, 0, 0).max())
    allowed = 1e-3 * b.abs() + 1e-5 * scale + 1e-30
    off = torch.where(
        (a == b) | (a.isnan() & b.isnan()), torch.zeros_like(allowed), (a - b).abs() / allowed
    )
    return float(off.nan_to_num(float("inf"), float("inf")).max())
