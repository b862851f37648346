"""Runs: the uninterrupted stretches of each module, as a tree."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import NamedTuple

from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Op
from neurolens.view.structure.records import Run

# Below the second level an area for one or two cards costs more room than its name is worth.
FREE_LEVELS = 2
FEWEST_NODES = 3


class Call(NamedTuple):
    """One call of a module, from 1; always 1 for a container that is never called itself."""

    address: str
    number: int


Path = tuple[Call, ...]


@dataclass(slots=True)
class _Stretch:
    """One uninterrupted stretch of a call: its nodes and the stretch around it, -1 for none."""

    call: Call
    parent: int
    first: int
    last: int


def find_paths(graph: Graph, rolled_ops: Iterable[str] = ()) -> dict[str, Path]:
    """Return the calls of modules around each op, by its name, outermost first.

    A module around a single op (``conv1`` around ``conv2d``) is no container: its name goes on the
    op's card. Containers of ``rolled_ops``, whose passes share a node, have one call.
    """
    around = {op.name: _list_around(op.module) for op in graph}
    containers = _find_containers(graph, around)
    rolled = set(chain.from_iterable(around[name] for name in rolled_ops))
    contents: dict[str, list[Op]] = {}
    for op in graph:
        for address in around[op.name]:
            contents.setdefault(address, []).append(op)
    numbers: dict[tuple[str, str], int] = {}
    for address in containers - rolled:
        for name, number in _number_calls(graph, address, contents[address]).items():
            numbers[address, name] = number
    paths = {}
    for name, addresses in around.items():
        kept = [address for address in addresses if address in containers]
        paths[name] = tuple([Call(one, numbers.get((one, name), 1)) for one in kept])
    return paths


def cut_wrappers(paths: dict[str, Path]) -> tuple[dict[str, Path], str]:
    """Return the paths without the calls that are around every op, and the innermost such module.

    The address is ``""`` where there is none.
    """
    root = ""
    while all(paths.values()) and len({path[0] for path in paths.values()}) == 1:
        root = next(iter(paths.values()))[0].address
        paths = {name: path[1:] for name, path in paths.items()}
    return paths, root


def build_runs(paths: Sequence[Path], modules: dict[str, str], root: str) -> list[Run]:
    """Return the runs of nodes whose ``paths`` are given, each after the one around it.

    Runs of a single node, and below the second level those of two, are left out: what they hold
    stands in the run around them. ``modules`` has the class of each address.
    """
    stretches = _thin_stretches(_find_stretches(paths))
    parts = number_parts([stretch.call for stretch in stretches])
    numbers: Counter[str] = Counter()
    runs: list[Run] = []
    for stretch, part in zip(stretches, parts, strict=True):
        address, call = stretch.call
        numbers[address] += 1
        outer = runs[stretch.parent] if stretch.parent >= 0 else None
        dot = "." if outer else ""
        title = dot + cut_prefix(address, outer.address if outer else root)
        runs.append(
            Run(
                key=f"{address}#{numbers[address]}",
                address=address,
                module_class=modules.get(address, ""),
                title=title + write_call(call, outer.call if outer else 1),
                call=call,
                part=part,
                parent=stretch.parent,
                depth=outer.depth + 1 if outer else 0,
                first=stretch.first,
                last=stretch.last,
            )
        )
    return runs


def number_parts(keys: Sequence[Hashable]) -> list[str]:
    """Return ``"2 of 4"`` for the second of four equal keys, ``""`` for one that does not repeat.

    Examples
    --------
    >>> number_parts(["down", "up", "down"])
    ['1 of 2', '', '2 of 2']
    """
    totals = Counter(keys)
    counts: Counter[Hashable] = Counter()
    parts = []
    for key in keys:
        counts[key] += 1
        parts.append(f"{counts[key]} of {totals[key]}" if totals[key] > 1 else "")
    return parts


def cut_prefix(address: str, prefix: str) -> str:
    """Return an address as seen from the module ``prefix`` around it."""
    return address.removeprefix(prefix).removeprefix(".")


def write_call(number: int, around: int) -> str:
    """Return ``"@2"`` for a second call, ``""`` where the call ``around`` it says as much.

    Examples
    --------
    >>> write_call(2, 1), write_call(2, 2), write_call(1, 1), write_call(1, 2)
    ('@2', '', '', '@1')
    """
    return "" if number == around else f"@{number}"


def _list_around(address: str) -> tuple[str, ...]:
    """Return the addresses of a module and of those around it, outermost first."""
    return tuple(accumulate(address.split("."), "{}.{}".format)) if address else ()


def _find_containers(graph: Graph, around: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the modules that hold other modules, or several ops in one call."""
    containers = set(chain.from_iterable(addresses[:-1] for addresses in around.values()))
    n_ops = Counter((op.module, op.module_call) for op in graph if op.module)
    containers.update(module for (module, _), n in n_ops.items() if n > 1)
    return containers


def _number_calls(graph: Graph, address: str, contents: Sequence[Op]) -> dict[str, int]:
    """Return by op in which call of the module ``address`` it ran.

    What the module runs itself tells its call; so does the op that made the output of a call, which
    ends it. Other ops belong to the call that is told next.
    """
    told = {op.index: op.module_call for op in contents if op.module == address}
    inside = {op.name: op.index for op in contents}
    ended = -1
    for call, output in enumerate(graph.executions.modules.get(address, ()), 1):
        end = inside.get(output or "", -1)
        if end > ended:
            told.setdefault(end, call)
            ended = end
    numbers = {}
    number = told[max(told)] if told else 1
    for op in reversed(contents):
        number = told.get(op.index, number)
        numbers[op.name] = number
    return numbers


def _find_stretches(paths: Sequence[Path]) -> list[_Stretch]:
    """Return all stretches of all calls, each after the one around it."""
    stretches: list[_Stretch] = []
    opened: list[int] = []
    for node, path in enumerate(paths):
        n_shared = 0
        for position, call in zip(opened, path, strict=False):
            if stretches[position].call != call:
                break
            n_shared += 1
        opened = opened[:n_shared]
        for call in path[n_shared:]:
            parent = opened[-1] if opened else -1
            opened.append(len(stretches))
            stretches.append(_Stretch(call, parent, node, node))
        for position in opened:
            stretches[position].last = node
    return stretches


def _thin_stretches(stretches: Sequence[_Stretch]) -> list[_Stretch]:
    """Return the stretches that get an area, their parents counted among them."""
    kept: list[_Stretch] = []
    depths: list[int] = []
    # Of each stretch its position among those kept, or that of the one around it.
    positions: list[int] = []
    for stretch in stretches:
        parent = positions[stretch.parent] if stretch.parent >= 0 else -1
        depth = depths[parent] + 1 if parent >= 0 else 0
        n_nodes = stretch.last - stretch.first + 1
        if n_nodes < (2 if depth < FREE_LEVELS else FEWEST_NODES):
            positions.append(parent)
            continue
        positions.append(len(kept))
        kept.append(_Stretch(stretch.call, parent, stretch.first, stretch.last))
        depths.append(depth)
    return kept
