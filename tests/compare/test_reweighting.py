import numpy as np
import pytest
import xarray as xr
from brains import build_tree, label_features
from scipy.stats import spearmanr
from squares import draw_square, label_squares

from neurolens.compare import (
    COMPARATORS,
    compare_predicted,
    compute_rdms,
    fit_encoding,
    fit_reweighted_rdms,
    split_stimuli,
)
from neurolens.compare.reweighting import PENALTIES, _fit_weights, _score_geometry
from neurolens.errors import InputError, LabelError, UnknownNameError


def build_features(rng, n=24, p=5) -> xr.DataArray:
    ids = [f"s{i}" for i in range(n)]
    return xr.DataArray(rng.normal(size=(n, p)), dims=("stimulus", "unit"), coords={"stimulus": ids})


class TestReweighting:
    def test_planted_weights(self, rng):
        features = build_features(rng)
        weights = np.array([2.0, 0, 0, 1, 0])
        brain = compute_rdms(features * np.sqrt(weights), metric="euclidean")
        found = fit_reweighted_rdms(features, brain)
        assert found.score.item() == pytest.approx(1, abs=1e-3)
        assert (found.weight.values[0, 0] > 0.1).tolist() == [True, False, False, True, False]
        assert found.weight.min() >= 0

    def test_noise_scores_zero_on_average(self, rng):
        """Fitting on pairs with one test stimulus would score well above zero here."""
        scores = []
        for _ in range(25):
            offset = rng.random(20)
            square = offset[:, None] + offset + 0.1 * draw_square(rng, 20)
            np.fill_diagonal(square, 0)
            model = build_features(rng, 20, 15)
            scores.append(fit_reweighted_rdms(model, label_squares(square)).score.item())
        assert abs(np.mean(scores)) < 3 * np.std(scores) / 5

    def test_no_test_stimulus_in_any_training_pair(self, rng):
        """Changing every pair with a test stimulus changes no prediction of that fold, so its score follows by hand."""
        features = build_features(rng, 16, 8)
        brain = label_squares(draw_square(rng, 16))
        first = fit_reweighted_rdms(features, brain)
        test = np.flatnonzero(first.fold_member.values[0])
        changed = brain.copy(deep=True)
        rest = np.setdiff1d(np.arange(16), test)
        noise = rng.random((len(test), len(rest)))
        changed.values[np.ix_(test, rest)] += noise
        changed.values[np.ix_(rest, test)] += noise.T
        second = fit_reweighted_rdms(features, changed)
        assert first.fold_score.values[0] == pytest.approx(second.fold_score.values[0], abs=1e-12)
        assert first.fold_score.values[1] != pytest.approx(second.fold_score.values[1], abs=1e-6)

    def test_ops_are_components_too(self, rng):
        model = label_squares([draw_square(rng, 12) for _ in "abc"], op=list("abc"))
        brain = (2 * model.sel(op="b", drop=True)).expand_dims(subject=["A"])
        found = fit_reweighted_rdms(model, brain, n_folds=3)
        assert found.component.values[found.weight.values.argmax()] == "b"
        assert found.score.item() == pytest.approx(1, abs=0.01)

    def test_weights_minimise_the_error(self, rng):
        z, d = rng.random((40, 4)), rng.random(40)
        weight = _fit_weights(z, d, PENALTIES[3])

        def loss(w):
            left = (d - d.mean()) - (z - z.mean(axis=0)) @ w
            return left @ left + PENALTIES[3] * 40 * w @ w

        for _ in range(200):
            assert loss(weight) <= loss(np.maximum(weight + 0.01 * rng.normal(size=4), 0)) + 1e-12

    def test_all_weights_zero_is_no_score_and_is_named(self, rng):
        square = draw_square(rng, 16)
        against = 2 - square - 2 * np.eye(16)
        model = label_squares([square], op=["a"])
        sides = label_squares([[square, against], [square, square]], region=["V1", "IT"], subject=["A", "B"])
        with pytest.warns(RuntimeWarning, match="^no score for 'V1, B': in some fold all weights are 0"):
            found = fit_reweighted_rdms(model, sides)
        assert found.score.isnull().values.tolist() == [[False, True], [False, False]]
        assert found.weight.sel(region="V1", subject="B").item() == 0

    def test_penalty_of_alternating_categories(self, rng):
        """Were every other stimulus a half, no half would know of the categories, which are all that there is."""
        values = rng.normal(size=(24, 4))
        values[:, 0] = np.arange(24) % 2
        noise = draw_square(rng, 24)
        brain = label_squares((values[:, :1] != values[:, 0]) + 0.3 * noise)
        model = build_features(rng, 24, 4).copy(data=values)
        assert float(fit_reweighted_rdms(model, brain).weight[0, 0, 0]) > 0.4
        xr.testing.assert_identical(*(fit_reweighted_rdms(model, brain, rng=3) for _ in range(2)))

    def test_errors(self, rng):
        brain = label_squares(draw_square(rng, 9))
        with pytest.raises(InputError, match="got 4 folds of 9 stimuli"):
            fit_reweighted_rdms(build_features(rng, 9), brain)
        with pytest.raises(LabelError, match="must hold the same 12 ids"):
            fit_reweighted_rdms(build_features(rng, 12), brain)
        model = label_squares([draw_square(rng, 12)], op=["a"]) * np.nan
        with pytest.raises(InputError, match="hold NaN"):
            fit_reweighted_rdms(model, label_squares(draw_square(rng, 12)))


class TestPredicted:
    def build_measured(self, rng, n=12) -> xr.DataArray:
        return (
            build_features(rng, n, 8)
            .rename(unit="neuroid")
            .assign_coords(
                neuroid_id=("neuroid", [f"n{k}" for k in range(8)]),
                region=("neuroid", ["V1"] * 4 + ["IT"] * 4),
                subject=("neuroid", ["A"] * 8),
            )
        )

    def test_each_region_against_its_own(self, rng):
        measured = self.build_measured(rng)
        predicted = measured + rng.normal(size=measured.shape)
        found = compare_predicted(predicted, measured)
        pairs = np.triu_indices(12, 1)
        for region, part in (("V1", slice(0, 4)), ("IT", slice(4, 8))):
            x, y = (1 - np.corrcoef(side.values[:, part]) for side in (predicted, measured))
            expected = np.corrcoef(x[pairs], y[pairs])[0, 1]
            assert found.sel(op="model", region=region, subject="A").item() == pytest.approx(expected)

    def test_matched_by_id(self, rng):
        measured = self.build_measured(rng)
        predicted = measured.drop_vars(["region", "subject"]).expand_dims(op=["a", "b"])
        moved = predicted.isel(stimulus=rng.permutation(12), neuroid=rng.permutation(8))
        np.testing.assert_allclose(compare_predicted(moved, measured), 1)

    def test_pairs_within_folds(self, rng):
        measured = self.build_measured(rng)
        fold = np.repeat([0, 1], 6)
        # Each fold's predictions are turned and shifted on their own: between folds no distance is right.
        turned = measured + 10 * np.outer(fold, rng.normal(size=8))
        with_folds = compare_predicted(turned.assign_coords(fold=("stimulus", fold)), measured, metric="euclidean")
        np.testing.assert_allclose(with_folds, 1)
        assert float(compare_predicted(turned, measured, metric="euclidean").max()) < 0.9

    def test_planted_ops_of_encoding(self, rng):
        """Neuroids are numbered anew in each subject; one is constant, and some stimuli are always trained on."""
        ops = {name: label_features(rng.normal(size=(60, 6))) for name in ("early/relu", "late/relu", "none/relu")}
        signal = [ops[op].values @ rng.normal(size=(6, 20)) for op in ("early/relu", "late/relu")]
        labels = {"region": ["V1"] * 20 + ["IT"] * 20, "subject": ["A", "B"] * 20, "neuroid_id": np.arange(40) // 2}
        measured = xr.DataArray(
            np.hstack(signal) + rng.normal(size=(60, 40)),
            dims=("stimulus", "neuroid"),
            coords={"stimulus": ops["none/relu"].stimulus} | {name: ("neuroid", at) for name, at in labels.items()},
        )
        measured[:, 3] = 2.0
        fold = split_stimuli(measured, n_folds=4)
        fold[:5] = -1
        with pytest.warns(RuntimeWarning, match="no change over presentations in 1: 1"):
            scores = fit_encoding(build_tree(ops), measured, cv=fold, predictions=True)
        order = rng.permutation(60), rng.permutation(40)
        found = compare_predicted(scores["prediction"], measured[order[0]][:, order[1]], comparator="spearman")
        assert found.idxmax("op").transpose("region", "subject").sel(region=["V1", "IT"]).values.tolist() == [
            ["early/relu"] * 2,
            ["late/relu"] * 2,
        ]
        assert found.max("op").min() > 0.6
        assert abs(found.sel(op="none/relu")).max() < 0.3
        here = (np.array(labels["region"]) == "V1") & (np.array(labels["subject"]) == "B") & (np.arange(40) != 3)
        expected = []
        for k in range(4):
            pairs = np.triu_indices((fold == k).sum(), 1)
            sides = [side[fold.values == k][:, here] for side in (scores.prediction.values[1], measured.values)]
            expected.append(spearmanr(*((1 - np.corrcoef(side))[pairs] for side in sides)).statistic)
        assert float(found.sel(op="late/relu", region="V1", subject="B")) == pytest.approx(np.mean(expected))

    @pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean"])
    def test_op_that_predicts_the_mean_is_named_and_spoils_no_other(self, rng, metric):
        measured = self.build_measured(rng, 24)
        ops = {"live/relu": label_features(measured.values + rng.normal(size=(24, 8)))}
        alone = fit_encoding(build_tree(ops), measured, cv=3, predictions=True).prediction
        ops["dead/relu"] = ops["live/relu"] * 0
        with pytest.warns(RuntimeWarning, match="'dead/relu: 8 of 8 neuroids'"):
            both = fit_encoding(build_tree(ops), measured, cv=3, predictions=True).prediction
        whole = compare_predicted(alone, measured, metric=metric)
        named = "no score for 'dead/relu in V1, A', 'dead/relu in IT, A': in some fold the predictions do not vary"
        with pytest.warns(RuntimeWarning, match=named):
            found = compare_predicted(both, measured, metric=metric)
        assert found.sel(op="dead/relu").isnull().all()
        np.testing.assert_array_equal(found.sel(op="live/relu"), whole.sel(op="live/relu"))

    def test_rounding_is_no_geometry(self, rng):
        target = rng.random(50 * 49 // 2)
        for _ in range(20):
            equal = np.tile(rng.normal(size=33) + 3, (50, 1))
            assert np.isnan(_score_geometry(equal, target, "correlation", COMPARATORS["pearson"]))

    def test_errors(self, rng):
        measured = self.build_measured(rng)
        with pytest.raises(LabelError, match="predicted and measured must hold the same 8 neuroids"):
            compare_predicted(measured.isel(neuroid=slice(4)), measured)
        with pytest.raises(LabelError, match="measured and predicted must hold the same 11 ids"):
            compare_predicted(measured.isel(stimulus=slice(11)), measured)
        with pytest.raises(LabelError, match="must both have 'neuroid_id'"):
            compare_predicted(measured.drop_vars("neuroid_id"), measured)
        with pytest.raises(InputError, match=r"predicted must be a DataArray, got Dataset\. .*predictions=True"):
            compare_predicted(measured.to_dataset(name="prediction"), measured)
        with pytest.raises(UnknownNameError, match="no metric named 'crossnobis'"):
            compare_predicted(measured, measured, metric="crossnobis")
        broken = measured.copy()
        broken[2, 3] = np.nan
        with pytest.raises(
            InputError, match=r"what op 'model' predicts must be finite, .* stimuli 's2'; neuroids 'n3'"
        ):
            compare_predicted(broken, measured)
