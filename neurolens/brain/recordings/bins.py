"""Time bins of recordings: from edges, pairs or a width, with their coordinates in ms."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurolens.errors import InputError
from neurolens.labels import TIME_BIN

# Times that differ by less, in seconds, are the same: edges such as 0.1 + 0.2 are rounded.
ROUNDING = 1e-9


def read_bins(bins: Any, start: float, stop: float, name: str = "bins") -> np.ndarray:
    """Return the start and end (bin, 2), in seconds, of bins between ``start`` and ``stop``.

    Parameters
    ----------
    bins : float, sequence of float, or sequence of pairs
        A width, which has to divide the time between ``start`` and ``stop``; n + 1 edges of n
        adjacent bins; or the start and end of each bin, which may overlap.

    Raises
    ------
    InputError
        They are none of these, empty, in another order, or reach beyond.
    """
    if isinstance(bins, bool) or bins is None:
        raise _refuse(bins, name)
    try:
        given = np.asarray(bins, dtype=float)
    except (TypeError, ValueError):
        raise _refuse(bins, name) from None
    if given.ndim == 0:
        pairs = _divide(float(given), start, stop, name)
    elif given.ndim == 1 and len(given) > 1:
        pairs = np.stack([given[:-1], given[1:]], axis=1)
    elif given.ndim == 2 and given.shape[1] == 2 and len(given):
        pairs = given
    else:
        raise _refuse(bins, name)
    if not np.isfinite(pairs).all() or (pairs[:, 1] <= pairs[:, 0]).any():
        raise InputError(
            f"each of {name} must end after it starts, got {pairs.tolist()[:5]}.",
            anchor="times-and-bins",
        )
    if pairs.min() < start - ROUNDING or pairs.max() > stop + ROUNDING:
        raise InputError(
            f"{name} must lie between {start:g} and {stop:g} s, got {pairs.min():g} to "
            f"{pairs.max():g} s. Times are in seconds.",
            anchor="times-and-bins",
        )
    return pairs


def _refuse(bins: Any, name: str) -> InputError:
    return InputError(
        f"{name} must be a width in seconds, the edges of adjacent bins, or (start, end) of each, "
        f"got {bins!r}. Type e.g. {name}=[0, 0.05, 0.1].",
        anchor="times-and-bins",
    )


def _divide(width: float, start: float, stop: float, name: str) -> np.ndarray:
    """Return adjacent bins of one width from ``start`` to ``stop``."""
    n_bins = round((stop - start) / width) if width > 0 else 0
    if n_bins < 1 or abs(n_bins * width - (stop - start)) > 1e-6 * (stop - start):
        raise InputError(
            f"{name} of {width:g} s do not divide the {stop - start:g} s from {start:g} to "
            f"{stop:g} s. Pass another width, or edges, such as np.arange({start:g}, ..., width)."
        )
    edges = np.linspace(start, stop, n_bins + 1)
    return np.stack([edges[:-1], edges[1:]], axis=1)


def label_bins(pairs: np.ndarray) -> dict[str, tuple[str, np.ndarray]]:
    """Return the coordinates of bins (bin, 2) in s: center, start and end in ms."""
    spans = np.round(pairs * 1000, 6)
    return {
        TIME_BIN: (TIME_BIN, np.round(spans.mean(axis=1), 6)),
        "time_bin_start": (TIME_BIN, spans[:, 0]),
        "time_bin_end": (TIME_BIN, spans[:, 1]),
    }


def check_window(window: Any, name: str = "window") -> tuple[float, float]:
    """Return the start and end of a window; raise InputError for anything else."""
    is_pair = isinstance(window, Sequence | np.ndarray) and len(window) == 2
    if not is_pair or not all(isinstance(one, int | float | np.number) for one in window):
        raise InputError(
            f"{name} must be (start, end), such as (0.05, 0.2), got {window!r}.",
            anchor="times-and-bins",
        )
    start = float(window[0])
    stop = float(window[1])
    if not start < stop or not np.isfinite([start, stop]).all():
        raise InputError(
            f"{name} must end after it starts, got {window!r}.", anchor="times-and-bins"
        )
    return start, stop
