"""Scores in the document: of the model, and of controls and other networks beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    OP,
    REGION,
    SUBJECT,
    TIME_BIN,
    UNNAMED,
    align_labels,
    check_unique,
    get_ids,
    list_names,
)
from neurolens.scores import read_scores
from neurolens.view.page.document.budget import MOST_SUBJECT_SCORES
from neurolens.view.page.document.numbers import round_numbers

MEANS = {"mean": "score_mean", "low": "mean_ci_low", "high": "mean_ci_high"}
# What must be the same for scores to be compared.
ALIKE = ("method", "measure", "dissimilarity", "estimator", "n_stimuli")


@dataclass(frozen=True)
class Compared:
    """Scores of one model.

    Attributes
    ----------
    id : str
        ``"model"`` for the page's own, ``"other1"`` for the first beside it.
    label : str
    scores : Dataset
        As `read_scores` returns them, the regions in the order of the page's.
    trace : Trace, Graph or None
        None where it has the ops of the page's model.
    """

    id: str
    label: str
    scores: xr.Dataset
    trace: Any = None


def list_controls(control: Any, scores: xr.Dataset) -> list[Compared]:
    """Return the scores beside ``scores``, checked to be made like them.

    Parameters
    ----------
    control : None, Dataset, (label, Dataset), (label, Dataset, trace), or a list or mapping
        Without a label it is the attribute ``label`` of the scores; else "control", of several
        with a number from 1, as ``assign_regions`` has it.
    scores : Dataset
        As `read_scores` returns them.

    Raises
    ------
    InputError
        For anything else, or scores by another method or of other stimuli.
    LabelError
        When regions differ, or two controls have one label.
    """
    if control is None:
        return []
    if isinstance(control, Mapping) and not isinstance(control, xr.Dataset):
        control = [
            (str(label), *(one if isinstance(one, tuple) else (one,)))
            for label, one in control.items()
        ]
    entries = control if isinstance(control, list) else [control]
    controls = [_read_control(entry, scores, i, len(entries)) for i, entry in enumerate(entries, 1)]
    check_unique([one.label for one in controls], "the labels of control")
    return controls


def match_controls(controls: Sequence[Compared], tested: Sequence[str]) -> None:
    """Raise LabelError unless each control of the same network is one that best ops were tested on.

    Parameters
    ----------
    controls : sequence of Compared
    tested : sequence of str
        Labels of the controls of ``assign_regions``; where there are none, nothing is checked.
    """
    strange = [one.label for one in controls if one.trace is None and one.label not in tested]
    if tested and strange:
        raise LabelError(
            f"best was made with controls {list_names(tested)}, but control has "
            f"{list_names(strange)}. Give both one label: assign_regions(scores, "
            f"control={{{strange[0]!r}: other_scores}}) and control=({strange[0]!r}, "
            "other_scores).",
            anchor="scores-made-differently",
        )
    numbered = {f"control {number}" for number in range(1, len(controls) + 1)}
    unnamed = [one.label for one in controls if one.label in numbered]
    if tested and len(unnamed) > 1:
        raise LabelError(
            f"several controls need labels to be matched with those of best, got "
            f"{list_names(unnamed)}. Pass control={{'seed 0': scores_0, 'seed 1': scores_1}} to "
            "assign_regions and here.",
            anchor="unknown-region",
        )


def check_ops(scores: xr.Dataset, ops: Sequence[str], name: str) -> None:
    """Raise LabelError unless all ops of ``scores`` are among ``ops``, those of a graph."""
    known = set(ops)
    strange = [str(op) for op in get_ids(scores, OP, name) if str(op) not in known]
    if strange:
        raise LabelError(
            f"{name} must name ops of this graph, but it has no {list_names(strange)}. Trace the "
            f"model that was scored; for a control of another network, pass its trace as well: "
            "control=(label, scores, trace).",
            anchor="scores-of-another-network",
        )


def find_shown_bin(scores: xr.Dataset) -> int | None:
    """Return the time bin in which ops fit best, averaged over regions; None without time bins."""
    if TIME_BIN not in scores["score_mean"].dims:
        return None
    largest = scores["score_mean"].max(OP).mean(REGION)  # (time_bin,)
    return int(largest.fillna(-np.inf).argmax(TIME_BIN))


def select_bin(data: xr.Dataset, shown: int | None) -> xr.Dataset:
    """Return what ``data`` holds in one time bin; without time bins all of it."""
    if shown is None or TIME_BIN not in data.dims:
        return data
    return data.isel({TIME_BIN: shown}, drop=True)


def describe_scores(
    scores: xr.Dataset, ops: Sequence[str], shown: int | None, best: xr.Dataset | None = None
) -> dict[str, Any]:
    """Return the scores of each region, with one entry per op of the graph.

    Of scores over time, those beside ``times`` are of the bin ``shown``, the same of all models.
    """
    index = {name: i for i, name in enumerate(ops)}
    rows = np.array([index[str(name)] for name in scores[OP].values])
    now = select_bin(scores, shown)
    described = {}
    for region in map(str, scores[REGION].values):
        one = now.sel({REGION: region})
        entry: dict[str, Any] = {}
        for key, variable in MEANS.items():
            entry[key] = _spread(one[variable].values, rows, len(ops))
        for key in ("p", "q"):
            entry[key] = _spread(one[key].values, rows, len(ops)) if key in one else None
        entry["ties"] = list_ties(best, region, index)
        entry["subjects"] = _describe_subjects(now, region, rows, len(ops))
        entry["times"] = _describe_times(scores.sel({REGION: region}), shown, rows, len(ops))
        described[region] = entry
    return described


def list_ties(best: xr.Dataset | None, region: str, index: dict[str, int]) -> list[int]:
    """Return the ops that cannot be told apart from a region's best op, which is left out."""
    if best is None or OP not in best.coords:
        return []
    row = best.sel({REGION: region})
    chosen = str(row["best_op"].item())
    tied = row[OP].values[row["indistinguishable"].values.astype(bool)]
    return sorted(index[str(name)] for name in tied if str(name) != chosen)


def _read_control(entry: Any, scores: xr.Dataset, number: int, n: int) -> Compared:
    label, found, trace = _split_entry(entry)
    found = read_scores(found, "control=", over_time=True)
    for key in ALIKE:
        ours = scores.attrs.get(key)
        theirs = found.attrs.get(key)
        if ours != theirs:
            raise InputError(
                f"control must be made like scores, with the {key} {ours!r}, got {theirs!r}. Make "
                "both with the same function, settings and stimuli.",
                anchor="scores-made-differently",
            )
    regions = [str(name) for name in scores[REGION].values]
    found = align_labels(found, regions, name="control", other="scores", dims=[REGION])
    if TIME_BIN in scores.dims or TIME_BIN in found.dims:
        found = _match_bins(found, scores)
    label = label or str(found.attrs.get("label", ""))
    label = label or ("control" if n == 1 else f"control {number}")
    return Compared(f"other{number}", label, found, trace)


def _split_entry(entry: Any) -> tuple[str, Any, Any]:
    """Return label, scores and trace of what was passed as a control."""
    if not isinstance(entry, tuple):
        return "", entry, None
    if len(entry) not in (2, 3) or not isinstance(entry[0], str):
        raise InputError(
            "control must be scores, (label, scores) or (label, scores, trace), or a list of "
            f"these, got a tuple of {[type(part).__name__ for part in entry]}. Write e.g. "
            "control=('random weights', scores_of_random_weights)."
        )
    label, scores, *rest = entry
    return label, scores, rest[0] if rest else None


def _match_bins(found: xr.Dataset, scores: xr.Dataset) -> xr.Dataset:
    if TIME_BIN not in scores.dims or TIME_BIN not in found.dims:
        raise InputError(
            "control and scores must both have time bins, or neither. Make both with the same "
            "function, settings and time bins.",
            anchor="scores-made-differently",
        )
    bins = scores[TIME_BIN].values.tolist()
    return align_labels(found, bins, name="control", other="scores", dims=[TIME_BIN])


def _spread(values: np.ndarray, rows: np.ndarray, n_ops: int) -> list[float | None]:
    """Return ``values`` (op of the scores,) as one entry per op of the graph."""
    spread = np.full(n_ops, np.nan)
    spread[rows] = values
    return round_numbers(spread)


def _describe_subjects(
    scores: xr.Dataset, region: str, rows: np.ndarray, n_ops: int
) -> dict[str, Any] | None:
    """Return the scores of each subject that has the region; None for a single one.

    None as well where all subjects of all regions would be more than fit.
    """
    if scores["score"].size > MOST_SUBJECT_SCORES:
        return None
    score = scores["score"].sel({REGION: region}).transpose(SUBJECT, OP)
    score = score[np.isfinite(score.values).any(axis=1)]
    names = [str(name) for name in score[SUBJECT].values]
    if len(names) < 2 or names == [UNNAMED[SUBJECT]]:
        return None
    values = [_spread(row, rows, n_ops) for row in score.values]
    return {"names": names, "values": values}


def _describe_times(
    scores: xr.Dataset, shown: int | None, rows: np.ndarray, n_ops: int
) -> dict[str, Any] | None:
    if shown is None:
        return None
    described: dict[str, Any] = {
        "labels": [str(label) for label in scores[TIME_BIN].values.tolist()],
        "shown": shown,
    }
    for key, variable in MEANS.items():
        table = scores[variable].transpose(TIME_BIN, OP).values
        described[key] = [_spread(row, rows, n_ops) for row in table]
    return described
