"""Selection of ops: names, module addresses, glob patterns, regular expressions, predicates."""

import fnmatch
import re
from collections.abc import Callable, Sequence

from torch import nn

from neurolens.errors import InputError, UnknownNameError
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Op
from neurolens.labels import suggest_name

OpSelection = str | re.Pattern | slice | Callable[[Op], bool] | Sequence
_WHOLE_SETS = ("all", "modules")


def select_ops(graph: Graph, ops: OpSelection) -> list[str]:
    """Return the names of the selected ops, in execution order.

    Parameters
    ----------
    graph : Graph
    ops : str, compiled regular expression, slice, callable, or a list of these
        ``"all"``; ``"modules"`` (the ops that made a module's output); an exact name; a module
        address; a glob pattern; ``re.compile(...)``, searched for in the names; a slice over the
        order of execution (``slice(None, None, 5)``: every fifth); a predicate over `Op` records
        (``lambda op: op.function == "relu"``).

    Raises
    ------
    UnknownNameError
        For a name, pattern or predicate that matches nothing.
    """
    wanted = list(ops) if isinstance(ops, (list, tuple)) else [ops]
    if not wanted:
        raise UnknownNameError("an empty list of ops was asked for; pass ops='all' or some names")
    chosen: set[str] = set()
    for one in wanted:
        found = _match_ops(graph, one)
        if not found:
            raise UnknownNameError(
                f"no op of {len(graph)} matches {one!r}; see trace(...).table() for what there is"
            )
        chosen.update(found)
    return [op.name for op in graph if op.name in chosen]


def is_named(ops: OpSelection) -> bool:
    """Return whether every op was asked for by name.

    It is False for a pattern, a predicate or part of a whole.
    """
    wanted = list(ops) if isinstance(ops, (list, tuple)) else [ops]
    return bool(wanted) and all(
        isinstance(w, str) and w not in _WHOLE_SETS and not _is_glob(w) for w in wanted
    )


def _match_ops(graph: Graph, wanted: OpSelection) -> list[str]:
    if isinstance(wanted, slice):
        return [op.name for op in graph.ops[wanted]]
    if isinstance(wanted, re.Pattern):
        return [op.name for op in graph if wanted.search(op.name)]
    if isinstance(wanted, (type, nn.Module)):
        name = getattr(wanted, "__name__", type(wanted).__name__)
        raise InputError(
            "ops takes names, not modules; for a class of them type ops=lambda op: "
            f"op.module_class == {name!r}"
        )
    if callable(wanted):
        return [op.name for op in graph if wanted(op)]
    name = str(wanted)
    if name == "all":
        return list(graph.by_name)
    if name == "modules":
        return list(graph.module_outputs.values())
    if name not in graph.by_name and _is_glob(name):
        matched = fnmatch.filter(graph.by_name, name)
        if not matched:
            raise suggest_name(name, graph.by_name, "op matching the pattern")
        return matched
    return [graph.find_op(name).name]


def _is_glob(name: str) -> bool:
    return any(c in name for c in "*?[")
