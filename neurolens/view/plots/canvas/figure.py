"""Figures, axes and lists of axes that are displayed as the last line of a notebook cell.

This module is imported only where a figure is made, because importing Matplotlib takes long.
"""

import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurolens.view.style import apply_style

NOTEBOOK_DPI = 120


class NotebookFigure(Figure):
    """A Figure that a notebook displays whatever Matplotlib backend it uses."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with apply_style():
            self.savefig(buffer, format="png", dpi=NOTEBOOK_DPI, facecolor=self.get_facecolor())
        return buffer.getvalue()


class NotebookAxes(Axes):
    """Axes that a notebook displays with the whole figure they stand in."""

    def _repr_png_(self) -> bytes | None:
        figure = self.get_figure(root=True)
        return figure._repr_png_() if isinstance(figure, NotebookFigure) else None


class Panels(list[Axes]):
    """The axes of one figure, ``figure``; a notebook displays one that was made for them."""

    @property
    def figure(self) -> Figure:
        """The figure that the axes stand in: ``.figure.savefig("plot.pdf")`` saves it."""
        figure = self[0].get_figure(root=True)
        assert figure is not None
        return figure

    @property
    def axes(self) -> list[Axes]:
        """The axes themselves, by the name they have in a figure."""
        return list(self)

    def _repr_png_(self) -> bytes | None:
        figure = self.figure
        return figure._repr_png_() if isinstance(figure, NotebookFigure) else None
