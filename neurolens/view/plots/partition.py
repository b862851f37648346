"""How feature spaces divide the variance that they explain."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.labels import REGION, SUBJECT
from neurolens.view import style
from neurolens.view.plots.canvas.legend import place_legend, write_caption
from neurolens.view.plots.canvas.maps import name_rows
from neurolens.view.plots.canvas.panels import SMALL, Canvas, open_axes, read_theme
from neurolens.view.plots.canvas.texts import lay_out, measure_text
from neurolens.view.plots.parts.borders import CATEGORY_COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPACE = "space"
NEEDED = ("unique_mean", "shared_mean", "r2_mean")
ROW = 0.34
LONGEST_NAME = 1.4


def plot_partition(
    partition: xr.Dataset,
    *,
    ax: "Axes | None" = None,
    theme: str = "light",
    width: float | None = None,
) -> "Axes":
    """Draw the held-out variance that each feature space explains alone, and that they share.

    A bar per region: parts above 0 lie one after another to the right, parts below 0 to the left,
    a dot stands at R² of all spaces, which is the sum of all parts. Parts are means over subjects,
    whose R² small dots show.

    Parameters
    ----------
    partition : Dataset
        What ``partition_variance`` returned.
    ax : Axes, optional
        To draw into; only these axes are styled.
    theme : str
        ``"light"`` or ``"dark"``.
    width : float, optional
        Of a new figure, in inches.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For anything else than such a Dataset.
    """
    colors = read_theme(theme)
    missing = [name for name in NEEDED if name not in getattr(partition, "data_vars", {})]
    if missing:
        raise InputError(
            f"plot_partition takes parts of explained variance, got {type(partition).__name__} "
            f"without {', '.join(missing)}. Pass what partition_variance(spaces, responses) "
            "returned.",
            anchor="wrong-object",
        )
    regions = [str(name) for name in partition[REGION].values]
    canvas = open_axes(ax, colors, size=(4.6, 0.5 + ROW * len(regions)), width=width)
    axis = canvas.panels[0]
    with style.apply_style(colors):
        entries = _draw_parts(canvas, partition)
        _draw_totals(canvas, partition, entries)
        axis.axvline(0, color=colors.arrow, linewidth=0.8, zorder=3)
        axis.set_ylim(len(regions) - 0.5, -0.5)
        axis.set_xlabel("held-out R²")
        axis.tick_params(axis="y", length=0)
        n_stimuli = partition.attrs.get("n_stimuli", "?")
        note = (
            f"variance partitioning · {partition.attrs.get('estimator', '')} · {n_stimuli} stimuli"
        )
        write_caption(canvas, [note, str(partition.attrs.get("score_note", ""))])
        place_legend(canvas, entries)
        lay_out(canvas)
        name_rows(axis, regions, room=min(LONGEST_NAME, max(map(measure_text, regions))))
        for tick, color in zip(
            axis.get_yticklabels(),
            style.assign_region_colors(regions, colors).values(),
            strict=False,
        ):
            tick.set_color(color)
        axis.tick_params(labelsize=SMALL)
        lay_out(canvas)
    return axis


def _draw_parts(canvas: Canvas, partition: xr.Dataset) -> dict[str, Any]:
    """Draw bars of parts, those of each space in its color, what is shared in gray."""
    axis = canvas.panels[0]
    spaces = [str(name) for name in partition[SPACE].values]
    unique = partition["unique_mean"].mean(SUBJECT).transpose(SPACE, REGION).values
    shared = partition["shared_mean"].mean(SUBJECT).values
    palette = CATEGORY_COLORS[canvas.theme.name]
    names = [f"{name} alone" for name in spaces]
    fills = [palette[i % len(palette)] for i in range(len(spaces))]
    parts = [*unique]
    middle = 1 if len(spaces) == 2 else len(spaces)
    # Of two spaces what they share stands between them.
    names.insert(middle, "shared")
    fills.insert(middle, canvas.theme.shortcut)
    parts.insert(middle, shared)
    right = np.zeros(len(shared))
    left = np.zeros(len(shared))
    entries: dict[str, Any] = {}
    for name, fill, part in zip(names, fills, parts, strict=True):
        known = np.nan_to_num(part)
        start = np.where(known >= 0, right, left)
        bars = axis.barh(
            np.arange(len(part)), known, left=start, height=0.56, color=fill, zorder=2,
            edgecolor=canvas.theme.page, linewidth=0.5,
        )  # fmt: skip
        right += np.maximum(known, 0)
        left += np.minimum(known, 0)
        entries[name] = bars
    return entries


def _draw_totals(canvas: Canvas, partition: xr.Dataset, entries: dict[str, Any]) -> None:
    """Draw R² of all spaces as a dot, and that of each subject as a small one."""
    axis = canvas.panels[0]
    theme = canvas.theme
    each = partition["r2_mean"].transpose(REGION, SUBJECT).values
    for row, values in enumerate(each):
        known = values[np.isfinite(values)]
        if not known.size:
            continue
        if len(known) > 1:
            [dots] = axis.plot(
                known, np.full(len(known), row + 0.38), "o", color=theme.arrow, ms=2, zorder=3,
                gid="subjects",
            )  # fmt: skip
            entries.setdefault("R² of subjects", dots)
        [dot] = axis.plot(
            known.mean(), row, "o", mfc=theme.page, mec=theme.ink, mew=1.1, ms=4.5, zorder=4,
            gid="total",
        )  # fmt: skip
        entries.setdefault("R² of all spaces", dot)
