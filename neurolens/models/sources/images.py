"""Models of timm."""

import fnmatch
from pathlib import Path
from typing import Any

import torch

from neurolens.errors import InputError, warn_user
from neurolens.labels import list_names, suggest_name
from neurolens.models.identity import Built
from neurolens.models.names import PRETRAINED
from neurolens.models.sources.settings import (
    Request,
    import_library,
    name_version,
    tell_failures,
    tell_options,
)
from neurolens.models.weights import fill_weights, seed_torch

# The option that changes the size of pictures.
SIZE = "img_size"


def build_model(request: Request) -> Built:
    """Return a model of timm with weights of its own, of a file, or random ones.

    Preprocessing is that of its data config, at the size of pictures that it was trained with.
    """
    timm = import_library("timm")
    data = import_library("timm.data")
    entry = _choose_entry(request, timm)
    note = ""
    if request.is_fetched:
        remedy = (
            "Without a network, pass the path of a state dict as weights=, or weights=None for "
            "random ones (on the command line --weights FILE, or --weights none)."
        )
        with tell_failures(f"timm's weights of {entry!r}", remedy):
            model, note = _create_trained(timm, entry, request)
    else:
        with seed_torch(request.rng), tell_options(request):
            model = timm.create_model(entry, pretrained=False, **request.options)
    sizes = {key: request.options[key] for key in (SIZE,) if key in request.options}
    config = data.resolve_model_data_config(model, args=sizes)
    tag = model.pretrained_cfg.get("tag") or ""
    weights = request.describe_random() if request.weights is None else f"{tag or entry}{note}"
    if isinstance(request.weights, Path):
        weights = fill_weights(model, request.weights)
    return Built(
        model,
        data.create_transform(**config, is_training=False),
        name_version("timm"),
        weights,
        f"timm's data config of {model.pretrained_cfg.get('architecture', entry)}"
        + (f".{tag}" if tag else ""),
        str(model.pretrained_cfg.get("license") or "") if request.is_fetched else "",
    )


def _create_trained(timm: Any, entry: str, request: Request) -> tuple[Any, str]:
    """Return a model with trained weights, and a note on those that options made random.

    With an option such as another number of classes timm leaves some at random: those that differ
    between two seeds.
    """
    models = []
    for rng in (request.rng, request.rng ^ 1)[: 2 if request.options else 1]:
        with seed_torch(rng), tell_options(request):
            models.append(timm.create_model(entry, pretrained=True, **request.options))
    if len(models) == 1:
        return models[0], ""
    other = models[1].state_dict()
    random = []
    for name, value in models[0].state_dict().items():
        if not torch.equal(value, other[name]):
            random.append(name)
    if not random:
        return models[0], ""
    warn_user(
        f"{entry!r} with {request.given} has {len(random)} of {len(other)} entries that are "
        f"random, from rng={request.rng}: {list_names(random)}. Do not interpret the operations "
        "that use these."
    )
    return models[0], f", {len(random)} entries random, rng={request.rng}"


def _choose_entry(request: Request, timm: Any) -> str:
    """Return the name of a model that timm has, with the tag of the weights if one is asked for."""
    entry = request.name.entry
    given = [entry.partition(".")[2], request.name.tag]
    if request.is_fetched and request.weights != PRETRAINED:
        given.append(str(request.weights))
    tags = list(dict.fromkeys(tag for tag in given if tag))
    if len(tags) > 1:
        raise InputError(
            f"weights are named twice, {list_names(tags)}. Pass one of them.",
            anchor="weights-do-not-fit",
        )
    bare = entry.partition(".")[0]
    if not timm.is_model(bare):
        raise suggest_name(bare, timm.list_models(), "model of timm", anchor="unknown-model")
    trained = timm.list_pretrained(f"{bare}.*") + timm.list_pretrained(bare)
    if tags and f"{bare}.{tags[0]}" not in trained:
        raise suggest_name(f"{bare}.{tags[0]}", trained, f"weights of timm's {bare}")
    if request.is_fetched and not trained:
        raise InputError(
            f"timm has no trained weights of {bare!r}. Pass weights=None.",
            anchor="weights-do-not-fit",
        )
    return f"{bare}.{tags[0]}" if tags else bare


def list_rows(pattern: str) -> list[dict[str, Any]]:
    """Return a row of facts on each model whose name matches ``pattern``."""
    timm = import_library("timm")
    trained: dict[str, list[str]] = {}
    for full in timm.list_pretrained():
        bare, _, tag = full.partition(".")
        trained.setdefault(bare, []).append(tag)
    rows = []
    for entry in fnmatch.filter(timm.list_models(), pattern):
        config = timm.get_pretrained_cfg(entry)
        rows.append(
            {
                "name": f"timm/{entry}",
                "n_parameters": None,
                "input_size": None if config is None else config.input_size[-1],
                "weights": ", ".join(tag for tag in trained.get(entry, []) if tag),
                "licence": str(getattr(config, "license", None) or ""),
            }
        )
    return rows
