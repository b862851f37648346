"""Scores of each region and subject, with their ceilings, from the scores of each neuroid."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.encoding.explainable import describe_ceiling
from neurolens.compare.encoding.models.accuracy import SCORES
from neurolens.compare.encoding.normalized import (
    MIN_NEUROIDS,
    POOLED,
    RATIOS,
    Explainable,
    describe_normalization,
    normalize_neuroids,
    pool_normalized,
    warn_unknown,
)
from neurolens.compare.inputs.checks import Seed, describe_rng
from neurolens.compare.inputs.responses import Targets
from neurolens.errors import warn_user
from neurolens.labels import NEUROID, OP, REGION, STIMULUS, SUBJECT, list_names
from neurolens.scores import Intervals, build_scores

BY_SUBJECT = (OP, REGION, SUBJECT)
BY_REGION = (OP, REGION)
BY_NEUROID = (OP, NEUROID)
# Share of variance that must be explainable for the normalised score of a single neuroid.
MIN_CEILING = 0.1


@dataclass(frozen=True)
class NeuroidScores:
    """Held-out scores of each neuroid, with the responses, folds and ceilings they belong to.

    ``by_neuroid`` has (op, neuroid) for each of `SCORES`; ``measure`` is the one that becomes the
    score. ``fold`` (stimulus,) says which fold held out each stimulus of ``targets``, and
    ``held_out`` names in a message what was.
    ``ceiling`` is what ``read_ceiling`` returned and ``explainable`` what follows for these
    responses; both are None without a ceiling. ``aggregate`` is a key of `AGGREGATES`.
    """

    ops: list[str]
    targets: Targets
    by_neuroid: Mapping[str, np.ndarray]
    measure: str
    fold: np.ndarray
    ceiling: xr.DataArray | None = None
    explainable: Explainable | None = None
    aggregate: str = "mean"
    min_ceiling: float = MIN_CEILING
    held_out: str = "some fold"


def aggregate_scores(scores: NeuroidScores) -> xr.Dataset:
    """Return means over the neuroids of each region and subject, with ceilings.

    One warning names the ops without a correlation for some neuroid.
    """
    targets = scores.targets
    _warn_undefined(scores)
    by_neuroid = scores.by_neuroid
    score = pool_neuroids(by_neuroid[scores.measure], targets, scores.aggregate)
    n_neuroids = np.zeros(score.shape[1:], dtype=int)
    for position, group in targets.groups.items():
        n_neuroids[position] = targets.usable[group].sum()
    # Attributes that normalize_scores needs of scores and of their ceilings.
    kinds = {name: {"kind": name, "n_repeats": targets.n_repeats} for name in SCORES}
    kind = kinds[scores.measure]
    result = xr.Dataset(
        {
            "score": (BY_SUBJECT, score, kind),
            "score_mean": (BY_REGION, mean_defined(score), kind),
            "ceiling_upper": (REGION, np.full(len(targets.regions), np.nan), kind),
            "n_neuroids": ((REGION, SUBJECT), n_neuroids),
            **{name: (BY_NEUROID, values, kinds[name]) for name, values in by_neuroid.items()},
            "stimulus_fold": (STIMULUS, scores.fold),
        },
        coords={
            OP: scores.ops,
            REGION: targets.regions,
            SUBJECT: targets.subjects,
            STIMULUS: targets.ids,
            **targets.coords,
        },
    )
    if scores.explainable is None:
        return result
    return _add_ceiling(result, scores, scores.explainable)


def build_encoding(
    result: xr.Dataset,
    scores: NeuroidScores,
    *,
    estimator: str,
    rng: Seed,
    intervals: Intervals | None = None,
    details: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return the aggregated ``result`` in the common form of scores."""
    normalization = {}
    if scores.explainable is not None:
        normalization = describe_normalization(
            scores.explainable, scores.measure, scores.min_ceiling, scores.targets.usable
        )
    return build_scores(
        result["score"],
        method="encoding",
        measure=scores.measure,
        n_stimuli=len(scores.fold),
        variables={str(name): result[name] for name in result.data_vars if name != "score"},
        estimator=estimator,
        intervals=intervals,
        ceiling=describe_ceiling(scores.ceiling, scores.targets),
        details={
            "n_folds": len(np.unique(scores.fold[scores.fold >= 0])),
            "n_repeats": scores.targets.n_repeats,
            "rng": describe_rng(rng),
            "aggregate": scores.aggregate,
            "score_note": describe_score(scores.fold, scores.measure, scores.aggregate),
            **normalization,
            **(details or {}),
        },
    )


def _warn_undefined(scores: NeuroidScores) -> None:
    """Warn, naming the ops without a correlation for some neuroid."""
    undefined = np.isnan(scores.by_neuroid["r"][:, scores.targets.usable])
    names = [
        f"{op}: {neuroids.sum()} of {len(neuroids)} neuroids"
        for op, neuroids in zip(scores.ops, undefined, strict=True)
        if neuroids.any()
    ]
    if names:
        warn_user(
            f"no {'score' if scores.measure == 'r' else 'r'}, because responses or predictions do "
            f"not vary in {scores.held_out}: {list_names(names)}. Leave those out, or hold out "
            f"more stimuli at a time."
        )


def _add_ceiling(result: xr.Dataset, scores: NeuroidScores, explainable: Explainable) -> xr.Dataset:
    """Return ``result`` with the upper ceiling and scores as a share of what can be explained."""
    targets = scores.targets
    measured = scores.by_neuroid[scores.measure]
    share = explainable.bound
    # The ceiling of a correlation is the square root of the ceiling of its square.
    bound = np.sqrt(share) if scores.measure == "r" else share
    # A neuroid that cannot be explained counts among the scores, so it counts here; where none can,
    # nothing is known.
    counted = np.where(targets.usable, np.nan_to_num(bound), np.nan)
    some = pool_neuroids(np.where(targets.usable, share, np.nan), targets)
    upper = pool_neuroids(counted, targets, scores.aggregate)
    pooled = np.where(np.isnan(some), np.nan, upper)
    result["ceiling_upper"] = result["ceiling_upper"].copy(data=mean_defined(pooled))
    attrs = {"normalization": RATIOS[scores.measure]}
    normalised = normalize_neuroids(measured, scores.measure, share, scores.min_ceiling)
    result["normalised"] = (BY_NEUROID, normalised, attrs)
    values = np.full(result["score"].shape, np.nan)
    errors = np.full_like(values, np.nan)
    unknown = []
    for (region, subject), group in targets.groups.items():
        inside = group[targets.usable[group]]
        ratio = pool_normalized(
            measured[:, inside],
            scores.measure,
            explainable.signed[inside],
            explainable.is_unbiased,
        )
        values[:, region, subject] = ratio.value
        errors[:, region, subject] = ratio.error
        is_scored = not np.isnan(measured[:, inside]).all()
        if len(inside) >= MIN_NEUROIDS and is_scored and np.isnan(ratio.value).all():
            unknown.append(f"{targets.regions[region]}, {targets.subjects[subject]}")
    warn_unknown(unknown)
    attrs = {"normalization": POOLED[scores.measure]}
    result["score_normalised"] = (BY_SUBJECT, values, attrs)
    result["score_normalised_se"] = (BY_SUBJECT, errors, attrs)
    return result


def pool_neuroids(values: np.ndarray, targets: Targets, aggregate: str = "mean") -> np.ndarray:
    """Return the mean of those ``values`` (..., neuroid) that are not NaN, (..., region, subject).

    It is NaN where a subject lacks the region. ``aggregate`` is a key of `AGGREGATES`.
    """
    average = AGGREGATES[aggregate]
    pooled = np.full((*values.shape[:-1], len(targets.regions), len(targets.subjects)), np.nan)
    for (region, subject), group in targets.groups.items():
        pooled[..., region, subject] = average(values[..., group])
    return pooled


def mean_defined(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis, leaving NaN out; NaN where all values are."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=-1)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return total / np.where(count > 0, count, np.nan)


def median_defined(values: np.ndarray) -> np.ndarray:
    """Return the median over the last axis, leaving NaN out; NaN where all values are."""
    ordered = np.sort(values, axis=-1)  # NaN last
    count = (~np.isnan(values)).sum(axis=-1)
    if not ordered.shape[-1]:
        return np.full(count.shape, np.nan)
    middle = np.stack([(count - 1).clip(min=0) // 2, count // 2], axis=-1)
    middle = middle.clip(max=ordered.shape[-1] - 1)
    median = np.take_along_axis(ordered, middle, axis=-1).mean(axis=-1)
    return np.where(count > 0, median, np.nan)


# How scores of neuroids become that of a region and subject.
AGGREGATES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": mean_defined,
    "median": median_defined,
}


def describe_score(fold: np.ndarray, measure: str, aggregate: str) -> str:
    """Return what a score is, over folds and over neuroids, as a sentence for a paper."""
    counts = np.bincount(fold[fold >= 0])
    smallest = int(counts[counts > 0].min())
    over = f"and the {aggregate} over neuroids was taken"
    if measure == "r2":
        return (
            "Residual and total sums of squares, the latter about training means, were added up "
            f"over all held-out stimuli, {over}."
        )
    largest = int(counts.max())
    size = f"{smallest}" if smallest == largest else f"{smallest} to {largest}"
    return (
        f"Correlations within folds of {size} held-out stimuli were averaged over folds, {over}; "
        "within so few stimuli a correlation r is too small, by a factor of about 1 - (1 - r^2) / "
        f"{2 * (smallest - 1)}."
    )
