"""Weights of features from dual weights, and the features that are not those of the fit."""

import numpy as np
import pytest
from brains import build_grams, build_tree, label_features, label_responses

from neurolens.compare import compute_encoding_weights, fit_encoding
from neurolens.errors import InputError


def plant(rng, mean=0.0):
    x = rng.normal(size=(30, 8)) + mean
    y = x @ rng.normal(size=(8, 3)) + rng.normal(size=(30, 3))
    return label_features(x), label_responses(y)


@pytest.mark.parametrize("mean", [0.0, 300.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_of_the_grams_that_were_fitted_are_known_again(rng, mean, dtype):
    features, responses = plant(rng, mean)
    grams = build_grams({"model": features})
    grams["gram"] = grams["gram"].astype(dtype)
    scores = fit_encoding(grams, responses, alphas=[1.0], dual=True, n_splits=0)
    found = compute_encoding_weights(scores, features)
    direct = fit_encoding(features, responses, alphas=[1.0], dual=True, n_splits=0)
    right = compute_encoding_weights(direct, features)
    np.testing.assert_allclose(found.weight, right.weight, atol=1e-6 if mean == 0 else 0.2)


@pytest.mark.parametrize("change", [lambda x: x * 1.01, np.abs, lambda x: x[:, :7]])
def test_other_features_of_the_same_stimuli_are_refused(rng, change):
    features, responses = plant(rng)
    scores = fit_encoding(features, responses, dual=True, n_splits=0)
    with pytest.raises(
        InputError, match=r"is not what was fitted: squared distances .* of the same op and reducer"
    ):
        compute_encoding_weights(scores, change(features))


def test_the_op_of_features_without_a_name_is_that_which_they_name_later(rng):
    features, responses = plant(rng)
    named = build_tree({"1/relu": features})["1/relu"]["activation"]
    scores = fit_encoding(named, responses, dual=True, n_splits=0)
    assert scores.op.values.tolist() == ["model"]
    assert compute_encoding_weights(scores, named).attrs["op"] == "1/relu"


def test_attributes_say_how_the_fit_was_made(rng):
    features, responses = plant(rng)
    repeated = label_responses(
        np.repeat(responses.values, 2, axis=0), ids=np.repeat(features.stimulus.values, 2)
    )
    scores = fit_encoding(features, repeated, dual=True, select="loo", n_splits=0)
    encoder = compute_encoding_weights(scores, features)
    expected = {"op": "model", "estimator": "ridge regression", "select": "loo", "n_repeats": 2}
    assert encoder.attrs == {**expected, "n_stimuli": 30}
