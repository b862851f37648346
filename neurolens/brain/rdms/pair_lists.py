"""Lists of pairs: a row for each pair of stimuli, with their names and dissimilarity."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurolens.brain.labelling.tables import SEPARATORS, is_missing
from neurolens.brain.rdms.squares import TOLERANCE, Stack
from neurolens.errors import InputError, LabelError
from neurolens.labels import list_names

# The columns of names, and those of dissimilarities, of which there is one.
NAMES = ("stimulus_1", "stimulus_2")
VALUES = ("dissimilarity", "distance")


def is_pair_list(columns: Sequence[Any]) -> bool:
    """Return whether a table with these columns is a list of pairs."""
    return set(NAMES) <= {str(column).strip() for column in columns}


def read_header(path: Path) -> list[str]:
    """Return the cells of the first line of a table, none where it is not text in UTF-8."""
    separator = SEPARATORS[path.suffix.lower()]
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return next(csv.reader(file, delimiter=separator), [])
    except (UnicodeDecodeError, csv.Error):
        return []


def read_pairs(table: pd.DataFrame, name: str) -> Stack:
    """Return the square of a list of pairs, its stimuli in the order in which they come first.

    A pair may be in either order, and in both where its numbers are the same; pairs that are not
    listed are NaN.

    Raises
    ------
    InputError
        There is no column of numbers, or there are others; numbers are none; a pair has two of
        them; a stimulus differs from itself.
    LabelError
        A stimulus has no name.
    """
    table = table.rename(columns=lambda column: str(column).strip())
    found = [column for column in VALUES if column in table.columns]
    others = [column for column in table.columns if column not in (*NAMES, *found)]
    if len(found) != 1 or others:
        raise InputError(
            f"{name} is a list of pairs, which has the columns {list_names(NAMES)} and one of "
            f"{list_names(VALUES)}, got {list_names(table.columns)}. Rename them, select the rows "
            "of one RDM, and leave out other columns.",
            anchor="not-rdms",
        )
    if any(is_missing(table[column]).any() for column in NAMES):
        raise LabelError(
            f"a pair of {name} lacks the name of a stimulus. Write both.", anchor="not-rdms"
        )
    written = table[found[0]]
    numbers = pd.to_numeric(written, errors="coerce").to_numpy(dtype=float)
    is_wrong = np.isnan(numbers) & ~is_missing(written)
    if is_wrong.any():
        raise InputError(
            f"the {found[0]} of {name} must be numbers, got {list_names(written[is_wrong])}.",
            anchor="not-rdms",
        )
    ids = list(dict.fromkeys(table[list(NAMES)].to_numpy().ravel().tolist()))
    place = {one: k for k, one in enumerate(ids)}
    first, second = (table[column].map(place).to_numpy(dtype=int) for column in NAMES)
    square = _fill_square(first, second, numbers, len(ids))
    _refuse_conflicts(square, first, second, numbers, ids, name)
    return Stack(square[None], (), None, ids)


def _fill_square(
    first: np.ndarray, second: np.ndarray, numbers: np.ndarray, n_stimuli: int
) -> np.ndarray:
    """Return the square of the pairs (pair,) ``first`` and ``second``, NaN where none is given."""
    square = np.full((n_stimuli, n_stimuli), np.nan)
    square[first, second] = numbers
    square[second, first] = numbers
    np.fill_diagonal(square, 0)
    return square


def _refuse_conflicts(
    square: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    numbers: np.ndarray,
    ids: list[Any],
    name: str,
) -> None:
    """Raise InputError where ``numbers`` of pairs are infinite or differ from the ``square``."""
    if np.isinf(numbers).any():
        raise InputError(
            f"{name} must be finite, and holds infinite numbers. Repair those first.",
            anchor="missing-values",
        )
    kept = square[first, second]
    gap = np.where(np.isnan(kept) == np.isnan(numbers), kept - numbers, np.inf)
    differs = np.abs(np.nan_to_num(gap, posinf=np.inf)) > TOLERANCE * np.nanmax(
        np.abs(square), initial=0.0
    )
    if not differs.any():
        return
    k = int(np.flatnonzero(differs)[0])
    if first[k] == second[k]:
        raise InputError(
            f"{name} gives {ids[first[k]]!r} a {VALUES[0]} of {numbers[k]:g} from itself, not 0. "
            "Pass dissimilarities, without pairs of a stimulus with itself.",
            anchor="not-rdms",
        )
    raise InputError(
        f"{name} has two numbers for the pair of {ids[first[k]]!r} and {ids[second[k]]!r}, "
        f"{numbers[k]:g} and {kept[k]:g}. Average them, or select the rows of one RDM.",
        anchor="not-rdms",
    )
