"""The order of layers whose passes share a node: that of a time step in which all of them run."""

from collections import defaultdict
from collections.abc import Iterable

from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Op


def order_layers(graph: Graph) -> list[list[Op]]:
    """Return the ops of each layer, layers in the order in which one time step runs them.

    A layer that does not run in the first time step, as one that reads what a former step made,
    stands where it ran in its first: before what follows it there, or after what precedes it.
    """
    layers = [list(map(graph.by_name.__getitem__, layer.ops)) for layer in graph.layers]
    followed = _find_anchors(layers, graph.ops[::-1])
    preceded = _find_anchors(layers, graph.ops)
    before: dict[int, list[list[Op]]] = defaultdict(list)
    after: dict[int, list[list[Op]]] = defaultdict(list)
    kept = []
    for number, layer in enumerate(layers):
        if number in followed:
            before[followed[number]].append(layer)
        elif number in preceded:
            after[preceded[number]].append(layer)
        else:
            kept.append(number)
    ordered = []
    for number in kept:
        ordered += [*before[number], layers[number], *after[number]]
    return ordered


def _find_anchors(layers: list[list[Op]], ops: Iterable[Op]) -> dict[int, int]:
    """Return for late layers the layer that ran last before their first pass, in their time step.

    The anchor is one that runs from the first time step on. With ``ops`` from last to first it is
    the layer that ran next.
    """
    layer_of = {}
    for number, layer in enumerate(layers):
        for op in layer:
            layer_of[op.name] = number
    anchors = {}
    step: int | None = None
    near: int | None = None
    for op in ops:
        if op.time_step != step:
            step = op.time_step
            near = None
        number = layer_of[op.name]
        first = layers[number][0]
        if (first.time_step or 1) == 1:
            near = number
        elif op is first and near is not None:
            anchors[number] = near
    return anchors
