"""Loading a model by name, with its preprocessing and identity."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from neurolens.errors import InputError
from neurolens.labels import suggest_name
from neurolens.models.identity import Built, LoadedModel, ModelIdentity, hash_state
from neurolens.models.names import PRETRAINED, read_name
from neurolens.models.sources import images, repositories, transformers_hub, vision
from neurolens.models.sources.settings import Request
from neurolens.models.weights import CHOICE

# Of files of weights.
SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".tar", ".safetensors")
BUILDERS = {
    "torchvision": vision.build_model,
    "timm": images.build_model,
    "hf": transformers_hub.build_model,
    "hub": repositories.build_model,
}


def load_model(
    name: str,
    *,
    weights: str | Path | None = PRETRAINED,
    rng: int = 0,
    part: str | None = None,
    trust_code: bool = False,
    device: str | torch.device = "cpu",
    **options: Any,
) -> LoadedModel:
    """Load a model of torchvision, timm, Hugging Face or torch.hub, with its preprocessing.

    Parameters
    ----------
    name : str
        ``"torchvision/resnet50"``, with ``":IMAGENET1K_V1"`` for other than the default weights (of
        a file, for their preprocessing);
        ``"timm/convnext_atto.d2_in1k"``; ``"hf/openai/clip-vit-base-patch32"``, or ``"hf/PATH"`` of
        a folder, ``":REVISION"`` besides; ``"hub/OWNER/REPOSITORY:FUNCTION"``, the function after a
        branch or tag where one is named, ``":TAG:FUNCTION"``. See `list_models`.
    weights : str, path or None
        "pretrained": those of the source. The name of weights, as after the colon of ``name``. A
        path (``Path``, or text with a folder or a suffix .pt, .pth, .bin, .safetensors): a state
        dict, opened without running code; of several in one file, ``"path::NAME"``. None: random
        weights, from the seed ``rng``.
    rng : int
        Seed of random weights, 0 or more.
    part : str, optional
        Address of a submodule that is used instead of the whole model, such as ``"vision_model"``
        of CLIP or ``"encoder"`` of Whisper.
    trust_code : bool
        Run code that comes with the model: always for "hub", and for "hf" where a repository has
        its own. Read it first.
    device : str or device
        Where the model is put.
    **options
        For the library's own function, such as ``num_classes=10``. For "hf" also entries of the
        configuration; ``architecture="BertForMaskedLM"``, a class of transformers instead of the
        model without a head; ``dtype=``, by default float32, whatever the precision of the file.

    Returns
    -------
    LoadedModel
        ``model`` in evaluation mode, ``transform`` of one stimulus, as the source's own config has
        it, and ``identity`` (name, weights, sha256 of the state dict, source). Pass it to
        ``load_stimuli(..., model=)``, which uses the transform, and to what takes a model. Sources
        that state no preprocessing ("hub") have the transform None.

    Raises
    ------
    InputError
        The name or an option cannot be used, or a state dict is that of another model.
    UnknownNameError
        The source has no such model, weights or part; the message lists the closest.
    MissingToolError
        The library is not installed.
    DataError
        Weights cannot be fetched, are damaged, or would have to run code to be opened.

    Notes
    -----
    Files that are fetched stay in the library's own cache, which checks them. What is not as the
    source has it is in the identity: entries that a file or an option leaves random (with a
    warning), another precision, options.

    Models of transformers get their inputs as the processor names them. Stimuli are texts,
    pictures, clips, sounds, or a dict of several, ``{"images": files, "text": texts}``. Nothing of
    them is left out without a word: texts, sounds and clips that the processor would cut are
    refused.

    Examples
    --------
    >>> model, transform, identity = load_model("torchvision/resnet18", weights=None, rng=1)
    >>> identity.weights, identity.n_parameters, transform.crop_size
    ('random, rng=1', 11689512, [224])
    """
    if isinstance(rng, bool) or not isinstance(rng, int) or not 0 <= rng < 2**64:
        raise InputError(f"rng must be a whole number, 0 or more, got {rng!r}. Pass e.g. rng=0.")
    named = read_name(name)
    request = Request(named, _read_weights(weights), rng, trust_code, options)
    built = BUILDERS[named.source](request)
    model = _take_part(built.model, part).eval().to(_read_device(device))
    transform = built.transform
    if named.source == "hf":
        transform = transformers_hub.make_transform(built.transform, model)
    return LoadedModel(model, transform, _identify(request, built, model, part))


def _read_weights(weights: Any) -> str | Path | None:
    """Return the name of weights, the path of their file, or None."""
    if weights is None or isinstance(weights, Path):
        return weights
    if not isinstance(weights, str) or not weights:
        raise InputError(
            f"weights must be 'pretrained', a name, the path of a state dict, or None for random "
            f"ones, got {weights!r}. Pass e.g. weights='model.safetensors'.",
            anchor="weights-do-not-fit",
        )
    is_path = "/" in weights or Path(weights.partition(CHOICE)[0]).suffix in SUFFIXES
    return Path(weights) if is_path else weights


def _read_device(device: Any) -> torch.device:
    """Return a device that is there."""
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"there is no device {device!r} here ({reason}). Pass device='cpu'.",
            anchor="device-unavailable",
        ) from error
    return found


def _take_part(model: nn.Module, part: str | None) -> nn.Module:
    """Return the submodule with the address ``part``, or the model."""
    if part is None:
        return model
    if not isinstance(part, str):
        raise InputError(f"part must be the address of a submodule, got {part!r}.")
    try:
        return model.get_submodule(part)
    except AttributeError:
        names = [name for name, _ in model.named_modules() if name]
        raise suggest_name(part, names, f"part of {type(model).__name__}") from None


def _identify(request: Request, built: Built, model: nn.Module, part: str | None) -> ModelIdentity:
    """Return the identity of a model, or of the part of it that is used."""
    return ModelIdentity(
        name=str(request.name),
        weights=built.weights,
        sha256=hash_state(model),
        source=built.source,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        part=part or "",
        preprocessing=built.preprocessing,
        options=request.given,
        licence=built.licence,
    )
