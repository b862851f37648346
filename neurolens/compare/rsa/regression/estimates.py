"""Partial correlations over all stimuli, over draws, over halves and under permutation."""

from typing import NamedTuple

import numpy as np

from neurolens.compare.inputs.checks import rank_ids
from neurolens.compare.rdms.vectors import BrainRDMs, ModelRDMs, mean_subjects
from neurolens.compare.rsa.regression.freedman_lane import correlate_orders, draw_orders
from neurolens.compare.rsa.regression.residuals import (
    Controls,
    correlate_partially,
    scale_rows,
    span_controls,
    take_residuals,
)
from neurolens.compare.rsa.regression.weighted_ranks import sort_rows
from neurolens.compare.rsa.sides import count_ops
from neurolens.compare.stats.bootstrap import draw_stimuli
from neurolens.compare.stats.intervals import percentile_interval
from neurolens.compare.stats.null import rank_null


class PartialSides(NamedTuple):
    """Both sides as pairs, and the controls with their names, stimuli in the same order."""

    model: ModelRDMs
    brain: BrainRDMs
    controls: Controls
    control_names: list[str]


class Resampling(NamedTuple):
    """Stimuli drawn and split, in the order of the RDMs.

    ``counts`` (draw, stimulus): how often each occurs in a draw; ``member`` (split, stimulus): True
    in half a.
    """

    counts: np.ndarray
    member: np.ndarray


class Estimates(NamedTuple):
    """Scores and their spread, pure arrays.

    ``score``, ``low``, ``high`` (op, region, subject); ``mean_low``, ``mean_high`` (op, region);
    ``bootstrap_mean`` (bootstrap, op, region); ``split_score`` (split, half, op, region, subject).
    """

    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean_low: np.ndarray
    mean_high: np.ndarray
    bootstrap_mean: np.ndarray
    split_score: np.ndarray


class Residuals(NamedTuple):
    """What controls leave of RDMs over all stimuli, at unit norm, NaN where nothing is left.

    ``model`` (op, pair), ``brain`` (brain RDM, pair) of the RDMs that exist, and the orthonormal
    ``basis`` (column, pair) of the controls.
    """

    model: np.ndarray
    brain: np.ndarray
    basis: np.ndarray


def resample_stimuli(
    ids: np.ndarray, n_bootstrap: int, n_splits: int, generator: np.random.Generator
) -> Resampling:
    """Return draws and halves of stimuli, which belong to ``ids`` and not to their order."""
    draw_rng, split_rng = generator.spawn(2)
    n_stimuli = len(ids)
    rank = rank_ids(ids)
    counts = draw_stimuli(n_stimuli, n_bootstrap, draw_rng).take(rank, axis=1)
    member = np.zeros((n_splits, n_stimuli), dtype=bool)
    for row in member:
        row[split_rng.permutation(n_stimuli)[: n_stimuli // 2]] = True
    return Resampling(counts, member.take(rank, axis=1))


def estimate_partial(sides: PartialSides, resampling: Resampling, confidence: float) -> Estimates:
    """Return scores over all stimuli, over draws and over halves, a block of ops at a time."""
    counts, member = resampling
    estimates = _allocate_estimates(sides, len(counts), len(member))
    n_stimuli = len(sides.model.ids)
    once = np.ones((1, n_stimuli), dtype=int)
    halves = np.stack([member, ~member], axis=1)  # (split, half, stimulus)
    usable = np.flatnonzero(~np.isnan(sides.model.pairs).any(axis=1))
    width = count_ops(sides.model, sides.brain, len(counts))
    for ops in np.split(usable, range(width, len(usable), width)):
        estimates.score[ops] = _score_draws(sides, ops, once)[0]
        of_halves = _score_draws(sides, ops, halves.reshape(-1, n_stimuli))
        estimates.split_score[:, :, ops] = of_halves.reshape(
            *halves.shape[:2], *of_halves.shape[1:]
        )
        drawn = _score_draws(sides, ops, counts)
        drawn_mean = mean_subjects(drawn, sides.brain.present)  # (draw, op, region)
        estimates.low[ops], estimates.high[ops] = percentile_interval(drawn, confidence)
        mean_interval = percentile_interval(drawn_mean, confidence)
        estimates.mean_low[ops], estimates.mean_high[ops] = mean_interval
        estimates.bootstrap_mean[:, ops] = drawn_mean
    return estimates


def _score_draws(sides: PartialSides, ops: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the scores (draw, op, region, subject) of ``ops``, stimuli ``counts`` times."""
    present = sides.brain.present
    scores = correlate_partially(
        sides.model.pairs[ops], sides.brain.pairs[present], sides.controls, counts
    )
    by_subject = np.full((*scores.shape[:2], *present.shape), np.nan)
    by_subject[:, :, present] = scores
    return by_subject


def _allocate_estimates(sides: PartialSides, n_draws: int, n_splits: int) -> Estimates:
    """Return estimates that are NaN throughout."""
    by_subject = (len(sides.model.ops), *sides.brain.present.shape)
    by_region = by_subject[:2]
    return Estimates(
        score=np.full(by_subject, np.nan),
        low=np.full(by_subject, np.nan),
        high=np.full(by_subject, np.nan),
        mean_low=np.full(by_region, np.nan),
        mean_high=np.full(by_region, np.nan),
        bootstrap_mean=np.full((n_draws, *by_region), np.nan, dtype=np.float32),
        split_score=np.full((n_splits, 2, *by_subject), np.nan),
    )


def leave_residuals(sides: PartialSides) -> Residuals:
    """Return what controls leave of each RDM over all stimuli."""
    ranked = sides.controls.ranked
    weight = np.ones(sides.model.pairs.shape[1])
    basis = span_controls(sides.controls, weight)
    usable = ~np.isnan(sides.model.pairs).any(axis=1)
    model = np.full(sides.model.pairs.shape, np.nan)
    rows = sort_rows(sides.model.pairs[usable])
    model[usable] = take_residuals(scale_rows(rows, weight, ranked), basis, weight)
    rows = sort_rows(sides.brain.pairs[sides.brain.present])
    brain = take_residuals(scale_rows(rows, weight, ranked), basis, weight)
    return Residuals(model, brain, basis)


def infer_partial(
    sides: PartialSides, n_permutations: int, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return the tests (op, region) of mean scores by permuting residuals, none without draws."""
    if n_permutations == 0:
        return {}
    orders = draw_orders(sides.model.ids, n_permutations, generator)
    residuals = leave_residuals(sides)
    drawn = correlate_orders(residuals.model, residuals.brain, residuals.basis, orders)
    by_subject = np.full((*drawn.shape[:2], *sides.brain.present.shape), np.nan)
    by_subject[:, :, sides.brain.present] = drawn
    return rank_null(mean_subjects(by_subject, sides.brain.present)).variables
