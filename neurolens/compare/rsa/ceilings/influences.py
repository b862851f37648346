"""Intervals and draws of the ceilings from the influence of each unit: arrays in, arrays out.

Axes: r regions, s subjects, n stimuli, u units, which are stimuli or groups of them.
"""

from typing import NamedTuple

import numpy as np

from neurolens.compare.rdms.vectors import BrainRDMs, mean_subjects
from neurolens.compare.rsa.ceilings.bounds import (
    Bounds,
    Pools,
    Spread,
    bound_pools,
    compare_pools,
    pool_region,
)
from neurolens.compare.rsa.comparators.moments import count_once
from neurolens.compare.rsa.comparators.table import Comparator, influence_pairs
from neurolens.compare.stats.bootstrap import RESAMPLED, combine_variances, resample_means
from neurolens.compare.stats.influences import (
    Units,
    average_influences,
    center_units,
    count_units,
    draw_scores,
    split_variance,
    vary_units,
)
from neurolens.compare.stats.intervals import count_freedom, infer_mean


class Influenced(NamedTuple):
    """What subjects add to ceilings: over all stimuli, once each, and the influences on that.

    ``whole`` is of one draw, (1, r, s), ``influences`` are (r, s, u).
    """

    whole: Bounds
    influences: Bounds


def influence_bounds(brain: BrainRDMs, comparator: Comparator, unit: np.ndarray) -> Influenced:
    """Return what each subject adds to the ceilings, and the influences of units on it.

    ``unit`` (n,), numbered from 0, is that of each stimulus. They are NaN in regions of fewer than
    two subjects. One region at a time, so that memory does not grow with their number.
    """
    once = np.ones((1, len(unit)), dtype=int)
    by_unit = (*brain.present.shape, int(unit.max()) + 1)
    whole = Bounds(*(np.full((1, *brain.present.shape), np.nan) for _ in range(2)))
    bounds = Bounds(*(np.full(by_unit, np.nan) for _ in range(2)))
    for region, present in enumerate(brain.present):
        pools = pool_region(brain.pairs[region, present], comparator) if present.sum() > 1 else None
        if pools is None:
            continue
        lower, upper = bound_pools(pools, comparator, once)
        whole.lower[:, region, present] = lower
        whole.upper[:, region, present] = upper
        units, of_units = np.unique(unit[pools.shared], return_inverse=True)
        found = _influence_region(pools, comparator, of_units)
        place = np.ix_(present, units)
        bounds.lower[region][place] = found.lower
        bounds.upper[region][place] = found.upper
    return Influenced(whole, bounds)


def _influence_region(pools: Pools, comparator: Comparator, unit: np.ndarray) -> Bounds:
    """Return the influences (s, u) of units on what each subject of a region adds."""
    n_subjects = len(pools.subjects)
    both = np.concatenate([pools.others, pools.rivals])
    known = ~np.isnan(both).all(axis=1)
    influences = np.full((len(both), n_subjects, int(unit.max()) + 1), np.nan)
    influences[known] = influence_pairs(both[known], pools.subjects, unit, comparator)
    lower = influences[range(n_subjects), range(n_subjects)]
    of_rivals = influences[n_subjects:]  # (rival, s, u)
    if comparator.mean_is_best:
        return Bounds(lower, of_rivals[0])
    once = count_once(pools.subjects)
    similarity = compare_pools(pools.subjects, pools.subjects, once, comparator)[0]
    return Bounds(lower, _influence_share(similarity, of_rivals))


def _influence_share(similarity: np.ndarray, influences: np.ndarray) -> np.ndarray:
    """Return the influences (s, u) on ``share_bound``.

    ``similarity`` (s, s) is that of subjects to each other, ``influences`` (s, s, u) are those on
    it. A share is a / sqrt(m): a of a subject is its mean similarity, and m the mean of all a.
    """
    defined = ~np.isnan(similarity)
    count = np.where(defined.any(axis=0), defined.sum(axis=0), np.nan)
    mean = np.where(defined, similarity, 0.0).sum(axis=0) / count  # (s,)
    total = mean.mean()
    if not total > 0:
        return np.full(influences.shape[1:], np.nan)
    there = ~np.isnan(influences)
    change = np.where(there, influences, 0.0).sum(axis=0) / count[:, None]  # (s, u)
    change_total = change.mean(axis=0)
    share = change / np.sqrt(total) - mean[:, None] * change_total / (2 * total**1.5)
    return np.where(there.any(axis=(0, 1)), share, np.nan)


def spread_units(
    whole: np.ndarray,
    influences: np.ndarray,
    present: np.ndarray,
    units: Units,
    confidence: float,
) -> Spread:
    """Return the t interval and draws of a ceiling for new stimuli, or new groups of them.

    ``whole`` (r, s) is what the subjects ``present`` (r, s) add, ``influences`` (r, s, u) those on
    it.
    """
    mean = mean_subjects(whole, present)  # (r,)
    low = np.full(len(mean), np.nan)
    high = np.full(len(mean), np.nan)
    draws = np.full((len(units.counts), len(mean)), np.nan)
    for region in np.flatnonzero(~np.isnan(mean)):
        of_subjects = center_units(influences[region, present[region]])
        of_mean = average_influences(of_subjects)  # (u,)
        freedom = count_units(of_subjects).min() - 1
        low[region], high[region], _ = infer_mean(
            mean[region], vary_units(of_mean), freedom, confidence
        )
        draws[:, region] = draw_scores(mean[region], of_mean, units.counts)
    return Spread(low, high, draws)


def spread_units_and_subjects(
    whole: np.ndarray,
    influences: np.ndarray,
    units: Units,
    shares: np.ndarray,
    confidence: float,
) -> Spread:
    """Return the t interval and draws of a ceiling for new stimuli and new subjects.

    As ``spread_units``; subjects weigh ``shares`` (draw, r, s) in the draws.
    """
    n_regions = len(whole)
    low = np.full(n_regions, np.nan)
    high = np.full(n_regions, np.nan)
    draws = np.full((len(RESAMPLED), len(units.counts), n_regions), np.nan)
    for region, of_region in enumerate(whole):
        there = ~np.isnan(of_region)
        n_subjects = int(there.sum())
        # A ceiling that lacks a subject is NaN.
        if n_subjects < 2 or (shares[:, region, ~there] > 0).any():
            continue
        of_subjects = of_region[there]
        changes = center_units(influences[region, there])  # (s, u)
        n_units = int(count_units(changes).min())
        variance = combine_variances(split_variance(of_subjects, changes), n_subjects, n_units)
        freedom = count_freedom(n_subjects, n_units)
        low[region], high[region], _ = infer_mean(of_subjects.mean(), variance, freedom, confidence)
        drawn = draw_scores(of_subjects, changes, units.counts)  # (draw, s)
        means = resample_means(of_subjects[None], drawn[:, None], shares[:, region, there])
        draws[..., region] = means[..., 0]
    return Spread(low, high, draws)
