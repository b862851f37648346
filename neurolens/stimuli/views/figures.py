"""Stimuli side by side, in a figure of matplotlib.

This module is imported only where a figure is made, because importing matplotlib takes long.
"""

import io
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from neurolens.stimuli.views.thumbnails import Thumbnail

# Inches, and letters that fit into a line.
_SIDE = 1.6
_ID_LETTERS = 22
_TEXT_LETTERS = 24
_MUTED = "#5B6675"
_INK = "#1B2430"


class StimulusFigure(Figure):
    """A Figure that a notebook displays whatever backend matplotlib uses."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=120)
        return buffer.getvalue()


def draw_stimuli(
    thumbnails: Sequence[Thumbnail], ids: Sequence[str], columns: int, title: str
) -> Figure:
    """Return a figure with the thumbnails of stimuli, each under its id."""
    n_columns = min(columns, len(ids))
    n_rows = -(-len(ids) // n_columns)
    height = (_SIDE * max(map(_measure, thumbnails)) + 0.3) * n_rows + 0.35
    figure = StimulusFigure(figsize=(_SIDE * n_columns, height), layout="constrained")
    figure.suptitle(title, fontsize=8, color=_MUTED)
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, thumbnail, name in zip(grid.flat, thumbnails, ids, strict=False):
        axes.set_title(shorten_id(name), fontsize=7, color=_INK, parse_math=False)
        if isinstance(thumbnail, str):
            lines = textwrap.fill(thumbnail, _TEXT_LETTERS)
            axes.text(0.5, 1, lines, ha="center", va="top", fontsize=6, parse_math=False)
        else:
            axes.imshow(np.asarray(thumbnail), interpolation="antialiased")
    return figure


def _measure(thumbnail: Thumbnail) -> float:
    """Return the height that a thumbnail needs, in widths."""
    return 0.5 if isinstance(thumbnail, str) else thumbnail.height / thumbnail.width


def shorten_id(name: str) -> str:
    """Return an id, of which the middle is left out where it is long."""
    if len(name) <= _ID_LETTERS:
        return name
    half = (_ID_LETTERS - 3) // 2
    return f"{name[:half]}...{name[-half:]}"
