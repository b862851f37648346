"""One stimulus as the model sees it: what a transform makes of a picture, sound, text or array."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image

from neurolens.errors import InputError, NeuroLensError
from neurolens.stimuli.batches.inputs import Shape, check_inputs, is_compound, map_inputs
from neurolens.stimuli.media import Medium
from neurolens.stimuli.pictures.display import Picture
from neurolens.stimuli.pictures.images import ImageTransform, is_picture

Transform = Callable[[Any], Any] | None


def takes_all_inputs(transform: Transform) -> bool:
    """Return whether a transform takes whole stimuli, and not just the pictures among inputs."""
    return transform is not None and type(transform) is not ImageTransform


def prepare_item(item: Any, transform: Transform, name: str) -> Any:
    """Return an item of a set as the model sees it, before it is padded; ``name`` is its id.

    Raises
    ------
    InputError
        When the transform cannot take it, or returns something else than tensors.
    """
    if is_compound(item):
        with name_failures(item, name):
            shown = map_inputs(lambda part: show_input(part, transform), item)
            made = transform(shown) if takes_all_inputs(transform) else shown  # type: ignore[misc]
        return check_inputs(made, name) if takes_all_inputs(transform) else made
    if isinstance(item, Medium):
        with name_failures(item, name):
            made = item.apply(transform)
        return check_inputs(made, name)
    shown = item
    if transform is not None and is_picture(item):
        shown = Image.fromarray(item)  # (height, width, 3)
    elif isinstance(item, str):
        check_text(item, transform)
    elif type(transform) is ImageTransform:
        raise InputError(
            f"ImageTransform takes pictures, and {name!r} is an array of {item.dtype} of shape "
            f"{item.shape}. Pass transform=None, or pictures (n, height, width, 3) of uint8.",
            anchor="stimuli-do-not-fit-model",
        )
    if transform is None:
        return torch.as_tensor(shown)
    with name_failures(item, name):
        made = transform(shown)
    return check_inputs(made, name)


def show_input(part: Any, transform: Transform) -> Any:
    """Return one of several inputs as the model sees it, or as the transform takes it."""
    shown = part
    if isinstance(part, str):
        check_text(part, transform)
    elif isinstance(part, Medium):
        return part.prepare(transform) if takes_all_inputs(transform) else part.apply(transform)
    elif transform is not None and is_picture(part):
        shown = Image.fromarray(part)
    if takes_all_inputs(transform):
        return shown
    if isinstance(shown, np.ndarray) or transform is None:
        return torch.as_tensor(shown)
    return transform(shown)


@contextmanager
def name_failures(item: Any, name: str) -> Iterator[None]:
    """Raise InputError naming the stimulus in place of what a transform raises."""
    try:
        yield
    except (NeuroLensError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        what = repr(name)
        fix = "Call the transform on this stimulus alone to see why, or leave it out."
        if isinstance(item, np.ndarray):
            what = f"{name!r}, an array of {item.dtype} of shape {item.shape}"
            fix = (
                "Pictures in arrays are uint8 of shape (n, height, width, 3), which transforms "
                "of pictures take. Pass transform=None where the numbers are what the model takes."
            )
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"the transform cannot prepare {what} ({type(error).__name__}: {reason}). {fix}",
            anchor="stimuli-do-not-fit-model",
        ) from error


def check_text(text: str, transform: Transform) -> None:
    """Raise InputError for a text that no transform turns into what the model takes."""
    if not takes_all_inputs(transform):
        raise InputError(
            f"{text[:40]!r} is a text, and no transform turns it into what the model takes. "
            "Pass model=load_model(...), or transform=, such as a tokenizer's.",
            anchor="stimuli-do-not-fit-model",
        )


def read_shape(part: Any, transform: Transform) -> Shape | None:
    """Return the shape of an input, or of a stimulus; None where the transform gives it one."""
    if transform is not None and not takes_all_inputs(transform):
        if isinstance(part, Picture) or is_picture(part):
            return None
        if isinstance(part, Medium):
            return tuple(part.apply(transform).shape)
    if isinstance(part, str):
        check_text(part, transform)
    if isinstance(part, Medium) and part.is_ragged:
        return part.read_shape()
    return tuple(part.apply(None).shape) if isinstance(part, Medium) else tuple(part.shape)
