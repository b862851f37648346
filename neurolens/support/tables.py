"""HTML with which objects show themselves in a notebook.

Nothing has a color of its own, so that it reads on light and dark pages; every text is escaped; and
what is written never exceeds a number of characters, however much there is to show.
"""

import html
from collections.abc import Iterable, Sequence
from typing import Any

# What a notebook saves with each result: far below what editors refuse to show.
MOST_CHARACTERS = 100_000
# Of the parts of one page, tables and pictures together; the rest is for heads and facts.
MOST_PART = 36_000
MOST_FACTS = 6_000
LONGEST_CELL = 80
MOST_ROWS = 100
LONGEST_FACT = 300

_LINE = "1px solid currentColor"
_CELL = "text-align:left;vertical-align:top;padding:1px 10px 1px 0;background:none;border:0"
_HEAD = f"{_CELL};opacity:.7;font-weight:normal;border-bottom:{_LINE}"


def clip_text(value: Any, longest: int = LONGEST_CELL) -> str:
    """Return a value as text of one line, without its middle where it is long."""
    text = " ".join(str(value).split())
    if len(text) <= longest:
        return text
    tail = (longest - 1) * 2 // 3
    return f"{text[: longest - 1 - tail]}…{text[len(text) - tail :]}"


def write_block(title: str, parts: Iterable[str]) -> str:
    """Return a block with a title in bold; ``parts`` are HTML, those that do not fit left out."""
    head = f"<b>{html.escape(clip_text(title, LONGEST_FACT))}</b>"
    frame = '<div style="font-size:13px;line-height:1.5;max-width:1000px">{}</div>'
    body = head
    for part in parts:
        if len(frame) + len(body) + len(part) <= MOST_CHARACTERS:
            body += part
    return frame.format(body)


def write_facts(pairs: Iterable[tuple[str, Any]]) -> str:
    """Return a list of names and values, in two columns; empty values are left out."""
    rows = []
    length = 0
    for name, value in pairs:
        text = clip_text(value, LONGEST_FACT) if value is not None else ""
        if not text:
            continue
        row = (
            f'<div><span style="display:inline-block;min-width:8em;opacity:.7">'
            f"{html.escape(clip_text(name))}</span> {html.escape(text)}</div>"
        )
        length += len(row)
        if length > MOST_FACTS:
            break
        rows.append(row)
    return "".join(rows)


def write_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]] | Iterable, n_rows: int
) -> str:
    """Return a table of the first of ``n_rows`` rows; a last line says how many are not shown."""
    head = "".join(f'<th style="{_HEAD}">{html.escape(clip_text(one))}</th>' for one in columns)
    written: list[str] = []
    length = len(head)
    for row in rows:
        cells = "".join(f'<td style="{_CELL}">{html.escape(clip_text(one))}</td>' for one in row)
        length += len(cells)
        if len(written) == MOST_ROWS or length > MOST_PART:
            break
        written.append(f"<tr>{cells}</tr>")
    rest = n_rows - len(written)
    more = f'<div style="opacity:.7">and {rest:,} more</div>' if rest > 0 else ""
    return (
        f'<div style="overflow-x:auto"><table style="border-collapse:collapse;font-size:12px">'
        f"<tr>{head}</tr>{''.join(written)}</table></div>{more}"
    )


def write_folded(summary: str, body: str, *, is_open: bool = False) -> str:
    """Return HTML that a click on its summary opens."""
    state = " open" if is_open else ""
    return (
        f'<details{state}><summary style="cursor:pointer">{html.escape(clip_text(summary))}'
        f"</summary>{body}</details>"
    )
