"""Light passes are checked against the recorded one, whichever ops the model runs."""

import pytest
import torch
from small_torchvision import build_small
from torch import nn

from neurolens.extract.capture.forward import prepare_call, record_forward
from neurolens.extract.stream.follow import PassDeviated, follow_forward
from neurolens.extract.stream.layouts.finding import find_layouts


def follow(model, few, more, batch):
    """Return the results that a light pass passes on, op by op, as clones."""
    with torch.no_grad():
        expected = find_layouts(model, few, more).expected
    taken = {}

    def make_handler(name):
        return lambda results: taken.setdefault(name, [t.clone() for t in results])

    handlers = {i: make_handler(name) for i, name in enumerate(expected.names)}
    follow_forward(prepare_call(model, batch), expected, len(batch), handlers)
    return taken


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet18", (3, 32, 32)),
        ("squeezenet1_1", (3, 64, 64)),
        ("swin_t", (3, 64, 64)),
        ("shufflenet_v2_x0_5", (3, 32, 32)),
        ("transformer", (5, 8)),
        ("lstm", (5, 8)),
    ],
)
def test_a_light_pass_sees_what_a_recorded_one_does(name, shape):
    torch.manual_seed(0)
    if name == "transformer":
        model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    elif name == "lstm":
        model = nn.LSTM(8, 4, batch_first=True).eval()
    else:
        model = build_small(name)
    x = torch.randn(5, *shape)
    taken = follow(model, x[:1], x[:2], x)
    recording = record_forward(prepare_call(model, x))
    assert list(taken) == [event.name for event in recording.events]
    for event in recording.events:
        for value, got in zip(event.outputs, taken[event.name], strict=True):
            torch.testing.assert_close(got, value.tensor, rtol=0, atol=0, equal_nan=True)


def test_a_pass_ends_with_the_last_op_taken():
    ran = []
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    x = torch.randn(4, 3)
    expected = find_layouts(model, x[:1], x[:2]).expected
    model[2].register_forward_pre_hook(lambda *_: ran.append(True))
    taken = []
    follow_forward(
        prepare_call(model, x), expected, 4, {expected.names.index("1/relu"): taken.append}
    )
    assert len(taken) == 1
    assert not ran
    follow_forward(
        prepare_call(model, x), expected, 4, {expected.names.index("2/linear"): taken.append}
    )
    assert ran


class Branches(nn.Module):
    """Two branches with the same functions and shapes, and one difference.

    They differ in weights, in the module, in the line, or in a helper.
    """

    def __init__(self, how):
        super().__init__()
        torch.manual_seed(0)
        self.how = how
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
        self.r, self.s = nn.ReLU(), nn.ReLU()

    def forward(self, x):
        up = bool(x.sum() > 0)
        if self.how == "weights":
            return (self.a if up else self.b)(x)
        if self.how == "modules":
            return (self.r if up else self.s)(x)
        if self.how == "lines":
            if up:
                return x.relu()
            return x.relu()
        return self.first(x) if up else self.second(x)

    def first(self, x):
        return self.act(x)

    def second(self, x):
        return self.act(x)

    def act(self, x):
        return x.relu()


@pytest.mark.parametrize("how", ["weights", "modules", "lines", "helpers"])
def test_another_branch_is_noticed_though_it_looks_alike(how):
    x = torch.ones(4, 3)
    assert follow(Branches(how), x[:1], x[:2], x)
    with pytest.raises(PassDeviated, match="was expected"):
        follow(Branches(how), x[:1], x[:2], -x)


def test_a_result_of_another_shape_is_noticed():
    class Picks(nn.Module):
        def forward(self, x):
            return x[x > 0]

    x = torch.ones(4, 3)
    assert follow(Picks(), x[:1], x[:2], x)
    with pytest.raises(
        PassDeviated, match=r"'/getitem' has shapes \[\(11,\)\], expected \[\(12,\)\]"
    ):
        follow(Picks(), x[:1], x[:2], x - torch.eye(12)[0].reshape(4, 3))


def test_a_pass_that_ends_early_is_noticed():
    class Stops(nn.Module):
        def forward(self, x):
            x = x + 1
            return x * 2 if x.sum() > 0 else x

    x = torch.ones(4, 3)
    with pytest.raises(PassDeviated, match=r"ended after 3 ops, before '/mul'"):
        follow(Stops(), x[:1], x[:2], x - 9)


def test_an_error_while_a_result_is_taken_comes_through_a_model_that_catches_errors():
    class Catches(nn.Module):
        def forward(self, x):
            try:
                x = x + 1
            except Exception:
                x = x * 0
            return x * 2

    def fail(results):
        raise OSError("disk full")

    x = torch.ones(4, 3)
    expected = find_layouts(Catches(), x[:1], x[:2]).expected
    with pytest.raises(OSError, match="disk full"):
        follow_forward(prepare_call(Catches(), x), expected, 4, {0: fail})
    assert torch.get_default_dtype() == torch.float32
