"""Folding: the sets of runs that are drawn as one card each, and how they are asked for.

A set holds the keys of runs (`Run.key`). Of folded runs within each other the outermost is seen;
those inside stay folded when it is unfolded.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from numbers import Integral
from typing import Any

import numpy as np

from neurolens.errors import InputError, LabelError
from neurolens.labels import list_names
from neurolens.view.structure.records import Run, Structure

OPS = "ops"
MODULES = "modules"
MOST_LISTED = 8

Choice = Callable[[Run], bool]


@dataclass(frozen=True, slots=True)
class Visible:
    """What is seen when a set of runs is folded.

    Attributes
    ----------
    folded : tuple of int
        The runs that are drawn as a card, by position.
    opened : tuple of int
        The runs that are drawn as an area, each after the one around it.
    nodes : tuple of int
        The nodes with a card of their own.
    holders : tuple of int
        Of each node the folded run that it is seen as, -1 for one with a card of its own.
    """

    folded: tuple[int, ...]
    opened: tuple[int, ...]
    nodes: tuple[int, ...]
    holders: tuple[int, ...]


def read_fold(fold: Any, structure: Structure) -> frozenset[str]:
    """Return the keys of the runs that ``fold`` asks for.

    Parameters
    ----------
    fold : int, str, sequence of str, or callable
        - a number from 1: modules of this level and below; 1 are the outermost
        - ``"ops"``: nothing; ``"modules"``: as 1
        - a pattern or several, with ``*`` and ``?``: modules by address (``"layer3"``,
          ``"layer?.1"``), one call (``"V1@2"``) or one run by its key
        - a function of a `Run` that returns whether it is folded
    structure : Structure

    Raises
    ------
    LabelError
        For a pattern that fits no module with an area, with those that there are.
    InputError
        For anything else that is none of these.
    """
    if isinstance(fold, str) and fold in (OPS, MODULES):
        return fold_to_depth(structure, 1) if fold == MODULES else frozenset()
    if isinstance(fold, Integral) and not isinstance(fold, bool):
        return fold_to_depth(structure, int(fold))
    return fold_matching(structure, fold)


def fold_to_depth(structure: Structure, depth: int) -> frozenset[str]:
    """Return the keys of all runs from level ``depth`` down; 1 is the outermost.

    Raises
    ------
    InputError
        When ``depth`` is no whole number from 1.
    """
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise InputError(
            f"a level of folding must be a whole number from 1, the outermost modules, got "
            f"{depth!r}. To fold nothing, type fold='ops'."
        )
    return frozenset(run.key for run in structure.runs if run.depth >= depth - 1)


def fold_matching(structure: Structure, choice: Any, name: str = "fold") -> frozenset[str]:
    """Return the keys of the runs that patterns match, or for which a function returns True.

    Parameters
    ----------
    structure : Structure
    choice : str, sequence of str, or callable
        As in `read_fold`.
    name : str
        Of the argument, for messages.

    Raises
    ------
    LabelError, InputError
        As `read_fold`.
    """
    if callable(choice):
        return frozenset(run.key for run in structure.runs if _ask(choice, run, name))
    patterns = [choice] if isinstance(choice, str) else choice
    is_list = isinstance(patterns, Iterable) and not isinstance(patterns, bytes | dict)
    patterns = list(patterns) if is_list else [None]
    if not all(isinstance(pattern, str) for pattern in patterns):
        levels = "a level (1, 2, ...), 'ops', 'modules'" if name == "fold" else "'ops'"
        raise InputError(
            f"{name} takes {levels}, a pattern or several ('layer3', 'layer?.1'), or a "
            f"function of a run that returns True or False, got {choice!r}."
        )
    keys: set[str] = set()
    for pattern in patterns:
        matching = [run.key for run in structure.runs if _matches(run, pattern)]
        if not matching:
            raise LabelError(_explain_pattern(structure, pattern, name))
        keys.update(matching)
    return frozenset(keys)


def unfold_matching(structure: Structure, folded: Collection[str], choice: Any) -> frozenset[str]:
    """Return ``folded`` without the runs that ``choice`` asks for, and those around them.

    ``choice`` is as in `read_fold`, except that it is no level; ``"ops"`` unfolds everything. An op
    may be named too: the runs around it are unfolded.

    Raises
    ------
    LabelError, InputError
        As `read_fold`.
    """
    if isinstance(choice, str) and choice == OPS:
        return frozenset()
    names = [choice] if isinstance(choice, str) else choice
    opened: set[int] = set()
    if isinstance(names, Sequence) and not isinstance(names, bytes):
        ops = [name for name in names if isinstance(name, str) and name in structure.node_of]
        for name in ops:
            opened.update(structure.list_around(structure.nodes[structure.node_of[name]].run))
        choice = [name for name in names if name not in ops]
    for key in fold_matching(structure, choice, "unfold"):
        opened.update(structure.list_around(structure.run_of[key]))
    return frozenset(folded) - {structure.runs[run].key for run in opened}


def find_visible(structure: Structure, folded: Collection[str]) -> Visible:
    """Return what is seen when the runs with the keys ``folded`` are.

    Raises
    ------
    LabelError
        For a key of no run of this structure.
    """
    unknown = [key for key in folded if key not in structure.run_of]
    if unknown:
        raise LabelError(
            f"this graph has no runs with the keys {list_names(unknown)}. Make keys with "
            "read_fold(fold, structure)."
        )
    seen: list[int] = []
    opened: list[int] = []
    holder_of_run: list[int] = []
    for i, run in enumerate(structure.runs):  # each after the one around it
        around = holder_of_run[run.parent] if run.parent >= 0 else -1
        if around < 0 and run.key in folded:
            seen.append(i)
            around = i
        elif around < 0:
            opened.append(i)
        holder_of_run.append(around)
    holders = [holder_of_run[node.run] if node.run >= 0 else -1 for node in structure.nodes]
    nodes = [i for i, holder in enumerate(holders) if holder < 0]
    return Visible(tuple(seen), tuple(opened), tuple(nodes), tuple(holders))


def _ask(choice: Choice, run: Run, name: str) -> bool:
    answer = choice(run)
    if not isinstance(answer, bool | np.bool_):
        raise InputError(
            f"the function passed as {name} must return True or False for each run, got "
            f"{answer!r} for {run.address!r}."
        )
    return bool(answer)


def _matches(run: Run, pattern: str) -> bool:
    names = (run.address, f"{run.address}@{run.call}", run.key)
    return pattern in names or any(fnmatchcase(name, pattern) for name in names)


def _explain_pattern(structure: Structure, pattern: str, name: str) -> str:
    addresses = list(dict.fromkeys(run.address for run in structure.runs))
    if not addresses:
        return (
            f"{name}={pattern!r}: no module of this graph has an area that can be folded. "
            f"Leave {name} out."
        )
    close = get_close_matches(pattern, addresses, n=3)
    guess = f" Did you mean {list_names(close)}?" if close else ""
    return (
        f"{name}={pattern!r} fits no module with an area of its own; one around a single op has "
        f"none.{guess} Those are {list_names(addresses, MOST_LISTED)}."
    )
