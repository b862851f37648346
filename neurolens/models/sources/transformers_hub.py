"""Models of Hugging Face's transformers, by the name of their repository or a local folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from neurolens.errors import DataError, InputError, warn_user
from neurolens.labels import list_names, suggest_name
from neurolens.models.identity import Built
from neurolens.models.names import PRETRAINED, is_path
from neurolens.models.needs import find_dtype, find_tokenizer, has_words, read_needs
from neurolens.models.processors import ProcessorTransform
from neurolens.models.sources.settings import (
    Request,
    import_library,
    name_version,
    tell_failures,
    tell_options,
)
from neurolens.models.weights import fill_weights, seed_torch

REMEDY = (
    "Without a network, pass the path of a folder that has been saved with save_pretrained, as "
    "'hf/PATH', or fetch the repository into the cache of Hugging Face first."
)
# The option that names a class of transformers.
ARCHITECTURE = "architecture"
# Options that say how a model is built, and are not of its configuration.
OF_LIBRARY = (ARCHITECTURE, "attn_implementation", "dtype", "torch_dtype", "device_map")


def build_model(request: Request) -> Built:
    """Return a model of transformers, with its processor as preprocessing.

    It is that of AutoModel, or of the class that the option ``architecture`` names, in float32
    where the option ``dtype`` says nothing else.
    """
    library = import_library("transformers")
    entry = request.name.entry
    if is_path(entry) and not Path(entry).is_dir():
        raise DataError(
            f"there is no folder {entry!r}. Pass that of a model that has been saved with "
            "save_pretrained, as 'hf/PATH'.",
            anchor="model-not-loaded",
        )
    settings: dict[str, Any] = {"trust_remote_code": request.trust_code}
    revision = request.name.tag
    if request.is_fetched and request.weights != PRETRAINED:
        revision = str(request.weights)
    if revision:
        settings["revision"] = revision
    with _tell_code(request), tell_failures(f"the configuration of {entry!r}", REMEDY):
        config = library.AutoConfig.from_pretrained(entry, **settings)
    stored = _read_dtype(config)
    options = _set_config(config, {"dtype": torch.float32, **request.options})
    kind = _find_class(library, options.pop(ARCHITECTURE, None))
    note = ""
    if request.is_fetched:
        # What a checkpoint lacks is drawn at random.
        with (
            _tell_code(request),
            tell_failures(f"the weights of {entry!r}", REMEDY),
            seed_torch(request.rng),
            tell_options(request),
        ):
            model, found = kind.from_pretrained(
                entry, config=config, output_loading_info=True, **settings, **options
            )
        note = _tell_missing(entry, model, sorted(found["missing_keys"]), request.rng)
        note += _describe_dtype(stored, model)
    else:
        with seed_torch(request.rng), tell_options(request):
            model = _build_untrained(library, kind, config, request.trust_code, options)
    remedy = f"{REMEDY} A folder needs the processor too: processor.save_pretrained(folder)."
    with _tell_code(request), tell_failures(f"the processor of {entry!r}", remedy, remedy):
        processor = _load_processor(library, entry, settings)
    if find_tokenizer(processor) is processor and not has_words(processor):
        raise DataError(
            f"{entry!r} has no files of a tokenizer, or one without words, to which all texts are "
            "the same. Save it there with tokenizer.save_pretrained.",
            anchor="model-not-loaded",
        )
    commit = getattr(config, "_commit_hash", None) or revision or "local folder"
    weights = request.describe_random() if request.weights is None else f"revision {commit}{note}"
    if isinstance(request.weights, Path):
        weights = fill_weights(model, request.weights)
    return Built(
        model,
        processor,
        f"{name_version('transformers')}, {type(model).__name__}",
        weights,
        f"{type(processor).__name__} of {entry}",
    )


@contextmanager
def _tell_code(request: Request) -> Iterator[None]:
    """Raise InputError for a repository with code of its own, unless it is trusted."""
    try:
        yield
    except DataError as error:
        if request.trust_code or "trust_remote_code" not in str(error.__cause__):
            raise
        raise InputError(
            f"{str(request.name)!r} comes with code of its own, which would run on this machine. "
            "Read it first, and pass trust_code=True.",
            anchor="not-opened-for-safety",
        ) from error


def _set_config(config: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Set the options that a configuration has, and return the others."""
    others = {}
    for name, value in options.items():
        if name not in OF_LIBRARY and hasattr(config, name):
            setattr(config, name, value)
        else:
            others[name] = value
    return others


def _find_class(library: Any, architecture: Any) -> Any:
    """Return the class of transformers that builds the model."""
    if architecture is None:
        return library.AutoModel
    found = getattr(library, architecture, None) if isinstance(architecture, str) else None
    if not (isinstance(found, type) and issubclass(found, library.PreTrainedModel)):
        raise suggest_name(str(architecture), dir(library), "class of models of transformers")
    return found


def _build_untrained(
    library: Any, kind: Any, config: Any, trust_code: bool, options: dict[str, Any]
) -> nn.Module:
    """Return a model with random weights, which those of a file may replace."""
    dtype = options["dtype"]
    if isinstance(dtype, str):
        dtype = getattr(torch, dtype, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ValueError(f"dtype must be one such as torch.float32, got {options['dtype']!r}")
    settings = {**options, "dtype": dtype}
    if kind is library.AutoModel:
        return kind.from_config(config, trust_remote_code=trust_code, **settings)
    return kind._from_config(config, **settings)


def _read_dtype(config: Any) -> torch.dtype | None:
    """Return the precision in which a checkpoint says that its weights are stored."""
    stored = getattr(config, "dtype", None)
    if isinstance(stored, str):
        stored = getattr(torch, stored, None)
    return stored if isinstance(stored, torch.dtype) else None


def _describe_dtype(stored: torch.dtype | None, model: nn.Module) -> str:
    """Return a note on weights that are stored in another precision than that of the model."""
    used = find_dtype(model)
    if stored in (None, used):
        return ""
    names = [str(dtype).removeprefix("torch.") for dtype in (stored, used)]
    return f", {names[0]} in the file, {names[1]} in the model"


def _load_processor(library: Any, entry: str, settings: dict[str, Any]) -> Any:
    """Return the processor of a repository, or the one part of one that it has."""
    try:
        return library.AutoProcessor.from_pretrained(entry, **settings)
    except Exception:
        for kind in (library.AutoFeatureExtractor, library.AutoImageProcessor):
            try:
                return kind.from_pretrained(entry, **settings)
            except Exception:
                continue
        raise


def _tell_missing(entry: str, model: nn.Module, missing: list[str], rng: int) -> str:
    """Return what to add to the description of weights; warn where a checkpoint lacks some.

    Raises DataError where it lacks all.
    """
    if not missing:
        return ""
    n_all = len(model.state_dict())
    if len(missing) >= n_all:
        raise DataError(
            f"the weights of {entry!r} are none of {type(model).__name__}'s: all {n_all} entries "
            f"are missing, e.g. {list_names(missing, 2)}. The names in the file may have a prefix.",
            anchor="weights-do-not-fit",
        )
    warn_user(
        f"the weights of {entry!r} lack {len(missing)} of {n_all} entries, which are random, from "
        f"rng={rng}: {list_names(missing)}. Do not interpret the operations that use these."
    )
    return f", {len(missing)} entries random, rng={rng}"


def make_transform(processor: Any, model: nn.Module) -> ProcessorTransform:
    """Return the preprocessing of one stimulus for a model, or for a part of it."""
    return ProcessorTransform(processor, read_needs(processor, model))
