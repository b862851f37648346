"""Spike times of neurons and onsets of stimuli as counts or rates per presentation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.brain.labelling.entities import name_subject
from neurolens.brain.labelling.events import label_presentations, read_events
from neurolens.brain.labelling.onsets import refuse_restarts
from neurolens.brain.labelling.tables import is_missing, read_table
from neurolens.brain.recordings.bins import ROUNDING, check_window, label_bins, read_bins
from neurolens.errors import InputError, LabelError, warn_user
from neurolens.labels import NEUROID, NEUROID_ID, PRESENTATION, SUBJECT, TIME_BIN, list_names

UNITS = {"s": 1.0, "ms": 1e-3}
NEURON_COLUMNS = ("neuron", "neuroid_id", "unit", "unit_id", "cell", "cluster", "cluster_id")
TIME_COLUMNS = ("time", "spike_time", "spike_times", "timestamp")
# Columns of which each holds one value for a neuron; names of neurons begin again in the next.
ORIGINS = (
    "participant_id", "subject", "animal", "monkey", "session", "recording", "day", "probe",
    "probe_id", "array", "electrode", "tetrode", "shank",
)  # fmt: skip
# In seconds: no recording is as long or as short, no window as wide, and no onset this many times
# later than the last spike.
LONGEST = 1e5
SHORTEST = 1.0
WIDEST = 20.0
FARTHEST = 100.0
# Fewer spikes per s, with more s between onsets, are in milliseconds.
SILENT = 0.1
APART = 60.0
# So many spikes are not all at whole seconds by chance.
MANY = 10


def count_spikes(
    times: Any,
    onsets: Any,
    *,
    window: tuple[float, float],
    bins: Any = None,
    rates: bool = False,
    unit: str = "s",
    recorded: tuple[float, float] | None = None,
    subject: str | None = None,
) -> xr.DataArray:
    """Count the spikes of each neuron after each onset, in a window or in bins of it.

    Parameters
    ----------
    times : mapping, DataFrame or path
        Spike times by neuron, ``{"n1": [...], ...}``; or a table with a row per spike and the
        columns "neuron" (or "unit", "cell", "cluster") and "time" (or "spike_time").
    onsets : DataFrame or path
        A row per presentation, with the column "onset" and one that names the stimulus, as for
        `read_responses`; all columns become coordinates.
    window : (start, end)
        After the onset; a spike at the start is counted, one at the end is not.
    bins : float, edges or pairs, optional
        A width that divides the window, edges within it, or (start, end) of each bin. Default: one
        count for the window, without ``time_bin``.
    rates : bool
        Divide by the width of the window or bin: spikes per second.
    unit : {"s", "ms"}
        Of all times: spikes, onsets, window, bins, ``recorded``.
    recorded : (start, end), optional
        When the recording started and ended. Default: unknown, and presentations that reach beyond
        the first or last spike of all neurons are told.
    subject : str, optional
        Label of all neurons; default: ``sub-...`` in the name of the file of spikes.

    Returns
    -------
    DataArray (presentation, neuroid) or (presentation, neuroid, time_bin)
        float32, with ``stimulus_id``, the columns of ``onsets``, ``neuroid_id``; ``time_bin`` (the
        center), ``time_bin_start`` and ``time_bin_end`` in ms. Attribute ``units``.

    Raises
    ------
    InputError
        Times are not in ``unit``, as it seems, or not finite; a window reaches beyond ``recorded``;
        columns are missing; onsets begin again in each run.
    LabelError
        Neurons repeat, also in several probes or sessions, or a row does not name its stimulus.

    Warns
    -----
    RuntimeWarning
        Windows reach beyond the first or last spike of all neurons.

    Notes
    -----
    Time O(presentations bins log spikes) for each neuron. Spikes within 1 ns of an edge count as
    at the edge. Windows longer than the time between onsets hold responses to the next stimulus.

    Examples
    --------
    >>> spikes = {"a": [0.06, 0.1, 1.07], "b": [1.5]}
    >>> onsets = pd.DataFrame({"onset": [0.0, 1.0], "stimulus_id": ["cat", "cup"]})
    >>> count_spikes(spikes, onsets, window=(0.05, 0.2), recorded=(0, 2)).values.tolist()
    [[2.0, 0.0], [1.0, 0.0]]
    """
    if unit not in UNITS:
        raise InputError(f"unit must be one of {list_names(UNITS)}, got {unit!r}.")
    scale = UNITS[unit]
    path = Path(times) if isinstance(times, str | Path) else None
    spikes = {name: train * scale for name, train in _read_trains(times).items()}
    table, starts = _read_onsets(onsets, scale)
    start, stop = check_window(window)
    span = (start * scale, stop * scale)
    _check_units(spikes, starts, span, unit)
    pairs = np.array([span])
    if bins is not None:
        pairs = read_bins(np.asarray(bins, dtype=float) * scale, *span)
    limits = None
    if recorded is not None:
        limits = tuple(one * scale for one in check_window(recorded, "recorded"))
    _check_recorded(spikes, starts, pairs, limits)

    edges = starts[:, None, None] + pairs - ROUNDING  # (presentation, bin, 2)
    counts = np.empty((len(starts), len(spikes), len(pairs)), dtype=np.float32)
    for k, train in enumerate(spikes.values()):
        below = np.searchsorted(train, edges)
        counts[:, k] = below[..., 1] - below[..., 0]
    if rates:
        counts /= (pairs[:, 1] - pairs[:, 0]).astype(np.float32)
    coords: dict[str, Any] = dict(label_presentations(table))
    coords[NEUROID_ID] = (NEUROID, np.array(list(spikes), dtype=object))
    subject = name_subject(subject, [] if path is None else [path])
    if subject is not None:
        coords[SUBJECT] = (NEUROID, np.full(len(spikes), subject, dtype=object))
    counted = xr.DataArray(
        counts,
        dims=(PRESENTATION, NEUROID, TIME_BIN),
        coords=coords | label_bins(pairs),
        attrs={"units": "spikes/s" if rates else "spikes"},
    )
    if bins is not None:
        return counted
    described = f"{span[0] * 1000:g} to {span[1] * 1000:g} ms after the onset"
    return counted.isel({TIME_BIN: 0}, drop=True).assign_attrs(window=described)


def _read_trains(times: Any) -> dict[str, np.ndarray]:
    """Return the sorted spike times of each neuron, by its name."""
    if isinstance(times, str | Path):
        times = read_table(times, "spikes")
    if isinstance(times, pd.DataFrame):
        times = _split_table(times)
    if not isinstance(times, Mapping) or not times:
        raise InputError(
            "times must map neurons to spike times, {'n1': [0.01, ...]}, or be a table with a row "
            f"per spike, got {type(times).__name__}. Name the neurons: dict(zip(names, times))."
        )
    trains = {}
    for neuron, values in times.items():
        name = str(neuron)
        if name in trains:
            raise LabelError(
                f"two neurons are called {name!r}. Rename one of them.", anchor="ids-repeat"
            )
        try:
            train = np.asarray(values, dtype=float).ravel()
        except (TypeError, ValueError):
            raise InputError(
                f"the spike times of {name!r} must be numbers, got {type(values).__name__}."
            ) from None
        if not np.isfinite(train).all():
            raise InputError(
                f"the spike times of {name!r} must be finite, and {(~np.isfinite(train)).sum()} of "
                f"{len(train)} are not. Where arrays are filled up with NaN, leave it out: "
                "x[~np.isnan(x)]."
            )
        trains[name] = np.sort(train)
    if not sum(len(train) for train in trains.values()):
        raise InputError("times hold no spike at all. Pass the spike times of each neuron.")
    return trains


def _split_table(table: pd.DataFrame) -> dict[Any, np.ndarray]:
    """Return the times in a table of spikes by neuron, in order of first appearance."""
    neuron = next((name for name in NEURON_COLUMNS if name in table.columns), None)
    time = next((name for name in TIME_COLUMNS if name in table.columns), None)
    if neuron is None or time is None:
        raise InputError(
            f"a table of spikes needs a column of neurons, one of {list_names(NEURON_COLUMNS, 7)}, "
            f"and one of times, one of {list_names(TIME_COLUMNS)}, got {list_names(table.columns)}."
        )
    if is_missing(table[neuron]).any():
        raise LabelError(f"column {neuron!r} of the spikes must name a neuron in every row.")
    _refuse_repeated(table, neuron)
    values = pd.to_numeric(table[time], errors="coerce")
    return {name: group.to_numpy() for name, group in values.groupby(table[neuron], sort=False)}


def _refuse_repeated(table: pd.DataFrame, neuron: str) -> None:
    """Raise LabelError where neurons of several probes, sessions or subjects have one name."""
    for origin in [name for name in table.columns if str(name).lower() in ORIGINS]:
        if origin == neuron:
            continue
        counts = table.groupby(neuron, sort=False)[origin].nunique(dropna=False)
        if (counts > 1).any():
            first = counts.index[counts > 1][0]
            raise LabelError(
                f"{neuron} {str(first)!r} has spikes in several of {origin!r}, and would be one "
                f"neuron. If they are different ones: table.assign(neuron=table[{origin!r}].astype("
                f"str) + '-' + table[{neuron!r}].astype(str)); else drop the column.",
                anchor="ids-repeat",
            )


def _read_onsets(onsets: Any, scale: float) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table of presentations, and their onsets (presentation,) in seconds."""
    if not isinstance(onsets, str | Path | pd.DataFrame):
        raise InputError(
            "onsets must be a table with the columns 'onset' and 'stimulus_id', or its path, got "
            f"{type(onsets).__name__}. Type pd.DataFrame({{'onset': times, 'stimulus_id': ids}}).",
            anchor="events-table",
        )
    table = onsets if isinstance(onsets, pd.DataFrame) else read_table(onsets, "onsets")
    if "onset" not in table.columns:
        raise InputError(
            f"onsets need the column 'onset', got {list_names(table.columns)}. Rename yours.",
            anchor="events-table",
        )
    table = read_events(table, [len(table)], ["onsets"])
    starts = pd.to_numeric(table["onset"], errors="coerce").to_numpy(dtype=float) * scale
    if not np.isfinite(starts).all():
        row = int((~np.isfinite(starts)).argmax())
        raise InputError(
            f"onset {row} is {table['onset'].iloc[row]!r}, and must be a time. Drop such rows.",
            anchor="events-table",
        )
    if not len(starts):
        raise InputError("onsets hold no presentation.", anchor="events-table")
    refuse_restarts(table, starts, "presentations")
    return table, starts


def _check_units(
    spikes: dict[str, np.ndarray], starts: np.ndarray, span: tuple[float, float], unit: str
) -> None:
    """Raise InputError where times in seconds do not look as if they were."""
    trains = np.concatenate(list(spikes.values()))
    last = np.abs(trains).max()
    later = max(np.abs(starts).max(), span[1])
    reasons = []
    if unit == "s" and len(trains) > MANY and (trains == np.rint(trains)).all():
        reasons.append("all spikes are at whole seconds, as if in milliseconds or samples")
    if unit == "ms" and len(trains) > MANY and last < SHORTEST:
        reasons.append(f"the last spike is at {last * 1000:g} ms")
    if max(last, later) > LONGEST:
        reasons.append(f"times reach {max(last, later):g} s")
    if max(np.abs(span)) > WIDEST:
        reasons.append(f"the window reaches {max(np.abs(span)):g} s after the onset")
    if len(starts) > 1 and not 1 / FARTHEST < (last + 1) / (later + 1) < FARTHEST:
        reasons.append(f"the last spike is at {last:g} s and the last onset at {later:g} s")
    if unit == "s":
        reasons += _tell_sparse(trains, len(spikes), starts)
    if reasons:
        raise InputError(
            f"times must all be in {unit}, and it seems that they are not: "
            f"{'; '.join(reasons)}. Pass unit='ms' where all are in milliseconds, unit='s' where "
            "all are in seconds; divide samples by the sampling rate.",
            anchor="times-and-bins",
        )


def _tell_sparse(trains: np.ndarray, n_neurons: int, starts: np.ndarray) -> list[str]:
    """Return what is strange of spikes and onsets that are as far apart as milliseconds."""
    if len(trains) <= MANY or len(starts) < 2:
        return []
    rate = len(trains) / (n_neurons * max(float(np.ptp(trains)), SHORTEST))
    gap = float(np.median(np.diff(np.sort(starts))))
    if rate >= SILENT or gap <= APART:
        return []
    return [f"neurons have {rate:.2g} spikes per s, with {gap:g} s between onsets"]


def _check_recorded(
    spikes: dict[str, np.ndarray],
    starts: np.ndarray,
    pairs: np.ndarray,
    limits: tuple[float, ...] | None,
) -> None:
    """Raise or warn where windows reach beyond the recording."""
    first = min(train[0] for train in spikes.values() if len(train))
    last = max(train[-1] for train in spikes.values() if len(train))
    low, high = limits or (first, last)
    outside = (starts + pairs.min() < low - ROUNDING) | (starts + pairs.max() > high + ROUNDING)
    if not outside.any():
        return
    rows = list_names(np.flatnonzero(outside))
    if limits is not None:
        raise InputError(
            f"the windows of {int(outside.sum())} presentations of {len(starts)} reach beyond the "
            f"recording, {low:g} to {high:g} s: rows {rows}. Drop these rows of onsets.",
            anchor="times-and-bins",
        )
    warn_user(
        f"the windows of {int(outside.sum())} presentations of {len(starts)} reach beyond the "
        f"first or last spike of all neurons, {low:g} to {high:g} s: rows {rows}. If the recording "
        "had ended, their counts are too low; say when it did, recorded=(start, end)."
    )
