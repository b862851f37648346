"""Opened attention against PyTorch's fused one, for every kind of mask, scale and grouping."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import neurolens as nl
from neurolens.errors import InputError, RecordingError
from neurolens.extract.capture.calls.attention import attend, list_opened, use_attention

BLOCKED = torch.ones(5, 7, dtype=torch.bool)
BLOCKED[2] = False
CASES = {
    "plain": {},
    "scaled": {"scale": 0.3},
    "causal": {"is_causal": True},
    "booleans": {"attn_mask": torch.arange(35).reshape(5, 7) % 3 > 0},
    "numbers": {"attn_mask": torch.linspace(-2, 2, 35).reshape(5, 7)},
    "nothing to attend to": {"attn_mask": BLOCKED},
}


def draw(rng, *shape, dtype=torch.float32):
    return torch.as_tensor(rng.standard_normal(shape)).to(dtype)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14), (torch.bfloat16, 0.02)]
)
def test_opened_attention_equals_the_fused_one(case, dtype, tolerance, rng):
    settings = dict(CASES[case])
    mask = settings.get("attn_mask")
    if mask is not None and mask.dtype != torch.bool:
        settings["attn_mask"] = mask.to(dtype)
    query = draw(rng, 2, 3, 5, 8, dtype=dtype)
    key = draw(rng, 2, 3, 7, 8, dtype=dtype)
    value = draw(rng, 2, 3, 7, 4, dtype=dtype)
    fused = functional.scaled_dot_product_attention(query, key, value, **settings)
    opened = attend(query, key, value, **settings)
    assert opened.dtype == fused.dtype
    np.testing.assert_allclose(opened.double(), fused.double(), atol=tolerance)


def test_grouped_queries_share_keys(rng):
    query = draw(rng, 2, 6, 5, 8)
    key = draw(rng, 2, 3, 7, 8)
    value = draw(rng, 2, 3, 7, 8)
    fused = functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    np.testing.assert_allclose(attend(query, key, value, enable_gqa=True), fused, atol=1e-6)


def test_dropout_is_that_of_training(rng):
    query, key, value = (draw(rng, 1, 400, 8) for _ in range(3))
    kept = attend(query * 0, key, torch.ones_like(value), dropout_p=0.25)
    assert abs(kept.mean() - 1) < 0.02
    assert kept.std() > 0.01


def test_two_masks_are_refused(rng):
    query = draw(rng, 2, 5, 8)
    with pytest.raises(RuntimeError, match="attn_mask must be None where is_causal is True"):
        attend(query, query, query, attn_mask=torch.ones(5, 5) > 0, is_causal=True)


class Attends(nn.Module):
    """Attention of its own, and PyTorch's layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.project = nn.Linear(8, 24)
        self.layer = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        query, key, value = self.project(x).chunk(3, -1)
        x = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.layer(x, x, x, need_weights=False)[0]


def test_a_trace_shows_the_attention_map(rng):
    x = draw(rng, 3, 5, 8)
    model = Attends().eval()
    fused = nl.trace(model, x)
    opened = nl.trace(model, x, attention="open")
    assert sum(op.function == "scaled_dot_product_attention" for op in fused.graph) == 2
    assert not any(op.function == "scaled_dot_product_attention" for op in opened.graph)
    torch.testing.assert_close(opened.output, fused.output, atol=1e-6, rtol=0)
    maps = [op for op in opened.graph if op.function == "softmax"]
    assert [op.name for op in maps] == ["/softmax", "layer/softmax"]
    query, key, _ = model.project(x).chunk(3, -1)
    scores = query @ key.mT / math.sqrt(8)
    scores = scores.masked_fill(torch.ones(5, 5).triu(1) > 0, -math.inf)
    np.testing.assert_allclose(opened["/softmax"].value, scores.softmax(-1).detach(), atol=1e-6)
    assert opened["layer/softmax"].value.shape == (3, 2, 5, 5)
    aten = nl.trace(model, x, level="aten", attention="open")
    torch.testing.assert_close(aten.output, fused.output, atol=1e-6, rtol=0)


def test_extraction_shows_it_too_and_what_comes_after_is_the_same(rng, tmp_path):
    x = rng.standard_normal((6, 5, 8)).astype(np.float32)
    stimuli = nl.load_stimuli(x)
    model = Attends().eval()
    fused = nl.extract_activations(model, stimuli, batch_size=3, quiet=True)
    with pytest.warns(RuntimeWarning, match="1 ops hold NaN or infinite values .*/masked_fill"):
        opened = nl.extract_activations(
            model, stimuli, batch_size=3, attention="open", store=tmp_path / "a.zarr", quiet=True
        )
    assert opened["softmax/activation"].shape == (6, 5, 5)
    np.testing.assert_allclose(opened["softmax/activation"].sum("key"), 1, atol=1e-6)
    np.testing.assert_allclose(
        opened["layer/linear_2/activation"], fused["layer/linear_2/activation"], atol=1e-6
    )
    grams = nl.extract_grams(model, stimuli, attention="open", quiet=True)
    assert "/softmax" in grams.op
    costs = nl.forecast(model, stimuli, attention="open")
    assert "/softmax" in costs.index


def test_nothing_stays_open(rng):
    model = Attends().eval()
    with pytest.raises(InputError, match="attention must be 'fused' or 'open', got 'closed'"):
        nl.trace(model, draw(rng, 3, 5, 8), attention="closed")
    with use_attention("open"):
        assert list_opened()
    assert not list_opened()
    model.project = None
    with pytest.raises(RecordingError, match="not callable"):
        nl.trace(model, draw(rng, 3, 5, 8), attention="open")
    assert not list_opened()
