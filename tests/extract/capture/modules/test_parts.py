"""Parts of a model are those that torch's own walks find, under the same addresses."""

import pytest
import torch
import torchvision
from torch import nn

from neurolens.extract.capture.modules.parts import iterate_modules, list_parts


class Mixed(nn.Module):
    """Shared and missing modules, tied weights, a buffer that is registered twice, attributes."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.again = self.first
        self.nothing = None
        self.register_module("missing", None)
        self.tied = nn.Linear(2, 2)
        self.tied.weight = self.first.weight
        self.register_buffer("state", torch.zeros(2))
        self.register_buffer("same", self.state)
        self.register_buffer("none", None)
        self.inner = nn.Sequential(nn.BatchNorm1d(2), nn.ModuleDict({"a": nn.ReLU()}))
        self.sizes = (1, 2)
        self.held = [1]


class Early(nn.Module):
    """A class whose attributes come before torch's own."""

    def __init__(self):
        self.held = []
        super().__init__()
        self.later = {}


MODELS = {
    "mixed": Mixed,
    "early": Early,
    "scripted": lambda: nn.Sequential(torch.jit.script(nn.BatchNorm1d(2)), nn.ReLU()),
    "resnet": torchvision.models.resnet18,
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:.torch.jit.script:FutureWarning")
def test_parts_are_those_of_torch(name):
    model = MODELS[name]()

    parts = list_parts(model)

    assert list(parts.modules.items()) == list(model.named_modules())
    for found, expected in (
        (parts.parameters, model.named_parameters()),
        (parts.buffers, model.named_buffers()),
    ):
        named = list(expected)
        assert list(found) == [one for one, _ in named]
        if name != "scripted":  # a buffer of TorchScript is a new object whenever it is read
            assert all(found[one] is tensor for one, tensor in named)
    assert {id(one) for one in iterate_modules(model)} == {id(one) for one in model.modules()}


def test_attributes_are_those_that_can_change():
    mixed = Mixed()
    early = Early()

    assert list_parts(mixed).attributes == {"": {"held": mixed.held}}
    assert list_parts(early).attributes == {"": {"held": early.held, "later": early.later}}


def test_lazy_parts_are_found():
    assert list_parts(nn.Sequential(nn.LazyLinear(2))).has_lazy()
    assert not list_parts(Mixed()).has_lazy()
