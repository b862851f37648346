"""Names of models: a source, an entry in it and, where several fit, which weights."""

from pathlib import Path
from typing import NamedTuple

from neurolens.errors import InputError
from neurolens.labels import list_names, suggest_name

# Source -> what a name in it looks like.
EXAMPLES = {
    "torchvision": "torchvision/resnet50:IMAGENET1K_V2",
    "timm": "timm/convnext_atto.d2_in1k",
    "hf": "hf/openai/clip-vit-base-patch32",
    "hub": "hub/facebookresearch/dino:dino_vits16",
}
PRETRAINED = "pretrained"
# Of a name; beyond the longest path of a folder that systems take for one.
LONGEST = 1000


class ModelName(NamedTuple):
    """``source`` and ``entry``; ``tag``, "" where none is given, chooses among those of an entry.

    The tag is the name of weights (torchvision, timm), a revision (hf) or a function (hub).
    """

    source: str
    entry: str
    tag: str

    def __str__(self) -> str:
        return f"{self.source}/{self.entry}" + (f":{self.tag}" if self.tag else "")


def read_name(name: str) -> ModelName:
    """Return the parts of a name.

    Raises
    ------
    InputError
        It is no name such as ``"torchvision/resnet50"``.
    UnknownNameError
        The source is unknown.
    """
    if not isinstance(name, str):
        raise InputError(
            f"a model is named by a text such as {EXAMPLES['torchvision']!r}, got "
            f"{type(name).__name__}. A model that you have built needs no load_model.",
            anchor="unknown-model",
        )
    if not name.isprintable() or len(name) > LONGEST:
        raise InputError(
            f"a model is named by at most {LONGEST} letters that can be printed, got "
            f"{name[:80]!a}. Type e.g. {EXAMPLES['torchvision']!r}.",
            anchor="unknown-model",
        )
    source, slash, rest = name.partition("/")
    if not slash:
        raise InputError(
            f"a model is named by its source and its name there, got {name!r}. Type e.g. "
            f"{f'torchvision/{name}'!r} or {f'timm/{name}'!r}; list_models({name!r}) says which "
            "there are.",
            anchor="unknown-model",
        )
    if source not in EXAMPLES:
        examples = list_names(EXAMPLES.values())
        raise suggest_name(
            source,
            EXAMPLES,
            "source of models",
            f"Names look like {examples}.",
            anchor="unknown-model",
        )
    entry, _, tag = rest.partition(":")
    if source == "hf" and _is_folder(rest):
        entry = rest
        tag = ""
    if not entry or (source == "hub" and not tag):
        raise InputError(
            f"{name!r} names no model of {source}. Type e.g. {EXAMPLES[source]!r}.",
            anchor="unknown-model",
        )
    return ModelName(source, entry, tag)


def is_path(entry: str) -> bool:
    """Return whether the name of a repository on Hugging Face is the path of a folder instead."""
    return entry.startswith(("/", ".", "~")) or entry.count("/") > 1 or "\\" in entry


def _is_folder(text: str) -> bool:
    try:
        return Path(text).is_dir()
    except OSError:
        return False
