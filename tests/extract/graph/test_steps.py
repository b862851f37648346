"""Steps of loops, against the iteration counted by the model itself while it runs."""

import itertools

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from nets import make_net
from torch import nn
from torch.nn import functional as F

import neurolens as nl
from neurolens.extract.graph.steps import _group_by_feeders


class Areas(nn.Module):
    """Areas that note, for each of their calls, in which iteration it is."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.A, self.B, self.C = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.back, self.out = nn.Linear(4, 4), nn.Linear(4, 2)
        self.prelu, self.relu = nn.PReLU(), nn.ReLU()
        self.norms = nn.ModuleList(nn.LayerNorm(4) for _ in range(4))
        self.noted = []

    def run(self, module, x, step):
        self.noted.append((module, step))
        return module(x)


class Feedback(Areas):
    def forward(self, x):
        b = None
        for t in range(1, 4):
            a = x if b is None else x + self.run(self.back, b, t)
            a = self.run(self.relu, self.run(self.A, a, t), t)
            b = self.run(self.relu, self.run(self.B, a, t), t)
        return self.run(self.out, b, None)


class SharedWeights(Areas):
    """One nonlinearity with a weight, used before the loop and twice in each iteration."""

    def forward(self, x):
        b = self.prelu(self.A(x))
        self.noted += [(self.A, 1), (self.prelu, 1)]
        for t in range(2, 5):
            a = self.run(self.A, x + self.run(self.back, b, t), t)
            a = self.run(self.prelu, a, t)
            b = self.run(self.prelu, self.run(self.B, a, t), t)
        return self.run(self.out, b, None)


class Delayed(Areas):
    """Each area reads what the one before it gave in the step before: C starts in step 3."""

    def forward(self, x):
        a = b = c = None
        for t in range(1, 5):
            above = None if b is None else self.run(self.C, b, t)
            middle = None if a is None else self.run(self.B, a, t)
            low = x if b is None else x + self.run(self.back, b, t)
            a, b, c = self.run(self.A, low, t), middle, above
        return self.run(self.out, c, None)


class OwnNorms(Areas):
    """A norm for each iteration, as in CORnet-S."""

    def forward(self, x):
        for t in range(1, 5):
            x = self.run(self.A, x, t)
            x = self.run(self.norms[t - 1], x, t)
            x = self.run(self.relu, x, t)
        return self.run(self.out, x, None)


class EveryOther(Areas):
    def forward(self, x):
        for t in range(1, 5):
            x = self.run(self.A, x, t)
            if t % 2:
                x = self.run(self.B, x, t)
            x = self.run(self.C, x, t)
        return self.run(self.out, x, None)


class Serial(Areas):
    """Two loops, each counted for itself."""

    def forward(self, x):
        for t in range(1, 3):
            x = F.relu(self.run(self.A, x, t))
        x = self.run(self.back, x, None)
        for t in range(1, 4):
            x = torch.tanh(self.run(self.B, x, t))
        return self.run(self.out, x, None)


class Nested(Areas):
    """Steps of the inner loop are numbered through; an outer area has that beside which it runs."""

    def forward(self, x):
        for t in (1, 4):
            x = self.run(self.A, x, t)
            for inner in range(3):
                x = self.run(self.B, x, t + inner)
            x = self.run(self.C, x, t + 2)
        return self.run(self.out, x, None)


class Readout(Areas):
    """A sequence whose output is read at each step."""

    def forward(self, x):
        h = torch.zeros_like(x)
        seen = []
        for t in range(1, 4):
            h = torch.tanh(self.run(self.A, h, t) + x)
            seen.append(self.run(self.out, h, t))
        return torch.stack(seen)


LOOPS = [
    Feedback,
    SharedWeights,
    Delayed,
    OwnNorms,
    EveryOther,
    Serial,
    Nested,
    Readout,
]


@pytest.mark.parametrize("loop", LOOPS)
def test_each_call_of_an_area_has_the_step_that_the_model_was_in(loop):
    model = loop().eval()
    graph = nl.trace(model, torch.randn(2, 4)).graph
    address = {module: name for name, module in model.named_modules()}
    calls = {}
    found = []
    expected = []
    for module, step in model.noted:
        calls[module] = calls.get(module, 0) + 1
        key = f"{address[module]}@{calls[module]}"
        found.append((key, graph.find_op(key).time_step))
        expected.append((key, step))
    assert found == expected


@pytest.mark.parametrize("name", ["reused", "attention", "chain"])
def test_what_is_no_loop_has_no_steps(name):
    net, x = make_net(name)
    steps = {op.name: op.time_step for op in nl.trace(net, x).graph}
    in_loop = {key: step for key, step in steps.items() if step is not None}
    if name == "reused":
        assert [in_loop.pop(key) for key in ("/tanh", "/tanh@2", "/tanh@3")] == [1, 2, 3]
        assert [in_loop.pop(key) for key in ("fc/linear", "fc/linear@2")] == [1, 2]
        assert [in_loop.pop(key) for key in ("relu/relu", "relu/relu@2")] == [1, 2]
    assert in_loop == {}


def test_a_network_that_uses_a_relu_again_has_no_steps():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.relu = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU()

        def forward(self, x):
            return self.relu(self.two(self.relu(self.one(x))) + x)

    table = nl.trace(nn.Sequential(Block(), Block()), torch.randn(2, 4)).table()
    assert table.time_step.isna().all()


def test_tables_and_files_have_the_steps(tmp_path):
    trace = nl.trace(Serial().eval(), torch.randn(2, 4))
    steps = trace.table().time_step
    assert steps.dtype == "Int64"
    assert steps[["A/linear@2", "B/linear@3"]].tolist() == [2, 3]
    read = nl.load_trace(trace.save(tmp_path / "t.safetensors"))
    assert [op.time_step for op in read.graph] == [op.time_step for op in trace.graph]


def join_slowly(feeders):
    """Return the groups of executions that share a feeder, directly or through others."""
    groups = [({i}, set(sources)) for i, sources in enumerate(feeders)]
    while True:
        pairs = itertools.combinations(groups, 2)
        touching = next(((a, b) for a, b in pairs if a[1] & b[1]), None)
        if touching is None:
            return sorted(sorted(passes) for passes, _ in groups if len(passes) > 1)
        a, b = touching
        groups = [one for one in groups if one is not a and one is not b]
        groups.append((a[0] | b[0], a[1] | b[1]))


@example([{"a", "c"}, {"b"}, {"a", "b"}, {"c"}])
@example([set(), set(), {"a"}, {"b"}, set(), {"a"}, {"b"}])
@given(st.lists(st.sets(st.sampled_from("abcd"), max_size=2), min_size=2, max_size=8))
def test_executions_are_grouped_by_what_feeds_them(feeders):
    repeated = join_slowly(feeders)
    take_turns = all(b[0] < a[-1] for a, b in itertools.pairwise(repeated))
    everything = list(range(len(feeders)))
    expected = repeated if len(repeated) > 1 and take_turns else [everything]
    assert _group_by_feeders(everything, feeders) == expected
