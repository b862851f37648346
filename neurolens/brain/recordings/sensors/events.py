"""Which stimulus each epoch shows: by its metadata, by a table of events, or by event names."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurolens.brain.labelling.events import STIMULUS_COLUMNS, read_events
from neurolens.brain.labelling.tables import read_table
from neurolens.errors import InputError, LabelError, warn_user
from neurolens.labels import STIMULUS_ID, list_names

IGNORED = ("IGNORED",)


def label_epochs(epochs: Any, events: Any, stimulus: str | None) -> pd.DataFrame:
    """Return a row for each epoch, with the column ``stimulus_id``.

    Parameters
    ----------
    epochs : mne.BaseEpochs
    events : table, optional
        A row for each epoch that was kept, or for each event from which epochs were made.
    stimulus : str, optional
        The column that names stimuli, of the events or else of the metadata.
    """
    names = _name_events(epochs)
    table = epochs.metadata
    if events is not None:
        table = _keep_rows(_open_events(events), epochs)
    elif table is not None:
        table = table.reset_index(drop=True)
    column = _find_column(table, stimulus)
    if column is None:
        if stimulus is not None:
            there = [] if table is None else list_names(table.columns)
            raise InputError(
                f"there is no column {stimulus!r} that names stimuli; there are {there}.",
                anchor="events-table",
            )
        table = pd.DataFrame() if table is None else table
        table = table.assign(**{STIMULUS_ID: names})
        _refuse_one_event(names)
    else:
        ids = table[column].to_numpy()
        if column != STIMULUS_ID:
            table = table.rename(columns={STIMULUS_ID: f"event_{STIMULUS_ID}"})
        table = table.assign(**{STIMULUS_ID: ids})
    if "event_name" not in table.columns:
        table = table.assign(event_name=np.array(names, dtype=object))
    return read_events(table, [len(epochs)], ["the epochs"])


def _open_events(events: Any) -> pd.DataFrame:
    """Return a table of events, with a column of ``stimulus_id``."""
    if isinstance(events, pd.DataFrame):
        return events.reset_index(drop=True)
    if isinstance(events, str | Path):
        return read_table(events, "events")
    if not isinstance(events, list | tuple | np.ndarray | pd.Series):
        raise InputError(
            "events must be a table, its path, or a list of stimulus ids, got "
            f"{type(events).__name__}.",
            anchor="events-table",
        )
    ids = list(events)
    return read_events(ids, [len(ids)], ["the epochs"])


def _find_column(table: pd.DataFrame | None, stimulus: str | None) -> str | None:
    """Return the column that names stimuli, None where there is none."""
    if table is None:
        return None
    wanted = STIMULUS_COLUMNS if stimulus is None else (stimulus,)
    return next((name for name in wanted if name in table.columns), None)


def _name_events(epochs: Any) -> list[str]:
    """Return the name of each epoch's event."""
    by_code: dict[int, str] = {}
    for name, code in epochs.event_id.items():
        if code in by_code:
            raise LabelError(
                f"the event {code} has two names, {by_code[code]!r} and {name!r}. Leave one of "
                "them out of epochs.event_id.",
                anchor="events-table",
            )
        by_code[code] = name
    return [by_code.get(int(code), str(code)) for code in epochs.events[:, 2]]


def _refuse_one_event(names: list[str]) -> None:
    """Raise InputError where all epochs are of one event, which names no stimulus."""
    if len(names) > 1 and len(set(names)) == 1:
        raise InputError(
            f"all {len(names)} epochs are of the event {names[0]!r}, which says not what was shown "
            f"in each. Give epochs.metadata, or events=, with a column {STIMULUS_ID!r}.",
            anchor="events-table",
        )


def _keep_rows(table: pd.DataFrame, epochs: Any) -> pd.DataFrame:
    """Return the rows of a table of events that belong to the epochs that were kept."""
    n_kept = len(epochs)
    drop_log = list(epochs.drop_log)
    used = np.array([k for k, log in enumerate(drop_log) if tuple(log) != IGNORED], dtype=int)
    selection = np.asarray(epochs.selection)
    if len(table) == n_kept:
        rows = np.arange(n_kept)
    elif len(table) == len(drop_log):
        rows = selection
    elif len(table) == len(used):
        rows = np.searchsorted(used, selection)
    else:
        raise InputError(
            f"events must have a row for each of the {n_kept} epochs that were kept, or for each "
            f"of the {len(drop_log)} events that they were made of ({len(used)} with those of "
            f"event_id only), got {len(table)} rows. Pass the table that the epochs were made "
            "with, or epochs.metadata.",
            anchor="events-table",
        )
    kept = table.iloc[rows].reset_index(drop=True)
    _check_onsets(kept, epochs)
    return kept


def _check_onsets(table: pd.DataFrame, epochs: Any) -> None:
    """Warn where onsets of rows and epochs differ by more than a constant and some samples.

    Epochs of arrays number their events and have no onsets.
    """
    samples = np.asarray(epochs.events[:, 0], dtype=float)
    if "onset" not in table.columns or len(samples) < 3 or (np.diff(samples) == 1).all():
        return
    onsets = pd.to_numeric(table["onset"], errors="coerce").to_numpy(dtype=float)
    # Events count samples before epochs were decimated.
    rate = getattr(epochs, "_raw_sfreq", None)
    rate = float(np.ravel(epochs.info["sfreq"] if rate is None else rate)[0])
    offset = onsets - samples / rate
    away = np.abs(offset - np.median(offset))
    n_away = int((away > 0.1).sum())
    if n_away and np.isfinite(away).all():
        warn_user(
            f"the onsets of {n_away} rows of events differ from those of their epochs by "
            f"{away.max():.3g} s more than the others do. Rows may belong to other epochs, unless "
            "the epochs are of several runs."
        )
