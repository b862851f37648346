"""Shapes that every picture is made of: written once, drawn by `svg` and by `figure`.

Lengths are pixels, y points down. Colors are ``#RRGGBB``, ``""`` for none.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from neurolens.view.layout.records import Point

CORNER = 6.0
HEAD_LENGTH = 6.0
HEAD_WIDTH = 5.4
DASHES = (4.0, 3.0)
LEAST_PIECE = 0.5


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle. ``radius`` rounds its corners, of which the upper two may be kept square."""

    x: float
    y: float
    width: float
    height: float
    fill: str = ""
    stroke: str = ""
    line: float = 1.0
    radius: float = 0.0
    is_top_square: bool = False


@dataclass(frozen=True, slots=True)
class Polygon:
    """A filled area between corners."""

    points: tuple[Point, ...]
    fill: str


@dataclass(frozen=True, slots=True)
class Line:
    """Straight pieces between corners that are rounded by ``radius``."""

    points: tuple[Point, ...]
    stroke: str
    line: float = 1.0
    radius: float = 0.0
    is_dashed: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """One label; ``y`` is its baseline, ``anchor`` is "start", "middle" or "end".

    ``room`` is the width that it was given, 0 where nothing stands near: a renderer whose font is
    wider makes the letters narrower.
    """

    x: float
    y: float
    text: str
    color: str
    size: float = 11.0
    is_bold: bool = False
    anchor: str = "start"
    room: float = 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """Shapes that belong together, with a tooltip and an id where they have one."""

    shapes: "tuple[Shape, ...]"
    tooltip: str = ""
    id: str = ""
    kind: str = ""


Shape = Rect | Polygon | Line | Text | Group


@dataclass(frozen=True, slots=True)
class Picture:
    """All shapes of a picture, the first at the back; ``label`` says in words what it shows."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
    label: str


def iterate_shapes(shapes: Sequence[Shape]) -> Iterator[Rect | Polygon | Line | Text]:
    """Yield the shapes in groups and outside of them, in order."""
    for shape in shapes:
        if isinstance(shape, Group):
            yield from iterate_shapes(shape.shapes)
        else:
            yield shape


def draw_arrow(
    points: Sequence[Point], color: str, *, line: float = 1.2, is_dashed: bool = False
) -> tuple[Line, Polygon]:
    """Return a line with rounded corners and the head at its end.

    The head lies on the last piece, which the line leaves free for it.
    """
    corners = drop_repeats(points)
    (x0, y0), (x1, y1) = corners[-2:]
    length = math.hypot(x1 - x0, y1 - y0)
    ux = (x1 - x0) / length
    uy = (y1 - y0) / length
    base = (x1 - HEAD_LENGTH * ux, y1 - HEAD_LENGTH * uy)
    side = (-uy * HEAD_WIDTH / 2, ux * HEAD_WIDTH / 2)
    head = (
        (x1, y1),
        (base[0] + side[0], base[1] + side[1]),
        (base[0] - side[0], base[1] - side[1]),
    )
    shaft = min(HEAD_LENGTH - 1.0, length - LEAST_PIECE / 2)
    end = (x1 - shaft * ux, y1 - shaft * uy)
    path = (*corners[:-1], end)
    return Line(path, color, line, CORNER, is_dashed), Polygon(head, color)


def drop_repeats(points: Sequence[Point]) -> list[Point]:
    """Return corners without those that lie on the one before; at least two remain."""
    kept = [points[0]]
    for point in points[1:]:
        if math.dist(point, kept[-1]) > LEAST_PIECE:
            kept.append(point)
    if len(kept) == 1:
        kept.append((points[0][0], points[0][1] + 1.0))
    return kept


def round_corners(line: Line) -> list[tuple[Point, ...]]:
    """Return the pieces of a line: ``(end,)`` of a straight one, ``(corner, end)`` of a bend.

    The first has only the start.
    """
    points = line.points
    pieces: list[tuple[Point, ...]] = [(points[0],)]
    for i in range(1, len(points) - 1):
        before, corner, after = points[i - 1 : i + 2]
        radius = min(line.radius, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        if radius <= 0:
            pieces.append((corner,))
            continue
        pieces.append((_move_towards(corner, before, radius),))
        pieces.append((corner, _move_towards(corner, after, radius)))
    pieces.append((points[-1],))
    return pieces


def _move_towards(start: Point, goal: Point, distance: float) -> Point:
    share = distance / math.dist(start, goal)
    return (start[0] + share * (goal[0] - start[0]), start[1] + share * (goal[1] - start[1]))


def move_shape(shape: Shape, dx: float, dy: float) -> Shape:
    """Return a shape, or a group with all that is in it, at another place."""
    if isinstance(shape, Group):
        return replace(shape, shapes=tuple(move_shape(part, dx, dy) for part in shape.shapes))
    if isinstance(shape, Line | Polygon):
        return replace(shape, points=tuple((x + dx, y + dy) for x, y in shape.points))
    return replace(shape, x=shape.x + dx, y=shape.y + dy)
