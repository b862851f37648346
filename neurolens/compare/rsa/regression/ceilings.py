"""Noise ceilings of partial correlations: those of Nili et al. (2014) on residuals."""

from typing import NamedTuple

import numpy as np

from neurolens.compare.rdms.vectors import BrainRDMs, mean_subjects
from neurolens.compare.rsa.regression.estimates import PartialSides, leave_residuals
from neurolens.compare.rsa.regression.weighted_ranks import center_weighted, rank_rows_once
from neurolens.compare.stats.linalg import keep_positive
from neurolens.scores import Ceiling

NOTE = (
    "RDM ceiling of Nili et al. 2014 on what the controls leave of each subject's RDM; lower "
    "leaves the subject out, upper includes it."
)
NO_CEILING = "No noise ceiling: every region has fewer than two subjects."


class PartialBounds(NamedTuple):
    """``lower``, ``upper`` (region,), NaN for fewer than two subjects.

    ``explained`` (region, subject) is the share of the variance that controls explain.
    """

    lower: np.ndarray
    upper: np.ndarray
    explained: np.ndarray


def describe_ceiling(brain: BrainRDMs) -> Ceiling:
    """Return the description of the ceilings of ``bound_partial``."""
    if (brain.present.sum(axis=1) < 2).all():
        return Ceiling(NO_CEILING)
    return Ceiling(NOTE, "exact")


def bound_partial(sides: PartialSides) -> PartialBounds:
    """Return bounds on the mean score over subjects, and what controls explain.

    The residual that correlates best with those of all subjects, on average, is the mean of theirs
    at unit norm, and its mean correlation is the norm of that mean.
    """
    brain = sides.brain
    left = leave_residuals(sides)
    squares = np.full((*brain.present.shape, left.brain.shape[1]), np.nan)
    squares[brain.present] = left.brain
    left_out = np.full(brain.present.shape, np.nan)
    upper = np.full(len(brain.regions), np.nan)
    for region, present in enumerate(brain.present):
        if present.sum() > 1:
            unit = squares[region, present]
            total = unit.sum(axis=0)
            upper[region] = np.sqrt((total**2).sum()) / len(unit)
            others = total - unit
            norm = np.sqrt((others**2).sum(axis=1))
            left_out[region, present] = (unit * others).sum(axis=1) / keep_positive(norm)
    explained = np.full(brain.present.shape, np.nan)
    explained[brain.present] = _share_explained(sides, left.basis)
    return PartialBounds(mean_subjects(left_out, brain.present), upper, explained)


def _share_explained(sides: PartialSides, basis: np.ndarray) -> np.ndarray:
    """Return the share (brain RDM,) of the variance of brain RDMs in the span of ``basis``."""
    pairs = sides.brain.pairs[sides.brain.present]
    values = rank_rows_once(pairs) if sides.controls.ranked else pairs
    centered = center_weighted(values, np.ones(values.shape[1]))
    inside = centered @ basis.T
    return (inside**2).sum(axis=1) / (centered**2).sum(axis=1)
