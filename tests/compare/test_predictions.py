"""Held-out predictions of encoding, against fits repeated in a loop."""

import numpy as np
import oracles
import pytest
import xarray as xr
from brains import build_grams, label_features, label_responses
from sklearn.linear_model import Ridge

from neurolens import fit_encoding, split_stimuli

ALPHAS = np.logspace(-2, 4, 4)


def build_problem(rng):
    """Return features (stimulus, 12) and responses (presentation, neuroid) that follow them."""
    features = rng.normal(size=(30, 12))
    responses = features @ rng.normal(size=(12, 6)) / np.sqrt(12) + rng.normal(size=(30, 6)) + 5
    return label_features(features), label_responses(responses, region=["V1", "IT"] * 3)


def test_predictions_of_sklearn_at_the_chosen_penalty(rng):
    features, responses = build_problem(rng)
    responses[:, 2] = 1.0
    fold = split_stimuli(responses, n_folds=3)
    fold[:4] = -1
    with pytest.warns(RuntimeWarning, match="no change over presentations in 1: 'n2'"):
        scores = fit_encoding(features, responses[::-1], cv=fold, alphas=ALPHAS, predictions=True)
    expected = np.full((30, 6), np.nan)
    for k in range(3):
        train, test = fold.values != k, fold.values == k
        for v in (0, 1, 3, 4, 5):
            peer = Ridge(alpha=float(scores.alpha[0, k, v])).fit(features[train], responses[train, v])
            expected[test, v] = peer.predict(features[test])
    found = scores.prediction.sel(op="model", stimulus=features.stimulus.values)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_array_equal(found.stimulus_fold, fold)
    assert found.neuroid_id.values.tolist() == responses.neuroid_id.values.tolist()


@pytest.mark.parametrize("settings", [{"method": "pls", "n_components": 3}, {"select": "folds", "n_splits": 2}])
def test_scores_are_those_of_the_predictions(rng, settings):
    features, responses = build_problem(rng)
    scores = fit_encoding(build_grams({"a": -features, "b": features**2}), responses, predictions=True, **settings)
    plain = fit_encoding(build_grams({"a": -features, "b": features**2}), responses, **settings)
    xr.testing.assert_identical(scores.drop_vars("prediction").reset_coords("stimulus_fold"), plain)
    for op, v in np.ndindex(2, 6):
        pairs = [
            (responses.values[scores.stimulus_fold == k, v], scores.prediction.values[op, scores.stimulus_fold == k, v])
            for k in range(5)
        ]
        assert float(scores.r[op, v]) == pytest.approx(oracles.mean([oracles.pearson(*pair) for pair in pairs]))
