"""Held-out predictions of encoding, against fits repeated in a loop, and their geometry."""

import numpy as np
import oracles
import pytest
import xarray as xr
from brains import build_grams, build_tree, label_features, label_responses
from form import check_form
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge

from neurolens.compare import COMPARATORS, compare_predicted, fit_encoding, split_stimuli
from neurolens.compare.encoding.predicted_rsa import score_geometry
from neurolens.errors import InputError, LabelError, UnknownNameError

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
            peer = Ridge(alpha=float(scores.alpha[0, k, v])).fit(
                features[train], responses[train, v]
            )
            expected[test, v] = peer.predict(features[test])
    found = scores.prediction.sel(op="model", stimulus=features.stimulus.values)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_array_equal(found.stimulus_fold, fold)
    assert found.neuroid_id.values.tolist() == responses.neuroid_id.values.tolist()


@pytest.mark.parametrize(
    "settings", [{"method": "pls", "n_components": 3}, {"select": "folds", "n_splits": 2}]
)
def test_scores_are_those_of_the_predictions(rng, settings):
    features, responses = build_problem(rng)
    scores = fit_encoding(
        build_grams({"a": -features, "b": features**2}), responses, predictions=True, **settings
    )
    plain = fit_encoding(build_grams({"a": -features, "b": features**2}), responses, **settings)
    xr.testing.assert_identical(scores.drop_vars("prediction").reset_coords("stimulus_fold"), plain)
    for op, v in np.ndindex(2, 6):
        pairs = [
            (
                responses.values[scores.stimulus_fold == k, v],
                scores.prediction.values[op, scores.stimulus_fold == k, v],
            )
            for k in range(5)
        ]
        assert float(scores.r[op, v]) == pytest.approx(
            oracles.mean([oracles.pearson(*pair) for pair in pairs])
        )


def test_form_of_every_answer(rng):
    features, responses = build_problem(rng)
    predicted = fit_encoding(features, responses, n_splits=0, predictions=True).prediction
    predicted[:, :3] = np.nan
    found = compare_predicted(predicted, responses, metric="euclidean", comparator="spearman")
    check_form(found)
    expected = {
        "method": "predicted-rsa",
        "measure": "spearman",
        "dissimilarity": "euclidean",
        "estimator": "ridge regression",
        "n_stimuli": 27,
        "interval_kind": "none",
        "ceiling_bound": "none",
    }
    assert expected.items() <= found.attrs.items()
    own = compare_predicted(predicted.drop_attrs(), responses)
    assert "estimator" not in own.attrs
    timed = xr.concat([responses, responses * 2], "time_bin")
    both = fit_encoding(features, timed, n_splits=0, predictions=True).prediction
    found = compare_predicted(both, timed)
    check_form(found, timed=True)
    expected = {
        "method": "predicted-rsa",
        "measure": "rho-a",
        "dissimilarity": "correlation",
        "estimator": "ridge regression",
        "n_stimuli": 30,
    }
    assert expected.items() <= found.attrs.items()


class TestPredicted:
    def build_measured(self, rng, n=12) -> xr.DataArray:
        return xr.DataArray(
            rng.normal(size=(n, 8)),
            dims=("stimulus", "neuroid"),
            coords={
                "stimulus": [f"s{i}" for i in range(n)],
                "neuroid_id": ("neuroid", [f"n{k}" for k in range(8)]),
                "region": ("neuroid", ["V1"] * 4 + ["IT"] * 4),
                "subject": ("neuroid", ["A"] * 8),
            },
        )

    def test_each_region_against_its_own(self, rng):
        measured = self.build_measured(rng)
        predicted = measured + rng.normal(size=measured.shape)
        found = compare_predicted(predicted, measured).score
        pairs = np.triu_indices(12, 1)
        for region, part in (("V1", slice(0, 4)), ("IT", slice(4, 8))):
            x, y = (1 - np.corrcoef(side.values[:, part]) for side in (predicted, measured))
            # Without ties rho-a is Spearman's.
            expected = spearmanr(x[pairs], y[pairs]).statistic
            assert found.sel(op="model", region=region, subject="A").item() == pytest.approx(
                expected
            )

    def test_matched_by_id(self, rng):
        measured = self.build_measured(rng)
        predicted = measured.drop_vars(["region", "subject"]).expand_dims(op=["a", "b"])
        moved = predicted.isel(stimulus=rng.permutation(12), neuroid=rng.permutation(8))
        np.testing.assert_allclose(compare_predicted(moved, measured).score, 1)

    def test_pairs_within_folds(self, rng):
        measured = self.build_measured(rng)
        fold = np.repeat([0, 1], 6)
        # Each fold's predictions are rotated and shifted separately, so distances between folds are
        # wrong.
        turned = measured + 10 * np.outer(fold, rng.normal(size=8))
        with_folds = compare_predicted(
            turned.assign_coords(fold=("stimulus", fold)), measured, metric="euclidean"
        ).score
        np.testing.assert_allclose(with_folds, 1)
        assert compare_predicted(turned, measured, metric="euclidean").score.max() < 0.9

    def test_planted_ops_of_encoding(self, rng):
        """Neuroids are numbered anew in each subject; one is constant.

        Some stimuli are always trained on.
        """
        ops = {
            name: label_features(rng.normal(size=(60, 6)))
            for name in ("early/relu", "late/relu", "none/relu")
        }
        signal = [ops[op].values @ rng.normal(size=(6, 20)) for op in ("early/relu", "late/relu")]
        labels = {
            "region": ["V1"] * 20 + ["IT"] * 20,
            "subject": ["A", "B"] * 20,
            "neuroid_id": np.arange(40) // 2,
        }
        measured = xr.DataArray(
            np.hstack(signal) + rng.normal(size=(60, 40)),
            dims=("stimulus", "neuroid"),
            coords={"stimulus": ops["none/relu"].stimulus}
            | {name: ("neuroid", at) for name, at in labels.items()},
        )
        measured[:, 3] = 2.0
        fold = split_stimuli(measured, n_folds=4)
        fold[:5] = -1
        with pytest.warns(RuntimeWarning, match="no change over presentations in 1: 1"):
            scores = fit_encoding(build_tree(ops), measured, cv=fold, predictions=True, n_splits=0)
        order = rng.permutation(60), rng.permutation(40)
        found = compare_predicted(
            scores["prediction"], measured[order[0]][:, order[1]], comparator="spearman"
        ).score
        assert found.idxmax("op").transpose("region", "subject").sel(
            region=["V1", "IT"]
        ).values.tolist() == [
            ["early/relu"] * 2,
            ["late/relu"] * 2,
        ]
        assert found.max("op").min() > 0.6
        assert abs(found.sel(op="none/relu")).max() < 0.3
        here = (
            (np.array(labels["region"]) == "V1")
            & (np.array(labels["subject"]) == "B")
            & (np.arange(40) != 3)
        )
        expected = []
        for k in range(4):
            pairs = np.triu_indices((fold == k).sum(), 1)
            sides = [
                side[fold.values == k][:, here]
                for side in (scores.prediction.values[1], measured.values)
            ]
            expected.append(
                spearmanr(*((1 - np.corrcoef(side))[pairs] for side in sides)).statistic
            )
        assert float(found.sel(op="late/relu", region="V1", subject="B")) == pytest.approx(
            np.mean(expected)
        )

    @pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean"])
    def test_op_that_predicts_the_mean_is_named_and_spoils_no_other(self, rng, metric):
        measured = self.build_measured(rng, 24)
        ops = {"live/relu": label_features(measured.values + rng.normal(size=(24, 8)))}
        alone = fit_encoding(build_tree(ops), measured, cv=3, predictions=True).prediction
        ops["dead/relu"] = ops["live/relu"] * 0
        with pytest.warns(RuntimeWarning, match="'dead/relu: 8 of 8 neuroids'"):
            both = fit_encoding(build_tree(ops), measured, cv=3, predictions=True).prediction
        whole = compare_predicted(alone, measured, metric=metric).score
        named = "no score for 'dead/relu in V1, A', 'dead/relu in IT, A': in some fold the predictions do not vary"
        with pytest.warns(RuntimeWarning, match=named):
            found = compare_predicted(both, measured, metric=metric).score
        assert found.sel(op="dead/relu").isnull().all()
        np.testing.assert_array_equal(found.sel(op="live/relu"), whole.sel(op="live/relu"))

    def test_rounding_is_no_geometry(self, rng):
        target = rng.random(50 * 49 // 2)
        for _ in range(20):
            equal = np.tile(rng.normal(size=33) + 3, (50, 1))
            assert np.isnan(score_geometry(equal, target, "correlation", COMPARATORS["pearson"]))

    def test_errors(self, rng):
        measured = self.build_measured(rng)
        with pytest.raises(
            LabelError, match="predicted and measured must hold the same 8 neuroids"
        ):
            compare_predicted(measured.isel(neuroid=slice(4)), measured)
        with pytest.raises(LabelError, match="measured and predicted must hold the same 11 ids"):
            compare_predicted(measured.isel(stimulus=slice(11)), measured)
        with pytest.raises(LabelError, match="must both have 'neuroid_id'"):
            compare_predicted(measured.drop_vars("neuroid_id"), measured)
        with pytest.raises(
            InputError, match=r"predicted must be a DataArray, got Dataset\. .*predictions=True"
        ):
            compare_predicted(measured.to_dataset(name="prediction"), measured)
        with pytest.raises(UnknownNameError, match="no metric named 'crossnobis'"):
            compare_predicted(measured, measured, metric="crossnobis")
        broken = measured.copy()
        broken[2, 3] = np.nan
        with pytest.raises(
            InputError,
            match=r"what op 'model' predicts must be finite, .* stimuli 's2'; neuroids 'n3'",
        ):
            compare_predicted(broken, measured)
