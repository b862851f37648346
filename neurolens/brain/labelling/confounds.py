"""Tables of confounds: one row for each volume of a time series."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from neurolens.brain.labelling.tables import TABLES, is_missing, read_table
from neurolens.errors import InputError
from neurolens.labels import list_names


class Confounds(NamedTuple):
    """``values`` (volume, confound) of one series, and the ``names`` of the columns.

    ``filled``: those whose first row was missing, and is the mean of the others.
    """

    values: np.ndarray
    names: list[str]
    filled: list[str]


def read_confounds(
    confounds: Any, counts: Sequence[int], names: Sequence[str], found: Sequence[Any] | None
) -> list[Confounds]:
    """Return the confounds of each series.

    Parameters
    ----------
    confounds : None, table, list of tables, (tables, columns), or list of columns
        A table is a path or a DataFrame. Columns alone are those of ``found``.
    counts : sequence of int
        The number of volumes of each series.
    names : sequence of str
        Of the series, for messages.
    found : sequence of paths, or None
        The tables that were found with the series.

    Raises
    ------
    DataError
        A table is missing or cannot be read.
    InputError
        Tables do not fit the series, lack a column, or hold what is no number beyond the first row.
    """
    if confounds is None:
        return [Confounds(np.empty((n, 0)), [], []) for n in counts]
    tables, columns = _part_tables(confounds, names, found)
    if len(tables) != len(names):
        raise InputError(
            f"there are {len(tables)} tables of confounds for {len(names)} series. Pass one for "
            "each, in the same order.",
            anchor="time-series",
        )
    read = []
    for table, n, name in zip(tables, counts, names, strict=True):
        read.append(_read_one(table, columns, n, name))
    if any(one.names != read[0].names for one in read):
        raise InputError(
            "tables of confounds have different columns. Name those to use: (tables, columns).",
            anchor="time-series",
        )
    return read


def _part_tables(
    confounds: Any, names: Sequence[str], found: Sequence[Any] | None
) -> tuple[list[Any], list[str] | None]:
    """Return the tables of confounds and the columns to use, None for all."""
    if isinstance(confounds, tuple) and len(confounds) == 2 and not _is_table(confounds[1]):
        tables, columns = confounds
        return _list_tables(tables), _list_columns(columns)
    if _is_table(confounds) or (
        isinstance(confounds, list | tuple) and all(_is_table(one) for one in confounds)
    ):
        return _list_tables(confounds), None
    columns = _list_columns(confounds)
    missing = list(names) if found is None else []
    if found is not None:
        missing = [
            name for name, one in zip(names, found, strict=True) if one is None or one != one
        ]
    if missing:
        raise InputError(
            f"confounds are given by names of columns, and no table was found for "
            f"{list_names(missing)}. Pass (tables, columns), with one table for each series.",
            anchor="time-series",
        )
    return list(found or []), columns


def list_confound_files(confounds: Any) -> list[Path]:
    """Return the paths of tables of confounds where all are paths, else none."""
    if isinstance(confounds, tuple) and len(confounds) == 2 and not _is_table(confounds[1]):
        confounds = confounds[0]
    tables = confounds if isinstance(confounds, list | tuple) else [confounds]
    if not all(_is_table(one) and not isinstance(one, pd.DataFrame) for one in tables):
        return []
    return [Path(one) for one in tables]


def _is_table(one: Any) -> bool:
    """Return whether something is a table or the path of one."""
    return isinstance(one, pd.DataFrame | Path) or (isinstance(one, str) and one.endswith(TABLES))


def _list_tables(tables: Any) -> list[Any]:
    """Return tables as a list."""
    if isinstance(tables, pd.DataFrame | str | Path):
        return [tables]
    return list(tables)


def _list_columns(columns: Any) -> list[str]:
    """Return names of columns as a list."""
    names = [columns] if isinstance(columns, str) else columns
    if not isinstance(names, list | tuple) or not all(isinstance(one, str) for one in names):
        raise InputError(
            "confounds must be tables, one for each series, or (tables, columns) with names of "
            f"columns, got {type(columns).__name__}.",
            anchor="time-series",
        )
    return list(names)


def _read_one(table: Any, columns: list[str] | None, n_volumes: int, name: str) -> Confounds:
    """Return the confounds of one series."""
    frame = table if isinstance(table, pd.DataFrame) else read_table(table, "confounds")
    if columns is not None:
        absent = [column for column in columns if column not in frame]
        if absent:
            raise InputError(
                f"the confounds of {name} have no column {list_names(absent)}; there are "
                f"{list_names(frame.columns, limit=20)}.",
                anchor="time-series",
            )
        frame = frame[columns]
    if len(frame) != n_volumes:
        raise InputError(
            f"confounds must have one row for each volume, got {len(frame)} rows for {n_volumes} "
            f"volumes of {name}.",
            anchor="time-series",
        )
    values = np.empty(frame.shape)
    filled = []
    for k, column in enumerate(frame):
        numbers, is_filled = _read_column(frame[column], str(column), name)
        values[:, k] = numbers
        filled += [str(column)] if is_filled else []
    return Confounds(values, [str(column) for column in frame], filled)


def _read_column(column: pd.Series, label: str, name: str) -> tuple[np.ndarray, bool]:
    """Return the numbers (volume,) of a confound, and whether the first was filled in."""
    numbers = pd.to_numeric(column.where(~is_missing(column)), errors="coerce")
    values = numbers.to_numpy(dtype=float).copy()
    unknown = ~np.isfinite(values)
    if unknown[1:].any() or unknown.all():
        row = int(unknown[1:].argmax()) + 1 if unknown[1:].any() else 0
        raise InputError(
            f"the confound {label!r} of {name} must be numbers, got {str(column.iloc[row])!r} in "
            f"row {row}. Only the first row may be missing, as that of derivatives is; leave the "
            "confound out.",
            anchor="time-series",
        )
    if unknown[0]:
        values[0] = values[1:].mean()
    return values, bool(unknown[0])
