"""Which model it is: name, weights, a hash of its state, and where it came from."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from neurolens.extract.capture.events import hash_tensors


@dataclass(frozen=True)
class ModelIdentity:
    """What a paper has to say of a model, so that others can load the same.

    Attributes
    ----------
    name : str
        As `load_model` takes it.
    weights : str
        Name of the weights, path of a file, or "random, rng=0".
    sha256 : str
        Of the names, shapes, dtypes and values of the state dict, in the order of names.
    source : str
        Library and version, such as "torchvision 0.24".
    part : str
        Address of the submodule that was taken, "" for the whole model.
    n_parameters : int
    preprocessing : str
        Where the preprocessing comes from.
    options : str
        What else `load_model` was given for the library's own function, as it is typed.
    licence : str
        Of the weights, as the source states it; "" where it states none.
    """

    name: str
    weights: str
    sha256: str
    source: str
    n_parameters: int
    part: str = ""
    preprocessing: str = "none"
    options: str = ""
    licence: str = ""

    def describe(self) -> str:
        """Return a sentence for a methods section."""
        part = f", part {self.part}" if self.part else ""
        options = f", with {self.options}" if self.options else ""
        return (
            f"{self.name}{part}{options} ({self.source}; weights: {self.weights}; sha256 of the "
            f"state dict {self.sha256[:16]}; preprocessing: {self.preprocessing})."
        )


class LoadedModel(NamedTuple):
    """A model in evaluation mode, the ``transform`` of its stimuli, and its ``identity``.

    ``transform`` turns one stimulus into what the model takes, for ``load_stimuli``; None where the
    source states none. ``identity`` is None in one that you make yourself.
    """

    model: nn.Module
    transform: Callable[[Any], Any] | None
    identity: ModelIdentity


@dataclass
class Built:
    """What a source made of a name: the model, its preprocessing, and facts about both."""

    model: nn.Module
    transform: Callable[[Any], Any] | None
    source: str
    weights: str
    preprocessing: str = "none"
    licence: str = ""


def hash_state(model: nn.Module) -> str:
    """Return the sha256 of a model's state dict, as hex: names, shapes, dtypes and values."""
    digest = hashlib.sha256()
    state = model.state_dict()
    for name in sorted(state):
        value = state[name]
        digest.update(name.encode() + b"\0")
        if isinstance(value, torch.Tensor):
            digest.update(hash_tensors([value]).encode())
    return digest.hexdigest()
