"""Draws the figure of docs/layout.md: python tests/helpers/layout_figure.py."""

from pathlib import Path
from xml.sax.saxutils import escape

from layouts import build_plan

from neurolens.view.layout.records import Item, Scene
from neurolens.view.layout.scene import place_in_columns
from neurolens.view.layout.text import measure_text

TARGET = Path(__file__).parents[2] / "docs" / "images" / "layout.svg"
NAMES = (
    *("input", "conv", "relu", "conv", "relu", "conv (lane 1)", "relu (lane 1)", "add (spine)"),
    *("conv", "add", "relu", "linear", "output"),
)
EDGES = (
    *[(0, 1), (1, 2), (2, 3), (3, 4), (4, 7), (1, 5), (5, 6), (6, 7), (2, 7)],
    *[(7, 8), (8, 9), (9, 10), (10, 8), (10, 11), (11, 12), (7, 10)],
)
SHORTCUTS = ((2, 7), (7, 10))
COLORS = {"main": "#5B6676", "shortcut": "#B3541E", "loop": "#1F5FD6"}
FONT = 'font-family="Arial, Liberation Sans, Helvetica, sans-serif"'


def draw_scene(scene: Scene, titles: list[str]) -> list[str]:
    """Return the scene as SVG elements: boxes, arrows, cards."""
    parts = []
    for item in scene.items:
        if item.kind == "box":
            parts.append(draw_rectangle(item, 7, "#EEF1F6", "#C5CCD8"))
            parts.append(write_text(titles[item.index], item.x + 10, item.y + 16, bold=True))
    for arrow in sorted(scene.arrows, key=lambda arrow: arrow.role == "main"):
        points = " ".join(f"{x:g},{y:g}" for x, y in arrow.points)
        color = COLORS[arrow.role]
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.4" '
            f'marker-end="url(#{arrow.role})"/>'
        )
    for item in scene.items:
        if item.kind != "box":
            parts.append(draw_rectangle(item, 4, "#FFFFFF", "#8792A2"))
            name = NAMES[item.index]
            x = item.axis - measure_text(name, 12) / 2
            parts.append(write_text(name, x, item.y + item.height / 2 + 4))
    return parts


def draw_rectangle(item: Item, radius: float, fill: str, line: str) -> str:
    return (
        f'<rect x="{item.x:g}" y="{item.y:g}" width="{item.width:g}" height="{item.height:g}" '
        f'rx="{radius}" fill="{fill}" stroke="{line}"/>'
    )


def write_text(text: str, x: float, y: float, bold: bool = False, color: str = "#1B2430") -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:g}" font-size="12" {FONT}{weight} fill="{color}">'
        f"{escape(text)}</text>"
    )


def draw_figure() -> str:
    """Return the figure as SVG."""
    plan = build_plan(
        [-1, -1, 0, 0, 0, 0, 0, 0, 1, 1, 1, -1, -1], EDGES, runs=[-1, -1], ends={0, 12}
    )
    edges = tuple((t, h, "shortcut" if (t, h) in SHORTCUTS else role) for t, h, role in plan.edges)
    plan = type(plan)(
        plan.nodes, plan.is_end, plan.runs, plan.titles, plan.folded_sizes, plan.folded, edges
    )
    scene = place_in_columns(plan, [0] * 8 + [1] * 5)
    notes = list_notes(scene)
    width = max(scene.width, max(x + measure_text(text, 12) for text, x, _ in notes) + 8)
    tips = [
        f'<marker id="{role}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 .8L7.4 4L0 7.2z" fill="{color}"/></marker>'
        for role, color in COLORS.items()
    ]
    room = f"{width:.0f} {scene.height:g}"
    size = f'width="{width:.0f}" height="{scene.height:g}" viewBox="0 0 {room}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            f"<defs>{''.join(tips)}</defs>",
            '<rect width="100%" height="100%" fill="#FFFFFF"/>',
            *draw_scene(scene, ["module a", "module b"]),
            *[write_text(text, x, y, color="#566170") for text, x, y in notes],
            "</svg>",
            "",
        ]
    )


def list_notes(scene: Scene) -> list[tuple[str, float, float]]:
    """Return what is written beside the picture: text, x, y."""
    x = scene.width + 6
    found = {item.index: item for item in scene.items if item.kind == "node"}
    last = found[12]
    return [
        ("column 1", found[0].x + 90, found[0].y + 16),
        ("band above the columns, gutter between them:", x, 20.0),
        ("wires lead from one column to the next", x, 36.0),
        ("channel to the right of a lane:", x, found[9].y + 8),
        ("a loop (blue) leads up in it,", x, found[9].y + 24),
        ("a shortcut (brown) down", x, found[9].y + 40),
        ("column 2", last.x + 90, last.y + 16),
    ]


if __name__ == "__main__":
    TARGET.write_text(draw_figure(), encoding="utf-8")
