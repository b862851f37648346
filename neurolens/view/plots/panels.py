"""Parts that figures share: grids of panels, their widths, the color map.

Matplotlib is imported inside functions, because importing it takes long.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurolens.errors import InputError
from neurolens.view import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

# Inches a character takes at the small label size, a little more than measured.
CHARACTER = 0.05


def make_panels(
    n_rows: int, n_columns: int, width: float, height: float, **options: Any
) -> np.ndarray:
    """Return axes (row, column) in a new figure of this size in inches."""
    from neurolens.view.plots.figure import NotebookFigure

    figure = NotebookFigure(figsize=(width, height), layout="constrained")
    return figure.subplots(n_rows, n_columns, squeeze=False, **options)


def read_axes(axes: Any, regions: Sequence[str]) -> list["Axes"]:
    """Return the axes that the user passed, one per region, or raise InputError."""
    from matplotlib.axes import Axes

    panels = list(np.ravel(np.array(axes, dtype=object)))
    strange = [panel for panel in panels if not isinstance(panel, Axes)]
    if strange or len(panels) != len(regions):
        passed = type(strange[0]).__name__ if strange else f"{len(panels)}"
        raise InputError(
            f"axes must be one per region, {len(regions)} for {list(regions)}, got {passed}. Make "
            f"them with subplots()."
        )
    return panels


def find_figure(axis: "Axes") -> "Figure":
    """Return the figure that axes belong to."""
    figure = axis.get_figure(root=True)
    if figure is None:
        raise InputError(
            "axes must stand in a figure; these were removed from theirs. Make them with "
            "subplots()."
        )
    return figure


def count_columns(axis: "Axes") -> int:
    """Return how many columns the grid of some axes has."""
    spec = axis.get_subplotspec()
    return spec.get_gridspec().ncols if spec is not None else 1


def measure_width(axis: "Axes") -> float:
    """Return the width of a panel in inches, before Matplotlib has laid the figure out."""
    return find_figure(axis).get_figwidth() / count_columns(axis) - 0.4


def build_colormap() -> "Colormap":
    """Return the ramp of ``style`` as a color map of Matplotlib."""
    from matplotlib.colors import LinearSegmentedColormap

    ramp = LinearSegmentedColormap.from_list("neurolens", style.RAMP, N=style.N_COLORS)
    return ramp.with_extremes(bad=style.EMPTY)
