"""Models of torchvision."""

import fnmatch
import inspect
from pathlib import Path
from typing import Any

import torch
from torch import nn

from neurolens.errors import InputError
from neurolens.labels import list_names, suggest_name
from neurolens.models.identity import Built
from neurolens.models.names import PRETRAINED
from neurolens.models.sources.settings import (
    Request,
    name_version,
    tell_failures,
    tell_options,
)
from neurolens.models.weights import fill_weights, seed_torch

LICENCE = "BSD-3-Clause (code); weights: terms of the data they were trained on"


def build_model(request: Request) -> Built:
    """Return a model of torchvision with weights of its own, of a file, or random ones.

    Preprocessing is that of the weights; of random ones and those of a file, that of the weights
    that the name says, by default the default ones.
    """
    from torchvision import models

    entry = request.name.entry
    if entry not in models.list_models():
        raise suggest_name(
            entry, models.list_models(), "model of torchvision", anchor="unknown-model"
        )
    choices = models.get_model_weights(entry)
    chosen = _choose_weights(request, choices)
    weights = getattr(chosen, "name", request.describe_random())
    if request.is_fetched:
        _fetch_weights(chosen)
        with tell_options(request):
            model = models.get_model(entry, weights=chosen, **request.options)
    else:
        model = _build_untrained(request)
    if isinstance(request.weights, Path):
        weights = fill_weights(model, request.weights)
    stated = chosen if chosen is not None else _state_preprocessing(request, choices)
    return Built(
        model,
        None if stated is None else make_transform(stated),
        name_version("torchvision"),
        weights,
        "none" if stated is None else f"that of the weights {stated.name}",
        LICENCE if request.is_fetched else "",
    )


def _choose_weights(request: Request, choices: Any) -> Any:
    """Return the weights that are asked for, None for those of a file or random ones."""
    if not request.is_fetched:
        return None
    names = list(choices.__members__)
    named = [name for name in (request.name.tag, request.weights) if name not in ("", PRETRAINED)]
    if len(named) > 1 and named[0] != named[1]:
        raise InputError(
            f"weights are named twice, {list_names(named)}. Pass one of the two.",
            anchor="weights-do-not-fit",
        )
    wanted = str(named[0]) if named else "DEFAULT"
    if wanted not in choices.__members__:
        if not names:
            raise InputError(
                f"torchvision has no trained weights of {request.name.entry!r}. Pass weights=None.",
                anchor="weights-do-not-fit",
            )
        raise suggest_name(wanted, names, f"weights of {request.name.entry}")
    return choices[wanted]


def _state_preprocessing(request: Request, choices: Any) -> Any:
    """Return the weights whose preprocessing goes with those of a file, or random ones."""
    if not request.name.tag:
        return getattr(choices, "DEFAULT", None)
    if request.name.tag not in choices.__members__:
        raise suggest_name(
            request.name.tag, list(choices.__members__), f"weights of {request.name.entry}"
        )
    return choices[request.name.tag]


class VideoTransform:
    """Preprocessing of clips of torchvision, for the frames of a clip (frame, y, x, 3) too."""

    def __init__(self, transform: Any) -> None:
        self.transform = transform

    def __call__(self, clip: Any) -> torch.Tensor:
        """Return a clip as the model takes it (channel, frame, y, x)."""
        frames = torch.as_tensor(clip)
        if frames.ndim != 4 or frames.dtype != torch.uint8:
            raise InputError(
                "a clip must be frames of uint8, (frame, y, x, 3) or (frame, 3, y, x), got "
                f"{frames.dtype} of shape {tuple(frames.shape)}.",
                anchor="stimuli-do-not-fit-model",
            )
        if frames.shape[-1] == 3:
            frames = frames.permute(0, 3, 1, 2)
        return self.transform(frames)


def make_transform(weights: Any) -> Any:
    """Return the preprocessing of weights."""
    transform = weights.transforms()
    return (
        VideoTransform(transform)
        if "VideoClassification" in type(transform).__name__
        else transform
    )


def _fetch_weights(weights: Any) -> None:
    """Fetch weights into torch's cache, and open them in a way that can run no code.

    torchvision itself opens them a second time, in a way that could.
    """
    url = weights.url
    remedy = (
        "Without a network, put the file "
        f"{Path(url).name} into {Path(torch.hub.get_dir()) / 'checkpoints'}, or pass the path of a "
        "state dict as weights=, or weights=None for random ones (on the command line "
        "--weights FILE, or --weights none)."
    )
    with tell_failures(f"the weights {weights.name} at {url}", remedy):
        weights.get_state_dict(progress=True, check_hash=True, weights_only=True)


def _build_untrained(request: Request) -> nn.Module:
    """Return a model with random weights, which those of a file may replace."""
    from torchvision import models

    settings = dict(request.options)
    arguments = inspect.signature(models.get_model_builder(request.name.entry)).parameters
    if "weights_backbone" in arguments:
        settings.setdefault("weights_backbone", None)
    if request.name.entry in ("googlenet", "inception_v3"):
        settings.setdefault("init_weights", True)
        # The trained weights take pictures that are scaled in this way, wherever they are kept.
        settings.setdefault("transform_input", isinstance(request.weights, Path))
    with seed_torch(request.rng), tell_options(request):
        return models.get_model(request.name.entry, weights=None, **settings)


def list_rows(pattern: str) -> list[dict[str, Any]]:
    """Return a row of facts on each model whose name matches ``pattern``."""
    from torchvision import models

    rows = []
    for entry in fnmatch.filter(models.list_models(), pattern):
        choices = models.get_model_weights(entry)
        default = getattr(choices, "DEFAULT", None)
        meta = {} if default is None else default.meta
        crop = [] if default is None else getattr(default.transforms(), "crop_size", [])
        rows.append(
            {
                "name": f"torchvision/{entry}",
                "n_parameters": meta.get("num_params"),
                "input_size": crop[0] if len(crop) == 1 else None,
                "weights": ", ".join(one.name for one in choices),
                "licence": LICENCE if default is not None else "",
            }
        )
    return rows
