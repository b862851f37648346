"""Scores and how they vary for new stimuli and new subjects at once."""

from typing import NamedTuple

import numpy as np

from neurolens.compare.rsa.sides import (
    Sides,
    compare_draws,
    count_influenced,
    count_ops,
    influence_sides,
    score_whole,
)
from neurolens.compare.stats.bootstrap import (
    RESAMPLED,
    combine_variances,
    covary_means,
    resample_means,
    vary_draws,
)
from neurolens.compare.stats.influences import (
    Units,
    center_units,
    count_units,
    draw_scores,
    split_variance,
    vary_units,
)
from neurolens.support.progress import count_steps


class Resampling(NamedTuple):
    """Stimuli and subjects drawn, in the order of the RDMs.

    ``counts`` (draw, stimulus): how often each stimulus occurs; ``shares`` (draw, region, subject):
    the weight of each subject in the mean; ``n_units``: how many stimuli, or groups, were drawn
    from.
    """

    counts: np.ndarray
    shares: np.ndarray
    n_units: int


class Estimates(NamedTuple):
    """Scores and their spread, pure arrays.

    ``score``, ``variance`` (op, region, subject), the variance over stimuli, with ``freedom``;
    ``draws`` (resampled, bootstrap, op, region), means over subjects, and the ``mean_variance``
    (op, region) of these.
    """

    score: np.ndarray
    variance: np.ndarray
    freedom: np.ndarray
    draws: np.ndarray
    mean_variance: np.ndarray


def estimate_draws(sides: Sides, resampling: Resampling) -> Estimates:
    """Return scores over all stimuli and over draws, a block of ops at a time."""
    comparator, model, brain = sides
    counts, shares, n_units = resampling
    n_ops = len(model.ops)
    once = np.ones((1, len(model.ids)), dtype=int)
    score = np.full((n_ops, *brain.present.shape), np.nan)
    variance = np.full_like(score, np.nan)
    draws = np.full((len(RESAMPLED), len(counts), n_ops, len(brain.regions)), np.nan)
    width = count_ops(model, brain, len(counts))
    for start in range(0, n_ops, width):
        ops = slice(start, start + width)
        score[ops] = compare_draws(model.pairs[ops], brain, once, comparator)[0]
        drawn = compare_draws(model.pairs[ops], brain, counts, comparator)
        variance[ops] = vary_draws(drawn) * n_units / (n_units - 1)
        for region, present in enumerate(brain.present):
            if present.any():
                draws[:, :, ops, region] = resample_means(
                    score[ops, region, present],
                    drawn[:, :, region, present],
                    shares[:, region, present],
                )
    mean_variance = _combine_draws(draws, brain.present.sum(axis=1), n_units)
    freedom = np.full(score.shape, n_units - 1)
    return Estimates(score, variance, freedom, draws, mean_variance)


def estimate_influences(sides: Sides, units: Units, shares: np.ndarray) -> Estimates:
    """Return scores, and their spread from influences, a block of ops at a time.

    Each op is a step of the work. Subjects weigh ``shares`` (draw, region, subject) in the draws.
    """
    comparator, model, brain = sides
    score = score_whole(sides)
    variance = np.full_like(score, np.nan)
    freedom = np.zeros(score.shape)
    mean_variance = np.full(score.shape[:2], np.nan)
    draws = np.full((len(RESAMPLED), len(units.counts), *score.shape[:2]), np.nan)
    width = count_influenced(model, brain)
    for start in range(0, len(score), width):
        ops = slice(start, start + width)
        of_ops = model.pairs[ops]
        of_units = influence_sides(of_ops, brain, units.number, comparator)
        influences = center_units(of_units)
        n_units = count_units(influences)  # (m, region, subject)
        variance[ops] = vary_units(influences)
        freedom[ops] = n_units - 1
        for region, present in enumerate(brain.present):
            if present.any():
                of_subjects = score[ops, region, present]  # (m, s)
                changes = influences[:, region, present]  # (m, s, u)
                mean_variance[ops, region] = combine_variances(
                    split_variance(of_subjects, changes),
                    int(present.sum()),
                    n_units[:, region, present].min(axis=1),
                )
                means = resample_means(
                    of_subjects,
                    draw_scores(of_subjects, changes, units.counts),
                    shares[:, region, present],
                )
                # Draws of subjects alone would be those of an op that others can be compared with.
                means[:, :, np.isnan(mean_variance[ops, region])] = np.nan
                draws[:, :, ops, region] = means
        count_steps(len(of_ops))
    return Estimates(score, variance, freedom, draws, mean_variance)


def _combine_draws(draws: np.ndarray, n_subjects: np.ndarray, n_stimuli: int) -> np.ndarray:
    """Return the variance (op, region) of means over subjects, for new stimuli and subjects."""
    variance = np.empty(draws.shape[2:])
    for region, count in enumerate(n_subjects):
        covariance = covary_means(draws[..., region])  # (resampled, op, op)
        power = np.diagonal(covariance, axis1=1, axis2=2)
        variance[:, region] = combine_variances(power, count, n_stimuli)
    return variance
