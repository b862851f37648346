"""The contribution of each subject to the ceilings of a region, also when stimuli are drawn anew.

A ceiling is a mean over subjects, as a score is, so that stimuli and subjects are resampled for it
as they are for a score. Arrays in, arrays out.
"""

from typing import NamedTuple

import numpy as np

from neurolens.compare.rdms.vectors import BrainRDMs, mean_subjects, pair_within
from neurolens.compare.rsa.comparators.orders import rank_rows, rank_whole
from neurolens.compare.rsa.comparators.table import Comparator, compare_pairs
from neurolens.compare.stats.bootstrap import RESAMPLED as DRAWN_ANEW
from neurolens.compare.stats.bootstrap import combine_variances, covary_means, resample_means
from neurolens.compare.stats.intervals import count_freedom, infer_mean, percentile_interval
from neurolens.compare.stats.linalg import count_stimuli, expand_pairs, keep_positive
from neurolens.labels import REGION
from neurolens.scores import VARIABLES

# Fewer different stimuli have fewer than three pairs.
MIN_STIMULI = 3
# The most similarities of subjects that are held at once: 2 MiB, some times what the RDMs take, or
# those of one draw, whichever is most. With all draws memory would grow with the square of the
# number of subjects; with few of them RDMs would be sorted again and again.
BLOCK_SIMILARITIES = 2**18
BLOCK_RDMS = 4
Variables = dict[str, tuple[str | tuple[str, ...], np.ndarray]]


class Bounds(NamedTuple):
    """``lower`` and ``upper`` (draw, region, subject), whose means over subjects are the ceilings.

    ``lower`` is the similarity of a subject to the mean RDM of the others. ``upper`` is that to the
    mean RDM of all; or, where that mean is no bound, the share of the subject in
    ``sqrt(mean_st sim(d_s, d_t))``.
    """

    lower: np.ndarray
    upper: np.ndarray


def bound_subjects(brain: BrainRDMs, comparator: Comparator, counts: np.ndarray) -> Bounds:
    """Return the contributions of each subject when stimuli occur ``counts`` (draw, n) times.

    They are NaN in regions of fewer than two subjects. Mean RDMs are those of all stimuli.
    """
    shape = (len(counts), *brain.present.shape)
    bounds = Bounds(np.full(shape, np.nan), np.full(shape, np.nan))
    for region, present in enumerate(brain.present):
        if present.sum() > 1:
            lower, upper = bound_region(brain.pairs[region, present], comparator, counts)
            bounds.lower[:, region, present] = lower
            bounds.upper[:, region, present] = upper
    return bounds


class Pools(NamedTuple):
    """RDMs of one region, (rdm, pair): its subjects, and what they are compared with for ceilings.

    ``subjects``; ``others``, the mean RDM of the others for each; ``rivals``: the mean RDM of all,
    or, where that is no bound, the subjects. ``shared`` (n,): the stimuli whose pairs they hold.
    """

    subjects: np.ndarray
    others: np.ndarray
    rivals: np.ndarray
    shared: np.ndarray


def pool_region(pairs: np.ndarray, comparator: Comparator) -> Pools | None:
    """Return the RDMs that make the ceilings of the RDMs ``pairs`` (subject, pair).

    Where subjects lack pairs, mean RDMs are of the subjects that have a pair; comparators of whole
    squares get the stimuli that all have. None where these are too few.
    """
    shared = np.ones(count_stimuli(pairs.shape[1]), dtype=bool)
    if np.isnan(pairs).any() and not comparator.partial:
        shared = _find_shared(pairs)
        pairs = pairs[:, pair_within(shared)]
        if np.isnan(pairs).any() or shared.sum() < MIN_STIMULI:
            return None
    scaled = _scale_rows(pairs, comparator)
    has_pair = ~np.isnan(scaled)
    count = has_pair.sum(axis=0)
    known = np.where(has_pair, scaled, 0.0)
    total = known.sum(axis=0)
    others = (total - known) / keep_positive(count - has_pair)
    rivals = (total / keep_positive(count))[None] if comparator.mean_is_best else pairs
    if comparator.standardize is rank_rows:
        # Sorted once, instead of whenever they are compared.
        others = rank_whole(others)
        rivals = rank_whole(rivals)
    return Pools(pairs, others, rivals, shared)


def bound_region(pairs: np.ndarray, comparator: Comparator, counts: np.ndarray) -> Bounds:
    """Return the contributions (draw, subject) of the RDMs ``pairs`` (subject, pair).

    Where subjects lack pairs, similarities are of the pairs that both sides have.
    """
    pools = pool_region(pairs, comparator)
    if pools is None:
        unknown = np.full((len(counts), len(pairs)), np.nan)
        return Bounds(unknown, unknown)
    return bound_pools(pools, comparator, counts)


def bound_pools(pools: Pools, comparator: Comparator, counts: np.ndarray) -> Bounds:
    """Return the contributions (draw, subject) of the subjects of ``pools``.

    Similarities of all subjects to each other are those of some draws at a time.
    """
    n_subjects = len(pools.subjects)
    # In one call the subjects' RDMs are ranked only once.
    both = np.concatenate([pools.others, pools.rivals])
    n_values = max(BLOCK_SIMILARITIES, BLOCK_RDMS * both.size)
    n_together = max(1, n_values // (len(both) * n_subjects))
    bounds = Bounds(np.empty((len(counts), n_subjects)), np.empty((len(counts), n_subjects)))
    for start in range(0, len(counts), n_together):
        draws = slice(start, start + n_together)
        drawn = counts[draws, pools.shared]
        similarity = compare_pools(both, pools.subjects, drawn, comparator)
        of_rivals = similarity[:, n_subjects:]
        bounds.lower[draws] = np.diagonal(similarity[:, :n_subjects], axis1=1, axis2=2)
        bounds.upper[draws] = of_rivals[:, 0] if comparator.mean_is_best else share_bound(of_rivals)
    return bounds


def share_bound(similarity: np.ndarray) -> np.ndarray:
    """Return the share (draw, s) of each subject in the bound sqrt(mean_st ``similarity``).

    ``similarity`` (draw, s, s) is that of the subjects to each other and to themselves. The mean of
    the shares is the bound.
    """
    # Subjects who share no pairs have no similarity.
    by_subject = np.ma.filled(np.ma.masked_invalid(similarity).mean(axis=1), np.nan)  # (draw, s)
    squared = by_subject.mean(axis=1, keepdims=True)
    # Rounding can leave less than 0 where subjects cancel, and then no RDM is similar to them.
    return by_subject / np.sqrt(np.where(squared > 0, squared, np.inf)) + 0 * squared


class Spread(NamedTuple):
    """How a ceiling varies: ``low`` and ``high`` (region,) of its interval, and its ``draws``.

    ``draws`` are (draw, region), or (resampled, draw, region) in the order of RESAMPLED.
    """

    low: np.ndarray
    high: np.ndarray
    draws: np.ndarray


def spread_stimuli(drawn: np.ndarray, present: np.ndarray, confidence: float) -> Spread:
    """Return percentiles of the mean over subjects of ``drawn`` (draw, region, subject)."""
    draws = mean_subjects(drawn, present)
    low, high = percentile_interval(draws, confidence)
    return Spread(low, high, draws)


def spread_both(
    whole: np.ndarray, drawn: np.ndarray, shares: np.ndarray, n_stimuli: int, confidence: float
) -> Spread:
    """Return the t interval of a ceiling for new stimuli and new subjects.

    Contributions are ``whole`` (region, subject), of all stimuli, and ``drawn`` (draw, region,
    subject); ``shares``, of the same shape, are the weights of the subjects in each draw.
    """
    n_regions = len(whole)
    low = np.full(n_regions, np.nan)
    high = np.full(n_regions, np.nan)
    draws = np.full((len(DRAWN_ANEW), len(drawn), n_regions), np.nan)
    for region, of_subjects in enumerate(whole):
        defined = ~np.isnan(of_subjects)
        n_subjects = int(defined.sum())
        # A ceiling that lacks a subject is NaN.
        if n_subjects < 2 or (shares[:, region, ~defined] > 0).any():
            continue
        means = resample_means(
            of_subjects[None, defined],
            drawn[:, None, region, defined],
            shares[:, region, defined],
        )  # (resampled, draw, 1)
        draws[..., region] = means[..., 0]
        power = np.diagonal(covary_means(means), axis1=1, axis2=2)  # (resampled, 1)
        variance = combine_variances(power, n_subjects, n_stimuli)
        freedom = count_freedom(n_subjects, n_stimuli)
        inferred = infer_mean(of_subjects[defined].mean(), variance, freedom, confidence)
        low[region] = inferred.low[0]
        high[region] = inferred.high[0]
    return Spread(low, high, draws)


def label_spreads(lower: Spread, upper: Spread) -> Variables:
    """Return the variables of scores that say how the ceilings vary."""
    name = "bootstrap_ceiling" if lower.draws.ndim == 2 else "ceiling_draws"
    return {
        "ceiling_lower_ci_low": (REGION, lower.low),
        "ceiling_lower_ci_high": (REGION, lower.high),
        "ceiling_upper_ci_low": (REGION, upper.low),
        "ceiling_upper_ci_high": (REGION, upper.high),
        name: (VARIABLES[name], lower.draws),
    }


def _scale_rows(pairs: np.ndarray, comparator: Comparator) -> np.ndarray:
    """Return RDMs (rdm, pair) on the scale on which the comparator averages subjects."""
    if not np.isnan(pairs).any():
        return comparator.standardize(pairs)
    scaled = np.full(pairs.shape, np.nan)
    for row, values in zip(scaled, pairs, strict=True):
        there = ~np.isnan(values)
        row[there] = comparator.standardize(values[None, there])[0]
        if comparator.standardize is rank_rows:
            # Ranks among fewer pairs are smaller.
            row *= (len(values) + 1) / (there.sum() + 1)
    return scaled


def _find_shared(pairs: np.ndarray) -> np.ndarray:
    """Return which stimuli (n,) have any pair in each RDM (rdm, pair)."""
    has_pair = expand_pairs((~np.isnan(pairs)).astype(np.float64))  # (rdm, n, n)
    return np.asarray(has_pair.any(axis=2).all(axis=0))


def compare_pools(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, comparator: Comparator
) -> np.ndarray:
    """Return the similarity (draw, k, m) of ``x`` (k, pair) and ``y`` (m, pair).

    It is NaN for rows that are NaN throughout and for draws of fewer than three stimuli.
    """
    rows = ~np.isnan(x).all(axis=1)
    columns = ~np.isnan(y).all(axis=1)
    enough = (counts > 0).sum(axis=1) >= MIN_STIMULI
    similarity = np.full((len(counts), len(x), len(y)), np.nan)
    similarity[np.ix_(enough, rows, columns)] = compare_pairs(
        x[rows], y[columns], counts[enough], comparator
    )
    return similarity
