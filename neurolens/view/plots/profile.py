"""Scores along the network: every op in order of execution, one panel per region."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.labels import OP, REGION, SUBJECT
from neurolens.view import style
from neurolens.view.annotation import BEST_NOTES, describe_interval, describe_method
from neurolens.view.plots.canvas.legend import place_legend, write_caption, write_header
from neurolens.view.plots.canvas.panels import (
    SMALL,
    Canvas,
    Cell,
    list_bottom,
    list_left,
    open_panels,
    read_theme,
)
from neurolens.view.plots.canvas.texts import lay_out, measure_panel
from neurolens.view.plots.canvas.words import name_measure
from neurolens.view.plots.parts.bands import find_bands, fit_labels
from neurolens.view.plots.parts.curves import (
    Curve,
    align_control,
    describe_ceilings,
    read_curves,
)
from neurolens.view.plots.parts.strips import (
    Strip,
    draw_strip,
    find_strips,
    measure_strips,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from neurolens.view.plots.canvas.figure import Panels

CELL = Cell(1.75, 2.0, 0.5, 0.15)
# A panel with more ops per inch than this has thin lines, and means over modules.
DENSEST = 80
# Modules whose means are drawn hold no more than this share of ops.
BLOCK = 0.1
DASHES = ("solid", "solid", "solid", "solid", "solid", "solid", "dashed", "dashed")


@dataclass
class Profile:
    """What is drawn: curves, a control, rows under the axis; and ``entries`` of the legend."""

    curves: list[Curve]
    colors: list[str]
    control: xr.Dataset | None
    strips: list[Strip]
    relative: bool
    entries: "dict[str, Artist]" = field(default_factory=dict)

    @property
    def is_single(self) -> bool:
        """Whether there is one model, whose line has the color of the region."""
        return len(self.curves) == 1


def plot_profile(
    scores: xr.Dataset | Mapping[str, xr.Dataset],
    *,
    best: xr.Dataset | Mapping[str, xr.Dataset] | None = None,
    graph: Any = None,
    control: xr.Dataset | Mapping[str, xr.Dataset] | None = None,
    subjects: bool = False,
    relative: bool | None = None,
    time_bin: Any = None,
    axes: "Sequence[Axes] | None" = None,
    theme: str = "light",
    width: float | None = None,
) -> "Panels":
    """Draw the score of every op in order of execution, one panel per region.

    Parameters
    ----------
    scores : Dataset, or mapping of label to Dataset
        What ``compare_rdms``, ``fit_encoding`` or another function that makes scores returned:
        means as a line, their intervals as a ribbon, the noise ceiling as a band. Where they hold
        ``q`` (``permute_rdms``, ``permute_encoding``), a row below the axis says where it is at
        most .05. Several models, by label, are drawn over each other; regions must be the same.
    best : Dataset, or mapping of label to Dataset, optional
        What ``assign_regions`` returned; a hollow dot marks each region's best op at the held-out
        score of the choice, with its interval. Rows below the axis hold the interval of the depth
        of the largest score, and the ops that cannot be told apart from the best one.
    graph : Trace or Graph, or mapping of label to these, optional
        Gives the order of ops and their modules; else the order and names in ``scores`` do.
    control : Dataset, or mapping of label to Dataset, optional
        Scores of the same ops to compare with, such as those of an untrained model; the label, or
        the attribute ``label``, names the line. For one model only.
    subjects : bool
        Whether to draw subjects one by one as thin lines. For one model only.
    relative : bool, optional
        Whether the x axis is depth from 0, the first op, to 1, the last. None: for several models.
    time_bin : optional
        Label of the time bin to draw, for scores that have several.
    axes : sequence of Axes, optional
        One per region, to draw into. Only these are styled; with the dark theme the color of the
        figure around them is yours to set.
    theme : str
        ``"light"`` or ``"dark"``.
    width : float, optional
        Of a new figure, in inches. None: as much as the panels need, up to 7.2.

    Returns
    -------
    Panels, a list of Axes
        One per region. A notebook displays the list of a new figure; ``.figure.savefig(path)``
        of it saves the figure.

    Raises
    ------
    InputError
        For scores that cannot be drawn, an option that cannot be used, or a number of axes that is
        not that of regions.
    LabelError
        When ``best``, ``control`` or ``graph`` do not have the same ops and regions.

    Notes
    -----
    With more than 80 ops per inch lines are thin, and thick ones are means over modules with at
    most a tenth of the ops each. Time O(ops regions).
    """
    colors = read_theme(theme)
    curves = read_curves(scores, best, graph, time_bin=time_bin, consumer="plot_profile")
    if len(curves) > 1 and (control is not None or subjects):
        raise InputError(
            "control and subjects go with one model. Pass the control as another model: "
            "{'trained': scores, 'random weights': control}."
        )
    if relative is False and any(curve.ops != curves[0].ops for curve in curves):
        raise InputError(
            "relative=False counts ops on one axis, and these models have different ops. Leave it "
            "out: models of different depth are drawn over their relative depth."
        )
    if control is not None:
        control = align_control(control, curves[0], time_bin, "plot_profile")
    is_single = len(curves) == 1
    lines = _color_models(curves, colors)
    profile = Profile(
        curves,
        lines,
        control,
        find_strips(curves, lines, colors.ink),
        relative if relative is not None else not is_single,
    )
    regions = [str(name) for name in curves[0].scores[REGION].values]
    canvas = open_panels(axes, regions, colors, cell=CELL, width=width, share_y=True)
    with style.apply_style(colors):
        _write_frame(canvas, profile, regions)
        region_colors = style.assign_region_colors(regions, colors)
        for axis, region in zip(canvas.panels, regions, strict=True):
            _draw_ceiling(canvas, axis, profile, region)
            for curve, color in zip(curves, lines, strict=True):
                shade = region_colors[region] if is_single else color
                _draw_curve(axis, profile, curve, region, shade)
                _draw_best(canvas, axis, profile, curve, region, shade)
            if subjects:
                _draw_subjects(axis, profile, region, region_colors[region])
            if control is not None:
                _draw_control(canvas, axis, profile, region)
            _draw_strips(axis, profile, region, region_colors[region])
        _share_range(canvas)
        _write_words(canvas, profile, regions, region_colors)
    return canvas.panels


def _color_models(curves: Sequence[Curve], theme: style.Theme) -> list[str]:
    """Return a color per model: those of regions that have no fixed one come first."""
    return list(
        style.assign_region_colors([f"model {i}" for i in range(len(curves))], theme).values()
    )


def _write_frame(canvas: Canvas, profile: Profile, regions: Sequence[str]) -> None:
    """Write what stands beside the axes first, so that the sizes of the panels are known."""
    measure = name_measure(profile.curves[0].scores.attrs)
    for axis in list_left(canvas):
        axis.set_ylabel(measure)
    if profile.strips:
        for axis in canvas.panels:
            axis.tick_params(axis="x", pad=measure_strips(len(profile.strips)))
    _write_captions(canvas, profile)
    lay_out(canvas)


def _draw_ceiling(canvas: Canvas, axis: "Axes", profile: Profile, region: str) -> None:
    """Draw the band from the lower to the upper ceiling, or the one that there is as a line."""
    lower, upper, _ = describe_ceilings(profile.curves, region)
    if np.isfinite(lower):
        top = upper if np.isfinite(upper) else lower
        band = axis.axhspan(lower, top, color=canvas.theme.ceiling, linewidth=0.8, zorder=1)
        profile.entries["noise ceiling"] = band
    elif np.isfinite(upper):
        line = axis.axhline(
            upper, color=canvas.theme.soft, linewidth=0.8, linestyle="dashed", zorder=1
        )
        profile.entries["noise ceiling, upper"] = line


def _draw_curve(axis: "Axes", profile: Profile, curve: Curve, region: str, color: str) -> None:
    """Draw the mean score of every op and its interval; of very many ops, means over modules."""
    one = curve.scores.sel({REGION: region})
    places = curve.get_places(relative=profile.relative)
    mean = one["score_mean"].values
    is_dense = len(mean) > DENSEST * measure_panel(axis)[0]
    axis.fill_between(
        places,
        one["mean_ci_low"].values,
        one["mean_ci_high"].values,
        color=color,
        alpha=0.2,
        linewidth=0,
        zorder=2,
    )
    dashes = DASHES[profile.curves.index(curve)]
    [line] = axis.plot(
        places,
        mean,
        color=color,
        linewidth=0.5 if is_dense else 1.4,
        alpha=0.6 if is_dense else 1.0,
        linestyle=dashes,
        marker="." if len(mean) < 3 else None,
        zorder=3,
    )
    if is_dense:
        bands = find_bands(curve.modules, BLOCK)
        [line] = axis.plot(
            [places[band.first : band.last + 1].mean() for band in bands],
            [_mean_known(mean[band.first : band.last + 1]) for band in bands],
            color=color,
            linewidth=1.8,
            linestyle=dashes,
            zorder=3.5,
        )
        line.set_gid("blocks")
    if not profile.is_single:
        profile.entries.setdefault(curve.label, line)


def _mean_known(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else np.nan


def _draw_subjects(axis: "Axes", profile: Profile, region: str, color: str) -> None:
    curve = profile.curves[0]
    values = curve.scores["score"].sel({REGION: region}).transpose(OP, SUBJECT).values
    places = curve.get_places(relative=profile.relative)
    lines = axis.plot(places, values, color=color, linewidth=0.4, alpha=0.45, zorder=2)
    profile.entries.setdefault("subjects", lines[0])


def _draw_control(canvas: Canvas, axis: "Axes", profile: Profile, region: str) -> None:
    assert profile.control is not None
    values = profile.control["score_mean"].sel({REGION: region}).values
    places = profile.curves[0].get_places(relative=profile.relative)
    [line] = axis.plot(places, values, color=canvas.theme.arrow, linewidth=0.9, zorder=2.5)
    profile.entries.setdefault(str(profile.control.attrs.get("label", "control")), line)


def _draw_best(
    canvas: Canvas, axis: "Axes", profile: Profile, curve: Curve, region: str, color: str
) -> None:
    """Mark the best op at its held-out score, with the interval of that."""
    if curve.best is None:
        return
    one = curve.best.sel({REGION: region})
    name = str(one["best_op"].values)
    if name not in curve.ops:
        return
    place = curve.get_places(relative=profile.relative)[curve.ops.index(name)]
    entry = "best op, at its held-out score"
    if "heldout_ci_low" in one and np.isfinite(float(one["heldout_ci_low"])):
        ends = [float(one["heldout_ci_low"]), float(one["heldout_ci_high"])]
        axis.plot([place, place], ends, color=color, linewidth=1.0, zorder=3.8, gid="interval")
        entry = "best op, at its held-out score and interval"
    # A ring of the page around the dot keeps it apart from the line.
    [dot] = axis.plot(
        place, float(one["heldout_mean"]), "o", ms=5, mfc=canvas.theme.page, mec=color, mew=1.4,
        zorder=4, gid="heldout",
    )  # fmt: skip
    profile.entries.setdefault(entry, dot)


def _draw_strips(axis: "Axes", profile: Profile, region: str, color: str) -> None:
    """Draw the rows below the axis."""
    for row, strip in enumerate(profile.strips):
        spans = strip.spans.get(region, [])
        if not spans:
            continue
        if profile.relative:
            curve = profile.curves[row] if not profile.is_single else profile.curves[0]
            last = max(1, curve.scores.sizes[OP] - 1)
            spans = [(start / last, end / last) for start, end in spans]
        drawn = draw_strip(axis, spans, row, strip.color or color, is_thin=strip.is_thin)
        drawn.set_gid(strip.name)
        profile.entries.setdefault(strip.name, drawn)


def _share_range(canvas: Canvas) -> None:
    """Give all panels the same range of scores, 0 included."""
    ends = [0.0]
    for axis in canvas.panels:
        ends += [end for end in axis.dataLim.intervaly if np.isfinite(end)]
    margin = 0.06 * ((max(ends) - min(ends)) or 1.0)
    for axis in canvas.panels:
        axis.set_ylim(min(ends) - margin, max(ends) + margin)


def _write_words(
    canvas: Canvas, profile: Profile, regions: Sequence[str], colors: Mapping[str, str]
) -> None:
    """Write the axis of ops, the headers and the legend."""
    notes = {region: _list_notes(profile, region) for region in regions}
    most = max(map(len, notes.values()))
    place_legend(canvas, profile.entries)
    lay_out(canvas)
    bottom = list_bottom(canvas)
    for axis, region in zip(canvas.panels, regions, strict=True):
        lines = notes[region] + [""] * (most - len(notes[region]))
        write_header(canvas, axis, region, lines, colors[region])
        _name_ops(canvas, axis, profile, is_bottom=axis in bottom)


def _list_notes(profile: Profile, region: str) -> list[str]:
    """Return lines to stand above a panel: its best op, and what is the matter with its ceiling."""
    notes = []
    for curve in profile.curves if profile.is_single else []:
        if curve.best is not None:
            one = curve.best.sel({REGION: region})
            doubt = "in doubt: " if bool(one["doubtful"]) else ""
            notes.append(f"{doubt}{one['best_op'].values}")
    note = describe_ceilings(profile.curves, region)[2]
    return notes + [note] * bool(note)


def _name_ops(canvas: Canvas, axis: "Axes", profile: Profile, *, is_bottom: bool) -> None:
    """Write depths or modules below a panel; of one model every other module is shaded."""
    curve = profile.curves[0]
    n_ops = curve.scores.sizes[OP]
    last = max(1, n_ops - 1) if profile.relative else 1
    end = max(1, n_ops - 1) / last
    axis.set_xlim(-0.5 / last, end + 0.5 / last if n_ops > 1 else 0.5 / last)
    if profile.is_single:
        for band in curve.bands[1::2]:
            start = (band.first - 0.5) / last
            stop = (band.last + 0.5) / last
            axis.axvspan(start, stop, color=canvas.theme.areas[0], linewidth=0, zorder=0)
    if profile.relative:
        axis.set_xlim(-0.02, 1.02)
        axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axis.set_xlabel("relative depth" if is_bottom else "")
        return
    axis.tick_params(axis="x", length=0)
    labels, stem = fit_labels(curve.bands, n_ops, measure_panel(axis)[0])
    axis.set_xticks(
        [one.center for one in labels],
        [one.text for one in labels],
        fontsize=SMALL,
        parse_math=False,
    )
    axis.set_xlabel(f"{stem}N" if stem else "", fontsize=SMALL, color=canvas.theme.soft)


def _describe_models(curves: Sequence[Curve]) -> list[str]:
    """Return how the scores were made: in one line, or in one per model where that differs."""
    lines = [describe_method(curve.scores.attrs) for curve in curves]
    if len(set(lines)) == 1:
        return lines[:1]
    return [f"{curve.label}: {line}" for curve, line in zip(curves, lines, strict=True)]


def _write_captions(canvas: Canvas, profile: Profile) -> None:
    """Write below the panels what they show, from the attributes of the scores."""
    attrs = profile.curves[0].scores.attrs
    lines = _describe_models(profile.curves)
    interval = describe_interval(attrs)
    has_ribbon = any(bool(curve.scores["mean_ci_low"].notnull().any()) for curve in profile.curves)
    if interval and has_ribbon:
        lines.append(f"Ribbon: {interval}.")
    best = profile.curves[0].best
    if best is not None:
        lines += [str(best.attrs.get(name, "")) for name in BEST_NOTES]
    write_caption(canvas, lines)
