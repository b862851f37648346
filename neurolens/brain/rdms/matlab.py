"""RDMs in MATLAB files: arrays, and struct arrays with an RDM and a name in each entry."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neurolens.brain.rdms.squares import Stack, count_stimuli, read_squares
from neurolens.brain.recordings.matlab.paths import describe_item
from neurolens.brain.recordings.matlab.reading import read_matlab
from neurolens.errors import InputError
from neurolens.labels import list_names

NAMES = ("name", "label", "subject")


def read_matlab_rdms(path: Path, variable: str | None, n_stimuli: int | None, pairs: str) -> Stack:
    """Return the RDMs in a variable of a MATLAB file, by default in the only one that has some."""
    if variable is None:
        held = dict(_walk_rdms(read_matlab(path), n_stimuli, ""))
        if len(held) != 1:
            raise InputError(
                f"{path.name} holds {'several variables' if held else 'no variable'} that may be "
                f"RDMs{'' if n_stimuli is None else f' of {n_stimuli} stimuli'}: "
                f"{list_names(held, 12)}. Name one with variable=.",
                anchor="choose-an-array",
            )
        variable, item = next(iter(held.items()))
    else:
        item = read_matlab(path, variable)
    where = f"{variable!r} of {path.name}"
    if isinstance(item, dict):
        item = np.array([item], dtype=object)
    if isinstance(item, np.ndarray) and item.dtype == object:
        return _read_entries(item, n_stimuli, pairs, where)
    if not isinstance(item, np.ndarray):
        raise InputError(f"{where} is {describe_item(item)}, and RDMs are arrays of numbers.")
    return read_squares(_drop_single(item), n_stimuli, pairs, where)


def _walk_rdms(tree: Any, n_stimuli: int | None, path: str) -> Iterator[tuple[str, Any]]:
    """Yield, with its path, what may be RDMs by its shape: arrays, struct arrays and structs."""
    if isinstance(tree, dict):
        if path and len(_find_fields(tree, n_stimuli)) == 1:
            yield path, tree
            return
        for name, item in tree.items():
            yield from _walk_rdms(item, n_stimuli, f"{path}.{name}" if path else name)
    elif isinstance(tree, np.ndarray) and tree.dtype == object:
        entries = list(tree.flat)
        if entries and all(
            isinstance(one, dict) and _find_fields(one, n_stimuli) for one in entries
        ):
            yield path, tree
    elif _may_be_rdms(tree, n_stimuli):
        yield path, tree


def _may_be_rdms(item: Any, n_stimuli: int | None) -> bool:
    """Return whether an array has the shape of squares or vectors."""
    if not isinstance(item, np.ndarray) or item.dtype.kind not in "biuf":
        return False
    array = _drop_single(item)
    if array.ndim >= 2 and (array.shape[0] == array.shape[1] or array.shape[-1] == array.shape[-2]):
        n = array.shape[0] if array.shape[0] == array.shape[1] else array.shape[-1]
        return n > 2 and n_stimuli in (None, n)
    counts = [count_stimuli(size) for size in array.shape]
    if n_stimuli is not None:
        return n_stimuli in counts
    return array.ndim == 1 and (counts[0] or 0) > 2


def _drop_single(item: np.ndarray) -> np.ndarray:
    """Return an array without axes of one, which MATLAB adds to vectors."""
    return item.squeeze() if item.size > 1 else item


def _find_fields(entry: dict[str, Any], n_stimuli: int | None) -> list[str]:
    """Return the fields of a struct that may be an RDM."""
    return [name for name, item in entry.items() if _may_be_rdms(item, n_stimuli)]


def _read_entries(item: np.ndarray, n_stimuli: int | None, pairs: str, where: str) -> Stack:
    """Return the RDM of each entry of a struct array or cell, in MATLAB's order."""
    entries = list(item.ravel(order="F"))
    found = []
    for k, entry in enumerate(entries, 1):
        if isinstance(entry, dict):
            fields = _find_fields(entry, n_stimuli)
            if len(fields) != 1:
                raise InputError(
                    f"entry {k} of {where} must have one field that is an RDM, got "
                    f"{list_names(fields)} of {list_names(entry, 12)}. Name an array with "
                    "variable=.",
                    anchor="choose-an-array",
                )
            entry = entry[fields[0]]
        if not isinstance(entry, np.ndarray) or entry.dtype == object:
            raise InputError(
                f"entry {k} of {where} is {describe_item(entry)}, and no RDM.",
                anchor="choose-an-array",
            )
        stack = read_squares(_drop_single(entry), n_stimuli, pairs, f"entry {k} of {where}")
        if len(stack.squares) != 1:
            raise InputError(
                f"entry {k} of {where} holds {len(stack.squares)} RDMs, not one.",
                anchor="choose-an-array",
            )
        found.append(stack.squares[0])
    sizes = sorted({len(square) for square in found})
    if len(sizes) != 1:
        raise InputError(f"the RDMs of {where} must be of the same stimuli, got {sizes} of them.")
    return Stack(np.stack(found), (len(found),), _list_labels(entries))


def _list_labels(entries: list[Any]) -> list[str] | None:
    """Return the names that all entries of a struct array have, None where they have none."""
    for field in NAMES:
        names = [entry.get(field) if isinstance(entry, dict) else None for entry in entries]
        if all(isinstance(name, str) and name for name in names):
            return [str(name).strip() for name in names]
    return None
