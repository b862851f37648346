"""Models of repositories on GitHub that have a ``hubconf.py``, by torch.hub."""

from pathlib import Path

import torch
from torch import nn

from neurolens.errors import DataError, InputError
from neurolens.models.identity import Built
from neurolens.models.names import PRETRAINED
from neurolens.models.sources.settings import Request, name_version, tell_failures
from neurolens.models.weights import fill_weights, seed_torch


def build_model(request: Request) -> Built:
    """Return what a function of a repository's ``hubconf.py`` builds.

    What it does with weights is its own affair: options such as ``pretrained=True`` go to it.
    """
    repository = request.name.entry
    function = request.name.tag
    if not request.trust_code:
        raise InputError(
            f"{str(request.name)!r} runs the code of the repository {repository} on this machine. "
            "Read it first, and pass trust_code=True."
        )
    if request.is_fetched and request.weights != PRETRAINED:
        raise InputError(
            f"the repository chooses its weights itself, got weights={request.weights!r}. Pass "
            "what its function takes, e.g. pretrained=True, or the path of a state dict."
        )
    remedy = "Without a network, torch.hub needs the repository in its cache already."
    with tell_failures(f"{function} of {repository}", remedy), seed_torch(request.rng):
        model = torch.hub.load(
            repository, function, source="github", trust_repo=True, **request.options
        )
    if not isinstance(model, nn.Module):
        raise DataError(
            f"{function} of {repository} builds {type(model).__name__}, which is no model. Name a "
            "function that builds a torch.nn.Module."
        )
    if isinstance(request.weights, Path):
        fill_weights(model, request.weights)
    given = ", ".join(f"{key}={value!r}" for key, value in request.options.items())
    return Built(
        model,
        None,
        f"torch.hub, {name_version('torch')}",
        request.describe_weights(f"as the repository's function gives them ({given})"),
    )
