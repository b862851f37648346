"""Which axis of each result holds the stimuli, and what the others are called."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.assemble import assemble_graph
from neurolens.extract.forward import record_forward
from neurolens.extract.graph import Graph, Op
from neurolens.labels import STIMULUS

_SPATIAL = (
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d max_pool1d max_pool2d "
    "max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d adaptive_max_pool2d batch_norm instance_norm group_norm interpolate "
    "upsample_nearest2d upsample_bilinear2d"
).split()
_REARRANGING = ("permute transpose T mT movedim swapaxes reshape view unflatten flatten").split()
_BY_NDIM = {
    0: (),
    1: ("feature",),
    2: ("token", "feature"),
}
_SPATIAL_BY_NDIM = {2: ("channel", "x"), 3: ("channel", "y", "x"), 4: ("channel", "frame", "y", "x")}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the stimuli are in one result.

    The stimulus axis is ``axis``. Where it is shared with other things (windows, heads), it holds ``group`` of them
    per stimulus, stimulus by stimulus when ``major``, else interleaved; they become an axis of their own.
    ``repeatable`` is False when a stimulus's values differed between two passes in different company.
    """

    op: str
    output: int
    axis: int
    group: int
    major: bool
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    repeatable: bool

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
            split, axis = [n_stimuli], self.axis
        expected = list(self.shape)
        expected.insert(axis, n_stimuli)
        sizes = list(tensor.shape)
        if 0 <= self.axis < len(sizes) and sizes[self.axis] == n_stimuli * self.group:
            sizes[self.axis : self.axis + 1] = split
        if sizes != expected:
            raise InputError(
                f"{self.name!r} has shape {tuple(tensor.shape)} for {n_stimuli} stimuli, expected {self.shape} per "
                "stimulus as for the first ones: its shape depends on the stimuli. Leave it out of ops=."
            )
        return tensor.reshape(sizes).movedim(axis, 0)


@dataclass(frozen=True)
class Layouts:
    """The layouts of all results that have stimuli, and why the other ops have none.

    ``skipped`` maps an op to the reason: it does not depend on the stimuli's number, or mixes them.
    """

    graph: Graph
    by_name: dict[str, Layout]
    skipped: dict[str, str]


def find_layouts(model: nn.Module, first: torch.Tensor, pair: torch.Tensor) -> Layouts:
    """Find the stimulus axis of every result by running one stimulus alone and again beside a second one.

    Parameters
    ----------
    model : Module
    first : Tensor (1, ...)
        One stimulus.
    pair : Tensor (2, ...)
        The same stimulus followed by another.

    Returns
    -------
    Layouts

    Notes
    -----
    An axis counts as the stimuli's when it alone doubles. When it holds more than the stimuli, the values of the
    first stimulus tell whether they come stimulus by stimulus or interleaved. Nothing is assumed from position:
    attention in PyTorch puts tokens first.
    """
    alone = record_forward(model, first)
    beside = record_forward(model, pair)
    graph = assemble_graph(beside)
    values = {event.name: event.outputs for event in alone.events}
    layouts: dict[str, Layout] = {}
    skipped: dict[str, str] = {}
    dims: dict[str, tuple[str, ...]] = {}
    input_dims = _name_input_dims(first)
    for op, event in zip(graph, beside.events, strict=True):
        if op.name not in values:
            skipped[op.name] = "runs only for some batch sizes"
            continue
        for k, (a, b) in enumerate(zip(values[op.name], event.outputs, strict=False)):
            output = k if len(event.outputs) > 1 else -1
            match = _match_axes(a.tensor, b.tensor)
            if isinstance(match, str):
                skipped.setdefault(op.name, match)
                continue
            axis, group, major, sizes, repeatable = match
            named = _name_dims(op, sizes, group, dims, layouts, input_dims)
            layout = Layout(op.name, output, axis, group, major, sizes, named, repeatable)
            dims[op.name] = named
            layouts[layout.name] = layout
    return Layouts(graph, layouts, {k: v for k, v in skipped.items() if k not in {x.op for x in layouts.values()}})


def _match_axes(a: Any, b: Any) -> tuple[int, int, bool, tuple[int, ...], bool] | str:
    """Return (axis, group, major, shape per stimulus, repeatable), or why there is none."""
    if a.ndim != b.ndim:
        return "its number of axes depends on the batch size"
    doubled = [i for i, (m, n) in enumerate(zip(a.shape, b.shape, strict=True)) if n == 2 * m and m > 0]
    changed = [i for i, (m, n) in enumerate(zip(a.shape, b.shape, strict=True)) if n != m]
    if not changed:
        return "does not grow with the number of stimuli"
    if changed != doubled or len(doubled) != 1:
        return "mixes the stimuli: more than one axis changes with their number"
    axis = doubled[0]
    group = a.shape[axis]
    major = _nearly_equal(b.narrow(axis, 0, group), a)
    repeatable, rest = major, list(a.shape)
    if group == 1:
        del rest[axis]
        return axis, 1, True, tuple(rest), repeatable
    if not major:
        index = torch.arange(0, 2 * group, 2, device=b.device)
        if not _nearly_equal(b.index_select(axis, index), a):
            return "its stimuli share an axis with other things in an order that cannot be told"
    return axis, group, major, tuple(rest), True


def _nearly_equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.numel() == 0:
        return True
    if a.dtype == torch.bool or not (a.is_floating_point() or a.is_complex()):
        return bool((a == b).all())
    scale = float(b.abs().nan_to_num(0, 0, 0).max())
    return bool(((a - b).abs() <= 1e-3 * scale).logical_or(a == b).logical_or(a.isnan() & b.isnan()).all())


def _name_input_dims(first: torch.Tensor) -> dict[tuple[int, ...], tuple[str, ...]]:
    shape = tuple(first.shape[1:])
    names = {3: ("channel", "y", "x"), 4: ("channel", "frame", "y", "x"), **_BY_NDIM}.get(len(shape))
    return {} if names is None else {shape: names}


def _name_dims(
    op: Op,
    shape: tuple[int, ...],
    group: int,
    dims: dict[str, tuple[str, ...]],
    layouts: dict[str, Layout],
    input_dims: dict[tuple[int, ...], tuple[str, ...]],
) -> tuple[str, ...]:
    """Name the axes after the op or, where it keeps them, after its parent; ``dim_k`` where that would be a guess."""
    ndim = len(shape)
    unnamed = tuple(f"dim_{i + 1}" for i in range(ndim))
    if group > 1:
        return unnamed
    if op.function in _SPATIAL:
        return _SPATIAL_BY_NDIM.get(ndim, _BY_NDIM.get(ndim, unnamed))
    if op.function not in _REARRANGING:
        for parent in op.parents:
            if parent.kind == "op" and len(dims.get(parent.source, ())) == ndim and parent.source in layouts:
                return dims[parent.source]
            if parent.kind == "input" and shape in input_dims:
                return input_dims[shape]
    return _BY_NDIM.get(ndim, unnamed)


def label_dims(layout: Layout) -> tuple[str, ...]:
    """Return the dimensions of the stimulus-first array."""
    return (STIMULUS, *layout.dims)
