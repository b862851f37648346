"""Epochs and evoked responses of MNE-Python as responses with time bins."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.brain.images.numbers import make_single
from neurolens.brain.labelling.entities import name_subject
from neurolens.brain.labelling.events import label_presentations, read_events
from neurolens.brain.recordings.bins import label_bins, read_bins
from neurolens.brain.recordings.sensors.channels import choose_channels, label_channels
from neurolens.brain.recordings.sensors.events import label_epochs
from neurolens.brain.recordings.sensors.files import open_recording
from neurolens.errors import InputError, LabelError, warn_user
from neurolens.labels import NEUROID, PRESENTATION, STIMULUS_ID, SUBJECT, TIME_BIN, list_names

STEPS = "steps"


def read_epochs(
    source: Any,
    *,
    events: Any = None,
    stimulus: str | None = None,
    picks: str | Sequence[str] | None = None,
    bins: Any = None,
    decimate: int = 1,
    subject: str | None = None,
) -> xr.DataArray:
    """Read epochs or evoked responses of MNE-Python (MEG, EEG, ECoG, sEEG, fNIRS).

    Parameters
    ----------
    source : mne.Epochs, mne.Evoked, list of mne.Evoked, or path
        Or the path of a file that ends in ``-epo.fif`` or ``-ave.fif``.
    events : table or list of ids, optional
        Of epochs: a row for each that was kept, or for each event that they were made of, of which
        the dropped ones are left out by ``epochs.selection``. Of evoked responses: one for each.
        Default: ``epochs.metadata``.
    stimulus : str, optional
        The column that names stimuli. Default: the first of those that `read_responses` knows;
        without any, the names in ``event_id``, and of evoked responses their comments.
    picks : str or list of str, optional
        Types ("mag", "grad", "eeg" ...) or names of channels. Needed where several types measure
        the brain. Bad channels are left out unless they are named.
    bins : float, edges or pairs, optional
        In seconds, for averages of samples: a width that divides the epoch, edges, or (start, end)
        of each; a sample at the end of a bin is in the next. Default: every sample is a bin.
    decimate : int
        Without bins: keep one of so many samples.
    subject : str, optional
        Default: ``sub-...`` in the name of the file, or what the recording says.

    Returns
    -------
    DataArray (presentation, neuroid, time_bin)
        float32 in the units of MNE-Python. ``stimulus_id``, ``event_name`` and the columns of the
        events or metadata on presentation; ``neuroid_id`` (the channel), ``channel_type``,
        ``channel_unit``, ``channel_x``, ``channel_y``, ``channel_z`` in mm, in the frame
        ``channel_frame``, on neuroid; ``time_bin`` (the center), ``time_bin_start``,
        ``time_bin_end`` in ms from the event. Of evoked responses ``n_averaged``.

    Raises
    ------
    DataError
        The file is missing or damaged.
    InputError
        Types of channels have to be picked; events have another number of rows; bins reach beyond
        the epoch or hold no sample; nothing says what was shown.
    LabelError
        Evoked responses are not named or not apart.
    MissingToolError
        MNE-Python is not installed.

    Warns
    -----
    RuntimeWarning
        Bad channels are left out; channels of different units are mixed; samples are left out
        without a filter below half of the new rate; onsets in events and epochs do not agree;
        projections are not applied.

    Notes
    -----
    Nothing is filtered, baseline-corrected or referenced: see MNE-Python before, and
    ``neurolens.brain`` for averaging repeats and standardizing. In memory: the chosen channels of
    all epochs as float64.
    """
    recording, path = open_recording(source)
    is_evoked = isinstance(recording, list)
    first = recording[0] if is_evoked else recording
    info = first.info
    chosen = choose_channels(info, picks)
    if any(not one["active"] for one in info["projs"]):
        warn_user(
            "the recording has projections (SSP) that are not applied, and is read without them. "
            "Type epochs.apply_proj() before, or epochs.del_proj() to leave them out."
        )
    if is_evoked:
        _check_alike(recording)
        table = _label_evoked(recording, events, stimulus)
        values = np.stack([one.data[chosen] for one in recording])
    else:
        table = label_epochs(recording, events, stimulus)
        values = recording.get_data(picks=chosen)  # (presentation, neuroid, time)
    times = np.asarray(first.times, dtype=float)
    rate = float(info["sfreq"])
    values, pairs, step = _bin_samples(values, times, rate, bins, decimate)
    if bins is None and decimate > 1:
        _warn_aliases(info, rate / decimate)
    labels = label_channels(info, chosen) | label_bins(pairs)
    table = table.rename(columns={name: f"event_{name}" for name in table if name in labels})
    coords: dict[str, Any] = label_presentations(table) | labels
    subject = _find_subject(subject, path, info)
    if subject is not None:
        coords[SUBJECT] = (NEUROID, np.full(len(chosen), subject, dtype=object))
    attrs = {"source": [type(first).__name__ if path is None else path.name], STEPS: [step]}
    single = make_single(values, "the recording")
    return xr.DataArray(single, dims=(PRESENTATION, NEUROID, TIME_BIN), coords=coords, attrs=attrs)


def _find_subject(subject: Any, path: Path | None, info: Any) -> str | None:
    """Return the label of the subject."""
    named = name_subject(subject, [] if path is None else [path])
    if named is not None:
        return named
    described = info.get("subject_info") or {}
    name = described.get("his_id")
    return str(name) if name else None


def _check_alike(evoked: list[Any]) -> None:
    """Raise InputError unless evoked responses have the same channels and times, and are means."""
    first = evoked[0]
    for one in evoked:
        if one.kind != "average":
            raise InputError(
                f"evoked {one.comment!r} is a {one.kind.replace('_', ' ')}, not an average. Leave "
                "it out."
            )
        if one.ch_names != first.ch_names:
            raise InputError(
                f"evoked {one.comment!r} and {first.comment!r} have different channels. Pick the "
                "same in the same order, e.g. mne.equalize_channels(evoked)."
            )
        if len(one.times) != len(first.times) or not np.allclose(one.times, first.times):
            raise InputError(
                f"evoked {one.comment!r} and {first.comment!r} have different times. Crop them to "
                "the same."
            )
        if set(one.info["bads"]) != set(first.info["bads"]):
            raise InputError(
                f"evoked {one.comment!r} and {first.comment!r} have different bad channels. Set "
                "info['bads'] of all to those that are bad in any."
            )


def _label_evoked(evoked: list[Any], events: Any, stimulus: str | None) -> pd.DataFrame:
    """Return a row for each evoked response."""
    averaged = [int(one.nave) for one in evoked]
    if events is None:
        names = [str(one.comment or "") for one in evoked]
        unnamed = [k for k, name in enumerate(names) if not name]
        repeated = [name for k, name in enumerate(names) if name in names[:k]]
        if unnamed or repeated:
            wrong = f"number {unnamed[0]} has none" if unnamed else f"{list_names(repeated)} repeat"
            raise LabelError(
                f"evoked responses are named by their comments, and {wrong}. Set evoked.comment, "
                "or pass the ids, events=[...].",
                anchor="ids-repeat",
            )
        table = pd.DataFrame({STIMULUS_ID: names})
    else:
        if stimulus is not None and isinstance(events, pd.DataFrame):
            events = events.rename(columns={stimulus: STIMULUS_ID})
        table = read_events(events, [len(evoked)], ["the evoked responses"])
    return table.assign(n_averaged=averaged)


def _bin_samples(
    values: np.ndarray, times: np.ndarray, rate: float, bins: Any, decimate: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return values (presentation, neuroid, bin), the bins (bin, 2) in s and what was done."""
    is_whole = isinstance(decimate, int | np.integer) and not isinstance(decimate, bool)
    if not is_whole or decimate < 1 or (bins is not None and decimate != 1):
        raise InputError(
            "decimate must be a whole number, 1 or more, and 1 with bins=, which average samples, "
            f"got {decimate!r}.",
            anchor="times-and-bins",
        )
    if bins is None:
        kept = times[::decimate]
        half = 0.5 / rate
        pairs = np.stack([kept - half, kept + half], axis=1)
        note = f"one of {decimate} samples taken" if decimate > 1 else "every sample taken"
        return values[..., ::decimate], pairs, f"{note}, at {rate / decimate:g} Hz"
    stop = times[-1] + 1 / rate
    if np.ndim(bins) == 0 and _divides(bins, times[-1] - times[0]):
        # Epochs hold the samples at both ends, and the last one begins another bin.
        stop = times[-1]
    pairs = read_bins(bins, times[0], stop)
    slack = 1e-3 / rate
    inside = (times >= pairs[:, :1] - slack) & (times < pairs[:, 1:] - slack)  # (bin, time)
    counts = inside.sum(axis=1)
    if not counts.all():
        empty = pairs[counts == 0][0]
        raise InputError(
            f"the bin from {empty[0]:g} to {empty[1]:g} s holds no sample at {rate:g} Hz. Pass "
            "wider bins.",
            anchor="times-and-bins",
        )
    if counts.min() < counts.max() and np.ndim(bins) == 0:
        warn_user(
            f"bins of {float(bins):g} s hold {counts.min()} to {counts.max()} samples at {rate:g} "
            "Hz, so that noise differs between them. Pass a multiple of the sampling interval."
        )
    weights = inside / counts[:, None]
    note = f"samples averaged in {len(pairs)} bins of {counts.min()} to {counts.max()}"
    n_left = int((~inside.any(axis=0)).sum())
    note += f", {n_left} samples left out" if n_left else ""
    return values @ weights.T, pairs, note


def _divides(width: Any, span: float) -> bool:
    """Return whether a width divides a span, but for rounding."""
    if isinstance(width, bool) or not isinstance(width, int | float | np.number) or width <= 0:
        return False
    n_bins = round(span / width)
    return n_bins > 0 and abs(n_bins * width - span) < 1e-6 * span


def _warn_aliases(info: Any, rate: float) -> None:
    """Warn where frequencies above half of a rate are in the recording."""
    lowpass = float(info["lowpass"] or info["sfreq"] / 2)
    if lowpass > rate / 2:
        warn_user(
            f"the recording is filtered below {lowpass:g} Hz, and at {rate:g} Hz frequencies above "
            f"{rate / 2:g} Hz appear as others. Filter it before, or average samples, bins=."
        )
