"""Steps of loops: which iteration of an unrolled recurrent network each op belongs to."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from neurolens.extract.graph.layers import Layer, roll_ops
from neurolens.extract.graph.ops import Op


def number_steps(ops: Sequence[Op]) -> tuple[Op, ...]:
    """Return the ops with their ``time_step``.

    Layers that run more than once, and whose executions overlap in time, make a loop. Within one
    iteration its layers run in a fixed order, and the next begins where this order starts again; of
    the orders in which they first and last run, the one with fewer iterations counts, or else the
    latter, so that feedback belongs to the step that reads it. A layer that stands at two places of
    one iteration, as shared weights do, counts as two. Steps of nested loops are numbered through.
    An op that runs once belongs to a step when it runs between two ops of it.

    Parameters
    ----------
    ops : sequence of Op
        In execution order.

    Returns
    -------
    tuple of Op
        ``time_step`` counts from 1 in each loop; None outside of loops.
    """
    if all(op.pass_number == 1 for op in ops):
        return tuple(ops)
    members = _find_members(ops, roll_ops(ops))
    steps: list[int | None] = [None] * len(ops)
    for start, stop in _find_loops(members):
        positions = [i for i in range(start, stop) if members[i] is not None]
        numbers = _count_steps([members[i] for i in positions])
        for i, number in zip(positions, numbers, strict=True):
            steps[i] = number
        _fill_between(steps, positions)
    numbered = []
    for op, step in zip(ops, steps, strict=True):
        numbered.append(op if step is None else dataclasses.replace(op, time_step=step))
    return tuple(numbered)


def _find_members(ops: Sequence[Op], layers: Sequence[Layer]) -> list[int | None]:
    """Return for each op a number for what runs again: its layer, or its place in an iteration."""
    layer_of = {}
    for number, layer in enumerate(layers):
        layer_of.update(dict.fromkeys(layer.ops, number))
    neighbors: dict[str, set[tuple]] = {op.name: set() for op in ops}
    for op in ops:
        for parent in op.parents:
            if parent.kind == "op":
                neighbors[op.name].add(("fed by", layer_of[parent.source]))
                neighbors[parent.source].add(("feeds", layer_of[op.name]))
            elif parent.kind == "input":
                neighbors[op.name].add(("fed by", parent.source))
    member_of: dict[str, int] = {}
    n_members = 0
    for layer in layers:
        if len(layer.ops) == 1:
            continue
        for group in _split_places(layer.ops, neighbors):
            member_of.update(dict.fromkeys(group, n_members))
            n_members += 1
    return [member_of.get(op.name) for op in ops]


def _split_places(names: Sequence[str], neighbors: Mapping[str, set[tuple]]) -> list[list[str]]:
    """Return the passes of a layer by their place in an iteration.

    Passes that share a neighbouring layer on one side have one place. What runs once at its place
    is left out where others run again; a layer without two such places has one.
    """
    groups: list[tuple[list[str], set[tuple]]] = []
    for name in names:
        members = [name]
        around = set(neighbors[name])
        apart = []
        for group in groups:
            if around.isdisjoint(group[1]):
                apart.append(group)
            else:
                members = group[0] + members
                around |= group[1]
        groups = [*apart, (members, around)]
    repeated = [members for members, _ in groups if len(members) > 1]
    return repeated if len(repeated) > 1 else [list(names)]


def _find_loops(members: Sequence[int | None]) -> list[tuple[int, int]]:
    """Return start and stop of each stretch of ops in which executions of members overlap."""
    last = {member: i for i, member in enumerate(members) if member is not None}
    loops: list[tuple[int, int]] = []
    for i, member in enumerate(members):
        if member is None:
            continue
        end = last[member] + 1
        if loops and i < loops[-1][1]:
            start, stop = loops[-1]
            loops[-1] = (start, max(stop, end))
        else:
            loops.append((i, end))
    return loops


def _count_steps(members: Sequence[int | None]) -> list[int]:
    """Return the iteration, from 1, of each execution of a loop's members."""
    by_last = list(dict.fromkeys(reversed(members)))[::-1]
    by_first = list(dict.fromkeys(members))
    return min((_number_in(order, members) for order in (by_last, by_first)), key=max)


def _number_in(order: Sequence[int | None], members: Sequence[int | None]) -> list[int]:
    """Return the iteration of each execution, where each iteration follows an order."""
    rank = {member: i for i, member in enumerate(order)}
    numbers = [1]
    for before, member in itertools.pairwise(members):
        starts_again = rank[member] <= rank[before]
        numbers.append(numbers[-1] + starts_again)
    return numbers


def _fill_between(steps: list[int | None], positions: Sequence[int]) -> None:
    """Give what runs once between two ops of one step that step."""
    for before, after in itertools.pairwise(positions):
        if steps[before] == steps[after]:
            steps[before:after] = [steps[before]] * (after - before)
