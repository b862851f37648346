"""Weights from files, opened without running anything that is in them, and random ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from neurolens.errors import DataError, InputError
from neurolens.extract.capture.restore import preserve_random_states
from neurolens.labels import list_names, suggest_name

SAFETENSORS = ".safetensors"
# Between the path of a file and the name of one of the state dicts in it.
CHOICE = "::"
# What wrappers put before names.
PREFIXES = ("module.", "_orig_mod.", "model.")
# Counters of batches, which files of torch before 0.4.1 lack and no evaluation uses.
COUNTER = "num_batches_tracked"


@contextmanager
def seed_torch(rng: int) -> Iterator[None]:
    """Draw torch's random numbers from the seed ``rng`` inside, and restore its state after."""
    with preserve_random_states():
        torch.manual_seed(rng)
        yield


def fill_weights(model: nn.Module, path: Path) -> str:
    """Load the state dict in a file into ``model``; every entry of both must have its match.

    Returns
    -------
    str
        The path and, where the numbers in the file are of another precision than the model's,
        which.

    Raises
    ------
    DataError
        The file is missing, damaged or holds no state dict, or one with NaN.
    InputError
        It is the state dict of another model.
    """
    state = read_state(path)
    wanted = model.state_dict()
    state = _strip_prefix(state, set(wanted))
    for name in _list_counters(model):
        state.setdefault(name, wanted[name])
    missing = [name for name in wanted if name not in state]
    unknown = [name for name in state if name not in wanted]
    if missing or unknown:
        lacks = f"it lacks {list_names(missing, 3)}" if missing else "it lacks nothing"
        besides = f" and holds {list_names(unknown, 3)} besides" if unknown else ""
        raise InputError(
            f"{path.name} is the state dict of another model than {type(model).__name__}: "
            f"{lacks}{besides}. Name the model that the file belongs to.",
            anchor="weights-do-not-fit",
        )
    for name, tensor in state.items():
        _check_entry(path, name, tensor, wanted[name], type(model).__name__)
    model.load_state_dict(state)
    return _describe_file(path, state, wanted)


def _list_counters(model: nn.Module) -> list[str]:
    """Return the names of the counters of batches of batch normalizations."""
    names = []
    for address, module in model.named_modules():
        if isinstance(getattr(module, COUNTER, None), torch.Tensor):
            names.append(f"{address}.{COUNTER}" if address else COUNTER)
    return names


def _check_entry(
    path: Path, name: str, tensor: torch.Tensor, wanted: torch.Tensor, model: str
) -> None:
    """Raise an error for an entry that a model cannot take as it is."""
    if tensor.is_meta or tensor.layout != torch.strided:
        raise DataError(
            f"{path} holds {name!r} without its values, or as a sparse tensor. Save the weights "
            "again as torch.save(model.state_dict(), path).",
            anchor="weights-do-not-fit",
        )
    if tuple(tensor.shape) != tuple(wanted.shape):
        raise InputError(
            f"{path.name} is the state dict of another model than {model}: {name!r} has shape "
            f"{tuple(tensor.shape)}, expected {tuple(wanted.shape)}. Pass what differs, such as "
            "num_classes=.",
            anchor="weights-do-not-fit",
        )
    kinds = [(one.is_floating_point(), one.is_complex()) for one in (tensor, wanted)]
    if kinds[0] != kinds[1]:
        raise InputError(
            f"{path.name} holds {name!r} as {tensor.dtype}, which {wanted.dtype} of the model "
            "cannot hold. Convert the weights first.",
            anchor="weights-do-not-fit",
        )
    if tensor.is_floating_point() and not torch.isfinite(tensor.to(wanted.dtype)).all():
        raise DataError(
            f"{path} holds values in {name!r} that are not finite as {wanted.dtype}. Training or "
            "saving has failed; use another file.",
            anchor="weights-do-not-fit",
        )


def _describe_file(
    path: Path, state: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]
) -> str:
    """Return the path, with the precision of its numbers where it is another than the model's."""
    pairs = {
        f"{_name_dtype(tensor)} in the file, {_name_dtype(wanted[name])} in the model"
        for name, tensor in state.items()
        if tensor.is_floating_point() and tensor.dtype != wanted[name].dtype
    }
    return f"{path} ({'; '.join(sorted(pairs))})" if pairs else str(path)


def _name_dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Return the state dict in a file of safetensors or of ``torch.save``.

    A file of `torch.save` may hold it under a name beside other things, as checkpoints of training
    do; of several, ``path::NAME`` says which.

    Raises
    ------
    DataError
        The file is missing, damaged, holds no state dict, or would have to run code.
    InputError
        The file holds several state dicts, and the path does not say which.
    """
    text, _, choice = str(path).partition(CHOICE)
    content = _read_content(Path(text))
    if not isinstance(content, dict) or not content:
        raise DataError(
            f"{text} holds no state dict, but {type(content).__name__}", anchor="weights-do-not-fit"
        )
    held = {name: value for name, value in content.items() if _is_state(value)}
    if choice:
        if choice not in held:
            raise suggest_name(choice, list(held), f"state dict in {text}")
        return held[choice]
    if len(held) > 1:
        raise InputError(
            f"{text} holds several state dicts: {list_names(held)}. Say which, e.g. "
            f"weights={f'{text}{CHOICE}{next(iter(held))}'!r}.",
            anchor="weights-do-not-fit",
        )
    if held:
        return next(iter(held.values()))
    if not _is_state(content):
        odd = [str(name) for name, value in content.items() if not _is_entry(name, value)]
        raise DataError(
            f"{text} holds no state dict: {list_names(odd)} are no tensors with names",
            anchor="weights-do-not-fit",
        )
    return content


def _read_content(path: Path) -> Any:
    """Return what a file holds, opened without running code."""
    if not path.is_file():
        raise DataError(f"there is no file of weights at {path}", anchor="file-not-found")
    try:
        if path.suffix == SAFETENSORS:
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{path} cannot be read as weights ({type(error).__name__}: {reason}). It is opened "
            "without running code: a file that holds more than tensors must be saved again as "
            "torch.save(model.state_dict(), path)."
        ) from error


def _is_state(value: Any) -> bool:
    """Return whether an entry of a checkpoint is a state dict: names with tensors."""
    is_filled = isinstance(value, dict) and len(value) > 0
    return is_filled and all(_is_entry(name, entry) for name, entry in value.items())


def _is_entry(name: Any, value: Any) -> bool:
    return isinstance(name, str) and isinstance(value, torch.Tensor)


def _strip_prefix(state: dict[str, torch.Tensor], wanted: set[str]) -> dict[str, torch.Tensor]:
    """Return ``state`` without a prefix that a wrapper put before all names."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state) and not wanted & set(state):
            shorter = {name.removeprefix(prefix): value for name, value in state.items()}
            return _strip_prefix(shorter, wanted)
    return state
