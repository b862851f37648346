"""RDMs of multiple arrangement tasks, in files of the platform Meadows."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurolens.brain.rdms.squares import Stack, count_stimuli, fill_squares, read_squares
from neurolens.brain.recordings.matlab.reading import read_matlab
from neurolens.errors import DataError, InputError, LabelError
from neurolens.labels import check_unique, list_names

VECTOR = "rdmutv"
STIMULI = "stimuli"
# Meadows_<experiment>_v_v<version>_<participant>[_<task>]_<structure>
_FILE = re.compile(r"Meadows_.+_v_v[^_]+_(?P<who>[^_]+)(_(?P<task>\d+))?_[^_]+")


def read_meadows_matlab(path: Path) -> Stack | None:
    """Return the RDMs in a MATLAB file of Meadows, by participant; None for other files.

    Each participant's stimuli are in an order of its own, and are matched by name.
    """
    tree = read_matlab(path)
    vectors = [name for name in tree if name == VECTOR or name.startswith(f"{VECTOR}_")]
    if not vectors:
        return None
    squares = {}
    ids: list[str] = []
    for name in vectors:
        who = name.removeprefix(VECTOR).removeprefix("_")
        stimuli = f"{STIMULI}_{who}" if who else STIMULI
        if stimuli not in tree:
            raise DataError(f"{path} has the RDM {name!r} without its stimuli, {stimuli!r}.")
        names = _list_stimuli(tree[stimuli], stimuli, path)
        square = read_squares(np.ravel(tree[name]), len(names), "rows", f"{name!r} of {path.name}")
        ids = ids or names
        participant = who.replace("_", "-") or _name_participant(path)
        squares[participant] = _reorder(square.squares[0], names, ids, name, path)
    return _stack(squares, ids)


def read_meadows_json(path: Path, variable: str | None) -> Stack:
    """Return the RDM of a multiple arrangement task in a JSON tree of one participant.

    Raises
    ------
    DataError
        The file is no such tree.
    InputError
        There are several tasks, of which ``variable`` has to name one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}).") from error
    tasks = content.get("tasks") if isinstance(content, Mapping) else None
    if _is_arrangement(content):
        # The tree of a single task.
        tasks = [content]
    if not isinstance(tasks, list):
        raise DataError(
            f"{path} must be the tree of one participant, with a list of 'tasks' or of one "
            "multiple arrangement. Download each participant's own file from Meadows."
        )
    arranged = [task for task in tasks if _is_arrangement(task)]
    names = [str(task["task"].get("name", f"task {k}")) for k, task in enumerate(arranged)]
    chosen = [k for k, name in enumerate(names) if variable in (None, name)]
    if len(chosen) != 1:
        raise InputError(
            f"{path.name} holds {len(arranged)} multiple arrangement tasks, {list_names(names)}. "
            "Name one with variable=.",
            anchor="choose-an-array",
        )
    task = arranged[chosen[0]]
    try:
        ids = [str(stimulus["name"]) for stimulus in task[STIMULI]]
        vector = np.asarray(task["rdm"], dtype=float).ravel()
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the task {names[chosen[0]]!r} of {path} has no RDM with stimuli ({error!r})."
        ) from error
    check_unique(ids, f"the stimuli of {path.name}")
    if count_stimuli(len(vector)) != len(ids):
        raise DataError(
            f"the task {names[chosen[0]]!r} of {path} has {len(vector)} pairs for {len(ids)} "
            "stimuli."
        )
    return _stack({_name_participant(path): fill_squares(vector, len(ids), "rows")[0]}, ids)


def _is_arrangement(task: Any) -> bool:
    described = task.get("task") if isinstance(task, Mapping) else None
    return isinstance(described, Mapping) and described.get("task_type") == "multiarrange"


def _list_stimuli(names: Any, what: str, path: Path) -> list[str]:
    """Return the names of stimuli, without the spaces that fill up rows of text in MATLAB."""
    texts = [names] if isinstance(names, str) else np.ravel(names).tolist()
    if not all(isinstance(one, str) for one in texts):
        raise DataError(f"{what!r} of {path} must hold names of stimuli.")
    ids = [one.strip() for one in texts]
    check_unique(ids, f"{what!r} of {path.name}")
    return ids


def _reorder(
    square: np.ndarray, names: list[str], ids: list[str], vector: str, path: Path
) -> np.ndarray:
    """Return an RDM with its stimuli in the order of ``ids``, which have to be the same."""
    if set(names) != set(ids):
        raise LabelError(
            f"all participants of {path.name} must have arranged the same stimuli; {vector!r} "
            f"lacks {list_names(sorted(set(ids) - set(names)))} and has also "
            f"{list_names(sorted(set(names) - set(ids)))}. Read participants one by one.",
            anchor="ids-differ",
        )
    order = [names.index(one) for one in ids]
    return square[np.ix_(order, order)]


def _name_participant(path: Path) -> str:
    """Return the participant in the name of a file, "" where it has another form."""
    found = _FILE.fullmatch(path.stem)
    return found["who"] if found else ""


def _stack(squares: dict[str, np.ndarray], ids: list[str]) -> Stack:
    names = list(squares)
    return Stack(
        np.stack(list(squares.values())), (len(names),), names if all(names) else None, list(ids)
    )
