"""Scores of each region and subject, with their ceilings, from the scores of each neuroid."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.encoding.accuracy import SCORES
from neurolens.compare.encoding.explainable import describe_ceiling
from neurolens.compare.inputs.checks import Seed, describe_rng
from neurolens.compare.inputs.responses import Targets
from neurolens.errors import warn_user
from neurolens.labels import NEUROID, OP, REGION, STIMULUS, SUBJECT, list_names
from neurolens.scores import Intervals, build_scores

BY_SUBJECT = (OP, REGION, SUBJECT)
BY_REGION = (OP, REGION)
BY_NEUROID = (OP, NEUROID)


@dataclass(frozen=True)
class NeuroidScores:
    """Held-out scores of each neuroid, with the responses, folds and ceilings they belong to.

    ``by_fold`` has (op, fold, neuroid) for each of `SCORES`; ``measure`` is the one that becomes
    the score. ``fold`` (stimulus,) says which fold held out each stimulus of ``targets``.
    ``explainable`` is what ``read_ceiling`` returned.
    """

    ops: list[str]
    targets: Targets
    by_fold: Mapping[str, np.ndarray]
    measure: str
    fold: np.ndarray
    explainable: xr.DataArray | None


def aggregate_scores(scores: NeuroidScores) -> xr.Dataset:
    """Return means over folds, and over the neuroids of each region and subject, with ceilings.

    One warning names the ops without a correlation for some neuroid.
    """
    targets = scores.targets
    _warn_undefined(scores)
    by_neuroid = {name: scores.by_fold[name].mean(axis=1) for name in SCORES}
    score = pool_neuroids(by_neuroid[scores.measure], targets)
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
    return _add_ceiling(result, scores, by_neuroid, scores.explainable.values)


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
    return build_scores(
        result["score"],
        method="encoding",
        measure=scores.measure,
        n_stimuli=len(scores.fold),
        variables={str(name): result[name] for name in result.data_vars if name != "score"},
        estimator=estimator,
        intervals=intervals,
        ceiling=describe_ceiling(scores.explainable, scores.targets),
        details={
            "n_folds": scores.by_fold["r"].shape[1],
            "n_repeats": scores.targets.n_repeats,
            "rng": describe_rng(rng),
            **(details or {}),
        },
    )


def _warn_undefined(scores: NeuroidScores) -> None:
    """Warn, naming the ops without a correlation for some neuroid."""
    undefined = np.isnan(scores.by_fold["r"][:, :, scores.targets.usable]).any(axis=1)
    names = [
        f"{op}: {neuroids.sum()} of {len(neuroids)} neuroids"
        for op, neuroids in zip(scores.ops, undefined, strict=True)
        if neuroids.any()
    ]
    if names:
        warn_user(
            "no score, because responses or predictions do not vary in some fold: "
            f"{list_names(names)}. Leave those out, or use fewer folds."
        )


def _add_ceiling(
    result: xr.Dataset,
    scores: NeuroidScores,
    by_neuroid: Mapping[str, np.ndarray],
    share: np.ndarray,
) -> xr.Dataset:
    """Return ``result`` with the upper ceiling and scores as a share of what can be explained.

    ``share`` (neuroid,) is the share of the variance that can be explained, NaN where there is
    none.
    """
    targets = scores.targets
    if scores.measure == "r":
        # The ceiling of a correlation is the square root of the ceiling of its square.
        bound = np.sqrt(share)
        explained = by_neuroid["r"] * np.abs(by_neuroid["r"])
    else:
        bound = share
        explained = by_neuroid["r2"]
    # A neuroid that cannot be explained counts among the scores, so it counts here; where none can,
    # nothing is known.
    counted = np.where(targets.usable, np.nan_to_num(bound), np.nan)
    some = pool_neuroids(np.where(targets.usable, share, np.nan), targets)
    pooled = np.where(np.isnan(some), np.nan, pool_neuroids(counted, targets))
    result["ceiling_upper"] = result["ceiling_upper"].copy(data=mean_defined(pooled))
    normalized = explained / share  # (op, neuroid)
    result["normalized"] = (BY_NEUROID, normalized)
    # A mean of ratios would be dominated by the neuroids with the least to explain.
    defined = np.where(np.isnan(normalized), np.nan, 1.0)
    result["score_normalized"] = (
        BY_SUBJECT,
        pool_neuroids(explained * defined, targets) / pool_neuroids(share * defined, targets),
    )
    return result


def pool_neuroids(values: np.ndarray, targets: Targets) -> np.ndarray:
    """Return the mean of those ``values`` (..., neuroid) that are not NaN, (..., region, subject).

    It is NaN where a subject lacks the region.
    """
    pooled = np.full((*values.shape[:-1], len(targets.regions), len(targets.subjects)), np.nan)
    for (region, subject), group in targets.groups.items():
        pooled[..., region, subject] = mean_defined(values[..., group])
    return pooled


def mean_defined(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis, leaving NaN out; NaN where all values are."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=-1)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return total / np.where(count > 0, count, np.nan)
