"""SVG text of a picture. No program and no package is needed.

Only attributes are used, no style sheet: several pictures in one notebook would share it. Control
characters, which no XML may contain, are replaced.
"""

import re
from collections.abc import Iterable
from functools import singledispatch
from html import escape

from neurolens.view.graph.shapes.records import (
    DASHES,
    Group,
    Line,
    Picture,
    Polygon,
    Rect,
    Shape,
    Text,
    round_corners,
)
from neurolens.view.style import FONT_STACK

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
PLAIN_SIZE = 11.0
# Widths of characters up to this one are those of the font; others may come from any font, which
# would be stretched or squeezed.
LAST_MEASURED = "\u024f"


def write_svg(picture: Picture) -> str:
    """Return the picture as SVG text that shrinks with its page and never grows beyond its size."""
    width = _write_number(picture.width)
    height = _write_number(picture.height)
    label = _escape_text(picture.label)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="100%" '
            f'style="max-width:{width}px;height:auto" viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="{label}" font-family="{FONT_STACK}" font-size="{PLAIN_SIZE:g}">',
            f"<title>{label}</title>",
            *_write_all(picture.shapes),
            "</svg>\n",
        )
    )


def _write_all(shapes: Iterable[Shape]) -> list[str]:
    return [_write_shape(shape) for shape in shapes]


@singledispatch
def _write_shape(shape: Shape) -> str:
    raise TypeError(f"no SVG for {type(shape).__name__}")


@_write_shape.register
def _(shape: Group) -> str:
    attributes = _write_attributes({"id": shape.id, "class": shape.kind})
    title = [f"<title>{_escape_text(shape.tooltip)}</title>"] if shape.tooltip else []
    return "\n".join((f"<g{attributes}>", *title, *_write_all(shape.shapes), "</g>"))


@_write_shape.register
def _(shape: Rect) -> str:
    look = _write_look(shape.fill, shape.stroke, shape.line)
    if shape.is_top_square and shape.radius:
        return f'<path d="{_write_outline(shape)}"{look}/>'
    box = {"x": shape.x, "y": shape.y, "width": shape.width, "height": shape.height}
    if shape.radius:
        box["rx"] = shape.radius
    return f"<rect{_write_attributes(box)}{look}/>"


def _write_outline(shape: Rect) -> str:
    """Return the path of a rectangle whose lower corners alone are round."""
    radius = _write_number(shape.radius)
    width = _write_number(shape.width)
    side = _write_number(shape.height - shape.radius)
    bottom = _write_number(shape.width - 2 * shape.radius)
    corner = f"a{radius} {radius} 0 0 1"
    return (
        f"M{_write_point((shape.x, shape.y))}h{width}v{side}{corner} -{radius} {radius}h-{bottom}"
        f"{corner} -{radius} -{radius}z"
    )


@_write_shape.register
def _(shape: Polygon) -> str:
    path = "L".join(_write_point(point) for point in shape.points)
    return f'<path d="M{path}z" fill="{shape.fill}"/>'


@_write_shape.register
def _(shape: Line) -> str:
    pieces = round_corners(shape)
    path = f"M{_write_point(pieces[0][0])}"
    for piece in pieces[1:]:
        path += "L" if len(piece) == 1 else "Q"
        path += " ".join(_write_point(point) for point in piece)
    dashes = " ".join(f"{length:g}" for length in DASHES) if shape.is_dashed else ""
    look = _write_look("", shape.stroke, shape.line)
    return f'<path d="{path}"{look}{_write_attributes({"stroke-dasharray": dashes})}/>'


@_write_shape.register
def _(shape: Text) -> str:
    attributes = {
        "x": shape.x,
        "y": shape.y,
        "fill": shape.color,
        "font-size": "" if shape.size == PLAIN_SIZE else f"{shape.size:g}",
        "font-weight": "bold" if shape.is_bold else "",
        "text-anchor": "" if shape.anchor == "start" else shape.anchor,
    }
    if shape.room and max(shape.text, default="") <= LAST_MEASURED:
        attributes |= {"textLength": shape.room, "lengthAdjust": "spacingAndGlyphs"}
    return f"<text{_write_attributes(attributes)}>{_escape_text(shape.text)}</text>"


def _write_look(fill: str, stroke: str, line: float) -> str:
    look = {"fill": fill or "none", "stroke": stroke}
    return _write_attributes(look | ({"stroke-width": f"{line:g}"} if stroke else {}))


def _write_attributes(values: dict) -> str:
    """Return those that are not empty, numbers rounded."""
    written = []
    for key, value in values.items():
        text = value if isinstance(value, str) else _write_number(value)
        if text:
            written.append(f' {key}="{_escape_text(text)}"')
    return "".join(written)


def _write_point(point: tuple[float, float]) -> str:
    return f"{_write_number(point[0])} {_write_number(point[1])}"


def _write_number(value: float) -> str:
    """Return at most two decimals, and no minus before zero."""
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def _escape_text(text: str) -> str:
    return escape(NOT_IN_XML.sub("\ufffd", text))
