"""Grams of all ops: exact, within a budget, one pass or many."""

import numpy as np
import pytest
import torch
import torchvision
from oracles import multiply_rows_slowly
from torch import nn

import neurolens as nl
from neurolens.errors import InputError
from neurolens.extract.stream.axes import find_layouts
from neurolens.extract.stream.grams.plan import plan_groups
from neurolens.extract.stream.grams.products import (
    EXACT_STIMULI,
    Sketch,
    add_products,
    find_sketch_error,
    mirror_triangle,
)
from neurolens.extract.stream.plan import read_bytes


@pytest.fixture
def images(rng):
    return nl.load_stimuli(
        rng.standard_normal((7, 3, 32, 32)).astype(np.float32), ids=list("abcdefg")
    )


@pytest.fixture
def resnet():
    torch.manual_seed(0)
    return torchvision.models.resnet18(weights=None)


def test_grams_equal_the_slow_way_and_do_not_depend_on_the_budget(resnet, images):
    one = nl.extract_grams(resnet, images, memory="1GiB", quiet=True)
    many = nl.extract_grams(resnet, images, memory="3.2MB", batch_size=7, quiet=True)
    assert one.attrs["n_passes"] == 1
    assert many.attrs["n_passes"] > 2
    np.testing.assert_allclose(many.gram, one.gram, rtol=1e-4, atol=1e-6)
    acts = nl.extract_activations(resnet, images, quiet=True)
    for name in ("conv1/conv2d", "layer2.0/add", "/flatten", "fc/linear"):
        gram, total, p = multiply_rows_slowly(acts[name]["activation"].values)
        np.testing.assert_allclose(one.gram.sel(op=name), gram, rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(one.row_sum.sel(op=name), total, rtol=1e-4, atol=1e-5)
        assert one.n_features.sel(op=name) == p
    assert one.alias_of.sel(op="/flatten") == "avgpool/adaptive_avg_pool2d"
    assert one.alias_of.sel(op="bn1/batch_norm") == ""


def test_grams_of_in_place_ops_are_their_own(resnet, images):
    grams = nl.extract_grams(resnet, images, ops="layer1.0*", quiet=True)
    before, after = (
        grams.gram.sel(op=n) for n in ("layer1.0.bn1/batch_norm", "layer1.0.relu/relu")
    )
    assert not np.allclose(before, after)


def test_groups_are_in_order_and_within_the_budget(resnet, images):
    x = torch.stack([images["a"], images["b"]])
    with torch.no_grad():
        layouts = list(find_layouts(resnet.eval(), x[:1], x).by_name.values())
    results = len(layouts) * 8 * 7 * 8
    budget = 400_000 + results
    groups = plan_groups(layouts, 7, budget)
    pieces = [piece for group in groups for piece in group]
    covered = {}
    for piece in pieces:
        assert covered.get(piece.layout.name, 0) == piece.start < piece.stop
        covered[piece.layout.name] = piece.stop
    assert covered == {x.name: int(np.prod(x.shape)) for x in layouts}
    assert list(covered) == [x.name for x in layouts]
    assert len(pieces) > len(layouts)  # the first ops are larger than the budget
    for group in groups:
        assert len({piece.layout.name for piece in group}) == len(group)
        assert results + sum(7 * (piece.stop - piece.start) * 4 for piece in group) <= budget


def test_a_budget_below_the_grams_themselves_is_refused(resnet, images):
    with pytest.raises(
        InputError,
        match=r"memory=1000 bytes is too little: the Grams of \d+ ops over 7 stimuli take",
    ):
        nl.extract_grams(resnet, images, memory=1000, quiet=True)


@pytest.mark.parametrize(
    ("text", "expected"), [("4GiB", 4 * 2**30), ("500 MB", 5 * 10**8), ("1.5KiB", 1536), (7, 7)]
)
def test_sizes_are_read(text, expected):
    assert read_bytes(text) == expected


@pytest.mark.parametrize("text", ["4 gigs", "-1GiB", "0GB", "", 0, -3])
def test_sizes_that_are_none_are_refused(text):
    with pytest.raises(InputError, match="memory must be a size such as '4GiB'"):
        read_bytes(text)


def test_values_that_are_not_finite_are_named(rng):
    class Logs(nn.Module):
        def forward(self, x):
            return x.log()

    x = np.ones((4, 3), np.float32)
    x[2, 0] = 0
    with pytest.raises(
        InputError, match=r"'/log' has values that are not finite for 1 stimuli, first 'stim002'"
    ):
        nl.extract_grams(Logs(), nl.load_stimuli(x), ops="/log", quiet=True)


def test_a_counting_buffer_does_not_make_grams_depend_on_the_budget(rng):
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("n", torch.zeros(1))

        def forward(self, x):
            self.n += 1
            return (x * self.n).sin()

    net, stimuli = Counts(), nl.load_stimuli(rng.standard_normal((6, 5)).astype(np.float32))
    one = nl.extract_grams(net, stimuli, quiet=True)
    many = nl.extract_grams(net, stimuli, memory=2000, quiet=True)
    assert (one.attrs["n_passes"], many.attrs["n_passes"]) == (1, 2)
    np.testing.assert_array_equal(one.gram, many.gram)
    assert net.n.item() == 0


@pytest.mark.parametrize("offset", [0, 10, 1000])
def test_grams_of_many_stimuli_keep_their_precision(offset, rng):
    rows = (rng.standard_normal((EXACT_STIMULI + 8, 300)) + offset).astype(np.float32)
    n, p = rows.shape
    gram, total = np.zeros((n, n)), np.zeros(n)
    for part in (rows[:, :180], rows[:, 180:]):
        add_products(torch.as_tensor(part), gram, total)
    mirror_triangle(gram)
    exact = rows.astype(np.float64)
    centred = gram - np.outer(total, total) / p
    true = exact - exact.mean(1, keepdims=True)
    np.testing.assert_allclose(centred, true @ true.T, atol=2e-4 * 300)


def test_ops_without_finite_or_real_values_are_left_out_with_the_reason(rng):
    class Odd(nn.Module):
        def forward(self, x):
            return x.masked_fill(x > 0, -torch.inf).softmax(-1) + torch.fft.fft(x).abs()

    grams = nl.extract_grams(
        Odd(), nl.load_stimuli(rng.standard_normal((5, 8)).astype(np.float32)), quiet=True
    )
    assert list(grams.op.values) == ["/gt", "/softmax", "/abs", "/add"]
    reasons = " ".join(grams.attrs["skipped_ops"])
    assert "/masked_fill: has values that are not finite" in reasons
    assert "/fft_fft: is complex" in reasons


def test_a_dead_op_gives_nan_and_a_warning_that_names_it(rng):
    class Dead(nn.Module):
        def forward(self, x):
            return (x * 0).relu() + x

    grams = nl.extract_grams(
        Dead(), nl.load_stimuli(rng.standard_normal((5, 8)).astype(np.float32)), quiet=True
    )
    with pytest.warns(RuntimeWarning, match="op '/mul': stimuli 'stim000'"):
        rdms = nl.compute_rdms(grams)
    assert rdms.sel(op="/add").notnull().all()


def test_the_budget_does_not_change_a_bit_of_the_result(rng):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 8, 3), nn.Flatten())
    stimuli = nl.load_stimuli(rng.standard_normal((240, 3, 30, 30)).astype(np.float32))
    one = nl.extract_grams(net, stimuli, memory="2GiB", batch_size=16, quiet=True)
    many = nl.extract_grams(net, stimuli, memory="80MiB", batch_size=16, quiet=True)
    assert one.attrs["n_passes"] == 1
    assert many.attrs["n_passes"] > 3
    np.testing.assert_array_equal(one.gram, many.gram)
    np.testing.assert_array_equal(one.row_sum, many.row_sum)


def test_sketches_keep_grams_within_their_stated_error(rng):
    rows = (
        torch.as_tensor(
            rng.standard_normal((40, 3000)) * rng.exponential(size=3000), dtype=torch.float32
        )
        + 5
    )
    exact = (rows - rows.mean(1, keepdim=True)).double()
    norms = exact.norm(dim=1)
    errors = []
    for seed in range(20):
        made = Sketch(3000, 256, torch.device("cpu"), seed).reduce(rows).double()
        errors.append(
            ((made @ made.T - exact @ exact.T) / torch.outer(norms, norms)).triu(1).flatten()
        )
    spread = torch.cat(errors)
    spread = spread[spread != 0]
    assert 0.5 * find_sketch_error(256) < spread.std() < find_sketch_error(256)
    assert abs(spread.mean()) < 0.01


def test_sketched_grams_are_near_the_exact_ones_and_say_how_near(resnet, images):
    exact = nl.extract_grams(resnet, images, quiet=True)
    near = nl.extract_grams(resnet, images, sketch=2048, quiet=True)
    assert near.attrs["sketch_error"] == find_sketch_error(2048)
    np.testing.assert_allclose(near.row_sum, exact.row_sum, rtol=1e-6, atol=1e-6)
    rdms, wanted = nl.compute_rdms(near), nl.compute_rdms(exact)
    np.testing.assert_allclose(rdms, wanted, atol=6 * near.attrs["sketch_error"])
    small = exact.n_features <= 2048
    np.testing.assert_array_equal(near.gram[small.values], exact.gram[small.values])
    with pytest.raises(InputError, match="sketch must be a number of sums, such as 8192, got 0"):
        nl.extract_grams(resnet, images, sketch=0, quiet=True)
