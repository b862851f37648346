"""What the legend says, as data: every renderer draws the same."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from neurolens.view.annotation import LEVEL, Annotation, describe_interval, describe_method
from neurolens.view.structure.cards import Card
from neurolens.view.structure.records import Structure
from neurolens.view.structure.sizes import MOST_NUMBERS
from neurolens.view.style import format_score

MOST_TICKS = 6
# How marks of values begin that Python used as a condition.
CHOSE = "chose the path"
TICK_STEPS = tuple(float(f"{lead}e{power}") for power in range(-2, 7) for lead in (1, 2, 5))


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The lower noise ceiling of a region, by its position."""

    region: int
    value: float


@dataclass(frozen=True, slots=True)
class Scale:
    """The scores that colors stand for: from 0 to ``top``, the same for all regions."""

    name: str
    top: float
    ticks: tuple[float, ...]
    ceilings: tuple[Ceiling, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A sign that this picture uses, and its meaning.

    ``kind`` is "text" for a sign that is written as it is, or the name of what is drawn:
    "shortcut", "loop", "stack", "branch", "read", "empty".
    """

    kind: str
    sign: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Legend:
    """Everything above the graph.

    Attributes
    ----------
    title : str
    subtitle : tuple of str
    scale : Scale or None
        None where no score is drawn.
    heading : str
        What the order of ``regions`` is the order of.
    regions : tuple of str
    marks : tuple of Mark
        Only those that the picture uses.
    notes : tuple of str
        Sentences on what is not drawn or not colored.
    """

    title: str
    subtitle: tuple[str, ...] = ()
    scale: Scale | None = None
    heading: str = ""
    regions: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    notes: tuple[str, ...] = ()


def build_legend(
    structure: Structure,
    annotation: Annotation | None,
    cards: Sequence[Card],
    lines: Sequence[str],
) -> Legend:
    """Return the legend of a picture.

    Parameters
    ----------
    structure : Structure
    annotation : Annotation or None
    cards : sequence of Card
        Those that are drawn.
    lines : sequence of str
        The title, and lines below it; without any, what the attributes of scores say about them.
    """
    title, *subtitle = lines
    notes = _list_notes(structure)
    if annotation is None:
        marks = _list_graph_marks(structure, cards)
        return Legend(title, tuple(subtitle), marks=tuple(marks), notes=tuple(notes))
    if not subtitle:
        described = (describe_method(annotation.attrs), describe_interval(annotation.attrs))
        subtitle = [line for line in described if line]
        if annotation.time_bin:
            subtitle[0] += f" · {annotation.time_bin}"
    marks = [*_list_score_marks(annotation, cards), *_list_graph_marks(structure, cards)]
    has_strips = any(card.kind == "module" for card in cards)
    return Legend(
        title,
        tuple(subtitle),
        build_scale(annotation),
        "cells from left to right" + (", rows from top" if has_strips else ""),
        annotation.regions,
        tuple(marks),
        (*annotation.describe_gaps(), *annotation.notes.values(), *notes),
    )


def build_scale(annotation: Annotation) -> Scale:
    """Return the color scale of scores; all regions share it."""
    top = annotation.scale_end
    step = next((step for step in TICK_STEPS if top / step <= MOST_TICKS), top)
    n_ticks = math.floor(top / step + 1e-9) + 1
    bounds = enumerate(annotation.ceiling_lower.tolist())
    ceilings = tuple(Ceiling(i, bound) for i, bound in bounds if bound > 0)
    ticks = tuple(i * step for i in range(n_ticks))
    return Scale(str(annotation.attrs["measure"]), top, ticks, ceilings)


def write_tick(scale: Scale, value: float) -> str:
    """Return a tick of a scale as text, with the digits that tell its ticks apart."""
    if value == 0:
        return "≤ 0"
    step = scale.ticks[1]
    return format_score(value, 2 if step < 0.1 else 1 if step < 1 else 0)


def _list_score_marks(annotation: Annotation, cards: Sequence[Card]) -> list[Mark]:
    marks = []
    if any(card.tags for card in cards):
        marks.append(Mark("text", "★", "best op of a region, with its held-out score"))
    if any(card.ties for card in cards):
        marks.append(Mark("text", "≈", "cannot be told apart from the best op"))
    cells = [cell for card in cards for row in card.rows for cell in row.cells]
    has_numbers = len(annotation.regions) <= MOST_NUMBERS
    if has_numbers and any(cell.text.startswith("(") for cell in cells):
        marks.append(Mark("text", f"({format_score(0.03)})", f"q > {format_score(LEVEL)}"))
    if any(math.isnan(cell.share) for cell in cells):
        marks.append(Mark("empty", "", "no score"))
    return marks


def _list_graph_marks(structure: Structure, cards: Sequence[Card]) -> list[Mark]:
    """Return the marks of what the graph is, with or without scores."""
    folded = [card for card in cards if card.kind == "module"]
    strips = ", one column per op" if any(card.strip for card in folded) else ""
    drawn = {edge.role for edge in structure.edges if not edge.left_out}
    reads = [mark for card in cards for mark in card.marks]
    chose = [mark for mark in reads if mark.startswith(CHOSE)]
    chosen = "this value chose the path; other inputs may run other ops"
    read = "Python read this value; what it did with it is not drawn"
    marks = (
        (bool(folded), Mark("stack", "", f"folded module{strips}")),
        ("shortcut" in drawn, Mark("shortcut", "", "shortcut: a longer path leads there too")),
        ("loop" in drawn, Mark("loop", "", "to the next pass")),
        (_has_generated(cards), Mark("text", "gray name", "made without the input")),
        (bool(chose), Mark("branch", "", chosen)),
        (len(chose) < len(reads), Mark("read", "", read)),
    )
    return [mark for is_used, mark in marks if is_used]


def _has_generated(cards: Sequence[Card]) -> bool:
    return any(card.generated for card in cards)


def _list_notes(structure: Structure) -> list[str]:
    notes = []
    if structure.n_left_out:
        shortcuts = "shortcut" if structure.n_left_out == 1 else "shortcuts"
        notes.append(f"{structure.n_left_out} {shortcuts} of dense blocks not drawn.")
    if structure.rolled:
        notes.append(
            "Rolled: ops that run several times with the same weights share a card, with ×N passes "
            "and one row of cells per pass (t1, t2, ...)."
        )
    return notes
