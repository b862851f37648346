"""Steps of loops: which iteration of an unrolled recurrent network each op belongs to."""

import itertools
from collections.abc import Sequence

from neurolens.extract.graph.layers import Layer, roll_ops
from neurolens.extract.graph.ops import Op, set_step

# For each op the number of what runs again in a loop, or None.
Members = list[int | None]


def number_steps(ops: Sequence[Op]) -> tuple[Op, ...]:
    """Return the ops with their ``time_step``.

    Layers that run more than once, and whose executions overlap in time, make a loop. Within one
    iteration its layers run in a fixed order, and the next begins where this order starts again. Of
    the orders found from the start and from the end of the loop, the one with fewer iterations
    counts, or else the latter, so that feedback belongs to the step that reads it. Where that makes
    fewer iterations, a layer counts once for each place that feeds it, since shared weights stand
    at several places of one iteration. Steps of nested loops, and of loops with a layer in common,
    are numbered through. An op that runs once belongs to a step when it runs between two ops of it.

    Parameters
    ----------
    ops : sequence of Op
        In execution order. They are being made: nobody else has them yet.

    Returns
    -------
    tuple of Op
        The same. ``time_step`` counts from 1 in each loop; None outside of loops.
    """
    if all(op.pass_number == 1 for op in ops):
        return tuple(ops)
    members = _find_members(ops, roll_ops(ops))
    split = _split_members(ops, members)
    if sum(_measure_loops(split)) < sum(_measure_loops(members)):
        members = split
    if members.count(None) < len(ops):
        members = _join_rest(ops, members)
    for op, step in zip(ops, _count_steps(members), strict=True):
        if step is not None:
            set_step(op, step)
    return tuple(ops)


def _find_members(ops: Sequence[Op], layers: Sequence[Layer]) -> Members:
    """Return what runs again: the layers with several passes, those at one site together.

    A layer runs at one site in several independent chains where an area starts before its feedback.
    """
    position = {op.name: i for i, op in enumerate(ops)}
    members: Members = [None] * len(ops)
    numbers: dict[str, int] = {}
    for layer in layers:
        if len(layer.ops) > 1:
            site = ops[position[layer.name]].site
            number = numbers.setdefault(site, len(numbers))
            for name in layer.ops:
                members[position[name]] = number
    return members


def _split_members(ops: Sequence[Op], members: Members) -> Members:
    """Return members in which executions that different sites feed in turn count apart."""
    position = {op.name: i for i, op in enumerate(ops)}
    executions: dict[int, list[int]] = {}
    for i, member in enumerate(members):
        if member is not None:
            executions.setdefault(member, []).append(i)
    split: Members = [None] * len(ops)
    n_places = 0
    for positions in executions.values():
        feeders = []
        for i in positions:
            inputs = {parent.source for parent in ops[i].parents if parent.kind == "input"}
            feeders.append(inputs | {ops[position[name]].site for name in ops[i].parent_ops})
        feeds_itself = any(ops[positions[0]].site in sources for sources in feeders)
        for place in [positions] if feeds_itself else _group_by_feeders(positions, feeders):
            for i in place:
                split[i] = n_places
            n_places += 1
    return split


def _group_by_feeders(
    positions: Sequence[int], feeders: Sequence[set[str]]
) -> Sequence[Sequence[int]]:
    """Return executions by what feeds them, where that takes turns.

    What stands apart from groups that run again is left out.
    """
    groups: list[tuple[list[int], set[str]]] = []
    for i, sources in zip(positions, feeders, strict=True):
        passes = [i]
        fed_by = set(sources)
        apart = []
        for group in groups:
            if fed_by.isdisjoint(group[1]):
                apart.append(group)
            else:
                passes = group[0] + passes
                fed_by |= group[1]
        groups = [*apart, (passes, fed_by)]
    repeated = [passes for passes, _ in groups if len(passes) > 1]
    repeated.sort()
    take_turns = all(after[0] < before[-1] for before, after in itertools.pairwise(repeated))
    return repeated if len(repeated) > 1 and take_turns else [positions]


def _join_rest(ops: Sequence[Op], members: Members) -> Members:
    """Return members with the executions at one site that are no passes of one layer.

    The last pass of a layer may be none where it feeds what comes after the loop. They are joined
    where loops keep their steps.
    """
    sites: dict[str, list[int]] = {}
    for i, op in enumerate(ops):
        sites.setdefault(op.site, []).append(i)
    kept = _measure_loops(members)
    for number, positions in enumerate(sites.values()):
        known = {members[i] for i in positions} - {None}
        if len(positions) == 1 or len(known) > 1:
            continue
        member = known.pop() if known else -1 - number
        for rest in _list_rests(positions, members):
            tried = members.copy()
            for i in rest:
                tried[i] = member
            if _measure_loops(tried) == kept:
                members = tried
                break
    return members


def _list_rests(positions: Sequence[int], members: Members) -> list[list[int]]:
    """Return the executions at a site that are no members, and those after its members."""
    rest = [i for i in positions if members[i] is None]
    ends = [i for i in positions if members[i] is not None]
    after = [i for i in rest if ends and i > ends[0]]
    return [some for some in (rest, after) if some]


def _measure_loops(members: Members) -> list[int]:
    """Return the number of steps of each loop."""
    return [max(_number_loop(members, loop)) for loop in _find_loops(members)]


def _find_loops(members: Members) -> list[list[int]]:
    """Return the positions of the members of each loop, whose executions overlap in time."""
    last = {member: i for i, member in enumerate(members) if member is not None}
    loops: list[list[int]] = []
    stop = -1
    for i, member in enumerate(members):
        if member is None:
            continue
        if i > stop:
            loops.append([])
        loops[-1].append(i)
        stop = max(stop, last[member])
    return loops


def _number_loop(members: Members, loop: Sequence[int]) -> list[int]:
    """Return the step, from 1, of each execution in a loop."""
    executed = [members[i] for i in loop]
    from_end = _find_order(executed[::-1])[::-1]
    from_start = _find_order(executed)
    if from_start == from_end:
        return _number_in(from_start, executed)
    return min((_number_in(order, executed) for order in (from_end, from_start)), key=max)


def _find_order(executed: Sequence[int | None]) -> list[int | None]:
    """Return the members in an order in which each new one comes next after the one before it."""
    order: list[int | None] = []
    place = 0
    for member in executed:
        if member in order:
            place = order.index(member) + 1
        else:
            order.insert(place, member)
            place += 1
    return order


def _number_in(order: Sequence[int | None], executed: Sequence[int | None]) -> list[int]:
    """Return the step of each execution, where each step follows an order."""
    rank = {member: i for i, member in enumerate(order)}
    numbers = [1]
    for before, member in itertools.pairwise(executed):
        starts_again = rank[member] <= rank[before]
        numbers.append(numbers[-1] + starts_again)
    return numbers


def _count_steps(members: Members) -> list[int | None]:
    """Return the step of each op, of what runs once between two ops of one step too."""
    steps: list[int | None] = [None] * len(members)
    for loop in _find_loops(members):
        numbers = _number_loop(members, loop)
        for i, number in zip(loop, numbers, strict=True):
            steps[i] = number
        for before, after in itertools.pairwise(loop):
            if steps[before] == steps[after]:
                steps[before:after] = [steps[before]] * (after - before)
    return steps
