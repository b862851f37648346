"""The larger pass of planning ends after the last wanted op, and what is found is the same."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.errors import UnknownNameError
from neurolens.extract.stream.layouts.ending import Ending
from neurolens.extract.stream.layouts.pair import Wanted, find_in_pair

CPU = torch.device("cpu")
# How many stimuli were shown to the last part of a model, noted outside of it.
SHOWN: list[int] = []


class Net(nn.Module):
    """Ends with a function of its own."""

    def __init__(self, end):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.linear = nn.Linear(36, 6)
        self.end = end

    def forward(self, x):
        h = self.relu(self.norm(self.conv(x)))
        h = self.pool(h)
        SHOWN.append(len(x))
        return self.end(self, h)


class Recurrent(nn.Module):
    """Runs one layer in three steps, or more in larger batches, and its readout in the last."""

    def __init__(self, grows=False):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(12, 12)
        self.readout = nn.Linear(12, 2)
        self.grows = grows

    def forward(self, x):
        x = x.flatten(1)[:, :12]
        h = torch.zeros_like(x)
        for _ in range(4 if self.grows and len(x) > 5 else 3):
            h = torch.tanh(self.linear(h) + x)
        SHOWN.append(len(x))
        return self.readout(h)


class Named(nn.Module):
    """Tells what the axes of its input are at its end only."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv1d(6, 2, 3)

    def forward(self, x):
        h = x.sin()
        SHOWN.append(len(x))
        return self.conv(h)


def attend(net, h):
    tokens = h.flatten(2).unflatten(1, (2, 2)).transpose(-1, -2)
    return nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).mean((1, 2))


def branch(net, h):
    left = net.linear(h.flatten(1))
    right = net.linear(h.reshape(len(h), -1)).relu_()
    return torch.cat([left, right + left], 1), right[:, 0]


def fold(net, h):
    return h.reshape(len(h) * 4, 9).sin().unflatten(0, (len(h), 4)).transpose(0, 1).exp()


def write(net, h):
    other = h.flatten(1).sin()
    other[:, 1:3].mul_(2)
    return other.cos()


PLAIN = {
    "classifier": lambda net, h: net.linear(h.flatten(1)).softmax(-1),
    "branches": branch,
    "attention": attend,
    "folded": fold,
    "several results": lambda net, h: h.topk(2, -1),
    "written into": lambda net, h: h.flatten(1).sin().mul_(2).cos(),
}
# The small pass does not surely tell what these are in a larger batch.
UNSURE = {
    "factory": lambda net, h: h.flatten(1) * torch.ones(len(h), 1),
    "constant": lambda net, h: h + torch.tensor(2.0),
    "mean of the batch": lambda net, h: h - h.mean(0),
    "first ones": lambda net, h: h[:3].flatten(1),
    "some": lambda net, h: h[[0, 2, 1]].sin(),
    "chosen": lambda net, h: h.index_select(0, net.norm.num_batches_tracked.expand(3)).cos(),
    "parts": lambda net, h: h.split(3)[0].exp(),
    "weights": lambda net, h: h.flatten(1) @ net.linear.weight.t(),
    "similarity": lambda net, h: h.flatten(1) @ h.flatten(1).t(),
    "size of the batch": lambda net, h: h.sin() if len(h) < 6 else h.cos(),
    "read by Python": lambda net, h: h * (2 if torch.isfinite(h).all() else 3),
    "random": lambda net, h: h + torch.randn_like(h),
    "a part written into": write,
    "numpy": lambda net, h: torch.from_numpy(np.sin(h.numpy())),
}


def make_stimuli(rng, n=24):
    return nl.load_stimuli(rng.standard_normal((n, 3, 6, 6)).astype(np.float32))


def extract(model, stimuli, ops, **how):
    SHOWN.clear()
    return nl.extract_activations(model.eval(), stimuli, ops=ops, quiet=True, **how)


def extract_whole(model, stimuli, ops, monkeypatch, **how):
    """Return what planning gives whose larger pass never ends early."""
    with monkeypatch.context() as patch:
        patch.setattr(Ending, "_tells_rest", lambda *args: False)
        return extract(model, stimuli, ops, **how)


@pytest.mark.parametrize("batch_size", [8, None])
@pytest.mark.parametrize("ops", ["conv", "norm/batch_norm", "re*", ["pool/max_pool2d", "conv"]])
@pytest.mark.parametrize("name", PLAIN)
def test_the_larger_pass_ends_and_results_are_the_same(name, ops, batch_size, rng, monkeypatch):
    model, stimuli = Net(PLAIN[name]), make_stimuli(rng)
    tree = extract(model, stimuli, ops, batch_size=batch_size)
    assert SHOWN == [3]
    whole = extract_whole(model, stimuli, ops, monkeypatch, batch_size=batch_size)
    assert len(SHOWN) == 2
    assert tree.identical(whole)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", UNSURE)
def test_results_and_attributes_are_the_same_where_it_may_not_end(name, rng, monkeypatch):
    model, stimuli = Net(UNSURE[name]), make_stimuli(rng)
    tree = extract(model, stimuli, "conv/conv2d", batch_size=8)
    if name not in ("size of the batch", "weights"):
        assert len(SHOWN) > 1
    assert tree.identical(extract_whole(model, stimuli, "conv/conv2d", monkeypatch, batch_size=8))


@pytest.mark.parametrize("ops", ["linear@2", "/add", "/tanh", "linear/linear@2"])
def test_of_a_recurrent_network_any_step_may_be_the_last(ops, rng, monkeypatch):
    model, stimuli = Recurrent(), make_stimuli(rng)
    tree = extract(model, stimuli, ops, batch_size=8)
    assert SHOWN == [3]
    assert tree.identical(extract_whole(model, stimuli, ops, monkeypatch, batch_size=8))


def test_the_address_of_a_module_stands_for_all_its_calls(rng, monkeypatch):
    model, stimuli = Recurrent(), make_stimuli(rng)
    tree = extract(model, stimuli, "linear", batch_size=8)
    assert len(tree.attrs["ops"]) == 3
    assert tree.identical(extract_whole(model, stimuli, "linear", monkeypatch, batch_size=8))


@pytest.mark.parametrize("ops", ["linear", "linear@1", "linear@last"])
def test_more_steps_in_larger_batches_change_nothing(ops, rng, monkeypatch):
    model, stimuli = Recurrent(grows=True), make_stimuli(rng)
    tree = extract(model, stimuli, ops, batch_size=8)
    assert tree.identical(extract_whole(model, stimuli, ops, monkeypatch, batch_size=8))


def test_what_runs_last_tells_the_names_of_axes(rng, monkeypatch):
    model = Named()
    stimuli = nl.load_stimuli(rng.standard_normal((24, 6, 18)).astype(np.float32))
    tree = extract(model, stimuli, "/sin", batch_size=8)
    assert SHOWN == [3]
    assert tree["sin"]["activation"].dims == ("stimulus", "channel", "x")
    assert tree.identical(extract_whole(model, stimuli, "/sin", monkeypatch, batch_size=8))


def test_a_function_that_chooses_ops_sees_the_larger_batch(rng):
    def choose(op):
        return op.index == 0 or op.outputs[0].shape[0] == 8

    model, stimuli = Net(PLAIN["classifier"]), make_stimuli(rng)
    tree = extract(model, stimuli, choose, batch_size=8)
    assert "linear/linear" in tree.attrs["ops"]
    # Planning runs both batches whole, and the run all three.
    assert SHOWN == [3, 8, 8, 8, 8]


def test_a_name_that_no_op_has_gets_the_closest(rng):
    with pytest.raises(UnknownNameError, match="linear/linear"):
        extract(Net(PLAIN["classifier"]), make_stimuli(rng), "linear/linea", batch_size=8)


class Taken:
    """Wants some ops of a first batch of eight stimuli."""

    def __init__(self, ops):
        self.ops = ops

    def begin(self, layouts, stimuli):
        return Wanted(8, layouts.graph.by_name if self.ops is None else self.ops)

    def take(self, layout, rows):
        pass


def plan(model, stimuli, ops):
    SHOWN.clear()
    with torch.no_grad():
        return find_in_pair(model.eval(), stimuli, CPU, 8, None, None, {}, Taken(ops)).layouts


@pytest.mark.parametrize("name", PLAIN)
def test_all_that_is_known_of_a_whole_pass_is_known(name, rng):
    model, stimuli = Net(PLAIN[name]), make_stimuli(rng)
    short = plan(model, stimuli, ["norm/batch_norm"])
    assert SHOWN == [3]
    whole = plan(model, stimuli, None)
    assert SHOWN == [3, 8]
    assert [*short.by_name] == [*whole.by_name]
    for label, layout in whole.by_name.items():
        assert short.by_name[label] == dataclasses.replace(
            layout, shares=short.by_name[label].shares
        )
    for field in ("constants", "history", "live_bytes", "random", "reads", "skipped", "unseen"):
        assert getattr(short, field) == getattr(whole, field), field
    for field in ("names", "composites", "sizes", "counts", "n_results", "fixed_reads"):
        assert getattr(short.expected, field) == getattr(whole.expected, field), field
    for one, other in zip(short.graph, whole.graph, strict=True):
        # Sizes among the settings are those of the smaller batch.
        same = dataclasses.replace(one, seconds=other.seconds, settings=other.settings)
        assert same == other
    for field in ("inputs", "outputs", "modules", "module_outputs", "other_outputs"):
        assert getattr(short.graph, field) == getattr(whole.graph, field), field
    assert set(short.known.samples) == {"norm/batch_norm"}
