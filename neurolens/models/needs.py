"""What a model of transformers needs of its stimuli: arguments, precision, lengths."""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from neurolens.errors import warn_user

# Tokenizers that state no longest text have a very large number.
MANY_TOKENS = 100_000
# Models that read a text at its last position, whatever its mask says, as they were trained with
# texts that were padded to the longest. Source: the documentation of SigLIP in transformers.
PADDED = ("siglip", "siglip_text_model", "siglip2", "siglip2_text_model")
MASK = "attention_mask"
TOKENS = "input_ids"


@dataclass(frozen=True)
class Needs:
    """What the inputs of a model must be.

    Attributes
    ----------
    arguments : tuple of str
        What the model takes; what else a processor makes is left out.
    dtype : dtype
        Of inputs that are floats.
    n_tokens : int or None
        Of the longest text, where it is known.
    pads_text : bool
        Whether texts are padded to the longest, as in training.
    n_frames : int or None
        Of a clip, where the model says how many.
    with_text : bool
        Whether stimuli of other kinds come with a text.
    """

    arguments: tuple[str, ...]
    dtype: torch.dtype = torch.float32
    n_tokens: int | None = None
    pads_text: bool = False
    n_frames: int | None = None
    with_text: bool = False


def read_needs(processor: Any, model: nn.Module) -> Needs:
    """Return what a model, or a part of one, needs of what a processor makes.

    A model of texts that takes no mask, where the tokenizer makes one, is warned of.
    """
    arguments = tuple(inspect.signature(model.forward).parameters)
    tokenizer = find_tokenizer(processor)
    is_unmasked = TOKENS in arguments and MASK not in arguments
    if is_unmasked and tokenizer is not None and has_mask(tokenizer):
        warn_user(
            f"{type(model).__name__} takes no {MASK!r}, so that padding counts as text: results "
            "follow the longest text of the set. Pass texts of one length."
        )
    config = getattr(model, "config", None)
    n_tokens = _find_longest(tokenizer, config)
    is_padded = getattr(config, "model_type", "") in PADDED or not has_mask(tokenizer)
    return Needs(
        arguments,
        find_dtype(model),
        n_tokens,
        is_padded and n_tokens is not None,
        getattr(config, "num_frames", None),
        tokenizer not in (None, processor) and TOKENS in arguments,
    )


def find_dtype(model: nn.Module) -> torch.dtype:
    """Return the precision of a model: that of its first parameter of floats."""
    dtypes = (one.dtype for one in model.parameters() if one.is_floating_point())
    return next(dtypes, torch.float32)


def find_tokenizer(processor: Any) -> Any:
    """Return a tokenizer, or that of a processor of several parts; None without one."""
    if hasattr(processor, "model_max_length"):
        return processor
    return getattr(processor, "tokenizer", None)


def has_mask(tokenizer: Any) -> bool:
    """Return whether a tokenizer says of each token whether it counts."""
    return MASK in getattr(tokenizer, "model_input_names", (MASK,))


def has_words(tokenizer: Any) -> bool:
    """Return whether a tokenizer knows words; one that was loaded without its files does not."""
    special = getattr(tokenizer, "all_special_ids", None)
    return special is None or len(tokenizer) > len(set(special))


def _find_longest(tokenizer: Any, config: Any) -> int | None:
    """Return the number of tokens of the longest text that tokenizer and model take."""
    of_text = getattr(config, "text_config", config)
    known = [
        getattr(tokenizer, "model_max_length", None),
        getattr(of_text, "max_position_embeddings", None),
    ]
    counts = [n for n in known if isinstance(n, int) and 0 < n <= MANY_TOKENS]
    return min(counts, default=None)
