"""Graphviz's HTML-like labels: the cards of ops and folded modules, and the legend.

Traps that shape this file: an empty cell or font makes Graphviz drop the whole label; ``FIXEDSIZE`` cells leave
gaps in older releases; every name must be escaped.
"""

from html import escape

import numpy as np

from neurolens.view.annotation import Annotation, describe_method
from neurolens.view.layout import Node
from neurolens.view.style import (
    CARD,
    FAINT,
    INK,
    MUTED,
    assign_region_colors,
    format_score,
    format_shape,
    pick_color,
    pick_text_color,
    shorten_text,
)

MOST_NUMBERS = 5
MOST_HEAT_CELLS = 24
STRIP_WIDTH = 128
BARE = 'BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"'


def write_font(text: str, size: float, color: str = INK, bold: bool = False) -> str:
    """Return ``text``, escaped, as a FONT element; a no-break space stands for empty text."""
    inner = escape(text) if text.strip() else "&#160;"
    inner = f"<B>{inner}</B>" if bold else inner
    return f'<FONT POINT-SIZE="{size:g}" COLOR="{color}">{inner}</FONT>'


def build_card(node: Node, annotation: Annotation | None) -> str:
    """Return the label of one box as an HTML-like table."""
    if node.kind == "module":
        return _build_module_card(node, annotation)
    if node.kind != "op":
        name = "input" if node.label == "input" else node.label
        shape = write_font("  " + format_shape(node.shape), 7.5, MUTED) if node.shape is not None else ""
        return f"{write_font(shorten_text(name, 28), 10, INK, True)}{shape}"
    op = node.ops[0]
    more = f" +{len(op.outputs) - 1}" if len(op.outputs) > 1 else ""
    color = FAINT if node.generated else INK
    head = _build_head(
        write_font(shorten_text(op.function, 28), 10, color, True)
        + write_font(f" {shorten_text(node.label, 22)}", 8, MUTED),
        format_shape(op.shape) + more,
    )
    if annotation is None:
        return head
    n = len(annotation.regions)
    rows = [f'<TR><TD COLSPAN="{n}">{head}</TD></TR>', f"<TR>{_build_strip(op.name, annotation)}</TR>"]
    rows += _build_underline(op.name, annotation)
    rows += _build_tags([op.name], annotation, n)
    return f"<TABLE {BARE}>{''.join(rows)}</TABLE>"


def build_tooltip(node: Node, annotation: Annotation | None) -> str:
    """Return plain lines for hovering: full name, class, shape, every score with its interval."""
    if node.kind == "module":
        return f"{node.address}\n{len(node.ops)} ops, {node.ops[0].name} to {node.ops[-1].name}"
    if node.kind != "op":
        return node.label
    op = node.ops[0]
    lines = [op.name, f"{op.call} in {op.module_class or 'the model'}", " ".join(str(o.shape) for o in op.outputs)]
    if annotation is not None and op.name in annotation.means:
        rows = zip(
            annotation.regions,
            annotation.means[op.name],
            annotation.lows[op.name],
            annotation.highs[op.name],
            strict=True,
        )
        lines += [f"{region} {mean:.3f}{format_interval(low, high, 3)}" for region, mean, low, high in rows]
    return "\n".join(lines)


def format_interval(low: float, high: float, digits: int = 2) -> str:
    """Return `` [low, high]``, or nothing where an end is unknown."""
    if not np.isfinite([low, high]).all():
        return ""
    return f" [{format_score(low, digits)}, {format_score(high, digits)}]"


def build_legend(
    title: str, subtitle: str | None, annotation: Annotation | None, *, stacked: bool, shortcuts: bool, generated: bool
) -> str:
    """Return the graph's own label: title, method, colour bar, strip key, and keys of what the picture uses."""
    line = subtitle if subtitle is not None else describe_method(annotation.attrs) if annotation else ""
    head = f'<TR><TD ALIGN="LEFT">{write_font(title, 16, INK, True)}</TD></TR>'
    for part in line.split("\n") if line else []:
        head += f'<TR><TD ALIGN="LEFT">{write_font(part, 9, MUTED)}</TD></TR>'
    blocks = [f"<TABLE {BARE}>{head}</TABLE>"]
    keys = []
    if annotation is not None:
        blocks += [_build_bar(annotation), _build_key(annotation)]
        if annotation.best:
            keys.append(("★ framed", "best op for that region, chosen on half of the stimuli"))
        if annotation.ties:
            keys.append(("underlined", "cannot be told apart from that region's best op"))
    if shortcuts:
        keys.append(("- - -", "shortcut (a longer path exists)"))
    if generated:
        keys.append(("pale name", "made without the input"))
    if keys:
        rows = (
            f'<TR><TD ALIGN="LEFT">{write_font(mark, 8, INK, True)}{write_font("  " + text, 8, MUTED)}</TD></TR>'
            for mark, text in keys
        )
        blocks.append(f"<TABLE {BARE}>{''.join(rows)}</TABLE>")
    spaced = [f'<TD ALIGN="LEFT" VALIGN="TOP">{block}</TD>' for block in blocks]
    gap = f'<TD WIDTH="36">{write_font(" ", 9)}</TD>'
    if stacked:
        body = "".join(f"<TR>{cell}</TR><TR><TD>{write_font(' ', 4)}</TD></TR>" for cell in spaced)
    else:
        body = f"<TR>{gap.join(spaced)}</TR>"
    return f"<TABLE {BARE}>{body}</TABLE>"


def _build_head(left: str, right: str) -> str:
    return (
        '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2"><TR>'
        f'<TD ALIGN="LEFT" HEIGHT="17" WIDTH="84">{left}</TD>'
        f'<TD ALIGN="RIGHT">{write_font("   " + right, 7.5, MUTED)}</TD></TR></TABLE>'
    )


def _build_strip(name: str, annotation: Annotation) -> str:
    n = len(annotation.regions)
    numbered = n <= MOST_NUMBERS
    width = max(32, STRIP_WIDTH // n) if numbered else max(9, STRIP_WIDTH // n)
    cells = []
    for i, (mean, share) in enumerate(zip(annotation.get_means(name), annotation.get_shares(name), strict=True)):
        fill = pick_color(share)
        color = MUTED if np.isnan(mean) else pick_text_color(fill)
        text = format_score(mean) if numbered else " "
        inner = write_font(text, 7.5, color, i in annotation.best.get(name, ()))
        cells.append(f'<TD WIDTH="{width}" HEIGHT="13" BGCOLOR="{fill}">{inner}</TD>')
    return "".join(cells)


def _build_underline(name: str, annotation: Annotation) -> list[str]:
    tied = annotation.ties.get(name, ())
    if not tied:
        return []
    colors = assign_region_colors(annotation.regions)
    cells = (
        f'<TD HEIGHT="3" BGCOLOR="{colors[region] if i in tied else CARD}">{write_font(" ", 1)}</TD>'
        for i, region in enumerate(annotation.regions)
    )
    return [f"<TR>{''.join(cells)}</TR>"]


def _build_tags(names: list[str], annotation: Annotation, span: int) -> list[str]:
    colors = assign_region_colors(annotation.regions)
    rows = []
    for name in names:
        for i in annotation.best.get(name, ()):
            region = annotation.regions[i]
            text = f"★ best {region} "
            score = format_score(annotation.get_means(name)[i])
            score += format_interval(annotation.lows[name][i], annotation.highs[name][i])
            where = f" {shorten_text(name.rpartition('/')[2], 14)} " if len(names) > 1 else " "
            inner = write_font(f" {text}", 7, "#FFFFFF", True) + write_font(f"{where}{score}", 7, "#FFFFFF")
            rows.append(
                f'<TR><TD COLSPAN="{span}" ALIGN="LEFT" HEIGHT="11" BGCOLOR="{colors[region]}">{inner}</TD></TR>'
            )
    return rows


def _build_module_card(node: Node, annotation: Annotation | None) -> str:
    names = [op.name for op in node.ops]
    head = _build_head(
        write_font(shorten_text(node.label, 30), 10, INK, True) + write_font(f" {node.module_class}", 8, MUTED),
        f"{len(names)} ops",
    )
    if annotation is None:
        return head
    n_cells = min(len(names), MOST_HEAT_CELLS)
    width = max(5, STRIP_WIDTH // n_cells)
    rows = [f'<TR><TD COLSPAN="{n_cells}">{head}</TD></TR>']
    shares = np.array([annotation.get_shares(name) for name in names])
    for row in shares.T:
        cells = []
        for part in np.array_split(row, n_cells):
            top = float(np.nanmax(part)) if np.isfinite(part).any() else float("nan")
            cells.append(f'<TD WIDTH="{width}" HEIGHT="9" BGCOLOR="{pick_color(top)}">{write_font(" ", 5)}</TD>')
        rows.append(f"<TR>{''.join(cells)}</TR>")
    rows += _build_tags(names, annotation, n_cells)
    return f"<TABLE {BARE}>{''.join(rows)}</TABLE>"


def _build_bar(annotation: Annotation) -> str:
    shares = annotation.has_ceiling
    top = format_score(annotation.scale[~shares][0]) if not shares.all() else ""
    words = "share of the noise ceiling reached" if shares.any() else "raw score (no noise ceiling)"
    ends = ("≤ 0", "0.5", "≥ 1") if shares.any() else ("≤ 0", " ", f"≥ {top}")
    cells = "".join(
        f'<TD WIDTH="6" HEIGHT="12" BGCOLOR="{pick_color(i / 32)}">{write_font(" ", 4)}</TD>' for i in range(33)
    )
    marks = "".join(
        f'<TD COLSPAN="11" ALIGN="{side}">{write_font(text, 8, MUTED)}</TD>'
        for text, side in zip(ends, ("LEFT", "CENTER", "RIGHT"), strict=True)
    )
    lines = [write_font(words, 9, INK, True), f"<TABLE {BARE}><TR>{cells}</TR><TR>{marks}</TR></TABLE>"]
    if shares.any() and not shares.all():
        raw = [r for r, has in zip(annotation.regions, shares, strict=True) if not has]
        lines.append(write_font(f"{', '.join(raw)}: no noise ceiling, raw score from 0 to {top}", 8, MUTED))
    rows = "".join(f'<TR><TD ALIGN="LEFT">{line}</TD></TR>' for line in lines)
    return f"<TABLE {BARE}>{rows}</TABLE>"


def _build_key(annotation: Annotation) -> str:
    colors = assign_region_colors(annotation.regions)
    names = "".join(
        f'<TD WIDTH="34" HEIGHT="13" BGCOLOR="#E9EDF2">{write_font(f" {region} ", 8, colors[region], True)}</TD>'
        for region in annotation.regions
    )
    ceilings = "".join(f"<TD>{write_font(format_score(low), 8, MUTED)}</TD>" for low in annotation.ceiling_lower)
    rows = [
        write_font("order of cells and rows", 9, INK, True),
        f"<TABLE {BARE}><TR>{names}<TD>{write_font(' ', 8)}</TD></TR>"
        f"<TR>{ceilings}<TD>{write_font('  = ceiling', 8, MUTED)}</TD></TR></TABLE>",
    ]
    return f"<TABLE {BARE}>" + "".join(f'<TR><TD ALIGN="LEFT">{row}</TD></TR>' for row in rows) + "</TABLE>"
