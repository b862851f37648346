"""Exponents of power laws, fitted to the largest sizes, and whether they are as expected.

Fixed costs flatten the growth at small sizes, so only the largest ones are fitted. The exponent
is fitted in each round anew: the range of the rounds is what noise does to it.
"""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

# Sizes that are fitted: the largest.
N_FITTED = 3
# How far an exponent may lie above the expected one: caches and allocators add that much.
TOLERANCE = 0.15

EXPECTED = "as expected"
BELOW = "below"
ABOVE = "**above**"
UNCLEAR = "unclear"
TOO_FEW = "too few sizes"


class Growth(NamedTuple):
    """An exponent: the median over rounds, and the lowest and the highest."""

    exponent: float
    low: float
    high: float


def fit_slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the least-squares slope of the logarithms of values on those of sizes."""
    x = [math.log(size) for size in sizes]
    y = [math.log(value) for value in values]
    return statistics.linear_regression(x, y).slope


def fit_growth(sizes: Sequence[int], rounds: Sequence[Sequence[float]]) -> Growth | None:
    """Return the growth over the largest sizes, or None where sizes are too few.

    Parameters
    ----------
    sizes : sequence of int
        In ascending order.
    rounds : sequence of sequences of float
        A positive value of each size, in each round.
    """
    if len(sizes) < N_FITTED:
        return None
    slopes = [fit_slope(sizes[-N_FITTED:], values[-N_FITTED:]) for values in rounds]
    return Growth(statistics.median(slopes), min(slopes), max(slopes))


def judge_growth(growth: Growth | None, expected: float) -> str:
    """Return a verdict: an exponent is above where all rounds are, unclear where only some are."""
    if growth is None:
        return TOO_FEW
    most = expected + TOLERANCE
    if growth.low > most:
        return ABOVE
    if growth.exponent > most:
        return UNCLEAR
    return BELOW if growth.high < expected - TOLERANCE else EXPECTED
