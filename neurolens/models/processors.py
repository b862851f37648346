"""Preprocessing of transformers: processors and tokenizers, one stimulus at a time."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from neurolens.errors import InputError
from neurolens.labels import list_names

# What a stimulus may be, and the keywords under which processors take it.
KINDS = {
    "text": "text (str)",
    "picture": "a picture (PIL)",
    "clip": "the frames of a clip (frame, y, x, 3)",
    "sound": "a waveform (time,)",
}
# Tokenizers that state no longest text have a very large number.
LONGEST = 100_000
KEYWORDS = {
    "text": ("text",),
    "picture": ("images",),
    "clip": ("videos", "images"),
    "sound": ("audio", "audios", "raw_speech"),
}


class ProcessorTransform:
    """Turns one stimulus into the model's keyword arguments, by a processor of transformers.

    Parameters
    ----------
    processor : object
        A tokenizer, image, video or sound processor, or one of several of these.
    arguments : tuple of str
        What the model takes; what else the processor makes is left out.
    """

    def __init__(self, processor: Any, arguments: tuple[str, ...]) -> None:
        self.processor = processor
        self.arguments = arguments

    def __call__(self, stimulus: Any) -> dict[str, torch.Tensor]:
        """Return the inputs of one stimulus, without the axis of the batch.

        Raises
        ------
        InputError
            The processor cannot take such a stimulus, or makes nothing that the model takes.
        """
        given = self._sort_parts(stimulus)
        settings = self._list_settings(given)
        named = {self._find_keyword(kind): part for kind, part in given.items()}
        try:
            made = self.processor(**named, **settings, return_tensors="pt")
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise InputError(
                f"{type(self.processor).__name__} cannot prepare {list_names(given)} "
                f"({type(error).__name__}: {reason}). Pass stimuli that the model was made for."
            ) from error
        inputs = {}
        for name, value in made.items():
            if name not in self.arguments or not isinstance(value, torch.Tensor):
                continue
            if value.ndim == 0 or len(value) != 1:
                raise InputError(
                    f"{type(self.processor).__name__} makes {name!r} of shape {tuple(value.shape)} "
                    "of one stimulus, without an axis of stimuli. Such models cannot be run over "
                    "sets yet."
                )
            inputs[name] = value[0]
        if not inputs:
            raise InputError(
                f"{type(self.processor).__name__} makes {list_names(made)}, and the model takes "
                f"{list_names(self.arguments)}. Choose another part=, or other stimuli."
            )
        return inputs

    @property
    def sampling_rate(self) -> int:
        """The number of values per second that waveforms must have; they are not resampled."""
        holder = getattr(self.processor, "feature_extractor", self.processor)
        return int(holder.sampling_rate)

    def _sort_parts(self, stimulus: Any) -> dict[str, Any]:
        """Return the parts of a stimulus under the keywords of processors."""
        parts = list(stimulus.values()) if isinstance(stimulus, Mapping) else [stimulus]
        if isinstance(stimulus, tuple):
            parts = list(stimulus)
        given: dict[str, Any] = {}
        for part in parts:
            kind, value = _recognize_part(part)
            if kind in given:
                raise InputError(
                    f"a stimulus may hold one of each kind, got two of {KINDS[kind]}. Pass them as "
                    "stimuli of their own."
                )
            given[kind] = value
        return given

    def _find_keyword(self, kind: str) -> str:
        """Return the keyword under which the processor takes a kind of stimulus."""
        accepted = inspect.signature(self.processor.__call__).parameters
        for keyword in KEYWORDS[kind]:
            if keyword in accepted:
                return keyword
        if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in accepted.values()):
            return KEYWORDS[kind][0]
        raise InputError(
            f"{type(self.processor).__name__} does not take {KINDS[kind]}. Pass stimuli that the "
            "model was made for."
        )

    def _list_settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what must be said beside the stimulus: the sampling rate of sound."""
        if "sound" not in given:
            return {}
        return {"sampling_rate": self.sampling_rate}


class TokenizerTransform(ProcessorTransform):
    """As `ProcessorTransform`, for tokenizers: what is longer than the model takes is refused.

    Texts of tokenizers that give no mask are padded to the longest that the model takes, as such
    models were trained.
    """

    def _list_settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        names = getattr(self.processor, "model_input_names", ("attention_mask",))
        if "attention_mask" in names or self.processor.model_max_length > LONGEST:
            return {}
        return {"padding": "max_length"}

    def __call__(self, stimulus: Any) -> dict[str, torch.Tensor]:
        """Return token ids and mask of one text (token,)."""
        inputs = super().__call__(stimulus)
        longest = getattr(self.processor, "model_max_length", None)
        n_tokens = max((len(value) for value in inputs.values()), default=0)
        if longest is not None and n_tokens > longest:
            raise InputError(
                f"a text has {n_tokens} tokens, and the model takes {longest}. Cut texts into "
                "windows first."
            )
        return inputs


def _recognize_part(part: Any) -> tuple[str, Any]:
    """Return the kind of a part of a stimulus, a key of `KINDS`, and the part."""
    if isinstance(part, str):
        return "text", part
    if isinstance(part, Image.Image):
        return "picture", part
    if isinstance(part, torch.Tensor):
        part = part.numpy()
    if isinstance(part, np.ndarray) and part.ndim == 1:
        return "sound", part
    if isinstance(part, np.ndarray) and part.ndim == 4 and part.shape[-1] == 3:
        return "clip", list(part)
    shape = f" of shape {part.shape}" if isinstance(part, np.ndarray) else ""
    raise InputError(
        f"a stimulus must be {', '.join(KINDS.values())}, or several of these in a dict, got "
        f"{type(part).__name__}{shape}"
    )


def list_arguments(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the arguments of a model's forward."""
    return tuple(inspect.signature(model.forward).parameters)
