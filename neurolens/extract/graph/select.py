"""Selection of ops: names, module addresses, glob patterns, regular expressions, predicates."""

import fnmatch
import re
from collections.abc import Callable, Sequence

from torch import nn

from neurolens.errors import InputError, UnknownNameError
from neurolens.extract.graph.executions import is_glob, split_choice
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
        address, which stands for its output in every call; an address or the name of an op followed
        by a choice of executions, ``@2``, ``@last``, ``@*`` or ``@2:4`` (numbered from 1, the end
        left out); a glob pattern; ``re.compile(...)``, searched for in the names; a slice over the
        order of execution (``slice(None, None, 5)``: every fifth); a predicate over `Op` records
        (``lambda op: op.function == "relu"``).

    Raises
    ------
    UnknownNameError
        For a name, pattern or predicate that matches nothing, and for a call of a module whose
        output no op made.
    """
    wanted = list(ops) if isinstance(ops, (list, tuple)) else [ops]
    if not wanted:
        raise UnknownNameError(
            "an empty list of ops was asked for; pass ops='all' or some names", anchor="unknown-op"
        )
    chosen: set[str] = set()
    for one in wanted:
        found = _match_ops(graph, one)
        if not found:
            raise UnknownNameError(
                f"no op of {len(graph)} matches {one!r}; see trace(...).table() for what there is",
                anchor="unknown-op",
            )
        chosen.update(found)
    return [op.name for op in graph if op.name in chosen]


def is_named(ops: OpSelection) -> bool:
    """Return whether every op was asked for by name.

    It is False for a pattern, a predicate or part of a whole.
    """
    wanted = list(ops) if isinstance(ops, (list, tuple)) else [ops]
    return bool(wanted) and all(isinstance(w, str) and _is_name(w) for w in wanted)


def _is_name(text: str) -> bool:
    base, choice = split_choice(text)
    return text not in _WHOLE_SETS and not is_glob(base if choice else text)


def _match_ops(graph: Graph, wanted: OpSelection) -> list[str]:
    if isinstance(wanted, (type, nn.Module)):
        name = getattr(wanted, "__name__", type(wanted).__name__)
        raise InputError(
            "ops takes names, not modules; for a class of them type ops=lambda op: "
            f"op.module_class == {name!r}",
            anchor="unknown-op",
        )
    if callable(wanted):
        return [op.name for op in graph if wanted(op)]
    if wanted == "modules":
        return list(graph.module_outputs.values())
    return match_names(list(graph.by_name), wanted, graph.find_executions)


def match_names(
    names: list[str],
    wanted: OpSelection,
    find_executions: Callable[[str], list[str]],
) -> list[str]:
    """Return those of ``names`` that a name, pattern, regular expression or slice stands for.

    Parameters
    ----------
    names : list of str
        In execution order.
    wanted : str, compiled regular expression or slice
    find_executions : callable
        Returns the names for a module address or a choice of executions, and raises
        UnknownNameError where there are none.
    """
    if isinstance(wanted, slice):
        return names[wanted]
    if isinstance(wanted, re.Pattern):
        return [name for name in names if wanted.search(name)]
    text = str(wanted)
    if text == "all":
        return names
    if text in names:
        return [text]
    if is_glob(text) and not _is_name(text):
        matched = fnmatch.filter(names, text)
        if not matched:
            raise suggest_name(text, names, "op matching the pattern", anchor="unknown-op")
        return matched
    return find_executions(text)
