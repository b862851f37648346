"""Cards in words, for tooltips and screen readers."""

from neurolens.view.structure.cards import Card
from neurolens.view.style import shorten_text

MOST_REGIONS = 12
LONGEST_NAME = 120


def describe_card(card: Card, interval: str = "") -> tuple[str, ...]:
    """Return lines that say all that a card shows, and what it has no room for.

    Parameters
    ----------
    card : Card
    interval : str
        What the intervals of the scores are, as ``annotation.describe_interval`` says it.
    """
    if card.kind in ("input", "output"):
        return (" ".join(part for part in (card.full_name, card.label) if part), *card.marks)
    lines = [shorten_text(card.full_name, LONGEST_NAME), _describe_kind(card)]
    lines += [", ".join(_list_costs(card)), *_list_scores(card), *[tag.text for tag in card.tags]]
    if card.ties:
        names = ", ".join(card.regions[i] for i in card.ties)
        lines.append(f"cannot be told apart from the best op for {names}")
    lines += card.marks
    if card.generated:
        lines.append("made without the input")
    if any("[" in cell.long_text for row in card.rows for cell in row.cells):
        lines.append(interval)
    return tuple(line for line in lines if line)


def write_count(count: float) -> str:
    """Write a large number with three digits.

    Examples
    --------
    >>> write_count(960), write_count(23_520), write_count(1_814_073_344)
    ('960', '23.5 k', '1.81 G')
    """
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * size:
            return f"{count / size:.3g} {unit}"
    return f"{count:g}"


def _describe_kind(card: Card) -> str:
    """Return the shape of an op, or the class and size of a folded module."""
    if card.kind == "module":
        return ", ".join(part for part in (card.label, f"{card.n_ops} ops, folded") if part)
    if card.n_ops == 1:
        return card.shape
    part = f"{len(card.rows)} of " if 1 < len(card.rows) < card.n_ops else ""
    return f"{card.shape}, {part}{card.n_ops} passes"


def _list_costs(card: Card) -> list[str]:
    """Return parameters and operations; most ops have neither, which is not said."""
    costs = []
    if card.n_parameters:
        costs.append(f"{write_count(card.n_parameters)} parameters")
    if card.flops:
        costs.append(f"{write_count(card.flops)} FLOPs")
    return costs


def _list_scores(card: Card) -> list[str]:
    """Return one line per pass with a score: every region, or the first of many."""
    lines = []
    for row in card.rows:
        pairs = list(zip(card.regions, row.cells, strict=True))
        scores = [f"{region} {cell.long_text}" for region, cell in pairs if cell.has_color]
        rest = f" and {len(scores) - MOST_REGIONS} more" if len(scores) > MOST_REGIONS else ""
        text = "; ".join(scores[:MOST_REGIONS]) + rest
        if text and len(card.rows) > 1:
            text = f"{row.label}: {text}"
        lines.append(text)
    return lines
