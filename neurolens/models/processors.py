"""Preprocessing of transformers: processors and tokenizers, one stimulus at a time."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from neurolens.errors import InputError
from neurolens.labels import list_names
from neurolens.models.needs import TOKENS, Needs, find_tokenizer, has_words

# What a stimulus may be, and the keywords under which processors take it.
KINDS = {
    "text": "text (str)",
    "picture": "a picture (PIL)",
    "clip": "the frames of a clip in uint8 (frame, y, x, 3)",
    "sound": "a waveform (time,)",
}
# Whether a processor of clips chooses some of the frames.
SAMPLES = "do_sample_frames"
# Attributes of feature extractors: the number of values beyond which they cut a sound.
LONGEST_SOUNDS = ("n_samples", "nb_max_samples")
# Seconds at the end of a sound that are changed to see whether they matter, and the least loudness
# that is put there.
END = 0.1
SOFT = 1e-3
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
    needs : Needs
        What the model needs of its inputs.

    Notes
    -----
    Nothing of a stimulus is left out: texts and sounds that the processor or the model would cut
    are refused, and all frames of a clip are used. Texts of tokenizers that give no mask, and those
    of SigLIP, are padded to the longest that the model takes, as such models were trained.
    """

    def __init__(self, processor: Any, needs: Needs) -> None:
        self.processor = processor
        self.needs = needs

    def __call__(self, stimulus: Any) -> dict[str, torch.Tensor]:
        """Return the inputs of one stimulus, without the axis of the batch.

        Raises
        ------
        InputError
            The processor cannot take such a stimulus, or makes nothing that the model takes.
        """
        given = self._sort_parts(stimulus)
        settings = self._list_settings(given)
        named = {}
        for kind, part in given.items():
            named[self._find_keyword(kind)] = np.asarray(part) if kind == "sound" else part
        inputs = self._prepare(named, settings)
        if "text" in given:
            self._check_text(given["text"], inputs)
        if "sound" in given:
            self._check_end(given["sound"], named, settings, inputs)
        return inputs

    def _prepare(self, named: dict[str, Any], settings: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return what the processor makes of one stimulus, of what the model takes."""
        try:
            made = self.processor(**named, **settings, return_tensors="pt")
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise InputError(
                f"{type(self.processor).__name__} cannot prepare what it takes as "
                f"{list_names(named)} ({type(error).__name__}: {reason}). Pass stimuli that the "
                "model was made for.",
                anchor="stimuli-do-not-fit-model",
            ) from error
        inputs: dict[str, torch.Tensor] = {}
        for name, value in made.items():
            if name not in self.needs.arguments or not isinstance(value, torch.Tensor):
                continue
            if value.ndim == 0 or len(value) != 1:
                raise InputError(
                    f"{type(self.processor).__name__} makes {name!r} of shape {tuple(value.shape)} "
                    "of one stimulus, without an axis of stimuli. Such models cannot be run over "
                    "sets yet.",
                    anchor="stimuli-do-not-fit-model",
                )
            inputs[name] = value[0].to(self.needs.dtype) if value.is_floating_point() else value[0]
        if not inputs:
            raise InputError(
                f"{type(self.processor).__name__} makes {list_names(made)}, and the model takes "
                f"{list_names(self.needs.arguments)}. Choose another part=, or other stimuli.",
                anchor="stimuli-do-not-fit-model",
            )
        return inputs

    @property
    def sampling_rate(self) -> int | None:
        """The number of values per second that waveforms must have; None without sounds."""
        rate = getattr(self._extractor, "sampling_rate", None)
        return None if rate is None else int(rate)

    @property
    def _extractor(self) -> Any:
        """What makes features of sounds, where the processor is one of several parts."""
        return getattr(self.processor, "feature_extractor", self.processor)

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
                    "stimuli of their own.",
                    anchor="stimuli-do-not-fit-model",
                )
            given[kind] = value
        if self.needs.with_text and "text" not in given:
            raise InputError(
                f"the model takes a text beside {KINDS[next(iter(given))]}, and got none. Load "
                'both, as {"images": files, "text": texts} (texts in tuples count as labels), or '
                'load a part of the model, e.g. part="vision_model".',
                anchor="stimuli-do-not-fit-model",
            )
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
            "model was made for.",
            anchor="stimuli-do-not-fit-model",
        )

    def _list_settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what must be said beside the stimulus: rate of sound, padding, use of frames."""
        settings: dict[str, Any] = {}
        if "sound" in given:
            settings |= self._state_rate(given["sound"])
        if "text" in given and self.needs.pads_text:
            settings |= {"padding": "max_length", "max_length": self.needs.n_tokens}
        if "clip" in given:
            settings |= self._keep_frames(len(given["clip"]))
        return settings

    def _state_rate(self, sound: Any) -> dict[str, Any]:
        """Return the sampling rate of a sound as processors take it.

        Raises InputError for a sound that does not state this rate, or is cut by the processor.
        """
        wanted = self.sampling_rate
        rate = getattr(sound, "rate", None)
        name = type(self._extractor).__name__
        if wanted is None:
            return {}
        if rate is None:
            raise InputError(
                f"a waveform in an array does not state its rate, and {name} takes {wanted} values "
                "per second. Load it with kind=nl.stimuli.Sound(array_rate=...), which resamples "
                "it, or from its file with kind='sound'.",
                anchor="stimuli-do-not-fit-model",
            )
        if rate != wanted:
            raise InputError(
                f"{name} takes sounds of {wanted} Hz, got one of {rate} Hz. Pass model= to "
                "load_stimuli, which resamples them.",
                anchor="stimuli-do-not-fit-model",
            )
        longest = self._find_longest()
        if longest is not None and len(sound) > longest:
            raise InputError(
                f"{name} takes {longest / wanted:g} s of a sound and leaves out the rest, got "
                f"{len(sound) / wanted:g} s. Load a part, e.g. "
                f"kind=nl.stimuli.Sound(duration={longest / wanted:g}).",
                anchor="stimuli-do-not-fit-model",
            )
        return {"sampling_rate": wanted}

    def _find_longest(self) -> int | None:
        """Return the number of values beyond which the processor cuts a sound, None for none."""
        lengths = [getattr(self._extractor, name, None) for name in LONGEST_SOUNDS]
        known = [length for length in lengths if isinstance(length, int)]
        return min(known, default=None)

    def _check_text(self, text: str, inputs: Mapping[str, torch.Tensor]) -> None:
        """Raise InputError for a text that the processor has cut, or the model would."""
        tokenizer = find_tokenizer(self.processor)
        if tokenizer is None or TOKENS not in inputs:
            return
        if not has_words(tokenizer):
            raise InputError(
                f"{type(tokenizer).__name__} has no words, so that all texts are the same to it: "
                "the files of the tokenizer are missing. Save them with the model.",
                anchor="stimuli-do-not-fit-model",
            )
        n_tokens = len(tokenizer(text)[TOKENS])
        longest = self.needs.n_tokens
        n_left = len(inputs[TOKENS])
        if longest is not None:
            n_left = min(n_left, longest)
        if n_tokens > n_left:
            raise InputError(
                f"a text has {n_tokens} tokens, and the model takes {n_left}. Cut texts into "
                "windows first.",
                anchor="stimuli-do-not-fit-model",
            )

    def _check_end(
        self,
        sound: Any,
        named: Mapping[str, Any],
        settings: dict[str, Any],
        inputs: Mapping[str, torch.Tensor],
    ) -> None:
        """Raise InputError for a sound whose end the processor leaves out.

        It does where another end of the same length makes no difference to any input.
        """
        wave = np.array(sound, dtype=np.float32)
        n_values = min(len(wave) // 2, math.ceil(END * (self.sampling_rate or 1)))
        loudness = max(float(np.abs(wave).max(initial=0)), SOFT)
        end = np.random.default_rng(0).standard_normal(n_values) * loudness
        wave[len(wave) - n_values :] = end
        changed = {**named, self._find_keyword("sound"): wave}
        others = self._prepare(changed, settings)
        is_same = all(torch.equal(inputs[name], other) for name, other in others.items())
        if n_values and is_same:
            seconds = len(wave) / (self.sampling_rate or 1)
            raise InputError(
                f"{type(self._extractor).__name__} leaves out the end of a sound of {seconds:g} s. "
                "Load a shorter part, e.g. kind=nl.stimuli.Sound(duration=5).",
                anchor="stimuli-do-not-fit-model",
            )

    def _keep_frames(self, n_frames: int) -> dict[str, Any]:
        """Return what makes a processor use all frames of a clip.

        Raises InputError where the model takes another number of them.
        """
        wanted = self.needs.n_frames
        if wanted not in (None, n_frames):
            raise InputError(
                f"the model takes clips of {wanted} frames, got one of {n_frames}. Load "
                f"kind=nl.stimuli.Video(frames={wanted}), or pass num_frames={n_frames} to "
                "load_model where its weights allow it.",
                anchor="stimuli-do-not-fit-model",
            )
        holder = getattr(self.processor, "video_processor", self.processor)
        return {"do_sample_frames": False} if getattr(holder, SAMPLES, False) else {}


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
    is_clip = isinstance(part, np.ndarray) and part.ndim == 4 and part.shape[-1] == 3
    if is_clip and part.dtype == np.uint8:
        return "clip", list(part)
    shape = f" of {part.dtype} of shape {part.shape}" if isinstance(part, np.ndarray) else ""
    raise InputError(
        f"a stimulus must be {', '.join(KINDS.values())}, or several of these in a dict, got "
        f"{type(part).__name__}{shape}",
        anchor="stimuli-do-not-fit-model",
    )
