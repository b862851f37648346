"""The networks of the gallery: how each is made, and what it is shown."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

import neurolens as nl
from gallery.nets import BranchingNet, RecurrentNet, SequenceNet, UNet

SEED = 0
# Pixels of a side for the small networks of this folder.
SIDE = 64
VOCABULARY = 100


class Entry(NamedTuple):
    """A network: ``make`` returns it, with its transform of pictures, None where it takes none.

    ``weights`` says in the picture what its weights are; ``is_scored`` whether it is shown the
    photographs.
    """

    name: str
    make: Callable[[], tuple[nn.Module, Any]]
    weights: str = f"random weights (seed {SEED})"
    is_scored: bool = True


def _load(name: str, weights: Any = None) -> Callable[[], tuple[nn.Module, Any]]:
    def make() -> tuple[nn.Module, Any]:
        loaded = nl.load_model(name, weights=weights, rng=SEED)
        return loaded.model, loaded.transform

    return make


def _build(kind: Callable[[], nn.Module], *, takes_pictures: bool = True) -> Callable:
    def make() -> tuple[nn.Module, Any]:
        torch.manual_seed(SEED)
        transform = nl.ImageTransform(resize=SIDE, crop=SIDE) if takes_pictures else None
        return kind().eval(), transform

    return make


def _build_bert() -> nn.Module:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        num_hidden_layers=4,
        hidden_size=64,
        num_attention_heads=4,
        intermediate_size=128,
        vocab_size=VOCABULARY,
    )
    return BertModel(config)


def list_entries(squeezenet_weights: Any = None) -> list[Entry]:
    """Return the networks of the gallery in the order of its page."""
    names = [
        "resnet18", "resnet50", "resnet152", "vit_b_16", "swin_t", "densenet121", "densenet201",
        "googlenet",
    ]  # fmt: skip
    entries = [Entry(name, _load(f"torchvision/{name}")) for name in names]
    if squeezenet_weights is not None:
        trained = _load("torchvision/squeezenet1_0", squeezenet_weights)
        entries.insert(0, Entry("squeezenet1_0", trained, "ImageNet-trained"))
    entries += [
        Entry("unet", _build(UNet)),
        Entry("recurrent", _build(RecurrentNet)),
        Entry("lstm", _build(SequenceNet)),
        Entry("branches", _build(BranchingNet), is_scored=False),
        Entry("bert", _build(_build_bert, takes_pictures=False), is_scored=False),
    ]
    return entries


def make_input(transform: Any) -> torch.Tensor:
    """Return one input for the trace of a network that is shown no pictures of a data set."""
    generator = torch.Generator().manual_seed(SEED)
    if transform is None:
        return torch.randint(0, VOCABULARY, (1, 12), generator=generator)
    return torch.randn(1, 3, SIDE, SIDE, generator=generator)
