"""Variables of MATLAB files by path, such as "data.session(2).spikes", and what a file holds."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from neurolens.errors import InputError
from neurolens.labels import list_names

# A field, and the position of one entry of a struct array or cell, counted from 1 as in MATLAB.
_STEP = re.compile(r"([^.(){}]+)(?:[({](\d+)[)}])?")
# As many entries of a struct array or cell are listed.
MAX_LISTED = 3


class Unreadable(NamedTuple):
    """What stands for an object that is not opened, of the class ``kind``."""

    kind: str


class Step(NamedTuple):
    """A field, and which entry of it, from 0, where one is meant."""

    name: str
    entry: int | None

    def __str__(self) -> str:
        return self.name if self.entry is None else f"{self.name}({self.entry + 1})"


def parse_path(variable: str) -> list[Step]:
    """Return the steps of a path; raise InputError for text that is none."""
    found = [_STEP.fullmatch(part) for part in variable.split(".")]
    matches = [match for match in found if match]
    entries = [int(match[2]) for match in matches if match[2] is not None]
    if len(matches) < len(found) or 0 in entries:
        raise InputError(
            "variable must be a path as MATLAB writes it, such as 'data.spikes' or "
            f"'RDMs(2).RDM', counted from 1, got {variable!r}.",
            anchor="choose-an-array",
        )
    return [Step(match[1], int(match[2]) - 1 if match[2] else None) for match in matches]


def pick_variable(tree: dict[str, Any], steps: list[Step], file: str) -> Any:
    """Return what is at a path in the content of a file; raise InputError saying what is there."""
    item: Any = tree
    path = ""
    for step in steps:
        is_list = isinstance(item, np.ndarray) and item.dtype == object
        if is_list and any(isinstance(one, dict) for one in item.flat):
            raise InputError(
                f"{path!r} of {file} is a struct array of {item.size}, so one of them has to be "
                f"named before {step.name!r}. Type e.g. variable='{path}(1).{step.name}'.",
                anchor="choose-an-array",
            )
        if not isinstance(item, dict) or step.name not in item:
            there = ", ".join(list_content(item)) or "nothing"
            raise InputError(
                f"{file} has no {step.name!r} in {path or 'it'}; there is {there}. Name one of "
                "them with variable=.",
                anchor="choose-an-array",
            )
        item = item[step.name]
        path = f"{path}.{step}" if path else str(step)
        if step.entry is not None:
            item = _take_entry(item, step, path, file)
    return item


def _take_entry(item: Any, step: Step, path: str, file: str) -> Any:
    """Return one entry of a struct array or cell, in MATLAB's order, down columns first."""
    entry = step.entry or 0
    if isinstance(item, dict) and entry == 0:
        return item
    if not isinstance(item, np.ndarray) or item.dtype != object:
        raise InputError(
            f"{path!r} of {file} names an entry of {describe_item(item)}, which is no struct array "
            f"or cell. Leave out the number.",
            anchor="choose-an-array",
        )
    if entry >= item.size:
        raise InputError(
            f"{path!r} of {file} is beyond its {item.size} entries. Name another.",
            anchor="choose-an-array",
        )
    return item.ravel(order="F")[entry]


def describe_item(item: Any) -> str:
    """Return what an item is, and its shape."""
    if isinstance(item, Unreadable):
        return f"an object of class {item.kind}"
    if isinstance(item, dict):
        return "a struct"
    if isinstance(item, pd.DataFrame):
        return f"a table {item.shape}"
    if isinstance(item, str):
        return "text"
    if item.dtype != object:
        return f"an array {item.shape}"
    is_structs = item.size and all(isinstance(one, dict) for one in item.flat)
    return f"a struct array {item.shape}" if is_structs else f"a cell {item.shape}"


def list_content(tree: Any, limit: int = 12) -> list[str]:
    """Return the paths of a file's content, each with what it is."""
    listed = [f"{path} ({describe_item(item)})" for path, item in walk_leaves(tree)]
    rest = len(listed) - limit
    return listed[:limit] + ([f"{rest} more"] if rest > 0 else [])


def walk_leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and the content of all that is no struct.

    Of a struct array or a cell of structs only the first entries are walked.
    """
    if isinstance(tree, dict):
        for name, item in tree.items():
            yield from walk_leaves(item, f"{path}.{name}" if path else name)
        return
    is_list = isinstance(tree, np.ndarray) and tree.dtype == object
    if is_list and any(isinstance(one, dict) for one in tree.flat):
        for k, item in enumerate(tree.ravel(order="F")[:MAX_LISTED]):
            yield from walk_leaves(item, f"{path}({k + 1})")
        return
    yield path, tree


def refuse_unreadable(item: Any, path: str, file: str) -> None:
    """Raise InputError for an object that is not opened, by the name of its class."""
    if isinstance(item, Unreadable):
        raise InputError(
            f"{path!r} of {file} is an object of the class {item.kind!r}, which only MATLAB can "
            "open. Save what it holds as numbers, a struct or a table there, and pass that.",
            anchor="unknown-format",
        )


def find_numbers(tree: dict[str, Any]) -> dict[str, Any]:
    """Return, by path, the arrays of two numbers or more and the tables of a file."""
    found = {}
    for path, item in walk_leaves(tree):
        is_array = isinstance(item, np.ndarray) and item.dtype.kind in "biufc" and item.size > 1
        if is_array or isinstance(item, pd.DataFrame):
            found[path] = item
    return found


def list_candidates(found: dict[str, Any]) -> str:
    """Return the arrays and tables of a file in words."""
    names = [f"{path} {item.shape}" for path, item in found.items()]
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def check_choice(variable: Any) -> None:
    """Raise InputError for a ``variable`` that is no text."""
    if variable is not None and not isinstance(variable, str):
        raise InputError(
            f"variable must be the name of an array in a file, got {list_names([variable])}.",
            anchor="choose-an-array",
        )
