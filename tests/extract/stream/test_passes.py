"""Light passes: checked against the recorded one, whatever the model decides to do."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

import neurolens as nl
from neurolens.errors import InputError, RecordingError
from neurolens.extract.capture.forward import record_forward
from neurolens.extract.stream.axes import _differ, find_layouts
from neurolens.extract.stream.follow import PassDeviated, follow_forward


def follow(model, few, more, batch):
    """Return what a light pass hands out, op by op, as clones."""
    with torch.no_grad():
        script = find_layouts(model, few, more).script
    taken = {}

    def make_take(name):
        return lambda made: taken.setdefault(name, [t.clone() for t in made])

    take = {i: make_take(name) for i, name in enumerate(script.names)}
    follow_forward(model, batch, script, len(batch), take)
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
        model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    elif name == "lstm":
        model = nn.LSTM(8, 4, batch_first=True)
    else:
        model = torchvision.models.get_model(name, weights=None)
    model.eval()
    x = torch.randn(5, *shape)
    taken = follow(model, x[:1], x[:2], x)
    recording = record_forward(model, x)
    assert list(taken) == [event.name for event in recording.events]
    for event in recording.events:
        for value, got in zip(event.outputs, taken[event.name], strict=True):
            torch.testing.assert_close(got, value.tensor, rtol=0, atol=0, equal_nan=True)


def test_a_pass_ends_with_the_last_op_taken():
    ran = []
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    x = torch.randn(4, 3)
    script = find_layouts(model, x[:1], x[:2]).script
    model[2].register_forward_pre_hook(lambda *_: ran.append(True))
    taken = []
    follow_forward(model, x, script, 4, {script.names.index("1/relu"): taken.append})
    assert len(taken) == 1
    assert not ran
    follow_forward(model, x, script, 4, {script.names.index("2/linear"): taken.append})
    assert ran


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.complex64])
def test_what_counts_as_equal_in_another_batch(dtype):
    """Up to 1 is equal.

    Within a thousandth of each number plus a hundred-thousandth of the largest.
    """
    b = torch.tensor([1.0, -100.0, 3.0], dtype=dtype)
    for change, equal in (
        (0.0, True),
        (5e-4, True),
        (1.5e-3, True),
        (5e-3, False),
        (float("nan"), False),
    ):
        a = b + torch.tensor([change, 0.0, 0.0], dtype=dtype)
        assert (_differ(a, b) <= 1) == equal, change
    for odd in (float("nan"), float("inf")):
        same = torch.tensor([odd, 1.0], dtype=dtype)
        assert _differ(same, same.clone()) == 0
        assert _differ(same, torch.tensor([2.0, 1.0], dtype=dtype)) == float("inf")
        assert _differ(torch.tensor([2.0, 1.0], dtype=dtype), same) == float("inf")


class Branches(nn.Module):
    """Two ways with the same functions and shapes: other weights, another module, another line.

    Or another helper.
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


class Picky(nn.Module):
    def forward(self, x):
        x = x + 1
        y = x.cos() if x.sum() > 0 else x.sin()
        return y * 2


@pytest.fixture
def mixed():
    x = np.ones((6, 3), np.float32)
    x[3] = -5
    return nl.load_stimuli(x)


def test_a_batch_with_another_graph_is_recorded_and_marked(mixed):
    acts = nl.extract_activations(Picky(), mixed, batch_size=1, quiet=True)
    x = np.stack([mixed[i].numpy() for i in mixed.ids]) + 1
    expected = np.where(x > 0, np.cos(x), np.sin(x)) * 2
    np.testing.assert_allclose(acts["mul/activation"], expected, rtol=1e-5)
    assert "ran" not in acts["mul"]
    assert acts["cos/ran"].values.tolist() == [True, True, True, False, True, True]
    assert np.isnan(acts["cos/activation"][3]).all()
    np.testing.assert_allclose(acts["cos/activation"][4], np.cos(x[4]), rtol=1e-5)
    assert acts.attrs["ops_some_stimuli_lack"] == ["/cos: 'stim003'"]
    assert acts.attrs["ops_only_some_stimuli_have"] == ["/sin"]
    assert acts.attrs["changed_batches"] == ["stim003: ran '/sin' where '/cos' was expected"]


def test_an_op_that_some_stimuli_lack_has_no_gram(mixed):
    grams = nl.extract_grams(Picky(), mixed, batch_size=1, quiet=True)
    assert "/cos" not in grams.op.values
    assert "/mul" in grams.op.values
    assert "/cos: does not run for 1 stimuli, first 'stim003'" in grams.attrs["skipped_ops"]
    with pytest.raises(InputError, match=r"'/cos' does not run for 1 stimuli, first 'stim003'"):
        nl.extract_grams(Picky(), mixed, ops="/cos", batch_size=1, quiet=True)


def test_errors_name_the_stimuli_and_the_op():
    class Breaks(nn.Module):
        def forward(self, x):
            return (x + 1) @ (torch.ones(3, 3) if x.sum() > 0 else torch.ones(2, 2))

    x = np.ones((6, 3), np.float32)
    x[3] = -9
    with pytest.raises(
        RecordingError, match=r"stimuli 'stim003' to 'stim003'.*while recording op '/matmul'"
    ):
        nl.extract_activations(Breaks(), nl.load_stimuli(x), batch_size=1, quiet=True)


def test_an_error_while_a_result_is_taken_comes_through_a_model_that_catches_errors():
    class Catches(nn.Module):
        def forward(self, x):
            try:
                x = x + 1
            except Exception:
                x = x * 0
            return x * 2

    def fail(made):
        raise OSError("disk full")

    x = torch.ones(4, 3)
    script = find_layouts(Catches(), x[:1], x[:2]).script
    with pytest.raises(OSError, match="disk full"):
        follow_forward(Catches(), x, script, 4, {0: fail})
    assert torch.get_default_dtype() == torch.float32
