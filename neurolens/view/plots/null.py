"""Null distributions: what a score is when nothing is related, and where the score stands."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import OP, REGION, list_names
from neurolens.scores import read_scores
from neurolens.view import style
from neurolens.view.annotation import describe_method
from neurolens.view.plots.canvas.legend import place_legend, write_caption, write_header
from neurolens.view.plots.canvas.panels import (
    Canvas,
    Cell,
    list_bottom,
    list_left,
    open_panels,
    read_theme,
)
from neurolens.view.plots.canvas.texts import lay_out
from neurolens.view.plots.canvas.words import name_measure
from neurolens.view.plots.parts.curves import select_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from neurolens.view.plots.canvas.figure import Panels

NULL = "null_score"
PERMUTATION = "permutation"
MOST_BARS = 40
CELL = Cell(1.7, 1.8, 0.5, 0.2)


def plot_null(
    scores: xr.Dataset,
    *,
    ops: str | Mapping[str, str] | None = None,
    time_bin: Any = None,
    axes: "Sequence[Axes] | None" = None,
    theme: str = "light",
    width: float | None = None,
) -> "Panels":
    """Draw the scores of one op per region under permutation, and its score as a line.

    Parameters
    ----------
    scores : Dataset
        What ``permute_rdms`` or ``permute_encoding`` returned, called with ``keep_null=True``.
    ops : str, or mapping of region to op, optional
        Which op to draw; by default the one with the largest score in each region.
    time_bin : optional
        Label of the time bin to draw, for scores that have several.
    axes : sequence of Axes, optional
        One per region. Only these are styled.
    theme : str
        ``"light"`` or ``"dark"``.
    width : float, optional
        Of a new figure, in inches.

    Returns
    -------
    Panels, a list of Axes
        One per region.

    Raises
    ------
    InputError
        For anything else than such scores.
    LabelError
        There is no such op or region.

    Notes
    -----
    The largest of many scores is compared with the null of the same op, which does not know of the
    choice: its p is that of an op chosen in advance. ``p_max``, written where it is known, is not.
    """
    colors = read_theme(theme)
    scores = read_scores(scores, "plot_null", over_time=True)
    scores = select_time(scores, time_bin, "plot_null")
    if NULL not in scores:
        raise InputError(
            "plot_null takes scores that hold those under permutation. Make scores with "
            "permute_rdms(..., keep_null=True) or permute_encoding(..., keep_null=True).",
            anchor="wrong-object",
        )
    chosen = _choose_ops(scores, ops)
    regions = list(chosen)
    canvas = open_panels(axes, regions, colors, cell=CELL, width=width)
    with style.apply_style(colors):
        attrs = scores.attrs
        n = attrs.get("n_permutations", scores.sizes[PERMUTATION])
        over = f", over {attrs['inference_over']}" if attrs.get("inference_over") else ""
        note = f"{n} permutations ({attrs.get('permuted', 'stimuli')}){over}"
        tested = "tested_score" if "tested_score" in scores else "score_mean"
        if tested == "tested_score":
            note += f", of {attrs.get('tested', 'the tested score')}"
        write_caption(canvas, [describe_method(attrs), f"{note}."])
        region_colors = style.assign_region_colors(regions, colors)
        entries: dict[str, Any] = {}
        for axis, region in zip(canvas.panels, regions, strict=True):
            one = scores.sel({REGION: region, OP: chosen[region]})
            _draw_null(canvas, axis, one, tested, region_colors[region], entries)
        for axis in list_left(canvas):
            axis.set_ylabel("permutations")
        for axis in list_bottom(canvas):
            axis.set_xlabel(name_measure(attrs))
        place_legend(canvas, entries)
        lay_out(canvas)
        for axis, region in zip(canvas.panels, regions, strict=True):
            one = scores.sel({REGION: region, OP: chosen[region]})
            notes = [chosen[region], *_describe_p(one)]
            write_header(canvas, axis, region, notes, region_colors[region])
    return canvas.panels


def _choose_ops(scores: xr.Dataset, ops: Any) -> dict[str, str]:
    """Return an op per region, the one with the largest score unless ``ops`` says which."""
    regions = [str(name) for name in scores[REGION].values]
    names = [str(name) for name in scores[OP].values]
    if ops is None:
        mean = scores["score_mean"].transpose(REGION, OP).values
        known = np.where(np.isnan(mean), -np.inf, mean)
        return {
            region: names[int(row.argmax())] for region, row in zip(regions, known, strict=True)
        }
    chosen = dict(ops) if isinstance(ops, Mapping) else dict.fromkeys(regions, ops)
    unknown = [one for one in chosen if one not in regions]
    unknown += [one for one in chosen.values() if one not in names]
    if unknown or not chosen:
        raise LabelError(
            f"scores have no {list_names(unknown or ['op'])}. Pass ops={{region: op}} with regions "
            f"{list_names(regions)} and ops such as {list_names(names[:3])}.",
            anchor="unknown-region",
        )
    return chosen


def _draw_null(
    canvas: Canvas,
    axis: "Axes",
    one: xr.Dataset,
    tested: str,
    color: str,
    entries: dict[str, Any],
) -> None:
    theme = canvas.theme
    null = one[NULL].values.astype(float)
    null = null[np.isfinite(null)]
    score = float(one[tested])
    bins = min(MOST_BARS, max(8, int(np.sqrt(len(null)))))
    if len(null):
        _, _, bars = axis.hist(null, bins=bins, color=theme.shortcut, linewidth=0, zorder=2)
        entries.setdefault("scores under permutation", bars)
    line = axis.axvline(score, color=color, linewidth=1.8, zorder=3)
    entries.setdefault("score" if tested == "score_mean" else "tested score", line)
    # The line of a score far outside would be cut off by the frame.
    axis.margins(x=0.08)


def _describe_p(one: xr.Dataset) -> list[str]:
    """Return p and q of the op alone, and p of the largest of all, in two lines."""
    known = {name: float(one[name]) for name in ("p", "q", "p_max") if name in one}
    texts = {name: style.format_score(value, 3) for name, value in known.items()}
    alone = " · ".join(f"{name} {texts[name]}" for name in ("p", "q") if name in texts)
    return [alone, f"p of the maximum {texts['p_max']}" if "p_max" in texts else ""]
