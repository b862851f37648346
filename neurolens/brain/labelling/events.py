"""What each volume or row shows: tables of events, one row per response."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurolens.brain.labelling.tables import check_header, convert_column, is_missing, read_table
from neurolens.errors import InputError, LabelError, warn_user
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    PRESENTATION,
    REGION,
    STIMULUS,
    STIMULUS_ID,
    SUBJECT,
    TIME_BIN,
    list_names,
)

# Columns that name the stimulus, in order of preference.
STIMULUS_COLUMNS = (STIMULUS_ID, "stimulus", "stim_id", "stim_file", "image", "trial_type")
# A whole number as tables write it.
WHOLE = r"[0-9]+(?:\.0+)?"
IDS = (str, bytes, int, float, np.generic)
# Columns whose names are dimensions or labels of neuroids, or begin as those do.
RESERVED = (
    STIMULUS, PRESENTATION, NEUROID, NEUROID_ID, REGION, SUBJECT, "image", "hemisphere",
    "structure", "vertex", "n_events", "variance_inflation", TIME_BIN, "time_bin_start",
    "time_bin_end",
)  # fmt: skip
RESERVED_STARTS = ("region_", "voxel_", "index_")


def read_events(events: Any, n_rows: Sequence[int], names: Sequence[str]) -> pd.DataFrame:
    """Return a row for each response, with the column ``stimulus_id``, from one table or several.

    Parameters
    ----------
    events : path, DataFrame, sequence of ids, or list of paths or DataFrames
        One for each file of responses, or one for all of them.
    n_rows : sequence of int
        The number of responses in each file.
    names : sequence of str
        Of the files, for messages.

    Raises
    ------
    DataError
        A table is missing or cannot be read.
    InputError
        Numbers of rows differ, no column names the stimuli, or a table cannot be used.
    LabelError
        A stimulus is not named.
    """
    parts = list_tables(events, len(n_rows))
    if len(parts) == 1:
        table = open_table(parts[0])
        _check_rows(len(table), sum(n_rows), "events", list_names(names))
        name_stimuli(table)
        return table
    tables = []
    columns = []
    for part, n, name in zip(parts, n_rows, names, strict=True):
        table = open_table(part)
        _check_rows(len(table), n, f"events of {name}", name)
        columns.append(name_stimuli(table))
        tables.append(table)
    check_named_alike(columns)
    return join_tables(tables)


def join_tables(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all tables of events, which must have the same columns."""
    columns = [set(table.columns) for table in tables]
    if any(found != columns[0] for found in columns):
        differing = sorted(set.union(*columns) - set.intersection(*columns))
        raise InputError(
            f"all tables of events must have the same columns, and some lack "
            f"{list_names(differing)}. Add or drop them.",
            anchor="events-table",
        )
    return pd.concat(tables, ignore_index=True)


def list_event_files(events: Any) -> list[Path]:
    """Return the paths of tables of events, one per file of responses; none for other events."""
    if isinstance(events, str | Path):
        return [Path(events)]
    if isinstance(events, list | tuple) and all(_is_table(one) for one in events):
        return [Path(one) for one in events if not isinstance(one, pd.DataFrame)]
    return []


def _is_table(one: Any) -> bool:
    """Return whether an entry of a list is a table, rather than a stimulus."""
    if isinstance(one, pd.DataFrame | Path):
        return True
    return isinstance(one, str) and one.endswith((".tsv", ".csv"))


def list_tables(events: Any, n_files: int) -> list[Any]:
    """Return the tables of events: one for all files, or one for each."""
    if isinstance(events, str | Path | pd.DataFrame | pd.Series | np.ndarray):
        return [events]
    if not isinstance(events, list | tuple) or not events:
        raise InputError(
            "events must say what each response shows: the path of a table, a DataFrame, a list of "
            f"stimulus ids, or a list of tables, one per file, got {type(events).__name__}.",
            anchor="events-table",
        )
    if not all(_is_table(one) for one in events):
        return [np.array(list(events), dtype=object)]
    if len(events) != n_files:
        raise InputError(
            f"there are {len(events)} tables of events for {n_files} files of responses. Pass one "
            "for each, in the same order, or one for all.",
            anchor="events-table",
        )
    return list(events)


def open_table(events: Any) -> pd.DataFrame:
    """Return a table of events; ids alone become its column ``stimulus_id``."""
    if isinstance(events, pd.Series | np.ndarray):
        ids = np.asarray(events, dtype=object)
        wrong = [one for one in ids.ravel() if not (one is None or isinstance(one, IDS))]
        if ids.ndim != 1 or wrong:
            what = type(wrong[0]).__name__ if wrong else "ids"
            raise InputError(
                f"stimulus ids must be a list of texts or numbers, got shape {ids.shape} of "
                f"{what}.",
                anchor="events-table",
            )
        return pd.DataFrame({STIMULUS_ID: ids})
    if not isinstance(events, pd.DataFrame):
        return read_table(events, "events")
    table = events
    if table.index.name in STIMULUS_COLUMNS and table.index.name not in table.columns:
        table = table.reset_index()
    check_header(table.columns.tolist(), "events")
    return table.reset_index(drop=True)


def _check_rows(n_events: int, n_responses: int, events: str, responses: str) -> None:
    """Raise InputError unless there is one event per response."""
    if n_events != n_responses:
        raise InputError(
            f"{events} must have one row for each response, got {n_events} rows for {n_responses} "
            f"in {responses}. Responses to events in time series are estimated by "
            "neurolens.brain.estimate_responses; here, pass betas, one per trial or condition, in "
            "the order of the rows.",
            anchor="events-table",
        )


def name_stimuli(table: pd.DataFrame) -> str:
    """Put the column ``stimulus_id`` into ``table``, as text; return the column it is from."""
    there = [name for name in STIMULUS_COLUMNS if name in table.columns]
    # Datasets keep columns that they do not use, filled with n/a.
    column = next((name for name in there if not is_missing(table[name]).all()), None)
    column = column or next(iter(there), None)
    if column is None:
        raise InputError(
            f"events need a column that names the stimuli, one of {list_names(STIMULUS_COLUMNS)}, "
            f"got {list_names(table.columns)}. Rename yours to {STIMULUS_ID!r}.",
            anchor="events-table",
        )
    ids = table[column]
    unnamed = is_missing(ids)
    if unnamed.any():
        raise LabelError(
            f"every response must name its stimulus, and {column!r} is empty in "
            f"{int(unnamed.sum())} rows, first in row {int(unnamed.argmax())}. Drop these rows and "
            "their responses.",
            anchor="events-table",
        )
    table[STIMULUS_ID] = np.array([_write_id(value) for value in ids.tolist()], dtype=object)
    return column


def check_named_alike(columns: Sequence[str]) -> None:
    """Raise InputError where the stimuli of some tables are named by another column than others."""
    if len(set(columns)) > 1:
        raise InputError(
            f"one column must name the stimuli in all tables of events, got {list_names(columns)}: "
            "the first is empty in some. Rename the one that is meant to 'stimulus_id'.",
            anchor="events-table",
        )


def _write_id(value: Any) -> str:
    """Return the text of an id; 7.0, as tables with gaps have whole numbers, is 7."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _tell_forms(ids: pd.Series) -> None:
    """Warn where the same whole number names several stimuli: "7", "7.0" and "007" are three."""
    different = pd.Series(ids.unique(), dtype=object).astype(str)
    whole = different[different.str.fullmatch(WHOLE)]
    plain = whole.str.replace(r"\.0+$", "", regex=True).str.lstrip("0")
    repeated = plain[plain.duplicated(keep=False)]
    if len(repeated):
        first = plain == repeated.iloc[0]
        warn_user(
            f"{len(repeated)} stimuli differ only in how their numbers are written, such as "
            f"{list_names(whole[first])}, and are taken for different ones. If they are the same, "
            "write them alike in all tables."
        )


def label_presentations(table: pd.DataFrame) -> dict[str, tuple[str, np.ndarray]]:
    """Return the columns of a table of events as coordinates, ``stimulus_id`` first.

    Names that mean something else in responses are put after "event_".
    """
    coords = {STIMULUS_ID: (PRESENTATION, table[STIMULUS_ID].to_numpy())}
    _tell_forms(table[STIMULUS_ID])
    for column in [name for name in table.columns if name != STIMULUS_ID]:
        is_taken = column in RESERVED or str(column).startswith(RESERVED_STARTS)
        name = f"event_{column}" if is_taken else str(column)
        if name in coords or (is_taken and name in table.columns):
            raise InputError(
                f"events have two columns for {name!r}. Rename one of them.", anchor="events-table"
            )
        coords[name] = (PRESENTATION, convert_column(table[column]))
    return coords
