"""Kinds of pictures, and values of those with more than 8 bits in the range that they are from.

Pillow reads colours of 16 bits as their higher bytes; the lower ones are read by decoding the file
a second time in the other order of bytes.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from neurolens.errors import InputError

BITS_8 = "8 bits"
BITS_12 = "12 bits"
BITS_16 = "16 bits"
WHOLE_NUMBERS = "whole numbers"
FLOATS = "floats"

# Modes of Pillow that it turns into RGB, and those that hold alpha.
_SHOWN = frozenset("1 L P RGB CMYK YCbCr HSV LA La PA RGBA RGBX RGBa".split())
_ALPHA = frozenset("LA La PA RGBA RGBa".split())
_COLORS_16 = frozenset("LA RGB RGBX RGBA".split())
_LITTLE = sys.byteorder == "little"
_SWAPPED = {"L": "B", "B": "L", "N": "B" if _LITTLE else "L"}
_TOPS = {BITS_12: 4095, BITS_16: 65535}
_BITS_TAG = 258
_PHOTOMETRIC_TAG = 262
_SAMPLE_TAG = 339
_SIGNED = 2


@dataclass(frozen=True, order=True)
class Kind:
    """A kind of picture: Pillow's mode, what its numbers are, whether it holds alpha."""

    mode: str
    depth: str = BITS_8
    transparent: bool = False

    @property
    def is_deep(self) -> bool:
        """Whether the numbers are more than 8 bits."""
        return self.depth != BITS_8

    @property
    def name(self) -> str:
        """The kind in words, such as ``"RGB, 16 bits, with alpha"``."""
        return f"{self.mode}, {self.depth}{', with alpha' if self.transparent else ''}"


def find_kind(image: Image.Image) -> Kind:
    """Return the kind of a picture, which may be undecoded.

    Raises
    ------
    ValueError
        When it cannot be turned into RGB without a guess.
    """
    rawmode = find_rawmode(image)
    _check_tiff(image, rawmode)
    mode = image.mode
    depth = BITS_8
    if mode == "F":
        depth = FLOATS
    elif mode == "I" and image.format != "PNG":
        depth = WHOLE_NUMBERS
    elif mode.startswith("I"):
        depth = BITS_12 if rawmode == "I;12" else BITS_16
    elif ";16" in rawmode and image.format in ("PNG", "TIFF"):
        mode = rawmode.partition(";")[0]
        depth = BITS_16
    if depth == BITS_8 and mode not in _SHOWN:
        raise ValueError(f"pictures of mode {mode} are not turned into RGB; save it as RGB")
    if depth == BITS_16 and mode[0] != "I" and mode not in _COLORS_16:
        raise ValueError(f"{mode} of 16 bits is not read; save it as RGB of 16 or 8 bits")
    return Kind(mode[0] if mode.startswith("I") else mode, depth, has_alpha(image))


def find_rawmode(image: Image.Image) -> str:
    """Return the name of the numbers in the file of an undecoded picture, "" for others."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ""
    settings = tiles[0][3]
    first = settings[0] if isinstance(settings, tuple) and settings else settings
    return first if isinstance(first, str) else ""


def has_alpha(image: Image.Image) -> bool:
    """Return whether a picture says what is transparent."""
    palette = image.palette
    in_palette = palette is not None and palette.mode.endswith("A")
    return image.mode in _ALPHA or "transparency" in image.info or in_palette


def _check_tiff(image: Image.Image, rawmode: str) -> None:
    """Raise ValueError for numbers of a TIFF that Pillow reads as others."""
    tags: Any = getattr(image, "tag_v2", None)
    if not tags:
        return
    bits = max(tags.get(_BITS_TAG, (1,)))
    if _SIGNED in tags.get(_SAMPLE_TAG, ()) and bits == 8:
        raise ValueError("its numbers are signed, of 8 bits; save it without signs")
    if tags.get(_PHOTOMETRIC_TAG) == 0 and bits > 8:
        raise ValueError(f"0 is white in its {bits} bits; save it with 0 as black")
    is_cut = bits > 8 and image.mode not in ("F", "I") and not image.mode.startswith("I;16")
    if is_cut and ";16" not in rawmode:
        raise ValueError(f"colours of {bits} bits in this layout are not read; save it as PNG")


def read_colors(image: Any, reopen: Callable[[], Any]) -> np.ndarray:
    """Return the values (height, width, channel) of an undecoded picture of 16 bits.

    ``reopen`` returns the same picture, undecoded, once more.
    """
    rawmode = find_rawmode(image)
    mode, _, order = rawmode.partition(";16")
    if mode == "LA":
        parts = _decode(image, "RGBA")  # high and low byte of gray, then of alpha
        return parts[..., ::2] * 256 + parts[..., 1::2]
    high = _decode(image, rawmode)
    low = _decode(reopen(), f"{mode};16{_SWAPPED[order]}")
    return high * 256 + low


def _decode(image: Any, rawmode: str) -> np.ndarray:
    """Return what a picture holds when its bytes are taken in another way, as int32."""
    tiles = []
    for tile in image.tile:
        settings = tile[3]
        changed = (rawmode, *settings[1:]) if isinstance(settings, tuple) else rawmode
        is_named = hasattr(tile, "_replace")
        tiles.append(tile._replace(args=changed) if is_named else (*tile[:3], changed))
    image.tile = tiles
    image.load()
    return np.asarray(image).astype(np.int32)


def split_alpha(values: np.ndarray, kind: Kind, key: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return values and alpha in 0..1, None where nothing is transparent.

    ``key`` is the value, or the colour, that a file says is transparent.
    """
    if not kind.transparent:
        return values, None
    if kind.mode in _ALPHA:
        return values[..., :-1], values[..., -1:] / np.float32(65535)
    matches = values == np.asarray(key)
    is_clear = matches.all(-1, keepdims=True) if values.ndim == 3 else matches
    return values, 1 - is_clear.astype(np.float32)


def find_range(
    values: np.ndarray, depth: str, value_range: tuple[float, float] | None, name: str
) -> tuple[float, float]:
    """Return the values of black and white of a picture of more than 8 bits.

    Raises
    ------
    InputError
        When they cannot be told, or values are outside of the range that was passed, or not finite.
    """
    if not np.isfinite(values).all():
        raise InputError(
            f"{name} holds values that are not finite. Replace them in the file, or move it out of "
            "the folder.",
            anchor="stimulus-unreadable",
        )
    low = float(values.min()) if values.size else 0.0
    high = float(values.max()) if values.size else 0.0
    if value_range is not None:
        if low < value_range[0] or high > value_range[1]:
            raise InputError(
                f"{name} holds values from {low:.6g} to {high:.6g}, beyond "
                f"value_range={value_range}. Pass the range that black and white have in these "
                "files.",
                anchor="value-range",
            )
        return value_range
    if depth == FLOATS and low >= 0 and high <= 1:
        return 0.0, 1.0
    top = _TOPS.get(depth, 0)
    # Values up to a half may be a dark picture, or fewer bits in numbers of 16.
    if low >= 0 and high <= top and (depth == BITS_12 or high == 0 or 2 * high > top):
        return 0.0, float(top)
    raise InputError(
        f"the range of {name} cannot be told from its values, {low:.6g} to {high:.6g} in "
        f"{depth}. Pass the values of black and white, {_guess_range(low, high, depth)}.",
        anchor="value-range",
    )


def _guess_range(low: float, high: float, depth: str) -> str:
    """Return what to type for values that may be from several ranges."""
    if low < 0:
        top = max(-low, high)
        return f"e.g. value_range=({-top:.6g}, {top:.6g})"
    tops = [1, 255, 65535] if depth == FLOATS else [2**bits - 1 for bits in (8, 10, 12, 14, 16)]
    fitting = [str(top) for top in tops if top >= high][:1] or [f"{high:.6g}"]
    if depth == BITS_16 and fitting != ["65535"]:
        fitting.append("65535")
    choices = [f"value_range=(0, {top})" for top in fitting]
    return f"e.g. {' or '.join(choices)}"
