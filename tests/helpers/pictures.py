"""Where labels of a picture stand, and what they stand on."""

import itertools
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

from neurolens.view.graph.shapes.records import Polygon, Rect, Text, iterate_shapes
from neurolens.view.layout.text import measure_text

SVG = "{http://www.w3.org/2000/svg}"
# Of the height of capital letters and of letters below the line.
ASCENT = 0.73
DESCENT = 0.22


@dataclass(frozen=True)
class Label:
    """The box of one text."""

    text: Text
    left: float
    top: float
    right: float
    bottom: float

    def touches(self, other: "Label") -> bool:
        is_beside = self.right <= other.left or other.right <= self.left
        return not (is_beside or self.bottom <= other.top or other.bottom <= self.top)


def find_box(text: Text) -> Label:
    width = measure_text(text.text, text.size, text.is_bold)
    left = text.x - {"start": 0.0, "middle": width / 2, "end": width}[text.anchor]
    top = text.y - ASCENT * text.size
    return Label(text, left, top, left + width, text.y + DESCENT * text.size)


def list_labels(shapes) -> list[Label]:
    """Return the boxes of all labels that are not empty."""
    texts = [s for s in iterate_shapes(shapes) if isinstance(s, Text) and s.text.strip()]
    return [find_box(text) for text in texts]


def list_touching(shapes) -> list[tuple[str, str]]:
    """Return the pairs of labels that share any place."""
    labels = sorted(list_labels(shapes), key=lambda label: label.top)
    pairs = []
    for i, label in enumerate(labels):
        below = itertools.takewhile(lambda o: o.top < label.bottom, labels[i + 1 :])  # noqa: B023
        pairs += [(label.text.text, o.text.text) for o in below if label.touches(o)]
    return pairs


def list_grounds(picture) -> list[tuple[Text, str]]:
    """Return of each text the fill of what was last drawn under its middle."""
    drawn = []
    grounds = []
    for shape in iterate_shapes(picture.shapes):
        if isinstance(shape, Rect) and shape.fill:
            drawn.append(shape)
        if not isinstance(shape, Text):
            continue
        box = find_box(shape)
        x = (box.left + box.right) / 2
        y = (box.top + box.bottom) / 2
        under = [r for r in drawn if r.x <= x <= r.x + r.width and r.y <= y <= r.y + r.height]
        grounds.append((shape, under[-1].fill))
    return grounds


def list_fills(picture) -> list[str]:
    """Return the fills of rectangles and polygons."""
    shapes = iterate_shapes(picture.shapes)
    return [shape.fill for shape in shapes if isinstance(shape, Rect | Polygon) and shape.fill]


def read_svg(svg: str) -> tuple[ElementTree.Element, list[str]]:
    """Return the parsed SVG, and its texts."""
    root = ElementTree.fromstring(svg)
    return root, [node.text or "" for node in root.iter(f"{SVG}text")]
