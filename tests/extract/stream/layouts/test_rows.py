"""Rows that follow their stimuli, and results whose rows do not."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_torchvision import build_small
from torch import nn

import neurolens as nl
from neurolens.errors import InputError
from neurolens.extract.stream.layouts.rows import (
    sample_rows,
    sample_values,
    shuffle_rows,
    spread_rows,
)

REASON = "its values for a stimulus depend on the other stimuli of the batch"


class Between(nn.Module):
    """Two linear layers with anything between them."""

    def __init__(self, middle, width=6):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(width, width)
        self.middle = middle
        self.last = nn.Linear(width, width)

    def forward(self, x):
        return self.last(self.middle(self.first(x)))


def sort_rows(h):
    order = h[:, 0].argsort()
    return h[order].tanh()[order.argsort()]


def route_best_first(h):
    rows = h[:, 0].topk(len(h)).indices
    return torch.zeros_like(h).index_copy(0, rows, h[rows].relu())


def stand_out(h):
    """Contrast each row with its nearest neighbour in the batch."""
    distance = torch.cdist(h, h) + 1e9 * torch.eye(len(h))
    return h - h[distance.argmin(1)]


# name -> (what stands between, ops whose rows do not follow their stimuli)
MIXING = {
    "reversed": (lambda h: h.flip(0), {"/flip", "last/linear"}),
    "rolled": (lambda h: h.roll(1, 0), {"/roll", "last/linear"}),
    "sorted and put back": (sort_rows, {"/getitem_2", "/tanh"}),
    "routed and put back": (route_best_first, {"/getitem_2", "/relu"}),
    "batch statistics": (
        nn.BatchNorm1d(6, track_running_stats=False).train(),
        {"middle/batch_norm", "last/linear"},
    ),
    "softmax over the batch": (lambda h: h.softmax(0), {"/softmax", "last/linear"}),
    "running sum": (lambda h: h.cumsum(0), {"/cumsum", "last/linear"}),
    "mean of the batch": (lambda h: h - h.mean(0), {"/sub", "last/linear"}),
    "capacity": (
        lambda h: h * (torch.arange(len(h)) < 4).float()[:, None],
        {"/mul", "last/linear"},
    ),
    "large capacity": (
        lambda h: h * (torch.arange(len(h)) < 12).float()[:, None],
        {"/mul", "last/linear"},
    ),
    "nearest neighbour": (stand_out, {"/sub", "last/linear"}),
    "largest of the batch": (lambda h: h / h.abs().max(), {"/div", "last/linear"}),
}


after_mixing = pytest.mark.filterwarnings("ignore:.*computed from values of the whole batch")


def make_stimuli(n=30, width=6, blank=0):
    x = np.random.default_rng(0).standard_normal((n, width)).astype(np.float32)
    x[:blank] = 0
    return nl.load_stimuli(x)


def extract(kind, model, stimuli, **settings):
    run = nl.extract_grams if kind == "grams" else nl.extract_activations
    result = run(model, stimuli, quiet=True, **settings)
    if kind == "grams":
        return result, set(result.op.values.tolist())
    return result, {str(leaf["activation"].attrs["op"]) for leaf in result.leaves}


@after_mixing
@pytest.mark.parametrize("kind", ["grams", "activations"])
@pytest.mark.parametrize("name", MIXING)
def test_results_that_do_not_follow_their_stimuli_are_left_out_and_told(name, kind):
    middle, ops = MIXING[name]
    model = Between(middle).eval()
    result, kept = extract(kind, model, make_stimuli(), batch_size=15)
    assert not kept & ops
    assert "first/linear" in kept
    for op in ops:
        assert any(
            text.startswith(f"{op}: ") and REASON in text for text in result.attrs["skipped_ops"]
        )
    with pytest.raises(InputError, match=r"Run with batch_size=1, .* batch_dependent=True"):
        extract(kind, model, make_stimuli(), batch_size=15, ops=sorted(ops))


@after_mixing
@pytest.mark.parametrize("name", MIXING)
def test_what_comes_after_rows_were_put_back_is_kept(name):
    middle, ops = MIXING[name]
    model = Between(middle).eval()
    stimuli = make_stimuli()
    _, kept = extract("activations", model, stimuli, batch_size=15)
    if "last/linear" not in ops:
        assert "last/linear" in kept


def test_a_word_is_said_of_results_that_were_computed_from_the_whole_batch():
    model = Between(sort_rows).eval()
    with pytest.warns(
        RuntimeWarning, match="2 results are computed from values of the whole batch"
    ):
        acts, _ = extract("activations", model, make_stimuli(), batch_size=15)
    assert acts.attrs["ops_after_mixing"] == ["/getitem_3", "last/linear"]
    acts, _ = extract("activations", model, make_stimuli(), batch_size=1)
    assert "ops_after_mixing" not in acts.attrs


@pytest.mark.parametrize("batch_size", [2, 3, 4, None])
@pytest.mark.parametrize("n_stimuli", [2, 3, 4, 40])
@pytest.mark.parametrize("name", ["softmax over the batch", "mean of the batch"])
def test_a_dependence_that_no_order_shows_is_found_in_any_batch(name, n_stimuli, batch_size):
    middle, ops = MIXING[name]
    settings = {"batch_size": batch_size}
    _, kept = extract("activations", Between(middle).eval(), make_stimuli(n_stimuli), **settings)
    assert not kept & ops


def test_results_that_mix_during_the_run_only_are_marked_where_they_are_kept():
    model = Between(MIXING["large capacity"][0]).eval()
    with pytest.warns(RuntimeWarning, match="6 results depend on the other stimuli"):
        acts, _ = extract("activations", model, make_stimuli(), batch_size=15, batch_dependent=True)
    # The first of them, the positions in the batch, differ in planning already.
    assert acts.attrs["batch_dependent_ops"][0] == "/arange"
    assert acts.attrs["batch_dependent_ops"][-2:] == ["/mul", "last/linear"]


@pytest.mark.parametrize("kind", ["grams", "activations"])
def test_the_first_stimuli_may_be_blank(kind):
    _, kept = extract(
        kind, Between(lambda h: h.flip(0)).eval(), make_stimuli(blank=3), batch_size=8
    )
    assert kept == {"first/linear"}


def test_they_are_kept_on_request_and_marked(tmp_path):
    model = Between(MIXING["mean of the batch"][0]).eval()
    settings = {"batch_size": 15, "batch_dependent": True}
    for run in ("activations", "grams", "store"):
        store = {"store": tmp_path / "a.zarr"} if run == "store" else {}
        with pytest.warns(RuntimeWarning, match="2 results depend on the other stimuli"):
            result, kept = extract(run, model, make_stimuli(), **settings, **store)
        assert {"/sub", "last/linear"} <= kept
        assert result.attrs["batch_dependent_ops"] == ["/sub", "last/linear"]
        if run != "grams":
            assert result["sub/activation"].attrs["batch_dependent"] == 1
            assert result["first/linear"]["activation"].attrs["batch_dependent"] == 0


def test_alone_each_stimulus_follows_itself():
    model = Between(MIXING["running sum"][0]).eval()
    result, kept = extract("activations", model, make_stimuli(5), batch_size=1)
    assert "last/linear" in kept
    assert result.attrs["skipped_ops"] == []


def fold_windows(h):
    """Cut images into windows along the batch axis, work, and put them together again."""
    n, c, y, x = h.shape
    windows = h.reshape(n, c, 2, y // 2, 2, x // 2).permute(0, 2, 4, 1, 3, 5)
    windows = windows.reshape(n * 4, c, y // 2, x // 2).relu()
    windows = windows.reshape(n, 2, 2, c, y // 2, x // 2).permute(0, 3, 1, 4, 2, 5)
    return windows.reshape(n, c, y, x)


UNMIXED = {
    "flip by concatenation": lambda h: torch.cat([h, h.flip(-1)]).relu().chunk(2)[0],
    "windows": fold_windows,
    "channels into the batch": lambda h: h.flatten(0, 1).relu().unflatten(0, h.shape[:2]),
    "batch into the channels": lambda h: h.transpose(0, 1).flatten(0, 1).exp(),
    "bfloat16": lambda h: h.bfloat16().exp().softmax(1),
    "float16": lambda h: h.half().exp().mean((2, 3)),
    "codes": lambda h: (h * 50).round().long(),
    "tokens first": lambda h: h.flatten(2).permute(2, 0, 1).relu(),
    "constant": lambda h: h * 0,
}


@pytest.mark.parametrize("name", UNMIXED)
def test_no_false_alarm(name, rng):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x):
            return UNMIXED[name](self.conv(x))

    stimuli = nl.load_stimuli(rng.standard_normal((20, 3, 8, 8)).astype(np.float32))
    acts = nl.extract_activations(Net().eval(), stimuli, batch_size=9, quiet=True)
    assert not [text for text in acts.attrs["skipped_ops"] if REASON in text]


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18", "swin_t", "vit_b_16"])
def test_no_false_alarm_on_models_of_torchvision(name, rng):
    model = build_small(name)
    stimuli = nl.load_stimuli(rng.standard_normal((10, 3, 64, 64)).astype(np.float32))
    grams = nl.extract_grams(model, stimuli, batch_size=10, quiet=True)
    assert not [text for text in grams.attrs["skipped_ops"] if REASON in text]


@pytest.mark.parametrize("n_features", [0, 1, 63, 65, 19_668_992])
def test_values_are_taken_from_the_first_to_the_last(n_features):
    rows = torch.zeros(2, 1).expand(2, n_features)  # without memory of its own
    assert sample_values(rows).shape == (2, min(n_features, 64))
    if n_features == 65:
        places = sample_values(torch.arange(65.0)[None])[0]
        assert places[0] == 0
        assert places[-1] == 64


class OneFeature(nn.Module):
    """A model one feature of which, not among those sampled, changes in large batches."""

    def __init__(self, most, dtype=torch.float32):
        super().__init__()
        self.most = most
        self.dtype = dtype

    def forward(self, x):
        shift = torch.zeros(x.shape[1])
        shift[777] = float(len(x) > self.most)
        return (2 * x + shift).to(self.dtype).relu()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("most", [16, 100])
def test_one_feature_that_changes_with_the_batch_size_is_noticed(most, dtype, rng):
    model = OneFeature(most, dtype)
    stimuli = nl.load_stimuli(rng.standard_normal((60, 1700)).astype(np.float32))
    places = sample_values(torch.arange(1700.0)[None])[0]
    assert 777 not in places
    grams = nl.extract_grams(model, stimuli, batch_size=20, quiet=True)
    refused = [text.partition(":")[0] for text in grams.attrs["skipped_ops"] if REASON in text]
    assert ("/relu" in refused) == (most == 16)
    assert "/mul" in grams.op


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.complex64])
@pytest.mark.parametrize("n_features", [1, 1000, 1024, 5000])
def test_every_feature_counts_and_rounding_does_not(n_features, dtype):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn((3, n_features), generator=generator).to(dtype)
    known = sample_rows(rows)
    rounded = rows * (
        1 + torch.finfo(dtype).eps * torch.randn(rows.shape, generator=generator).sign()
    )
    assert not sample_rows(rounded.to(dtype)).differ([1], known, [1], 0.0)
    for place in {0, 2 * n_features // 5, n_features - 1}:
        other = rows.clone()
        other[1, place] += 2
        assert sample_rows(other).differ([1], known, [1], 0.0)
        assert not sample_rows(other).differ([2], known, [2], 0.0)
        other[1, place] = float("nan")
        assert sample_rows(other).differ([1], known, [1], 0.0)
        assert not sample_rows(other).differ([1], sample_rows(other), [1], 0.0)


@given(n_stimuli=st.integers(2, 300), n_rows=st.integers(2, 12))
def test_rows_of_a_second_batch(n_stimuli, n_rows):
    first = list(range(min(3, n_stimuli)))
    rows = shuffle_rows(n_stimuli, first, n_rows)
    assert len(rows) == len(set(rows)) == min(n_rows, n_stimuli)
    assert set(rows) <= set(range(n_stimuli))
    shared = [row for row in rows if row in first]
    if n_stimuli > len(first):
        assert len(shared) == min(len(first), max(n_rows - 1, 1))
    else:
        assert len(shared) == min(n_rows, len(first))
    assert shared == sorted(shared, reverse=True)
    if n_rows > 4:
        assert max(rows) == n_stimuli - 1
    spread = spread_rows(n_stimuli, n_rows)
    assert spread == sorted(set(spread))
    assert spread[0] == 0
    assert spread[-1] == n_stimuli - 1


@pytest.mark.parametrize("read", [float, lambda value: value.item()])
def test_a_word_is_said_of_what_python_makes_of_the_whole_batch(read):
    model = Between(lambda h: h / max(1e6, read(h.max()))).eval()
    with pytest.warns(RuntimeWarning, match="results are computed from values of the whole batch"):
        acts, _ = extract("activations", model, make_stimuli(), batch_size=15)
    assert acts.attrs["ops_after_mixing"][-1] == "last/linear"


def test_no_word_is_said_of_what_python_only_checks():
    def check(h):
        assert h.isfinite().all()
        return h * 2

    acts, _ = extract("activations", Between(check).eval(), make_stimuli(), batch_size=15)
    assert "ops_after_mixing" not in acts.attrs


class IntoMemory(nn.Module):
    """Results are written into memory that was handed out without values."""

    def __init__(self, make):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(6, 4)
        self.make = make

    def forward(self, x):
        y = self.linear(x)
        memory = self.make(y)
        torch.add(y, 1, out=memory)
        return torch.softmax(memory, 1)


MAKERS = {
    "empty_like": torch.empty_like,
    "empty": lambda y: torch.empty(y.shape),
    "new_empty": lambda y: y.new_empty(y.shape),
    "empty_strided": lambda y: torch.empty_strided(y.shape, y.stride()),
    "new_empty_strided": lambda y: y.new_empty_strided(y.shape, y.stride()),
}


@pytest.mark.parametrize("batch_size", [1, 4, 10, None])
@pytest.mark.parametrize("name", MAKERS)
def test_memory_without_values_is_no_result(name, batch_size, rng):
    """What it holds is not that of the stimuli, and marks nothing that follows."""
    model = IntoMemory(MAKERS[name]).eval()
    stimuli = nl.load_stimuli(rng.standard_normal((10, 6)).astype(np.float32))
    settings = {"batch_size": batch_size, "quiet": True}
    grams = nl.extract_grams(model, stimuli, **settings)
    assert grams.op.values.tolist() == ["linear/linear", "/add", "/softmax"]
    (skipped,) = grams.attrs["skipped_ops"]
    assert skipped.startswith(f"/{name}: has no values of its own")
    assert "ops_after_mixing" not in grams.attrs
    with pytest.raises(InputError, match="has no values of its own: it is memory that holds"):
        nl.extract_activations(model, stimuli, ops=f"/{name}", **settings)
