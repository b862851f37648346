"""Variances, intervals and draws of scores from the influences of stimuli on them: pure arrays.

The influence U_i of a unit, which is a stimulus or a group of them, is what a score changes by with
how often the unit occurs: its derivative, or, for u units, (u - 1) / u times what leaving the unit
out changes. To first order a score of units that occur c_i times is the score plus sum_i (c_i - 1)
U_i, so that its variance under any resampling is known without draws: that of the infinitesimal
jackknife, or of the jackknife. Axes: u units; s subjects.
"""

from typing import NamedTuple

import numpy as np

from neurolens.errors import InputError

# With fewer the influences say nothing: three stimuli have one pair each without the others.
MIN_UNITS = 4


class Units(NamedTuple):
    """What is drawn: stimuli, or groups of them.

    ``number`` (n,), from 0, of the unit of each stimulus; units occur ``counts`` (draw, u) times.
    """

    number: np.ndarray
    counts: np.ndarray


def read_units(group: np.ndarray | None, counts: np.ndarray) -> Units:
    """Return the units of draws in which stimuli occur ``counts`` (draw, n) times.

    Units are stimuli, or the groups ``group`` (n,), numbered from 0.
    """
    number = np.arange(counts.shape[1]) if group is None else group
    return Units(number, counts[:, np.unique(number, return_index=True)[1]])


def check_units(n_units: int, units: str) -> None:
    """Raise InputError where intervals from influences would be over too few ``units``."""
    if n_units < MIN_UNITS:
        raise InputError(
            f"intervals from influences need at least {MIN_UNITS} {units}, got {n_units}. Pass "
            "more, or interval='bootstrap' and n_bootstrap=0, which leaves intervals out.",
            anchor="too-few-stimuli",
        )


def center_units(influences: np.ndarray) -> np.ndarray:
    """Return ``influences`` (..., u) less their mean, because as many units are drawn as there are.

    Units whose influence is NaN are not part of the score.
    """
    there = ~np.isnan(influences)
    count = there.sum(axis=-1, keepdims=True)
    total = np.where(there, influences, 0.0).sum(axis=-1, keepdims=True)
    return influences - total / np.where(count > 0, count, np.nan)


def count_units(influences: np.ndarray) -> np.ndarray:
    """Return of how many units (...,) a score is, from ``influences`` (..., u)."""
    return (~np.isnan(influences)).sum(axis=-1)


def fill_absent(influences: np.ndarray) -> np.ndarray:
    """Return ``influences`` (..., u) with 0 for units that are not part of a score.

    Where those of all units are NaN they stay NaN: it is not known how the score varies.
    """
    absent = np.isnan(influences)
    known = ~absent.all(axis=-1, keepdims=True)
    return np.where(absent & known, 0.0, influences)


def average_influences(influences: np.ndarray) -> np.ndarray:
    """Return the influences (..., u) on the mean over subjects of scores with (..., s, u).

    A unit that is not part of the score of any subject stays NaN. All are NaN where those of some
    subject are.
    """
    there = ~np.isnan(influences)
    return np.where(there.any(axis=-2), fill_absent(influences).mean(axis=-2), np.nan)


def vary_units(influences: np.ndarray) -> np.ndarray:
    """Return the variance (...,) of scores over new units, from ``influences`` (..., u).

    It has the factor u / (u - 1), as a variance over u units has; NaN for fewer than two.
    """
    count = count_units(influences)
    total = np.where(np.isnan(influences), 0.0, influences) ** 2
    return total.sum(axis=-1) * count / np.where(count > 1, count - 1, np.nan)


def split_variance(score: np.ndarray, influences: np.ndarray) -> np.ndarray:
    """Return the variances (3, ...) of means over subjects, in the order of RESAMPLED.

    ``score`` (..., s) and ``influences`` (..., s, u). They are what the variances over infinitely
    many draws of both, of subjects, and of units are to first order, for ``combine_variances``.
    Those that influences of which all are NaN would enter are NaN.
    """
    n_subjects = score.shape[-1]
    subjects = score.var(axis=-1) / n_subjects
    influences = fill_absent(influences)
    mean = influences.mean(axis=-2, keepdims=True)
    units = (mean**2).sum(axis=(-2, -1))
    # What the draws of subjects change of the influences on the mean.
    both = ((influences - mean) ** 2).sum(axis=(-2, -1)) / n_subjects**2
    return np.stack([subjects + units + both, subjects, units])


def draw_scores(score: np.ndarray, influences: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return scores (d, ...) of units that occur ``counts`` (d, u) times, to first order.

    ``score`` is (...,) and ``influences`` (..., u). One product for all draws. Where all influences
    are NaN, so are the draws.
    """
    change = fill_absent(influences)
    return score + np.moveaxis(change @ (counts - 1.0).T, -1, 0)
