"""Reading of scores and best ops into what is drawn."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    OP,
    REGION,
    TIME_BIN,
    align_labels,
    check_unique,
    get_ids,
    list_names,
)
from neurolens.view.annotation.outputs import fold_best, fold_outputs
from neurolens.view.annotation.records import Annotation, BestOps, Marks, Rows

SCORE_VARIABLES = ("score_mean", "mean_ci_low", "mean_ci_high", "ceiling_lower", "ceiling_upper")
BEST_VARIABLES = ("best_op", "heldout_mean", "doubtful", "indistinguishable")
# Sentences among the attributes of best ops.
BEST_NOTES = ("best_note", "set_note", "doubt_note")
MOST_LISTED = 12
FROM_THESE = "Pass best=assign_regions(scores), of the scores that are drawn."
# Of the score of a best op, in scores and among best ops; files may hold them in single precision.
TOLERANCE = 1e-5


def annotate_ops(
    scores: xr.Dataset,
    *,
    ops: Sequence[str] | None = None,
    best: xr.Dataset | None = None,
    regions: str | Sequence[str] | None = None,
    time_bin: Any = None,
) -> Annotation:
    """Read a scores Dataset, and the best ops if given, into an ``Annotation``.

    Parameters
    ----------
    scores : Dataset
        As `read_scores` returns them.
    ops : sequence of str, optional
        Those of the graph; all ops of the scores must be among them. Scores of several outputs of
        one op become those of the op, as `fold_outputs` says.
    best : Dataset, optional
        What ``assign_regions`` returned.
    regions : str or sequence of str, optional
        Those to show, in this order; by default all.
    time_bin : optional
        Label of the time bin to show; needed for scores with several.

    Raises
    ------
    InputError
        For scores without means or ceilings, or of several time bins of which none was chosen, or
        ``best`` that ``assign_regions`` did not return, or returned for other scores.
    LabelError
        When regions differ, a region or time bin is unknown, or an op is none of ``ops``.
    """
    missing = [name for name in SCORE_VARIABLES if name not in scores]
    if missing:
        raise InputError(
            f"{', '.join(missing)} is missing from these scores. Pass the Dataset that "
            f"compare_rdms or fit_encoding returned as it is.",
            anchor="wrong-object",
        )
    scores, bin_name = _select_time(scores, time_bin)
    if ops is not None:
        scores = fold_outputs(scores, ops)
        best = fold_best(best, ops)
    names = [str(name) for name in get_ids(scores, OP, "scores")]
    if ops is not None:
        _check_ops(names, ops, "scores")
    found = [str(name) for name in get_ids(scores, REGION, "scores")]
    positions = _find_regions(found, regions)
    if best is not None:
        best = _check_best(best, names, found)
        _check_origin(best, scores)
    scores = scores.isel({REGION: positions})
    if np.isinf(scores["score_mean"].values).any():
        raise InputError("scores are infinite for some op. Replace these by NaN, no score.")
    shown = tuple(found[i] for i in positions)
    return Annotation(
        regions=shown,
        means=_read_rows(scores, "score_mean", names),
        lows=_read_rows(scores, "mean_ci_low", names),
        highs=_read_rows(scores, "mean_ci_high", names),
        qs=_read_rows(scores, "q", names) if "q" in scores else {},
        ceiling_lower=scores["ceiling_lower"].values.astype(float),
        ceiling_upper=scores["ceiling_upper"].values.astype(float),
        attrs=dict(scores.attrs),
        top_ops=_read_best(best, positions),
        time_bin=bin_name,
    )


def _select_time(scores: xr.Dataset, time_bin: Any) -> tuple[xr.Dataset, str]:
    """Return scores of one time bin, without that dimension, and its label as text."""
    if TIME_BIN not in scores.dims:
        label = str(scores[TIME_BIN].item()) if TIME_BIN in scores.coords else ""
        if time_bin is not None and str(time_bin) != label:
            raise LabelError(
                f"time_bin={time_bin!r}: these scores have no time bins to choose from. Leave "
                "time_bin out.",
                anchor="one-time-bin",
            )
        return scores, label
    bins = get_ids(scores, TIME_BIN, "scores").tolist()
    if time_bin is None and len(bins) > 1:
        raise InputError(
            f"scores have {len(bins)} time bins, of which one can be shown: "
            f"{list_names(bins, MOST_LISTED)}. Choose with time_bin={bins[0]!r}, or pass "
            f"scores.sel(time_bin={bins[0]!r}).",
            anchor="one-time-bin",
        )
    if time_bin is not None and time_bin not in bins:
        raise LabelError(
            f"time_bin={time_bin!r}: scores have no such time bin, only "
            f"{list_names(bins, MOST_LISTED)}.",
            anchor="one-time-bin",
        )
    position = 0 if time_bin is None else bins.index(time_bin)
    return scores.isel({TIME_BIN: position}, drop=True), str(bins[position])


def _find_regions(found: Sequence[str], regions: str | Sequence[str] | None) -> list[int]:
    """Return the positions of the regions to show, in their order."""
    if regions is None:
        return list(range(len(found)))
    if not isinstance(regions, str | Iterable):
        raise InputError(
            f"regions must be one name or several, got {regions!r}. Type e.g. "
            f"regions={found[:2]!r}."
        )
    wanted = [regions] if isinstance(regions, str) else [str(name) for name in regions]
    if not wanted:
        raise InputError("regions is empty, so there is nothing to show. Leave regions out.")
    unknown = [name for name in wanted if name not in found]
    if unknown:
        raise LabelError(
            f"regions must be among those of the scores, which have no {list_names(unknown)}. "
            f"They have {list_names(found, MOST_LISTED)}.",
            anchor="unknown-region",
        )
    check_unique(wanted, "regions")
    return [found.index(name) for name in wanted]


def _read_rows(scores: xr.Dataset, variable: str, names: Sequence[str]) -> Rows:
    """Return the values of a variable over op and region as one row of regions per op."""
    values = scores[variable].transpose(OP, REGION).values.astype(float)  # (op, region)
    return dict(zip(names, values, strict=True))


def _check_ops(names: Sequence[str], ops: Sequence[str], what: str) -> None:
    graph_ops = set(ops)
    strange = [name for name in names if name not in graph_ops]
    if strange:
        raise LabelError(
            f"{what} must name ops of this graph, but it has no {list_names(strange)}. Trace the "
            f"model that was scored, or drop them with {what}.sel(op=[name for name in "
            f"{what}.op.values if name in trace.graph.by_name]).",
            anchor="scores-of-another-network",
        )


def _check_best(best: Any, names: Sequence[str], regions: Sequence[str]) -> xr.Dataset:
    """Return best ops in the order of ``regions``, which must be theirs."""
    variables = getattr(best, "data_vars", {})
    missing = [name for name in BEST_VARIABLES if name not in variables]
    if missing:
        raise InputError(
            f"best must be the Dataset that assign_regions returns, got {type(best).__name__} "
            f"without {', '.join(missing)}. Pass best=assign_regions(scores).",
            anchor="wrong-object",
        )
    best = align_labels(best, regions, name="best", other="scores", dims=[REGION])
    chosen = [str(name) for name in best["best_op"].values]
    _check_ops([name for name in chosen if name], names, "best")
    return best


def _check_origin(best: xr.Dataset, scores: xr.Dataset) -> None:
    """Raise InputError where best ops were not chosen from these scores.

    ``best`` has the regions of ``scores`` in their order. ``naive_score`` is the score of the best
    op on all stimuli, and the same number stands among the scores.
    """
    for name in ("method", "measure", "dissimilarity"):
        made = best.attrs.get(name, scores.attrs.get(name))
        if made != scores.attrs.get(name, made):
            raise InputError(
                f"best was chosen from scores of {name} {made!r}, and these scores are of "
                f"{scores.attrs[name]!r}. {FROM_THESE}",
                anchor="scores-made-differently",
            )
    if "naive_score" not in best:
        return
    table = scores["score_mean"].transpose(OP, REGION)
    rows = {str(name): row for name, row in zip(table[OP].values, table.values, strict=True)}
    pairs = zip(best["best_op"].values, best["naive_score"].values, strict=True)
    for i, (op, naive) in enumerate(pairs):
        value = rows[str(op)][i] if op else naive
        if not np.isclose(value, naive, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            raise InputError(
                f"best was chosen from other scores: its best op of "
                f"{str(best[REGION].values[i])!r}, {str(op)!r}, scored {naive:.4g} there and "
                f"{value:.4g} in these scores. {FROM_THESE}",
                anchor="scores-made-differently",
            )


def _read_best(best: xr.Dataset | None, positions: Sequence[int]) -> BestOps:
    """Return the best ops of the regions at ``positions``."""
    unknown = np.full(len(positions), np.nan)
    if best is None:
        doubtful = np.zeros(len(positions), dtype=bool)
        return BestOps({}, {}, unknown, unknown, unknown, unknown, doubtful, {})
    best = best.isel({REGION: list(positions)})
    chosen = [str(name) for name in best["best_op"].values]
    regions_of: dict[str, list[int]] = {}
    for i, name in enumerate(chosen):
        if name:
            regions_of.setdefault(name, []).append(i)
    bounds = {}
    for name in ("heldout_ci_low", "heldout_ci_high", "heldout_p"):
        bounds[name] = best[name].values.astype(float) if name in best else unknown
    return BestOps(
        chosen={name: tuple(those) for name, those in regions_of.items()},
        ties=_read_ties(best["indistinguishable"], chosen),
        score=best["heldout_mean"].values.astype(float),
        low=bounds["heldout_ci_low"],
        high=bounds["heldout_ci_high"],
        p=bounds["heldout_p"],
        doubtful=best["doubtful"].values.astype(bool),
        notes={name: str(best.attrs[name]) for name in BEST_NOTES if best.attrs.get(name)},
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
