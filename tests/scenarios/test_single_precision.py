"""What is compared of Grams whose products are float32 is what features themselves give."""

import warnings

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import neurolens as nl
from neurolens.compare import compare_models
from neurolens.compare.alignment.grams import list_rounding
from neurolens.compare.inputs.features import read_gram
from neurolens.compare.stats.linalg import bound_rounding

N_STIMULI = 60


class Branches(nn.Module):
    """Features of few directions, with a large pattern that all stimuli share, and rectified."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.few = nn.Linear(20, 5)
        self.wide = nn.Linear(20, 400)
        self.shared = nn.Linear(20, 400)
        with torch.no_grad():
            self.shared.bias.copy_(1000 * torch.randn(400))

    def forward(self, x):
        return self.few(x), self.wide(x).relu(), self.shared(x)


OPS = ["few/linear", "/relu", "shared/linear"]


@pytest.fixture(scope="module")
def world():
    """Grams in both precisions, activations, and responses to the same stimuli."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((N_STIMULI, 20)).astype(np.float32)
    x[7] = x[3]
    stimuli = nl.load_stimuli(x)
    net = Branches()
    settings = {"ops": OPS, "batch_size": N_STIMULI, "quiet": True}
    single = nl.extract_grams(net, stimuli, **settings)
    double = nl.extract_grams(net, stimuli, precision="float64", **settings)
    activations = nl.extract_activations(net, stimuli, **settings)
    values = x[:, :3] @ generator.standard_normal((3, 6)) + generator.standard_normal((60, 6))
    values[7] = values[3]
    responses = xr.DataArray(
        values,
        dims=("presentation", "neuroid"),
        coords={"stimulus_id": ("presentation", single.stimulus.values)},
    )
    return single, double, activations, responses


@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean"])
def test_distances_are_within_the_stated_error(world, metric):
    single, double, activations, _ = world
    found = nl.compute_rdms(single, metric=metric)
    from_features = nl.compute_rdms(activations, metric=metric)
    for op in single.op.values:
        expected = from_features.sel(op=op).values
        if op != "shared/linear" or metric == "euclidean":
            scale = max(1.0, expected.max())
            np.testing.assert_allclose(found.sel(op=op), expected, atol=1e-5 * scale)
        # Differences of a millionth of what stimuli share are there in either precision.
        exact = nl.compute_rdms(double, metric=metric).sel(op=op).values
        is_apart = ~np.eye(N_STIMULI, dtype=bool)
        is_apart[3, 7] = is_apart[7, 3] = False
        assert (exact[is_apart] > 0).all()
        np.testing.assert_allclose(found.sel(op=op), exact, atol=1e-4 * exact.max())
        assert (found.sel(op=op).values[is_apart] > 0).all()


def test_stimuli_that_are_the_same_are_at_distance_0(world):
    rdms = nl.compute_rdms(world[0])
    assert (rdms.values[:, 3, 7] == 0).all()


@pytest.mark.parametrize(
    "comparator", ["cka", "cka-unbiased", "cca", "procrustes", "linear-predictivity"]
)
def test_alignments_are_those_of_exact_grams(world, comparator):
    single, double, _, _ = world
    found = compare_models(single, single, comparator=comparator)
    exact = compare_models(double, double, comparator=comparator)
    np.testing.assert_allclose(found, exact, atol=1e-4)


def test_directions_that_features_do_not_have_predict_nothing(world):
    """Their eigenvalues are rounding, which a small penalty would take for features."""
    single, double, activations, responses = world
    settings = {"alphas": [1e-9, 1e-6, 1e-3], "n_splits": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, exact, features = (
            nl.fit_encoding(data, responses, **settings)
            for data in (
                single.sel(op=["few/linear"]),
                double.sel(op=["few/linear"]),
                activations.match("few/linear"),
            )
        )
    np.testing.assert_allclose(found.score, exact.score, atol=1e-4)
    np.testing.assert_allclose(found.score, features.score, atol=1e-4)


def test_rounding_goes_with_stimuli_and_operations(world):
    single = world[0]
    whole = np.stack(list_rounding(single, read_gram(single, "gram")))
    order = [9, 2, 40, 17]
    some = single.isel(stimulus=order, stimulus_2=order, op=[2, 0])
    np.testing.assert_array_equal(
        np.stack(list_rounding(some, read_gram(some, "gram"))), whole[np.ix_([2, 0], order)]
    )
    ids = some.stimulus.values[::-1]
    turned = list_rounding(some, read_gram(some, "gram", ids))
    np.testing.assert_array_equal(np.stack(turned), whole[np.ix_([2, 0], order[::-1])])
    one = some.isel(op=0)
    np.testing.assert_array_equal(list_rounding(one, read_gram(one, "gram"))[0], whole[2, order])


def test_rounding_is_that_of_residuals_where_these_are_known():
    gram = np.diag([1e6, 4e6])
    np.testing.assert_allclose(bound_rounding(gram, 1e-6, None), [4, 16])
    found = bound_rounding(gram, 1e-6, np.array([2.0, 3.0]))
    np.testing.assert_allclose(found, [2e-6, 3e-6], rtol=1e-2)


def test_methods_tell_the_precision(world):
    rdms = nl.compute_rdms(world[0])
    assert rdms.attrs["precision"] == "float32"
    brain = nl.compute_rdms(world[3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = nl.compare_rdms(rdms, brain).attrs["methods_text"]
    assert "Products of features are float32, their sums float64." in text
