"""Maps on the cortical surface, as a figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from neurolens.errors import InputError
from neurolens.labels import check_name
from neurolens.view.brain_maps.captions import draw_bar, make_figure, read_theme
from neurolens.view.brain_maps.faces import VIEWS, draw_picture, measure_reach, project_faces
from neurolens.view.brain_maps.places import place_on_surface
from neurolens.view.brain_maps.scales import build_scale
from neurolens.view.brain_maps.values import choose_values
from neurolens.view.style import apply_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT_VIEWS = ("lateral", "medial", "ventral")
PANEL = (1.75, 1.3)


def plot_surface(
    data: xr.Dataset | xr.DataArray,
    *,
    like: xr.DataArray,
    show: str = "score",
    op: str | None = None,
    alpha: float | None = 0.05,
    where: xr.DataArray | None = None,
    limits: Sequence[float] | None = None,
    views: Sequence[str] = DEFAULT_VIEWS,
    space: Any = None,
    theme: str = "light",
) -> "Figure":
    """Draw scores, best ops or any values on the inflated cortical surface.

    >>> scores = fit_encoding(features, responses)  # doctest: +SKIP
    >>> plot_surface(scores, like=responses, show="depth")  # doctest: +SKIP

    Parameters
    ----------
    data : Dataset or DataArray
        Scores: of neuroids from ``fit_encoding``, of searchlights from ``compare_searchlight``, or
        of regions. Or one number or text for each neuroid or region, as for `write_map`.
    like : DataArray
        The responses that were scored, from `read_responses`, whose places are drawn.
    show : {"score", "share", "best op", "depth"}
        Of scores: the score; its share of the noise ceiling; the op with the largest score, or its
        position among the ops, 0 the first and 1 the last.
    op : str, optional
        Whose score or share; default: the largest at each place, which is too high on average.
    alpha : float or None
        Places whose ``q``, of the op that is shown, is above it are not colored. The caption says
        how many, or that no place was tested. None shows all.
    where : DataArray of bool, optional
        Where to show values, over the same places.
    limits : two floats, optional
        Where the scale ends. Default: 0 and the largest value; 0 and 1 for shares and depths; for
        values below 0 as far to both sides, in two colors.
    views : sequence of str
        Of "lateral", "medial", "ventral", "dorsal", "posterior", "anterior".
    space : str or mapping, optional
        "MNI152" says that the volume of ``like`` is in that space; it is projected to fsaverage5.
        ``{"left": path, "right": path}``: the meshes whose vertices ``like`` has. Not needed for
        vertices of fsaverage5, fsaverage6 or fsaverage, of which fsaverage5 is drawn.
    theme : {"light", "dark"}

    Returns
    -------
    Figure

    Raises
    ------
    InputError, LabelError, UnknownNameError, DataError
        Data, places or a setting cannot be used; the message says what to pass.
    MissingToolError
        nilearn is not installed. Its package holds the mesh; nothing is downloaded.

    Notes
    -----
    About a second for both hemispheres. Numbers are averaged over the corners of a face, names are
    not mixed. Surfaces are gray, darker in sulci, where there is no value.
    """
    views = _read_views(views)
    look = read_theme(theme)
    shown = choose_values(data, show=show, op=op, alpha=alpha, where=where)
    surface = place_on_surface(shown, like, space)
    scale = build_scale(surface.map, look, limits)
    sides = list(surface.meshes)
    with apply_style():
        figure, spot = make_figure(
            PANEL[0] * len(views) + 1.6, PANEL[1] * len(sides) + 0.25, surface.map.notes, look
        )
        pictures = {
            (side, view): project_faces(mesh, side, view, surface.map.values[side], scale, look)
            for side, mesh in surface.meshes.items()
            for view in views
        }
        reach = measure_reach(pictures.values())
        grid = spot.subgridspec(len(sides), len(views), wspace=0.04, hspace=0.14).subplots(
            squeeze=False
        )
        for axes, (name, picture) in zip(grid.flat, pictures.items(), strict=True):
            draw_picture(axes, picture, reach)
            axes.set_title(" ".join(name), fontsize=7, color=look.soft, pad=2)
        draw_bar(figure, scale, look)
    return figure


def _read_views(views: Any) -> tuple[str, ...]:
    """Return the views that are asked for, or raise an error."""
    names = (views,) if isinstance(views, str) else tuple(views)
    if not names:
        raise InputError(f"views must name at least one of {', '.join(VIEWS)}.")
    for name in names:
        check_name(name, VIEWS, "view of a surface")
    return names
