"""Planning in two passes: what it finds is what longer planning does, and it is used where it may be."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_torchvision import build_small
from torch import nn

import neurolens as nl
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.stream.layouts import reading
from neurolens.extract.stream.layouts.pair import Wanted, find_in_pair
from neurolens.extract.stream.layouts.reading import read_layouts

CPU = torch.device("cpu")
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


USUAL = {
    "plain": torch.sin,
    "views and a write": view_late,
    "written into its argument": lambda h: h.relu_().mul_(2),
    "folded": lambda h: h.reshape(-1, 2).sin().unflatten(0, (len(h), 3)).flatten(1),
    "interleaved": lambda h: h.unflatten(1, (3, 2)).transpose(0, 1).flatten(0, 1).sin(),
    "several results": lambda h: torch.cat(h.split(2, 1)[::-1], 1),
    "weights made in the pass": lambda h: nn.functional.linear(h, nn.Parameter(torch.ones(6, 6))),
    "a shape of the batch": lambda h: h * torch.ones(len(h), 1),
    "codes": lambda h: (h * 50).round().long() * 1.0,
    "half": lambda h: h.half().exp(),
}


UNUSUAL = {
    "reversed": lambda h: h.flip(0),
    "mean of the batch": lambda h: h - h.mean(0),
    "position in the batch": lambda h: h * torch.arange(1, len(h) + 1)[:, None],
    "read by Python": lambda h: h * (2 if torch.isfinite(h).all() else 3),
    "read as a float": lambda h: h / max(1e6, float(h.max())),
    "random": lambda h: h + torch.randn_like(h),
    "random of numpy": lambda h: h + torch.from_numpy(np.random.rand(len(h), 6).astype("f")),  # noqa: NPY002
    "other ops in a larger batch": lambda h: h.sin() if len(h) > 4 else h.cos().cos(),
    "other results in a larger batch": lambda h: torch.cat(h.split(4)),
    "numpy": lambda h: torch.from_numpy(np.sin(h.numpy())),
    "an order that none tell": lambda h: (h * 0).unflatten(1, (3, 2)).transpose(0, 1).flatten(0, 1),
    "gradients": lambda h: torch.autograd.grad((h**2).sum(), h)[0],
}


def make_stimuli(n=9, width=6):
    rng = np.random.default_rng(1)
    return nl.load_stimuli(rng.standard_normal((n, width)).astype(np.float32))


def plan(model, stimuli, batch_size=6):
    PASSES.clear()
    with torch.no_grad():
        return read_layouts(model, stimuli, CPU, StimulusNoise(), batch_size)


def plan_long(model, stimuli, monkeypatch, batch_size=6):
    with monkeypatch.context() as patch:
        patch.setattr(reading, "find_in_pair", lambda *args: None)
        return plan(model, stimuli, batch_size)


def assert_same_findings(short, long):
    """Assert that two plans find the same, the stimuli that are known aside."""
    assert short.by_name == long.by_name
    assert short.skipped == long.skipped
    assert dict(short.mixing) == dict(long.mixing)
    assert short.known.precisions == long.known.precisions
    for name in ("constants", "drawn", "random", "history", "suspects", "unseen", "reads"):
        assert getattr(short, name) == getattr(long, name), name
    names = [(op.name, op.alias_of, op.parents) for op in long.graph]
    assert [(op.name, op.alias_of, op.parents) for op in short.graph] == names
    for n in (1, 4, 32):
        assert short.expected.predict_shapes(n) == long.expected.predict_shapes(n)
        assert short.predict_live_bytes(n) == long.predict_live_bytes(n)


@pytest.mark.parametrize("name", USUAL)
def test_two_passes_find_what_three_do(name, monkeypatch):
    model = Function(USUAL[name]).eval()
    stimuli = make_stimuli()
    short = plan(model, stimuli)
    assert PASSES == [3, 6]
    long = plan_long(model, stimuli, monkeypatch)
    assert PASSES == [2, 3, 6]
    assert_same_findings(short, long)


@pytest.mark.parametrize("name", UNUSUAL)
def test_of_what_is_unusual_two_passes_say_nothing(name):
    model = Function(UNUSUAL[name]).eval()
    with torch.no_grad():
        assert find_in_pair(model, make_stimuli(), CPU, 6, None, None, {}) is None


def swap_neighbours(n):
    return [min(i ^ 1, n - 1) for i in range(n)]


def swap_halves(n):
    return [(i + n // 2) % n for i in range(n)]


COMPANIONS = {
    "neighbours in twos": swap_neighbours,
    "halves": swap_halves,
    "reversed": lambda n: list(range(n))[::-1],
    "the next": lambda n: [(i + 1) % n for i in range(n)],
    "the second next": lambda n: [(i + 2) % n for i in range(n)],
    "the third next": lambda n: [(i + 3) % n for i in range(n)],
    "the one before": lambda n: [i - 1 for i in range(n)],
    "the second before": lambda n: [i - 2 for i in range(n)],
    "the first": lambda n: [0] * n,
    "the last": lambda n: [n - 1] * n,
    "the middle one": lambda n: [n // 2] * n,
}


@pytest.mark.parametrize("n", [4, 5, 6])
@pytest.mark.parametrize("name", COMPANIONS)
def test_one_value_of_another_stimulus_is_found(name, n):
    companions = COMPANIONS[name]

    def take_one(h):
        taken = h.clone()
        taken[:, 1] = h[companions(len(h)), 1]
        return taken

    model = Function(take_one).eval()
    with torch.no_grad():
        assert find_in_pair(model, make_stimuli(), CPU, n, None, None, {}) is None


# Which positions of a batch are changed, of n.
CHANGED = {
    "the first": lambda n: 0,
    "the middle one": lambda n: n // 2,
    "the one before the middle": lambda n: (n - 1) // 2,
    "the last": lambda n: n - 1,
}


@pytest.mark.parametrize("n", [4, 5, 6])
@pytest.mark.parametrize("changed", CHANGED)
@pytest.mark.parametrize("name", ["the first", "the last", "the middle one", "the next"])
def test_one_position_that_takes_from_another_is_found(name, changed, n):
    """Mix one stimulus of the batch alone with another, such as that at n // 2 with the first."""

    def mix_one(h):
        place = CHANGED[changed](len(h))
        mixed = h.clone()
        mixed[place] = h[place] + 0.5 * h[COMPANIONS[name](len(h))[place]] + 1
        return mixed

    model = Function(mix_one).eval()
    with torch.no_grad():
        assert find_in_pair(model, make_stimuli(), CPU, n, None, None, {}) is None


@pytest.mark.parametrize(("n", "n_stimuli"), [(3, 9), (4, 4), (4, 9), (5, 5), (6, 6), (8, 8)])
@pytest.mark.parametrize("changed", ["all", *CHANGED])
@pytest.mark.parametrize("name", COMPANIONS)
def test_longer_planning_finds_it_too(name, changed, n, n_stimuli, monkeypatch):
    def mix(h):
        mixed = h + 0.5 * h[COMPANIONS[name](len(h))]
        if changed != "all":
            place = CHANGED[changed](len(h))
            mixed = torch.cat([h[:place], mixed[place : place + 1] + 1, h[place + 1 :]])
        return mixed

    layouts = plan_long(Function(mix).eval(), make_stimuli(n_stimuli), monkeypatch, n)
    assert "/exp" in layouts.mixing


class Taken:
    """Takes the results of a first batch of some stimuli."""

    def __init__(self, n_rows):
        self.n_rows = n_rows
        self.rows = {}

    def begin(self, layouts, stimuli):
        self.guessed = layouts.by_name
        return Wanted(self.n_rows, layouts.graph.by_name)

    def take(self, layout, rows):
        self.rows[layout.name] = rows.clone()


@pytest.mark.parametrize("name", USUAL)
def test_the_first_batch_tells_what_three_passes_do(name, monkeypatch):
    model = Function(USUAL[name]).eval()
    stimuli = make_stimuli(30)
    first = Taken(8)
    PASSES.clear()
    with torch.no_grad():
        found = find_in_pair(model, stimuli, CPU, 8, None, None, {}, first)
        linear = model.linear(torch.stack([stimuli[one] for one in stimuli.ids[:8]]))
    assert PASSES == [4, 8]
    assert found.is_first
    short = found.layouts
    torch.testing.assert_close(first.rows["linear/linear"], linear)
    assert short.known.ids == [stimuli.ids[row] for row in (2, 7, 23, 29)]
    assert_same_findings(short, plan_long(model, stimuli, monkeypatch, 8))
    for layout in short.by_name.values():
        guessed = first.guessed[layout.name]
        found = (layout.axis, layout.group, layout.shape, layout.dims, layout.dtype)
        assert (guessed.axis, guessed.group, guessed.shape, guessed.dims, guessed.dtype) == found


@pytest.mark.parametrize("n_stimuli", [8, 40])
@pytest.mark.parametrize("batch_size", [8, 9, 16, 20, None])
@pytest.mark.parametrize("name", COMPANIONS)
def test_one_value_of_another_stimulus_is_found_in_the_first_batch(name, batch_size, n_stimuli):
    def take_one(h):
        taken = h.clone()
        taken[:, 1] = h[COMPANIONS[name](len(h)), 1]
        return taken

    model = Function(take_one).eval()
    first = Taken(min(batch_size or 32, n_stimuli))
    PASSES.clear()
    with torch.no_grad():
        stimuli = make_stimuli(n_stimuli)
        assert find_in_pair(model, stimuli, CPU, batch_size, None, None, {}, first) is None
    # Six others are looked at where the first batch does not agree.
    assert PASSES[1:] == [first.n_rows, 6]
    assert 3 <= PASSES[0] <= 4


@pytest.mark.parametrize("n_rows", [0, 2, 4])
def test_six_others_are_looked_at_where_the_first_batch_is_not_wanted(n_rows):
    model = Function(torch.sin).eval()
    first = Taken(n_rows)
    PASSES.clear()
    with torch.no_grad():
        stimuli = make_stimuli(40)
        found = find_in_pair(model, stimuli, CPU, None, None, None, {}, first)
    assert PASSES == [4, 6]
    assert not first.rows
    assert not found.is_first
    known = found.layouts.known.ids
    # The ends of the first batch and of the last, and stimuli of the first whatever its size.
    assert {stimuli.ids[row] for row in (7, 2, 31, 39)} < {*known}
    assert len(set(known)) == 6


def test_longer_planning_follows_where_two_passes_do_not_tell():
    layouts = plan(Function(UNUSUAL["reversed"]).eval(), make_stimuli())
    assert PASSES == [3, 6, 2, 3, 6]
    assert set(layouts.mixing) == {"/flip", "/exp"}
    plan(Function(UNUSUAL["read by Python"]).eval(), make_stimuli())
    assert PASSES == [3, 2, 3, 6]


def test_longer_planning_follows_where_results_come_from_the_whole_batch():
    layouts = plan(Function(lambda h: h / h.max().clamp(min=1e6)).eval(), make_stimuli())
    assert PASSES == [3, 6, 2, 3, 6]
    assert layouts.suspects == ("/div", "/exp")


@pytest.mark.parametrize(
    ("n", "batch_size", "passes"),
    [
        (9, None, [3, 6]),
        (9, 100, [3, 6]),
        (9, 4, [3, 4]),
        (5, None, [3, 5]),
        (3, None, [2, 3, 3]),
        (9, 3, [2, 3, 3]),
        (9, 1, [2, 3]),
    ],
)
def test_the_passes_of_planning(n, batch_size, passes):
    plan(Function(torch.sin).eval(), make_stimuli(n), batch_size)
    assert passes == PASSES


def test_stimuli_from_all_parts_of_the_set_are_known():
    known = plan(Function(torch.sin).eval(), make_stimuli(96), 16).known
    rows = sorted(int(name.removeprefix("stim")) for name in known.ids)
    assert [row // 16 for row in rows] == [0, 1, 2, 3, 4, 5]
    model = Function(torch.sin).eval()
    stimuli = make_stimuli(96)
    x = torch.stack([stimuli[name] for name in known.ids])
    torch.testing.assert_close(known.samples["linear/linear"].values, model.linear(x).detach())


def test_a_dependence_that_planning_did_not_meet_is_found_in_the_run():
    model = Function(lambda h: h * min(1, 10 / len(h))).eval()
    PASSES.clear()
    acts = nl.extract_activations(model, make_stimuli(48), batch_size=16, quiet=True)
    # The first batch does not agree, six others do, and the run meets the first again.
    assert PASSES == [3, 16, 6, 16, 16, 16]
    told = [text.partition(":")[0] for text in acts.attrs["skipped_ops"]]
    assert told == ["/mul", "/exp"]


@pytest.mark.parametrize(("n", "batch_size"), [(28, 8), (40, 20), (70, None)])
def test_a_place_beyond_those_of_planning_is_found_in_the_run(n, batch_size):
    def halve_late(h):
        return h * torch.tensor([1.0 if i < 7 else 0.5 for i in range(len(h))])[:, None]

    model = Function(halve_late).eval()
    acts = nl.extract_activations(model, make_stimuli(n), batch_size=batch_size, quiet=True)
    told = [text.partition(":")[0] for text in acts.attrs["skipped_ops"]]
    assert told == ["/tensor", "/getitem", "/mul", "/exp"]


def weigh_places(k):
    return lambda h: h * torch.where(torch.arange(len(h)) < k, 1.0, 0.5)[:, None]


def weigh_size(n):
    return lambda h: h * (0.5 if len(h) == n else 1.0)


@given(
    n_stimuli=st.integers(2, 80),
    batch_size=st.sampled_from([None, 5, 9, 16, 24, 40]),
    by_size=st.booleans(),
    share=st.floats(0, 1),
)
def test_no_result_of_a_place_or_a_size_of_the_batch_is_kept(n_stimuli, batch_size, by_size, share):
    stimuli = make_stimuli(n_stimuli)
    batches = stimuli.split_rows(batch_size or 32)
    longest = max(len(rows) for rows in batches)
    if by_size:
        weigh = weigh_size(len(batches[-1]) if share < 0.5 else longest)
    else:
        weigh = weigh_places(1 + int(share * (longest - 1)))
    model = Function(weigh).eval()
    settings = {} if batch_size is None else {"batch_size": batch_size}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        acts = nl.extract_activations(model, stimuli, quiet=True, **settings)
    if "/exp" in acts.to_dict():
        alone = nl.extract_activations(model, stimuli, batch_size=1, quiet=True)["/exp"]
        np.testing.assert_allclose(
            acts["/exp"]["activation"].values, alone["activation"].values, rtol=1e-4
        )


def test_no_room_no_pair():
    stimuli = make_stimuli()
    model = Function(torch.sin).eval()
    # Of linear, sin and exp, (3, 6) float32 each.
    n_bytes = 3 * 3 * 6 * 4
    with torch.no_grad():
        assert find_in_pair(model, stimuli, CPU, 6, None, 3 * n_bytes, {}) is not None
        assert find_in_pair(model, stimuli, CPU, 6, None, 3 * n_bytes - 3, {}) is None


def test_what_is_recorded_must_differ():
    x = np.random.default_rng(0).standard_normal((9, 6)).astype(np.float32)
    x[4] = x[0]
    x[5] = x[0]
    model = Function(torch.sin).eval()
    with torch.no_grad():
        assert find_in_pair(model, nl.load_stimuli(x), CPU, 6, None, None, {}) is None


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18", "swin_t", "vit_b_16"])
def test_models_of_torchvision_are_usual(name, rng, monkeypatch):
    model = build_small(name)
    stimuli = nl.load_stimuli(rng.standard_normal((10, 3, 64, 64)).astype(np.float32))
    with torch.no_grad():
        assert find_in_pair(model, stimuli, CPU, 6, None, None, {}) is not None
    assert_same_findings(plan(model, stimuli), plan_long(model, stimuli, monkeypatch))
