"""Dissimilarity matrices side by side: those of the model above those of the brain."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.view import style
from neurolens.view.plots.canvas.legend import place_legend, write_header
from neurolens.view.plots.canvas.maps import Scale, draw_bar, draw_map
from neurolens.view.plots.canvas.panels import (
    PAGE,
    Canvas,
    Cell,
    find_row_end,
    list_left,
    open_panels,
    read_theme,
)
from neurolens.view.plots.canvas.texts import lay_out, measure_panel, measure_text
from neurolens.view.plots.parts.borders import (
    GAP,
    LARGEST_SHARE,
    LONGEST_NAME,
    PICTURE,
    STRIP,
    Run,
    choose_pictures,
    draw_pictures,
    draw_strips,
    find_runs,
    has_room,
    read_images,
    write_names,
)
from neurolens.view.plots.parts.matrices import (
    Matrices,
    Matrix,
    blank_diagonal,
    rank_values,
    read_matrices,
    read_pair_scores,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from neurolens.view.plots.canvas.figure import Panels

CELL = Cell(1.4, 1.55, 0.0, 0.1)
# In inches: the bar with its numbers, one line of a header.
BAR = 0.65
LINE_HEIGHT = 0.13
# Matrices are no larger than this, in inches.
LARGEST = 2.6
VALUES = ("rank", "raw")
# So many categories at most have a color of their own, and stand in a legend.
MOST_COLORS = 12
MOST_BORDERS = 24


def plot_rdms(
    rdms: xr.DataArray | None = None,
    *,
    ops: Sequence[str] | Mapping[str, str] | None = None,
    brain: xr.DataArray | None = None,
    categories: Sequence[str] | None = None,
    scores: xr.Dataset | None = None,
    images: Any = None,
    values: str = "rank",
    axes: "Sequence[Axes] | None" = None,
    theme: str = "light",
    width: float | None = None,
) -> "Panels":
    """Draw dissimilarity matrices, the model's above the brain's; the diagonal is left blank.

    Parameters
    ----------
    rdms : DataArray (op, stimulus, stimulus_2), optional
        What ``compute_rdms`` returned. None: the brain alone.
    ops : sequence of str, or mapping of region to op, optional
        Which to draw; a mapping puts each op above its region. By default eight, evenly spaced.
    brain : DataArray ([region, subject,] stimulus, stimulus_2), optional
        Averaged over subjects, then ranked; matched to the model's stimuli by label.
    categories : sequence of str, optional
        One per stimulus of ``rdms``, or of ``brain`` alone; stimuli are grouped by it, in order of
        first appearance. Strips of color say which is which, beside names where these have room,
        else in a legend of up to 12.
    scores : Dataset, optional
        Scores of ``compare_rdms``: that of each op with its region is written above the op. Needs a
        mapping of ``ops``.
    images : StimulusSet, or mapping of stimulus to picture, optional
        Small pictures at the left of each row of matrices, of as many stimuli as have room.
    values : str
        ``"rank"``: each matrix by its ranks from 0 to 1. ``"raw"``: as they are, one scale for all
        ops and another one for all regions.
    axes : sequence of Axes, optional
        One per matrix, ops first. Only these are styled.
    theme : str
        ``"light"`` or ``"dark"``.
    width : float, optional
        Of a new figure, in inches.

    Returns
    -------
    Panels, a list of Axes
        One per matrix. A notebook displays the list of a new figure; ``.figure.savefig(path)`` of
        it saves the figure.

    Raises
    ------
    InputError
        For anything else than a DataArray, several time bins, ``ops`` that are no names, or stimuli
        that are no pictures.
    LabelError
        When dimensions or stimuli do not match, or there is no such op, or no such region in
        ``brain``.
    """
    colors = read_theme(theme)
    if values not in VALUES:
        raise InputError(f'values must be "rank" or "raw", got {values!r}. Pass one of these.')
    read = read_matrices(rdms, brain, ops, categories, read_pair_scores(scores, ops))
    pictures = None if images is None else read_images(images, read.ids)
    names = [one.op or one.region for one in read.matrices]
    kinds = list(Counter(one.kind for one in read.matrices).values())
    runs = find_runs(read.categories)
    beside = BAR + _measure_names(runs, width) + (0.0 if pictures is None else PICTURE)
    canvas = open_panels(
        axes,
        names,
        colors,
        cell=CELL._replace(beside=beside),
        width=width,
        what="matrix",
        groups=kinds,
    )
    with style.apply_style(colors):
        _set_height(canvas, read.matrices, beside)
        drawn = _draw_matrices(canvas, read, runs, values)
        lay_out(canvas)
        _draw_borders(canvas, read, runs, pictures)
        lay_out(canvas)
        for axis, matrix in zip(canvas.panels, read.matrices, strict=True):
            _write_title(canvas, axis, matrix, read.matrices)
        _draw_bars(canvas, read.matrices, drawn, values, rdms, brain)
        lay_out(canvas)
    return canvas.panels


def _measure_names(runs: Sequence[Run], width: float | None) -> float:
    """Return the inches that names of categories need beside matrices, 0 if that is too much."""
    names = min(LONGEST_NAME, max((measure_text(run.name) for run in runs), default=0.0))
    return names if names <= LARGEST_SHARE * (PAGE if width is None else width) else 0.0


def _set_height(canvas: Canvas, matrices: Sequence[Matrix], beside: float) -> None:
    """Make a new figure as high as square matrices of its width need."""
    spec = canvas.panels[0].get_subplotspec()
    if not canvas.is_own or spec is None:
        return
    n_rows, n_columns = spec.get_gridspec().get_geometry()
    width = canvas.figure.get_figwidth()
    lines = max(bool(one.region) + bool(one.op) + bool(one.note) for one in matrices)
    side = min(LARGEST, (width - beside) / n_columns)
    canvas.figure.set_figheight(n_rows * (side + LINE_HEIGHT * (lines + 1)) + 0.1)


def _draw_matrices(
    canvas: Canvas, read: Matrices, runs: Sequence[Run], values: str
) -> "list[AxesImage]":
    shown = [
        rank_values(one.values) if values == "rank" else blank_diagonal(one.values)
        for one in read.matrices
    ]
    images = []
    for axis, matrix, square in zip(canvas.panels, read.matrices, shown, strict=True):
        scale = Scale(0.0, 1.0)
        if values == "raw":
            pairs = zip(shown, read.matrices, strict=True)
            alike = [one for one, other in pairs if other.kind == matrix.kind]
            scale = _find_range(alike)
        image = draw_map(axis, square, canvas.theme, scale)
        _blank(axis, len(square), canvas.theme)
        axis.set_xticks([])
        axis.set_yticks([])
        for run in runs[1:] if len(runs) <= MOST_BORDERS else []:
            axis.axhline(run.first - 0.5, color=canvas.theme.page, linewidth=0.5)
            axis.axvline(run.first - 0.5, color=canvas.theme.page, linewidth=0.5)
        images.append(image)
    return images


def _find_range(squares: Sequence[np.ndarray]) -> Scale:
    """Return the scale of raw values, from the smallest to the largest."""
    known = np.concatenate([square[np.isfinite(square)] for square in squares])
    if not known.size or known.min() == known.max():
        return Scale(0.0, float(known.max()) if known.size and known.max() > 0 else 1.0)
    return Scale(float(known.min()), float(known.max()))


def _blank(axis: "Axes", n: int, theme: style.Theme) -> None:
    """Draw the diagonal in the color of the page; pairs without a value have that of no score."""
    from matplotlib.colors import to_rgb

    cover = np.zeros((n, n, 4))
    cover[np.diag_indices(n)] = (*to_rgb(theme.page), 1.0)
    axis.imshow(cover, interpolation="nearest")


def _draw_borders(
    canvas: Canvas,
    read: Matrices,
    runs: Sequence[Run],
    pictures: dict[str, np.ndarray] | None,
) -> None:
    """Draw strips along all matrices; names and pictures at the left of each row's first one."""
    theme = canvas.theme
    n = len(read.ids)
    height = min(measure_panel(canvas.panels[0]))
    is_named = has_room(runs, n, height) and _measure_names(runs, canvas.figure.get_figwidth()) > 0
    left = list_left(canvas)
    handles = {}
    for axis in canvas.panels:
        if runs:
            handles = draw_strips(axis, runs, n, theme)
    for axis, matrix in zip(canvas.panels, read.matrices, strict=True):
        if axis not in left:
            continue
        offset = GAP + STRIP if runs else 0.0
        if pictures is not None:
            shown = [pictures[read.ids[i]] for i in choose_pictures(n, height)]
            offset += draw_pictures(axis, shown, offset)
        if is_named and canvas.is_own and axis is canvas.panels[0]:
            write_names(axis, runs, theme.soft, offset)
        if canvas.is_own:
            _write_kind(axis, matrix.kind, theme)
    if not is_named and 0 < len(handles) <= MOST_COLORS:
        place_legend(canvas, handles)


def _write_kind(axis: "Axes", kind: str, theme: style.Theme) -> None:
    """Write above a row of matrices whose they are."""
    axis.annotate(
        kind,
        (0, 1),
        xytext=(-6, 2),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=8,
        color=theme.ink,
        annotation_clip=False,
    )


def _write_title(canvas: Canvas, axis: "Axes", matrix: Matrix, matrices: Sequence[Matrix]) -> None:
    """Write the region above its matrices, and the op and its score below that."""
    regions = [one.region for one in matrices if one.region]
    colors = style.assign_region_colors(regions, canvas.theme)
    notes = [text for text in (matrix.op, matrix.note) if text]
    if matrix.region:
        write_header(canvas, axis, matrix.region, notes, colors[matrix.region])
    else:
        write_header(canvas, axis, "", notes)


def _draw_bars(
    canvas: Canvas,
    matrices: Sequence[Matrix],
    drawn: "Sequence[AxesImage]",
    values: str,
    rdms: xr.DataArray | None,
    brain: xr.DataArray | None,
) -> None:
    """Draw one bar of ranks; of raw values one for the model and one for the brain."""
    theme = canvas.theme
    if values == "rank":
        last = find_row_end(canvas)
        draw_bar(canvas.panels[last], drawn[last], "dissimilarity (rank)", theme, ticks=[0, 0.5, 1])
        return
    for kind, array in (("model", rdms), ("brain", brain)):
        if array is None:
            continue
        last = find_row_end(canvas, [one.kind for one in matrices].index(kind))
        metric = str(array.attrs.get("metric", ""))
        draw_bar(canvas.panels[last], drawn[last], f"{metric} dissimilarity".strip(), theme)
