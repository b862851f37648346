"""Executions at one place of a model that follow each other in the data, as passes of one layer."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from neurolens.extract.graph.ops import Op

# Groups at one place that are gone through for each execution; more are found by bits.
_FEW_GROUPS = 8


class Flow(NamedTuple):
    """The connections between ops, by position.

    ``parents`` and ``children`` are the neighbours of each op; ``sources`` are what each reads, ops
    and inputs, and ``readers`` the ops that read each of these, in ascending order, as children.
    """

    parents: list[list[int]]
    children: list[list[int]]
    sources: list[Sequence[int | str]]
    readers: dict[int | str, list[int]]


def trace_flow(ops: Sequence[Op]) -> Flow:
    """Return the connections between ops that are given in the order of their execution."""
    index = {op.name: i for i, op in enumerate(ops)}
    parents: list[list[int]] = []
    readers: dict[int | str, list[int]] = {}
    sources: list[Sequence[int | str]] = []
    for i, op in enumerate(ops):
        above: list[int] = []
        inputs: list[str] = []
        for parent in op.parents:
            if parent.kind == "op":
                number = index[parent.source]
                if number < i and number not in above:
                    above.append(number)
            elif parent.kind == "input":
                inputs.append(parent.source)
        parents.append(above)
        sources.append([*above, *inputs] if inputs else above)
        for source in sources[i]:
            if source in readers:
                readers[source].append(i)
            else:
                readers[source] = [i]
    children = [readers.get(i, []) for i in range(len(ops))]
    return Flow(parents, children, sources, readers)


def list_weights(ops: Sequence[Op]) -> list[frozenset[str]]:
    """Return the addresses of the parameters that each op uses."""
    weights = []
    for op in ops:
        weights.append(frozenset([p.source for p in op.parents if p.kind == "parameter"]))
    return weights


def group_passes(
    ops: Sequence[Op], flow: Flow, weights: list[frozenset[str]]
) -> dict[tuple, list[list[int]]]:
    """Return by place the groups of executions that follow each other there as passes."""
    last_op = len(ops) - 1
    numbers: dict[frozenset[str], int] = {}
    sets = [1 << numbers.setdefault(names, len(numbers)) if names else 0 for names in weights]
    upstream = _find_nearest(sets, flow.parents)
    reversed_children = []
    for below in reversed(flow.children):
        reversed_children.append([last_op - child for child in below])
    downstream = _find_nearest(sets[::-1], reversed_children)[::-1]
    places: dict[tuple, _Place] = {}
    for i, ancestors in enumerate(_iterate_ancestors(flow)):
        op = ops[i]
        key = (op.site, op.call, weights[i], op.settings if weights[i] else "")
        place = places.get(key)
        if place is None:
            place = places[key] = _Place([], {}, bool(weights[i]), upstream, downstream)
        place.add(i, ancestors)
    return {key: place.groups for key, place in places.items()}


class _Place(NamedTuple):
    """The executions at one place, in the ``groups`` that follow each other as passes.

    An execution follows a group whose last one is among its ancestors and, unless both have
    parameters, has the same nearest parameters ``upstream`` or ``downstream``. Where there are
    many groups, ``lasts`` are their last executions by these, as bits of integers, so that they
    are not gone through for an execution that follows none.
    """

    groups: list[list[int]]
    lasts: dict[tuple[str, int], int]
    has_weights: bool
    upstream: list[int]
    downstream: list[int]

    def add(self, i: int, ancestors: int) -> None:
        """Append an execution to the first group that it follows, or to a new one."""
        group = self._find_group(i, ancestors)
        if group is None:
            self.groups.append([i])
        else:
            self._forget_last(group[-1])
            group.append(i)
        if self.lasts:
            self._note_last(i)
        elif len(self.groups) > _FEW_GROUPS:
            for other in self.groups:
                self._note_last(other[-1])

    def _find_group(self, i: int, ancestors: int) -> list[int] | None:
        if not self.lasts:
            for group in self.groups:
                if ancestors >> group[-1] & 1 and self._is_same(i, group[-1]):
                    return group
            return None
        followed = 0
        for key in self._list_keys(i):
            followed |= self.lasts.get(key, 0)
        followed &= ancestors
        if not followed:
            return None
        return next(group for group in self.groups if followed >> group[-1] & 1)

    def _is_same(self, i: int, last: int) -> bool:
        is_same_above = self.upstream[i] == self.upstream[last]
        return self.has_weights or is_same_above or self.downstream[i] == self.downstream[last]

    def _list_keys(self, i: int) -> list[tuple[str, int]]:
        if self.has_weights:
            return [("weights", 0)]
        return [("upstream", self.upstream[i]), ("downstream", self.downstream[i])]

    def _note_last(self, i: int) -> None:
        for key in self._list_keys(i):
            self.lasts[key] = self.lasts.get(key, 0) | 1 << i

    def _forget_last(self, i: int) -> None:
        if self.lasts:
            for key in self._list_keys(i):
                self.lasts[key] ^= 1 << i


def _iterate_ancestors(flow: Flow) -> Iterator[int]:
    """Yield the ancestors of each op, itself included, as bits of an integer.

    Those that no later op reads are let go, because together they are as large as the square of
    the number of ops.
    """
    alive: dict[int, int] = {}
    for i, above in enumerate(flow.parents):
        bits = 1 << i
        for number in above:
            bits |= alive[number]
            if flow.children[number][-1] == i:
                del alive[number]
        if flow.children[i]:
            alive[i] = bits
        yield bits


def _find_nearest(sets: list[int], parents: list[list[int]]) -> list[int]:
    """Return for each op the parameters of the nearest parametrised ops among its ancestors.

    Sets of parameters are bits of an integer, each bit the parameters of some ops.
    """
    nearest: list[int] = []
    for above in parents:
        found = 0
        for parent in above:
            found |= sets[parent] or nearest[parent]
        nearest.append(found)
    return nearest
