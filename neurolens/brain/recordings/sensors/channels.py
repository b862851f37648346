"""Channels of recordings: which are neuroids, their type, unit and place."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurolens.errors import InputError, warn_user
from neurolens.labels import NEUROID, NEUROID_ID, list_names

# Types of channels that measure a brain, with the unit in which MNE-Python holds them.
BRAIN_UNITS = {
    "mag": "T",
    "grad": "T/m",
    "eeg": "V",
    "csd": "V/m2",
    "seeg": "V",
    "ecog": "V",
    "dbs": "V",
    "hbo": "M",
    "hbr": "M",
}
OTHER_UNITS = {"ref_meg": "T", "eog": "V", "ecg": "V", "emg": "V", "bio": "V"}
# Numbers of coordinate frames in files of MNE-Python.
FRAMES = {1: "MEG device", 2: "isotrak", 4: "head", 5: "MRI"}


def choose_channels(info: Any, picks: str | Sequence[str] | None) -> np.ndarray:
    """Return the positions of the channels that are neuroids.

    Parameters
    ----------
    info : mne.Info
    picks : str or sequence of str, optional
        Types and names of channels. Default: those of the only type that measures a brain.

    Raises
    ------
    InputError
        Several types are there and none is picked; a name is neither a type nor a channel; nothing
        is left.

    Warns
    -----
    RuntimeWarning
        Bad channels are left out; types of different units are mixed.
    """
    names = list(info["ch_names"])
    types = list(info.get_channel_types())
    wanted = _read_picks(picks, names, list(dict.fromkeys(types)))
    bads = set(info["bads"])
    chosen = []
    left_out = []
    for k, (name, kind) in enumerate(zip(names, types, strict=True)):
        if name in wanted or (kind in wanted and name not in bads):
            chosen.append(k)
        elif kind in wanted:
            left_out.append(name)
    if left_out:
        warn_user(f"{len(left_out)} bad channels are left out: {list_names(left_out)}.")
    if not chosen:
        raise InputError(f"no channel is left of {list_names(wanted)}: all are bad. Pick others.")
    units = {find_unit(types[k]) for k in chosen}
    if len(units) > 1:
        warn_user(
            f"channels are in different units, {list_names(sorted(units))}, and those of larger "
            "numbers outweigh the others in distances. Standardize them first, with "
            "neurolens.brain.standardize_responses."
        )
    return np.array(chosen)


def _read_picks(
    picks: str | Sequence[str] | None, names: list[str], present: list[str]
) -> list[str]:
    """Return the types and names of channels that are meant, of those that are there."""
    if picks is None:
        wanted = [kind for kind in present if kind in BRAIN_UNITS]
        if len(wanted) != 1:
            found = list_names(wanted or present, 12)
            raise InputError(
                f"the recording has channels of the types {found}, which are in different units or "
                "measure different things. Say which are compared, picks='grad' or a list."
            )
        return wanted
    wanted = [picks] if isinstance(picks, str) else list(picks)
    unknown = [one for one in wanted if one not in present and one not in names]
    if unknown or not wanted:
        raise InputError(
            f"picks must be types or names of channels, got {list_names(unknown)}. There are the "
            f"types {list_names(present, 12)}, and channels {list_names(names)}."
        )
    return wanted


def find_unit(kind: str) -> str:
    """Return the unit of channels of a type."""
    return BRAIN_UNITS.get(kind) or OTHER_UNITS.get(kind, "unknown")


def label_channels(info: Any, chosen: np.ndarray) -> dict[str, Any]:
    """Return the coordinates of channels; places are in mm, NaN where none is known."""
    types = info.get_channel_types()
    kinds = [types[k] for k in chosen]
    places = np.array([np.asarray(info["chs"][k]["loc"][:3], dtype=float) for k in chosen])
    unknown = ~np.isfinite(places).all(axis=1) | (places == 0).all(axis=1)
    places[unknown] = np.nan
    frames = [FRAMES.get(int(info["chs"][k]["coord_frame"]), "unknown") for k in chosen]
    known = np.where(unknown, "unknown", frames)
    columns: dict[str, list | np.ndarray] = {
        NEUROID_ID: [info["ch_names"][k] for k in chosen],
        "channel_type": kinds,
        "channel_unit": [find_unit(kind) for kind in kinds],
        "channel_frame": known,
    }
    coords: dict[str, Any] = {
        name: (NEUROID, np.array(values, dtype=object)) for name, values in columns.items()
    }
    for axis, along in zip("xyz", places.T * 1000, strict=True):
        coords[f"channel_{axis}"] = (NEUROID, along)
    return coords
