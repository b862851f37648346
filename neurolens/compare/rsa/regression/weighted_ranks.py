"""Rows of pairs as values or as mid-ranks, when pairs have weights: pure arrays.

Axes: k rows, p pairs.
"""

from typing import NamedTuple

import numpy as np

# Values closer than this share of the largest of their row count as tied: rounding, not order.
TIED = 1e-9


class Rows(NamedTuple):
    """Pairs ``values`` (k, p), and how each row is sorted.

    ``order`` (k, p) sorts a row. ``start`` and ``stop`` (k, p) bound, for each pair, the places in
    sorted order of the values that are tied with it.
    """

    values: np.ndarray
    order: np.ndarray
    start: np.ndarray
    stop: np.ndarray


def sort_rows(values: np.ndarray) -> Rows:
    """Return ``values`` (k, p), sorted once for the ranks under any weights."""
    k, p = values.shape
    order = np.argsort(values, axis=1, kind="stable")
    in_order = np.take_along_axis(values, order, axis=1)
    slack = TIED * np.abs(values).max(axis=1, initial=0.0, keepdims=True)
    is_new = np.ones((k, p), dtype=bool)
    is_new[:, 1:] = np.diff(in_order, axis=1) > slack
    positions = np.broadcast_to(np.arange(p), (k, p))
    start = np.maximum.accumulate(np.where(is_new, positions, 0), axis=1)
    is_last = np.ones((k, p), dtype=bool)
    is_last[:, :-1] = is_new[:, 1:]
    ends = np.where(is_last, positions + 1, p)
    stop = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    place = np.empty_like(order)
    np.put_along_axis(place, order, positions, axis=1)
    bounds = [np.take_along_axis(bound, place, axis=1) for bound in (start, stop)]
    return Rows(values, order, *bounds)


def rank_weighted(rows: Rows, weight: np.ndarray) -> np.ndarray:
    """Return mid-ranks (k, p) of pairs that occur ``weight`` (p,) times, from -1 to 1, mean 0."""
    k, p = rows.values.shape
    running = np.zeros((k, p + 1))
    np.cumsum(weight.take(rows.order), axis=1, out=running[:, 1:])
    offset = np.arange(k)[:, None] * (p + 1)
    ranks = running.take(rows.start + offset)
    ranks += running.take(rows.stop + offset)
    ranks /= running[:, -1:]
    ranks -= 1
    return ranks


def center_weighted(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return each row of ``values`` (k, p) less its mean under ``weight`` (p,)."""
    shifted = values - values[:, :1]
    return shifted - (shifted @ weight)[:, None] / weight.sum()


def rank_rows_once(values: np.ndarray) -> np.ndarray:
    """Return mid-ranks of ``values`` (k, p), each once, from -1 to 1, mean 0."""
    return rank_weighted(sort_rows(values), np.ones(values.shape[1]))


def merge_ties(values: np.ndarray) -> np.ndarray:
    """Return ``values`` (k, p), those that are tied but for rounding replaced by their smallest."""
    rows = sort_rows(values)
    in_order = np.take_along_axis(values, rows.order, axis=1)
    return np.take_along_axis(in_order, rows.start, axis=1)
