"""The whole picture: legend, areas of modules, arrows and cards, in the order of drawing."""

from collections.abc import Mapping, Sequence

from neurolens.view import style
from neurolens.view.graph.legend import Legend
from neurolens.view.graph.plan import Box
from neurolens.view.graph.shapes.cards import CardPainter
from neurolens.view.graph.shapes.legend import place_legend
from neurolens.view.graph.shapes.records import (
    Group,
    Picture,
    Rect,
    Shape,
    Text,
    draw_arrow,
    move_shape,
)
from neurolens.view.layout.records import Arrow, Item, Scene
from neurolens.view.layout.text import measure_text, shorten_text
from neurolens.view.structure.records import Structure
from neurolens.view.style import Theme

MARGIN = 20.0
LEAST_WIDTH = 420.0
BACKING_RADIUS = 10.0
AREA_RADIUS = 7.0
TITLE_SIZE = 12.0
SIZE = 11.0
TITLE_LEFT = 10.0
TITLE_BASELINE = 16.0
TITLE_TOP = 5.0
TITLE_HEIGHT = 15.0
GAP = 5.0
# Between a title and the arrow that enters the area at its axis.
AXIS_GAP = 6.0
ORDER = ("shortcut", "main", "loop")


def build_picture(
    structure: Structure,
    scene: Scene,
    boxes: Sequence[Box | None],
    legend: Legend,
    theme: Theme,
) -> Picture:
    """Return all shapes, on an opaque backing.

    ``boxes`` has one entry per item of the scene, None for an area.
    """
    width = max(scene.width, LEAST_WIDTH)
    above, height = place_legend(legend, width, theme)
    top = MARGIN + height
    total_width = width + 2 * MARGIN
    total_height = top + scene.height + MARGIN
    backing = Rect(0, 0, total_width, total_height, theme.page, radius=BACKING_RADIUS)
    left = MARGIN + (width - scene.width) / 2
    moved = [move_shape(shape, MARGIN, MARGIN) for shape in above]
    for shape in _draw_scene(structure, scene, boxes, legend, theme):
        moved.append(move_shape(shape, left, top))
    return Picture(total_width, total_height, (backing, *moved), _describe(structure, legend))


def _describe(structure: Structure, legend: Legend) -> str:
    """Return what the picture shows, for readers who hear it."""
    n_ops = sum(len(node.ops) for node in structure.nodes)
    words = [f"{legend.title}: graph of {n_ops} ops", *legend.subtitle]
    if legend.regions:
        words.append(f"scores for {', '.join(legend.regions)}")
    return ". ".join(words)


def _draw_scene(
    structure: Structure,
    scene: Scene,
    boxes: Sequence[Box | None],
    legend: Legend,
    theme: Theme,
) -> list[Shape]:
    colors = list(style.assign_region_colors(legend.regions, theme).values())
    shapes: list[Shape] = []
    titles: list[Shape] = []
    drawn: list[Shape] = []
    columns = _list_columns(scene)
    for item, box in zip(scene.items, boxes, strict=True):
        if box is None:
            shapes.append(_draw_area(structure, item, theme))
            titles += _draw_title(structure, columns, item, theme)
            continue
        painter = CardPainter(box.card, item, theme, colors)
        drawn.append(Group(tuple(painter.draw()), box.tooltip, box.id, f"card {box.card.kind}"))
    names = [_name_item(structure, item) for item in scene.items]
    # Where arrows share a way, the main one is seen.
    arrows = sorted(scene.arrows, key=lambda arrow: ORDER.index(arrow.role))
    shapes += [_draw_edge(arrow, names, theme) for arrow in arrows]
    return [*shapes, *titles, *drawn]


def _draw_area(structure: Structure, item: Item, theme: Theme) -> Group:
    run = structure.runs[item.index]
    shade = min(run.depth, len(theme.areas) - 1)
    area = Rect(
        item.x,
        item.y,
        item.width,
        item.height,
        theme.areas[shade],
        theme.area_lines[shade],
        1,
        AREA_RADIUS,
    )
    words = ", ".join(word for word in (run.address, run.module_class, run.part) if word)
    return Group((area,), words, "", "area")


def _draw_title(
    structure: Structure, columns: Mapping[int, list[int]], item: Item, theme: Theme
) -> list[Shape]:
    """Write the name of a module, and what fits of its part or class beside its axis.

    Arrows that cross these words are interrupted there.
    """
    run = structure.runs[item.index]
    baseline = item.y + TITLE_BASELINE
    right = item.width - TITLE_LEFT
    title = shorten_text(run.title, right - TITLE_LEFT, TITLE_SIZE, True)
    width = measure_text(title, TITLE_SIZE, True)
    start = item.x + TITLE_LEFT
    ground = theme.areas[min(run.depth, len(theme.areas) - 1)]
    labels: list[Shape] = [
        Rect(start - 2, item.y + TITLE_TOP, width + 4, TITLE_HEIGHT, ground),
        Text(start, baseline, title, theme.ink, TITLE_SIZE, True, "start", width),
    ]
    rest = _number_part(columns, item) or run.part or run.module_class
    needed = measure_text(rest, SIZE)
    end = TITLE_LEFT + width + GAP
    axis = item.axis - item.x
    fits_left = end + needed < axis - AXIS_GAP or end > axis + AXIS_GAP
    place = end if fits_left else max(end, axis + AXIS_GAP)
    if rest and place + needed <= right:
        start = item.x + place
        labels.append(Rect(start - 2, item.y + TITLE_TOP, needed + 4, TITLE_HEIGHT, ground))
        labels.append(Text(start, baseline, rest, theme.soft, SIZE, False, "start", needed))
    return labels


def _list_columns(scene: Scene) -> dict[int, list[int]]:
    """Return the columns of each run's areas, from left to right."""
    columns: dict[int, list[int]] = {}
    for item in scene.items:
        if item.kind == "box":
            columns.setdefault(item.index, []).append(item.column)
    for found in columns.values():
        found.sort()
    return columns


def _number_part(columns: Mapping[int, list[int]], item: Item) -> str:
    """Return which of a run's areas this is, where columns cut it into several."""
    found = columns[item.index]
    if len(found) < 2:
        return ""
    return f"{found.index(item.column) + 1} of {len(found)}"


def _draw_edge(arrow: Arrow, names: Sequence[str], theme: Theme) -> Group:
    tooltip = f"{names[arrow.tail]} → {names[arrow.head]}"
    if arrow.role == "loop":
        pieces = draw_arrow(arrow.points, theme.accent, line=1.6)
        tooltip += " (next pass)"
    elif arrow.role == "shortcut":
        pieces = draw_arrow(arrow.points, theme.shortcut, is_dashed=True)
        tooltip += " (shortcut)"
    else:
        pieces = draw_arrow(arrow.points, theme.arrow, line=1.5 if arrow.wire else 1.2)
    return Group(tuple(pieces), tooltip, "", f"arrow {arrow.role}")


def _name_item(structure: Structure, item: Item) -> str:
    if item.kind != "node":
        return structure.runs[item.index].address
    node = structure.nodes[item.index]
    return node.ops[0] if node.ops else node.name
