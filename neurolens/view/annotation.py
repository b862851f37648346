"""What scores say about each op: its color per region, and the regions whose best op it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import OP, REGION, align_labels, get_ids, list_names
from neurolens.view.style import assign_region_colors, format_score

SCORE_VARIABLES = ("score_mean", "mean_ci_low", "mean_ci_high", "ceiling_lower", "ceiling_upper")
BEST_VARIABLES = ("best_op", "heldout_mean", "doubtful", "indistinguishable")
# Sentences among the attributes of best ops.
BEST_NOTES = ("best_note", "set_note", "doubt_note")
MOST_NAMES = 6
METHOD_NAMES = {
    "rsa": "RSA",
    "predicted-rsa": "RSA of predicted responses",
    "reweighted-rsa": "reweighted RSA",
}
Marks = dict[str, tuple[int, ...]]


class BestOps(NamedTuple):
    """Regions by best op, and the held-out score of each region's best op.

    ``chosen`` holds the positions of the regions whose best op the key is, ``ties`` those of
    regions whose best op cannot be told apart from it; ``heldout`` and ``doubtful`` have one entry
    per region; ``notes`` are sentences by the name of their attribute.
    """

    chosen: Marks
    ties: Marks
    heldout: np.ndarray
    doubtful: np.ndarray
    notes: dict[str, str]


@dataclass(frozen=True)
class Annotation:
    """Scores by op, ready to draw; every array has one entry per region.

    Attributes
    ----------
    regions : tuple of str
    means, lows, highs : dict of op name to array
        Mean score and its interval, NaN where there is none.
    ceiling_lower, ceiling_upper : array
        NaN for a region without a noise ceiling.
    attrs : dict
        How the scores were made, as the Dataset of scores says it.
    best, ties : dict of op name to tuple of int
        The regions (by position) whose best op this is, or whose best op cannot be told apart from
        it.
    heldout : array
        The score of each region's choice on stimuli that did not choose, NaN without one.
    doubtful : array
        Whether the best op of each region is in doubt.
    notes : dict of str
        What best ops, those that cannot be told apart from them, and doubts are, in sentences.
    """

    regions: tuple[str, ...]
    means: dict[str, np.ndarray]
    lows: dict[str, np.ndarray]
    highs: dict[str, np.ndarray]
    ceiling_lower: np.ndarray
    ceiling_upper: np.ndarray
    attrs: dict[str, Any]
    best: Marks
    ties: Marks
    heldout: np.ndarray
    doubtful: np.ndarray
    notes: dict[str, str]

    @cached_property
    def colors(self) -> dict[str, str]:
        """One color per region."""
        return assign_region_colors(self.regions)

    @property
    def has_ceiling(self) -> np.ndarray:
        """Which regions have a positive lower ceiling."""
        return self.ceiling_lower > 0

    @property
    def disagrees(self) -> np.ndarray:
        """Which regions have a lower ceiling of 0 or less: their subjects do not agree."""
        return self.ceiling_lower <= 0

    @property
    def is_share(self) -> bool:
        """Whether colors are shares of the ceiling; otherwise they are raw scores.

        They are raw for all regions as soon as one has no ceiling, so that a color has one meaning.
        """
        return bool(self.has_ceiling.any() and not np.isnan(self.ceiling_lower).any())

    @cached_property
    def scale(self) -> np.ndarray:
        """The score that the full color stands for in each region; NaN where cells are not colored.

        That is the lower ceiling, or, for raw scores, the largest mean score of all colored
        regions.
        """
        if self.is_share:
            return np.where(self.has_ceiling, self.ceiling_lower, np.nan)
        table = np.array(list(self.means.values()))  # (op, region)
        largest = np.fmax.reduce(table[:, ~self.disagrees], axis=None, initial=0.0)
        return np.where(self.disagrees, np.nan, largest or 1.0)

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

    def describe_colors(self) -> str:
        """Return in a few words what the color of a cell stands for."""
        if np.isnan(self.scale).all():
            return "no cell is colored"
        if self.is_share:
            return "score as a share of the lower noise ceiling"
        return f"score ({self.attrs['measure']}), one scale for all regions"

    def describe_gaps(self) -> list[str]:
        """Return sentences on regions without a ceiling and regions whose subjects disagree."""
        sentences = []
        lacking = self._name_regions(np.isnan(self.ceiling_lower))
        if lacking and not np.isnan(self.ceiling_lower).all():
            sentences.append(f"no lower noise ceiling: {lacking}")
        elif lacking:
            sentences.append("no region has a lower noise ceiling")
        disagreeing = self._name_regions(self.disagrees)
        if disagreeing:
            sentences.append(
                f"subjects do not agree (lower noise ceiling ≤ 0), not colored: {disagreeing}"
            )
        return sentences

    def describe_ceiling(self, i: int) -> str:
        """Return the ceiling of region ``i`` as a number, or a range of two."""
        bounds = [self.ceiling_lower[i], self.ceiling_upper[i]]
        known = [format_score(bound) for bound in bounds if np.isfinite(bound)]
        return "–".join(dict.fromkeys(known)) or "none"

    def _name_regions(self, mask: np.ndarray) -> str:
        pairs = zip(self.regions, mask, strict=True)
        names = [region for region, is_meant in pairs if is_meant]
        rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        return ", ".join(names[:MOST_NAMES]) + rest


def annotate_ops(
    scores: xr.Dataset,
    *,
    ops: Sequence[str] | None = None,
    best: xr.Dataset | None = None,
) -> Annotation:
    """Read a scores Dataset, and the best ops if given, into an ``Annotation``.

    Parameters
    ----------
    scores : Dataset
        As `read_scores` returns them.
    ops : sequence of str, optional
        Those of the graph; all ops of the scores must be among them.
    best : Dataset, optional
        What ``assign_regions`` returned.

    Raises
    ------
    InputError
        For scores without means or ceilings, or ``best`` that ``assign_regions`` did not return.
    LabelError
        When regions differ, or an op is none of ``ops``.
    """
    missing = [name for name in SCORE_VARIABLES if name not in scores]
    if missing:
        raise InputError(
            f"{', '.join(missing)} is missing from these scores. Pass the Dataset that "
            f"compare_rdms or fit_encoding returned as it is."
        )
    names = [str(name) for name in get_ids(scores, OP, "scores")]
    regions = [str(name) for name in get_ids(scores, REGION, "scores")]
    if ops is not None:
        _check_ops(names, ops, "scores")
    marks = BestOps({}, {}, np.full(len(regions), np.nan), np.zeros(len(regions), dtype=bool), {})
    if best is not None:
        marks = _read_best(best, names, regions)
    return Annotation(
        tuple(regions),
        _read_rows(scores, "score_mean", names),
        _read_rows(scores, "mean_ci_low", names),
        _read_rows(scores, "mean_ci_high", names),
        scores["ceiling_lower"].values.astype(float),
        scores["ceiling_upper"].values.astype(float),
        dict(scores.attrs),
        marks.chosen,
        marks.ties,
        marks.heldout,
        marks.doubtful,
        marks.notes,
    )


def describe_method(attrs: Mapping[str, Any]) -> str:
    """Return one line saying what was compared and how, from the attributes of scores."""
    method = str(attrs["method"])
    parts = [METHOD_NAMES.get(method, method), str(attrs["measure"])]
    if attrs.get("dissimilarity"):
        parts.append(f"{attrs['dissimilarity']} dissimilarity")
    if attrs.get("estimator"):
        parts.append(str(attrs["estimator"]))
    if attrs.get("n_stimuli"):
        parts.append(f"{attrs['n_stimuli']} stimuli")
    return " · ".join(parts)


def describe_interval(attrs: Mapping[str, Any]) -> str:
    """Return what the intervals of scores are, ``""`` where there are none.

    For example "95 % intervals (bootstrap percentile) over stimuli and subjects".
    """
    if attrs.get("interval_kind", "none") == "none":
        return ""
    over = f" over {attrs['interval_over']}" if attrs.get("interval_over") else ""
    return f"{100 * float(attrs['interval_level']):g} % intervals ({attrs['interval_kind']}){over}"


def _read_rows(scores: xr.Dataset, variable: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the values of a variable over op and region as one row of regions per op."""
    values = scores[variable].transpose(OP, REGION).values.astype(float)  # (op, region)
    return dict(zip(names, values, strict=True))


def _check_ops(names: Sequence[str], ops: Sequence[str], what: str) -> None:
    graph_ops = set(ops)
    strange = [name for name in names if name not in graph_ops]
    if strange:
        raise LabelError(
            f"{what} must name ops of this graph, but it has no {list_names(strange)}. Trace the "
            f"model that was scored, or drop them with {what}.sel(op=[op.name for op in "
            "trace.graph])."
        )


def _read_best(best: Any, names: Sequence[str], regions: Sequence[str]) -> BestOps:
    variables = getattr(best, "data_vars", {})
    missing = [name for name in BEST_VARIABLES if name not in variables]
    if missing:
        raise InputError(
            f"best must be the Dataset that assign_regions returns, got {type(best).__name__} "
            f"without {', '.join(missing)}. Pass best=assign_regions(scores)."
        )
    best = align_labels(best, regions, name="best", other="scores", dims=[REGION])
    chosen = [str(name) for name in best["best_op"].values]
    _check_ops([name for name in chosen if name], names, "best")
    positions: dict[str, list[int]] = {}
    for i, name in enumerate(chosen):
        if name:
            positions.setdefault(name, []).append(i)
    return BestOps(
        {name: tuple(those) for name, those in positions.items()},
        _read_ties(best["indistinguishable"], chosen),
        best["heldout_mean"].values.astype(float),
        best["doubtful"].values.astype(bool),
        {name: str(best.attrs[name]) for name in BEST_NOTES if best.attrs.get(name)},
    )


def _read_ties(tied: xr.DataArray, chosen: Sequence[str]) -> Marks:
    """Return the regions, by op, whose ``chosen`` best op cannot be told apart from it."""
    ties: Marks = {}
    tied = tied.transpose(OP, REGION).astype(bool)
    for name, row in zip(map(str, tied[OP].values), tied.values, strict=True):
        others = tuple(i for i in np.flatnonzero(row).tolist() if chosen[i] != name)
        if others:
            ties[name] = others
    return ties
