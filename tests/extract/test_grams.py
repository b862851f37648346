"""Grams of all ops: exact, within a budget, one pass or many."""

import numpy as np
import pytest
import torch
import torchvision
from oracles import multiply_rows_slowly
from torch import nn

import neurolens as nl
from neurolens.errors import InputError
from neurolens.extract.stream.grams.sketches import find_sketch_error


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


def test_a_budget_below_the_grams_themselves_is_refused(resnet, images):
    with pytest.raises(
        InputError,
        match=r"memory=1000 bytes is too little: the Grams of \d+ ops over 7 stimuli take",
    ):
        nl.extract_grams(resnet, images, memory=1000, quiet=True)


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


@pytest.mark.slow
def test_the_budget_does_not_change_a_bit_of_the_result(rng):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 8, 3), nn.Flatten())
    stimuli = nl.load_stimuli(rng.standard_normal((480, 3, 44, 44)).astype(np.float32))
    one = nl.extract_grams(net, stimuli, memory="2GiB", batch_size=16, quiet=True)
    many = nl.extract_grams(net, stimuli, memory="128MiB", batch_size=16, quiet=True)
    assert one.attrs["n_passes"] == 1
    assert many.attrs["n_passes"] > 3
    np.testing.assert_array_equal(one.gram, many.gram)
    np.testing.assert_array_equal(one.row_sum, many.row_sum)


def test_sketched_grams_are_near_the_exact_ones_and_say_how_near(resnet, images):
    exact = nl.extract_grams(resnet, images, quiet=True)
    near = nl.extract_grams(resnet, images, sketch=2048, quiet=True)
    assert near.attrs["sketch_error"] == find_sketch_error(2048)
    power = np.einsum("oii->o", exact.gram) * exact.n_features
    bound = exact.attrs["eps"] * np.sqrt(power)
    assert (np.abs(near.row_sum - exact.row_sum).max("stimulus") <= bound + 1e-9).all()
    rdms, wanted = nl.compute_rdms(near), nl.compute_rdms(exact)
    np.testing.assert_allclose(rdms, wanted, atol=6 * near.attrs["sketch_error"])
    small = exact.n_features <= 2048
    np.testing.assert_array_equal(near.gram[small.values], exact.gram[small.values])
    with pytest.raises(InputError, match="sketch must be a number of sums, such as 8192, got 0"):
        nl.extract_grams(resnet, images, sketch=0, quiet=True)
