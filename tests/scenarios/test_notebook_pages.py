"""What IPython's own formatter shows of each object: short text, HTML that is never too long."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from graphs import build_large

import neurolens as nl
from neurolens.datasets.loading import Dataset
from neurolens.extract.tracing import Trace
from neurolens.extract.validation.verdict import Verdict

formatters = pytest.importorskip("IPython.core.formatters", reason="needs the extra 'docs'")
HOSTILE = '<script>alert("1")</script>'
MOST = 100_000


@pytest.fixture(scope="module")
def show():
    """Return the function that gives the HTML and the text that a notebook gets of an object."""
    formatter = formatters.DisplayFormatter()

    def render(thing):
        shown, _ = formatter.format(thing)
        assert len(shown["text/plain"]) < 5_000
        assert 0 < len(shown["text/html"]) <= MOST
        assert "<script" not in shown["text/html"]
        return shown["text/html"], shown["text/plain"]

    return render


def read_text(page):
    return " ".join(re.sub("<[^>]+>", " ", page).split())


class LargeSource:
    """The origin of a trace without values, of any graph."""

    output = None

    def __init__(self, graph):
        self.graph = graph

    def build_graph(self):
        return self.graph


def test_a_trace(show):
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    page, text = show(nl.trace(net, torch.zeros(1, 3, 8, 8)))
    assert "Trace of Sequential: 2 ops" in read_text(page)
    assert "0/conv2d conv2d Conv2d 1 × 4 × 6 × 6" in read_text(page)
    assert "values of all ops" in read_text(page)
    assert text.startswith("<Trace of Sequential")


def test_a_trace_of_20000_ops(show):
    large = Trace(LargeSource(build_large(20_000)), {}, HOSTILE)
    page, _ = show(large)
    assert "ops (20,000)" in read_text(page)
    assert "values of 0 ops" in read_text(page)


def test_a_graph(show):
    page, text = show(build_large(30))
    assert "Graph: 30 ops" in read_text(page)
    assert text == "<Graph: 30 ops in 0 modules>"


def make_verdict(n, status):
    rows = [(f"op {i} {HOSTILE}", "replay", status, "because " * 100) for i in range(n)]
    return Verdict(status, n, 0, pd.DataFrame(rows, columns=["op", "check", "status", "reason"]))


def test_a_verdict(show):
    page, _ = show(make_verdict(20_000, "failed"))
    assert read_text(page).startswith("✗ failed: 0 of 20000 ops")
    assert "<details open>" in page
    exempt, _ = show(make_verdict(3, "exempt"))
    assert "exempt, with a reason (3)" in read_text(exempt)
    assert "<details open>" not in exempt
    net = torch.nn.Linear(4, 3)
    assert "✓ verified" in read_text(show(nl.validate(net, torch.ones(2, 4)))[0])


def test_a_forecast_and_a_part_of_it(show):
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    costs = nl.forecast(net, nl.load_stimuli(np.ones((6, 4), np.float32)))
    text = read_text(show(costs)[0])
    assert text.startswith("2 results, batches of")
    assert "activations 1 pass," in text
    assert "0/linear linear (3,)" in text
    assert "linear" in read_text(show(costs[["function"]])[0])
    assert "linear" in read_text(show(pd.DataFrame(costs).head(1))[0])


def test_10000_stimuli(show):
    ids = [f"{HOSTILE} {i} " + "x" * 200 for i in range(10_000)]
    texts = nl.load_stimuli(["word " * 100] * 10_000, kind="text", ids=ids)
    texts.metadata = pd.DataFrame({HOSTILE: ["y" * 500] * 10_000}, index=ids)
    page, _ = show(texts)
    assert "10000 stimuli, 12 shown" in read_text(page)
    assert "metadata (10,000 stimuli)" in read_text(page)


def test_a_data_set(show, rng):
    pixels = rng.integers(0, 256, (20, 64, 64, 3)).astype(np.uint8)
    responses = xr.DataArray(
        np.zeros((20, 3)),
        dims=("presentation", "neuroid"),
        coords={"region": ("neuroid", ["V1", "V1", HOSTILE])},
    )
    card = {
        "key": "k",
        "title": HOSTILE,
        "licence": "CC0 " * 1000,
        "citation": "Someone (2020). " * 1000,
    }
    stimuli = nl.load_stimuli(pixels, ids=[f"{i} " + "z" * 3000 for i in range(20)])
    stimuli.metadata = pd.DataFrame({f"c{k}": ["v" * 900] * 20 for k in range(40)}, stimuli.ids)
    splits = {"shared": {"test": ["a"] * 5, "train": ["b"] * 15}}
    page, _ = show(Dataset(card, stimuli, responses, splits=splits, bytes_read=2_000_000))
    text = read_text(page)
    assert "responses 20 presentations × 3 neuroids" in text
    assert "split shared 5 test, 15 train" in text
    assert "read 2 MB of files" in text
    assert "stimuli (20)" in text
    assert page.count("<img") >= 3


def test_figures_show_themselves():
    figure = nl.view.plot_profile(
        nl.compare_rdms(*(make_rdms(name) for name in ("op", "region"))),
    )
    shown, _ = formatters.DisplayFormatter().format(figure)
    assert shown["image/png"][:4] == b"\x89PNG"


def make_rdms(dim):
    """Return two RDMs of six stimuli along a dimension."""
    points = np.random.default_rng(0).normal(size=(2, 6, 4))
    squares = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    ids = [f"s{i}" for i in range(6)]
    coords = {dim: ["a", "b"], "stimulus": ids, "stimulus_2": ids}
    return xr.DataArray(squares, coords, (dim, "stimulus", "stimulus_2"))
