"""Models beside each other: scores, intervals, subjects, ceilings, and which of them differ."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.labels import OP, REGION, SUBJECT, align_labels
from neurolens.scores import read_scores
from neurolens.view import style
from neurolens.view.annotation import describe_interval, describe_method
from neurolens.view.plots.canvas.legend import place_legend, write_caption, write_header
from neurolens.view.plots.canvas.maps import name_rows
from neurolens.view.plots.canvas.panels import (
    SMALL,
    Canvas,
    Cell,
    list_bottom,
    list_left,
    open_panels,
    read_theme,
)
from neurolens.view.plots.canvas.texts import POINTS, lay_out, measure_text
from neurolens.view.plots.canvas.words import name_measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from neurolens.view.plots.canvas.figure import Panels

LONGEST_NAME = 1.6
# In inches: a row of the figure for each model.
ROW = 0.24
NEEDED = ("score_mean", "letters", "p_corrected")


def plot_models(
    table: xr.Dataset,
    *,
    scores: xr.Dataset | None = None,
    axes: "Sequence[Axes] | None" = None,
    theme: str = "light",
    width: float | None = None,
) -> "Panels":
    """Draw the scores of models, or of layers or ops, with all that tells them apart.

    A row per model: a dot at its score with its interval, small dots for subjects, and at the right
    its letters and stars: two models differ where they have no letter in common. The band is the
    noise ceiling.

    Parameters
    ----------
    table : Dataset
        What ``tabulate_models`` returned.
    scores : Dataset, optional
        The scores that the table was made from: then subjects are drawn one by one.
    axes : sequence of Axes, optional
        One per region. Only these are styled.
    theme : str
        ``"light"`` or ``"dark"``.
    width : float, optional
        Of a new figure, in inches.

    Returns
    -------
    Panels, a list of Axes
        One per region; models in the order of the table, from the top.

    Raises
    ------
    InputError
        For anything else than such a table and its scores.
    LabelError
        Scores lack a model or region of the table.
    """
    colors = read_theme(theme)
    _check_table(table)
    regions = [str(name) for name in table[REGION].values]
    models = [str(name) for name in table[OP].values]
    each = None
    if scores is not None:
        each = read_scores(scores, "plot_models")["score"]
        for dim, names in ((OP, models), (REGION, regions)):
            each = each.sel({dim: each[dim].isin(names)})
            each = align_labels(each, names, name="scores", other="the table", dims=[dim])
    room = min(LONGEST_NAME, max(map(measure_text, models)))
    cell = Cell(1.6, 0.5 + ROW * len(models), room + 0.2, 0.2)
    canvas = open_panels(axes, regions, colors, cell=cell, width=width, share_y=True)
    with style.apply_style(colors):
        write_caption(canvas, _describe_table(table))
        region_colors = style.assign_region_colors(regions, colors)
        entries: dict[str, Any] = {}
        for axis, region in zip(canvas.panels, regions, strict=True):
            one = table.sel({REGION: region})
            _draw_ceiling(canvas, axis, one, entries)
            _draw_models(canvas, axis, one, region_colors[region])
            if each is not None:
                values = each.sel({REGION: region}).transpose(OP, SUBJECT).values
                _draw_subjects(canvas, axis, values, entries)
            axis.set_ylim(len(models) - 0.4, -0.6)
            axis.tick_params(axis="y", length=0)
            if axis in list_bottom(canvas):
                axis.set_xlabel(name_measure(table.attrs))
        place_legend(canvas, entries)
        lay_out(canvas)
        left = list_left(canvas)
        for axis in left:
            name_rows(axis, models, room=room)
        _share_range(canvas)
        lay_out(canvas)
        for axis, region in zip(canvas.panels, regions, strict=True):
            if axis not in left and not canvas.is_own:
                axis.set_yticks([])
            write_header(canvas, axis, region, color=region_colors[region])
            _write_letters(canvas, axis, table.sel({REGION: region}))
    return canvas.panels


def _check_table(table: Any) -> None:
    """Raise InputError unless ``tabulate_models`` returned this."""
    missing = [name for name in NEEDED if name not in getattr(table, "data_vars", {})]
    if missing:
        raise InputError(
            f"plot_models takes a table of models, got {type(table).__name__} without "
            f"{', '.join(missing)}. Pass table=tabulate_models(scores).",
            anchor="wrong-object",
        )


def _describe_table(table: xr.Dataset) -> list[str]:
    """Return what is drawn, in sentences from the attributes of the table."""
    lines = [describe_method(table.attrs)]
    interval = describe_interval(table.attrs)
    if interval:
        lines.append(f"Lines: {interval}.")
    correction = {"holm": "Holm", "fdr": "FDR"}[str(table.attrs["correction"])]
    alpha = style.format_score(float(table.attrs["alpha"]))
    sentence = f"Without a letter in common: they differ, p ({correction}) ≤ {alpha}."
    if "stars" in table:
        sentence += " Stars: above chance, p ≤ .05, .01, .001, not corrected."
    return [*lines, sentence]


def _draw_ceiling(canvas: Canvas, axis: "Axes", one: xr.Dataset, entries: dict) -> None:
    lower = float(one["ceiling_lower"])
    upper = float(one["ceiling_upper"])
    if np.isfinite(lower):
        top = upper if np.isfinite(upper) else lower
        band = axis.axvspan(lower, top, color=canvas.theme.ceiling, linewidth=0.8, zorder=0)
        entries.setdefault("noise ceiling", band)
    elif np.isfinite(upper):
        line = axis.axvline(upper, color=canvas.theme.soft, linewidth=0.8, linestyle="dashed")
        entries.setdefault("noise ceiling, upper", line)


def _draw_models(canvas: Canvas, axis: "Axes", one: xr.Dataset, color: str) -> None:
    rows = np.arange(one.sizes[OP])
    mean = one["score_mean"].values
    axis.axvline(0, color=canvas.theme.card_line, linewidth=0.8, zorder=0.5)
    axis.hlines(
        rows, one["mean_ci_low"].values, one["mean_ci_high"].values, color=color, linewidth=1.2,
        zorder=3,
    )  # fmt: skip
    axis.plot(mean, rows, "o", color=color, ms=5, mec=canvas.theme.page, mew=0.7, zorder=4)


def _draw_subjects(canvas: Canvas, axis: "Axes", values: np.ndarray, entries: dict) -> None:
    for row, subjects in enumerate(values):
        known = subjects[np.isfinite(subjects)]
        if len(known) > 1:
            [dots] = axis.plot(
                known, np.full(len(known), row + 0.24), "o", color=canvas.theme.arrow, ms=2,
                zorder=2, gid="subjects",
            )  # fmt: skip
            entries.setdefault("subjects", dots)


def _share_range(canvas: Canvas) -> None:
    """Give all panels one range of scores, 0 included."""
    ends = [0.0]
    for axis in canvas.panels:
        ends += [end for end in axis.dataLim.intervalx if np.isfinite(end)]
    margin = 0.05 * ((max(ends) - min(ends)) or 1.0)
    for axis in canvas.panels:
        axis.set_xlim(min(ends) - margin, max(ends) + margin)


def _write_letters(canvas: Canvas, axis: "Axes", one: xr.Dataset) -> None:
    """Write letters and stars at the right of each row."""
    for row in range(one.sizes[OP]):
        stars = str(one["stars"].values[row]) if "stars" in one else ""
        text = f"{one['letters'].values[row]} {stars}".strip()
        if text:
            axis.annotate(
                text,
                (1, row),
                xytext=(0.04 * POINTS, 0),
                xycoords=axis.get_yaxis_transform(),
                textcoords="offset points",
                ha="left",
                va="center",
                fontsize=SMALL,
                color=canvas.theme.ink,
                annotation_clip=False,
            )
