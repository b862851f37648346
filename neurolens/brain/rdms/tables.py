"""Tables of text that hold one RDM as a square, with or without ids, or a vector in each row."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurolens.brain.labelling.tables import MISSING, SEPARATORS
from neurolens.errors import DataError, LabelError
from neurolens.labels import check_unique, list_names


class Table(NamedTuple):
    """Numbers of a table, and the names of its columns and rows where it has them.

    ``counts`` are names that were left out, because they only count.
    """

    numbers: np.ndarray
    columns: list[str] | None
    rows: list[str] | None
    counts: list[str] | None = None


def read_rdm_table(path: Path, n_stimuli: int | None) -> Table:
    """Return the numbers and names of a table of .csv or .tsv; empty cells are NaN.

    Names are found by their place: a first row, or a first column, that is not all numbers, or the
    one that makes a square of the rest.

    Raises
    ------
    DataError
        The file is no table, or holds something else than numbers.
    LabelError
        Columns and rows have different names.
    """
    cells = _read_cells(path)
    has_header, has_index = _find_names(cells, n_stimuli)
    columns = cells[0][1 if has_index else 0 :] if has_header else None
    body = cells[1:] if has_header else cells
    names = [line[0] for line in body] if has_index else None
    array = np.array([_read_numbers(line[1 if has_index else 0 :], path) for line in body])
    written = names or columns
    columns = leave_counts(columns)
    names = leave_counts(names)
    counts = written if names is None and columns is None else None
    if columns is not None and names is not None and array.shape[0] == array.shape[1]:
        array = order_columns(array, names, columns, path.name)
        columns = names
    return Table(array, columns, names, counts)


def _read_cells(path: Path) -> list[list[str]]:
    """Return the cells of a table, as many in each row."""
    separator = SEPARATORS[path.suffix.lower()]
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file, delimiter=separator))
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise DataError(f"{path} cannot be read as a table in UTF-8 ({error}).") from error
    cells = []
    for line in rows:
        if "".join(line).strip():
            cells.append([cell.strip() for cell in line])
    if not cells:
        raise DataError(f"{path} holds no table: it is empty.")
    width = max(map(len, cells))
    if len(cells[0]) == width - 1 and {len(line) for line in cells[1:]} == {width}:
        # R writes no name above the column of row names.
        cells[0] = ["", *cells[0]]
    for number, line in enumerate(cells, 1):
        if len(line) != width:
            raise DataError(
                f"row {number} of {path} has {len(line)} values for {width} columns, parted by "
                f"{separator!r}."
            )
    return cells


def _find_names(cells: list[list[str]], n_stimuli: int | None) -> tuple[bool, bool]:
    """Return whether the first row, and the first column, of a table are names."""
    n_rows = len(cells)
    n_columns = len(cells[0])
    if n_rows == n_columns > 1 and _is_corner(cells[0][0]) and n_stimuli in (None, n_rows - 1):
        return True, True
    has_header = any(_is_name(cell) for cell in cells[0][n_columns > 1 :])
    has_index = any(_is_name(line[0]) for line in cells[1:])
    if has_header or has_index:
        return has_header, has_index
    # All are numbers: those that leave a square are names.
    if n_stimuli not in (None, min(n_rows, n_columns)):
        return False, False
    return n_rows == n_columns + 1, n_columns == n_rows + 1


def _is_corner(cell: str) -> bool:
    """Return whether a first cell is no number, as one above a column of names is none."""
    return not cell or _is_name(cell)


def _is_name(cell: str) -> bool:
    """Return whether a cell is neither a number nor a missing one."""
    if cell.lower() in MISSING:
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


def _read_numbers(cells: list[str], path: Path) -> list[float]:
    return [_read_number(cell, path) for cell in cells]


def _read_number(cell: str, path: Path) -> float:
    if cell.lower() in MISSING:
        return np.nan
    try:
        return float(cell)
    except ValueError:
        raise DataError(
            f"{path} must hold numbers beside names of rows and columns, got {cell!r}. Decimals "
            "are written with a point."
        ) from None


def order_columns(array: np.ndarray, rows: list[Any], columns: list[Any], where: str) -> np.ndarray:
    """Return a square with its columns in the order of its rows, matched by name."""
    check_unique(rows, f"the names of rows in {where}")
    check_unique(columns, f"the names of columns in {where}")
    if set(rows) != set(columns):
        raise LabelError(
            f"rows and columns of {where} must have the same names; only rows have "
            f"{list_names([one for one in rows if one not in columns])}, only columns "
            f"{list_names([one for one in columns if one not in rows])}.",
            anchor="ids-differ",
        )
    return array[:, [columns.index(name) for name in rows]]


def refuse_counts(table: Table, ids: Sequence[Any] | None, where: str) -> None:
    """Raise LabelError where ids are the numbers of rows in another order."""
    if ids is None or table.counts is None:
        return
    texts = [str(one) for one in ids]
    if texts != table.counts and set(texts) == set(table.counts):
        raise LabelError(
            f"the rows of {where} are numbered {table.counts[0]} to {table.counts[-1]}, and ids "
            "are these numbers in another order. If they name the stimuli, pass ids in the order "
            "of the rows and select in yours, rdms.sel(stimulus=ids, stimulus_2=ids); if they "
            "only count rows, remove them from the file.",
            anchor="ids-differ",
        )


def leave_counts(names: list[Any] | None) -> list[Any] | None:
    """Return names, None where they only count rows from 0 or 1, as tables without names do."""
    if names is None:
        return None
    texts = [str(one) for one in names]
    from_zero = [str(k) for k in range(len(texts))]
    from_one = [str(k + 1) for k in range(len(texts))]
    return None if texts in (from_zero, from_one) else names
