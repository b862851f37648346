"""Graphviz's HTML-like labels: cards and the legend.

Graphviz restricts how this file writes them: an empty cell or font makes it drop the whole label;
``FIXEDSIZE`` cells leave gaps in older releases; every name must be escaped; font sizes must be
whole, because its SVG writer cuts them. Every text has a cell of its own, so that labels never
touch where another font is wider.
"""

from collections.abc import Iterable, Sequence
from html import escape

from neurolens.view import style
from neurolens.view.graph.legend import Legend
from neurolens.view.graph.shapes.legend import pick_mark_color
from neurolens.view.structure.cards import Card
from neurolens.view.structure.records import Run
from neurolens.view.style import Theme

NAME_SIZE = 10
SIZE = 9
TITLE_SIZE = 14
N_BAR_CELLS = 32
REGIONS_PER_ROW = 8
MOST_HEAT_CELLS = 24
LONGEST_NAME = 28
DRAWN_SIGNS = {
    "shortcut": "- - -", "loop": "blue", "branch": "◆", "read": "◆", "stack": "double frame",
    "empty": "gray",
}  # fmt: skip


class LabelWriter:
    """Writes labels in the colors of a theme and of regions, in order."""

    def __init__(self, theme: Theme, colors: Sequence[str]) -> None:
        self.theme = theme
        self.colors = colors

    def write_card(self, card: Card) -> str:
        """Return the label of one box."""
        rows = [_write_cell(self._write_head(card), COLSPAN=_count_columns(card))]
        if card.kind == "module":
            rows += [self._write_heat_row(shares) for shares in card.strip]
        else:
            rows += [self._write_row(card, i) for i in range(len(card.rows))]
        for tag in card.tags:
            text = self._write_font(tag.text, SIZE, self.theme.page, True)
            fill = self.colors[tag.region]
            span = _count_columns(card)
            rows.append(_write_cell(text, COLSPAN=span, ALIGN="LEFT", HEIGHT=14, BGCOLOR=fill))
        return _write_table(rows)

    def write_title(self, run: Run) -> str:
        """Return the title of an area: the module, and which part of it or its class."""
        title = _write_cell(self._write_font(run.title, NAME_SIZE, "", True))
        rest = run.part or run.module_class
        if rest:
            title += _write_cell(self._write_font(rest, SIZE, self.theme.soft))
        return _write_table([title], padding=2)

    def _write_font(self, text: str, size: int, color: str = "", bold: bool = False) -> str:
        """Return ``text``, escaped, as a FONT element; a hard space stands for empty text."""
        inner = escape(text) if text.strip() else "&#160;"
        inner = f"<B>{inner}</B>" if bold else inner
        return f'<FONT POINT-SIZE="{size}" COLOR="{color or self.theme.ink}">{inner}</FONT>'

    def _write_head(self, card: Card) -> str:
        soft = self.theme.soft
        name = style.shorten_text(card.name, LONGEST_NAME)
        color = soft if card.generated else ""
        cells = [_write_cell(self._write_font(name, NAME_SIZE, color, True), ALIGN="LEFT")]
        if card.label and card.kind != "module":
            label = style.shorten_text(card.label, LONGEST_NAME)
            cells.append(_write_cell(self._write_font(label, SIZE, soft), ALIGN="LEFT"))
        cells += [_write_cell(text, ALIGN="RIGHT") for text in self._list_right(card)]
        return _write_table(["".join(cells)], padding=2)

    def _list_right(self, card: Card) -> list[str]:
        """Return what stands at the right of the first line."""
        soft = self.theme.soft
        parts = []
        if card.kind == "module":
            parts.append(self._write_font(f"{card.n_ops} ops", SIZE, soft))
        elif card.kind == "op" and card.shape:
            parts.append(self._write_font(card.shape, SIZE, soft))
        if card.kind == "op" and card.n_ops > 1:
            parts.append(self._write_font(f"×{card.n_ops}", SIZE, self.theme.accent, True))
        if card.ties:
            parts.append(self._write_font("≈", SIZE, "", True))
        for i in card.ties:
            parts.append(self._write_font(card.regions[i], SIZE, self.colors[i], True))
        for mark in card.marks:
            color = pick_mark_color(mark, self.theme)
            parts += [self._write_font("◆", SIZE, color), self._write_font(mark, SIZE)]
        return parts

    def _write_row(self, card: Card, i: int) -> str:
        row = card.rows[i]
        cells = []
        if len(card.rows) > 1:
            cells.append(_write_cell(self._write_font(row.label, SIZE, self.theme.accent, True)))
        for cell in row.cells:
            fill = style.pick_color(cell.share, self.theme)
            color = style.pick_text_color(fill) if cell.has_color else self.theme.soft
            text = self._write_font(cell.text, SIZE, color)
            cells.append(_write_cell(text, WIDTH=30, HEIGHT=14, BGCOLOR=fill))
        return "".join(cells)

    def _write_heat_row(self, shares: Sequence[float]) -> str:
        """Return a strip; where it would be too long, a cell shows the best of several ops."""
        n_cells = min(len(shares), MOST_HEAT_CELLS)
        size = -(-len(shares) // n_cells)
        tops = [max(part, key=_rank_share) for part in _cut_parts(shares, size)]
        blank = self._write_font(" ", 4)
        fills = [style.pick_color(share, self.theme) for share in tops]
        cells = [_write_cell(blank, WIDTH=5, HEIGHT=8, BGCOLOR=fill) for fill in fills]
        return _write_cell(_write_table(["".join(cells)]), ALIGN="LEFT")

    def write_legend(self, legend: Legend) -> str:
        """Return the graph's own label: one line below the other."""
        soft = self.theme.soft
        lines = [self._write_font(legend.title, TITLE_SIZE, "", True)]
        lines += [self._write_font(line, SIZE, soft) for line in legend.subtitle]
        if legend.scale is not None:
            lines += [self._write_scale(legend)]
        if len(legend.regions) > 1:
            lines += [self._write_font(legend.heading, SIZE, "", True)]
            lines += self._list_regions(legend)
        if legend.marks:
            lines.append(self._write_marks(legend))
        lines += [self._write_font(note, SIZE, soft) for note in legend.notes]
        return _write_table(_write_cell(line, ALIGN="LEFT") for line in lines)

    def _write_marks(self, legend: Legend) -> str:
        """Return the marks below each other, their meanings in a second column."""
        rows = []
        for mark in legend.marks:
            color = {"branch": self.theme.branch, "read": self.theme.soft}.get(mark.kind, "")
            sign = self._write_font(mark.sign or DRAWN_SIGNS[mark.kind], SIZE, color, True)
            meaning = self._write_font(mark.meaning, SIZE, self.theme.soft)
            rows.append(_write_cell(sign, ALIGN="LEFT") + _write_cell(meaning, ALIGN="LEFT"))
        return _write_table(rows, padding=1)

    def _write_scale(self, legend: Legend) -> str:
        scale = legend.scale
        assert scale is not None
        blank = self._write_font(" ", 4)
        fills = [style.pick_color((i + 0.5) / N_BAR_CELLS, self.theme) for i in range(N_BAR_CELLS)]
        bar = "".join(_write_cell(blank, WIDTH=6, HEIGHT=12, BGCOLOR=fill) for fill in fills)
        top = style.format_score(scale.top)
        ends = _write_cell(self._write_font(f"{scale.name}: 0 to {top}", SIZE, "", True))
        return _write_table([_write_cell(_write_table([bar])) + ends])

    def _list_regions(self, legend: Legend) -> list[str]:
        """Return the regions in rows, with their lower noise ceilings."""
        bounds = {} if legend.scale is None else {c.region: c.value for c in legend.scale.ceilings}
        rows = []
        for numbers in _cut_parts(range(len(legend.regions)), REGIONS_PER_ROW):
            cells = []
            for i in numbers:
                cells.append(self._write_font(legend.regions[i], SIZE, self.colors[i], True))
                if i in bounds:
                    bound = f"ceiling {style.format_score(bounds[i])}"
                    cells.append(self._write_font(bound, SIZE, self.theme.soft))
            rows.append(_write_table(["".join(_write_cell(cell) for cell in cells)], padding=2))
        return rows


def _count_columns(card: Card) -> int:
    """Return the number of cells in the rows of a card."""
    if card.kind == "module" or not card.rows:
        return 1
    return len(card.rows[0].cells) + (len(card.rows) > 1)


def _cut_parts(values: Sequence, size: int) -> list[Sequence]:
    return [values[i : i + size] for i in range(0, len(values), size)]


def _rank_share(share: float) -> float:
    return share if share == share else float("-inf")


def _write_table(rows: Iterable[str], padding: int = 0) -> str:
    inner = "".join(f"<TR>{row}</TR>" for row in rows)
    return (
        f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="1" CELLPADDING="{padding}">{inner}</TABLE>'
    )


def _write_cell(inner: str, **attributes: object) -> str:
    listed = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<TD{listed}>{inner}</TD>"
