"""A Matplotlib figure that shows itself as the last line of a notebook cell.

Imported where a figure is made, since Matplotlib takes long to import.
"""

import io

from matplotlib.figure import Figure

from neurolens.view.style import apply_style

NOTEBOOK_DPI = 120


class NotebookFigure(Figure):
    """A Figure with a picture of its own, whatever backend a notebook uses."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with apply_style():
            self.savefig(buffer, format="png", dpi=NOTEBOOK_DPI)
        return buffer.getvalue()
