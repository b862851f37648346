"""Tables for a terminal."""

from collections.abc import Iterable, Sequence
from typing import Any


def format_rows(heads: Sequence[str], rows: Iterable[Sequence[Any]], right: str = "") -> str:
    """Return rows as text in columns, under their heads.

    Parameters
    ----------
    heads : sequence of str
    rows : iterable of sequences
        Cells; None is written as "-".
    right : str
        Heads of the columns that are set to the right, separated by blanks.
    """
    cells = [list(heads)]
    for row in rows:
        cells.append(["-" if value is None else str(value) for value in row])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    aligned = [head in right.split() for head in heads]
    lines = []
    for row in cells:
        placed = []
        for text, width, is_right in zip(row, widths, aligned, strict=True):
            placed.append(text.rjust(width) if is_right else text.ljust(width))
        lines.append("  ".join(placed).rstrip())
    return "\n".join(lines)


def format_count(number: Any) -> str | None:
    """Return a whole number with a comma at every three digits; None where it is missing."""
    import pandas as pd

    return None if pd.isna(number) else f"{int(number):,}"


def format_bytes(n_bytes: float) -> str:
    """Return a number of bytes with a unit."""
    size = float(n_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TiB"
