"""Planning within a budget: the same findings, in groups of ops, with as few passes as it allows."""

import random

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.memory import watch_memory
from neurolens.extract.stream.layouts import reading
from neurolens.extract.stream.layouts.reading import read_layouts

N_STIMULI = 9
# Passes are noted outside of models, whose own attributes are put back.
PASSES: list[int] = []


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(6, 6)
        self.function = function

    def forward(self, x):
        PASSES.append(len(x))
        return self.function(self.linear(x)).exp()


def view_late(h):
    """Look at a result again after others, turned and unturned, and write into one."""
    base = h * 2
    other = base.sin().cos().tan()
    other.add_(1)
    turned = base.reshape(len(h), 2, 3).transpose(1, 2)
    return turned.flatten(1) + other


def sort_rows(h):
    order = h[:, 0].argsort()
    return h[order].tanh()[order.argsort()]


def split_by_size(h):
    """Run some ops in the larger batch only."""
    if len(h) == 3:
        h = h.sin().sinh()
    return h.cos()


def draw_unseen(h):
    """Draw for the batch as a whole, from a generator that only the batch's seed is known of."""
    return h + torch.from_numpy(np.random.standard_normal(tuple(h.shape)).astype(np.float32))  # noqa: NPY002


def make_weights(h):
    return nn.functional.linear(h, nn.Parameter(torch.ones(6, 6)), nn.Parameter(torch.zeros(6)))


MODELS = {
    "views of other groups": view_late,
    "sorted and put back": sort_rows,
    "reversed": lambda h: h.flip(0).sin(),
    "mean of the batch": lambda h: h - h.mean(0),
    "folded": lambda h: h.reshape(-1, 2).sin().unflatten(0, (len(h), 3)).flatten(1),
    "several results": lambda h: torch.cat(h.split(2, 1)[::-1], 1),
    "ops of the larger batch": split_by_size,
    "noise": lambda h: h + torch.randn_like(h),
    "noise of numpy": draw_unseen,
    "weights made in the pass": make_weights,
    "branch on the batch": lambda h: h.sin() if h.sum() > 0 else h.cos().cos(),
}


@pytest.fixture(autouse=True)
def plan_long(monkeypatch):
    """Leave out the two passes that tell enough of most models."""
    monkeypatch.setattr(reading, "find_in_pair", lambda *args: None)


def find(function, budget=None, samples=False, batch_size=6, width=6):
    rng = np.random.default_rng(1)
    stimuli = nl.load_stimuli(rng.standard_normal((N_STIMULI, width)).astype(np.float32))
    model = Function(function).eval()
    PASSES.clear()
    with torch.no_grad():
        return read_layouts(
            model,
            stimuli,
            torch.device("cpu"),
            StimulusNoise(),
            batch_size,
            samples=samples,
            budget=budget,
        )


def describe(layouts):
    known = layouts.known
    samples = (
        {} if known is None else {key: one.values.tolist() for key, one in known.samples.items()}
    )
    ops = [(op.name, op.alias_of, op.parents) for op in layouts.graph]
    found = (layouts.by_name, layouts.skipped, layouts.live_bytes, layouts.mixing, layouts.random)
    return repr((found, layouts.suspects, layouts.unseen, layouts.drawn, ops, samples))


@pytest.mark.parametrize("settings", [{}, {"samples": True}, {"batch_size": 1}], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_groups_of_ops_find_what_all_at_once_do(name, settings, monkeypatch):
    monkeypatch.setattr(reading, "_LEAST_HELD", 1)
    whole = describe(find(MODELS[name], **settings))
    n_whole = len(PASSES)
    with pytest.warns(RuntimeWarning, match="planning holds the results of one op"):
        alone = find(MODELS[name], budget=4, **settings)
    assert describe(alone) == whole
    assert len(PASSES) > n_whole
    some = find(MODELS[name], budget=1500, **settings)
    assert describe(some) == whole


def test_what_fits_costs_three_passes_and_each_group_more_costs_three():
    for budget in (None, 10**9):
        find(torch.sin, budget)
        assert PASSES == [2, 3, 6]


@pytest.mark.parametrize("draw", [random.random, np.random.random])
def test_what_another_thread_draws_during_one_pass_is_not_the_models(draw):
    def run(h):
        if PASSES == [2] or is_always:
            draw()
        return h.sin()

    for is_always in (False, True):
        assert bool(find(run).drawn) == is_always


def test_passes_of_groups_end_with_their_last_op(monkeypatch):
    monkeypatch.setattr(reading, "_LEAST_HELD", 1)
    # Of linear, sin and exp, (3, 6) float32 each, twice: room for two.
    find(torch.sin, 2 * 2 * 3 * 6 * 4 * 4 // 3)
    assert PASSES == [2, 3, 6, 2, 3, 6]
    find(torch.sin, 3 * 2 * 3 * 6 * 4 * 4 // 3)
    assert PASSES == [2, 3, 6]


def chain(h):
    h = h.repeat(1, 40_000)  # (stimulus, 240000), about a MB each
    for _ in range(40):
        h = h.sin()
    return h


def test_planning_stays_within_its_memory():
    peaks = []
    for budget in (None, 2**25):
        with watch_memory(torch.device("cpu")) as peak:
            find(chain, budget)
        peaks.append(peak.n_bytes)
    assert peaks[0] > 150 * 2**20
    # Of the rest, the larger part is the pass itself.
    assert peaks[1] < 110 * 2**20


def test_an_op_that_alone_takes_more_than_the_budget_is_told():
    with pytest.warns(RuntimeWarning, match=r"55 MiB of '/repeat', and memory= leaves it 24 MiB"):
        find(lambda h: h.repeat(1, 400_000), 2**25)
