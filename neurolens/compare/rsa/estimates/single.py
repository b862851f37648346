"""Scores over all stimuli, over draws and over halves of them, for new stimuli only."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import check_whole, rank_ids
from neurolens.compare.rdms.vectors import BrainRDMs, ModelRDMs, mean_subjects
from neurolens.compare.rsa.sides import Sides, count_influenced, count_ops, influence_sides
from neurolens.compare.stats.bootstrap import draw_groups, draw_stimuli, halve_units, hash_draws
from neurolens.compare.stats.influences import (
    Units,
    average_influences,
    center_units,
    count_units,
    draw_scores,
    vary_units,
)
from neurolens.compare.stats.intervals import infer_mean, percentile_interval
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, STIMULUS, SUBJECT
from neurolens.scores import BOOTSTRAP, DRAWS_HASH, HALF, PER_REGION, PER_SUBJECT, SPLIT
from neurolens.support.progress import count_steps

# Fewer stimuli have no halves of three.
MIN_SPLIT_STIMULI = 6

# Scores (draw, op, region, subject) of the ops at some positions, stimuli (draw, n) times each.
ScoreDraws = Callable[[np.ndarray, np.ndarray], np.ndarray]


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


def check_splits(n_splits: Any, n_stimuli: int) -> None:
    """Raise InputError for a number of splits that cannot be used."""
    check_whole(n_splits, "n_splits", 0, 20)
    if n_splits and n_stimuli < MIN_SPLIT_STIMULI:
        raise InputError(
            f"half splits need at least {MIN_SPLIT_STIMULI} stimuli, got {n_stimuli}. Pass "
            f"n_splits=0 or more stimuli.",
            anchor="too-few-stimuli",
        )


def resample_stimuli(
    ids: np.ndarray,
    group: np.ndarray | None,
    n_bootstrap: int,
    n_splits: int,
    generator: np.random.Generator,
) -> Resampling:
    """Return draws and halves of stimuli, which belong to ``ids`` and not to their order.

    With ``group`` (n,) they are of whole groups.
    """
    draw_rng, split_rng = generator.spawn(2)
    n_stimuli = len(ids)
    member = np.zeros((n_splits, n_stimuli), dtype=bool)
    if group is not None:
        for row in member:
            row[:] = halve_units(group, split_rng)
        _check_halves(member)
        return Resampling(draw_groups(group, n_bootstrap, draw_rng), member)
    rank = rank_ids(ids)
    counts = draw_stimuli(n_stimuli, n_bootstrap, draw_rng).take(rank, axis=1)
    for row in member:
        row[split_rng.permutation(n_stimuli)[: n_stimuli // 2]] = True
    return Resampling(counts, member.take(rank, axis=1))


def describe_draws(resampling: Resampling, ids: np.ndarray) -> dict[str, str]:
    """Return the attribute by which draws of several scores are known to be of the same stimuli."""
    counts = resampling.counts
    return {DRAWS_HASH: hash_draws(counts, ids)} if len(counts) else {}


def _check_halves(member: np.ndarray) -> None:
    """Raise InputError where a half of whole groups, ``member`` (split, n), is too small."""
    smallest = np.minimum(member.sum(axis=1), (~member).sum(axis=1)).min(initial=member.shape[1])
    if smallest < MIN_SPLIT_STIMULI // 2:
        raise InputError(
            f"halves made of whole groups need at least {MIN_SPLIT_STIMULI // 2} stimuli each, got "
            f"{smallest}. Pass n_splits=0, or more groups with by=.",
            anchor="too-few-stimuli",
        )


def estimate_scores(
    model: ModelRDMs,
    brain: BrainRDMs,
    score_draws: ScoreDraws,
    usable: np.ndarray,
    resampling: Resampling,
    confidence: float,
) -> Estimates:
    """Return scores over all stimuli, over draws and over halves, a block of ops at a time.

    ``usable`` are the positions of the ops that can have a score; the others are NaN throughout.
    """
    counts, member = resampling
    estimates = _allocate_estimates(model, brain, len(counts), len(member))
    once = np.ones((1, len(model.ids)), dtype=int)
    halves = np.stack([member, ~member], axis=1)  # (split, half, stimulus)
    flat_halves = halves.reshape(-1, len(model.ids))
    every = np.concatenate([once, flat_halves, counts])
    width = count_ops(model, brain, len(counts))
    for ops in np.split(usable, range(width, len(usable), width)):
        # In one call, so that RDMs are ranked only once.
        scored = score_draws(ops, every)
        estimates.score[ops] = scored[0]
        of_halves = scored[1 : 1 + len(flat_halves)]
        estimates.split_score[:, :, ops] = of_halves.reshape(
            *halves.shape[:2], *of_halves.shape[1:]
        )
        drawn = scored[1 + len(flat_halves) :]
        drawn_mean = mean_subjects(drawn, brain.present)  # (draw, op, region)
        estimates.low[ops], estimates.high[ops] = percentile_interval(drawn, confidence)
        mean_interval = percentile_interval(drawn_mean, confidence)
        estimates.mean_low[ops], estimates.mean_high[ops] = mean_interval
        estimates.bootstrap_mean[:, ops] = drawn_mean
    return estimates


def spread_estimates(
    estimates: Estimates, sides: Sides, units: Units, confidence: float
) -> Estimates:
    """Return ``estimates`` with t intervals and draws from the influences of stimuli.

    A block of ops at a time; each op is a step of the work.
    """
    comparator, model, brain = sides
    n_draws = len(units.counts)
    bootstrap_mean = np.full((n_draws, *estimates.mean_low.shape), np.nan, dtype=np.float32)
    spread = estimates._replace(bootstrap_mean=bootstrap_mean)
    usable = np.flatnonzero(model.has_pair.any(axis=1))
    width = count_influenced(model, brain)
    for ops in np.split(usable, range(width, len(usable), width)):
        score = estimates.score[ops]
        of_units = influence_sides(model.pairs[ops], brain, units.number, comparator)
        influences = center_units(of_units)  # (m, region, subject, u)
        n_units = count_units(influences)  # (m, region, subject)
        found = infer_mean(score, vary_units(influences), n_units - 1, confidence)
        spread.low[ops] = found.low
        spread.high[ops] = found.high
        mean = mean_subjects(score, brain.present)  # (m, region)
        for region, present in enumerate(brain.present):
            if present.any():
                of_mean = average_influences(influences[:, region, present])  # (m, u)
                freedom = n_units[:, region, present].min(axis=1) - 1
                found = infer_mean(mean[:, region], vary_units(of_mean), freedom, confidence)
                spread.mean_low[ops, region] = found.low
                spread.mean_high[ops, region] = found.high
                bootstrap_mean[:, ops, region] = draw_scores(mean[:, region], of_mean, units.counts)
        count_steps(len(ops))
    return spread


def _allocate_estimates(
    model: ModelRDMs, brain: BrainRDMs, n_draws: int, n_splits: int
) -> Estimates:
    """Return estimates that are NaN throughout."""
    by_subject = (len(model.ops), *brain.present.shape)
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


def label_estimates(
    model: ModelRDMs,
    brain: BrainRDMs,
    resampling: Resampling,
    estimates: Estimates,
    others: Mapping[str, Any],
) -> xr.Dataset:
    """Return the estimates, and ``others``, on labelled dimensions."""
    split_mean = mean_subjects(estimates.split_score, brain.present)
    return xr.Dataset(
        {
            "score": (PER_SUBJECT, estimates.score),
            "score_mean": (PER_REGION, mean_subjects(estimates.score, brain.present)),
            "ci_low": (PER_SUBJECT, estimates.low),
            "ci_high": (PER_SUBJECT, estimates.high),
            "mean_ci_low": (PER_REGION, estimates.mean_low),
            "mean_ci_high": (PER_REGION, estimates.mean_high),
            "bootstrap_mean": ((BOOTSTRAP, *PER_REGION), estimates.bootstrap_mean),
            "split_score": ((SPLIT, HALF, *PER_REGION), split_mean),
            "split_subject_score": ((SPLIT, HALF, *PER_SUBJECT), estimates.split_score),
            "split_member": ((SPLIT, STIMULUS), resampling.member),
            **others,
        },
        coords={
            OP: model.ops,
            REGION: brain.regions,
            SUBJECT: brain.subjects,
            STIMULUS: model.ids,
            HALF: ["a", "b"],
        },
    )
