"""Which axis of a result holds positions that only pad the stimuli."""

from collections.abc import Collection, Mapping

from neurolens.extract.graph.graph import Graph
from neurolens.extract.reducers.base import Rows
from neurolens.extract.reducers.pool import is_position
from neurolens.extract.stream.layouts.finding import Layouts
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.stimuli import StimulusSet
from neurolens.stimuli.batches.masks import find_positions

# Functions that may put values into other places along an axis, without changing its length.
_MOVING = frozenset(
    "flip fliplr rot90 roll sort argsort msort gather take_along_dim index_select".split()
)


class PaddedRows:
    """The form of the results of a run over stimuli, with the axis along which they are padded.

    It is the one that can be pooled over and has the length of the padded inputs, in results that
    come from no other input, nor from positions in another order (flipped, sorted).
    """

    def __init__(self, layouts: Layouts, stimuli: StimulusSet) -> None:
        graph = layouts.graph
        self._positions = find_positions(stimuli)
        self._sources: Mapping[str, frozenset[str]] = {}
        self._inputs: frozenset[str] = frozenset()
        self._is_padded = bool(stimuli.padding.shapes)
        if self._positions is not None:
            self._is_padded = True
            self._inputs = frozenset(f"input.{key}" for key in self._positions.inputs)
            if len(graph.inputs) == 1:
                self._inputs |= frozenset(graph.inputs)
            self._sources = trace_inputs(graph)
        # Token ids have no name for their positions yet.
        long = {layout.op for layout in layouts.by_name.values() if self._list_long(layout)}
        self._moved = find_moved(graph, long)

    def describe(self, layout: Layout) -> Rows:
        """Return the form of a result per stimulus."""
        axis = -1 if layout.op in self._moved else self._find_axis(layout)
        padded = axis if axis >= 0 else None
        return Rows(layout.shape, layout.dims, layout.dtype, self._is_padded, padded)

    def _find_axis(self, layout: Layout) -> int:
        """Return the axis along which a result is padded, by its length, -1 where none is."""
        axes = [i for i in self._list_long(layout) if is_position(layout.dims[i])]
        return axes[0] if len(axes) == 1 else -1

    def _list_long(self, layout: Layout) -> list[int]:
        """Return the axes as long as the padded inputs, of a result that comes from these alone."""
        sources = self._sources.get(layout.op, frozenset())
        if self._positions is None or not sources or not sources <= self._inputs:
            return []
        size = self._positions.size
        return [i for i, length in enumerate(layout.shape) if length == size]


def find_padded(layouts: Layouts, stimuli: StimulusSet) -> frozenset[str]:
    """Return the ops whose results come from inputs that are padded."""
    graph = layouts.graph
    positions = find_positions(stimuli)
    keys = {*stimuli.padding.shapes, *(positions.inputs if positions is not None else ())}
    if not keys:
        return frozenset()
    padded = {f"input.{key}" for key in keys}
    if len(graph.inputs) == 1:
        padded.update(graph.inputs)
    sources = trace_inputs(graph)
    return frozenset(name for name, inputs in sources.items() if not padded.isdisjoint(inputs))


def find_moved(graph: Graph, long: Collection[str]) -> set[str]:
    """Return the ops whose positions may be in another order than those of the stimuli.

    They come after one that puts values into other places, among ``long``, the ops with an axis as
    long as the padded inputs. Which values a list of one axis takes (``x[:, order]``) may be any;
    lists of several (``mask[rows, positions]``) only where stimuli feed them.
    """
    moved: set[str] = set()
    sources = trace_inputs(graph)
    for op in graph:
        is_moving = op.function in _MOVING
        if op.function == "getitem":
            lists = [parent for parent in op.parents if parent.position != "0"]
            is_fed = any(p.kind == "input" or sources.get(p.source) for p in lists)
            is_moving = is_fed or len(lists) == 1
        if (is_moving and op.name in long) or not moved.isdisjoint(op.parent_ops):
            moved.add(op.name)
    return moved


def trace_inputs(graph: Graph) -> dict[str, frozenset[str]]:
    """Return the inputs of the model that each op's result was computed from, by op name."""
    sources: dict[str, frozenset[str]] = {}
    for op in graph:
        found: set[str] = set()
        for parent in op.parents:
            if parent.kind == "input":
                found.add(parent.source)
            elif parent.kind == "op":
                found |= sources[parent.source]
        sources[op.name] = frozenset(found)
    return sources
