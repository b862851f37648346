"""Encoding fits within halves of the stimuli.

They serve to choose an op on one half and score it on the other, and to estimate the variance of
scores.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from torch import Tensor

from neurolens.compare.encoding.aggregate import mean_defined, pool_neuroids
from neurolens.compare.encoding.cross_validation import Source, score_heldout
from neurolens.compare.encoding.models.penalties import Settings
from neurolens.compare.inputs.folds import MIN_TEST, Folds
from neurolens.compare.inputs.responses import Targets
from neurolens.compare.stats.bootstrap import halve_units
from neurolens.compare.stats.intervals import infer_mean
from neurolens.errors import InputError, warn_user
from neurolens.labels import OP, REGION, STIMULUS, SUBJECT, list_names
from neurolens.scores import BOOTSTRAP, HALF, SPLIT, Intervals

# The default number of splits, where every fold can be halved.
DEFAULT_SPLITS = 5


class Halves(NamedTuple):
    """Scores within halves of the stimuli, and settings of the intervals.

    ``member`` (split, stimulus) is True in half a; ``scores`` (split, half, op, region, subject).
    ``n_units`` counts the stimuli, or groups of them, that were dealt to the halves.
    """

    member: np.ndarray
    scores: np.ndarray
    n_units: int
    n_bootstrap: int
    confidence: float
    rng: np.random.Generator


def find_units(folds: Folds) -> np.ndarray | None:
    """Return the number (n,) of the group or block that stays whole in halves, None for stimuli.

    Stimuli are halved within their groups where a fold is a single group, or where halves made of
    whole groups could hold too few stimuli.
    """
    if folds.unit is None:
        return None
    for number in folds.numbers:
        half = halve_units(folds.unit[folds.find_test(number)], np.random.default_rng(0))
        # The sizes of halves do not depend on chance.
        if min(half.sum(), (~half).sum()) < MIN_TEST:
            return None
    return folds.unit


def count_splits(n_splits: int | None, folds: Folds) -> int:
    """Return how many times to halve the stimuli, or raise InputError where that cannot be done.

    None halves them if every fold can be, and otherwise not at all.
    """
    sizes = [min(len(folds.find_test(k)), len(folds.find_train(k))) for k in folds.numbers]
    smallest = min(sizes)
    enough = smallest >= 2 * MIN_TEST
    if n_splits is None:
        return DEFAULT_SPLITS if enough else 0
    if n_splits and not enough:
        raise InputError(
            f"each half of each fold must hold out, and train on, {MIN_TEST} stimuli or more, so a "
            f"fold needs {2 * MIN_TEST}; got {smallest}. Use fewer folds, more stimuli, or "
            "n_splits=0.",
            anchor="folds",
        )
    return n_splits


def halve_folds(
    fold: np.ndarray, unit: np.ndarray | None, n_splits: int, rng: np.random.Generator
) -> np.ndarray:
    """Return masks (split, n), True in half a, that halve each ``fold`` (n,) at random.

    The halves of a fold differ by one stimulus at most, or, where each ``unit`` (n,) stays whole,
    by the largest unit at most.
    """
    member = np.zeros((n_splits, len(fold)), dtype=bool)
    for row in member:
        if unit is None:
            row[np.lexsort((rng.random(len(fold)), fold))[::2]] = True
            continue
        for number in np.unique(fold):
            inside = np.flatnonzero(fold == number)
            row[inside] = halve_units(unit[inside], rng)
    return member


def score_halves(
    sides: Source,
    values: Tensor,
    folds: Folds,
    settings: Settings,
    targets: Targets,
    member: np.ndarray,
    measure: str,
    aggregate: str,
) -> np.ndarray:
    """Return scores (split, half, region, subject) of the whole fit repeated within each half.

    The predictions of a fit to all stimuli cannot be used: those of half a were trained on half b.
    """
    scores = np.empty((len(member), 2, len(targets.regions), len(targets.subjects)))
    mean = np.full(len(targets.usable), np.nan)
    for split, half in np.ndindex(scores.shape[:2]):
        inside = np.flatnonzero(member[split] != half)
        heldout = score_heldout(sides, values, folds, settings, targets.columns, rows=inside)
        mean[targets.usable] = heldout.pool_folds()[measure]
        scores[split, half] = pool_neuroids(mean, targets, aggregate)
    return scores


def add_halves(result: xr.Dataset, halves: Halves) -> xr.Dataset:
    """Return encoding scores with those of ``halves``, and the intervals computed from them.

    Halves a and b are independent, and each varies twice as much as the whole: the mean of (a -
    b)^2 / 4 over splits is the variance of the score. The variance of this estimate is the sum of
    that over splits and that over stimuli (or groups of them); fold means cancel. A half without a
    score, where the whole has one, leaves no interval: a warning names the op.
    """
    _warn_without_interval(result, halves.scores)
    n_splits = len(halves.scores)
    n_folds = len(np.unique(result["stimulus_fold"]))
    freedom = 1 / (1 / n_splits + 1 / max(1, halves.n_units - n_folds))
    parts = {
        "score": ("ci", "split_subject_score", halves.scores),
        "score_mean": ("mean_ci", "split_score", mean_defined(halves.scores)),
    }
    for name, (interval, split_name, part) in parts.items():
        dims = result[name].dims
        gap = (part[:, 0] - part[:, 1]) / 2
        variance = (gap**2).mean(axis=0)
        bounds = infer_mean(result[name].values, variance, freedom, halves.confidence)
        result[f"{interval}_low"] = (dims, bounds.low)
        result[f"{interval}_high"] = (dims, bounds.high)
        result[split_name] = ((SPLIT, HALF, *dims), part)
    result["split_member"] = ((SPLIT, STIMULUS), halves.member)
    draws = _draw_means(result, freedom, halves)
    result["bootstrap_mean"] = ((BOOTSTRAP, OP, REGION), draws.astype(np.float32))
    return result.assign_coords({HALF: ["a", "b"]})


def describe_intervals(n_splits: int, confidence: float, folds: Folds) -> Intervals:
    """Return a description of the intervals of ``add_halves``."""
    if not n_splits:
        return Intervals()
    over = "stimuli"
    if find_units(folds) is not None:
        over = "blocks of stimuli" if folds.in_blocks else "groups of stimuli"
    elif folds.unit is not None:
        over = "stimuli of the same groups"
    return Intervals("t interval of halves", over, float(confidence))


def _draw_means(result: xr.Dataset, freedom: float, halves: Halves) -> np.ndarray:
    """Return draws (bootstrap, op, region) of the t distribution that the intervals come from.

    Their percentiles are the bounds of the intervals.
    """
    split_score = result["split_score"].values
    gap = (split_score[:, 0] - split_score[:, 1]) / 2  # (split, op, region)
    n_splits = len(gap)
    weights = halves.rng.normal(size=(halves.n_bootstrap, n_splits)) * np.sqrt(freedom / n_splits)
    weights /= np.sqrt(halves.rng.chisquare(freedom, size=(halves.n_bootstrap, 1)))
    return result["score_mean"].values + np.tensordot(weights, gap, 1)


def _warn_without_interval(result: xr.Dataset, halves: np.ndarray) -> None:
    """Warn, naming the ops with a score on all stimuli but none on some half."""
    undefined = np.isnan(halves).any(axis=(0, 1))  # (op, region, subject)
    without = (undefined & result["score"].notnull()).any((REGION, SUBJECT))
    if without.any():
        warn_user(
            f"no interval for {list_names(result[OP].values[without])}: in a half of the stimuli "
            "responses or predictions do not vary. Leave out such regions or ops, or use fewer "
            "folds."
        )
