"""Tables as heat maps: op against op, and model against model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.labels import OP, REGION
from neurolens.view import style
from neurolens.view.plots.canvas.legend import write_caption, write_header
from neurolens.view.plots.canvas.maps import (
    build_colormap,
    draw_bar,
    draw_map,
    find_scale,
    name_columns,
    name_rows,
)
from neurolens.view.plots.canvas.panels import (
    SMALL,
    Canvas,
    Cell,
    find_row_end,
    list_bottom,
    list_left,
    open_axes,
    open_panels,
    read_theme,
)
from neurolens.view.plots.canvas.texts import LINE, POINTS, lay_out, measure_panel, measure_text
from neurolens.view.plots.canvas.words import name_measure
from neurolens.view.plots.parts.bands import find_bands, fit_labels, fit_levels, name_modules

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from neurolens.view.plots.canvas.figure import Panels

OP_2 = "op_2"
ALPHA = 0.05
# Names of ops or models beside a map take so many inches at most.
LONGEST_NAME = 1.3
# Cells narrower than this have no numbers, in inches.
NARROWEST = 0.27
# Maps are this many times as long as wide at most.
MOST_OBLONG = 2.5


def plot_op_matrix(
    table: xr.DataArray,
    *,
    names: Sequence[str] | None = None,
    ax: "Axes | None" = None,
    theme: str = "light",
    width: float | None = None,
) -> "Axes":
    """Draw how similar every op of one model is to every op of another, or of the same.

    Parameters
    ----------
    table : DataArray (op, op_2)
        What ``compare_models`` returned.
    names : pair of str, optional
        What the models in rows and columns are called.
    ax : Axes, optional
        To draw into; only these axes are styled.
    theme : str
        ``"light"`` or ``"dark"``.
    width : float, optional
        Of a new figure, in inches.

    Returns
    -------
    Axes
        Rows from the top and columns from the left in the order of the table. A notebook displays
        axes of a new figure.

    Raises
    ------
    InputError
        For anything else than such a table.

    Notes
    -----
    Ops are named where all names have room, else the modules they are in, with lines between these.
    Colors go from 0, or the smallest value, to the largest; around 0 where values below it count.
    """
    colors = read_theme(theme)
    table = read_table(table, "plot_op_matrix")
    titles = _read_names(names)
    canvas = open_axes(ax, colors, size=(4.3, 3.6), width=width, keep_shape=True)
    axis = canvas.panels[0]
    with style.apply_style(colors):
        values = table.values.astype(float)
        image = draw_map(axis, values, colors, find_scale(values, start=0.0), square=False)
        n_rows, n_columns = values.shape
        axis.set_box_aspect(float(np.clip(n_rows / n_columns, 1 / MOST_OBLONG, MOST_OBLONG)))
        axis.set_ylabel(titles[0])
        axis.set_xlabel(titles[1])
        write_caption(canvas, [_describe_table(table)])
        lay_out(canvas)
        draw_bar(axis, image, name_measure(table.attrs), colors)
        _name_ops(canvas, [str(name) for name in table[OP].values], is_row=True)
        lay_out(canvas)
        _name_ops(canvas, [str(name) for name in table[OP_2].values], is_row=False)
        lay_out(canvas)
    return axis


def plot_model_matrix(
    differences: xr.Dataset,
    *,
    axes: "Sequence[Axes] | None" = None,
    theme: str = "light",
    width: float | None = None,
) -> "Panels":
    """Draw the difference in score between any two models, layers or ops, one panel per region.

    A cell is the score of its row minus that of its column. Where it is written, it stands in
    parentheses if the corrected p of the difference is above .05 (or above the ``alpha`` of
    ``tabulate_models``); cells without numbers have a dot where it is not above.

    Parameters
    ----------
    differences : Dataset
        What ``compare_ops`` (between ops) or ``tabulate_models`` returned.
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
        For anything else than such differences.
    """
    colors = read_theme(theme)
    is_table = isinstance(differences, xr.Dataset) and "difference" in differences
    if not is_table or set(differences["difference"].dims) != {OP, OP_2, REGION}:
        raise InputError(
            f"plot_model_matrix takes differences between ops, got {type(differences).__name__}. "
            "Pass what compare_ops(scores) or tabulate_models(scores) returned.",
            anchor="wrong-object",
        )
    p = "p_corrected" if "p_corrected" in differences else "q"
    alpha = float(differences.attrs.get("alpha", ALPHA)) if p == "p_corrected" else ALPHA
    regions = [str(name) for name in differences[REGION].values]
    models = [str(name) for name in differences[OP].values]
    room = min(LONGEST_NAME, max(map(measure_text, models)))
    canvas = open_panels(axes, regions, colors, cell=Cell(2.0, 2.1, room + 0.7, room), width=width)
    with style.apply_style(colors):
        what = "Holm" if differences.attrs.get("correction") == "holm" else "FDR"
        rule = f"p ({what}) > {style.format_score(alpha)}" if p == "p_corrected" else "q > .05"
        write_caption(canvas, [f"Row minus column. In parentheses, or without a dot: {rule}."])
        scale = find_scale(np.abs(differences["difference"].values), start=0.0)
        scale = scale._replace(low=-scale.high, is_diverging=True)
        images = []
        for axis, region in zip(canvas.panels, regions, strict=True):
            one = differences.sel({REGION: region}).transpose(OP, OP_2, ...)
            values = one["difference"].values.astype(float)
            np.fill_diagonal(values, np.nan)
            images.append(draw_map(axis, values, colors, scale))
        end = find_row_end(canvas)
        draw_bar(canvas.panels[end], images[end], _name_difference(differences), colors)
        lay_out(canvas)
        for axis in canvas.panels:
            name_rows(axis, models if axis in list_left(canvas) else [""] * len(models), room=room)
            is_bottom = axis in list_bottom(canvas)
            name_columns(axis, models if is_bottom else [""] * len(models), room=room)
        lay_out(canvas)
        region_colors = style.assign_region_colors(regions, colors)
        for axis, region in zip(canvas.panels, regions, strict=True):
            write_header(canvas, axis, region, color=region_colors[region])
            one = differences.sel({REGION: region}).transpose(OP, OP_2, ...)
            _write_cells(canvas, axis, one["difference"].values, one[p].values <= alpha, scale.high)
    return canvas.panels


def read_table(table: Any, consumer: str) -> xr.DataArray:
    """Return a table (op, op_2) of similarities, or raise InputError."""
    is_table = isinstance(table, xr.DataArray) and set(table.dims) == {OP, OP_2}
    if not is_table:
        dims = f" with dimensions {list(table.dims)}" if isinstance(table, xr.DataArray) else ""
        raise InputError(
            f"{consumer} takes a table of op against op, got {type(table).__name__}{dims}. Pass "
            f"what compare_models(a, b) returned.",
            anchor="wrong-object",
        )
    return table.transpose(OP, OP_2)


def _read_names(names: Any) -> list[str]:
    if names is None:
        return ["", ""]
    if isinstance(names, str) or len(names) != 2:
        raise InputError(
            f"names must be those of the model in rows and the model in columns, got {names!r}. "
            f'Pass names=("ResNet-18", "ViT-B/16").'
        )
    return [str(name) for name in names]


def _describe_table(table: xr.DataArray) -> str:
    """Return how many ops were compared by what, in words."""
    n_rows, n_columns = table.shape
    return f"{n_rows} ops (rows) against {n_columns} (columns) by {table.attrs.get('measure', '?')}"


def _name_difference(differences: xr.Dataset) -> str:
    return f"difference in {name_measure(differences.attrs)}"


def _name_ops(canvas: Canvas, ops: list[str], *, is_row: bool) -> None:
    """Write ops along one side of a map if all have room, else their modules, with lines."""
    axis = canvas.panels[0]
    theme = canvas.theme
    length = measure_panel(axis)[1 if is_row else 0]
    if len(ops) * SMALL * LINE / POINTS <= length:
        write = name_rows if is_row else name_columns
        write(axis, ops, room=LONGEST_NAME)
        return
    bands = find_bands(name_modules(ops))
    draw_line = axis.axhline if is_row else axis.axvline
    for band in bands[1:]:
        draw_line(band.first - 0.5, color=theme.page, linewidth=0.4)
    if is_row:
        labels, stem = fit_levels(bands, len(ops), length)
        axis.set_yticks(
            [one.center for one in labels], [one.text for one in labels], parse_math=False
        )
    else:
        labels, stem = fit_labels(bands, len(ops), length)
        axis.set_xticks(
            [one.center for one in labels], [one.text for one in labels], parse_math=False
        )
    axis.tick_params(labelsize=SMALL)
    if stem:
        title = axis.get_xlabel()
        axis.set_xlabel(f"{title}: {stem}N" if title else f"{stem}N")


def _write_cells(
    canvas: Canvas, axis: "Axes", values: np.ndarray, differs: np.ndarray, end: float
) -> None:
    """Write numbers into the cells of a map, or dots where these are narrow."""
    cell = measure_panel(axis)[0] / len(values)
    ramp = build_colormap(canvas.theme, diverging=True)
    from matplotlib.colors import to_hex

    for row, column in np.ndindex(values.shape):
        value = float(values[row, column])
        if row == column or not np.isfinite(value):
            continue
        red, green, blue, _ = map(float, ramp((value / end + 1) / 2))
        color = style.pick_text_color(to_hex((red, green, blue)))
        if cell < NARROWEST:
            if differs[row, column]:
                axis.plot(column, row, ".", color=color, markersize=min(4.0, 20 * cell))
            continue
        text = style.format_score(value)
        axis.text(
            column, row, text if differs[row, column] else f"({text})", ha="center", va="center",
            fontsize=min(SMALL, 22 * cell), color=color,
        )  # fmt: skip
