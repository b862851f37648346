"""Checks of what a run is given: model, stimuli, device, seed, number of samples."""

import itertools
from typing import Any

import torch
from torch import nn

from neurolens.errors import InputError, warn_user
from neurolens.extract.capture.modules.models import is_loaded
from neurolens.stimuli import StimulusSet, describe_preprocessing


def check_inputs(model: Any, stimuli: Any) -> None:
    """Raise InputError unless a run is of a model and a stimulus set.

    A model of ``load_model`` whose stimuli are prepared in another way than its own is warned of.
    """
    if is_loaded(model):
        _compare_transforms(model, stimuli)
        model = model.model
    if isinstance(model, StimulusSet) and isinstance(stimuli, nn.Module):
        raise InputError(
            "model and stimuli are the wrong way round: give the model first, then the stimuli",
            anchor="not-a-model",
        )
    if not isinstance(model, nn.Module):
        raise InputError(
            f"model must be a torch.nn.Module, got {_suggest_model(model)}", anchor="not-a-model"
        )
    if not isinstance(stimuli, StimulusSet):
        is_held = isinstance(getattr(stimuli, "stimuli", None), StimulusSet)
        make = "Make one with neurolens.load_stimuli(...)."
        source = "Pass its stimuli: dataset.stimuli." if is_held else make
        raise InputError(
            f"stimuli must be a StimulusSet, got {type(stimuli).__name__}. {source}",
            anchor="wrong-object",
        )


def _compare_transforms(loaded: Any, stimuli: Any) -> None:
    """Warn where stimuli are not prepared as what ``load_model`` returned has it."""
    if loaded.transform is None or not isinstance(stimuli, StimulusSet):
        return
    if stimuli.transform is loaded.transform:
        return
    if describe_preprocessing(stimuli.transform) != describe_preprocessing(loaded.transform):
        known = loaded.identity
        name = type(loaded.model).__name__ if known is None else known.name
        how = describe_preprocessing(loaded.transform) if known is None else known.preprocessing
        warn_user(
            f"stimuli are not prepared as {name} was trained ({how}). Type "
            "load_stimuli(..., model=model), or pass model.model if this is meant."
        )


def _suggest_model(model: Any) -> str:
    """Return what something that is no model is, and what to pass instead."""
    if isinstance(model, type) and issubclass(model, nn.Module):
        return f"the class {model.__name__}. Make one, e.g. {model.__name__}()."
    kind = type(model).__name__
    if callable(model):
        return f"{kind}. Wrap it in a Module's forward."
    return f"{kind}. Make one, e.g. torchvision.models.get_model('resnet18', weights='DEFAULT')."


def find_device(model: nn.Module, device: str | torch.device | None) -> torch.device:
    """Return the device to run on: the one asked for, else where the model's parameters are."""
    if device is None:
        devices = [one.device for one in itertools.chain(model.parameters(), model.buffers())]
        found = next((one for one in devices if one.type != "meta"), None)
        if devices and found is None:
            raise InputError(
                "the model's weights are on device 'meta', which holds no values. Load them first, "
                "or, where they are loaded for each call, type the device that they are loaded "
                "to, e.g. device='cpu'.",
                anchor="device-unavailable",
            )
        return found or torch.device("cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except Exception as error:
        raise InputError(
            f"device={device!r} cannot be used: {_explain_device(device, error)}. Leave device= "
            "out to run where the model is, or type e.g. device='cpu'.",
            anchor="device-unavailable",
        ) from None
    if chosen.type == "meta":
        raise InputError(
            "device='meta' holds no values. Leave device= out, or type e.g. device='cpu'.",
            anchor="device-unavailable",
        )
    return chosen


def _explain_device(device: Any, error: Exception) -> str:
    if str(device).startswith("cuda") and not torch.cuda.is_available():
        return "torch sees no GPU"
    return str(error).partition("\n")[0].rstrip(".")


def check_seed(rng: Any) -> int:
    """Return a seed; raise InputError for anything but a whole number of 0 or more."""
    if isinstance(rng, bool) or not isinstance(rng, int) or rng < 0:
        raise InputError(f"rng must be a whole number of 0 or more, got {rng!r}. Type e.g. rng=0.")
    return rng


def check_samples(n_samples: Any) -> int:
    """Return a number of samples; raise InputError for anything but a whole number of 1 or more."""
    if isinstance(n_samples, bool) or not isinstance(n_samples, int) or n_samples < 1:
        raise InputError(
            f"n_samples must be a whole number of 1 or more, got {n_samples!r}. Type e.g. "
            "n_samples=10."
        )
    return n_samples
