"""Widths of text as it will be drawn, and what fits into a width."""

from functools import lru_cache
from typing import TYPE_CHECKING

from neurolens.view import style
from neurolens.view.plots.canvas.panels import SMALL, Canvas, find_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 72
# Lines of text stand this many times their size apart.
LINE = 1.35
FEWEST = 4
# Letters on a screen stand on whole pixels, which makes text up to so much wider.
HINTING = 1.07
ROUNDS = 4


def measure_text(text: str, size: float = SMALL, *, bold: bool = False) -> float:
    """Return the width of one line of text in inches, at any resolution."""
    return HINTING * sum(_measure_letter(letter, bold) for letter in text) * size / POINTS


@lru_cache(maxsize=4096)
def _measure_letter(letter: str, bold: bool) -> float:
    """Return the advance width of one letter, in units of the font's size.

    Kerning is left out: it makes lines narrower, if anything.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    prop = FontProperties(
        family=style.find_fonts(), weight="bold" if bold else "normal", size=text_to_path.FONT_SCALE
    )
    # The ink of a single letter is narrower than what it takes, so two of them are compared.
    ends, _, _ = text_to_path.get_text_width_height_descent("||", prop, ismath=False)
    width, _, _ = text_to_path.get_text_width_height_descent(f"|{letter}|", prop, ismath=False)
    return (width - ends) / text_to_path.FONT_SCALE


def fit_text(text: str, room: float, size: float = SMALL, *, bold: bool = False) -> str:
    """Return ``text`` in one line, cut in its middle so far that it fits into ``room`` inches."""
    text = " ".join(text.splitlines())
    if measure_text(text, size, bold=bold) <= room:
        return text
    limit = len(text) - 1
    while limit > FEWEST:
        shorter = style.shorten_text(text, limit)
        if measure_text(shorter, size, bold=bold) <= room:
            return shorter
        limit -= 1
    return style.shorten_text(text, FEWEST)


def wrap_text(text: str, room: float, size: float = SMALL) -> list[str]:
    """Return the lines of ``text``, broken at spaces so that each fits into ``room`` inches."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and measure_text(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(fit_text(word, room, size))
    return lines


def lay_out(canvas: Canvas) -> None:
    """Let the figure find the places of the panels, so that their sizes can be measured.

    Square maps come to rest after several rounds only, because their sizes follow from their
    places.
    """
    engine = canvas.figure.get_layout_engine()
    if engine is None:
        return
    for _ in range(ROUNDS if any(map(is_square, canvas.panels)) else 1):
        engine.execute(canvas.figure)


def is_square(axis: "Axes") -> bool:
    """Return whether the shape of a panel is fixed, by its cells or by itself."""
    return axis.get_aspect() != "auto" or axis.get_box_aspect() is not None


def measure_panel(axis: "Axes") -> tuple[float, float]:
    """Return the width and height of a panel in inches; of a map, of the cells themselves."""
    if is_square(axis):
        axis.apply_aspect()
    box = axis.get_position()
    width, height = find_figure(axis).get_size_inches()
    return float(box.width * width), float(box.height * height)
