"""Regions in the document: colors, noise ceilings, best ops and their contrast with controls."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.labels import REGION, TIME_BIN, get_ids
from neurolens.view import style
from neurolens.view.page.document.numbers import round_number
from neurolens.view.page.document.scores import select_bin

CONTROL = "control"
ALPHA = 0.05
# Of the paired test of a held-out score against that of a control, as `assign_regions` names them.
CONTRAST = {
    "difference": "control_difference",
    "low": "control_difference_ci_low",
    "high": "control_difference_ci_high",
    "p": "control_difference_p",
}


class Closest(NamedTuple):
    """The control with the largest held-out score in a region, by its label, and that score."""

    label: str
    score: float


def describe_regions(
    scores: xr.Dataset,
    best: xr.Dataset | None,
    index: Mapping[str, int],
    shown: int | None,
) -> list[dict[str, Any]]:
    """Return each region; ``index`` has the positions of ops, ``shown`` is the time bin to show."""
    names = [str(name) for name in scores[REGION].values]
    light = style.assign_region_colors(names)
    dark = style.assign_region_colors(names, style.DARK)
    now = select_bin(scores, shown)
    described = []
    for name in names:
        one = now.sel({REGION: name})
        ceiling = [round_number(one[f"ceiling_{side}"]) for side in ("lower", "upper")]
        entry: dict[str, Any] = {
            "id": name,
            "name": name,
            "colors": [light[name], dark[name]],
            "ceiling": None if ceiling == [None, None] else ceiling,
            "ceilingNote": describe_ceiling(ceiling, scores.attrs),
            "best": None if best is None else describe_best(best, name, index),
        }
        if shown is not None:
            entry["ceilings"] = _list_ceilings(scores, name)
        described.append(entry)
    return described


def describe_ceiling(ceiling: Sequence[float | None], attrs: Mapping[str, Any]) -> str:
    """Return what a region's ceiling is, or that there is none."""
    lower, upper = ceiling
    note = str(attrs.get("ceiling_note", ""))
    if lower is None and upper is None:
        return "no noise ceiling"
    if lower is not None and lower <= 0:
        return f"the subjects do not agree (lower noise ceiling ≤ 0). {note}"
    return note


def describe_best(best: xr.Dataset, region: str, index: Mapping[str, int]) -> dict[str, Any] | None:
    """Return a region's best op with its held-out score; None where none could be chosen."""
    row = best.sel({REGION: region})
    op = str(row["best_op"].item())
    if not op:
        return None
    closest = find_closest_control(row)
    return {
        "op": index[op],
        "heldout": round_number(row["heldout_mean"]),
        "low": _read(row, "heldout_ci_low"),
        "high": _read(row, "heldout_ci_high"),
        "p": _read(row, "heldout_p"),
        "agreement": _read(row, "agreement"),
        "doubtful": bool(row["doubtful"]),
        "naive": _read(row, "naive_score"),
        "margin": _read(row, "margin"),
        "depth": _read(row, "peak_depth"),
        "depthLow": _read(row, "peak_depth_low"),
        "depthHigh": _read(row, "peak_depth_high"),
        "control": None if closest is None else round_number(closest.score),
        "controlName": None if closest is None else closest.label,
        "contrast": None if closest is None else describe_contrast(row, closest.label),
    }


def find_closest_control(row: xr.Dataset) -> Closest | None:
    """Return the control that scores best in a region: what is above it is above all of them."""
    if "control_score" not in row:
        return None
    scores = row["control_score"].values.astype(float)  # (control,)
    if not np.isfinite(scores).any():
        return None
    position = int(np.nanargmax(scores))
    return Closest(str(row[CONTROL].values[position]), float(scores[position]))


def list_controls_of(best: xr.Dataset) -> list[str]:
    """Return the labels of the controls that ``best`` was made with.

    Raises
    ------
    LabelError
        When they have none.
    """
    return get_ids(best, CONTROL, "best").tolist() if "control_score" in best else []


def describe_contrast(row: xr.Dataset, label: str) -> dict[str, Any] | None:
    """Return the paired test of a region's held-out score against a control's, None without one."""
    if CONTRAST["difference"] not in row:
        return None
    control = row.sel({CONTROL: label})
    numbers: dict[str, Any] = {}
    for key, variable in CONTRAST.items():
        numbers[key] = round_number(control.get(variable, np.nan))
    if numbers["difference"] is None:
        return None
    return numbers | {"text": write_contrast(numbers, label)}


def write_contrast(numbers: Mapping[str, float | None], control_name: str) -> str:
    """Return a contrast in words: whether it is above, by how much, and its p value."""
    difference = numbers["difference"]
    if difference is None:
        return f"the difference from {control_name} is unknown"
    size = style.format_score(difference)
    if numbers["low"] is not None and numbers["high"] is not None:
        size += style.format_interval(numbers["low"], numbers["high"])
    if numbers["p"] is not None:
        size += f", {format_p(numbers['p'])}"
    if is_above(numbers):
        return f"above {control_name} by {size}"
    return f"not reliably above {control_name}: difference {size}"


def is_above(numbers: Mapping[str, float | None]) -> bool:
    """Return whether a difference is above 0 by its p value, or else by its interval."""
    if numbers["p"] is not None:
        return (numbers["difference"] or 0) > 0 and numbers["p"] <= ALPHA
    return numbers["low"] is not None and numbers["low"] > 0


def format_p(p: float) -> str:
    """Write a p value as papers do.

    Examples
    --------
    >>> format_p(0.0412), format_p(0.00002), format_p(1.0)
    ('p = .041', 'p < .001', 'p = 1.000')
    """
    if p < 0.001:
        return "p < .001"
    is_rounded_to_level = ALPHA < p < ALPHA + 0.0005
    return f"p = {style.format_score(p, 4 if is_rounded_to_level else 3)}"


def _read(row: xr.Dataset, name: str) -> float | None:
    return round_number(row[name]) if name in row else None


def _list_ceilings(scores: xr.Dataset, region: str) -> list[list[float | None]]:
    """Return lower and upper ceiling of a region in each time bin."""
    one = scores.sel({REGION: region})
    bins = []
    for i in range(scores.sizes[TIME_BIN]):
        now = one.isel({TIME_BIN: i})
        bins.append([round_number(now[f"ceiling_{side}"]) for side in ("lower", "upper")])
    return bins
