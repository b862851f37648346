"""Control with random weights: what training adds to the architecture alone."""

import copy

import torch
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.capture.modules.models import find_module
from neurolens.extract.capture.restore import preserve_random_states


def randomize_weights(model: nn.Module, *, rng: int = 0) -> nn.Module:
    """Copy a model with new random weights; the model itself is not changed.

    Modules with a method ``reset_parameters`` draw their weights anew as when they were built,
    which also resets the running statistics of normalisation. Parameters of other modules are
    permuted: the same numbers, in random places.

    Parameters
    ----------
    model : Module or LoadedModel
        Anything that ``copy.deepcopy`` can copy.
    rng : int
        Seed; the same seed gives the same weights. Use several, and report each.

    Returns
    -------
    Module
        On the same devices, in the same modes, with the same names; hooks are copied along.

    Raises
    ------
    InputError
        ``model`` is not a Module, ``rng`` not a whole number of 0 or more, or the weights are not
        in memory (device "meta").

    Notes
    -----
    Random numbers are drawn by torch's own generator of each device, whose state is restored.
    Weights tied between modules stay tied. ``reset_parameters`` is the default of the layer, not a
    paper's special initialisation: a model built anew by its own constructor may differ.

    References
    ----------
    Kriegeskorte (2015) Annu. Rev. Vis. Sci. 1:417; Cichy et al. (2016) Sci. Rep. 6:27755, random
    weights as control.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    >>> control = randomize_weights(model, rng=1)
    >>> bool((control[0].weight == model[0].weight).any())
    False
    """
    model = find_module(model)
    if not isinstance(model, nn.Module):
        raise InputError(
            f"model must be a torch.nn.Module, got {type(model).__name__}. Pass the model, not its "
            f"output.",
            anchor="not-a-model",
        )
    if isinstance(rng, bool) or not isinstance(rng, int) or not 0 <= rng < 2**64:
        raise InputError(f"rng must be a whole number, got {rng!r}. Pass 0 or more, e.g. rng=0.")
    if any(parameter.is_meta for parameter in model.parameters()):
        raise InputError(
            "model must have its weights in memory, and some are on device 'meta'. Load them "
            "first.",
            anchor="device-unavailable",
        )
    twin = copy.deepcopy(model)
    with preserve_random_states(), torch.no_grad():
        torch.manual_seed(rng)
        renewed: set[int] = set()
        for module in twin.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
                renewed.update(id(parameter) for parameter in module.parameters(recurse=False))
        for parameter in twin.parameters():
            if id(parameter) not in renewed:
                order = torch.randperm(parameter.numel(), device=parameter.device)
                parameter.copy_(parameter.flatten()[order].view(parameter.shape))
    return twin
