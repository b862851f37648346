"""Events in time: onset and duration of each, checked against the series that they are in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurolens.brain.labelling.events import (
    check_named_alike,
    list_tables,
    name_stimuli,
    open_table,
)
from neurolens.brain.labelling.tables import is_missing
from neurolens.errors import InputError, warn_user
from neurolens.labels import list_names

ONSET = "onset"
DURATION = "duration"
# Responses peak about 5 s after the event; an event closer to the end is hardly seen.
LATE = 4.0
# Events this long before a series still have a response in it.
EARLY = -20.0
# Columns that name a run, and its session.
RUNS = ("run", "run_id")
SESSIONS = ("session", "ses", "session_id")


def read_onsets(events: Any, seconds: Sequence[float], names: Sequence[str]) -> list[pd.DataFrame]:
    """Return the table of events of each series, with numbers of ``onset`` and ``duration``.

    Parameters
    ----------
    events : path, DataFrame, or list of these
        One for each series.
    seconds : sequence of float
        The length of each series.
    names : sequence of str
        Of the series, for messages.

    Raises
    ------
    InputError
        There is not one table for each series; a column is missing or no number; an event is
        outside its series, or most last beyond it; onsets begin again in each run of a table.
    LabelError
        A stimulus is not named.

    Warns
    -----
    RuntimeWarning
        Events are so close to the end that their response is hardly in the series.
    """
    parts = list_tables(events, len(names))
    if len(parts) != len(names):
        raise InputError(
            f"events of {len(names)} series must be a list of {len(names)} tables, one for each, "
            "in the same order, got one. Split it by run.",
            anchor="events-table",
        )
    tables = []
    columns = []
    late = []
    for part, length, name in zip(parts, seconds, names, strict=True):
        table = open_table(part).copy()
        columns.append(name_stimuli(table))
        for column in (ONSET, DURATION):
            table[column] = _read_seconds(table, column, name)
        _check_times(table, length, name)
        refuse_restarts(table, table[ONSET].to_numpy(), name)
        near = table[ONSET] > length - LATE
        late += [
            f"{row.stimulus_id} at {row.onset:g} s in {name}" for row in table[near].itertuples()
        ]
        tables.append(table)
    check_named_alike(columns)
    if late:
        warn_user(
            f"{len(late)} events begin less than {LATE:g} s before the end of their series, so "
            f"that little of their response was recorded: {list_names(late)}. Drop them."
        )
    return tables


def _read_seconds(table: pd.DataFrame, column: str, name: str) -> np.ndarray:
    """Return the numbers (event,) in a column of times."""
    if column not in table:
        hint = "; 0 is an impulse" if column == DURATION else ""
        raise InputError(
            f"events of {name} need the column {column!r}, in s{hint}, got "
            f"{list_names(table.columns)}. Rename yours.",
            anchor="events-table",
        )
    numbers = pd.to_numeric(table[column].where(~is_missing(table[column])), errors="coerce")
    values = numbers.to_numpy(dtype=float)
    wrong = ~np.isfinite(values)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{column!r} of the events of {name} must be numbers, in s, got "
            f"{str(table[column].iloc[row])!r} in row {row}. Drop events without a time.",
            anchor="events-table",
        )
    return values


def _check_times(table: pd.DataFrame, length: float, name: str) -> None:
    """Raise InputError for events outside a series of ``length`` seconds."""
    if not len(table):
        raise InputError(
            f"there are no events for {name}. Leave the series out.", anchor="events-table"
        )
    onset = table[ONSET].to_numpy()
    if (table[DURATION] < 0).any():
        raise InputError(
            f"events of {name} have durations below 0. Correct them.", anchor="events-table"
        )
    outside = (onset >= length) | (onset < EARLY)
    if outside.any():
        row = int(outside.argmax())
        raise InputError(
            f"{int(outside.sum())} events of {name} are outside the series, which is {length:g} s "
            f"long, e.g. {table.stimulus_id.iloc[row]!r} at {onset[row]:g} s in row {row}. Onsets "
            "are in s from the first volume on: divide milliseconds by 1000, drop the events of "
            "other runs, or subtract volumes that were cut off.",
            anchor="events-table",
        )
    _check_durations(table, length, name)


def _check_durations(table: pd.DataFrame, length: float, name: str) -> None:
    """Raise InputError for durations that reach far beyond a series of ``length`` seconds."""
    durations = table[DURATION].to_numpy()
    n_beyond = int((table[ONSET].to_numpy() + durations > length).sum())
    longest = float(durations.max())
    if longest > length or n_beyond > max(1, len(table) // 2):
        raise InputError(
            f"{n_beyond} of {len(table)} events of {name} last beyond the end of the series, which "
            f"is {length:g} s long, the longest {longest:g} s. Durations are in s: divide "
            "milliseconds by 1000.",
            anchor="events-table",
        )


def refuse_restarts(table: pd.DataFrame, onsets: np.ndarray, name: str) -> None:
    """Raise InputError where onsets (event,) begin again in each run that ``table`` names.

    On one clock, all events of a run are before or after those of another.
    """
    named = []
    for choices in (SESSIONS, RUNS):
        named += [column for column in choices if column in table.columns][:1]
    if not named:
        return
    runs = table[named].astype(str).agg(" ".join, axis=1).to_numpy()
    spans = pd.Series(onsets).groupby(runs).agg(["min", "max"]).sort_values("min")
    begins_again = spans["min"].to_numpy()[1:] <= spans["max"].cummax().to_numpy()[:-1]
    if begins_again.any():
        first = int(begins_again.argmax())
        examples = list_names(spans.index[first : first + 2])
        raise InputError(
            f"onsets of {name} begin again in each {' and '.join(named)}, such as {examples}, and "
            "are of one clock here. Pass the events of each by itself, or add to the onsets when "
            "each began.",
            anchor="events-table",
        )
