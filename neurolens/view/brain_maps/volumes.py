"""Maps in a volume: slices, and projections into the outline of a brain."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.brain.images.grids import Grid
from neurolens.errors import InputError
from neurolens.view.brain_maps.backgrounds import AXES, crop, load_background, orient
from neurolens.view.brain_maps.captions import draw_bar, make_figure, read_theme
from neurolens.view.brain_maps.meshes import import_nilearn
from neurolens.view.brain_maps.places import place_in_volume
from neurolens.view.brain_maps.scales import Scale, build_scale
from neurolens.view.brain_maps.values import choose_values
from neurolens.view.style import Theme, apply_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS = 4
SIDE = 1.35
# Axis that is looked along, and its name as nilearn's outlines have it.
PROJECTIONS = {"x": "left", "y": "back", "z": "top"}
# Of the outlines in mm, along x, y and z.
BOUNDS = ((-73.0, 73.0), (-109.0, 77.0), (-73.0, 85.0))
# Cosine between an axis of the grid and of MNI space, above which the outline fits.
STRAIGHT = 0.996


class Slice(NamedTuple):
    """One panel: ``image`` (row, column, rgba), its ``extent`` in mm, and what is written on it."""

    image: np.ndarray
    extent: tuple[float, float, float, float]
    text: str


def plot_slices(
    data: xr.Dataset | xr.DataArray,
    *,
    like: xr.DataArray,
    show: str = "score",
    op: str | None = None,
    alpha: float | None = 0.05,
    where: xr.DataArray | None = None,
    limits: Sequence[float] | None = None,
    slices: int | Mapping[str, Sequence[float]] = 8,
    background: Any = None,
    theme: str = "light",
) -> "Figure":
    """Draw scores, best ops or any values in slices of a volume.

    Parameters
    ----------
    data, like, show, op, alpha, where, limits, theme
        As for `plot_surface`; the responses have voxels.
    slices : int or mapping
        How many axial slices, evenly over the voxels with values; or where, in mm along "x", "y"
        or "z": ``{"z": [-20, -10], "x": [30]}``.
    background : path, image or "MNI152", optional
        An anatomical image in the space of the responses, or the template of that name that nilearn
        ships. Default: gray where the responses have voxels.

    Returns
    -------
    Figure

    Raises
    ------
    InputError, LabelError, UnknownNameError, DataError
        Data, places or a setting cannot be used; a slice lies outside of the volume.
    MissingToolError
        nibabel is not installed, or, for a background, nilearn.

    Notes
    -----
    Slices go along the axes of the grid that are nearest to right, anterior and superior, with no
    interpolation; where these differ by more than 5 degrees, the caption says so. Left is left.
    """
    look = read_theme(theme)
    shown = choose_values(data, show=show, op=op, alpha=alpha, where=where)
    volume = place_in_volume(shown, like)
    scale = build_scale(volume.map, look, limits)
    values, grid = orient(volume.map.values["volume"], volume.grid)
    inside, _ = orient(volume.inside, volume.grid)
    values, inside, grid = crop(values, inside, grid)
    behind = _shade_inside(inside, look) if background is None else None
    if background is not None:
        behind = load_background(background, grid, look)
    assert behind is not None
    chosen = _choose_slices(slices, values, grid)
    notes = [*volume.map.notes, "left is left"]
    if not is_straight(grid):
        notes.append("axes of the grid are oblique; positions are those of its middle")
    panels = [_cut(axis, index, values, behind, grid, scale) for axis, index in chosen]
    n_columns = min(MOST_COLUMNS, len(panels))
    n_rows = -(-len(panels) // n_columns)
    reach = measure_reach(panels)
    with apply_style():
        figure, spot = make_figure(SIDE * n_columns + 1.6, SIDE * n_rows + 0.2, notes, look)
        spots = spot.subgridspec(n_rows, n_columns, wspace=0.05, hspace=0.16).subplots(
            squeeze=False
        )
        for axes in spots.flat:
            axes.set_axis_off()
        for axes, panel in zip(spots.flat, panels, strict=False):
            axes.imshow(panel.image, extent=panel.extent, origin="lower", interpolation="nearest")
            frame_panel(axes, panel, reach)
            axes.set_title(panel.text, fontsize=7, color=look.soft, pad=2)
        draw_bar(figure, scale, look)
    return figure


def plot_glass_brain(
    data: xr.Dataset | xr.DataArray,
    *,
    like: xr.DataArray,
    show: str = "score",
    op: str | None = None,
    alpha: float | None = 0.05,
    where: xr.DataArray | None = None,
    limits: Sequence[float] | None = None,
    theme: str = "light",
) -> "Figure":
    """Draw the largest value along each line of sight into the outline of a brain.

    Parameters
    ----------
    data, like, show, op, alpha, where, limits, theme
        As for `plot_surface`; the responses have voxels in MNI space, which is not checked.

    Returns
    -------
    Figure

    Raises
    ------
    InputError, LabelError, UnknownNameError
        Data, places or a setting cannot be used; names have no largest; the grid is oblique.
    MissingToolError
        nilearn is not installed.
    """
    look = read_theme(theme)
    shown = choose_values(data, show=show, op=op, alpha=alpha, where=where)
    volume = place_in_volume(shown, like)
    if volume.map.names:
        raise InputError(
            "a glass brain shows the largest value along each line of sight, and names have none. "
            "Use plot_slices, or show='depth'."
        )
    scale = build_scale(volume.map, look, limits)
    values, grid = orient(volume.map.values["volume"], volume.grid)
    if not is_straight(grid):
        raise InputError(
            "the axes of the grid are oblique, so the outline does not fit. Resample the images to "
            "MNI space, or use plot_slices."
        )
    notes = [
        *volume.map.notes,
        "the largest value along each line of sight; outline of the MNI152 brain, in which space "
        "the voxels are taken to be",
    ]
    outline = import_nilearn("plotting.glass_brain").plot_brain_schematics
    with apply_style():
        figure, spot = make_figure(6.6, 1.75, notes, look)
        spots = spot.subgridspec(1, 3, wspace=0.08).subplots()
        for axes, (axis, name) in zip(spots, PROJECTIONS.items(), strict=True):
            _draw_projection(axes, axis, values, grid, scale)
            outline(axes, axis, alpha=0.8, linewidth=0.8, edgecolor=look.soft)
            axes.set_title(f"from the {name}", fontsize=7, color=look.soft, pad=2)
        draw_bar(figure, scale, look)
    return figure


def is_straight(grid: Grid) -> bool:
    """Return whether the axes of a grid, oriented, go along those of its space."""
    directions = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    return bool((np.diag(directions) >= STRAIGHT).all())


def _shade_inside(inside: np.ndarray, theme: Theme) -> np.ndarray:
    """Return the color (i, j, k, rgb) of the ground: gray where the responses have voxels."""
    page = np.array(_read_page(theme))
    return np.where(inside[..., None], np.array([0.42 if theme.is_dark else 0.8] * 3), page)


def _read_page(theme: Theme) -> list[float]:
    return [int(theme.page[k : k + 2], 16) / 255 for k in (1, 3, 5)]


def _choose_slices(slices: Any, values: np.ndarray, grid: Grid) -> list[tuple[int, int]]:
    """Return the axis and the index of each slice."""
    if isinstance(slices, Mapping) and slices and set(slices) <= set(AXES):
        return [
            (AXES.index(axis), _find_index(axis, place, grid))
            for axis, places in slices.items()
            for place in np.atleast_1d(places).tolist()
        ]
    is_count = isinstance(slices, int | np.integer) and not isinstance(slices, bool)
    if not is_count or slices < 1:
        raise InputError(
            'slices must be a number of slices, or places in mm such as {"z": [-20, 0]}, got '
            f"{slices!r}."
        )
    there = np.flatnonzero(np.isfinite(values).any(axis=(0, 1)))
    # The middles of equal parts: the first and last slices with values hold few.
    n_slices = min(int(slices), int(there[-1] - there[0]) + 1)
    wanted = there[0] - 0.5 + (np.arange(n_slices) + 0.5) * (there[-1] - there[0] + 1) / n_slices
    return [(2, index) for index in np.rint(wanted).astype(int).tolist()]


def _measure_axis(grid: Grid, axis: int) -> np.ndarray:
    """Return the places in mm of the slices along an axis, through the middle of the others."""
    middle = (np.array(grid.shape) - 1) / 2
    points = np.repeat(middle[None], grid.shape[axis], axis=0)
    points[:, axis] = np.arange(grid.shape[axis])
    return points @ grid.affine[axis, :3] + grid.affine[axis, 3]


def _find_index(axis: str, place: float, grid: Grid) -> int:
    """Return the slice nearest to a place in mm, or raise InputError outside of the volume."""
    places = _measure_axis(grid, AXES.index(axis))
    step = abs(places[-1] - places[0]) / max(len(places) - 1, 1)
    nearest = int(np.abs(places - place).argmin())
    if not abs(places[nearest] - place) <= max(step, 1e-6):
        raise InputError(
            f"there is no slice at {axis} = {place:g} mm; the volume reaches from "
            f"{places.min():g} to {places.max():g} mm."
        )
    return nearest


def _cut(
    axis: int, index: int, values: np.ndarray, behind: np.ndarray, grid: Grid, scale: Scale
) -> Slice:
    """Return one slice, colored over its ground."""
    level = np.take(values, index, axis=axis).T  # (row, column)
    image = np.take(behind, index, axis=axis).transpose(1, 0, 2).copy()
    known = np.isfinite(level)
    image[known] = scale.color(level[known])
    across, along = [k for k in range(3) if k != axis]
    place = _measure_axis(grid, axis)[index]
    extent = (*_find_edges(grid, across), *_find_edges(grid, along))
    return Slice(image, extent, f"{AXES[axis]} = {place:.0f} mm".replace("-0 mm", "0 mm"))


def _find_edges(grid: Grid, axis: int) -> tuple[float, float]:
    """Return where a grid ends along an axis in mm, outer edges of voxels."""
    places = _measure_axis(grid, axis)
    half = np.linalg.norm(grid.affine[:3, axis]) / 2
    return float(places[0] - half), float(places[-1] + half)


def measure_reach(panels: Sequence[Slice]) -> tuple[float, float]:
    """Return half of the largest width and height of slices in mm."""
    edges = np.array([panel.extent for panel in panels])
    widths = np.abs(edges[:, 1] - edges[:, 0])
    heights = np.abs(edges[:, 3] - edges[:, 2])
    return float(widths.max() / 2), float(heights.max() / 2)


def frame_panel(axes: "Axes", panel: Slice, reach: tuple[float, float]) -> None:
    """Give a slice the scale of all others, in the middle of its axes."""
    left, right, bottom, top = panel.extent
    axes.set_xlim((left + right) / 2 - reach[0], (left + right) / 2 + reach[0])
    axes.set_ylim((bottom + top) / 2 - reach[1], (bottom + top) / 2 + reach[1])


def _draw_projection(axes: "Axes", axis: str, values: np.ndarray, grid: Grid, scale: Scale) -> None:
    """Draw the largest value along an axis."""
    along = AXES.index(axis)
    filled = np.where(np.isfinite(values), values, -np.inf).max(axis=along).T
    colors = scale.color(np.where(np.isfinite(filled), filled, np.nan).ravel())
    alpha = np.isfinite(colors[:, :1]).astype(float)
    image = np.concatenate([np.nan_to_num(colors), alpha], axis=1).reshape(*filled.shape, 4)
    first, second = [k for k in range(3) if k != along]
    extent = (*_find_edges(grid, first), *_find_edges(grid, second))
    axes.imshow(image, extent=extent, origin="lower", interpolation="nearest")
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(*BOUNDS[first])
    axes.set_ylim(*BOUNDS[second])
