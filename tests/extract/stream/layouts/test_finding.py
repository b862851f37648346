"""The stimulus axis of each result, found and not assumed."""

import numpy as np
import pytest
import torch
from nets import Windows
from torch import nn

import neurolens as nl
from neurolens.extract.capture.differences import measure_difference
from neurolens.extract.stream.layouts.finding import find_layouts


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_what_counts_as_equal_in_another_batch(dtype):
    """Differences up to 1 count as equal.

    They are within a thousandth of each number plus a hundred-thousandth of the largest.
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
        assert (measure_difference(a, b) <= 1) == equal, change
    for odd in (float("nan"), float("inf")):
        same = torch.tensor([odd, 1.0], dtype=dtype)
        assert measure_difference(same, same.clone()) == 0
        assert measure_difference(same, torch.tensor([2.0, 1.0], dtype=dtype)) == float("inf")
        assert measure_difference(torch.tensor([2.0, 1.0], dtype=dtype), same) == float("inf")


def test_what_counts_as_equal_follows_the_precision():
    """Four units of the last place of the largest value, and eight of each."""
    b = torch.tensor([1.0, -100.0, 3.0])
    for change in (0.05, 0.3, 0.6):
        a = b + torch.tensor([change, 0.0, 0.0])
        coarse = measure_difference(a, b, torch.finfo(torch.float16).eps) <= 1
        assert coarse == (change < 0.5)
        assert (measure_difference(a.half(), b.half()) <= 1) == (change < 0.5)
        assert measure_difference(a, b) > 1


def test_whole_numbers_may_change_where_rounding_decides_and_not_more():
    a = torch.arange(1000) % 7
    few = a.clone()
    few[:5] += 1
    many = a.clone()
    many[:6] += 1
    assert measure_difference(a, a) == 0
    assert measure_difference(few, a) <= 1
    assert measure_difference(many, a) == float("inf")
    assert measure_difference(a[:3] > 2, a[1:4] > 2) == float("inf")


def test_the_stimulus_axis_is_found_where_it_is(rng):
    x = torch.as_tensor(rng.standard_normal((2, 8)), dtype=torch.float32)
    layouts = find_layouts(Windows(), x[:1], x)
    windows = layouts.by_name["/reshape"]
    assert (windows.axis, windows.group, windows.major, windows.shape) == (0, 4, True, (4, 2))
    tokens = layouts.by_name["/contiguous"]
    assert (tokens.axis, tokens.group, tokens.shape) == (1, 1, (4, 2))
    interleaved = layouts.by_name["/reshape_3"]
    assert (interleaved.axis, interleaved.group, interleaved.major) == (0, 4, False)
    assert "mixes the stimuli" in layouts.skipped["/matmul"]
    assert "does not grow" in layouts.skipped["/ones"]


def test_every_layout_gives_each_stimulus_its_own_values(rng):
    x = rng.standard_normal((5, 8)).astype(np.float32)
    acts = nl.extract_activations(
        Windows(), nl.load_stimuli(x), ops=["/reshape", "/contiguous", "/reshape_3"], quiet=True
    )
    for name in ("/reshape", "/contiguous", "/reshape_3"):
        values = acts[name]["activation"].values
        np.testing.assert_array_equal(values.reshape(5, 8), x)


class Merged(nn.Module):
    """Puts tokens and stimuli into one axis, tokens first, after a ReLU that may give zeros."""

    def forward(self, x):
        return torch.relu(x.transpose(0, 1).reshape(-1, x.shape[2]))


def test_an_order_that_the_first_stimuli_do_not_tell_is_not_guessed(rng):
    x = rng.standard_normal((7, 4, 6)).astype(np.float32)
    acts = nl.extract_activations(Merged(), nl.load_stimuli(0 * x - 1), quiet=True)
    assert any("do not tell in which order" in reason for reason in acts.attrs["skipped_ops"])
    x[:3] = -1  # the others tell
    acts = nl.extract_activations(Merged(), nl.load_stimuli(x), quiet=True)
    assert acts.attrs["skipped_ops"] == []
    x[1] = rng.standard_normal((4, 6))
    acts = nl.extract_activations(Merged(), nl.load_stimuli(x), ops="/relu", quiet=True)
    np.testing.assert_array_equal(acts["/relu"]["activation"], np.maximum(x, 0))


def test_one_huge_channel_does_not_hide_the_order(rng):
    class Outlier(Merged):
        def forward(self, x):
            merged = x.transpose(0, 1).reshape(-1, x.shape[2])
            return merged + torch.tensor([5e3] + [0.0] * 5)

    x = rng.standard_normal((7, 4, 6)).astype(np.float32)
    acts = nl.extract_activations(Outlier(), nl.load_stimuli(x), ops="/add", quiet=True)
    np.testing.assert_allclose(acts["/add"]["activation"].values[..., 1:], x[..., 1:])


class Odd(nn.Module):
    """Gives results of unusual kinds beside ordinary ones."""

    def forward(self, x):
        h = x.exp()
        torch.quantize_per_tensor(h, 0.1, 3, torch.quint8)
        h.to_sparse()
        torch.nested.nested_tensor(list(h))
        h.to(torch.complex32)
        h.to(torch.float8_e4m3fn)
        h.nonzero()
        h[h[:, 0] > 1]
        return h * 2


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["activations", "grams"])
def test_one_odd_result_does_not_end_a_run(kind, rng):
    stimuli = nl.load_stimuli(rng.standard_normal((9, 4)).astype(np.float32))
    if kind == "grams":
        result = nl.extract_grams(Odd(), stimuli, batch_size=4, quiet=True)
        kept = set(result.op.values)
    else:
        result = nl.extract_activations(Odd(), stimuli, batch_size=4, quiet=True)
        kept = {str(leaf["activation"].attrs["op"]) for leaf in result.leaves}
        codes = result["quantize_per_tensor/activation"].values
        assert codes.dtype == np.float32
        values = np.exp(np.stack([stimuli[i] for i in stimuli.ids]))
        np.testing.assert_allclose(codes, values.round(1), atol=0.051)
    assert {"/exp", "/mul", "/quantize_per_tensor"} <= kept
    told = {text.partition(":")[0] for text in result.attrs["skipped_ops"]}
    traced = {op.name for op in nl.trace(Odd(), torch.ones(2, 4)).graph}
    assert traced <= {name.rpartition(".")[0] or name for name in kept} | kept | told
