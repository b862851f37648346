"""A verdict says whether the rows of the output follow the rows of the inputs."""

import pytest
import torch
from torch import nn

import neurolens as nl

X = torch.linspace(-1, 1, 30).reshape(5, 6)


class Between(nn.Module):
    def __init__(self, middle):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(6, 6)
        self.middle = middle

    def forward(self, x):
        return self.middle(self.first(x))


def find_reasons(model, inputs, **settings):
    verdict = nl.validate(model, inputs, **settings)
    found = verdict.reasons[verdict.reasons.check == "batch"]
    assert (verdict.status == "verified") == (not (found.status == "unverified").any())
    return found.status.tolist()


MIXING = {
    "reversed": lambda h: h.flip(0),
    "running sum": lambda h: h.cumsum(0),
    "batch statistics": nn.BatchNorm1d(6, track_running_stats=False),
    "softmax": lambda h: h.softmax(0),
    "by position": lambda h: h * torch.arange(len(h))[:, None],
    "sorted": lambda h: h[h[:, 0].argsort()],
}


@pytest.mark.parametrize("name", MIXING)
def test_a_model_that_mixes_its_batch_is_not_verified(name):
    assert find_reasons(Between(MIXING[name]).eval(), X) == ["unverified"]


FOLLOWING = {
    "row by row": lambda h: h.relu(),
    "put back": lambda h: h[h[:, 0].argsort()].tanh()[h[:, 0].argsort().argsort()],
    "two views": lambda h: torch.cat([h, -h]),
    "windows": lambda h: h.reshape(-1, 3).exp(),
    "a loss": lambda h: h.mean(),
    "half precision": lambda h: h.bfloat16().exp(),
}


@pytest.mark.parametrize("name", FOLLOWING)
def test_a_model_whose_rows_follow_is_verified(name):
    assert find_reasons(Between(FOLLOWING[name]).eval(), X) == []


def test_noise_of_each_row_is_no_mixing():
    verdict = nl.validate(nn.Dropout(0.5).train(), X)
    assert "batch" not in set(verdict.reasons.check)


def test_a_model_that_refuses_a_part_of_the_batch_is_exempt():
    class Fixed(nn.Module):
        def forward(self, x):
            return x.view(5, 6) * 2

    assert find_reasons(Fixed(), X) == ["exempt"]


@pytest.mark.parametrize("batch_first", [True, False])
def test_stimuli_may_be_the_second_axis_of_recurrent_models(batch_first):
    torch.manual_seed(0)
    model = nn.GRU(6, 4, batch_first=batch_first).eval()
    assert find_reasons(model, torch.randn(5, 3, 6)) == []


def test_rows_are_those_of_all_inputs():
    class Two(nn.Module):
        def forward(self, x, scale):
            return (x * scale).flip(0)

    assert find_reasons(Two(), (X, X[:, :1])) == ["unverified"]
    assert find_reasons(Two(), X, kwargs={"scale": X + 1}) == ["unverified"]
    assert find_reasons(Two(), (X, X[:1])) == []  # no common axis
