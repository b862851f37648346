"""The first batch, whose results are kept while a run is planned: they are those of the run."""

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.extract.reducers.pca import PCA
from neurolens.extract.stream.layouts.pair import Wanted
from neurolens.extract.stream.stores.reduced import FirstBatch

# Passes are noted outside of models, whose own attributes are put back.
PASSES: list[int] = []


class Net(nn.Module):
    """Convolves, overwrites what it made, and puts tokens before stimuli."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 3)
        self.attention = nn.MultiheadAttention(3, 3)

    def forward(self, x):
        PASSES.append(len(x))
        h = self.conv(x).relu_()
        tokens = h.flatten(2).permute(2, 0, 1)
        return self.attention(tokens, tokens, tokens)[0].mean(0).mul_(2)


def make_stimuli(rng, n=20):
    return nl.load_stimuli(rng.standard_normal((n, 3, 6, 6)).astype(np.float32))


def extract(model, stimuli, **how):
    PASSES.clear()
    how = {"batch_size": 8, "quiet": True} | how
    return nl.extract_activations(model, stimuli, **how)


@pytest.mark.parametrize("reducer", [None, "mean", "float16", ["mean", "float16"], "cls"])
@pytest.mark.parametrize("ops", ["all", "conv", "*attention*"])
def test_the_first_batch_is_shown_once_and_has_the_results_of_the_run(
    reducer, ops, rng, monkeypatch
):
    model, stimuli = Net().eval(), make_stimuli(rng)
    tree = extract(model, stimuli, ops=ops, reducer=reducer)
    assert PASSES == [4, 8, 8, 4]
    with monkeypatch.context() as patch:
        patch.setattr(FirstBatch, "begin", lambda first, layouts, stimuli: Wanted(0, ()))
        other = extract(model, stimuli, ops=ops, reducer=reducer)
    assert PASSES == [4, 6, 8, 8, 4]
    assert tree.identical(other)


def test_a_set_of_one_batch_is_shown_once(rng):
    stimuli = make_stimuli(rng, 9)
    tree = extract(Net().eval(), stimuli, batch_size=None)
    assert PASSES == [3, 9]
    np.testing.assert_array_equal(tree["stimulus"], stimuli.ids)
    whole = nl.trace(Net().eval(), torch.stack([stimuli[one] for one in stimuli.ids]))
    expected = whole["conv/conv2d"].value.detach().numpy()
    np.testing.assert_allclose(tree["conv/conv2d"]["activation"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "how",
    [{"reducer": PCA(2, fit_on=tuple(f"stim{i:03d}" for i in range(8)))}, {"memory": 40_000}],
)
def test_elsewhere_the_first_batch_is_run_with_the_others(how, rng):
    extract(Net().eval(), make_stimuli(rng), **how)
    assert PASSES[-3:] == [8, 8, 4]


def test_a_store_runs_it_with_the_others(rng, tmp_path):
    extract(Net().eval(), make_stimuli(rng), store=tmp_path / "a.zarr")
    assert PASSES == [3, 6, 8, 8, 4]


def test_what_follows_the_batch_is_left_out(rng):
    class Mixes(Net):
        def forward(self, x):
            h = super().forward(x)
            return h * (1 + (torch.arange(len(h)) == 7))[:, None]

    tree = extract(Mixes().eval(), make_stimuli(rng))
    assert [text.partition(":")[0] for text in tree.attrs["skipped_ops"]][-1] == "/mul_2"
    assert PASSES[:2] == [4, 8]


def test_what_later_batches_do_is_compared_with_the_stimulus_that_planning_showed(rng):
    """Stimulus 15 ends the second batch, and was among the four."""

    class Late(Net):
        def forward(self, x):
            h = super().forward(x)
            return h + float(len(PASSES) == 3)

    tree = extract(Late().eval(), make_stimuli(rng))
    assert PASSES == [4, 8, 8, 4]
    assert [text.partition(":")[0] for text in tree.attrs["skipped_ops"]] == ["/add"]


def test_an_interruption_in_the_first_batch_is_raised(rng):
    class Ends(Net):
        def forward(self, x):
            if len(x) == 8:
                raise KeyboardInterrupt("stop")
            return super().forward(x)

    with pytest.raises(KeyboardInterrupt, match="^stop$"):
        extract(Ends().eval(), make_stimuli(rng))
