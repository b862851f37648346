"""Representations at one time against those at another: a map of time against time."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.labels import OP
from neurolens.view import style
from neurolens.view.plots.canvas.legend import write_caption
from neurolens.view.plots.canvas.maps import draw_bar, draw_map, find_scale
from neurolens.view.plots.canvas.panels import SMALL, open_axes, read_theme
from neurolens.view.plots.canvas.texts import lay_out, measure_panel, measure_text
from neurolens.view.plots.canvas.words import name_measure
from neurolens.view.plots.matrix import OP_2, read_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_generalization(
    table: xr.DataArray,
    *,
    unit: str = "",
    ax: "Axes | None" = None,
    theme: str = "light",
    width: float | None = None,
) -> "Axes":
    """Draw how similar representations at each time are to those at each other time.

    Parameters
    ----------
    table : DataArray (op, op_2)
        What ``compare_models`` returned for RDMs whose ops are time bins, numbers in order: of one
        region, ``rdms.sel(region="IT").mean("subject").rename(time_bin="op")``. A square of high
        values says that a representation lasts; a diagonal, that it changes all the time.
    unit : str
        Of the times, to be written: ``"ms"``.
    ax : Axes, optional
        To draw into; only these axes are styled.
    theme : str
        ``"light"`` or ``"dark"``.
    width : float, optional
        Of a new figure, in inches.

    Returns
    -------
    Axes
        The first time stands at the bottom left.

    Raises
    ------
    InputError
        For anything else than such a table, or labels that are no numbers in increasing order.

    Notes
    -----
    Times are places on the axes, so that bins of different widths have cells of their widths.
    """
    colors = read_theme(theme)
    table = read_table(table, "plot_generalization")
    edges = [_find_edges(table[dim].values) for dim in (OP, OP_2)]
    canvas = open_axes(ax, colors, size=(3.5, 3.1), width=width, keep_shape=True)
    axis = canvas.panels[0]
    with style.apply_style(colors):
        values = table.values.astype(float)
        scale = find_scale(values, start=0.0)
        image = draw_map(axis, values, colors, scale)
        image.remove()
        mesh = axis.pcolormesh(
            edges[1], edges[0], values, cmap=image.get_cmap(), vmin=scale.low, vmax=scale.high
        )
        axis.set_xlim(edges[1][0], edges[1][-1])
        axis.set_ylim(edges[0][0], edges[0][-1])
        word = f"time ({unit})" if unit else "time"
        axis.set_xlabel(word)
        axis.set_ylabel(word)
        axis.tick_params(labelsize=SMALL)
        write_caption(canvas, [f"Time against time by {table.attrs.get('measure', '?')}"])
        lay_out(canvas)
        _choose_ticks(axis, table[OP_2].values, is_row=False)
        _choose_ticks(axis, table[OP].values, is_row=True)
        draw_bar(axis, mesh, name_measure(table.attrs), colors)
        lay_out(canvas)
    return axis


def _find_edges(labels: np.ndarray) -> np.ndarray:
    """Return the borders between times, half way between them, and beyond the first and last."""
    try:
        times = np.array([float(one) for one in labels])
    except (TypeError, ValueError):
        times = np.array([np.nan])
    if len(times) < 2 or not (np.diff(times) > 0).all():
        raise InputError(
            "plot_generalization takes times, numbers in increasing order, as labels of op and "
            f"op_2, got {[str(one) for one in labels[:3]]}. Pass compare_models(rdms, rdms) with "
            "rdms = brain_rdms.sel(region=...).rename(time_bin='op')."
        )
    middles = (times[1:] + times[:-1]) / 2
    return np.concatenate([[2 * times[0] - middles[0]], middles, [2 * times[-1] - middles[-1]]])


def _choose_ticks(axis: "Axes", times: Any, *, is_row: bool) -> None:
    """Write evenly chosen times that do not touch."""
    names = [f"{float(one):g}" for one in times]
    room = 0.16 if is_row else max(map(measure_text, names)) + 0.1
    length = measure_panel(axis)[1 if is_row else 0]
    span = float(times[-1]) - float(times[0]) or 1.0
    shown = [0]
    for i in range(1, len(names)):
        if (float(times[i]) - float(times[shown[-1]])) / span * length * 0.9 >= room:
            shown.append(i)
    setter = axis.set_yticks if is_row else axis.set_xticks
    setter([float(times[i]) for i in shown], [names[i] for i in shown])
