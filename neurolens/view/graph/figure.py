"""The picture through Matplotlib, as PDF and PNG. No program is needed."""

import io
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from neurolens.view.graph.shapes.records import (
    DASHES,
    Line,
    Picture,
    Polygon,
    Rect,
    Text,
    iterate_shapes,
    round_corners,
)
from neurolens.view.style import apply_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.path import Path

# A pixel of the layout is 1/96 inch, as in a browser.
PIXELS = 96.0
POINTS = 72.0 / PIXELS
PNG_SCALE = 2
# Control points of a quarter circle, as a share of the radius.
BEND = 0.5522847498
NONE = "none"


def write_figure(picture: Picture, suffix: str) -> bytes:
    """Return the picture as ``"pdf"``, or as ``"png"`` with two dots per pixel of the layout.

    PDF files contain their fonts as TrueType, so that labels stay text.
    """
    data = io.BytesIO()
    with warnings.catch_warnings(), apply_style():
        # Names may contain letters that no installed font has: they are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = build_figure(picture)
        metadata = {"CreationDate": None} if suffix == "pdf" else None
        figure.savefig(data, format=suffix, dpi=PIXELS * PNG_SCALE, metadata=metadata)
    return data.getvalue()


def build_figure(picture: Picture) -> "Figure":
    """Return a Matplotlib figure of the picture's size at 96 dots per inch."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(picture.width / PIXELS, picture.height / PIXELS), dpi=PIXELS)
    figure.patch.set_alpha(0.0)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, picture.width)
    axes.set_ylim(picture.height, 0)
    shapes = list(iterate_shapes(picture.shapes))
    axes.add_collection(_collect_paths(shapes), autolim=False)
    renderer = canvas.get_renderer()
    for shape in shapes:
        if isinstance(shape, Text):
            _add_text(axes, shape, renderer)
    return figure


def _collect_paths(shapes: Iterable[Any]) -> Any:
    """Return everything but text as one collection, drawn in order."""
    from matplotlib.collections import PathCollection

    drawn = [shape for shape in shapes if not isinstance(shape, Text)]
    dashes = (0, tuple(length * POINTS for length in DASHES))
    collection = PathCollection(
        [_build_path(shape) for shape in drawn],
        facecolors=[getattr(shape, "fill", "") or NONE for shape in drawn],
        edgecolors=[getattr(shape, "stroke", "") or NONE for shape in drawn],
        linewidths=[getattr(shape, "line", 0.0) * POINTS for shape in drawn],
    )
    # Set apart: given at once, a dash pattern is scaled by the width of its line.
    collection.set_linestyle(
        [dashes if getattr(shape, "is_dashed", False) else "-" for shape in drawn]
    )
    return collection


def _build_path(shape: Rect | Polygon | Line) -> "Path":
    from matplotlib.path import Path

    if isinstance(shape, Polygon):
        return Path([*shape.points, shape.points[0]], closed=True)
    if isinstance(shape, Rect):
        return _build_rectangle(shape)
    pieces = round_corners(shape)
    codes = [Path.MOVETO]
    for piece in pieces[1:]:
        codes += [Path.LINETO] if len(piece) == 1 else [Path.CURVE3, Path.CURVE3]
    return Path([point for piece in pieces for point in piece], codes)


def _build_rectangle(shape: Rect) -> "Path":
    """Return the outline, clockwise from the upper left corner."""
    from matplotlib.path import Path

    radius = min(shape.radius, shape.width / 2, shape.height / 2)
    corners = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    corners *= (shape.width, shape.height)
    corners += (shape.x, shape.y)
    steps = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])  # along the side after each corner
    points = []
    codes = []
    for i, (corner, after) in enumerate(zip(corners, steps, strict=True)):
        before = steps[i - 1]
        if not radius or (shape.is_top_square and i < 2):
            points.append(corner)
            codes.append(Path.LINETO)
            continue
        points += [
            corner - radius * before,
            corner - radius * (1 - BEND) * before,
            corner + radius * (1 - BEND) * after,
            corner + radius * after,
        ]
        codes += [Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    codes[0] = Path.MOVETO
    return Path([*points, points[0]], [*codes, Path.CLOSEPOLY])


def _add_text(axes: Any, shape: Text, renderer: Any) -> None:
    """Add a label, smaller where the font is wider than the room it was given."""
    aligned = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
    text = " ".join(shape.text.splitlines())
    label = axes.text(
        shape.x,
        shape.y,
        text,
        color=shape.color,
        size=shape.size * POINTS,
        weight="bold" if shape.is_bold else "normal",
        ha=aligned,
        va="baseline",
        parse_math=False,
    )
    if not shape.room:
        return
    font = label.get_fontproperties()
    width, _, _ = renderer.get_text_width_height_descent(text, font, ismath=False)
    if width > shape.room:
        label.set_size(shape.size * POINTS * shape.room / width)
