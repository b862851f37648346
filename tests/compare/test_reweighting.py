import numpy as np
import pytest
import xarray as xr
from squares import draw_square, label_squares

from neurolens.compare import compare_predicted, compute_rdms, fit_reweighted_rdms
from neurolens.compare.reweighting import PENALTIES, _fit_weights
from neurolens.errors import InputError, LabelError


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
        features = build_features(rng, 16, 3)
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

    def test_errors(self, rng):
        measured = self.build_measured(rng)
        with pytest.raises(LabelError, match="predicted and measured must hold the same 8 neuroids"):
            compare_predicted(measured.isel(neuroid=slice(4)), measured)
        with pytest.raises(LabelError, match="measured and predicted must hold the same 11 ids"):
            compare_predicted(measured.isel(stimulus=slice(11)), measured)
        with pytest.raises(LabelError, match="must both have 'neuroid_id'"):
            compare_predicted(measured.drop_vars("neuroid_id"), measured)
