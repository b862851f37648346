"""Partial correlations over all stimuli, over draws, over halves and under permutation."""

from typing import NamedTuple

import numpy as np

from neurolens.compare.rdms.vectors import BrainRDMs, ModelRDMs, mean_subjects
from neurolens.compare.rsa.estimates.single import Estimates, Resampling, estimate_scores
from neurolens.compare.rsa.regression.freedman_lane import correlate_orders
from neurolens.compare.rsa.regression.residuals import (
    Controls,
    correlate_partially,
    scale_rows,
    span_controls,
    take_residuals,
)
from neurolens.compare.rsa.regression.weighted_ranks import sort_rows
from neurolens.compare.stats.null import rank_null


class PartialSides(NamedTuple):
    """Both sides as pairs, and the controls with their names, stimuli in the same order."""

    model: ModelRDMs
    brain: BrainRDMs
    controls: Controls
    control_names: list[str]


class Residuals(NamedTuple):
    """What controls leave of RDMs over all stimuli, at unit norm, NaN where nothing is left.

    ``model`` (op, pair), ``brain`` (brain RDM, pair) of the RDMs that exist, and the orthonormal
    ``basis`` (column, pair) of the controls.
    """

    model: np.ndarray
    brain: np.ndarray
    basis: np.ndarray


def estimate_partial(sides: PartialSides, resampling: Resampling, confidence: float) -> Estimates:
    """Return scores over all stimuli, over draws and over halves."""
    usable = np.flatnonzero(~np.isnan(sides.model.pairs).any(axis=1))

    def score_draws(ops: np.ndarray, counts: np.ndarray) -> np.ndarray:
        return _score_draws(sides, ops, counts)

    return estimate_scores(sides.model, sides.brain, score_draws, usable, resampling, confidence)


def _score_draws(sides: PartialSides, ops: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the scores (draw, op, region, subject) of ``ops``, stimuli ``counts`` times."""
    present = sides.brain.present
    scores = correlate_partially(
        sides.model.pairs[ops], sides.brain.pairs[present], sides.controls, counts
    )
    by_subject = np.full((*scores.shape[:2], *present.shape), np.nan)
    by_subject[:, :, present] = scores
    return by_subject


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


def infer_partial(sides: PartialSides, orders: np.ndarray) -> dict[str, np.ndarray]:
    """Return the tests (op, region) of mean scores by permuting residuals.

    Stimuli of the brain's residuals stand in each of ``orders`` (order, n).
    """
    residuals = leave_residuals(sides)
    drawn = correlate_orders(residuals.model, residuals.brain, residuals.basis, orders)
    by_subject = np.full((*drawn.shape[:2], *sides.brain.present.shape), np.nan)
    by_subject[:, :, sides.brain.present] = drawn
    return rank_null(mean_subjects(by_subject, sides.brain.present)).variables
