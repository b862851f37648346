"""Shapes of the legend, fitted to a width: nothing in it makes a picture wider."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from neurolens.view import style
from neurolens.view.graph.legend import CHOSE, Legend, Mark, Scale, write_tick
from neurolens.view.graph.shapes.records import Line, Polygon, Rect, Shape, Text, draw_arrow
from neurolens.view.layout.text import measure_text, shorten_text
from neurolens.view.style import Theme

TITLE_SIZE = 16.0
SIZE = 11.0
LINE_HEIGHT = 16.0
BLOCK_GAP = 24.0
MARK_GAP = 18.0
SIGN_GAP = 5.0
SCALE_WIDTH = 250.0
SCALE_HEIGHT = 46.0
BAR_TOP = 17.0
BAR_HEIGHT = 11.0
N_STEPS = 50
DRAWN_SIGN_WIDTH = 22.0


@dataclass(frozen=True, slots=True)
class Chip:
    """One unbreakable piece of a row: a sign or a name, and words after it."""

    sign: str
    words: str
    kind: str = "text"
    color: str = ""

    def measure(self) -> float:
        """Return its width."""
        width = self.measure_sign()
        if self.words:
            width += SIGN_GAP * bool(width) + measure_text(self.words, SIZE)
        return width

    def measure_sign(self) -> float:
        """Return the width of the sign alone."""
        if self.kind == "text":
            return measure_text(self.sign, SIZE, True)
        return DRAWN_SIGN_WIDTH


@dataclass
class Pen:
    """Collects shapes; ``y`` is the top of the next line."""

    theme: Theme
    width: float
    y: float = 0.0
    shapes: list[Shape] = field(default_factory=list)

    def write(
        self, x: float, y: float, text: str, color: str, *, size: float = SIZE, bold: bool = False,
        anchor: str = "start",
    ) -> float:  # fmt: skip
        """Add a label and return the x of its end."""
        width = measure_text(text, size, bold)
        self.shapes.append(Text(x, y, text, color, size, bold, anchor, width))
        return x + width


def place_legend(legend: Legend, width: float, theme: Theme) -> tuple[tuple[Shape, ...], float]:
    """Return the shapes of a legend within ``width``, from 0 on, and its height."""
    pen = Pen(theme, width)
    for line in wrap_text(legend.title, width, TITLE_SIZE, True):
        pen.write(0, pen.y + TITLE_SIZE - 1, line, theme.ink, size=TITLE_SIZE, bold=True)
        pen.y += TITLE_SIZE + 5
    for sentence in legend.subtitle:
        _write_sentence(pen, sentence)
    if legend.scale is not None or legend.marks:
        pen.y += 6
    _place_keys(pen, legend)
    for sentence in legend.notes:
        _write_sentence(pen, sentence)
    return tuple(pen.shapes), pen.y


def wrap_text(text: str, width: float, size: float, bold: bool = False) -> list[str]:
    """Break text at spaces into lines that fit; a word that does not fit by itself is shortened."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and measure_text(joined, size, bold) <= width:
            lines[-1] = joined
        else:
            lines.append(shorten_text(word, width, size, bold))
    return lines


def _write_sentence(pen: Pen, sentence: str) -> None:
    for line in wrap_text(sentence, pen.width, SIZE):
        pen.write(0, pen.y + 12, line, pen.theme.soft)
        pen.y += LINE_HEIGHT


def _place_keys(pen: Pen, legend: Legend) -> None:
    """Place the scale, and to its right or below it the regions and marks in rows."""
    left = 0.0
    bottom = pen.y
    has_names = fits_names(legend)
    if legend.scale is not None:
        end = _draw_scale(pen, legend, legend.scale, has_names)
        bottom += SCALE_HEIGHT
        if end + BLOCK_GAP + 260 <= pen.width:
            left = end + BLOCK_GAP
        else:
            pen.y = bottom
    rows = list(_list_chips(legend, pen.theme, has_names))
    if left and len(_break_rows(rows, pen.width - left)) == 1:
        pen.y += LINE_HEIGHT / 2
    for row in _break_rows(rows, pen.width - left):
        x = left
        for chip in row:
            x = _draw_chip(pen, x, chip, pen.width) + MARK_GAP
        pen.y += LINE_HEIGHT + 1
    pen.y = max(pen.y, bottom) + 2


def fits_names(legend: Legend) -> bool:
    """Return whether all regions with a ceiling can be named above the scale."""
    if legend.scale is None:
        return False
    names = [legend.regions[ceiling.region] for ceiling in legend.scale.ceilings]
    taken = sum(measure_text(name, SIZE, True) + SIGN_GAP for name in names)
    room = SCALE_WIDTH - measure_text(legend.scale.name, SIZE, True) - 2 * SIGN_GAP
    return taken <= room


def _list_chips(legend: Legend, theme: Theme, has_names: bool) -> Iterator[list[Chip]]:
    """Yield the regions as one list of chips and the marks as another."""
    colors = style.assign_region_colors(legend.regions, theme)
    bounds = {} if legend.scale is None else {c.region: c.value for c in legend.scale.ceilings}
    if len(legend.regions) > 1:
        heading = legend.heading
        if bounds and not has_names:
            heading += ", with their lower noise ceilings (–: none)"
        chips = [Chip("", heading + ":")]
        for i, name in enumerate(legend.regions):
            bound = style.format_score(bounds[i]) if i in bounds else "–"
            chips.append(Chip(name, "" if has_names or not bounds else bound, "text", colors[name]))
        yield chips
    yield [Chip(mark.sign, mark.meaning, mark.kind) for mark in legend.marks]


def _break_rows(parts: list[list[Chip]], width: float) -> list[list[Chip]]:
    """Break chips into rows that fit; each part begins a row unless all fit into one."""
    joined = [chip for part in parts for chip in part]
    if _measure_row(joined) <= width:
        return [joined] if joined else []
    rows: list[list[Chip]] = []
    for part in parts:
        row: list[Chip] = []
        for chip in part:
            if row and _measure_row([*row, chip]) > width:
                rows.append(row)
                row = []
            row.append(chip)
        if row:
            rows.append(row)
    return rows


def _measure_row(row: list[Chip]) -> float:
    return sum(chip.measure() + MARK_GAP for chip in row) - MARK_GAP


def _draw_chip(pen: Pen, x: float, chip: Chip, right: float) -> float:
    baseline = pen.y + 12
    theme = pen.theme
    end = x
    if chip.kind != "text":
        pen.shapes += draw_sign(Mark(chip.kind, "", ""), x, pen.y + 8, theme)
        end = x + DRAWN_SIGN_WIDTH
    elif chip.sign:
        sign = shorten_text(chip.sign, right - x, SIZE, True)
        end = pen.write(x, baseline, sign, chip.color or theme.ink, bold=True)
    if not chip.words:
        return end
    start = end + (SIGN_GAP if end > x else 0)
    words = shorten_text(chip.words, max(right - start, 0.0), SIZE)
    return pen.write(start, baseline, words, theme.soft)


def draw_sign(mark: Mark, x: float, y: float, theme: Theme) -> list[Shape]:
    """Return the shapes of a mark around the height ``y``, ``DRAWN_SIGN_WIDTH`` wide."""
    end = x + DRAWN_SIGN_WIDTH
    if mark.kind == "shortcut":
        return list(draw_arrow(((x, y), (end, y)), theme.shortcut, is_dashed=True))
    if mark.kind == "loop":
        return list(draw_arrow(((x, y), (end, y)), theme.accent, line=1.6))
    if mark.kind in ("branch", "read"):
        color = theme.branch if mark.kind == "branch" else theme.soft
        return [draw_diamond(x + DRAWN_SIGN_WIDTH / 2, y, color)]
    if mark.kind == "stack":
        return [
            Rect(x + 3, y - 4, 18, 11, theme.areas[2], theme.card_line, 1, 2),
            Rect(x, y - 7, 18, 11, theme.card, theme.card_line, 1, 2),
        ]
    fill = theme.empty if mark.kind == "empty" else theme.card
    return [Rect(x, y - 6, DRAWN_SIGN_WIDTH - 1, 12, fill, theme.card_line, 0.6, 2)]


def pick_mark_color(mark: str, theme: Theme) -> str:
    """Return the color of the diamond before what Python did with a value."""
    return theme.branch if mark.startswith(CHOSE) else theme.soft


def draw_diamond(x: float, y: float, color: str, radius: float = 5.0) -> Polygon:
    """Return the mark of an op whose value Python read, around a point."""
    points = ((x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y))
    return Polygon(points, color)


def _draw_scale(pen: Pen, legend: Legend, scale: Scale, has_names: bool) -> float:
    """Draw the colors from 0 to the top, ticks below, ceilings above; return the right end."""
    theme = pen.theme
    top = pen.y + BAR_TOP
    step = SCALE_WIDTH / N_STEPS
    for i in range(N_STEPS):
        fill = style.pick_color((i + 0.5) / N_STEPS, theme)
        overlap = 0.4 if i < N_STEPS - 1 else 0.0
        pen.shapes.append(Rect(i * step, top, step + overlap, BAR_HEIGHT, fill))
    for value in scale.ticks:
        x = value / scale.top * SCALE_WIDTH
        pen.shapes.append(Line(((x, top + BAR_HEIGHT), (x, top + BAR_HEIGHT + 3)), theme.soft))
        anchor = "start" if value == 0 else "middle"
        pen.write(x, top + BAR_HEIGHT + 14, write_tick(scale, value), theme.soft, anchor=anchor)
    name_end = pen.write(0, pen.y + 11, scale.name, theme.ink, bold=True)
    return _draw_ceilings(pen, legend, scale, name_end if has_names else None)


def _draw_ceilings(pen: Pen, legend: Legend, scale: Scale, name_end: float | None) -> float:
    """Mark every lower ceiling on the bar, named above it where there is room."""
    colors = style.assign_region_colors(legend.regions, pen.theme)
    top = pen.y + BAR_TOP
    right = 0.0 if name_end is None else name_end + 2 * SIGN_GAP
    ordered = sorted(scale.ceilings, key=lambda ceiling: ceiling.value)
    widths = [measure_text(legend.regions[c.region], SIZE, True) for c in ordered]
    for i, ceiling in enumerate(ordered):
        name = legend.regions[ceiling.region]
        x = min(ceiling.value / scale.top, 1.0) * SCALE_WIDTH
        mark = ((x, top - 3), (x, top + BAR_HEIGHT + 2))
        if name_end is not None:
            pen.shapes.append(Line(mark, pen.theme.card, 4))
        pen.shapes.append(Line(mark, colors[name], 2 if name_end is not None else 1))
        if name_end is not None:
            after = sum(width + SIGN_GAP for width in widths[i + 1 :])
            start = min(max(right, x - widths[i] / 2), SCALE_WIDTH - after - widths[i])
            right = pen.write(start, pen.y + 11, name, colors[name], bold=True) + SIGN_GAP
    if not ordered or name_end is None:
        return SCALE_WIDTH
    words = "lower noise ceilings" if len(ordered) > 1 else "lower noise ceiling"
    return max(pen.write(right + 2, pen.y + 11, words, pen.theme.soft), SCALE_WIDTH)
