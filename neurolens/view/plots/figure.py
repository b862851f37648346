"""A Matplotlib figure that is displayed as the last line of a notebook cell.

This module is imported only where a figure is made, because importing Matplotlib takes long.
"""

import io

from matplotlib.figure import Figure

from neurolens.view.style import apply_style

NOTEBOOK_DPI = 120


class NotebookFigure(Figure):
    """A Figure that a notebook displays whatever Matplotlib backend it uses."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with apply_style():
            self.savefig(buffer, format="png", dpi=NOTEBOOK_DPI)
        return buffer.getvalue()
