"""Weights from files, opened without running anything that is in them, and random ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from neurolens.errors import DataError, InputError
from neurolens.extract.capture.restore import preserve_random_states
from neurolens.labels import list_names

SAFETENSORS = ".safetensors"
# Entries under which training scripts keep the state dict, and what wrappers put before names.
HOLDERS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "_orig_mod.", "model.")


@contextmanager
def seed_torch(rng: int) -> Iterator[None]:
    """Draw torch's random numbers from the seed ``rng`` inside, and restore its state after."""
    with preserve_random_states():
        torch.manual_seed(rng)
        yield


def fill_weights(model: nn.Module, path: Path) -> None:
    """Load the state dict in a file into ``model``; every entry of both must have its match.

    Raises
    ------
    DataError
        The file is missing, damaged or holds no state dict.
    InputError
        It is the state dict of another model.
    """
    state = read_state(path)
    wanted = model.state_dict()
    state = _strip_prefix(state, set(wanted))
    missing = [name for name in wanted if name not in state]
    unknown = [name for name in state if name not in wanted]
    if missing or unknown:
        raise InputError(
            f"{path.name} is the state dict of another model than {type(model).__name__}: it lacks "
            f"{list_names(missing, 3)} and holds {list_names(unknown, 3)} besides. Name the model "
            "that the file belongs to."
        )
    for name, tensor in state.items():
        if tuple(tensor.shape) != tuple(wanted[name].shape):
            raise InputError(
                f"{path.name} is the state dict of another model than {type(model).__name__}: "
                f"{name!r} has shape {tuple(tensor.shape)}, expected {tuple(wanted[name].shape)}. "
                "Pass what differs, such as num_classes=."
            )
        kinds = [(one.is_floating_point(), one.is_complex()) for one in (tensor, wanted[name])]
        if kinds[0] != kinds[1]:
            raise InputError(
                f"{path.name} holds {name!r} as {tensor.dtype}, which {wanted[name].dtype} of the "
                "model cannot hold. Convert the weights first."
            )
    model.load_state_dict(state)


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Return the state dict in a file of safetensors or of ``torch.save``.

    Raises
    ------
    DataError
        The file is missing, damaged, holds no state dict, or would have to run code.
    """
    if not path.is_file():
        raise DataError(f"there is no file of weights at {path}")
    try:
        if path.suffix == SAFETENSORS:
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{path} cannot be read as weights ({type(error).__name__}: {reason}). It is opened "
            "without running code: a file that holds more than tensors must be saved again as "
            "torch.save(model.state_dict(), path)."
        ) from error
    for holder in HOLDERS:
        if isinstance(content, dict) and isinstance(content.get(holder), dict):
            content = content[holder]
            break
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path} holds no state dict, but {type(content).__name__}")
    odd = [name for name, value in content.items() if not isinstance(value, torch.Tensor)]
    if odd:
        raise DataError(f"{path} holds no state dict: {list_names(odd)} are no tensors")
    return content


def _strip_prefix(state: dict[str, torch.Tensor], wanted: set[str]) -> dict[str, torch.Tensor]:
    """Return ``state`` without a prefix that a wrapper put before all names."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state) and not wanted & set(state):
            shorter = {name.removeprefix(prefix): value for name, value in state.items()}
            return _strip_prefix(shorter, wanted)
    return state
