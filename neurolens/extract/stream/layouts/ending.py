"""Where the larger of two passes may end, and what the smaller tells of the ops behind."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from numbers import Integral
from typing import Any

import torch

from neurolens.extract.capture.events import Event, Recording, Value
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Op
from neurolens.extract.stream.follow import Counts
from neurolens.extract.stream.layouts.axes import (
    UNKNOWN,
    Axes,
    Factor,
    StimulusAxis,
    measure_axes,
)
from neurolens.extract.stream.layouts.dims import RESIZING, follow_arguments
from neurolens.extract.stream.layouts.finding import list_fed
from neurolens.extract.stream.layouts.layout import Layout, holds_values
from neurolens.extract.stream.layouts.recorded import LayoutReader
from neurolens.labels import STIMULUS

# Functions that take values from places that a tensor names.
_TAKING = frozenset(("index_select", "take_along_dim", "gather"))


class Ending:
    """The end of the larger of two passes, behind which the smaller tells enough.

    Behind it every op must surely have a layout: it keeps the stimuli on an axis, one that its
    arguments have, and takes nothing but results, parameters and buffers.

    Parameters
    ----------
    small : Recording
        Of the smaller batch, the whole pass, with all values.
    graph : Graph
    layouts : dict of str
        By label of the result, as far as the smaller batch tells them.
    n_few : int
        Stimuli of the smaller batch.
    ops : collection of str
        Those whose results are wanted.

    Attributes
    ----------
    op : str or None
        The last op that is wanted, None where the larger batch is to be run to its end.
    """

    def __init__(
        self,
        small: Recording,
        graph: Graph,
        layouts: Mapping[str, Layout],
        n_few: int,
        ops: Collection[str],
    ) -> None:
        self._small = small
        self._layouts = layouts
        self._fed = list_fed(graph)
        self._events = {event.name: event for event in small.events}
        wanted = [i for i, event in enumerate(small.events) if event.name in ops]
        n_before = wanted[-1] + 1 if wanted else len(small.events)
        self._before = small.events[:n_before]
        self._behind = small.events[n_before:]
        self.op = self._before[-1].name if self._tells_rest(graph, n_few) else None

    def _tells_rest(self, graph: Graph, n_few: int) -> bool:
        """Return whether there are ops behind the end, which surely have the layouts given."""
        followed: dict[tuple[str, int], Axes] = {}
        for layout in self._layouts.values():
            if layout.op in self._fed:
                k = max(layout.output, 0)
                shape = graph.by_name[layout.op].outputs[k].shape
                followed[layout.op, k] = _open_axes(layout, shape, n_few)
        for event in self._behind:
            op = graph.by_name[event.name]
            if not _keeps_stimuli(op, event, followed, self._layouts, n_few):
                return False
        is_unseen = any(value.kind == "constant" for value, _ in self._small.outputs)
        return bool(self._behind) and not is_unseen

    def agrees(self, large: Recording, layouts: Mapping[str, Layout]) -> bool:
        """Return whether the larger batch, up to the end, has the ops, stimuli and memory expected.

        ``layouts`` are those of its results.
        """
        if large.list_names() != [event.name for event in self._before]:
            return False
        for few, more in zip(self._before, large.events, strict=True):
            if _list_memories(few) != _list_memories(more):
                return False
            for k in range(len(few.outputs)) if few.name in self._fed else ():
                label = _label_result(few, k)
                guessed = self._layouts.get(label)
                found = layouts.get(label)
                if guessed is None or found is None:
                    if guessed is not found:
                        return False
                elif _find_stimuli(guessed) != _find_stimuli(found):
                    return False
        return True

    def complete(self, large: Recording, counts: Counts) -> Recording:
        """Return the recording of the larger batch, with what runs behind the end.

        Values of that are those of the smaller batch, and sizes as the larger batch has them.
        """
        small = self._small
        shapes: dict[tuple[str, int], torch.Size] = {}
        for layout in self._layouts.values():
            event = self._events[layout.op]
            k = max(layout.output, 0)
            sizes = list(event.specs[k].shape)
            sizes[layout.axis] = sizes[layout.axis] // counts.few * counts.more
            shapes[layout.op, k] = torch.Size(sizes)
        rest = []
        for event in self._behind:
            specs = [
                spec._replace(shape=shapes[event.name, k]) for k, spec in enumerate(event.specs)
            ]
            resized = copy(event)
            resized.specs = tuple(specs)
            resized.parents = [
                (self._resize(value, shapes), place) for value, place in event.parents
            ]
            rest.append(resized)
        reads = [read for read in small.host_reads if read.after >= len(self._before)]
        return replace(
            large,
            events=[*large.events, *rest],
            host_reads=[*large.host_reads, *reads],
            module_outputs=small.module_outputs,
            outputs=small.outputs,
        )

    def _resize(self, value: Value, shapes: Mapping[tuple[str, int], torch.Size]) -> Value:
        """Return a result of an op as an argument, with the shape that it has in larger batches."""
        if value.kind != "op":
            return value
        event = self._small.events[value.source]
        shape = shapes.get((event.name, value.output))
        if shape is None or value.shape != event.specs[value.output].shape:
            return value  # it does not grow, or is a view whose base was written to
        resized = copy(value)
        resized.shape = shape
        return resized

    def add_rest(self, reader: LayoutReader, ops: Mapping[str, Op], large: Recording) -> None:
        """Add the layouts of what runs behind the end; ``large`` is what `complete` returned."""
        for event in large.events[len(self._before) :]:
            for k in range(len(event.outputs)):
                layout = self._layouts[_label_result(event, k)]
                reader.add(layout, ops[event.name], event)


def _keeps_stimuli(
    op: Op,
    event: Event,
    followed: Mapping[tuple[str, int], Axes],
    layouts: Mapping[str, Layout],
    n_few: int,
) -> bool:
    """Return whether the results of an op surely have the axes of stimuli that layouts say."""
    if any(value.kind == "constant" for value, _ in event.parents):
        return False
    if _takes_some(op, event, n_few):
        return False
    parents: list[Axes | None] = []
    for parent, (value, _) in zip(op.parents, event.parents, strict=True):
        axes = followed.get((parent.source, parent.output)) if parent.kind == "op" else None
        is_shaped = axes is not None and measure_axes(axes) == list(value.shape)
        parents.append(axes if is_shaped else None)
    # What the first argument is says what the others are.
    if not parents or parents[0] is None:
        return False
    for k, value in enumerate(event.outputs):
        layout = layouts.get(_label_result(event, k))
        tensor = value.tensor
        if layout is None or tensor is None or not holds_values(tensor):
            return False
        if follow_arguments(op, event, parents, tensor.shape, _find_stimuli(layout)) is None:
            return False
    return True


def _takes_some(op: Op, event: Event, n_few: int) -> bool:
    """Return whether an op may take as many stimuli as there are here from any number."""
    if op.function == "getitem" and not _is_plain_index(event.args[1]):
        return True
    numbers = _iterate_numbers((event.args[1:], event.kwargs))
    return op.function in _TAKING or (op.function in RESIZING and n_few in numbers)


def _is_plain_index(index: Any) -> bool:
    """Return whether an index takes whole numbers and slices only, no list of places."""
    entries = index if isinstance(index, tuple) else (index,)
    return all(one is None or one is ... or isinstance(one, (slice, int)) for one in entries)


def _open_axes(layout: Layout, shape: Sequence[int], n_stimuli: int) -> Axes:
    """Return the axes of a result of which only that of the stimuli has a name."""
    axes = [(Factor(UNKNOWN, size),) for size in shape]
    shared = [Factor(STIMULUS, n_stimuli)]
    if layout.group > 1:
        shared.insert(1 if layout.major else 0, Factor(UNKNOWN, layout.group))
    return (*axes[: layout.axis], tuple(shared), *axes[layout.axis + 1 :])


def _find_stimuli(layout: Layout) -> StimulusAxis:
    return StimulusAxis(layout.axis, layout.group, layout.major)


def _label_result(event: Event, k: int) -> str:
    return event.name if len(event.outputs) == 1 else f"{event.name}.{k}"


def _list_memories(event: Event) -> list[int]:
    """Return the memories of the results and the arguments of an op."""
    parents = [value.memory for value, _ in event.parents]
    return [*parents, *[value.memory for value in event.outputs]]


def _iterate_numbers(value: Any) -> Iterator[int]:
    """Yield the whole numbers in arguments, without their signs."""
    if isinstance(value, slice):
        yield from _iterate_numbers((value.start, value.stop, value.step))
    elif isinstance(value, dict):
        yield from _iterate_numbers(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _iterate_numbers(one)
    elif isinstance(value, Integral):
        yield abs(int(value))
