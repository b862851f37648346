"""Steps of loops: which iteration of an unrolled recurrent network each op belongs to."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from neurolens.extract.graph.layers import Layer, roll_ops
from neurolens.extract.graph.ops import Op, set_step

# For each op the number of what runs again in a loop, or None.
Members = list[int | None]


class _Loop(NamedTuple):
    """The positions of the executions in a loop, in order, and the step of each, from 1."""

    positions: list[int]
    steps: list[int]


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
    loops = _number_loops(members)
    split = _split_members(ops, members)
    if split != members:
        shorter = _number_loops(split)
        if sum(_measure_loops(shorter)) < sum(_measure_loops(loops)):
            members = split
            loops = shorter
    if loops and None in members:
        loops = _join_rest(ops, members, loops)
    for op, step in zip(ops, _count_steps(len(ops), loops), strict=True):
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
    """Return members in which executions that different sites feed in turn count apart.

    Where there are none, these are the same.
    """
    sites = {op.name: op.site for op in ops}
    executions: dict[int, list[int]] = {}
    for i, member in enumerate(members):
        if member is not None:
            executions.setdefault(member, []).append(i)
    split = members.copy()
    n_places = max(executions, default=0)
    for positions in executions.values():
        feeders = [_list_feeders(ops[i], sites) for i in positions]
        if any(ops[positions[0]].site in sources for sources in feeders):
            continue
        places = _group_by_feeders(positions, feeders)
        if len(places) == 1:
            continue
        for i in positions:
            split[i] = None
        for place in places:
            n_places += 1
            for i in place:
                split[i] = n_places
    return split


def _list_feeders(op: Op, sites: Mapping[str, str]) -> set[str]:
    """Return the sites and inputs that feed an op."""
    feeders = set()
    for parent in op.parents:
        if parent.kind == "op":
            feeders.add(sites[parent.source])
        elif parent.kind == "input":
            feeders.add(parent.source)
    return feeders


def _group_by_feeders(
    positions: Sequence[int], feeders: Sequence[set[str]]
) -> Sequence[Sequence[int]]:
    """Return executions by what feeds them, where that takes turns.

    What stands apart from groups that run again is left out.
    """
    groups: dict[str, list[int]] = {}
    passes: list[int] = []
    fed_before: set[str] = set()
    for i, sources in zip(positions, feeders, strict=True):
        if sources != fed_before:
            fed = {id(groups[source]): groups[source] for source in sources if source in groups}
            if len(fed) == 1:
                (passes,) = fed.values()
            else:
                passes = sorted(itertools.chain(*fed.values()))
                joined = [source for source, group in groups.items() if id(group) in fed]
                groups.update(dict.fromkeys(joined, passes))
            groups.update(dict.fromkeys(sources, passes))
            fed_before = sources
        passes.append(i)
    by_group = {id(passes): passes for passes in groups.values()}
    repeated = [passes for passes in by_group.values() if len(passes) > 1]
    repeated.sort()
    take_turns = all(after[0] < before[-1] for before, after in itertools.pairwise(repeated))
    return repeated if len(repeated) > 1 and take_turns else [positions]


def _join_rest(ops: Sequence[Op], members: Members, loops: list[_Loop]) -> list[_Loop]:
    """Return loops with the executions at one site that are no passes of one layer.

    The last pass of a layer may be none where it feeds what comes after the loop. They are joined
    where loops keep their steps.
    """
    sites: dict[str, list[int]] = {}
    for i, op in enumerate(ops):
        sites.setdefault(op.site, []).append(i)
    kept = _measure_loops(loops)
    for number, positions in enumerate(sites.values()):
        known = {members[i] for i in positions} - {None}
        if len(positions) == 1 or len(known) > 1:
            continue
        member = known.pop() if known else -1 - number
        for rest in _list_rests(positions, members):
            tried = members.copy()
            for i in rest:
                tried[i] = member
            longer = _number_loops(tried)
            if _measure_loops(longer) == kept:
                members = tried
                loops = longer
                break
    return loops


def _list_rests(positions: Sequence[int], members: Members) -> list[list[int]]:
    """Return the executions at a site that are no members, and those after its members."""
    rest = [i for i in positions if members[i] is None]
    ends = [i for i in positions if members[i] is not None]
    after = [i for i in rest if ends and i > ends[0]]
    return [some for some in (rest, after) if some]


def _measure_loops(loops: Sequence[_Loop]) -> list[int]:
    """Return the number of steps of each loop."""
    return [max(loop.steps) for loop in loops]


def _number_loops(members: Members) -> list[_Loop]:
    """Return the loops, each of members whose executions overlap in time."""
    last = {member: i for i, member in enumerate(members)}
    found: list[list[int]] = []
    stop = -1
    for i, member in enumerate(members):
        if member is None:
            continue
        if i > stop:
            found.append([])
        found[-1].append(i)
        stop = max(stop, last[member])
    loops = []
    for positions in found:
        loops.append(_Loop(positions, _number_loop([members[i] for i in positions])))
    return loops


def _number_loop(executed: list[int | None]) -> list[int]:
    """Return the step, from 1, of each execution in a loop."""
    from_end = _find_order(executed[::-1])[::-1]
    from_start = _find_order(executed)
    if from_start == from_end:
        return _number_in(from_start, executed)
    return min((_number_in(order, executed) for order in (from_end, from_start)), key=max)


def _find_order(executed: Sequence[int | None]) -> list[int | None]:
    """Return the members in an order in which each new one comes next after the one before it."""
    order: list[int | None] = []
    known = set()
    place = 0
    for member in executed:
        if member not in known:
            order.insert(place, member)
            known.add(member)
        elif place == len(order) or order[place] != member:
            place = order.index(member)
        place += 1
    return order


def _number_in(order: Sequence[int | None], executed: Sequence[int | None]) -> list[int]:
    """Return the step of each execution, where each step follows an order."""
    ranks = {member: i for i, member in enumerate(order)}
    steps = []
    step = 1
    before = -1
    for member in executed:
        rank = ranks[member]
        if rank <= before:
            step += 1
        steps.append(step)
        before = rank
    return steps


def _count_steps(n_ops: int, loops: Sequence[_Loop]) -> list[int | None]:
    """Return the step of each op, of what runs once between two ops of one step too."""
    steps: list[int | None] = [None] * n_ops
    for loop in loops:
        for i, step in zip(loop.positions, loop.steps, strict=True):
            steps[i] = step
        for before, after in itertools.pairwise(loop.positions):
            if after - before > 1 and steps[before] == steps[after]:
                steps[before:after] = [steps[before]] * (after - before)
    return steps
