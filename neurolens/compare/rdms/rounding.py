"""Dissimilarities that are zero, equal or constant but for rounding: pure arrays, float64.

Ranks of rounding errors are random numbers, so distances within rounding of 0 are set to 0, and
distances that repeat one number up to rounding are made equal.
"""

from functools import lru_cache

import numpy as np

# Numbers that should be equal differ by up to this share of the largest, in double precision and in
# single precision.
DOUBLE_TIE = 1e-13
SINGLE_TIE = 1e-6
# How many runs of distances that are close by chance may be made equal.
CHANCE = 0.1
# Differences from 1, such as 1 - r, are whole multiples of these in double and single precision.
DOUBLE_STEP = 2.0**-53
SINGLE_STEP = 2.0**-24
# Root mean square of the rounding in a row of features that a network or an average computed,
# relative to that of the row, by the bytes of a feature.
FEATURE_NOISE = {2: 1e-3, 4: 2e-6, 8: 4e-15}
# Values that are looked at before all of a row are.
GLANCE = 32


def find_feature_noise(features: np.ndarray) -> float:
    """Return the relative rounding of ``features`` (n, p), single precision kept in doubles too."""
    if features.dtype.kind != "f":
        return FEATURE_NOISE[8]
    size = min(features.itemsize, 8)
    few = features[:, :: max(1, features.shape[1] // GLANCE)]
    if size == 8 and is_single(few) and is_single(features):
        size = 4
    return FEATURE_NOISE[size]


def is_single(values: np.ndarray) -> bool:
    """Return whether single precision holds all of ``values``, and not all are whole numbers."""
    with np.errstate(over="ignore"):
        kept = bool((values.astype(np.float32) == values).all())
    return kept and not _is_whole(values)


def _is_whole(values: np.ndarray) -> bool:
    """Return whether all of ``values`` are whole numbers or halves, such as mid-ranks."""
    double = 2.0 * values
    return bool((np.rint(double) == double).all())


@lru_cache(maxsize=8)
def _list_pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns of the upper triangle of (n, n)."""
    return np.triu_indices(n, 1)


def clean_square(square: np.ndarray, rounding: np.ndarray, blur: np.ndarray) -> np.ndarray:
    """Return distances (n, n) without what is only rounding.

    Distances are known up to the ``rounding`` (n,) of both rows' parts in their computation, and if
    they are 0 up to the ``blur`` (n,) from rounding of the features besides. Those within both of 0
    are 0, stimuli at distance 0 from each other have the same distances to all others, and
    distances that repeat one number are equal.
    """
    error = rounding + blur
    square = np.where(square <= np.add.outer(error, error), 0.0, square)
    square = merge_duplicates(square)
    if (~np.isnan(rounding)).sum() < 2:
        return square
    first, second = _list_pairs(len(square))
    pairs = square[first, second]
    level = level_values(pairs, rounding[first] + rounding[second])
    if level is not pairs:
        square[first, second] = square[second, first] = level
    return square


def merge_duplicates(square: np.ndarray) -> np.ndarray:
    """Return distances (n, n) in which stimuli at distance 0 share the mean of their distances.

    Stimuli are left as they are where being at distance 0 does not divide them into groups.
    """
    same = square == 0
    if same.sum() <= len(square):
        return square
    group = same.argmax(axis=1)
    lone = (same != (group[:, None] == group)).any(axis=1)
    group[lone] = len(square) + np.flatnonzero(lone)
    names, sizes = np.unique(group, return_counts=True)
    members = [np.flatnonzero(group == name) for name in names[sizes > 1]]
    merged = square.copy()
    for member in members:
        merged[member] = merged[member].mean(axis=0)
    for member in members:
        merged[:, member] = merged[:, member].mean(axis=1, keepdims=True)
    merged = (merged + merged.T) / 2
    return np.where(same, 0.0, merged)


def level_values(values: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Return ``values`` (p,), NaN or not, in which those that repeat one number are equal.

    Each is known up to its ``tolerance`` (p,).
    """
    order = np.argsort(values)  # NaN last
    order = order[: len(order) - np.isnan(values).sum()]
    in_order = values[order]
    level = level_sorted(in_order, tolerance[order])
    if level is in_order:
        return values
    leveled = values.copy()
    leveled[order] = level
    return leveled


def level_sorted(in_order: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Return sorted numbers (p,) in which those that repeat one number are equal.

    A run of numbers, each within the ``tolerance`` (p,) of one of the two of the next, repeats one
    number if it is no wider than that, and if so many numbers so far from all others would hardly
    be so close by chance: p (tolerance / distance to the next number)^(length - 1) is below
    ``CHANCE``. So numbers that are close because there are many stay distinct. The array itself is
    returned where nothing changes.
    """
    gaps = np.diff(in_order)
    is_close = gaps <= np.maximum(tolerance[1:], tolerance[:-1])
    if not (is_close & (gaps > 0)).any():
        return in_order
    starts = np.flatnonzero(np.append(True, ~is_close))
    tolerance = np.maximum.reduceat(tolerance, starts)
    lengths = np.diff(np.append(starts, len(in_order)))
    low = in_order[starts]
    high = in_order[starts + lengths - 1]
    before = np.append(np.inf, low[1:] - high[:-1])
    apart = np.minimum(before, np.append(before[1:], np.inf))
    by_chance = len(in_order) * (tolerance / apart) ** (lengths - 1)
    is_one = (high - low <= tolerance) & (by_chance < CHANCE)
    # The number of a run nearest to 0 stands for all.
    level = np.repeat(np.clip(0.0, low, high), lengths)
    return np.where(np.repeat(is_one, lengths), level, in_order)


def level_rows(in_order: np.ndarray) -> np.ndarray:
    """Return sorted rows (k, p) of dissimilarities in which those equal up to rounding are equal.

    Their precision is read from the numbers, see ``measure_rounding``.
    """
    gaps = np.diff(in_order, axis=1)
    tolerance = measure_rounding(in_order)
    rows = np.flatnonzero(((gaps > 0) & (gaps <= tolerance[:, None])).any(axis=1))
    if len(rows):
        in_order = in_order.copy()
    for row in rows:
        in_order[row] = level_sorted(in_order[row], np.full(in_order.shape[1], tolerance[row]))
    return in_order


def measure_rounding(in_order: np.ndarray) -> np.ndarray:
    """Return the largest difference (k,) between equal dissimilarities, of sorted rows (k, p).

    It is relative to the largest of the row, or to 1 where all are differences from 1, such as
    1 - r. Single precision is recognized in doubles too.
    """
    if not in_order.size:
        return np.zeros(len(in_order))
    size = np.maximum(np.abs(in_order[:, 0]), np.abs(in_order[:, -1]))
    tolerance = DOUBLE_TIE * np.where(_find_steps(in_order, DOUBLE_STEP), np.fmax(size, 1), size)
    few = in_order[:, :: max(1, in_order.shape[1] // GLANCE)]
    with np.errstate(over="ignore"):
        likely = (few.astype(np.float32) == few).all(axis=1)
    for row in np.flatnonzero(likely):
        if is_single(in_order[row]):
            is_difference = _find_steps(in_order[row : row + 1], SINGLE_STEP)[0]
            single = SINGLE_TIE * (max(size[row], 1) if is_difference else size[row])
            tolerance[row] = max(tolerance[row], single)
    return tolerance


def _find_steps(in_order: np.ndarray, step: float) -> np.ndarray:
    """Return which sorted rows (k, p) hold only multiples of ``step``, and not only whole numbers.

    Rows of larger numbers hold them by chance, and then it does not matter.
    """
    multiples = in_order[:, :GLANCE] / step
    likely = (np.rint(multiples) == multiples).all(axis=1)
    for row in np.flatnonzero(likely):
        multiples = in_order[row] / step
        likely[row] = (np.rint(multiples) == multiples).all() and not _is_whole(in_order[row])
    return likely


def find_constant(pairs: np.ndarray) -> np.ndarray:
    """Return which RDMs (..., pair) do not vary over the pairs that they have, but for rounding.

    RDMs that are NaN throughout are not among them.
    """
    low = np.fmin.reduce(pairs, axis=-1)
    high = np.fmax.reduce(pairs, axis=-1)
    size = np.maximum(np.abs(low), np.abs(high))
    is_constant = np.asarray(high == low)
    # No tolerance is larger than that of single precision.
    suspected = ~is_constant & (high - low <= SINGLE_TIE * np.fmax(size, 1))
    for place in np.argwhere(suspected):
        row = pairs[tuple(place)]
        in_order = np.sort(row[~np.isnan(row)])[None]
        difference = in_order[0, -1] - in_order[0, 0]
        is_constant[tuple(place)] = difference <= measure_rounding(in_order)[0]
    return is_constant
