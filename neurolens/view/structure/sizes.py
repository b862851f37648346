"""Sizes of cards, which ``page/assets/structure/cards.js`` computes alike.

From the top, a card has a header, a row of cells per pass, or the strip of a folded run, then a
line per mark and a line per tag.
"""

import math

from neurolens.errors import InputError
from neurolens.view.layout.records import Size
from neurolens.view.layout.text import measure_text
from neurolens.view.structure.cards import Card
from neurolens.view.structure.records import Run
from neurolens.view.style import shorten_text

NAME_SIZE = 12
TEXT_SIZE = 11
PADDING = 8
GAP = 5
HEADER = 20
CELL_WIDTH = 32
CELL_HEIGHT = 15
ROW = CELL_HEIGHT + 1
PASS_LABEL = 28  # "t12" before a row of cells
PASS_COUNT = 22  # "×4"
TAG = 16
MARK = 16
MARK_SIGN = 14  # before a mark
FOOT = 4
END_HEIGHT = 24
END_WIDTH = 30
LEAST_WIDTH = 112
LEAST_BARE = 96
LEAST_FOLDED = 132
STRIP_TOP = 23
STRIP_ROW = 8
SIGN = 22  # of a folded or open run
# With more regions cells hold no numbers and become narrower, down to what can be seen.
MOST_NUMBERS = 8
CELLS_WIDTH = 320
LEAST_CELL = 2
# With fewer regions the shape stands beside the cells.
FEWEST_ALONE = 3
SCORE_WIDTH = 80  # ".38 [.30, .45]", which fills the card of a single region
MOST_TIES = 3
LONGEST_TIE = 12


def measure_card(card: Card) -> Size:
    """Return the size of a card at zoom 1, in whole pixels.

    Raises
    ------
    InputError
        When there are more regions than can be shown beside each other.
    """
    if card.kind in ("input", "output"):
        width = _measure_name(card) - GAP * bool(card.label) + END_WIDTH
        return _round_up(width, END_HEIGHT)
    if card.kind == "module":
        return _measure_folded(card)
    n_regions = len(card.regions)
    shape = measure_text(card.shape, TEXT_SIZE)
    head = _measure_name(card) + PADDING + 10
    head += PASS_COUNT if card.n_ops > 1 else 0
    if card.ties:
        head += measure_text(write_ties(card), TEXT_SIZE, bold=True) + PADDING
    widths = [head, _measure_lines(card)]
    if n_regions:
        beside = shape + 10 if n_regions < FEWEST_ALONE else 0
        lead = PASS_LABEL if len(card.rows) > 1 else 0
        cells = n_regions * measure_cell(n_regions)
        if n_regions == 1 and len(card.rows) == 1:
            cells = SCORE_WIDTH
        widths += [cells + lead + beside + 12, LEAST_WIDTH]
    else:
        widths += [head + shape + 10, LEAST_BARE]
    height = HEADER + ROW * len(card.rows) + FOOT + _measure_feet(card)
    return _round_up(max(widths), height)


def measure_cell(n_regions: int) -> float:
    """Return the least width of one of the cells of a row.

    Raises
    ------
    InputError
        When there are more regions than can be shown beside each other.
    """
    if n_regions <= MOST_NUMBERS:
        return CELL_WIDTH
    width = min(CELL_WIDTH / 2, CELLS_WIDTH / n_regions)
    if width < LEAST_CELL:
        raise InputError(
            f"{n_regions} regions do not fit on a card, which has room for "
            f"{CELLS_WIDTH // LEAST_CELL}. Choose some with regions=[...]."
        )
    return width


def measure_title(run: Run) -> float:
    """Return the width that the title of an open run needs: name, part or class, sign."""
    title = measure_text(run.title, NAME_SIZE, bold=True)
    rest = measure_text(run.part, TEXT_SIZE) + GAP if run.part else 0.0
    return title + rest + 2 * SIGN


def list_ties(card: Card) -> list[tuple[str, int | None]]:
    """Return the words that name the tied regions, each with the position of its region.

    ``[("≈", None), ("V1", 0), ("V2", 1)]``; further regions than `MOST_TIES` are counted:
    ``("+4", None)``.
    """
    words: list[tuple[str, int | None]] = [("≈", None)]
    for i in card.ties[:MOST_TIES]:
        words.append((shorten_text(card.regions[i], LONGEST_TIE), i))
    if len(card.ties) > MOST_TIES:
        words.append((f"+{len(card.ties) - MOST_TIES}", None))
    return words


def write_ties(card: Card) -> str:
    """Return the words of `list_ties` in one line: ``"≈ V1 V2"``."""
    return " ".join(word for word, _ in list_ties(card))


def _measure_name(card: Card) -> float:
    name = measure_text(card.name, NAME_SIZE, bold=True)
    return name + (GAP + measure_text(card.label, TEXT_SIZE) if card.label else 0.0)


def _measure_folded(card: Card) -> Size:
    count = measure_text(f"{card.n_ops} ops", TEXT_SIZE)
    title = measure_text(card.name, NAME_SIZE, bold=True) + count + 2 * SIGN
    n_regions = len(card.regions)
    width = max(LEAST_FOLDED, title, _measure_lines(card))
    if n_regions:
        width = max(width, n_regions * measure_cell(n_regions) + 2 * PADDING)
    height = END_HEIGHT + (n_regions * STRIP_ROW + PADDING if n_regions else 0)
    return _round_up(width, height + _measure_feet(card))


def _measure_lines(card: Card) -> float:
    """Return the width that the longest mark or the shortest form of a tag needs."""
    widths = [measure_text(mark, TEXT_SIZE) + MARK_SIGN for mark in card.marks]
    widths += [measure_text(tag.short, TEXT_SIZE, bold=True) for tag in card.tags]
    return max(widths) + 2 * PADDING if widths else 0.0


def _round_up(width: float, height: float) -> Size:
    return Size(float(math.ceil(width)), float(height))


def _measure_feet(card: Card) -> float:
    return MARK * len(card.marks) + TAG * len(card.tags)
