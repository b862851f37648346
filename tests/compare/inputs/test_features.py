"""Samples of a stochastic model: their mean is compared, or each counts as a presentation."""

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import neurolens as nl
from neurolens.compare.inputs.features import center_features, read_features
from neurolens.errors import InputError, LabelError
from neurolens.extract import select_results

N_SAMPLES = 6


class Noisy(nn.Module):
    def forward(self, x):
        return torch.sin(x * 2) + 0.7 * torch.randn_like(x)


@pytest.fixture(scope="module")
def stimuli():
    values = np.random.default_rng(5).standard_normal((8, 40)).astype(np.float32)
    return nl.load_stimuli(values)


@pytest.fixture(scope="module")
def activations(stimuli):
    return nl.extract_activations(Noisy(), stimuli, n_samples=N_SAMPLES, quiet=True)


def make_features(rng, **attrs):
    return xr.DataArray(
        rng.standard_normal((5, 3, 4)),
        dims=("stimulus", "sample", "feature"),
        coords={"stimulus": list("abcde")},
        attrs=attrs,
    )


def average(tree):
    """Return the tree with the mean over samples in place of samples."""
    nodes = {}
    for node in tree.subtree:
        if "activation" in node.data_vars:
            array = node["activation"]
            if "sample" in array.dims:
                attrs = {k: v for k, v in array.attrs.items() if k != "n_samples"}
                array = array.astype(float).mean("sample").assign_attrs(attrs)
            nodes[node.path] = array.drop_vars("sample", errors="ignore").to_dataset(
                name="activation"
            )
    return xr.DataTree.from_dict(nodes)


@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean"])
def test_rdms_are_those_of_the_mean_and_say_so(metric, activations, stimuli):
    rdms = nl.compute_rdms(activations, metric=metric)
    assert rdms.dims == ("op", "stimulus", "stimulus_2")
    assert rdms.attrs["samples"] == "mean of 6"
    expected = nl.compute_rdms(average(activations), metric=metric)
    np.testing.assert_allclose(rdms, expected, atol=1e-12)
    grams = nl.extract_grams(Noisy(), stimuli, n_samples=N_SAMPLES, quiet=True)
    from_grams = nl.compute_rdms(grams, metric=metric)
    np.testing.assert_allclose(rdms, from_grams.sel(op=rdms.op), atol=1e-6)
    assert from_grams.attrs["samples"] == "mean of 6"


def test_one_sample_is_compared_as_it_is(activations, stimuli):
    one = nl.extract_activations(Noisy(), stimuli, quiet=True)
    rdms = nl.compute_rdms(activations.isel(sample=0))
    np.testing.assert_array_equal(rdms, nl.compute_rdms(one))
    assert "samples" not in rdms.attrs


def test_samples_differ_where_random_numbers_feed(activations):
    names = {}
    for label, node in (("/sin", "sin"), ("/add", "add")):
        array = activations[node]["activation"]
        rows = array.values.reshape(8, -1, 40)  # (stimulus, sample or 1, feature)
        names[label] = (
            max(
                nl.compute_rdms(
                    xr.DataArray(
                        one, dims=("stimulus", "feature"), coords={"stimulus": range(len(one))}
                    ),
                    metric="euclidean",
                ).max()
                for one in rows
                if len(one) > 1
            )
            if rows.shape[1] > 1
            else 0
        )
    assert names["/sin"] == 0
    assert names["/add"] > 0.3


def test_scores_of_the_mean_say_so(activations, rng):
    responses = xr.DataArray(
        rng.standard_normal((8, 12)),
        dims=("stimulus", "neuroid"),
        coords={"stimulus": activations.stimulus.values.astype(object)},
    )
    scores = nl.compare_rdms(
        nl.compute_rdms(activations), nl.compute_rdms(responses), n_bootstrap=0
    )
    assert scores.attrs["samples"] == "mean of 6"
    fitted = nl.fit_encoding(activations, responses, cv=2, n_bootstrap=0)
    expected = nl.fit_encoding(average(activations), responses, cv=2, n_bootstrap=0)
    np.testing.assert_allclose(fitted.score, expected.score, atol=1e-9)
    assert fitted.attrs["samples"] == "mean of 6"


class TestCrossnobis:
    def test_it_takes_samples_for_runs(self, activations):
        """The mean over runs of products of differences, written out."""
        noisy = select_results(activations, "/add")
        rdm = nl.compute_rdms(noisy, metric="crossnobis", noise="identity").squeeze("op")
        values = activations["add"]["activation"].values.astype(float)
        expected = np.zeros((8, 8))
        for k in range(N_SAMPLES):
            here = values[:, k]
            rest = np.delete(values, k, 1).mean(1)
            for i in range(8):
                for j in range(8):
                    expected[i, j] += (here[i] - here[j]) @ (rest[i] - rest[j]) / 40 / N_SAMPLES
        np.testing.assert_allclose(rdm, expected, atol=1e-9)
        assert "samples" not in rdm.attrs
        assert rdm.attrs["noise"] == "identity"

    def test_it_leaves_no_bias_of_the_noise(self, rng):
        """Two groups of equal stimuli: within one, the distance is 0 on average."""
        few = np.random.default_rng(1).standard_normal((1, 600)).astype(np.float32)
        stimuli = nl.load_stimuli(np.repeat(few, 12, 0))
        acts = nl.extract_activations(Noisy(), stimuli, n_samples=3, ops="/add", quiet=True)
        pairs = np.triu_indices(12, 1)
        plain = nl.compute_rdms(acts, metric="euclidean").values[0][pairs]
        fair = nl.compute_rdms(acts, metric="crossnobis").values[0][pairs]
        assert plain.mean() == pytest.approx(2 * 0.49 / 3, rel=0.1)
        error = fair.std() / np.sqrt(11)
        assert abs(fair.mean()) < 4 * error

    def test_ops_without_samples_are_named(self, activations):
        with pytest.raises(InputError, match=r"op '/mul' holds each stimulus once"):
            nl.compute_rdms(activations, metric="crossnobis")


def test_an_axis_called_sample_is_never_taken_for_features(rng):
    with pytest.raises(LabelError, match=r"dimension 'sample'.*\.mean\('sample'\)"):
        nl.compute_rdms(make_features(rng))
    with pytest.raises(LabelError, match=r"rename\(sample='feature'\)"):
        read_features(make_features(rng), "features")
    renamed = make_features(rng).rename(sample="window")
    assert read_features(renamed, "features")[1].shape == (5, 12)
    assert read_features(make_features(rng, n_samples=3), "features")[1].shape == (5, 4)


def test_a_sample_in_which_an_op_did_not_run_is_told(rng):
    features = make_features(rng, n_samples=3)
    features[2, 1] = np.nan
    with pytest.raises(InputError, match="NaN or inf in stimuli 'c'"):
        nl.compute_rdms(features)


def test_whole_numbers_are_averaged_as_numbers(rng):
    counts = xr.DataArray(
        rng.integers(0, 2, (5, 3, 4)).astype(np.uint8),
        dims=("stimulus", "sample", "feature"),
        coords={"stimulus": list("abcde")},
        attrs={"n_samples": 3},
    )
    means = read_features(counts, "features")[1]
    np.testing.assert_allclose(means, counts.values.mean(1), rtol=1e-12)


def test_half_precision_beside_a_large_mean(rng):
    """Sums of squares that half precision does not hold make no op constant."""
    values = (30 + 5 * rng.normal(size=(40, 200))).astype(np.float16)
    assert len(values) * (values.astype(float).mean(axis=0) ** 2).sum() > np.finfo(np.float16).max
    kernel = center_features(values, 0).values
    centered = values.astype(float) - values.astype(float).mean(axis=0)
    np.testing.assert_allclose(kernel, centered @ centered.T, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(center_features(values, 300).values, centered, atol=1e-9)
