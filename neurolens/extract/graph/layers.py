"""The rolled view of a recurrent network: executions that are passes of one layer."""

import itertools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from neurolens.extract.graph.ops import Op
from neurolens.extract.graph.passes import Flow, group_passes, list_weights, trace_flow

# A function that gives the neighbours of an op, and which of several passes of one layer among them
# counts.
View = tuple[Callable[[int], list[int]], Callable]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer and its passes.

    ``ops`` are the names of its executions in order; a layer that runs once has one. ``name`` is
    the first's.
    """

    name: str
    function: str
    module: str
    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LayerEdge:
    """An edge: ``source`` feeds ``target`` in ``times`` of their passes.

    It is ``recurrent`` if later passes read earlier ones.
    """

    source: str
    target: str
    times: int
    recurrent: bool


def roll_ops(ops: Sequence[Op]) -> tuple[Layer, ...]:
    """Group executions into layers.

    Ops with parameters are one layer if they are the same call with the same parameters and
    settings at the same place of the same module. Ops without parameters are one layer if they have
    the same place, and the same nearest parametrised layers upstream, or the same downstream: a
    loop's first pass reads a value from before it, its last feeds what comes after. Passes follow
    each other in the data, so parallel branches that share weights are not a loop. Inputs and
    outputs of a loop at each step are found through the loop: executions at one place that feed, or
    are fed by, successive passes of a layer are passes too.

    Returns
    -------
    tuple of Layer
        In order of first execution.

    Notes
    -----
    Time is linear in the number of ops, except for sets of ancestors and of parameters, which are
    bits of integers.
    """
    flow = trace_flow(ops)
    weights = list_weights(ops)
    by_place = group_passes(ops, flow, weights)
    groups = sorted(itertools.chain(*by_place.values()), key=operator.itemgetter(0))
    has_weights = [bool(names) for names in weights]
    near: list[View] = [
        (flow.children.__getitem__, min),
        (flow.parents.__getitem__, max),
        (partial(_list_siblings, flow), min),
    ]
    far: list[View] = [
        (partial(_reach, flow.children, has_weights), min),
        (partial(_reach, flow.parents, has_weights), max),
    ]
    _join_steps(groups, list(by_place.values()), near, far)
    layers = []
    for group in groups:
        if group:
            first = ops[group[0]]
            names = tuple(ops[i].name for i in group)
            layers.append(Layer(first.name, first.function, first.module, names))
    return tuple(layers)


def _list_siblings(flow: Flow, i: int) -> list[int]:
    """Return the other ops that read what an op reads."""
    others = itertools.chain.from_iterable(flow.readers[source] for source in flow.sources[i])
    return [other for other in others if other != i]


def link_layers(ops: Sequence[Op], layers: Sequence[Layer]) -> tuple[LayerEdge, ...]:
    """Return the edges between layers, in order of first use.

    An edge back to an earlier or the same layer recurs.
    """
    layer_of = {}
    for i, layer in enumerate(layers):
        for name in layer.ops:
            layer_of[name] = i
    counts: dict[tuple[int, int], int] = {}
    for op in ops:
        for parent in op.parent_ops:
            key = (layer_of[parent], layer_of[op.name])
            counts[key] = counts.get(key, 0) + 1
    edges = []
    for (source, target), times in counts.items():
        is_recurrent = source >= target
        edges.append(LayerEdge(layers[source].name, layers[target].name, times, is_recurrent))
    return tuple(edges)


def _join_steps(
    groups: list[list[int]], places: list[list[list[int]]], near: list[View], far: list[View]
) -> None:
    """Join groups at one place whose members are neighbours of successive passes of one layer.

    Groups that were joined to others are emptied. ``near`` and ``far`` give an op's neighbours, and
    which pass of a layer among them counts: the first of what it feeds, the last of what feeds it,
    the first of what reads the same; then, where these find nothing more, of all it reaches
    downwards and upwards without passing a parameter.
    """
    membership = _Membership({}, {})
    for number, group in enumerate(groups):
        for position, i in enumerate(group):
            membership.group_of[i] = number
            membership.position[i] = position
    candidates = [place for place in places if len(place) > 1]
    views = near
    while True:
        joined = [_join_place(place, membership, views) for place in candidates]
        if not any(joined) and views is not near:
            return
        views = near if any(joined) else near + far


class _Membership(NamedTuple):
    """For each op the number of its group, and its position in it."""

    group_of: dict[int, int]
    position: dict[int, int]


def _join_place(place: list[list[int]], membership: _Membership, views: list[View]) -> bool:
    """Join successive groups at one place; return whether any was joined."""
    joined = False
    kept = place[0]
    for group in place[1:]:
        if not group:
            continue
        before = kept[-1]
        if before > group[0] or not _follow_each_other(before, group[0], membership, views):
            kept = group
            continue
        for i in group:
            membership.group_of[i] = membership.group_of[before]
            membership.position[i] = len(kept)
            kept.append(i)
        group.clear()
        joined = True
    return joined


def _follow_each_other(before: int, after: int, membership: _Membership, views: list[View]) -> bool:
    """Return whether two ops are neighbours of successive passes of one layer in some view."""
    return any(_are_steps(view(before), view(after), membership, choose) for view, choose in views)


def _are_steps(
    first: list[int], second: list[int], membership: _Membership, choose: Callable
) -> bool:
    """Return whether ``first`` are earlier and ``second`` later passes of the same layers."""
    early = _find_passes(first, membership, choose)
    late = _find_passes(second, membership, choose)
    shared = early.keys() & late.keys()
    is_later = any(early[g] < late[g] for g in shared)
    return is_later and all(early[g] <= late[g] for g in shared)


def _find_passes(neighbors: list[int], membership: _Membership, choose: Callable) -> dict[int, int]:
    """Return by group which of its passes counts among an op's neighbours."""
    passes: dict[int, int] = {}
    for i in neighbors:
        group = membership.group_of[i]
        position = membership.position[i]
        passes[group] = choose(position, passes.get(group, position))
    return passes


def _reach(neighbors: list[list[int]], stops: list[bool], start: int) -> list[int]:
    """Return the ops that a walk along ``neighbors`` meets, ended at those where it stops."""
    met = set(neighbors[start])
    ahead = list(neighbors[start])
    while ahead:
        i = ahead.pop()
        if not stops[i]:
            ahead += [n for n in neighbors[i] if n not in met]
            met.update(neighbors[i])
    return list(met)
