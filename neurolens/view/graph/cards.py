"""Graphviz's HTML-like labels: the cards of ops and folded modules, and the legend.

Graphviz restricts how this file writes them: an empty cell or font makes it drop the whole label;
``FIXEDSIZE`` cells leave gaps in older releases; every name must be escaped.
"""

from collections.abc import Iterable
from html import escape

import numpy as np

from neurolens.view import style
from neurolens.view.annotation import Annotation, describe_interval, describe_method
from neurolens.view.graph.layout import Layout, Node

MOST_NUMBERS = 5
MOST_HEAT_CELLS = 24
STRIP_WIDTH = 128
KEY_FILL = "#E9EDF2"
# A multiple of 3, so that three tick marks fit below the bar.
N_BAR_CELLS = 33


def write_font(text: str, size: float, color: str = style.INK, bold: bool = False) -> str:
    """Return ``text``, escaped, as a FONT element; a no-break space stands for empty text."""
    inner = escape(text) if text.strip() else "&#160;"
    inner = f"<B>{inner}</B>" if bold else inner
    return f'<FONT POINT-SIZE="{size:g}" COLOR="{color}">{inner}</FONT>'


def build_card(node: Node, annotation: Annotation | None) -> str:
    """Return the label of one box as an HTML-like table."""
    if node.kind == "module":
        return _build_module_card(node, annotation)
    if node.kind == "op":
        return _build_op_card(node, annotation)
    label = write_font(style.shorten_text(node.label, 28), 10, style.INK, True)
    if node.shape is None:
        return label
    return label + write_font("  " + style.format_shape(node.shape), 7.5, style.MUTED)


def build_tooltip(node: Node, annotation: Annotation | None) -> str:
    """Return the lines of a tooltip: full name, class, shape, every score with its interval."""
    if node.kind == "module":
        return f"{node.address}\n{len(node.ops)} ops, {node.ops[0].name} to {node.ops[-1].name}"
    if node.kind != "op":
        return node.label
    op = node.ops[0]
    lines = [
        op.name,
        f"{op.call} in {op.module_class or 'the model'}",
        " ".join(str(o.shape) for o in op.outputs),
    ]
    if annotation is not None and op.name in annotation.means:
        tables = (annotation.means, annotation.lows, annotation.highs)
        columns = [table[op.name] for table in tables]
        rows = zip(annotation.regions, *columns, strict=True)
        lines += [
            f"{region} {mean:.3f}{style.format_interval(low, high, 3)}"
            for region, mean, low, high in rows
        ]
        lines.append(describe_interval(annotation.attrs))
    return "\n".join(line for line in lines if line)


def build_legend(
    title: str, subtitle: str | None, annotation: Annotation | None, plan: Layout
) -> str:
    """Return the graph's own label: title, method, color bar, and keys of what the picture uses."""
    if subtitle is None:
        subtitle = describe_method(annotation.attrs) if annotation else ""
    lines = [write_font(title, 16, style.INK, True)]
    lines += [write_font(line, 9, style.MUTED) for line in subtitle.splitlines()]
    blocks = [_stack(lines)]
    if annotation is not None:
        blocks += [_build_bar(annotation), _build_region_key(annotation)]
    marks = _list_marks(annotation, plan)
    if marks:
        blocks.append(_stack(_write_mark(mark, meaning) for mark, meaning in marks.items()))
    cells = [_write_cell(block, ALIGN="LEFT", VALIGN="TOP") for block in blocks]
    if len(plan.columns) > 2:
        return _write_table([_write_cell(write_font(" ", 9), WIDTH=36).join(cells)])
    gap = _write_cell(write_font(" ", 4))
    return _write_table(row for cell in cells for row in (cell, gap))


def _list_marks(annotation: Annotation | None, plan: Layout) -> dict[str, str]:
    """Return the marks that this picture uses, with their meanings."""
    marks = {}
    if annotation is not None and annotation.best:
        marks["★ framed"] = annotation.notes.get("best_note", "best op, with its held-out score")
        if "doubt_note" in annotation.notes:
            marks["in doubt"] = annotation.notes["doubt_note"]
    drawn_ops = [node.ops[0].name for node in plan.nodes if node.kind == "op"]
    if annotation is not None and annotation.ties.keys() & set(drawn_ops):
        marks["underlined"] = annotation.notes.get(
            "set_note", "cannot be told apart from the best op"
        )
    if any(edge.shortcut for edge in plan.edges):
        marks["- - -"] = "shortcut (a longer path exists)"
    if any(node.generated for node in plan.nodes):
        marks["pale name"] = "made without the input"
    return marks


def _write_mark(mark: str, meaning: str) -> str:
    return write_font(mark, 8, style.INK, True) + write_font(f"  {meaning}", 8, style.MUTED)


def _write_table(rows: Iterable[str], padding: int = 0) -> str:
    inner = "".join(f"<TR>{row}</TR>" for row in rows)
    return (
        f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="{padding}">{inner}</TABLE>'
    )


def _write_cell(inner: str, **attributes: object) -> str:
    listed = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<TD{listed}>{inner}</TD>"


def _stack(lines: Iterable[str]) -> str:
    return _write_table(_write_cell(line, ALIGN="LEFT") for line in lines)


def _build_head(name: str, label: str, right: str, color: str = style.INK) -> str:
    left = write_font(name, 10, color, True) + write_font(label, 8, style.MUTED)
    cells = _write_cell(left, ALIGN="LEFT", HEIGHT=17, WIDTH=84)
    return _write_table(
        [cells + _write_cell(write_font(f"   {right}", 7.5, style.MUTED), ALIGN="RIGHT")], padding=2
    )


def _build_module_card(node: Node, annotation: Annotation | None) -> str:
    name = style.shorten_text(node.label, 30)
    head = _build_head(name, f" {node.module_class}", f"{len(node.ops)} ops")
    if annotation is None:
        return head
    return _add_scores(head, node, _build_heat_rows(node, annotation), annotation)


def _build_op_card(node: Node, annotation: Annotation | None) -> str:
    op = node.ops[0]
    name = style.shorten_text(op.function, 28)
    label = f" {style.shorten_text(node.label, 22)}"
    more = f" +{len(op.outputs) - 1}" if len(op.outputs) > 1 else ""
    color = style.FAINT if node.generated else style.INK
    head = _build_head(name, label, style.format_shape(op.shape) + more, color)
    if annotation is None:
        return head
    return _add_scores(head, node, _build_number_rows(op.name, annotation), annotation)


def _add_scores(head: str, node: Node, rows: list[list[str]], annotation: Annotation) -> str:
    """Add colored cells below the head of a card, and a tag for each region whose best op this is.

    The tag shows the held-out score, as the table of best ops does.
    """
    span = len(rows[0])
    lines = [_write_cell(head, COLSPAN=span), *("".join(row) for row in rows)]
    for op in node.ops:
        name = ""
        if node.kind == "module":
            name = f" {style.shorten_text(op.name.rpartition('/')[2], 14)}:"
        for i in annotation.best.get(op.name, ()):
            region = annotation.regions[i]
            score = f"{name} held out {style.format_score(annotation.heldout[i])} "
            doubt = "(in doubt) " if annotation.doubtful[i] else ""
            text = write_font(f" ★ best {region} {doubt}", 7, style.CARD, True)
            text += write_font(score, 7, style.CARD)
            fill = annotation.colors[region]
            lines.append(_write_cell(text, COLSPAN=span, ALIGN="LEFT", HEIGHT=11, BGCOLOR=fill))
    return _write_table(lines)


def _build_number_rows(name: str, annotation: Annotation) -> list[list[str]]:
    """Return a strip of one cell per region, and below it a line for ties.

    The line has the colors of regions whose best op cannot be told apart from this one.
    """
    n = len(annotation.regions)
    is_numbered = n <= MOST_NUMBERS
    width = max(32 if is_numbered else 9, STRIP_WIDTH // n)
    chosen = annotation.best.get(name, ())
    strip = []
    cells = zip(annotation.get_means(name), annotation.get_shares(name), strict=True)
    for i, (mean, share) in enumerate(cells):
        fill = style.pick_color(share)
        color = style.MUTED if np.isnan(share) else style.pick_text_color(fill)
        number = style.format_score(mean) if is_numbered else " "
        text = write_font(number, 7.5, color, i in chosen)
        strip.append(_write_cell(text, WIDTH=width, HEIGHT=13, BGCOLOR=fill))
    tied = annotation.ties.get(name)
    if not tied:
        return [strip]
    fills = [
        color if i in tied else style.CARD for i, color in enumerate(annotation.colors.values())
    ]
    return [strip, [_write_cell(write_font(" ", 1), HEIGHT=3, BGCOLOR=fill) for fill in fills]]


def _build_heat_rows(node: Node, annotation: Annotation) -> list[list[str]]:
    """Return one row per region over its ops in order of execution; a cell shows its best op."""
    n_cells = min(len(node.ops), MOST_HEAT_CELLS)
    width = max(5, STRIP_WIDTH // n_cells)
    shares = np.array([annotation.get_shares(op.name) for op in node.ops])  # (op, region)
    tops = [np.fmax.reduce(part) for part in np.array_split(shares, n_cells)]
    return [_build_heat_row(row, width) for row in np.transpose(tops)]  # (region, cell)


def _build_heat_row(shares: np.ndarray, width: int) -> list[str]:
    blank = write_font(" ", 5)
    fills = [style.pick_color(share) for share in shares]
    return [_write_cell(blank, WIDTH=width, HEIGHT=9, BGCOLOR=fill) for fill in fills]


def _build_bar(annotation: Annotation) -> str:
    """Return the key of colors: their scale, and the regions without a ceiling."""
    lines = [write_font(annotation.describe_colors(), 9, style.INK, True)]
    colored = np.isfinite(annotation.scale)
    if colored.any():
        lines.append(_build_color_scale(annotation.is_share, annotation.scale[colored][0]))
    lines += [write_font(sentence, 8, style.MUTED) for sentence in annotation.describe_gaps()]
    return _stack(lines)


def _build_color_scale(is_share: bool, top: float) -> str:
    ends = {"≤ 0": "LEFT", "0.5": "CENTER", "≥ 1": "RIGHT"}
    if not is_share:
        ends = {"≤ 0": "LEFT", " ": "CENTER", f"≥ {style.format_score(top)}": "RIGHT"}
    blank = write_font(" ", 4)
    fills = [style.pick_color(i / (N_BAR_CELLS - 1)) for i in range(N_BAR_CELLS)]
    cells = [_write_cell(blank, WIDTH=6, HEIGHT=12, BGCOLOR=fill) for fill in fills]
    span = N_BAR_CELLS // len(ends)
    marks = [
        _write_cell(write_font(text, 8, style.MUTED), COLSPAN=span, ALIGN=side)
        for text, side in ends.items()
    ]
    return _write_table(["".join(cells), "".join(marks)])


def _build_region_key(annotation: Annotation) -> str:
    """Return the regions in the order of cells and rows, with their lower ceilings if any."""
    title = write_font("order of cells and rows", 9, style.INK, True)
    names = [
        _write_cell(
            write_font(f" {region} ", 8, color, True), WIDTH=34, HEIGHT=13, BGCOLOR=KEY_FILL
        )
        for region, color in annotation.colors.items()
    ]
    if np.isnan(annotation.ceiling_lower).all():
        return _stack([title, _write_table(["".join(names)])])
    names.append(_write_cell(write_font(" ", 8)))
    ceilings = [
        _write_cell(write_font(style.format_score(low), 8, style.MUTED))
        for low in annotation.ceiling_lower
    ]
    ceilings.append(_write_cell(write_font("  = lower noise ceiling", 8, style.MUTED)))
    return _stack([title, _write_table(["".join(names), "".join(ceilings)])])
