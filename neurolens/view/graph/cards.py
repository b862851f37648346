"""Graphviz's HTML-like labels: the cards of ops and folded modules, and the legend.

Traps that shape this file: an empty cell or font makes Graphviz drop the whole label; ``FIXEDSIZE``
cells leave gaps in older releases; every name must be escaped.
"""

from collections.abc import Iterable
from html import escape

import numpy as np

from neurolens.view import style
from neurolens.view.annotation import Annotation, describe_method
from neurolens.view.graph.layout import Layout, Node

MOST_NUMBERS = 5
MOST_HEAT_CELLS = 24
STRIP_WIDTH = 128
KEY_FILL = "#E9EDF2"


def write_font(text: str, size: float, color: str = style.INK, bold: bool = False) -> str:
    """Return ``text``, escaped, as a FONT element; a no-break space stands for empty text."""
    inner = escape(text) if text.strip() else "&#160;"
    inner = f"<B>{inner}</B>" if bold else inner
    return f'<FONT POINT-SIZE="{size:g}" COLOR="{color}">{inner}</FONT>'


def build_card(node: Node, annotation: Annotation | None) -> str:
    """Return the label of one box as an HTML-like table."""
    if node.kind == "module":
        module_class = f" {node.module_class}"
        head = _build_head(style.shorten_text(node.label, 30), module_class, f"{len(node.ops)} ops")
        return (
            _add_scores(head, node, _build_heat_rows(node, annotation), annotation)
            if annotation
            else head
        )
    if node.kind == "op":
        op = node.ops[0]
        more = f" +{len(op.outputs) - 1}" if len(op.outputs) > 1 else ""
        name = style.shorten_text(op.function, 28)
        label = f" {style.shorten_text(node.label, 22)}"
        color = style.FAINT if node.generated else style.INK
        head = _build_head(name, label, style.format_shape(op.shape) + more, color)
        return (
            _add_scores(head, node, _build_number_rows(op.name, annotation), annotation)
            if annotation
            else head
        )
    shape = (
        write_font("  " + style.format_shape(node.shape), 7.5, style.MUTED)
        if node.shape is not None
        else ""
    )
    return write_font(style.shorten_text(node.label, 28), 10, style.INK, True) + shape


def build_tooltip(node: Node, annotation: Annotation | None) -> str:
    """Return plain lines for hovering: full name, class, shape, every score with its interval."""
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
        rows = zip(annotation.regions, *(table[op.name] for table in tables), strict=True)
        lines += [
            f"{region} {mean:.3f}{style.format_interval(low, high, 3)}"
            for region, mean, low, high in rows
        ]
    return "\n".join(lines)


def build_legend(
    title: str, subtitle: str | None, annotation: Annotation | None, plan: Layout
) -> str:
    """Return the graph's own label: title, method, colour bar, strip key.

    And keys of what the picture uses.
    """
    if subtitle is None:
        subtitle = describe_method(annotation.attrs) if annotation else ""
    lines = [
        write_font(title, 16, style.INK, True),
        *(write_font(t, 9, style.MUTED) for t in subtitle.splitlines()),
    ]
    blocks = [_stack(lines)]
    if annotation is not None:
        blocks += [_build_bar(annotation), _build_key(annotation)]
    keys = {
        "★ framed": (
            "best op for that region, chosen on half of the stimuli",
            annotation and annotation.best,
        ),
        "underlined": (
            "cannot be told apart from that region's best op",
            annotation and annotation.ties,
        ),
        "- - -": ("shortcut (a longer path exists)", any(edge.shortcut for edge in plan.edges)),
        "pale name": ("made without the input", any(node.generated for node in plan.nodes)),
    }
    used = {mark: meaning for mark, (meaning, is_used) in keys.items() if is_used}
    lines = [
        write_font(m, 8, style.INK, True) + write_font(f"  {text}", 8, style.MUTED)
        for m, text in used.items()
    ]
    blocks += [_stack(lines)] if used else []
    cells = [_write_cell(block, ALIGN="LEFT", VALIGN="TOP") for block in blocks]
    if len(plan.columns) > 2:
        return _write_table([_write_cell(write_font(" ", 9), WIDTH=36).join(cells)])
    gap = _write_cell(write_font(" ", 4))
    return _write_table(row for cell in cells for row in (cell, gap))


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


def _add_scores(head: str, node: Node, rows: list[list[str]], annotation: Annotation) -> str:
    """Put coloured cells under the head of a card.

    And a tag for every region whose best op is in it.
    """
    span = len(rows[0])
    lines = [_write_cell(head, COLSPAN=span), *("".join(row) for row in rows)]
    for name in [op.name for op in node.ops]:
        for i in annotation.best.get(name, ()):
            region = annotation.regions[i]
            score = style.format_score(annotation.means[name][i])
            score += style.format_interval(annotation.lows[name][i], annotation.highs[name][i])
            where = (
                f" {style.shorten_text(name.rpartition('/')[2], 14)} " if len(node.ops) > 1 else " "
            )
            text = write_font(f" ★ best {region} ", 7, style.CARD, True) + write_font(
                where + score, 7, style.CARD
            )
            lines.append(
                _write_cell(
                    text, COLSPAN=span, ALIGN="LEFT", HEIGHT=11, BGCOLOR=annotation.colors[region]
                )
            )
    return _write_table(lines)


def _build_number_rows(name: str, annotation: Annotation) -> list[list[str]]:
    """Return a strip of one cell per region.

    And below it the colours of regions whose best op may be this one.
    """
    n = len(annotation.regions)
    numbered = n <= MOST_NUMBERS
    width = max(32 if numbered else 9, STRIP_WIDTH // n)
    strip = []
    for i, (mean, share) in enumerate(
        zip(annotation.get_means(name), annotation.get_shares(name), strict=True)
    ):
        fill = style.pick_color(share)
        color = style.MUTED if np.isnan(mean) else style.pick_text_color(fill)
        text = write_font(
            style.format_score(mean) if numbered else " ",
            7.5,
            color,
            i in annotation.best.get(name, ()),
        )
        strip.append(_write_cell(text, WIDTH=width, HEIGHT=13, BGCOLOR=fill))
    tied = annotation.ties.get(name)
    if not tied:
        return [strip]
    fills = [
        color if i in tied else style.CARD for i, color in enumerate(annotation.colors.values())
    ]
    return [strip, [_write_cell(write_font(" ", 1), HEIGHT=3, BGCOLOR=fill) for fill in fills]]


def _build_heat_rows(node: Node, annotation: Annotation) -> list[list[str]]:
    """Return a row per region, its ops in order of execution; many ops share a cell.

    Which shows the best of them.
    """
    n_cells = min(len(node.ops), MOST_HEAT_CELLS)
    width = max(5, STRIP_WIDTH // n_cells)
    shares = np.array([annotation.get_shares(op.name) for op in node.ops])
    tops = np.array([np.fmax.reduce(part) for part in np.array_split(shares, n_cells)])
    blank = write_font(" ", 5)
    return [
        [_write_cell(blank, WIDTH=width, HEIGHT=9, BGCOLOR=style.pick_color(top)) for top in row]
        for row in tops.T
    ]


def _build_bar(annotation: Annotation) -> str:
    known = annotation.has_ceiling
    top = style.format_score(annotation.scale[~known][0]) if not known.all() else ""
    words = "share of the noise ceiling reached" if known.any() else "raw score (no noise ceiling)"
    ends = {
        "≤ 0": "LEFT",
        "0.5" if known.any() else " ": "CENTER",
        "≥ 1" if known.any() else f"≥ {top}": "RIGHT",
    }
    cells = [
        _write_cell(write_font(" ", 4), WIDTH=6, HEIGHT=12, BGCOLOR=style.pick_color(i / 32))
        for i in range(33)
    ]
    marks = [
        _write_cell(write_font(text, 8, style.MUTED), COLSPAN=11, ALIGN=side)
        for text, side in ends.items()
    ]
    lines = [write_font(words, 9, style.INK, True), _write_table(["".join(cells), "".join(marks)])]
    if known.any() and not known.all():
        raw = ", ".join(r for r, has in zip(annotation.regions, known, strict=True) if not has)
        lines.append(
            write_font(f"{raw}: no noise ceiling, raw score from 0 to {top}", 8, style.MUTED)
        )
    return _stack(lines)


def _build_key(annotation: Annotation) -> str:
    names = [
        _write_cell(
            write_font(f" {region} ", 8, color, True), WIDTH=34, HEIGHT=13, BGCOLOR=KEY_FILL
        )
        for region, color in annotation.colors.items()
    ]
    ceilings = [
        _write_cell(write_font(style.format_score(low), 8, style.MUTED))
        for low in annotation.ceiling_lower
    ]
    names.append(_write_cell(write_font(" ", 8)))
    ceilings.append(_write_cell(write_font("  = ceiling", 8, style.MUTED)))
    title = write_font("order of cells and rows", 9, style.INK, True)
    return _stack([title, _write_table(["".join(names), "".join(ceilings)])])
