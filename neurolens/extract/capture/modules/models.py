"""What is passed as a model: a Module, inside a wrapper or beside its preprocessing."""

from typing import Any

import torch
from torch import nn

from neurolens.errors import InputError


def find_module(model: Any) -> Any:
    """Return the Module of what ``load_model`` returned; anything else as it is."""
    return model.model if is_loaded(model) else model


def is_loaded(model: Any) -> bool:
    """Return whether a model came from ``load_model``, with its transform and identity."""
    is_pair = hasattr(model, "identity") and hasattr(model, "transform")
    return is_pair and not isinstance(model, nn.Module) and hasattr(model, "model")


def unwrap_model(model: Any) -> nn.Module:
    """Return the model inside a compiled or data-parallel wrapper, or that ``load_model`` returned.

    Raises InputError for a model that cannot be recorded.
    """
    model = find_module(model)
    while isinstance(model, nn.Module):
        if isinstance(getattr(model, "_orig_mod", None), nn.Module):
            model = model._orig_mod
        elif isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            model = model.module
        else:
            break
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError(
            f"{type(model).__name__} is TorchScript, whose ops run outside Python and cannot be "
            "recorded. Pass the nn.Module it was made from.",
            anchor="not-a-model",
        )
    if isinstance(model, torch.export.ExportedProgram):
        raise InputError(
            "an exported program cannot be recorded; pass program.module() or the original "
            "nn.Module",
            anchor="not-a-model",
        )
    if not isinstance(model, nn.Module):
        raise InputError(
            f"model must be a torch.nn.Module, got {type(model).__name__}. Wrap it in a Module's "
            f"forward.",
            anchor="not-a-model",
        )
    return model
