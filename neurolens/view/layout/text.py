"""Widths of text, the same in Python and in the page: a table of Arial's advance widths.

Liberation Sans has Arial's widths, so that text takes the same room in either; widths are not
asked of a renderer, because each would give another layout.
"""

import json
from functools import cache
from pathlib import Path

EM = 2048  # units of the table
WIDE = 2048  # East Asian characters, and every character that the table does not hold
EMOJI = 2560  # color emoji are wider than they are high

# Code points that take no room: combining marks, joiners, directions, variation selectors.
NO_WIDTH = (
    (0x0300, 0x036F),
    (0x0483, 0x0489),
    (0x0591, 0x05BD),
    (0x064B, 0x065F),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x2064),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE0F),
    (0xFE20, 0xFE2F),
    (0xFEFF, 0xFEFF),
    (0xE0001, 0xE01EF),
)
EMOJIS = (0x1F000, 0x1FAFF)


def measure_text(text: str, size: float, bold: bool = False) -> float:
    """Return the width of a line of text in pixels, without kerning.

    Parameters
    ----------
    text : str
        One line. Every code point counts by itself, so that emoji joined to one picture are
        taken as wider than they are.
    size : float
        Font size in pixels.
    bold : bool
        Weights of 600 and more are drawn bold.
    """
    advances = _read_advances()["bold" if bold else "regular"]
    total = 0
    for character in text:
        code = ord(character)
        known = advances.get(code)
        total += _measure_other(code) if known is None else known
    return total * size / EM


def shorten_text(text: str, width: float, size: float, bold: bool = False) -> str:
    """Return text that fits into a width: as it is, or with ``…`` in place of its end.

    ``""`` where not even ``…`` fits.
    """
    if measure_text(text, size, bold) <= width:
        return text
    kept = list(text)
    while kept:
        kept.pop()
        shorter = "".join(kept).rstrip(" ") + "…"
        if measure_text(shorter, size, bold) <= width:
            return shorter
    return ""


@cache
def _read_advances() -> dict[str, dict[int, int]]:
    """Read the table: of each weight the width of each code point, in ``EM`` units."""
    runs = json.loads((Path(__file__).parent / "advances.json").read_text(encoding="utf-8"))
    return {weight: dict(_list_widths(found)) for weight, found in runs.items()}


def _list_widths(runs: list[list[int]]) -> list[tuple[int, int]]:
    """Return (code point, width) of runs, each a first code point and the widths from it on."""
    return [(first + i, width) for first, *widths in runs for i, width in enumerate(widths)]


def _measure_other(code: int) -> int:
    """Return the width of a code point that the table does not hold."""
    if any(first <= code <= last for first, last in NO_WIDTH):
        return 0
    return EMOJI if EMOJIS[0] <= code <= EMOJIS[1] else WIDE
