"""How many dimensions representations have: spectra of variance, and one number per op."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import OP, list_names
from neurolens.view import style
from neurolens.view.plots.canvas.legend import place_legend, write_caption
from neurolens.view.plots.canvas.maps import build_colormap
from neurolens.view.plots.canvas.panels import SMALL, Canvas, Cell, open_panels, read_theme
from neurolens.view.plots.canvas.texts import lay_out, measure_panel
from neurolens.view.plots.parts.bands import find_bands, fit_labels, name_modules

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from neurolens.view.plots.canvas.figure import Panels

NEEDED = ("share", "effective_dimensionality")
COMPONENT = "component"
CELL = Cell(2.6, 2.3, 0.3, 0.1)
# Shares below this are rounding.
LEAST = 1e-9
FAINTEST = 0.3


def plot_scree(
    spectrum: xr.Dataset,
    *,
    ops: Sequence[str] | None = None,
    axes: "Sequence[Axes] | None" = None,
    theme: str = "light",
    width: float | None = None,
) -> "Panels":
    """Draw the share of variance of each principal component, and the effective dimensionality.

    Parameters
    ----------
    spectrum : Dataset
        What ``compute_spectrum`` returned.
    ops : sequence of str, optional
        Whose spectra are drawn. None: all. Dots at the right are of all ops.
    axes : pair of Axes, optional
        For spectra, and for dimensionalities. Only these are styled.
    theme : str
        ``"light"`` or ``"dark"``.
    width : float, optional
        Of a new figure, in inches.

    Returns
    -------
    list of two Axes
        Spectra on logarithmic axes, colored by order of execution from the first op to the last;
        dimensionality along the network.

    Raises
    ------
    InputError
        For anything else than a Dataset of ``compute_spectrum``.
    LabelError
        There is no such op.
    """
    colors = read_theme(theme)
    missing = [name for name in NEEDED if name not in getattr(spectrum, "data_vars", {})]
    if missing:
        raise InputError(
            f"plot_scree takes spectra of ops, got {type(spectrum).__name__} without "
            f"{', '.join(missing)}. Pass what compute_spectrum(grams) returned.",
            anchor="wrong-object",
        )
    names = [str(name) for name in spectrum[OP].values]
    shown = names if ops is None else [str(name) for name in ops]
    unknown = [name for name in shown if name not in names]
    if unknown or isinstance(ops, str) or not shown:
        raise LabelError(
            f"ops must be some of those of the spectrum, {list_names(names)}, got "
            f"{list_names(unknown or ['none'])}. Pass ops=[...] from those.",
            anchor="unknown-op",
        )
    canvas = open_panels(
        axes, ["spectra", "dimensionality"], colors, cell=CELL, width=width, what="plot"
    )
    with style.apply_style(colors):
        n_stimuli = spectrum.attrs.get("n_stimuli", "?")
        write_caption(
            canvas,
            [
                f"Principal components over {n_stimuli} stimuli. Effective dimensionality: "
                f"participation ratio of their variances, {n_stimuli} less 1 at most."
            ],
        )
        lay_out(canvas)
        shades, entries = _draw_spectra(canvas, spectrum, names, shown)
        place_legend(canvas, entries)
        _draw_dimensions(canvas, spectrum, names, shades)
    return canvas.panels


def _draw_spectra(
    canvas: Canvas, spectrum: xr.Dataset, names: list[str], shown: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw spectra; return the color of each op, and what the legend names."""
    axis = canvas.panels[0]
    ramp = build_colormap(canvas.theme)
    places = np.linspace(FAINTEST, 1.0, len(names))
    shades = dict(zip(names, ramp(places), strict=True))
    lines: dict[str, Any] = {}
    for name in shown:
        share = spectrum["share"].sel({OP: name}).values
        known = share > LEAST
        components = np.arange(1, len(share) + 1)
        [lines[name]] = axis.plot(
            components[known], share[known], color=shades[name], linewidth=0.8
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("principal component")
    axis.set_ylabel("share of variance")
    _dress_ticks(axis)
    return shades, {"first op": lines[shown[0]], "last op": lines[shown[-1]]}


def _dress_ticks(axis: "Axes") -> None:
    """Write numbers as they are, not as powers, along the axis of components."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_minor_formatter(NullFormatter())


def _draw_dimensions(
    canvas: Canvas, spectrum: xr.Dataset, names: list[str], shades: dict[str, Any]
) -> None:
    axis = canvas.panels[1]
    values = spectrum["effective_dimensionality"].sel({OP: names}).values
    axis.plot(values, color=canvas.theme.shortcut, linewidth=0.8, zorder=1)
    for i, name in enumerate(names):
        axis.plot(i, values[i], "o", color=shades[name], ms=3.5, mec=canvas.theme.page, mew=0.4)
    bands = find_bands(name_modules(names))
    for band in bands[1::2]:
        axis.axvspan(
            band.first - 0.5, band.last + 0.5, color=canvas.theme.areas[0], linewidth=0, zorder=0
        )
    axis.set_xlim(-0.5, len(names) - 0.5)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("effective dimensionality")
    lay_out(canvas)
    labels, stem = fit_labels(bands, len(names), measure_panel(axis)[0])
    axis.set_xticks(
        [one.center for one in labels],
        [one.text for one in labels],
        fontsize=SMALL,
        parse_math=False,
    )
    axis.tick_params(axis="x", length=0)
    axis.set_xlabel(f"{stem}N" if stem else "")
