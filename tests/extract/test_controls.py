import copy

import pytest
import torch
from torch import nn

from neurolens import randomize_weights, trace
from neurolens.errors import InputError


class Mixed(nn.Module):
    """A model of layers with ``reset_parameters`` and a parameter of its own.

    Two layers share one weight.
    """

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.token = nn.Parameter(torch.arange(12.0))
        self.embedding = nn.Embedding(5, 6)
        self.head = nn.Linear(6, 5, bias=False)
        self.head.weight = self.embedding.weight
        self.attention = nn.MultiheadAttention(4, 2)

    def forward(self, x):
        return self.bn(self.conv(x)).mean() + self.token.sum()


@pytest.fixture
def model():
    torch.manual_seed(5)
    made = Mixed().eval()
    made.bn.running_mean += 3
    made.bn.weight.data += 1
    return made


def test_copy_is_new_and_the_model_is_as_before(model):
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    twin = randomize_weights(model, rng=1)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    for name in (
        "conv.weight",
        "conv.bias",
        "token",
        "embedding.weight",
        "attention.in_proj_weight",
    ):
        assert not torch.equal(twin.state_dict()[name], before[name]), name
    assert not twin.training
    assert [op.name for op in trace(twin, torch.ones(1, 3, 4, 4))] == [
        op.name for op in trace(model, torch.ones(1, 3, 4, 4))
    ]


def test_reset_where_it_can_and_permuted_where_not(model):
    twin = randomize_weights(model)
    assert (twin.bn.running_mean == 0).all()
    assert (twin.bn.weight == 1).all()
    assert torch.equal(twin.token.sort().values, model.token)
    assert twin.head.weight is twin.embedding.weight
    weights = twin.attention.in_proj_weight.flatten().sort().values
    assert torch.equal(weights, model.attention.in_proj_weight.flatten().sort().values)
    assert twin.conv.weight.abs().max() <= 27**-0.5


def test_seeds(model):
    same, again, other = (randomize_weights(model, rng=k).state_dict() for k in (1, 1, 2))
    assert all(torch.equal(same[name], again[name]) for name in same)
    assert not torch.equal(same["conv.weight"], other["conv.weight"])
    assert not torch.equal(same["token"], other["token"])


def test_errors(model):
    with pytest.raises(InputError, match=r"must be a torch.nn.Module, got Tensor"):
        randomize_weights(torch.ones(2))
    with pytest.raises(InputError, match=r"rng must be a whole number, got 0\.5"):
        randomize_weights(model, rng=0.5)
    for rng in (True, -1, "a", None, 2**64):
        with pytest.raises(
            InputError, match=rf"rng must be a whole number, got {rng!r}\. Pass 0 or more"
        ):
            randomize_weights(model, rng=rng)
    with pytest.raises(InputError, match="some are on device 'meta'"):
        randomize_weights(nn.Linear(2, 2, device="meta"))
