"""When volumes were taken: from the header of an image, its JSON file, and the user."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from neurolens.brain.images.opening import Image
from neurolens.brain.labelling.partners import read_timing
from neurolens.errors import InputError

# By how much two statements of the seconds between volumes may differ.
TOLERANCE = 1e-3
# No scanner takes as long for a volume, in s; milliseconds are above.
SLOWEST = 60.0


class Timing(NamedTuple):
    """``t_r``: seconds between volumes; ``start``: when the first was taken, in s."""

    t_r: float
    start: float


def find_timing(
    image: Image, row: pd.Series | None, t_r: float | None, slice_time_ref: float | None
) -> Timing:
    """Return when the volumes of a series were taken.

    ``row`` is what ``find_files`` says of the image; without it the JSON beside the image is read.

    Raises
    ------
    DataError
        The JSON cannot be read.
    InputError
        The seconds between volumes are unknown, 0, or said differently in two places; the
        reference of slices is not within a volume.
    """
    if t_r is not None and (isinstance(t_r, bool) or not isinstance(t_r, int | float | np.number)):
        raise InputError(f"t_r must be a number of seconds, got {t_r!r}.", anchor="time-series")
    beside = _read_beside(image, row)
    said = {
        "t_r": t_r,
        "the header": image.time_step,
        "RepetitionTime in the JSON": beside["t_r"],
    }
    known = {where: float(one) for where, one in said.items() if one is not None and one == one}
    if known.get("the header") == 0:
        # A header that was never filled in says nothing.
        del known["the header"]
    if not known:
        raise InputError(
            f"the seconds between the volumes of {image.name} are not known: its header has 0 or "
            "no unit of time, and no JSON file says RepetitionTime. Pass t_r=.",
            anchor="time-series",
        )
    _refuse_impossible(known)
    first = next(iter(known.values()))
    if any(abs(one - first) > TOLERANCE * first for one in known.values()):
        raise InputError(
            f"the seconds between the volumes of {image.name} are said differently: "
            f"{_tell(known)}. Find out which is right, and correct the others.",
            anchor="time-series",
        )
    start = _find_start(slice_time_ref, beside["start_time"], first)
    return Timing(first, start)


def _refuse_impossible(known: dict[str, float]) -> None:
    """Raise InputError where seconds between volumes are not above 0, or as long as in ms."""
    wrong = {where: one for where, one in known.items() if not 0 < one < np.inf}
    if wrong:
        raise InputError(
            f"seconds between volumes must be above 0, got {_tell(wrong)}.", anchor="time-series"
        )
    slow = {where: one for where, one in known.items() if one > SLOWEST}
    if slow:
        raise InputError(
            f"seconds between volumes must be at most {SLOWEST:g}, got {_tell(slow)}, which may be "
            "milliseconds. Pass seconds as t_r=, and correct a header that differs.",
            anchor="time-series",
        )


def _read_beside(image: Image, row: pd.Series | None) -> dict[str, float]:
    """Return what the JSON files of an image say, NaN for nothing."""
    if row is None or not {"t_r", "start_time"} & set(row.index):
        return read_timing(image.paths[0])
    return {key: float(row.get(key, np.nan)) for key in ("t_r", "start_time")}


def _find_start(slice_time_ref: float | None, start_time: float, t_r: float) -> float:
    """Return when slices of the first volume were taken, in s."""
    if slice_time_ref is None:
        return 0.0 if np.isnan(start_time) else start_time
    is_number = isinstance(slice_time_ref, int | float | np.number)
    if isinstance(slice_time_ref, bool) or not is_number or not 0 <= slice_time_ref <= 1:
        raise InputError(
            f"slice_time_ref must be a fraction of t_r, from 0 to 1, got {slice_time_ref!r}.",
            anchor="time-series",
        )
    start = slice_time_ref * t_r
    if not np.isnan(start_time) and abs(start_time - start) > TOLERANCE * t_r:
        raise InputError(
            f"slices are at {start:g} s by slice_time_ref, and at {start_time:g} s by StartTime in "
            "the JSON. Leave slice_time_ref out, or correct the JSON.",
            anchor="time-series",
        )
    return start


def _tell(said: dict[str, float]) -> str:
    return ", ".join(f"{one:g} s by {where}" for where, one in said.items())
