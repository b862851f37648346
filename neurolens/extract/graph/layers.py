"""Which executions are passes of one layer: the rolled view of a recurrent network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import or_
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neurolens.extract.graph.ops import Op


# Neighbours of an op, and which of several passes of one layer among them counts.
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
    """``source`` feeds ``target`` in ``times`` of their passes.

    ``recurrent`` when later passes read earlier ones.
    """

    source: str
    target: str
    times: int
    recurrent: bool


def roll_ops(ops: Sequence["Op"]) -> tuple[Layer, ...]:
    """Group executions into layers.

    With parameters: the same call with the same parameters and settings at the same place of the
    same module. Without: the same place, and the same nearest parametrised layers upstream, or the
    same downstream: a loop's first pass reads a value from before it, its last feeds what comes
    after. Passes follow each other in the data: parallel branches that share weights are not a
    loop. What a loop takes in or gives out at each step follows through the loop: executions at one
    place that feed, or are fed by, successive passes of a layer are passes too.

    Returns
    -------
    tuple of Layer
        In order of first execution.

    Notes
    -----
    Time is linear in the number of ops, except for the sets of ancestors, kept as bits of integers.
    """
    index = {op.name: i for i, op in enumerate(ops)}
    parents = [
        [index[name] for name in op.parent_ops if index[name] < i] for i, op in enumerate(ops)
    ]
    ancestors: list[int] = []
    for i, above in enumerate(parents):
        ancestors.append(reduce(or_, (ancestors[p] for p in above), 1 << i))
    weights = [frozenset(p.source for p in op.parents if p.kind == "parameter") for op in ops]
    upstream = _find_nearest(weights, parents)
    readers: dict[int | str, list[int]] = {}
    reads: list[list[int | str]] = []
    for i, op in enumerate(ops):
        reads.append([*parents[i], *(p.source for p in op.parents if p.kind == "input")])
        for source in reads[i]:
            readers.setdefault(source, []).append(i)
    children = [readers.get(i, []) for i in range(len(ops))]
    downstream = _find_nearest(
        weights[::-1], [[len(ops) - 1 - c for c in below] for below in reversed(children)]
    )[::-1]
    groups: list[list[int]] = []
    by_place: dict[tuple, list[list[int]]] = {}
    for i, op in enumerate(ops):
        place = (op.site, op.call, weights[i], op.settings if weights[i] else "")
        for group in by_place.setdefault(place, []):
            last = group[-1]
            follows = bool(ancestors[i] >> last & 1)
            if follows and (
                weights[i] or upstream[i] == upstream[last] or downstream[i] == downstream[last]
            ):
                group.append(i)
                break
        else:
            groups.append([i])
            by_place[place].append(groups[-1])
    beside = [
        [r for source in above for r in readers[source] if r != i] for i, above in enumerate(reads)
    ]
    stops = [bool(w) for w in weights]
    near: list[View] = [
        (children.__getitem__, min),
        (parents.__getitem__, max),
        (beside.__getitem__, min),
    ]
    far: list[View] = [
        (partial(_reach, children, stops), min),
        (partial(_reach, parents, stops), max),
    ]
    _join_steps(groups, list(by_place.values()), near, far)
    groups = [group for group in groups if group]
    firsts = [ops[group[0]] for group in groups]
    return tuple(
        Layer(first.name, first.function, first.module, tuple(ops[i].name for i in group))
        for first, group in zip(firsts, groups, strict=True)
    )


def link_layers(ops: Sequence["Op"], layers: Sequence[Layer]) -> tuple[LayerEdge, ...]:
    """Return the edges between layers, in order of first use.

    An edge back to an earlier or the same layer recurs.
    """
    place = {name: (i, k) for i, layer in enumerate(layers) for k, name in enumerate(layer.ops)}
    counts: dict[tuple[int, int, bool], int] = {}
    for op in ops:
        target, _ = place[op.name]
        for parent in op.parent_ops:
            source, _ = place[parent]
            key = (source, target, source >= target)
            counts[key] = counts.get(key, 0) + 1
    return tuple(
        LayerEdge(layers[s].name, layers[t].name, n, back) for (s, t, back), n in counts.items()
    )


def _join_steps(
    groups: list[list[int]], places: list[list[list[int]]], near: list[View], far: list[View]
) -> None:
    """Join groups at one place whose members are neighbours of successive passes of one layer; empties the joined.

    ``views`` give an op's neighbours, and which pass of a layer among them counts: the first of
    what it feeds, the last of what feeds it, the first of what reads the same; then, where these
    find nothing more, of all it reaches downwards and upwards without passing a parameter.
    """
    group_of = {i: g for g, group in enumerate(groups) for i in group}
    position = {i: k for group in groups for k, i in enumerate(group)}
    candidates = [place for place in places if len(place) > 1]
    tried = near
    while True:
        joined = False
        for place in candidates:
            kept = place[0]
            for group in place[1:]:
                if not group:
                    continue
                before = kept[-1]
                after = group[0]
                if before < after and any(
                    _are_steps(view(before), view(after), group_of, position, choose)
                    for view, choose in tried
                ):
                    for i in group:
                        group_of[i] = group_of[before]
                        position[i] = len(kept)
                        kept.append(i)
                    group.clear()
                    joined = True
                else:
                    kept = group
        if not joined and tried is not near:
            return
        tried = near if joined else near + far


def _are_steps(
    first: list[int],
    second: list[int],
    group_of: dict[int, int],
    position: dict[int, int],
    choose: Callable,
) -> bool:
    """Return whether the neighbours in ``first`` and ``second`` are earlier and later passes of the same layers."""
    early: dict[int, int] = {}
    late: dict[int, int] = {}
    for found, neighbours in ((early, first), (late, second)):
        for i in neighbours:
            found[group_of[i]] = choose(position[i], found.get(group_of[i], position[i]))
    shared = early.keys() & late.keys()
    return any(early[g] < late[g] for g in shared) and all(early[g] <= late[g] for g in shared)


def _reach(neighbours: list[list[int]], stops: list[bool], start: int) -> list[int]:
    """Return the ops that a walk along ``neighbours`` meets.

    Ended at those that ``stops`` names.
    """
    found = set(neighbours[start])
    ahead = list(neighbours[start])
    while ahead:
        i = ahead.pop()
        if not stops[i]:
            ahead += [n for n in neighbours[i] if n not in found]
            found.update(neighbours[i])
    return list(found)


def _find_nearest(weights: list[frozenset], parents: list[list[int]]) -> list[frozenset]:
    """Return for each op the parameters of the nearest parametrised ops among its ancestors."""
    nearest: list[frozenset] = []
    for above in parents:
        sets = {weights[p] or nearest[p] for p in above}
        nearest.append(next(iter(sets)) if len(sets) == 1 else frozenset().union(*sets))
    return nearest
