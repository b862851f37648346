"""What a table of scores says about each op: its share of the ceiling.

And which regions it fits best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import OP, REGION, align_stimuli, get_ids, list_names
from neurolens.view.style import assign_region_colors

NEEDED = ("score_mean", "ceiling_lower", "ceiling_upper")
Marks = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Annotation:
    """Scores by op, ready to draw; every array has one entry per region.

    Attributes
    ----------
    regions : tuple of str
    means, lows, highs : dict of op name to array
        Mean score and its confidence interval, NaN where there is none.
    ceiling_lower, ceiling_upper : array
        NaN for a region without a noise ceiling.
    scale : array
        What a full colour stands for: the lower ceiling, or for all regions without one their
        common maximum.
    attrs : dict
        How the scores were made, as the Dataset of scores says it.
    best, ties : dict of op name to tuple of int
        The regions (by position) whose best op this is, or whose best op cannot be told apart from
        it.
    """

    regions: tuple[str, ...]
    means: dict[str, np.ndarray]
    lows: dict[str, np.ndarray]
    highs: dict[str, np.ndarray]
    ceiling_lower: np.ndarray
    ceiling_upper: np.ndarray
    scale: np.ndarray
    attrs: dict[str, Any]
    best: Marks
    ties: Marks

    @cached_property
    def colors(self) -> dict[str, str]:
        """One colour per region."""
        return assign_region_colors(self.regions)

    @property
    def has_ceiling(self) -> np.ndarray:
        """Which regions are coloured by share of their ceiling."""
        return self.ceiling_lower > 0

    @property
    def has_intervals(self) -> bool:
        """Whether any score has an interval."""
        return any(np.isfinite(row).any() for row in self.lows.values())

    def get_means(self, op: str) -> np.ndarray:
        """Return the mean score per region, NaN for an op without scores."""
        return self.means.get(op, np.full(len(self.regions), np.nan))

    def get_shares(self, op: str) -> np.ndarray:
        """Return score ÷ scale per region, unclamped."""
        return self.get_means(op) / self.scale


def annotate_ops(
    scores: xr.Dataset, *, ops: Sequence[str] | None = None, best: xr.Dataset | None = None
) -> Annotation:
    """Read a scores Dataset, and the best ops if given, into an ``Annotation``.

    ``scores`` has ``score_mean`` (op, region), ``ceiling_lower`` and ``ceiling_upper`` (region),
    and perhaps ``mean_ci_low`` and ``mean_ci_high`` (op, region); ``best`` has ``best_op`` (region)
    and ``indistinguishable`` (region, op). Raises InputError when ``scores`` lacks a variable, and
    LabelError when regions differ or an op is none of ``ops``, those of the graph.
    """
    check_scores(scores)
    names, regions = (
        [str(name) for name in get_ids(scores["score_mean"], dim, "scores")] for dim in (OP, REGION)
    )
    if ops is not None:
        _check_ops(names, ops, "scores")

    def read(key: str) -> dict[str, np.ndarray]:
        values = (
            scores.get(key, scores["score_mean"] * np.nan)
            .transpose(OP, REGION)
            .values.astype(float)
        )
        return dict(zip(names, values, strict=True))

    means = read("score_mean")
    lower = scores["ceiling_lower"].values.astype(float)
    marks: tuple[Marks, Marks] = _read_best(best, names, regions) if best is not None else ({}, {})
    return Annotation(
        tuple(regions),
        means,
        read("mean_ci_low"),
        read("mean_ci_high"),
        lower,
        scores["ceiling_upper"].values.astype(float),
        _pick_scale(np.array(list(means.values())), lower),
        dict(scores.attrs),
        *marks,
    )


def check_scores(scores: xr.Dataset, name: str = "scores") -> None:
    """Raise InputError unless ``scores`` holds the means and ceilings that pictures show."""
    lacking = [key for key in NEEDED if key not in getattr(scores, "data_vars", {})]
    if lacking:
        raise InputError(
            f"{name} must be a Dataset with {', '.join(NEEDED)}, but {', '.join(lacking)} is "
            f"missing "
            f"from this {type(scores).__name__}. Pass what compare_rdms or fit_encoding returned."
        )


def describe_method(attrs: Mapping[str, Any]) -> str:
    """Return one line saying what was compared and how, from the attributes of a scores Dataset."""
    method = str(attrs.get("method", ""))
    parts = [method.upper() if method == "rsa" else method, str(attrs.get("comparator", ""))]
    if attrs.get("metric"):
        parts.append(f"{attrs['metric']} dissimilarity")
    if attrs.get("n_stimuli"):
        parts.append(f"{attrs['n_stimuli']} stimuli")
    return " · ".join(part for part in parts if part)


def describe_interval(attrs: Mapping[str, Any]) -> str:
    """Return what the intervals of a scores Dataset are, such as ``95 % CI``."""
    return f"{100 * float(attrs.get('confidence', 0.95)):g} % CI"


def _check_ops(names: Sequence[str], ops: Sequence[str], what: str) -> None:
    known = set(ops)
    strange = [name for name in names if name not in known]
    if strange:
        raise LabelError(
            f"{what} must name ops of this graph, but it has no {list_names(strange)}. Trace the "
            f"model that "
            f"was scored, or drop them with {what}.sel(op=[op.name for op in trace.graph])."
        )


def _pick_scale(means: np.ndarray, lower: np.ndarray) -> np.ndarray:
    with_ceiling = lower > 0
    top = np.fmax.reduce(means[:, ~with_ceiling], axis=None, initial=0.0)
    return np.where(with_ceiling, lower, top or 1.0)


def _read_best(best: xr.Dataset, names: list[str], regions: list[str]) -> tuple[Marks, Marks]:
    best = align_stimuli(best, regions, name="best", other="scores", dims=[REGION])
    chosen = [str(name) for name in best["best_op"].values]
    _check_ops([name for name in chosen if name], names, "best")
    best_of = {
        name: tuple(i for i, other in enumerate(chosen) if other == name) for name in chosen if name
    }
    tied = best["indistinguishable"].transpose(OP, REGION).astype(bool)
    ties = {
        name: tuple(i for i in np.flatnonzero(row).tolist() if chosen[i] != name)
        for name, row in zip(map(str, tied[OP].values), tied.values, strict=True)
    }
    return best_of, {name: places for name, places in ties.items() if places}
