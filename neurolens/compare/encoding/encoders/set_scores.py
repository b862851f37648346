"""Scores of predictions on one test set, with intervals over its stimuli, given the fit."""

from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from neurolens.compare.encoding.aggregate import mean_defined, pool_neuroids
from neurolens.compare.encoding.models.accuracy import (
    SCORES,
    Accuracy,
    explain_variance,
    measure_fold,
)
from neurolens.compare.encoding.split_half import halve_folds
from neurolens.compare.inputs.checks import rank_ids
from neurolens.compare.inputs.dependence import MAX_STIMULI, is_series
from neurolens.compare.inputs.folds import MIN_TEST
from neurolens.compare.inputs.responses import Targets
from neurolens.compare.stats.correlation import correlate_subsets
from neurolens.compare.stats.intervals import infer_mean
from neurolens.compare.stats.jackknife import center_left_out, leave_out_r, leave_out_r2
from neurolens.errors import InputError, warn_user
from neurolens.labels import OP, REGION, STIMULUS, SUBJECT
from neurolens.scores import BOOTSTRAP, HALF, SPLIT, Intervals

# Blocks of test stimuli below which there are no intervals.
MIN_BLOCKS = 4
# Numbers of a block of responses that is scored at once.
BLOCK_NUMBERS = 2**17
BY_SUBJECT = (OP, REGION, SUBJECT)
BY_REGION = (OP, REGION)


class HeldOutSet(NamedTuple):
    """One test set: its ``targets``, and the ``block`` (stimulus,) of each stimulus.

    ``member`` (split, stimulus) is True in half a.
    """

    targets: Targets
    block: np.ndarray
    member: np.ndarray

    @property
    def n_blocks(self) -> int:
        """How many blocks there are."""
        return int(self.block[-1]) + 1


class SetScores(NamedTuple):
    """Scores of all ops on one test set.

    ``by_neuroid`` has (op, neuroid) for "r" and "r2"; ``left_out`` (block, op, region, subject) are
    the scores without each block, ``halves`` (split, half, op, region, subject) those of halves.
    """

    by_neuroid: dict[str, np.ndarray]
    left_out: np.ndarray
    halves: np.ndarray

    @classmethod
    def allocate(cls, test_set: HeldOutSet, n_ops: int) -> "SetScores":
        """Return scores that are not known yet."""
        targets = test_set.targets
        places = (n_ops, len(targets.regions), len(targets.subjects))
        by_neuroid = {name: np.full((n_ops, len(targets.usable)), np.nan) for name in SCORES}
        left_out = np.empty((test_set.n_blocks, *places))
        return cls(by_neuroid, left_out, np.empty((len(test_set.member), 2, *places)))

    def write_op(
        self,
        op: int,
        test_set: HeldOutSet,
        measured: Tensor,
        predicted: Tensor,
        mean: Tensor,
        measure: str,
    ) -> None:
        """Score one op: ``measured`` and ``predicted`` (t, v), training ``mean`` (v,)."""
        targets = test_set.targets
        n_voxels = measured.shape[1]
        held_out = HeldOut.allocate(test_set, n_voxels)
        # Of a block of voxels, all that is computed fits into the cache of a processor.
        width = max(1, BLOCK_NUMBERS // len(measured))
        for start in range(0, n_voxels, width):
            voxels = slice(start, start + width)
            _score_block(held_out, voxels, test_set, (measured, predicted, mean), measure)
        for name, values in self.by_neuroid.items():
            values[op, targets.usable] = held_out.by_voxel[name]
        self.left_out[:, op] = _pool_usable(held_out.left_out, targets)
        self.halves[:, :, op] = _pool_usable(held_out.halves, targets)


class HeldOut(NamedTuple):
    """Scores of the voxels of one op: of all stimuli, without each block, and of halves.

    ``by_voxel`` has (v,) for "r" and "r2"; ``left_out`` (block, v), ``halves`` (split, half, v).
    """

    by_voxel: dict[str, np.ndarray]
    left_out: np.ndarray
    halves: np.ndarray

    @classmethod
    def allocate(cls, test_set: HeldOutSet, n_voxels: int) -> "HeldOut":
        """Return scores that are not known yet."""
        return cls(
            {name: np.empty(n_voxels) for name in SCORES},
            np.empty((test_set.n_blocks, n_voxels)),
            np.empty((len(test_set.member), 2, n_voxels)),
        )


def _score_block(
    held_out: HeldOut,
    voxels: slice,
    test_set: HeldOutSet,
    arrays: tuple[Tensor, Tensor, Tensor],
    measure: str,
) -> None:
    """Write the scores of ``voxels``.

    ``arrays`` are those of all voxels, measured (t, v), predicted (t, v) and training mean (v,).
    """
    measured, predicted, mean = (array[..., voxels].contiguous() for array in arrays)
    accuracy = measure_fold(measured, predicted, mean)
    for name, values in held_out.by_voxel.items():
        values[voxels] = _choose_score(accuracy, name)
    y = measured.cpu().numpy()
    guess = predicted.cpu().numpy()
    if measure == "r":
        left_out = leave_out_r(y, guess, test_set.block)
    else:
        left_out = leave_out_r2(y, guess, mean.cpu().numpy(), test_set.block)
    # A neuroid without a score has none without a block either.
    left_out[:, np.isnan(held_out.by_voxel[measure][voxels])] = np.nan
    held_out.left_out[:, voxels] = left_out
    inside = np.stack([test_set.member, ~test_set.member], axis=1)  # (split, half, t)
    if measure == "r":
        subsets = torch.from_numpy(inside.reshape(-1, len(y))).to(measured.device)
        r = correlate_subsets(measured, predicted, subsets)
        held_out.halves[..., voxels] = r.reshape(*inside.shape[:2], y.shape[1]).cpu().numpy()
        return
    for split, half in np.ndindex(inside.shape[:2]):
        rows = np.flatnonzero(inside[split, half])
        accuracy = measure_fold(measured[rows], predicted[rows], mean)
        held_out.halves[split, half, voxels] = _choose_score(accuracy, measure)


def _choose_score(accuracy: Accuracy, measure: str) -> np.ndarray:
    """Return one of `SCORES` (v,) of the accuracy of predictions."""
    if measure == "r":
        return accuracy.r.cpu().numpy()
    return explain_variance(accuracy.residual[None], accuracy.total[None]).cpu().numpy()


def _pool_usable(values: np.ndarray, targets: Targets) -> np.ndarray:
    """Return means (..., region, subject) of ``values`` (..., v) of the usable neuroids."""
    if targets.usable.all():
        return pool_neuroids(values, targets)
    whole = np.full((*values.shape[:-1], len(targets.usable)), np.nan)
    whole[..., targets.usable] = values
    return pool_neuroids(whole, targets)


def open_set(targets: Targets, block: int, n_splits: int, rng: np.random.Generator) -> HeldOutSet:
    """Return the test set of ``targets`` in blocks, with halves where it can be halved."""
    n = len(targets.ids)
    blocks = np.arange(n) // block
    if block > 1 and blocks[-1] + 1 < MIN_BLOCKS:
        raise InputError(
            f"block={block} makes {blocks[-1] + 1} blocks of the {n} stimuli of a test set, and "
            f"intervals need {MIN_BLOCKS}. Pass block={max(1, n // MIN_BLOCKS)} or less."
        )
    # Random numbers are assigned to stimuli in sorted order of their ids.
    rank = rank_ids(targets.ids)
    by_id = None if block == 1 else blocks[np.argsort(rank)]
    member = halve_folds(np.zeros(n, dtype=int), by_id, n_splits, rng)[:, rank]
    sizes = member.sum(axis=1)
    if np.minimum(sizes, n - sizes).min() < MIN_TEST:
        member = member[:0]
    return HeldOutSet(targets, blocks, member)


def add_intervals(
    result: xr.Dataset,
    test_set: HeldOutSet,
    scores: SetScores,
    confidence: float,
    n_bootstrap: int,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Return ``result`` with standard errors, intervals and draws of the jackknife.

    There are none of fewer than `MIN_BLOCKS` blocks.
    """
    n_blocks = test_set.n_blocks
    if n_blocks < MIN_BLOCKS:
        return result
    left_out = {"score": scores.left_out, "score_mean": mean_defined(scores.left_out)}
    for name, interval in (("score", "ci"), ("score_mean", "mean_ci")):
        dims = result[name].dims
        variance = (center_left_out(left_out[name]) ** 2).sum(axis=0)
        bounds = infer_mean(result[name].values, variance, n_blocks - 1, confidence)
        result[f"{name}_se"] = (dims, np.sqrt(variance))
        result[f"{interval}_low"] = (dims, bounds.low)
        result[f"{interval}_high"] = (dims, bounds.high)
    deviation = center_left_out(left_out["score_mean"])  # (block, op, region)
    weights = rng.normal(size=(n_bootstrap, n_blocks))
    if n_blocks == len(test_set.block):
        weights = weights[:, rank_ids(test_set.targets.ids)]
    draws = result["score_mean"].values + np.tensordot(weights, deviation, 1)
    result["bootstrap_mean"] = ((BOOTSTRAP, *BY_REGION), draws.astype(np.float32))
    return result


def add_halves(result: xr.Dataset, test_set: HeldOutSet, halves: np.ndarray) -> xr.Dataset:
    """Return ``result`` with the scores of random halves of the test stimuli, if there are any."""
    if not len(halves):
        return result
    result["split_score"] = ((SPLIT, HALF, *BY_REGION), mean_defined(halves))
    result["split_subject_score"] = ((SPLIT, HALF, *BY_SUBJECT), halves)
    result["split_member"] = ((SPLIT, STIMULUS), test_set.member)
    return result.assign_coords({HALF: ["a", "b"]})


def describe_intervals(block: int, confidence: float) -> Intervals:
    """Return a description of the intervals of ``add_intervals``."""
    over = "test stimuli" if block == 1 else f"blocks of {block} consecutive test stimuli"
    return Intervals("t interval of the jackknife", f"{over}, given the fit", float(confidence))


def warn_serial(name: str, scores: SetScores, *, in_catalog: bool) -> None:
    """Warn where blocks of test stimuli that follow each other are predicted alike.

    They are compared by what each adds to the scores. By chance that is so in 1/1000 of all cases
    at most. ``in_catalog``: rows are stimuli, which may be sorted.
    """
    deviation = scores.left_out.reshape(len(scores.left_out), -1)[:MAX_STIMULI]  # (block, score)
    deviation = deviation[:, ~np.isnan(deviation).any(axis=0)]
    deviation = deviation - deviation.mean(axis=0)
    spread = deviation.std(axis=0)
    deviation = deviation[:, spread > 0] / spread[spread > 0]
    if len(deviation) < 4 or not deviation.shape[1]:
        return
    products = deviation @ deviation.T
    size = np.diagonal(products)
    closeness = 2 * products - size - size[:, None]
    if is_series(closeness, closeness, np.arange(len(size)), in_catalog=in_catalog):
        warn_user(
            f"stimuli of test set {name!r} that follow each other in the rows of the responses are "
            "predicted alike, well or badly, more than in any of 999 random orders, so that "
            "intervals over single stimuli are too narrow. Pass block=, as many consecutive "
            "stimuli as it takes for that to vanish, such as the length of the hemodynamic "
            "response."
        )
