"""Rows that a pass holds, and where their products go."""

import numpy as np
import pytest
import torch
from small_grams import make_layout
from torch import nn

import neurolens as nl
from neurolens.extract.stream.grams.rows import ProductAdder
from neurolens.extract.stream.grams.slices import FeatureSlice
from neurolens.extract.stream.grams.streams import SideStreams
from neurolens.extract.stream.grams.totals import GramSums


@pytest.fixture
def stimuli(rng):
    return nl.load_stimuli(rng.standard_normal((9, 3, 6, 5)).astype(np.float32))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 7))


@pytest.mark.parametrize("sketch", [None, 20])
def test_products_that_are_collected_later_are_the_same(net, stimuli, sketch, monkeypatch):
    """As on a GPU, whose products are computed beside the next pass."""
    settings = {"memory": 20_000, "batch_size": 2, "sketch": sketch, "quiet": True}
    at_once = nl.extract_grams(net, stimuli, **settings)
    told = []
    monkeypatch.setattr(SideStreams, "are_used", lambda self, device: True)
    monkeypatch.setattr(SideStreams, "use", lambda self, device: torch.no_grad())
    monkeypatch.setattr(SideStreams, "finish", lambda self: told.append("finish"))
    later = nl.extract_grams(net, stimuli, **settings)
    assert sketch or later.attrs["n_passes"] > 1
    assert len(told) > later.attrs["n_passes"]
    assert later.identical(at_once)


def test_all_passes_hold_their_rows_in_one_memory(net, stimuli, monkeypatch):
    taken = []
    take_rows = ProductAdder.take_rows

    def note(self, *settings):
        rows = take_rows(self, *settings)
        taken.append(rows.untyped_storage().data_ptr())
        return rows

    monkeypatch.setattr(ProductAdder, "take_rows", note)
    grams = nl.extract_grams(net, stimuli, memory=20_000, batch_size=2, quiet=True)
    assert grams.attrs["n_passes"] > 1
    assert len(taken) > 2
    assert len(set(taken)) == 1


def test_integers_and_doubles_are_multiplied_in_float64(rng):
    sums = GramSums()
    adder = ProductAdder(sums, 64, 0)
    for dtype in (torch.int64, torch.float64, torch.float32):
        assert not sums.eps
        layout = make_layout(str(dtype), 12, dtype)
        sums.open_result(layout.name, 5)
        rows = torch.as_tensor(rng.standard_normal((5, 12)) * 9).to(dtype)
        adder.add(FeatureSlice(layout, 0, 12), rows)
        assert sums.residuals[layout.name].any() == (dtype == torch.float32)
    assert sums.eps
