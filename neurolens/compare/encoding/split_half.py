"""Encoding within halves of the stimuli: to choose on one and score on the other.

And to say how far scores vary.
"""

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from neurolens.compare.encoding.aggregate import mean_known, pool_neuroids
from neurolens.compare.encoding.cross_validation import Settings, score_heldout
from neurolens.compare.inputs.checks import put_on, warn_user
from neurolens.compare.inputs.folds import MIN_TEST
from neurolens.compare.inputs.responses import Targets
from neurolens.compare.stats.intervals import infer_mean
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, STIMULUS, SUBJECT, list_names


def halve_folds(fold: np.ndarray, n_splits: int, rng: np.random.Generator) -> np.ndarray:
    """Return masks (split, n), True in half a, that halve each ``fold`` (n,) at random.

    To within one stimulus.
    """
    held = np.bincount(fold[fold >= 0])
    least = min(held[held > 0].min(), len(fold) - held.max())
    if n_splits and least < 2 * MIN_TEST:
        raise InputError(
            f"each half of each fold must hold out, and train on, {MIN_TEST} stimuli or more, so a "
            f"fold needs "
            f"{2 * MIN_TEST}; got {least}. Use fewer folds, more stimuli, or n_splits=0."
        )
    member = np.zeros((n_splits, len(fold)), dtype=bool)
    for row in member:
        row[np.lexsort((rng.random(len(fold)), fold))[::2]] = True
    return member


def score_halves(
    kernel: Tensor,
    values: Tensor,
    fold: Tensor,
    settings: Settings,
    targets: Targets,
    member: np.ndarray,
    metric: str,
) -> np.ndarray:
    """Return scores (split, half, region, subject) of the whole fit, repeated within each half of the stimuli alone.

    The predictions of a fit to all stimuli will not do: those of half a were trained on half b.
    """
    scores = np.empty((len(member), 2, len(targets.regions), len(targets.subjects)))
    mean = np.full(len(targets.usable), np.nan)
    for place in np.ndindex(scores.shape[:2]):
        inside = torch.from_numpy(np.flatnonzero(member[place[0]] != place[1])).to(fold.device)
        found = score_heldout(
            kernel[inside][:, inside], values[inside], fold[inside], settings, targets.columns
        )[0]
        mean[targets.usable] = found[metric].mean(axis=0)
        scores[place] = pool_neuroids(mean, targets)
    return scores


def add_halves(
    result: xr.Dataset,
    halves: np.ndarray,
    n_bootstrap: int,
    confidence: float,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Return encoding scores with ``halves`` (split, half, op, region, subject), and the intervals that follow.

    Halves a and b are independent, and each varies twice as much as the whole: the mean of (a -
    b)^2 / 4 over splits is the variance of the score. Its own variance is that over splits and that
    over stimuli, which add up; fold means cancel. A half without a score, where the whole has one,
    leaves no interval: warns, naming the op.
    """
    n_splits = len(halves)
    n_folds = len(np.unique(result["stimulus_fold"]))
    freedom = 1 / (1 / n_splits + 1 / (result.sizes[STIMULUS] - n_folds))
    lost = (np.isnan(halves).any(axis=(0, 1)) & result["score"].notnull()).any((REGION, SUBJECT))
    if lost.any():
        warn_user(
            f"no interval for {list_names(result[OP].values[lost])}: in a half of the stimuli "
            f"responses or predictions "
            "do not vary. Leave out such regions or ops, or use fewer folds."
        )
    parts = {
        "score": ("ci", "split_subject_score", halves),
        "score_mean": ("mean_ci", "split_score", mean_known(halves)),
    }
    for name, (interval, split, part) in parts.items():
        gap = (part[:, 0] - part[:, 1]) / 2
        dims = result[name].dims
        low, high, _ = infer_mean(result[name].values, (gap**2).mean(axis=0), freedom, confidence)
        result = result.assign(put_on(dims, **{f"{interval}_low": low, f"{interval}_high": high}))
        result[split] = (("split", "half", *dims), part)
    # Draws of t with as many degrees of freedom: their percentiles are the bounds of the intervals.
    weights = rng.normal(size=(n_bootstrap, n_splits)) * np.sqrt(freedom / n_splits)
    weights /= np.sqrt(rng.chisquare(freedom, size=(n_bootstrap, 1)))
    draws = result["score_mean"].values + np.tensordot(weights, gap, 1)
    result["bootstrap_mean"] = (("bootstrap", *dims), draws.astype(np.float32))
    note = f"t intervals for new stimuli, from {n_splits} random halvings with every fit repeated within each half."
    return result.assign_coords(half=["a", "b"]).assign_attrs(interval_note=note)
