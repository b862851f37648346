"""Scores as a notebook shows them: the best op of each region, then every op, folded."""

from typing import Any

import numpy as np
import xarray as xr

from neurolens.scores import list_references, read_scores
from neurolens.support.tables import (
    MOST_ROWS,
    write_block,
    write_facts,
    write_folded,
    write_table,
)
from neurolens.view.annotation import (
    Annotation,
    annotate_ops,
    describe_interval,
    describe_method,
)
from neurolens.view.style import format_interval, format_score

DIGITS = 3
# Columns of the table of all ops.
MOST_REGIONS = 12


class ScoresView:
    """A table of scores for a notebook; ``print`` shows the best ops as text."""

    def __init__(self, scores: xr.Dataset, note: Annotation) -> None:
        self._scores = scores
        self._note = note

    def __repr__(self) -> str:
        n_ops = len(self._note.means)
        return f"<ScoresView: {n_ops} ops, {len(self._note.regions)} regions>"

    def __str__(self) -> str:
        columns, rows = _list_best(self._scores, self._note)
        lines = [describe_method(self._note.attrs)]
        for row in rows:
            pairs = zip(columns, row, strict=True)
            lines.append("  ".join(f"{column} {value}" for column, value in pairs))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        note = self._note
        columns, rows = _list_best(self._scores, note)
        facts = [
            ("intervals", describe_interval(note.attrs)),
            ("ceilings", note.attrs.get("ceiling_note")),
            *(("note", sentence) for sentence in (*note.notes.values(), *note.describe_gaps())),
        ]
        methods = [("methods", note.attrs.get("methods_text"))]
        methods += [("reference", one) for one in list_references(note.attrs)]
        parts = [
            write_table(columns, rows, len(rows)),
            write_facts(facts),
            write_folded(f"all ops ({len(note.means):,})", _write_ops(note)),
            write_folded("methods", write_facts(methods)),
        ]
        return write_block(describe_method(note.attrs), parts)


def show_scores(scores: xr.Dataset, best: xr.Dataset | None = None) -> ScoresView:
    """Return scores as a table that a notebook shows.

    Parameters
    ----------
    scores : Dataset
        What ``compare_rdms``, ``fit_encoding`` or another method returned.
    best : Dataset, optional
        What ``assign_regions`` returned: the table then has each region's best op with its held-out
        score. Without it, it has the op with the largest score, whose score is too high on average,
        and says so.

    Returns
    -------
    ScoresView
        Shown as the last line of a cell: best ops, all ops and methods, folded.

    Raises
    ------
    InputError, LabelError
        They are no scores or best ops, or of different regions; scores are over time bins.

    Examples
    --------
    >>> import xarray as xr
    >>> from neurolens.scores import build_scores
    >>> coords = {"op": ["conv", "relu"], "region": ["V1"]}
    >>> score = xr.DataArray([[0.2], [0.3]], coords, ("op", "region"))
    >>> print(show_scores(build_scores(score, method="rsa", measure="rho-a", n_stimuli=92)))
    RSA · rho-a · 92 stimuli
    region V1  op with the largest score relu  its score, too high on average .300  ceiling none
    """
    checked = read_scores(scores, "show_scores")
    return ScoresView(checked, annotate_ops(checked, best=best))


def _list_best(scores: xr.Dataset, note: Annotation) -> tuple[list[str], list[list[Any]]]:
    """Return the columns and rows of the table of best ops."""
    if note.best or np.isfinite(note.heldout).any():
        columns = ["region", "best op", "held-out score", "on all stimuli", "ties", "ceiling"]
        return columns, [_write_chosen(note, i) for i in range(len(note.regions))]
    columns = ["region", "op with the largest score", "its score, too high on average"]
    if note.has_intervals:
        columns.append("interval")
    rows = []
    names = list(note.means)
    table = np.array(list(note.means.values())).reshape(-1, len(note.regions))  # (op, region)
    for i, region in enumerate(note.regions):
        if not np.isfinite(table[:, i]).any():
            rows.append([region, "no op has a score", "–", *([""] * note.has_intervals), "none"])
            continue
        op = names[int(np.nanargmax(table[:, i]))]
        row = [region, op, format_score(float(note.means[op][i]), DIGITS)]
        if note.has_intervals:
            row.append(format_interval(note.lows[op][i], note.highs[op][i], DIGITS).strip())
        rows.append([*row, note.describe_ceiling(i)])
    return [*columns, "ceiling"], rows


def _write_chosen(note: Annotation, i: int) -> list[Any]:
    """Return the row of a region whose best op was chosen."""
    chosen = [op for op, regions in note.best.items() if i in regions]
    ties = [op for op, regions in note.ties.items() if i in regions]
    if not chosen:
        return [note.regions[i], "none could be chosen", "–", "–", "", note.describe_ceiling(i)]
    op = chosen[0]
    doubt = " (in doubt)" if note.doubtful[i] else ""
    interval = format_interval(note.lows[op][i], note.highs[op][i], DIGITS)
    return [
        note.regions[i],
        op + doubt,
        format_score(float(note.heldout[i]), DIGITS),
        format_score(float(note.means[op][i]), DIGITS) + interval,
        f"{len(ties)} op{'s' * (len(ties) > 1)}" if ties else "none",
        note.describe_ceiling(i),
    ]


def _write_ops(note: Annotation) -> str:
    """Return a table of the scores of the first ops."""
    shown = note.regions[:MOST_REGIONS]
    rows = []
    for op in list(note.means)[:MOST_ROWS]:
        values = [format_score(float(note.means[op][i]), DIGITS) for i in range(len(shown))]
        rows.append([op, *values])
    rest = len(note.regions) - len(shown)
    table = write_table(["op", *shown], rows, len(note.means))
    return table + (f'<div style="opacity:.7">and {rest} more regions</div>' if rest else "")
