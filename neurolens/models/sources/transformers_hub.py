"""Models of Hugging Face's transformers, by the name of their repository or a local folder."""

from pathlib import Path
from typing import Any

from torch import nn

from neurolens.errors import DataError, warn_user
from neurolens.labels import list_names
from neurolens.models.identity import Built
from neurolens.models.names import PRETRAINED
from neurolens.models.processors import ProcessorTransform, TokenizerTransform, list_arguments
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


def build_model(request: Request) -> Built:
    """Return a model of transformers, by AutoModel, with its processor as preprocessing."""
    library = import_library("transformers")
    entry = request.name.entry
    settings: dict[str, Any] = {"trust_remote_code": request.trust_code}
    revision = request.name.tag
    if request.is_fetched and request.weights != PRETRAINED:
        revision = str(request.weights)
    if revision:
        settings["revision"] = revision
    with tell_failures(f"the configuration of {entry!r}", REMEDY):
        config = library.AutoConfig.from_pretrained(entry, **settings)
    note = ""
    if request.is_fetched:
        # What a checkpoint lacks is drawn at random.
        with tell_failures(f"the weights of {entry!r}", REMEDY), seed_torch(request.rng):
            model, found = library.AutoModel.from_pretrained(
                entry, output_loading_info=True, **settings, **request.options
            )
        note = _tell_missing(entry, model, sorted(found["missing_keys"]), request.rng)
    else:
        with seed_torch(request.rng), tell_options(request):
            model = library.AutoModel.from_config(
                config, trust_remote_code=request.trust_code, **request.options
            )
        if isinstance(request.weights, Path):
            fill_weights(model, request.weights)
    with tell_failures(f"the processor of {entry!r}", REMEDY):
        processor = _load_processor(library, entry, settings)
    _check_tokenizer(entry, processor)
    commit = getattr(config, "_commit_hash", None) or revision or "local folder"
    return Built(
        model,
        processor,
        name_version("transformers"),
        request.describe_weights(f"revision {commit}{note}"),
        f"{type(processor).__name__} of {entry}",
    )


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
            f"are missing, e.g. {list_names(missing, 2)}. The names in the file may have a prefix."
        )
    warn_user(
        f"the weights of {entry!r} lack {len(missing)} of {n_all} entries, which are random, from "
        f"rng={rng}: {list_names(missing)}. Do not interpret the operations that use these."
    )
    return f", {len(missing)} entries random, rng={rng}"


def _check_tokenizer(entry: str, processor: Any) -> None:
    """Raise DataError for a tokenizer without words, as one without its files is."""
    special = getattr(processor, "all_special_ids", None)
    if special is not None and len(processor) <= len(set(special)):
        raise DataError(
            f"{entry!r} has no files of a tokenizer, or one without words, to which all texts are "
            "the same. Save it there with tokenizer.save_pretrained."
        )


def make_transform(processor: Any, model: nn.Module) -> ProcessorTransform:
    """Return the preprocessing of one stimulus for a model, or for a part of it."""
    library = import_library("transformers")
    is_tokenizer = isinstance(processor, library.PreTrainedTokenizerBase)
    kind = TokenizerTransform if is_tokenizer else ProcessorTransform
    return kind(processor, list_arguments(model))
