"""Forecasts of a run, compared with what the run took."""

import contextlib
import sys

import numpy as np
import pytest
import torch
import torchvision

import neurolens as nl
from neurolens.errors import InputError, UnknownNameError
from neurolens.extract.capture.memory import Peak, watch_memory


@pytest.fixture
def images(rng):
    return nl.load_stimuli(rng.standard_normal((22, 3, 32, 32)).astype(np.float32))


@pytest.fixture
def resnet():
    torch.manual_seed(0)
    return torchvision.models.resnet18(weights=None)


@pytest.mark.parametrize("reducer", [None, "mean", ["mean", "float16"]], ids=str)
def test_the_bytes_on_disk_are_those_forecast(resnet, images, tmp_path, reducer):
    found = nl.forecast(resnet, images, ops="*relu*", reducer=reducer, batch_size=8)
    nl.extract_activations(
        resnet,
        images,
        ops="*relu*",
        reducer=reducer,
        batch_size=8,
        store=tmp_path / "a.zarr",
        quiet=True,
    )
    written = sum(p.stat().st_size for p in tmp_path.glob("a.zarr/ops/**/c/**/*") if p.is_file())
    labels = sum(
        p.stat().st_size for p in tmp_path.glob("a.zarr/ops/stimulus/c/**/*") if p.is_file()
    )
    assert written - labels == found.activations.disk_bytes
    checksums = 4 * 3 * len(found.kept_bytes)
    assert found.kept_bytes.sum() == (found.activations.disk_bytes - checksums) * 22 // 24


def test_the_run_follows_the_forecast(resnet, images):
    for memory in ("8MB", "60MB"):
        found = nl.forecast(resnet, images, memory=memory, batch_size=4)
        grams = nl.extract_grams(resnet, images, memory=memory, batch_size=4, quiet=True)
        assert found.grams.passes == grams.attrs["n_passes"] == found.gram_pass.max()
        forward = grams.attrs["forward_passes"]
        assert found.grams.forward_passes == pytest.approx(forward, abs=1e-3)
        assert forward < 2
    assert found.batch_size == 4


def test_a_forecast_takes_the_precision_of_products(resnet, images):
    found = nl.forecast(resnet, images, ops="fc/linear", precision="float64", batch_size=22)
    assert found.grams.passes == 1
    with pytest.raises(UnknownNameError, match="no precision of products named 'float16'"):
        nl.forecast(resnet, images, ops="fc/linear", precision="float16", batch_size=22)


class Wide(torch.nn.Module):
    """Six results of 3 MiB per stimulus, of which two or three are alive at a time."""

    def forward(self, x):
        for _ in range(3):
            x = torch.relu(x * 2) + x
        return x.mean((1, 2, 3))


@pytest.mark.slow
def test_the_memory_a_run_takes_is_that_forecast():
    images = nl.load_stimuli(np.ones((40, 3, 512, 512), np.float32))
    batch, everything = 16 * 3 * 2**20, 9 * 40 * 3 * 2**20
    # Resident memory is taken and freed a batch at a time during a run, three to twelve of them
    # as the heap is fragmented; planning records five stimuli and compares eight more.
    runs = {
        "activations": ({"batch_size": 16}, 3 * batch, 12 * batch),
        "grams": ({"batch_size": 16, "memory": "3GiB"}, everything, everything + 12 * batch),
    }
    for name, (settings, least, most) in runs.items():
        found = nl.forecast(Wide(), images, reducer="mean", **settings)
        with watch_memory(torch.device("cpu")) as seen:
            if name == "grams":
                nl.extract_grams(Wide(), images, **settings, quiet=True)
            else:
                nl.extract_activations(Wide(), images, reducer="mean", **settings, quiet=True)
        if seen.n_bytes is None:
            pytest.skip("this system does not tell the memory of a process")
        assert least < getattr(found, name).peak_bytes < most
        assert least < seen.n_bytes < most


CALLS: list[int] = []  # not held by the model, whose state every pass puts back


class Counts(torch.nn.Module):
    """Notes how many stimuli each forward call gets."""

    def __init__(self):
        super().__init__()
        CALLS.clear()
        self.fc = torch.nn.Linear(6, 5)

    def forward(self, x):
        CALLS.append(len(x))
        return self.fc(x).relu()


@pytest.mark.parametrize(
    ("n", "settings", "calls"),
    [
        (22, {}, [3, 6, 7, 7, 7, 7, 6]),
        (22, {"reducer": "mean"}, [3, 6, 7, 7, 7, 7, 6]),
        (5, {}, [3, 5, 5, 5, 5, 5]),
        (4, {}, [3, 4, 4, 4, 4, 4]),
        (2, {}, [1, 2, 2, 2, 2, 2, 2]),
        (22, {"memory": "100B"}, [3, 6, 7, 7, 7, 6]),
    ],
)
def test_the_passes_a_forecast_costs(n, settings, calls, rng):
    net = Counts()
    stimuli = nl.load_stimuli(rng.standard_normal((n, 6)).astype(np.float32))
    nl.forecast(net, stimuli, batch_size=7, **settings)
    assert calls == CALLS


@pytest.mark.parametrize(("n_ops", "batch_size"), [(3, 4), (3, 22), (30, 7)])
@pytest.mark.parametrize("reducer", [None, "float16"])
def test_a_folder_holds_the_values_and_what_is_said_of_metadata(
    n_ops, batch_size, reducer, tmp_path, rng
):
    net = torch.nn.Sequential(*[torch.nn.Linear(6, 6) for _ in range(n_ops)])
    stimuli = nl.load_stimuli(rng.standard_normal((22, 6)).astype(np.float32))
    settings = {"reducer": reducer, "batch_size": batch_size}
    found = nl.forecast(net, stimuli, **settings)
    nl.extract_activations(net, stimuli, **settings, store=tmp_path / "a.zarr", quiet=True)
    written = sum(p.stat().st_size for p in tmp_path.glob("a.zarr/**/*") if p.is_file())
    beside = written - found.activations.disk_bytes
    assert 0 < beside <= 20_000 + 4000 * n_ops
    assert beside >= 1000 * n_ops


def test_the_memory_of_grams_counts_the_grams(monkeypatch, rng):
    """There are as many stimuli as make one Gram larger than everything else.

    The measured parts are set to known numbers.
    """
    module = sys.modules["neurolens.extract.forecasting"]
    monkeypatch.setattr(module, "watch_memory", lambda device: contextlib.nullcontext(Peak(0)))
    monkeypatch.setattr(module, "_run_batch", lambda plan: module.BatchCost(0.01, 5000))
    monkeypatch.setattr(module, "_hold_batch", lambda plan, slices: 7000)
    monkeypatch.setattr(module, "count_workspace_bytes", lambda n_stimuli, budget: 0)
    n, width = 300, 6
    stimuli = nl.load_stimuli(rng.standard_normal((n, width)).astype(np.float32))
    found = nl.forecast(torch.nn.ReLU(), stimuli, batch_size=30)
    held = n * width * 4
    before_last = held * (n - 30) // n
    assert found.grams.passes == 1
    assert found.grams.peak_bytes == max(before_last + 5000, before_last + 7000, held) + 8 * n * (
        n + 2
    )


def test_rows_say_what_each_op_gives(resnet, images):
    found = nl.forecast(resnet, images, reducer="mean")
    row = found.loc["layer1.0.conv1/conv2d"]
    assert (row["shape"], row.kept_shape, row.n_bytes) == ((64, 8, 8), (64,), 4 * 64 * 64)
    assert row.flops == 2 * 64 * 64 * 9 * 64
    assert found.loc["/flatten"].alias_of == "avgpool/adaptive_avg_pool2d"
    assert found.loc["/flatten"].gram_pass == found.loc["avgpool/adaptive_avg_pool2d"].gram_pass
    text = found.summarize()
    assert "69 results, batches of 32" in text
    assert "grams        1 pass," in text
    assert type(found[found.function == "add"]).__name__ == "Forecast"
    assert found[found.function == "add"].batch_size == 32


def test_a_budget_that_holds_no_grams_is_told_not_raised(resnet, images):
    found = nl.forecast(resnet, images, memory="500KB", batch_size=2)
    assert found.grams is None
    assert "the budget does not hold them" in found.summarize()
    with pytest.raises(InputError, match="memory=500000 bytes is too little"):
        nl.extract_grams(resnet, images, memory="500KB", batch_size=2, quiet=True)


def test_the_model_is_as_it_was(resnet, images):
    resnet.train()
    before = [b.clone() for b in resnet.buffers()]
    nl.forecast(resnet, images)
    assert resnet.training
    assert all(torch.equal(a, b) for a, b in zip(before, resnet.buffers(), strict=True))


def test_it_lists_what_a_run_leaves_out(rng):
    class Mixes(torch.nn.Module):
        def forward(self, x):
            return (x * 2).cumsum(0) + torch.ones(6)

    stimuli = nl.load_stimuli(rng.standard_normal((9, 6)).astype(np.float32))
    costs = nl.forecast(Mixes(), stimuli)
    assert costs.index.tolist() == ["/mul"]
    acts = nl.extract_activations(Mixes(), stimuli, quiet=True)
    assert costs.skipped_ops == acts.attrs["skipped_ops"]
    assert "3 ops are left out; see .skipped_ops" in costs.summarize()
    kept = nl.forecast(Mixes(), stimuli, batch_dependent=True)
    assert kept.index.tolist() == ["/mul", "/cumsum", "/add"]
    assert kept.skipped_ops == ["/ones: does not grow with the number of stimuli"]
