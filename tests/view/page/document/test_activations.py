"""Activation maps are mean absolute activations over channels, block by block."""

import base64
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from graphs import GraphBuilder
from hypothesis import given
from hypothesis import strategies as st

from neurolens.errors import InputError, LabelError, UnknownNameError
from neurolens.view.page.document import activations as module
from neurolens.view.page.document.activations import (
    describe_activations,
    find_maps,
    shrink_maps,
)

IDS = ["s0", "s1", "s2"]


class Traced:
    """Stands in for a trace: values by op name."""

    def __init__(self, graph, values):
        self.graph = graph
        self.values = values

    def __getitem__(self, name):
        if name not in self.values:
            raise UnknownNameError(name)
        return SimpleNamespace(value=self.values[name])


def build_graph():
    builder = GraphBuilder()
    builder.add("conv", "conv2d", shape=(1, 8, 30, 30))
    builder.add("pool", "max_pool2d", shape=(1, 8, 3, 3))
    builder.add("norm", "layer_norm", shape=(1, 30, 30, 8))
    builder.add("", "flatten", shape=(1, 72))
    return builder.build()


def make_trace(n=2):
    graph = build_graph()
    generator = torch.Generator().manual_seed(0)
    return Traced(
        graph,
        {
            op.name: torch.randn((n, *op.shape[1:]), generator=generator, requires_grad=True)
            for op in graph
        },
    )


def test_maps_are_scaled_by_the_largest_of_the_op():
    trace = make_trace()
    shown, notes = describe_activations((trace, ["s2", "s0"]), trace.graph, IDS)
    assert notes == []
    assert shown["ops"] == [0, 1]
    assert shown["stimuli"] == [2, 0]
    assert shown["side"] == [[14, 14], [3, 3]]
    data = np.frombuffer(base64.b64decode(shown["data"]), dtype=np.uint8)
    small = data[2 * 14 * 14 :].reshape(2, 3, 3)
    values = trace["pool/max_pool2d"].value.detach().abs().mean(1).numpy()
    assert np.array_equal(small, np.rint(255 * values / values.max()))
    assert data[: 2 * 14 * 14].max() == 255


@given(st.integers(1, 40), st.integers(1, 40))
def test_blocks_keep_the_mean_where_they_are_equal(height, width):
    maps = np.random.default_rng(1).random((2, height, width))
    shrunk = shrink_maps(maps, 5)
    assert shrunk.shape == (2, min(5, height), min(5, width))
    assert maps.min() - 1e-12 <= shrunk.min() <= shrunk.max() <= maps.max() + 1e-12
    if height % 5 == 0 and width % 5 == 0:
        assert np.allclose(shrunk.mean((1, 2)), maps.mean((1, 2)))


def test_squares_of_attention_and_channels_last_are_no_maps():
    builder = GraphBuilder()
    conv = builder.add("conv", "conv2d", shape=(1, 7, 7, 7))
    norm = builder.add("bn", "batch_norm", shape=(1, 7, 7, 7))
    turned = builder.add("", "permute", [norm], shape=(1, 7, 7, 7))
    builder.add("mlp", "relu", [turned], shape=(1, 7, 7, 7))
    scores = builder.add("attention", "matmul", [turned, turned], shape=(1, 3, 49, 49))
    builder.add("attention", "softmax", [scores], shape=(1, 3, 49, 49))
    builder.add("attention", "dropout", shape=(1, 3, 49, 49))
    builder.add("", "add", [norm, turned], shape=(1, 7, 7, 7))
    gate = builder.add("gate", "adaptive_avg_pool2d", [norm], shape=(1, 7, 1, 1))
    scaled = builder.add("gate", "mul", [norm, gate], shape=(1, 7, 7, 7))
    joined = builder.add("", "cat", [scaled, conv], shape=(1, 14, 7, 7))
    builder.add("", "relu", [gate], shape=(1, 7, 1, 1))
    builder.add("pool", "max_pool2d", [joined], shape=(1, 14, 3, 1))
    names = [op.name for op in find_maps(builder.build())]
    assert names == [conv, norm, gate, scaled, joined]


def test_activations_of_another_model_are_refused():
    trace = make_trace()
    wide = GraphBuilder()
    wide.add("conv", "conv2d", shape=(1, 16, 30, 30))
    page = wide.build()
    with pytest.raises(LabelError, match=r"of the model of the page.* no 'conv/conv2d' as here"):
        describe_activations((trace, ["s0", "s1"]), page, IDS)
    wide.add("late", "conv2d", shape=(1, 16, 30, 30))
    with pytest.raises(LabelError, match="no 'late/conv2d', 'conv/conv2d'"):
        describe_activations((trace, ["s0", "s1"]), wide.build(), IDS)


def test_at_most_six_stimuli_and_fewer_places_where_they_do_not_fit(monkeypatch):
    trace = make_trace(8)
    ids = [f"s{i}" for i in range(8)]
    shown, _ = describe_activations((trace, ids), trace.graph, ids)
    assert shown["stimuli"] == [0, 1, 2, 3, 4, 5]
    monkeypatch.setattr(module, "BYTES", 6 * (49 + 9))
    assert describe_activations((trace, ids), trace.graph, ids)[0]["side"][0] == [7, 7]
    monkeypatch.setattr(module, "BYTES", 10)
    shown, notes = describe_activations((trace, ids), trace.graph, ids)
    assert shown is None
    assert "would make it too large" in notes[0]


def test_ops_without_places_or_values_have_no_map():
    trace = make_trace()
    del trace.values["conv/conv2d"]
    shown, _ = describe_activations((trace, ["s0", "s1"]), trace.graph, IDS)
    assert shown["ops"] == [1]
    trace.values = {}
    assert describe_activations((trace, ["s0", "s1"]), trace.graph, IDS)[0] is None
    assert describe_activations(None, trace.graph, IDS) == (None, [])


def test_values_that_are_not_finite_or_all_zero_are_dark():
    trace = make_trace()
    trace.values["pool/max_pool2d"] = torch.full((2, 8, 3, 3), float("nan"))
    trace.values["conv/conv2d"] = torch.zeros((2, 8, 30, 30))
    shown, _ = describe_activations((trace, ["s0", "s1"]), trace.graph, IDS)
    assert set(base64.b64decode(shown["data"])) == {0}


def test_what_does_not_match_is_refused():
    trace = make_trace()
    with pytest.raises(LabelError, match="it has no 's9'"):
        describe_activations((trace, ["s0", "s9"]), trace.graph, IDS)
    with pytest.raises(LabelError, match="2 ids .* but the trace is of 3 stimuli"):
        describe_activations((make_trace(3), ["s0", "s1"]), trace.graph, IDS)
    with pytest.raises(InputError, match=r"Write activations=\(trace\(model"):
        describe_activations(trace, trace.graph, IDS)
    with pytest.raises(InputError, match="must be a trace and the ids"):
        describe_activations((trace, "s0"), trace.graph, IDS)
