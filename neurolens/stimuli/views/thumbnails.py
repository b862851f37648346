"""Small pictures, or a few words, of single stimuli."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from neurolens.errors import InputError
from neurolens.stimuli.batches.inputs import is_compound, list_inputs
from neurolens.stimuli.media import THUMBNAIL, Medium
from neurolens.stimuli.pictures.images import is_picture

Thumbnail = Image.Image | str
"""A picture of a stimulus, or words where there is none."""

LONGEST_TEXT = 160


def make_thumbnail(item: Any) -> Thumbnail:
    """Return a stimulus as a small picture, or its text, or its shape in words.

    Of several inputs it is the first that is a picture, sound or video, else the first text.
    """
    if is_compound(item):
        parts = [part for _, part in list_inputs(item)]
        seen = [part for part in parts if isinstance(part, Medium) or is_picture(part)]
        seen += [part for part in parts if isinstance(part, str)]
        if seen:
            return make_thumbnail(seen[0])
        return ", ".join(f"{key}: {make_thumbnail(part)}" for key, part in list_inputs(item))
    if isinstance(item, Medium):
        return item.make_thumbnail()
    if isinstance(item, str):
        return shorten_text(item)
    if is_picture(item):
        image = Image.fromarray(item)
        image.thumbnail(THUMBNAIL)
        return image
    shape = " x ".join(map(str, item.shape)) or "one number"
    return f"{item.dtype}, {shape}"


def try_thumbnail(item: Any) -> Thumbnail:
    """Return the thumbnail of a stimulus, or what keeps it from being read."""
    try:
        return make_thumbnail(item)
    except InputError as error:
        return shorten_text(error.message)


def shorten_text(text: str) -> str:
    """Return a text, or its end where it is long: of words with context, the word is last."""
    return text if len(text) <= LONGEST_TEXT else f"... {text[-LONGEST_TEXT:]}"


def choose_shown(n_stimuli: int, n: int) -> Sequence[int]:
    """Return which of a number of stimuli to show: ``n`` of them, spread evenly."""
    rows = np.linspace(0, n_stimuli - 1, min(n, n_stimuli)).round().astype(int)
    return rows.tolist()
