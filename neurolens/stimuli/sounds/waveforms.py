"""Waveforms that know their rate: made mono, resampled, and drawn small."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from neurolens.errors import InputError
from neurolens.stimuli.media import THUMBNAIL

_INK = (70, 70, 70)
_PAPER = (255, 255, 255)


class Waveform(np.ndarray):
    """Values of a sound (time,) or (channel, time), float32, and their number per second, ``rate``.

    Arrays made from it have the rate None: they may have other times.
    """

    rate: int | None

    def __array_finalize__(self, source: Any) -> None:
        self.rate = None


def make_waveform(values: np.ndarray, rate: int) -> Waveform:
    """Return values with their rate."""
    waveform = np.ascontiguousarray(values, dtype=np.float32).view(Waveform)
    waveform.rate = rate
    return waveform


def resample(values: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Return values (channel, time) at another rate, by a polyphase filter without phase shift.

    The filter is that of ``scipy.signal.resample_poly``: a finite impulse response with a Kaiser
    window, which cuts off what the lower of both rates cannot hold. Time n becomes
    ``ceil(n * wanted / rate)``.
    """
    if rate == wanted:
        return values
    from scipy.signal import resample_poly

    divisor = math.gcd(rate, wanted)
    return resample_poly(values.astype(np.float64), wanted // divisor, rate // divisor, axis=-1)


def count_resampled(n_values: int, rate: int, wanted: int) -> int:
    """Return how many values `resample` makes of so many."""
    return -(-n_values * wanted // rate)


def check_finite(values: np.ndarray, name: str) -> None:
    """Raise InputError for a sound with values that are not finite."""
    if not np.isfinite(values).all():
        raise InputError(
            f"{name} holds values that are not finite. Replace them, or leave the sound out.",
            anchor="stimulus-unreadable",
        )


def draw_waveform(values: np.ndarray) -> Image.Image:
    """Return a small picture of a sound (time,): the range of its values at each time."""
    width = THUMBNAIL[0]
    height = THUMBNAIL[1] // 2
    image = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(image)
    top = float(np.abs(values).max()) if values.size else 0.0
    middle = (height - 1) / 2
    for x, part in enumerate(split_columns(values, width)):
        low = middle - middle * float(part.min()) / (top or 1.0)
        high = middle - middle * float(part.max()) / (top or 1.0)
        pen.line((x, round(high), x, round(low)), fill=_INK)
    return image


def split_columns(values: np.ndarray, n_columns: int) -> Sequence[np.ndarray]:
    """Return values in at most so many parts, in order, none of them empty."""
    return np.array_split(values, min(n_columns, len(values))) if len(values) else []
