"""Which events share a response: each by itself, those of a stimulus in a run, or in all runs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from neurolens.brain.labelling.events import join_tables
from neurolens.labels import STIMULUS_ID

PER = ("event", "run", "stimulus")


class Grouping(NamedTuple):
    """``codes``: for each series, the response (event,) that each of its events is part of.

    ``table``: a row for each response, with what its events have in common. ``n_events``
    (response,), and ``series`` (response,), the number of the series that they are in, -1 where
    they are in several.
    """

    codes: list[np.ndarray]
    table: pd.DataFrame
    n_events: np.ndarray
    series: np.ndarray


def group_events(tables: Sequence[pd.DataFrame], per: str) -> Grouping:
    """Return the responses that the events of all series are parts of."""
    lengths = [len(table) for table in tables]
    events = join_tables(tables)
    series = np.repeat(np.arange(len(tables)), lengths)
    keys = _list_keys(events[STIMULUS_ID].tolist(), series.tolist(), per)
    position: dict = {}
    for key in keys:
        position.setdefault(key, len(position))
    codes = np.array([position[key] for key in keys])
    parts = np.split(codes, np.cumsum(lengths)[:-1])
    table = _join_events(events, codes, len(position))
    counts = np.bincount(codes, minlength=len(position))
    return Grouping(parts, table, counts, _find_series(series, codes, len(position)))


def _list_keys(ids: list, series: list, per: str) -> list:
    """Return what events must have in common to share a response."""
    if per == "event":
        return list(range(len(ids)))
    if per == "run":
        return list(zip(ids, series, strict=True))
    return ids


def _join_events(events: pd.DataFrame, codes: np.ndarray, n_groups: int) -> pd.DataFrame:
    """Return a row for each group of events, with the columns that agree within all groups."""
    first = np.full(n_groups, len(codes))
    np.minimum.at(first, codes, np.arange(len(codes)))
    table = events.iloc[first].reset_index(drop=True)
    for column in events.columns:
        own = table[column].to_numpy(dtype=object)[codes]
        if not all(a == b for a, b in zip(own, events[column], strict=True)):
            table = table.drop(columns=column)
    return table


def _find_series(series: np.ndarray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the series (group,) that all events of a group are in, -1 where there are several."""
    lowest = np.full(n_groups, len(codes))
    np.minimum.at(lowest, codes, series)
    highest = np.full(n_groups, -1)
    np.maximum.at(highest, codes, series)
    return np.where(lowest == highest, lowest, -1)
