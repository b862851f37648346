"""The table of best ops as text for a terminal."""

import textwrap
from collections.abc import Mapping

import numpy as np
import xarray as xr

from neurolens.labels import REGION, list_names
from neurolens.scores import SPLIT
from neurolens.view import style

HEADS = (
    "region", "best op", "biased", "held-out", "interval", "control", "ceiling", "same choice",
    "candidates",
)  # fmt: skip
WIDTH = 100
NOTES = ("best_note", "set_note", "doubt_note", "control_note")


def format_best(
    scores: xr.Dataset, best: xr.Dataset, more: tuple[str, Mapping[str, str]] | None = None
) -> str:
    """Return the best op of each region in a table, and notes on what it says.

    ``more`` is the heading of a further column and its texts by region.
    """
    rows = [list(HEADS), *(list_cells(scores, best, str(name)) for name in best[REGION].values)]
    if more is not None:
        heading, texts = more
        rows = [[*row, texts.get(row[0], heading)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    lines = []
    for row in rows:
        cells = map(str.ljust, row, widths)
        lines.append("  ".join(cells).rstrip())
    lines += textwrap.wrap(
        f"Biased: score ({scores.attrs['measure']}) on all stimuli, which chose the op. Control: "
        f"held-out score of {_name_controls(best)}. Same choice: share of "
        f"{2 * scores.sizes[SPLIT]} random halves that choose it. Candidates: ops that cannot be "
        "told apart from the best one.",
        WIDTH,
    )
    for name in NOTES:
        lines += textwrap.wrap(str(best.attrs.get(name, "")), WIDTH)
    return "\n".join(lines)


def list_cells(scores: xr.Dataset, best: xr.Dataset, region: str) -> list[str]:
    """Return the row of a region."""
    row = best.sel({REGION: region})
    bounds = [scores[f"ceiling_{side}"].sel({REGION: region}).item() for side in ("lower", "upper")]
    known = [style.format_score(bound, 3) for bound in bounds if np.isfinite(bound)]
    ends = [row[f"heldout_ci_{end}"].item() for end in ("low", "high")]
    agreement = row["agreement"].item()
    doubt = " (in doubt)" if row["doubtful"].item() else ""
    controls: list[float] = []
    if "control_score" in row:
        controls = row["control_score"].values.tolist()
    return [
        region,
        str(row["best_op"].item()),
        style.format_score(row["naive_score"].item(), 3),
        style.format_score(row["heldout_mean"].item(), 3),
        style.format_interval(ends[0], ends[1], 3).strip() or "none",
        ", ".join(style.format_score(control, 3) for control in controls) or "none",
        "–".join(dict.fromkeys(known)) or "none",
        f"{style.format_share(agreement)}{doubt if np.isfinite(agreement) else ''}",
        str(int(row["indistinguishable"].sum())),
    ]


def _name_controls(best: xr.Dataset) -> str:
    """Return what the controls are, in the order of their scores."""
    if "control_score" not in best:
        return "a control, of which there is none"
    return list_names(best["control"].values, 12)
