"""Executions at one place of a model that follow each other in the data, as passes of one layer."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from neurolens.extract.graph.ops import Op

# A name of the nearest parametrised ops.
Nearest = int | bytes | None
_DIGEST_BYTES = 16
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
    sets = [numbers.setdefault(names, len(numbers)) if names else None for names in weights]
    upstream = _find_nearest(sets, flow.parents, flow.children)
    reversed_children = []
    for below in reversed(flow.children):
        reversed_children.append([last_op - child for child in below])
    downstream = _find_nearest(sets[::-1], reversed_children, flow.parents[::-1])[::-1]
    places: dict[tuple, _Place] = {}
    for i, ancestors in enumerate(_iterate_ancestors(flow)):
        op = ops[i]
        key = (op.site, op.call, weights[i], op.settings if weights[i] else "")
        place = places.get(key)
        if place is None:
            place = places[key] = _Place([], {}, bool(weights[i]), upstream, downstream)
        place.add(i, ancestors)
    return {key: place.groups for key, place in places.items()}


class _Positions:
    """Positions of ops, added in ascending order, as bits of an integer from the first on."""

    __slots__ = ("bits", "first")

    def __init__(self, first: int) -> None:
        self.first = first
        self.bits = 1

    def add(self, position: int) -> None:
        self.bits |= 1 << position - self.first

    def remove(self, position: int) -> None:
        self.bits ^= 1 << position - self.first

    def list_shared(self, ancestors: int) -> Iterator[int]:
        """Yield those that are among ancestors, which are bits of an integer."""
        shared = ancestors >> self.first & self.bits
        while shared:
            lowest = shared & -shared
            yield self.first + lowest.bit_length() - 1
            shared ^= lowest


class _Place(NamedTuple):
    """The executions at one place, in the ``groups`` that follow each other as passes.

    An execution follows a group whose last one is among its ancestors and, unless both have
    parameters, has the same nearest parameters ``upstream`` or ``downstream``. Where there are
    many groups, ``lasts`` are their last executions by these, so that they are not gone through
    for an execution that follows none.
    """

    groups: list[list[int]]
    lasts: dict[tuple[str, Nearest], _Positions]
    has_weights: bool
    upstream: list[Nearest]
    downstream: list[Nearest]

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
            for last in sorted([other[-1] for other in self.groups]):
                self._note_last(last)

    def _find_group(self, i: int, ancestors: int) -> list[int] | None:
        if not self.lasts:
            for group in self.groups:
                if ancestors >> group[-1] & 1 and self._is_same(i, group[-1]):
                    return group
            return None
        followed: set[int] = set()
        for key in self._list_keys(i):
            if key in self.lasts:
                followed.update(self.lasts[key].list_shared(ancestors))
        if not followed:
            return None
        return next(group for group in self.groups if group[-1] in followed)

    def _is_same(self, i: int, last: int) -> bool:
        is_same_above = self.upstream[i] == self.upstream[last]
        return self.has_weights or is_same_above or self.downstream[i] == self.downstream[last]

    def _list_keys(self, i: int) -> list[tuple[str, Nearest]]:
        if self.has_weights:
            return [("weights", None)]
        return [("upstream", self.upstream[i]), ("downstream", self.downstream[i])]

    def _note_last(self, i: int) -> None:
        for key in self._list_keys(i):
            if key in self.lasts:
                self.lasts[key].add(i)
            else:
                self.lasts[key] = _Positions(i)

    def _forget_last(self, i: int) -> None:
        if not self.lasts:
            return
        for key in self._list_keys(i):
            self.lasts[key].remove(i)
            if not self.lasts[key].bits:
                del self.lasts[key]


def _iterate_ancestors(flow: Flow) -> Iterator[int]:
    """Yield the ancestors of each op, itself included, as bits of an integer.

    Those that no later op reads are let go, because together they are as large as the square of
    the number of ops. They are as large where most ops are read at the end.
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


def _find_nearest(
    sets: Sequence[int | None], parents: Sequence[Sequence[int]], readers: Sequence[Sequence[int]]
) -> list[Nearest]:
    """Return for each op a name of the nearest parametrised ops among its ancestors.

    ``sets`` are the numbers of the parameters of each op. Names are equal where the sets are: None
    of no ops, the number of one, and a digest of several.
    """
    nearest: list[Nearest] = []
    # What each op is to those that read it.
    handed: list[Nearest] = []
    unions = _Unions({}, {})
    for i, above in enumerate(parents):
        name = handed[above[0]] if above else None
        if len(above) > 1:
            names = {handed[parent] for parent in above}
            if len(names) > 1:
                name = unions.join(names)
        nearest.append(name)
        number = sets[i]
        handed.append(name if number is None else number)
        if unions.bits:
            unions.expect(handed[i], len(readers[i]))
            unions.expect(name, 0)
            for parent in above:
                unions.expect(handed[parent], -1)
    return nearest


class _Unions(NamedTuple):
    """Sets of several parametrised ops by name, as bits of integers.

    They are let go when all ``n_expected`` ops have read them, because together they are as large
    as the square of the number of ops.
    """

    bits: dict[Nearest, int]
    n_expected: dict[Nearest, int]

    def join(self, names: set[Nearest]) -> Nearest:
        """Return the name of the union of some sets."""
        parts = {name: self._read_bits(name) for name in names}
        union = 0
        for bits in parts.values():
            union |= bits
        for name, bits in parts.items():
            if bits == union:
                return name
        content = union.to_bytes(-(-union.bit_length() // 8), "little")
        digest = hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
        self.bits[digest] = union
        return digest

    def _read_bits(self, name: Nearest) -> int:
        if isinstance(name, int):
            return 1 << name
        return 0 if name is None else self.bits[name]

    def expect(self, name: Nearest, n_readers: int) -> None:
        """Count so many more ops that will read a set, and let it go where there are none left."""
        if name not in self.bits:
            return
        left = self.n_expected.get(name, 0) + n_readers
        self.n_expected[name] = left
        if not left:
            del self.bits[name]
            del self.n_expected[name]
