"""Time series in blocks: a response per block, in % of the rest of its run."""

from typing import NamedTuple

import numpy as np

from neurolens.errors import DataError, warn_user
from neurolens.labels import list_names

REST = "rest"


class Blocks(NamedTuple):
    """``values`` (block, voxel) in % signal change, with the category and run of each block."""

    values: np.ndarray
    categories: np.ndarray
    runs: np.ndarray


def average_blocks(
    series: np.ndarray, categories: np.ndarray, runs: np.ndarray, *, lag: int
) -> Blocks:
    """Return the mean response to each category in each run.

    In each run the series is detrended linearly; a response is the mean over the volumes that come
    ``lag`` after those of its category, in % of the mean over the volumes of rest.

    Parameters
    ----------
    series : ndarray (volume, voxel)
    categories : ndarray (volume,) of str
        What each volume shows, or "rest".
    runs : ndarray (volume,)
    lag : int
        Volumes by which the response comes later than the picture. Volumes that come after the end
        of the run are left out.

    Raises
    ------
    DataError
        A run has no rest; a category has no volume left; there are more or fewer labels than
        volumes.

    Warns
    -----
    RuntimeWarning
        A run has rest alone.
    """
    if not len(series) == len(categories) == len(runs):
        raise DataError(
            f"each volume needs a label and a run, got {len(series)} volumes, {len(categories)} "
            f"labels and {len(runs)} runs"
        )
    values = []
    labels = []
    numbers = []
    idle = []
    for run in dict.fromkeys(runs.tolist()):
        here = np.flatnonzero(runs == run)
        shown = categories[here]
        level = _detrend(series[here])
        if not (shown == REST).any():
            raise DataError(f"run {run} has no volume of {REST!r} to compare with")
        rest = level[shown == REST].mean(axis=0)
        names = list(dict.fromkeys(shown[shown != REST].tolist()))
        if not names:
            idle.append(run)
        for name in names:
            late = np.flatnonzero(shown == name) + lag
            late = late[late < len(here)]
            if not len(late):
                raise DataError(f"{name!r} has no volume {lag} later in run {run}")
            with np.errstate(invalid="ignore", divide="ignore"):
                values.append(100 * (level[late].mean(axis=0) / rest - 1))
            labels.append(name)
            numbers.append(run)
    if idle:
        warn_user(f"the runs {list_names(idle)} show nothing but {REST}, and are left out.")
    return Blocks(np.stack(values), np.array(labels, dtype=object), np.array(numbers))


def _detrend(values: np.ndarray) -> np.ndarray:
    """Return ``values`` (volume, voxel) less their linear trend, keeping their mean."""
    time = np.arange(len(values)) - (len(values) - 1) / 2
    return values - np.outer(time, time @ values / (time @ time))
