"""How reliable the responses of neuroids are, by region, and over time."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.labels import NEUROID, REGION, TIME_BIN, UNNAMED
from neurolens.view import style
from neurolens.view.plots.canvas.legend import place_legend, write_caption
from neurolens.view.plots.canvas.maps import name_rows
from neurolens.view.plots.canvas.panels import SMALL, Canvas, open_axes, read_theme
from neurolens.view.plots.canvas.texts import lay_out, measure_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = {
    "ncsnr": "noise ceiling signal-to-noise ratio",
    "reliability": "reliability of the mean response",
}
ROW = 0.42
LONGEST_NAME = 1.4
MOST_DOTS = 400
# Quartiles.
SHARES = (25, 50, 75)


def plot_reliability(
    ceiling: xr.DataArray,
    *,
    ax: "Axes | None" = None,
    theme: str = "light",
    width: float | None = None,
) -> "Axes":
    """Draw the reliability of neuroids: a row per region, or a line per region over time.

    A dot per neuroid (400 at most, evenly chosen), a line over the middle half of them, a hollow
    dot at the median, and how many there are. Over time: the median, and a ribbon of the middle
    half.

    Parameters
    ----------
    ceiling : DataArray (neuroid) or (neuroid, time_bin)
        What ``compute_ncsnr`` or ``compute_split_half`` returned; ``region`` on neuroid makes rows.
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
        For anything else than such a DataArray, or one without any number.
    """
    colors = read_theme(theme)
    kind = _check_ceiling(ceiling)
    groups = _split_regions(ceiling)
    is_timed = TIME_BIN in ceiling.dims
    height = 2.8 if is_timed else 0.6 + ROW * len(groups)
    canvas = open_axes(ax, colors, size=(4.4, height), width=width)
    axis = canvas.panels[0]
    with style.apply_style(colors):
        write_caption(canvas, _describe_ceiling(ceiling, groups))
        if is_timed:
            axis.set_ylabel(KINDS[kind])
            _draw_times(canvas, ceiling, groups)
            return axis
        axis.set_xlabel(KINDS[kind])
        _draw_rows(canvas, groups)
        lay_out(canvas)
        names = list(groups)
        name_rows(axis, names, room=min(LONGEST_NAME, max(map(measure_text, names))))
        lay_out(canvas)
    return axis


def _check_ceiling(ceiling: Any) -> str:
    """Return which kind of ceiling this is, or raise InputError."""
    is_array = isinstance(ceiling, xr.DataArray) and NEUROID in ceiling.dims
    kind = str(ceiling.attrs.get("kind", "")) if is_array else ""
    if kind not in KINDS or not set(ceiling.dims) <= {NEUROID, TIME_BIN}:
        raise InputError(
            "plot_reliability takes the reliability of neuroids, got "
            f"{type(ceiling).__name__}. Pass what compute_ncsnr(responses) or "
            "compute_split_half(responses) returned.",
            anchor="wrong-object",
        )
    if not bool(ceiling.notnull().any()):
        note = str(ceiling.attrs.get("note", "no stimulus was shown twice"))
        raise InputError(
            f"the reliability of no neuroid is known: {note.rstrip('.')}. Pass responses with "
            "repeated presentations to compute_ncsnr."
        )
    return kind


def _split_regions(ceiling: xr.DataArray) -> dict[str, np.ndarray]:
    """Return the values (neuroid[, time]) of each region."""
    values = ceiling.transpose(NEUROID, ...).values.astype(float)
    if REGION not in ceiling.coords or ceiling[REGION].dims != (NEUROID,):
        return {UNNAMED[REGION]: values}
    regions = ceiling[REGION].values.astype(str)
    return {name: values[regions == name] for name in dict.fromkeys(regions)}


def _describe_ceiling(ceiling: xr.DataArray, groups: dict[str, np.ndarray]) -> list[str]:
    """Return what the numbers are, and how many neuroids have none."""
    lines = []
    if ceiling.attrs.get("kind") == "ncsnr":
        lines.append("By analysis of variance, of single presentations.")
    else:
        n = ceiling.attrs.get("n_repeats", "?")
        n = f"{n:.3g}" if isinstance(n, float) else n
        lines.append(f"Split halves, Spearman-Brown corrected, of the mean of {n} presentations.")
    unknown = int(
        sum(
            np.isnan(values).all(axis=tuple(range(1, values.ndim))).sum()
            for values in groups.values()
        )
    )
    if unknown:
        lines.append(f"Unknown and left out: {unknown} neuroids.")
    return lines


def _draw_rows(canvas: Canvas, groups: dict[str, np.ndarray]) -> None:
    axis = canvas.panels[0]
    theme = canvas.theme
    colors = style.assign_region_colors(groups, theme)
    for row, (name, values) in enumerate(groups.items()):
        known = np.sort(values[np.isfinite(values)])
        _write_count(canvas, row, len(known))
        if not known.size:
            continue
        shown = known[np.unique(np.linspace(0, len(known) - 1, MOST_DOTS).astype(int))]
        # Neighbors in value are apart in height, by the golden ratio: no two runs draw different.
        height = row + 0.34 + 0.18 * ((np.arange(len(shown)) * 0.618034) % 1 - 0.5)
        axis.plot(shown, height, ".", color=colors[name], ms=2.2, alpha=0.55, mew=0, zorder=2)
        low, middle, high = np.percentile(known, SHARES)
        axis.plot([low, high], [row, row], color=colors[name], linewidth=3, zorder=3)
        axis.plot(
            middle, row, "o", mfc=theme.page, mec=colors[name], mew=1.4, ms=5.5, zorder=4,
            gid="median",
        )  # fmt: skip
    axis.set_ylim(len(groups) - 0.4, -0.4)
    axis.set_xlim(left=0)
    axis.tick_params(axis="y", length=0)


def _write_count(canvas: Canvas, row: int, n: int) -> None:
    axis = canvas.panels[0]
    axis.annotate(
        f"n {n}",
        (1, row),
        xytext=(4, 0),
        xycoords=axis.get_yaxis_transform(),
        textcoords="offset points",
        ha="left",
        va="center",
        fontsize=SMALL,
        color=canvas.theme.soft,
        annotation_clip=False,
    )


def _draw_times(canvas: Canvas, ceiling: xr.DataArray, groups: dict[str, np.ndarray]) -> None:
    axis = canvas.panels[0]
    colors = style.assign_region_colors(groups, canvas.theme)
    labels = ceiling[TIME_BIN].values if TIME_BIN in ceiling.coords else None
    places = np.arange(ceiling.sizes[TIME_BIN], dtype=float)
    if labels is not None and labels.dtype.kind in "iuf":
        places = labels.astype(float)
    entries = {}
    for name, values in groups.items():
        known = [values[np.isfinite(values[:, i]), i] for i in range(values.shape[1])]
        rows = np.array([np.percentile(v, SHARES) if v.size else [np.nan] * 3 for v in known])
        axis.fill_between(
            places, rows[:, 0], rows[:, 2], color=colors[name], alpha=0.2, linewidth=0
        )
        [line] = axis.plot(places, rows[:, 1], color=colors[name], linewidth=1.4)
        entries[f"{name} (n {len(values)})"] = line
    unit = str(ceiling[TIME_BIN].attrs.get("units", "")) if labels is not None else ""
    axis.set_xlabel(f"time ({unit})" if unit else "time bin")
    axis.set_ylim(bottom=0)
    place_legend(canvas, entries)
