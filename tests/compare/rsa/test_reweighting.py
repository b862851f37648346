import warnings

import numpy as np
import pytest
import xarray as xr
from form import check_form
from hypothesis import given
from hypothesis import strategies as st
from squares import draw_square, label_squares, measure_square

from neurolens.compare import compute_rdms, fit_reweighted_rdms
from neurolens.compare.rsa.reweighting import PENALTIES, deal_folds, fit_weights
from neurolens.errors import InputError, LabelError


def build_features(rng, n=24, p=5) -> xr.DataArray:
    ids = [f"s{i}" for i in range(n)]
    return xr.DataArray(
        rng.normal(size=(n, p)), dims=("stimulus", "unit"), coords={"stimulus": ids}
    )


@given(n=st.integers(4, 30), n_folds=st.integers(2, 6), seed=st.integers(0, 2**32 - 1))
def test_folds_and_halves_of_their_training_stimuli(n, n_folds, seed):
    fold_of, half = deal_folds(n, n_folds, np.random.default_rng(seed))
    sizes = np.bincount(fold_of, minlength=n_folds)
    assert len(sizes) == n_folds
    assert sizes.max() - sizes.min() <= 1
    assert half.shape == (n_folds + 1, n)
    for fold, row in enumerate(half):
        assert ((row == -1) == (fold_of == fold)).all()
        assert set(row) <= {-1, 0, 1}
        assert 0 <= (row == 0).sum() - (row == 1).sum() <= 1


def test_halves_are_random(rng):
    half = np.stack([deal_folds(12, 3, rng)[1] for _ in range(400)])
    for row in half.swapaxes(0, 1):
        kept = row >= 0
        share = (row == 1).sum(axis=0) / kept.sum(axis=0)
        assert (abs(share - 0.5) < 0.12).all()
    assert len({one.tobytes() for one in half}) == 400


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
        """Changing every pair with a test stimulus changes no prediction of that fold.

        So its score can be computed by hand.
        """
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
        weight = fit_weights(z, d, PENALTIES[3])

        def loss(w):
            left = (d - d.mean()) - (z - z.mean(axis=0)) @ w
            return left @ left + PENALTIES[3] * 40 * w @ w

        for _ in range(200):
            assert loss(weight) <= loss(np.maximum(weight + 0.01 * rng.normal(size=4), 0)) + 1e-12

    def test_all_weights_zero_predict_nothing_and_score_0(self, rng):
        square = draw_square(rng, 16)
        against = 2 - square - 2 * np.eye(16)
        model = label_squares([square], op=["a"])
        sides = label_squares(
            [[square, against], [square, square]], region=["V1", "IT"], subject=["A", "B"]
        )
        for comparator in ("pearson", "cosine", "rho-a"):
            found = fit_reweighted_rdms(model, sides, comparator=comparator)
            assert (found.score == 0).values.tolist() == [[[False, True], [False, False]]]
        assert found.weight.sel(region="V1", subject="B").item() == 0

    def test_unrelated_rdms_score_0_on_average(self, rng):
        """Leaving out fits without weights would keep those that found some by luck."""
        scores = []
        for seed in range(40):
            first, second = rng.normal(size=(2, 16, 4))
            model = label_squares([measure_square(rng, first, np.eye(4), 0)], op=["a"])
            brain = label_squares(measure_square(rng, second, np.eye(4), 0))
            scores.append(fit_reweighted_rdms(model, brain, rng=seed).score.item())
        assert np.isfinite(scores).all()
        assert abs(np.mean(scores)) < 0.1

    def test_pairs_that_are_missing_are_not_used(self, rng):
        """Whatever they hold, weights and scores are the same."""
        model = label_squares([draw_square(rng, 16) for _ in "ab"], op=["a", "b"])
        brain = label_squares(model.values.sum(axis=0) + 0.1 * draw_square(rng, 16))
        spoiled = brain.copy(deep=True)
        for i, j in ((0, 1), (4, 9), (10, 15)):
            brain[i, j] = brain[j, i] = np.nan
            spoiled[i, j] = spoiled[j, i] = 50.0
        with pytest.warns(RuntimeWarning, match="some pairs are NaN in the RDMs of 'brain, group'"):
            found = fit_reweighted_rdms(model, brain)
        assert np.isfinite(found.fold_score).all()
        assert found.score.item() > 0.9
        assert fit_reweighted_rdms(model, spoiled).score.item() < found.score.item()
        gapped = model.copy(deep=True)
        gapped[0, 0, 1] = gapped[0, 1, 0] = np.nan
        with pytest.warns(RuntimeWarning, match="NaN in the RDMs of 'op a'|'brain, group'"):
            again = fit_reweighted_rdms(gapped, brain)
        np.testing.assert_allclose(again.score, found.score, atol=1e-3)

    def test_an_op_that_does_not_vary_gets_no_weight(self, rng):
        squares = [draw_square(rng, 16), np.zeros((16, 16)), 0.3 * (1 - np.eye(16))]
        model = label_squares(squares, op=["a", "dead", "flat"])
        found = fit_reweighted_rdms(model, label_squares(squares[0]))
        assert found.weight.values.ravel()[1:].tolist() == [0, 0]
        assert found.score.item() == pytest.approx(1)

    def test_penalty_of_alternating_categories(self, rng):
        """Halves of every other stimulus would each hold a single category.

        The categories are the only structure in these data.
        """
        values = rng.normal(size=(24, 4))
        values[:, 0] = np.arange(24) % 2
        noise = draw_square(rng, 24)
        brain = label_squares((values[:, :1] != values[:, 0]) + 0.3 * noise)
        model = build_features(rng, 24, 4).copy(data=values)
        assert float(fit_reweighted_rdms(model, brain).weight[0, 0, 0]) > 0.4
        xr.testing.assert_identical(*(fit_reweighted_rdms(model, brain, rng=3) for _ in range(2)))

    def test_form(self, rng):
        model = label_squares([draw_square(rng, 12) for _ in "abc"], op=list("abc"))
        model = model.assign_attrs(metric="euclidean")
        squares = [[draw_square(rng, 12) for _ in "AB"] for _ in "VI"]
        brain = label_squares(squares, region=["V1", "IT"], subject=["A", "B"])
        brain[1, 1] = np.nan
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "no score for")
            found = fit_reweighted_rdms(model, brain, n_folds=3)
        check_form(found)
        assert found.op.values.tolist() == ["reweighted"]
        assert found.fold_score.dims == ("fold", "op", "region", "subject")
        assert found.weight.dims == ("region", "subject", "component")
        xr.testing.assert_allclose(found.fold_score.mean("fold", skipna=False), found.score)
        np.testing.assert_allclose(found.score_mean[0, 0], found.score[0, 0].mean(skipna=False))
        np.testing.assert_allclose(found.score_mean[0, 1], found.score[0, 1, 0])
        assert found.attrs["dissimilarity"] == "euclidean"
        features = fit_reweighted_rdms(build_features(rng, 12), brain[0, 0], n_folds=3)
        assert features.attrs["dissimilarity"] == "squared difference of each feature"

    def test_mean_over_subjects_one_of_whom_has_no_score(self, rng):
        square = draw_square(rng, 16)
        seen = np.where(np.arange(16) < 3, 1, np.nan)
        brain = label_squares([square, square * seen * seen[:, None]], subject=["A", "B"])
        with pytest.warns(
            RuntimeWarning, match="NaN in the RDMs of 'brain, B'|no score for 'brain, B'"
        ):
            found = fit_reweighted_rdms(label_squares([square], op=["a"]), brain)
        assert np.isnan(found.score_mean.item())

    def test_each_time_bin_as_if_alone(self, rng):
        model = build_features(rng, 12)
        squares = [[draw_square(rng, 12) for _ in "VI"] for _ in range(2)]
        timed = label_squares(squares, time_bin=[50, 20], region=["V1", "IT"])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "no score for")
            found = fit_reweighted_rdms(model, timed, n_folds=3)
            alone = [fit_reweighted_rdms(model, one, n_folds=3) for one in timed]
        check_form(found, timed=True)
        for time, one in zip([50, 20], alone, strict=True):
            xr.testing.assert_allclose(
                found.sel(time_bin=time, drop=True).drop_attrs(),
                one.drop_attrs(),
            )

    def test_what_is_no_model(self, rng):
        brain = label_squares(draw_square(rng, 12))
        with pytest.raises(
            InputError, match=r"model must be a DataArray .* or RDMs .* got ndarray"
        ):
            fit_reweighted_rdms(brain.values, brain)
        with pytest.raises(InputError, match=r"n_folds must be a whole number, 2 or more, got '4'"):
            fit_reweighted_rdms(build_features(rng, 12), brain, n_folds="4")

    def test_errors(self, rng):
        brain = label_squares(draw_square(rng, 9))
        with pytest.raises(InputError, match="got 4 folds of 9 stimuli"):
            fit_reweighted_rdms(build_features(rng, 9), brain)
        with pytest.raises(LabelError, match="must hold the same 12 ids"):
            fit_reweighted_rdms(build_features(rng, 12), brain)
        model = label_squares([draw_square(rng, 12)], op=["a"]) * np.nan
        with pytest.raises(InputError, match="NaN throughout: 'a'"):
            fit_reweighted_rdms(model, label_squares(draw_square(rng, 12)))
