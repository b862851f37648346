"""How numbers and bytes are written into the document."""

import base64
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

DIGITS = 4
# Of base64, in its order: one character for each whole number from 0 to 63.
LEVELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def round_number(value: Any) -> float | None:
    """Return a number with four significant digits, None for NaN and infinity.

    Examples
    --------
    >>> round_number(0.123456), round_number(float("nan")), round_number(12345.6)
    (0.1235, None, 12350.0)
    """
    number = float(value)
    return float(f"{number:.{DIGITS}g}") if math.isfinite(number) else None


def round_numbers(values: Iterable[Any]) -> list[float | None]:
    """Return each number as `round_number` does."""
    return [round_number(value) for value in values]


def encode_bytes(values: np.ndarray) -> str:
    """Return whole numbers from 0 to 255 as base64 text, one byte each."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.uint8).tobytes()).decode("ascii")


def encode_levels(values: np.ndarray) -> str:
    """Return whole numbers from 0 to 63 as text, one character each.

    Examples
    --------
    >>> encode_levels(np.array([0, 1, 26, 63]))
    'ABa/'
    """
    return np.array(list(LEVELS))[np.asarray(values, dtype=np.uint8)].tobytes().decode("utf-32")
