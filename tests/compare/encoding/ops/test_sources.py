"""How each op is solved, and that it is told."""

import numpy as np
import pytest
import torch
import xarray as xr
from brains import build_grams, build_tree, label_features, label_responses

import neurolens as nl
from neurolens.compare import fit_encoding, fit_test_sets, permute_encoding, split_stimuli
from neurolens.compare.encoding.models.penalties import Settings
from neurolens.compare.encoding.ops.sources import iterate_ops
from neurolens.compare.inputs.features import open_features
from neurolens.errors import InputError

SELECTORS = ("gcv", "loo", "folds")


def build_problem(rng, n=40, p=6, v=5):
    x = rng.normal(size=(n, p)).astype(np.float32)
    y = x @ rng.normal(size=(p, v)) + rng.normal(size=(n, v))
    return label_features(x), label_responses(y)


def open_all(features, ids, n_train=30, alphas=None, method="ridge"):
    settings = Settings(method, alphas, "gcv", 2)
    ops = iterate_ops(open_features(features), ids, n_train, settings, "cpu", 2**20)
    return [op.open().size for op in ops]


def test_the_side_is_the_smaller_one(rng):
    x, _ = build_problem(rng)
    wide = label_features(rng.normal(size=(40, 30)))
    ids = x.stimulus.values
    assert open_all(build_tree({"a": x, "b": wide}), ids) == [("primal", 6), ("kernel", 40)]
    assert open_all(build_grams({"a": x}), ids) == [("kernel", 40)]
    assert open_all(x, ids, method="pls") == [("primal by QR", 6)]
    spread = float(((x - x.mean("stimulus")) ** 2).sum())
    limit = np.finfo(float).eps * spread / 1e-6
    assert open_all(x, ids, alphas=np.array([limit * 0.9, 1.0])) == [("primal by QR", 6)]
    assert open_all(x, ids, alphas=np.array([limit * 1.1, 1.0])) == [("primal", 6)]


def test_tiny_penalties_are_told_and_give_least_squares(rng):
    x, responses = build_problem(rng)
    scores = fit_encoding(x, responses, alphas=[1e-12], cv=4, n_splits=0, predictions=True)
    assert scores.attrs["solver"] == "primal by QR (6 features)"
    train = scores.stimulus_fold.values != 0
    wide = np.column_stack([np.ones(40), x.values.astype(float)])
    weights = np.linalg.lstsq(wide[train], responses.values[train], rcond=None)[0]
    found = scores.prediction.values[0][~train]
    np.testing.assert_allclose(found, wide[~train] @ weights, rtol=1e-8)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Activations of a network with an op of 4 and of 90 features, in memory and in a store."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(8, 90), torch.nn.ReLU(), torch.nn.Linear(90, 4))
    shown = np.random.default_rng(1).normal(size=(48, 8)).astype(np.float32)
    stimuli = nl.load_stimuli(shown)
    path = tmp_path_factory.mktemp("store") / "acts.zarr"
    nl.extract_activations(net, stimuli, store=path, batch_size=7, quiet=True)
    return nl.open_activations(path).load(), nl.open_activations(path)


@pytest.fixture
def responses(rng, store):
    ids = store[0].stimulus.values
    y = store[0]["2/linear"]["activation"].values @ rng.normal(size=(4, 6))
    y = y + rng.normal(size=y.shape)
    names = ["train"] * 30 + ["test"] * 10 + ["other"] * 8
    order = rng.permutation(48)
    return xr.DataArray(
        y[order],
        dims=("stimulus", "neuroid"),
        coords={
            "stimulus": ids[order],
            "neuroid_id": ("neuroid", list("abcdef")),
            "set": ("stimulus", np.array(names)[order]),
            "category": ("stimulus", np.repeat(list("uvwxyz"), 8)[order]),
        },
    )


@pytest.mark.parametrize("select", SELECTORS)
def test_a_store_gives_what_memory_gives(store, responses, select):
    acts, stored = store
    settings = {"cv": 4, "select": select, "predictions": True, "dual": True, "n_splits": 2}
    whole = fit_encoding(acts, responses, **settings)
    blocked = fit_encoding(stored, responses, memory=200, **settings)
    assert "features read in up to 7 blocks" in blocked.attrs["solver"]
    assert "blocks" not in whole.attrs["solver"]
    for name in whole.data_vars:
        if np.issubdtype(whole[name].dtype, np.number):
            np.testing.assert_allclose(blocked[name], whole[name], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("by", ["random", "groups", "one group at a time", "gap"])
def test_folds_of_any_kind(store, responses, by):
    acts, stored = store
    cv = {
        "random": 4,
        "groups": split_stimuli(responses, n_folds=3, by="category"),
        "one group at a time": "category",
        "gap": split_stimuli(responses, n_folds=3, contiguous=True, gap=3),
    }[by]
    whole = fit_encoding(acts, responses, cv=cv, n_splits=0)
    blocked = fit_encoding(stored, responses, cv=cv, n_splits=0, memory=300)
    np.testing.assert_allclose(blocked.r, whole.r, rtol=1e-7)
    np.testing.assert_allclose(blocked.alpha, whole.alpha, rtol=1e-9)


@pytest.mark.parametrize("by", [None, "category"])
def test_named_sets_from_a_store(store, responses, by):
    acts, stored = store
    whole = fit_test_sets(acts, responses, split="set", by=by)
    blocked = fit_test_sets(stored, responses, split="set", by=by, memory=300)
    for name, scores in whole.items():
        assert "features read in up to" in blocked[name].attrs["solver"]
        np.testing.assert_allclose(blocked[name].r, scores.r, rtol=1e-7)
        np.testing.assert_allclose(blocked[name].alpha, scores.alpha, rtol=1e-9)


def test_permutations_from_a_store(store, responses):
    acts, stored = store
    settings = {"cv": 4, "n_permutations": 99, "keep_null": True}
    whole = permute_encoding(acts, responses, **settings)
    # Of the op of 90 features that is a tenth.
    blocked = permute_encoding(stored, responses, memory=48 * 4 * 8, **settings)
    np.testing.assert_allclose(blocked.score, whole.score, rtol=1e-7)
    np.testing.assert_allclose(blocked.null_score, whole.null_score, rtol=1e-6)


def test_features_that_must_be_in_memory_and_are_larger_are_refused(store, responses):
    stored = store[1]
    words = "has 4 features of 48 stimuli, which .* needs in memory together: 1,536 bytes"
    with pytest.raises(InputError, match=words.replace(".*", "permute_encoding")):
        permute_encoding(stored, responses, cv=4, n_permutations=5, memory=1535)
    with pytest.raises(InputError, match=words.replace(".*", "method='pls'")):
        fit_encoding(stored, responses, cv=4, method="pls", n_components=2, memory=1535)
    with pytest.raises(InputError, match=words.replace(".*", "the smallest of alphas")):
        fit_encoding(stored, responses, cv=4, alphas=[1e-12], memory=1535)
    fit_encoding(stored, responses, cv=4, method="pls", n_components=2, memory=1536)


def test_one_op_is_in_memory_at_a_time(rng, monkeypatch):
    """What was read of an op is gone before the next one is read."""
    import gc
    import weakref

    from neurolens.compare.encoding.ops import sources

    alive = weakref.WeakSet()
    most = []
    blocks = sources.FeatureBlocks

    class Watched(blocks):
        def __init__(self, *args):
            gc.collect()
            most.append(len(alive))
            alive.add(self)
            super().__init__(*args)

    monkeypatch.setattr(sources, "FeatureBlocks", Watched)
    x, responses = build_problem(rng)
    fit_encoding(build_tree({f"op{k}": x for k in range(4)}), responses, n_splits=0)
    assert most == [0, 0, 0, 0]
