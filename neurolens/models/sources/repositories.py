"""Models of repositories on GitHub that have a ``hubconf.py``, by torch.hub."""

from pathlib import Path

import torch
from torch import nn

from neurolens.errors import DataError, InputError
from neurolens.models.identity import Built
from neurolens.models.names import PRETRAINED
from neurolens.models.sources.settings import Request, name_version, tell_failures
from neurolens.models.weights import fill_weights, seed_torch

# The argument of most functions that says whether weights are trained.
SWITCH = "pretrained"


def build_model(request: Request) -> Built:
    """Return what a function of a repository's ``hubconf.py`` builds.

    What it does with weights is its own affair: options such as ``pretrained=True`` go to it. Of
    random weights it has to be said that it takes none.
    """
    branch, _, function = request.name.tag.rpartition(":")
    repository = f"{request.name.entry}:{branch}" if branch else request.name.entry
    if not request.trust_code:
        raise InputError(
            f"{str(request.name)!r} runs the code of the repository {repository} on this machine. "
            "Read it first, and pass trust_code=True.",
            anchor="not-opened-for-safety",
        )
    _check_weights(request, function)
    remedy = "Without a network, torch.hub needs the repository in its cache already."
    with tell_failures(f"{function} of {repository}", remedy), seed_torch(request.rng):
        model = torch.hub.load(
            repository, function, source="github", trust_repo=True, **request.options
        )
    if not isinstance(model, nn.Module):
        raise DataError(
            f"{function} of {repository} builds {type(model).__name__}, which is no model. Name a "
            "function that builds a torch.nn.Module.",
            anchor="model-not-loaded",
        )
    weights = f"as the repository's function gives them ({request.given})"
    if request.weights is None:
        weights = request.describe_random()
    if isinstance(request.weights, Path):
        weights = fill_weights(model, request.weights)
    code = f"code of {repository if branch else f'the default branch of {repository}'}"
    return Built(model, None, f"torch.hub, {name_version('torch')}, {code}", weights)


def _check_weights(request: Request, function: str) -> None:
    """Raise InputError for weights that a function of a repository cannot be asked for."""
    if request.is_fetched and request.weights != PRETRAINED:
        raise InputError(
            f"the repository chooses its weights itself, got weights={request.weights!r}. Pass "
            "what its function takes, e.g. pretrained=True, or the path of a state dict.",
            anchor="weights-do-not-fit",
        )
    if request.weights is None and request.options.get(SWITCH, True):
        raise InputError(
            f"whether weights are random is up to the function {function}, which may fetch trained "
            "ones by itself. Pass weights=None, pretrained=False; where it has no such argument, "
            "use randomize_weights on its model.",
            anchor="weights-do-not-fit",
        )
