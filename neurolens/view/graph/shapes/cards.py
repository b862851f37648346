"""Shapes of one card: an op, a folded module, an input or the output."""

from collections.abc import Sequence

from neurolens.view import style
from neurolens.view.graph.shapes.legend import draw_diamond, pick_mark_color
from neurolens.view.graph.shapes.records import Rect, Shape, Text, move_shape
from neurolens.view.layout.records import Item
from neurolens.view.layout.text import measure_text, shorten_text
from neurolens.view.structure.cards import Card, Cell
from neurolens.view.structure.sizes import (
    CELL_HEIGHT,
    CELL_WIDTH,
    FEWEST_ALONE,
    GAP,
    HEADER,
    MARK,
    MOST_NUMBERS,
    NAME_SIZE,
    PADDING,
    PASS_LABEL,
    ROW,
    STRIP_ROW,
    STRIP_TOP,
    TAG,
    TEXT_SIZE,
    list_ties,
    write_ties,
)
from neurolens.view.style import Theme

# Baselines below the top of a header, a row of cells, a tag.
HEADER_BASELINE = 15.0
END_BASELINE = 16.0
ROW_BASELINE = 11.5
TAG_BASELINE = 12.0
RADIUS = 4.0
END_RADIUS = 12.0
STACK = 3.0
FRAME = 2.2
DIAMOND = 4.5
# Columns of a strip that are narrower have no gaps.
LEAST_GAPPED = 3.0


class CardPainter:
    """Draws one card at the place of its item; ``colors`` are those of the regions, in order."""

    def __init__(self, card: Card, item: Item, theme: Theme, colors: Sequence[str]) -> None:
        self.card = card
        self.item = item
        self.theme = theme
        self.colors = colors
        self.shapes: list[Shape] = []
        self.fill = self._pick_fill()
        on_fill = style.pick_text_color(self.fill) if self.fill else ""
        pale = theme.soft if card.generated else theme.ink
        self.ink = on_fill or pale
        self.soft = on_fill or theme.soft

    def draw(self) -> list[Shape]:
        """Return the shapes, the first at the back."""
        if self.card.kind in ("input", "output"):
            self._draw_end()
            return self.shapes
        self._draw_face()
        right = self._draw_right_of_header()
        self._draw_names(right)
        if self.card.kind == "module":
            self._draw_strip()
        elif self.fill:
            self._draw_number()
        else:
            self._draw_rows()
        self._draw_marks()
        self._draw_tags()
        return self.shapes

    def _pick_fill(self) -> str:
        """Return the color of a card that shows one score by itself, "" for others."""
        if self.card.kind != "op" or len(self.card.rows) != 1:
            return ""
        cells = self.card.rows[0].cells
        if len(cells) != 1 or not cells[0].has_color:
            return ""
        return style.pick_color(cells[0].share, self.theme)

    def write(
        self,
        x: float,
        y: float,
        text: str,
        color: str,
        *,
        bold: bool = False,
        anchor: str = "start",
        size: float = TEXT_SIZE,
    ) -> float:
        """Add a label, measured from the card's corner, and return its width."""
        width = measure_text(text, size, bold)
        place = (self.item.x + x, self.item.y + y)
        self.shapes.append(Text(*place, text, color, size, bold, anchor, width))
        return width

    def add_rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str,
        *,
        stroke: str = "",
        radius: float = 0.0,
        is_top_square: bool = False,
    ) -> None:
        """Add a rectangle, measured from the card's corner."""
        place = (self.item.x + x, self.item.y + y)
        self.shapes.append(
            Rect(*place, width, height, fill, stroke, radius=radius, is_top_square=is_top_square)
        )

    def _draw_end(self) -> None:
        card = self.card
        theme = self.theme
        width = self.item.width
        self.add_rect(
            0, 0, width, self.item.height, theme.card, stroke=theme.card_line, radius=END_RADIUS
        )
        name_width = measure_text(card.name, NAME_SIZE, True)
        gap = GAP if card.label else 0.0
        start = (width - name_width - gap - measure_text(card.label, TEXT_SIZE)) / 2
        self.write(start, END_BASELINE, card.name, theme.ink, bold=True, size=NAME_SIZE)
        if card.label:
            self.write(start + name_width + gap, END_BASELINE, card.label, theme.soft)

    def _draw_face(self) -> None:
        width = self.item.width
        height = self.item.height
        theme = self.theme
        if self.card.kind == "module":
            under = theme.areas[2]
            self.add_rect(STACK, STACK, width, height, under, stroke=theme.card_line, radius=RADIUS)
        face = self.fill or theme.card
        self.add_rect(0, 0, width, height, face, stroke=theme.card_line, radius=RADIUS)

    def _draw_right_of_header(self) -> float:
        """Write what stands at the right of the first line; return where the names must end."""
        card = self.card
        right = self.item.width - PADDING
        if card.kind == "module":
            right = self._write_right(right, f"{card.n_ops} ops", self.soft)
        elif card.n_ops > 1:
            right = self._write_right(right, f"×{card.n_ops}", self.ink_of(self.theme.accent), True)
        room = right - PADDING - self._measure_names() - GAP
        if card.ties:
            if measure_text(write_ties(card), TEXT_SIZE, True) <= room:
                right = self._write_ties(right)
        elif self._has_shape_above() and measure_text(card.shape, TEXT_SIZE) <= room:
            right = self._write_right(right, card.shape, self.soft)
        return right

    def ink_of(self, color: str) -> str:
        """Return a color, or that of the text on a card which is filled with a score's color."""
        return self.ink if self.fill else color

    def _has_shape_above(self) -> bool:
        """Return whether the shape stands in the header, not beside few cells."""
        n_cells = len(self.card.rows[0].cells) if self.card.rows else 0
        return bool(self.card.shape) and (n_cells == 0 or n_cells >= FEWEST_ALONE)

    def _write_right(self, right: float, text: str, color: str, bold: bool = False) -> float:
        width = self.write(right, HEADER_BASELINE, text, color, bold=bold, anchor="end")
        return right - width - GAP

    def _measure_names(self) -> float:
        width = measure_text(self.card.name, NAME_SIZE, True)
        if self.card.kind != "module" and self.card.label:
            width += GAP + measure_text(self.card.label, TEXT_SIZE)
        return width

    def _write_ties(self, right: float) -> float:
        """Write ``≈`` and the regions from whose best op this one cannot be told apart."""
        start = right - measure_text(write_ties(self.card), TEXT_SIZE, True)
        x = start
        for word, region in list_ties(self.card):
            color = self.theme.ink if region is None else self.colors[region]
            self.write(x, HEADER_BASELINE, word, self.ink_of(color), bold=True)
            x += measure_text(f"{word} ", TEXT_SIZE, True)
        return start - GAP

    def _draw_names(self, right: float) -> None:
        name = shorten_text(self.card.name, right - PADDING, NAME_SIZE, True)
        baseline = HEADER_BASELINE
        width = self.write(PADDING, baseline, name, self.ink, bold=True, size=NAME_SIZE)
        start = PADDING + width + GAP
        if self.card.kind == "module":
            return
        label = shorten_text(self.card.label, max(right - start, 0.0), TEXT_SIZE)
        if label:
            self.write(start, baseline, label, self.soft)

    def _draw_strip(self) -> None:
        """Draw one row per region over the ops in order of execution."""
        width = self.item.width - 2 * PADDING
        for k, shares in enumerate(self.card.strip):
            step = width / len(shares)
            thick = max(step - 0.5, step * 0.8) if step > LEAST_GAPPED else step + 0.2
            for j, share in enumerate(shares):
                fill = style.pick_color(share, self.theme)
                y = STRIP_TOP + k * STRIP_ROW
                self.add_rect(PADDING + j * step, y, thick, STRIP_ROW - 1, fill)

    def _draw_number(self) -> None:
        cell = self.card.rows[0].cells[0]
        text = cell.long_text
        if measure_text(text, TEXT_SIZE) > self.item.width - 2 * PADDING:
            text = cell.text
        end = PADDING + self.write(PADDING, HEADER + ROW_BASELINE, text, self.ink)
        if end + GAP + measure_text(self.card.shape, TEXT_SIZE) <= self.item.width - PADDING:
            right = self.item.width - PADDING
            self.write(right, HEADER + ROW_BASELINE, self.card.shape, self.soft, anchor="end")

    def _draw_rows(self) -> None:
        """Draw one row of cells per pass, and the shape where few cells leave room for it."""
        card = self.card
        if not card.rows:
            return
        lead = PASS_LABEL if len(card.rows) > 1 else 0.0
        n = len(card.rows[0].cells)
        stretch: float = CELL_WIDTH
        if n >= FEWEST_ALONE:
            stretch = (self.item.width - 2 * PADDING - lead) / n
        for p, row in enumerate(card.rows):
            y = HEADER + p * ROW
            if lead:
                self.write(PADDING, y + ROW_BASELINE, row.label, self.theme.accent, bold=True)
            for k, cell in enumerate(row.cells):
                self._draw_cell(PADDING + lead + k * stretch, y, stretch - 1, cell)
        if n < FEWEST_ALONE and card.shape:
            right = self.item.width - PADDING
            self.write(right, HEADER + ROW_BASELINE, card.shape, self.soft, anchor="end")

    def _draw_cell(self, x: float, y: float, width: float, cell: Cell) -> None:
        fill = style.pick_color(cell.share, self.theme)
        color = style.pick_text_color(fill) if cell.has_color else self.theme.soft
        self.add_rect(x, y, width, CELL_HEIGHT, fill)
        if len(self.card.regions) <= MOST_NUMBERS:
            place = (self.item.x + x + width / 2, self.item.y + y + ROW_BASELINE)
            # "(−100)" is a little too wide.
            size = TEXT_SIZE * min(1.0, width / max(1.0, measure_text(cell.text, TEXT_SIZE)))
            self.shapes.append(Text(*place, cell.text, color, size, False, "middle"))

    def _draw_marks(self) -> None:
        """Write below the cells what Python did with values of this card."""
        card = self.card
        top = self.item.height - TAG * len(card.tags) - MARK * len(card.marks)
        for i, mark in enumerate(card.marks):
            y = top + i * MARK
            x = PADDING + DIAMOND
            color = pick_mark_color(mark, self.theme)
            diamond = draw_diamond(x, y + MARK / 2 - 1, color, DIAMOND)
            self.shapes.append(move_shape(diamond, self.item.x, self.item.y))
            start = x + DIAMOND + GAP
            text = shorten_text(mark, self.item.width - PADDING - start, TEXT_SIZE)
            self.write(start, y + ROW_BASELINE - 1, text, self.ink)

    def _draw_tags(self) -> None:
        """Draw one tag per region whose best op stands here, and the frame in its color."""
        width = self.item.width
        tags = self.card.tags
        for i, tag in enumerate(tags):
            y = self.item.height - (len(tags) - i) * TAG
            radius = RADIUS if i == len(tags) - 1 else 0.0
            fill = self.colors[tag.region]
            self.add_rect(0, y, width, TAG, fill, radius=radius, is_top_square=True)
            room = width - 2 * PADDING
            fits = measure_text(tag.text, TEXT_SIZE, True) <= room
            text = tag.text if fits else shorten_text(tag.short, room, TEXT_SIZE, True)
            self.write(PADDING, y + TAG_BASELINE, text, self.theme.page, bold=True)
        if tags:
            self.shapes.append(
                Rect(
                    self.item.x,
                    self.item.y,
                    width,
                    self.item.height,
                    stroke=self.colors[tags[0].region],
                    line=FRAME,
                    radius=RADIUS,
                )
            )
