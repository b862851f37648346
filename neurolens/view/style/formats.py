"""How numbers, shapes and names are written in pictures."""

import math
from collections.abc import Sequence

# The sign, as wide as a plus; a hyphen is easily overlooked.
MINUS = "\u2212"
# Characters of a number in a cell, with its sign; as many as "1.00" has.
LONGEST_NUMBER = 4


def format_score(value: float, digits: int = 2) -> str:
    """Format a score as briefly as it can be read.

    Examples
    --------
    >>> format_score(0.376), format_score(-0.04), format_score(1.0), format_score(float("nan"))
    ('.38', '−.04', '1.00', '–')
    """
    if not math.isfinite(value):
        return "–"
    text = f"{abs(value):.{digits}f}"
    is_negative = value < 0 and float(text) != 0
    text = text.removeprefix("0") if text.startswith("0.") else text
    return MINUS + text if is_negative else text


def format_share(value: float) -> str:
    """Format a share as whole percent; halves go up, as on the page, so that both say the same.

    Examples
    --------
    >>> format_share(37 / 40), format_share(17 / 40), format_share(1.0), format_share(float("nan"))
    ('93 %', '43 %', '100 %', '–')
    """
    # Rounded first: a product may lie a last bit below its half.
    return f"{math.floor(round(100 * value, 9) + 0.5)} %" if math.isfinite(value) else "–"


def format_cell(value: float) -> str:
    """Format a score for a cell, with fewer digits where it is long.

    Examples
    --------
    >>> format_cell(0.376), format_cell(-12.34), format_cell(-153.2), format_cell(-1234567.8)
    ('.38', '−12', '−153', '−1e6')
    """
    for digits in (2, 1, 0):
        text = format_score(value, digits)
        if len(text) <= LONGEST_NUMBER:
            return text
    lead, power = f"{value:.0e}".split("e")
    return f"{lead}e{int(power)}".replace("-", MINUS)


def format_interval(low: float, high: float, digits: int = 2) -> str:
    """Return `` [low, high]``, or nothing where an end is unknown."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f" [{format_score(low, digits)}, {format_score(high, digits)}]"


def format_shape(shape: Sequence[int]) -> str:
    """Write a shape without its batch axis, equal sides as a power.

    Examples
    --------
    >>> format_shape((1, 64, 56, 56)), format_shape((8, 197, 768)), format_shape(())
    ('64×56²', '197×768', 'scalar')
    """
    sides = list(shape[1:] if len(shape) > 1 else shape)
    if not sides:
        return "scalar"
    if len(sides) == 3 and sides[1] == sides[2]:
        return f"{sides[0]}×{sides[1]}²"
    return "×".join(str(side) for side in sides)


def shorten_text(text: str, limit: int) -> str:
    """Cut ``text`` in its middle to at most ``limit`` characters: both ends distinguish names."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) * 2 // 3
    return text[: limit - 1 - tail] + "…" + text[len(text) - tail :]
