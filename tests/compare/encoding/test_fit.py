import os
import re
import warnings
from pathlib import Path

import numpy as np
import oracles
import pytest
import torch
import xarray as xr
from brains import build_grams, build_tree, label_features, label_responses
from form import check_form
from scipy.io import loadmat
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import Ridge

from neurolens import assign_regions, compute_rdms, fit_encoding
from neurolens.compare import (
    compute_encoding_weights,
    compute_ncsnr,
    compute_split_half,
    normalize_scores,
    split_stimuli,
)
from neurolens.compare.encoding.models.accuracy import explain_variance, measure_fold
from neurolens.compare.stats.correlation import correlate_columns
from neurolens.errors import InputError, LabelError, UnknownNameError

ALPHAS = np.logspace(-2, 4, 4)
MIRROR = os.environ.get("NEUROLENS_MIRROR")


def build_problem(rng, n=30, p=12, v=6, noise=1.0):
    """Return features (stimulus, p) and responses (presentation, neuroid) that follow them."""
    x = rng.normal(size=(n, p))
    y = x @ rng.normal(size=(p, v)) / np.sqrt(p) + noise * rng.normal(size=(n, v)) + 5
    regions, subjects = ["V1", "V1", "IT", "IT", "V1", "IT"][:v], ["A", "A", "A", "B", "B", "A"][:v]
    return label_features(x), label_responses(y, region=regions, subject=subjects)


def repeat_responses(responses, noise, rng, n_repeats=3):
    """Return each presentation ``n_repeats`` times with noise of its own, in a random order."""
    parts = []
    for k in range(n_repeats):
        part = responses + noise * rng.normal(size=responses.shape)
        parts.append(part.assign_coords(repetition=("presentation", [k] * len(part))))
    joined = xr.concat(parts, "presentation")
    return joined.isel(presentation=rng.permutation(joined.sizes["presentation"]))


class TestOracles:
    @pytest.mark.parametrize("select", ["gcv", "loo", "folds"])
    def test_loops(self, rng, select):
        features, responses = build_problem(rng)
        scores = fit_encoding(features, responses, cv=3, alphas=ALPHAS, select=select)
        r, r2, alpha = oracles.encode(
            features.values, responses.values, scores.stimulus_fold.values, ALPHAS, select
        )
        np.testing.assert_allclose(scores.r.values[0], r, atol=1e-9)
        np.testing.assert_allclose(scores.r2.values[0], r2, atol=1e-9)
        np.testing.assert_allclose(scores.alpha.values[0], alpha)
        assert len(np.unique(alpha)) > 1
        assert scores.attrs["select"] == select

    def test_default_penalties_are_ratios_from_1e_minus_4_to_1e5_by_tens(self, rng):
        """Each is chosen by some of many neuroids, which go from no noise to nothing but noise."""
        features = label_features(3 * rng.normal(size=(60, 40)))
        signal = features.values @ rng.normal(size=(40, 4000)) / np.sqrt(40)
        noise = np.logspace(-4, 5, 4000) * rng.normal(size=(60, 4000))
        responses = label_responses(signal + noise)
        for select in ("gcv", "loo", "folds"):
            scores = fit_encoding(features, responses, cv=3, select=select, n_splits=0)
            chosen = set()
            for k, alpha in enumerate(scores.alpha.values[0]):
                train = features.values[scores.stimulus_fold.values != k]
                unit = train.var(axis=0).sum()
                chosen |= set(np.round(np.log10(alpha / unit), 6).tolist())
            assert chosen == set(range(-4, 6))

    def test_pls_has_25_components_by_default(self, rng):
        features = label_features(rng.normal(size=(60, 50)))
        responses = label_responses(
            features.values @ rng.normal(size=(50, 3)) + rng.normal(size=(60, 3))
        )
        scores = fit_encoding(features, responses, cv=2, method="pls", n_splits=0)
        fold = scores.stimulus_fold.values
        r = []
        for k in range(2):
            train, test = fold != k, fold == k
            peer = PLSRegression(25, scale=False, tol=1e-24, max_iter=100_000)
            found = peer.fit(features.values[train], responses.values[train]).predict(
                features.values[test]
            )
            r.append(
                [
                    oracles.pearson(a, b)
                    for a, b in zip(responses.values[test].T, found.T, strict=True)
                ]
            )
        np.testing.assert_allclose(scores.r.values[0], np.mean(r, axis=0), atol=1e-7)
        for n_components in (24, 26):
            other = fit_encoding(
                features, responses, cv=2, method="pls", n_components=n_components, n_splits=0
            )
            assert abs(other.r - scores.r).max() > 1e-6

    def test_pls_of_sklearn_on_the_features_themselves(self, rng):
        features, responses = build_problem(rng, p=50)
        scores = fit_encoding(features, responses, cv=3, method="pls", n_components=4)
        fold = scores.stimulus_fold.values
        for region, subject in (("V1", "A"), ("IT", "A")):
            here = ((responses.region == region) & (responses.subject == subject)).values
            r = []
            for k in range(3):
                train, test = fold != k, fold == k
                y = responses.values[:, here]
                peer = PLSRegression(4, scale=False, tol=1e-24, max_iter=100_000).fit(
                    features.values[train], y[train]
                )
                found = peer.predict(features.values[test])
                r.append([oracles.pearson(a, b) for a, b in zip(y[test].T, found.T, strict=True)])
            np.testing.assert_allclose(scores.r.values[0, here], np.mean(r, axis=0), atol=1e-7)
        assert np.isnan(scores.alpha.values).all()

    def test_weights_of_sklearn(self, rng):
        features, responses = build_problem(rng)
        scores = fit_encoding(features, responses[::-1], alphas=[3.0], dual=True)
        found = compute_encoding_weights(scores, features)
        peer = Ridge(alpha=3.0).fit(features.values, responses.values)
        np.testing.assert_allclose(found.weight.values, peer.coef_.T, atol=1e-10)
        np.testing.assert_allclose(found.intercept.values, peer.intercept_, atol=1e-10)

    def test_mean_of_fold_correlations_is_not_biased_as_a_pooled_one_is(self, rng):
        """On noise, correlations per fold average to zero.

        Correlations of predictions pooled over folds fall below zero.
        """
        features, _ = build_problem(rng, n=40, p=60)
        responses = label_responses(rng.normal(size=(40, 400)))
        scores = fit_encoding(features, responses, n_splits=0)
        assert abs(scores.score.item()) < 0.02
        fold = scores.stimulus_fold.values
        pooled = np.empty(responses.shape)
        for k in range(5):
            pooled[fold == k] = responses.values[fold != k].mean(axis=0)
        low = [oracles.pearson(a, b) for a, b in zip(responses.values.T, pooled.T, strict=True)]
        assert np.mean(low) < -0.1


class TestTruth:
    def test_the_planted_op_and_the_planted_neuroids_are_found(self, rng):
        ops = {f"layer{k}/relu": label_features(rng.normal(size=(120, 3, 4, 4))) for k in range(4)}
        flat = ops["layer2/relu"].values.reshape(120, -1)
        signal = flat @ rng.normal(size=(48, 20)) / np.sqrt(48)
        signal[:, 10:] = 0
        responses = label_responses(
            signal + 0.5 * rng.normal(size=(120, 20)), region=["IT"] * 10 + ["V1"] * 10
        )
        scores = fit_encoding(build_tree(ops), responses, rng=1, n_splits=0)
        assert scores.op.values[scores.score_mean.sel(region="IT").values.argmax()] == "layer2/relu"
        assert (scores.r.sel(op="layer2/relu").values[:10] > 0.5).all()
        assert abs(float(scores.score.sel(op="layer2/relu", region="V1").squeeze())) < 0.1
        # A voxel without signal is best predicted by its mean, which is the largest penalty.
        alpha = scores.alpha.sel(op="layer2/relu")
        assert alpha[:, 10:].median() > 100 * alpha[:, :10].median()

    def test_a_default_penalty_is_the_ratio_of_noise_to_signal(self, rng):
        features = label_features(rng.normal(size=(400, 60)) * 50)
        signal = features.values @ rng.normal(size=(60, 200))
        signal /= signal.std(axis=0)
        scores = fit_encoding(
            features,
            label_responses(signal + np.sqrt(10) * rng.normal(size=signal.shape)),
            cv=2,
            n_splits=0,
        )
        unit = 50**2 * 60
        assert float(np.median(scores.alpha) / unit) == pytest.approx(10, rel=0.2)

    def test_normalised_score_of_the_true_model_is_one(self, rng):
        features = label_features(rng.normal(size=(1000, 4)))
        signal = features.values @ rng.normal(size=(4, 60))
        signal /= signal.std(axis=0)
        responses = repeat_responses(label_responses(signal), 2.0, rng)
        ncsnr = xr.DataArray(
            np.full(60, 0.5), dims="neuroid", coords={"neuroid_id": responses.neuroid_id}
        ).assign_attrs(kind="ncsnr")
        for measure in ("r", "r2"):
            scores = fit_encoding(features, responses, ceiling=ncsnr, metric=measure, n_splits=0)
            assert float(scores.score_normalised.squeeze()) == pytest.approx(1, abs=0.05)
            # NC of a mean of 3: .25 / (.25 + 1/3).
            share = 0.25 / (0.25 + 1 / 3)
            assert float(scores.ceiling_upper[0]) == pytest.approx(
                np.sqrt(share) if measure == "r" else share
            )


class TestShape:
    def test_every_route_agrees(self, rng):
        x, responses = build_problem(rng)
        arrays = {
            "conv/conv2d": x.rename(axis_0="channel"),
            "relu/relu": np.maximum(x, 0).rename(axis_0="channel"),
        }
        from_grams = fit_encoding(build_grams(arrays), responses)
        xr.testing.assert_allclose(fit_encoding(build_tree(arrays), responses), from_grams)
        assert from_grams.op.values.tolist() == list(arrays)
        for op, array in arrays.items():
            one = fit_encoding(array, responses)
            assert one.op.values.tolist() == ["model"]
            np.testing.assert_allclose(one.r.values[0], from_grams.r.sel(op=op).values)
            single = fit_encoding(build_grams(arrays).sel(op=op), responses)
            assert single.op.values.tolist() == [op]
            np.testing.assert_allclose(single.r.values[0], from_grams.r.sel(op=op).values)

    def test_answer(self, rng):
        features, responses = build_problem(rng)
        responses = responses.assign_coords(voxel_x=("neuroid", range(6)))
        scores = fit_encoding(features, responses, n_splits=0)
        assert scores.score.dims == ("op", "region", "subject")
        assert scores.region.values.tolist() == ["V1", "IT"]
        assert scores.subject.values.tolist() == ["A", "B"]
        assert scores.n_neuroids.values.tolist() == [[2, 1], [2, 1]]
        expected = scores.r.values[0][[2, 5]].mean()
        assert float(scores.score.sel(region="IT", subject="A").squeeze()) == pytest.approx(
            expected
        )
        np.testing.assert_allclose(scores.score_mean, scores.score.mean("subject"))
        assert scores.neuroid_region.values.tolist() == responses.region.values.tolist()
        assert scores.neuroid_subject.values.tolist() == responses.subject.values.tolist()
        assert scores.voxel_x.values.tolist() == list(range(6))
        assert (scores.attrs["measure"], scores.attrs["estimator"]) == ("r", "ridge regression")
        assert scores.attrs["interval_kind"] == "none"
        for name in ("ci_low", "ci_high", "ceiling_lower", "ceiling_upper"):
            assert np.isnan(scores[name].values).all()

    def test_a_region_that_a_subject_lacks_is_nan(self, rng):
        features, responses = build_problem(rng)
        scores = fit_encoding(features, responses.isel(neuroid=[0, 3]))
        assert np.isnan(scores.score.squeeze().values).tolist() == [[False, True], [True, False]]
        assert scores.n_neuroids.values.tolist() == [[1, 0], [0, 1]]
        assert np.isfinite(scores.score_mean.values).all()

    def test_order_of_stimuli_and_presentations_does_not_matter(self, rng):
        features, responses = build_problem(rng)
        folds = split_stimuli(responses)
        plain = fit_encoding(features, responses, cv=folds)
        moved = fit_encoding(
            features[rng.permutation(30)], responses[rng.permutation(30)], cv=folds[::-1]
        )
        np.testing.assert_allclose(moved.r, plain.r)

    def test_repeats_are_averaged_and_held_out_together(self, rng):
        features, responses = build_problem(rng)
        repeated = repeat_responses(responses, 1.0, rng)
        means = repeated.groupby("stimulus_id").mean().sel(stimulus_id=features.stimulus.values)
        means = means.rename(stimulus_id="stimulus").drop_vars("repetition", errors="ignore")
        folds = split_stimuli(means)
        scores = fit_encoding(features, repeated, cv=folds)
        np.testing.assert_allclose(scores.r, fit_encoding(features, means, cv=folds).r)
        assert scores.attrs["n_repeats"] == pytest.approx(3)
        assert scores.sizes["stimulus"] == 30

    def test_a_seed_repeats(self, rng):
        features, responses = build_problem(rng)
        xr.testing.assert_identical(
            fit_encoding(features, responses, rng=5), fit_encoding(features, responses, rng=5)
        )
        assert not fit_encoding(features, responses, rng=6).r.equals(
            fit_encoding(features, responses, rng=5).r
        )

    def test_folds_by_a_coordinate(self, rng):
        features, responses = build_problem(rng)
        responses = responses.assign_coords(
            category=("presentation", np.repeat(["a", "b", "c"], 10))
        )
        scores = fit_encoding(features, responses, cv="category", select="folds")
        np.testing.assert_array_equal(scores.stimulus_fold.values, np.repeat([0, 1, 2], 10))

    def test_a_fixed_test_set(self, rng):
        features, responses = build_problem(rng)
        fold = xr.DataArray(
            np.repeat([-1, 0], [20, 10]), dims="stimulus", coords={"stimulus": features.stimulus}
        )
        scores = fit_encoding(features, responses, cv=fold, alphas=[1.0])
        found = (
            Ridge(alpha=1.0)
            .fit(features.values[:20], responses.values[:20])
            .predict(features.values[20:])
        )
        expected = [
            oracles.pearson(a, b) for a, b in zip(responses.values[20:].T, found.T, strict=True)
        ]
        np.testing.assert_allclose(scores.r.values[0], expected)

    def test_integer_features_and_float32(self, rng):
        _, responses = build_problem(rng)
        values = rng.integers(0, 255, size=(30, 12))
        whole = fit_encoding(label_features(values.astype(np.uint8)), responses)
        np.testing.assert_allclose(
            whole.r, fit_encoding(label_features(values.astype(float)), responses).r
        )

    def test_weights_keep_the_axes_of_the_map(self, rng):
        _, responses = build_problem(rng)
        maps = label_features(rng.normal(size=(30, 2, 3, 3)).astype(np.float32)).rename(
            axis_0="channel", axis_1="y", axis_2="x"
        )
        tree = build_tree({"conv/conv2d": maps, "relu/relu": np.maximum(maps, 0)})
        scores = fit_encoding(tree, responses, alphas=[1.0], dual=True)
        found = compute_encoding_weights(scores, tree["relu/relu"]["activation"])
        assert found.attrs["op"] == "relu/relu"
        assert found.weight.dims == ("channel", "y", "x", "neuroid")
        predicted = xr.dot(np.maximum(maps, 0), found.weight) + found.intercept
        peer = Ridge(alpha=1.0).fit(np.maximum(maps.values, 0).reshape(30, -1), responses.values)
        np.testing.assert_allclose(
            predicted, peer.predict(np.maximum(maps.values, 0).reshape(30, -1)), atol=1e-5
        )


class TestBadResponses:
    def test_neuroids_that_cannot_be_predicted_get_nan_and_are_named(self, rng):
        features, responses = build_problem(rng)
        whole = fit_encoding(features, responses)
        responses[3, 1] = np.nan
        responses[:, 2] = 4.0
        responses[0, 3] = np.inf
        with pytest.warns(
            RuntimeWarning,
            match=r"get NaN \(no response to some stimulus in 1: 'n1'; an infinite response in 1: "
            r"'n3'; no change .* in 1: 'n2'\)",
        ):
            scores = fit_encoding(features, responses, dual=True)
        assert np.isnan(scores.r.values[0]).tolist() == [False, True, True, True, False, False]
        kept = [0, 4, 5]
        np.testing.assert_allclose(scores.r.values[0, kept], whole.r.values[0, kept])
        assert scores.n_neuroids.values.tolist() == [[1, 1], [1, 0]]
        assert np.isnan(scores.score.sel(region="IT", subject="B").values).all()
        assert np.isnan(compute_encoding_weights(scores, features).weight[:, 1:4]).all()

    def test_a_stimulus_without_any_response(self, rng):
        features, responses = build_problem(rng)
        responses[4] = np.nan
        with pytest.raises(InputError, match=r"every neuroid is NaN for stimuli 's4'\. Drop those"):
            fit_encoding(features, responses)

    def test_presentations_that_were_not_recorded_cost_nothing(self, rng):
        """Means are over those that were; ceilings are for as many as each neuroid has."""
        features, _ = build_problem(rng)
        n = features.sizes["stimulus"]
        ids = features.stimulus.values.tolist()
        signal = features.values.reshape(n, -1)[:, :3]
        trials = signal + 0.5 * rng.normal(size=(4, n, 3))
        trials[0, ::2, 1] = np.nan
        trials[1, ::4, 1] = np.nan
        responses = label_responses(trials.reshape(-1, 3), ids=ids * 4)
        means = label_responses(np.nanmean(trials, axis=0), ids=ids)
        found = fit_encoding(features, responses, cv=3)
        np.testing.assert_allclose(found.r, fit_encoding(features, means, cv=3).r)
        repeats = n / (n / 2 / 4 + n / 4 / 3 + n / 4 / 2)
        np.testing.assert_allclose(found.neuroid_repeats, [4, repeats, 4], rtol=0.02)
        assert found.attrs["n_repeats"] == 4
        ncsnr = compute_ncsnr(responses)
        share = ncsnr.values**2 / (ncsnr.values**2 + 1 / found.neuroid_repeats.values)
        scored = fit_encoding(features, responses, cv=3, ceiling=ncsnr)
        np.testing.assert_allclose(scored.normalised[0], found.r[0] / np.sqrt(share))
        np.testing.assert_allclose(
            normalize_scores(found.r, ncsnr)[0], scored.normalised[0], rtol=1e-9
        )
        assert "other numbers where some were not recorded" in scored.attrs["ceiling_note"]
        for k in (0, 2):
            assert share[k] == pytest.approx(ncsnr.values[k] ** 2 / (ncsnr.values[k] ** 2 + 1 / 4))
        fit_encoding(features, responses, cv=3, ceiling=compute_split_half(responses, n_splits=5))

    def test_labels_that_are_missing_make_no_group(self, rng):
        features, responses = build_problem(rng)
        ids = responses.stimulus_id.values.astype(object)
        ids[[3, 5]] = np.nan
        blank = responses.assign_coords(stimulus_id=("presentation", ids))
        for call in (compute_rdms, compute_ncsnr, lambda array: fit_encoding(features, array)):
            with pytest.raises(
                LabelError,
                match=r"'stimulus_id' of responses .* 2 of 30 are NaN or None, .* place 3",
            ):
                call(blank)
        regions = responses.region.values.astype(object)
        regions[4] = None
        for call in (compute_rdms, lambda array: fit_encoding(features, array)):
            with pytest.raises(
                LabelError, match=r"'region' of neuroids .* 1 of 6 are NaN or None, .* place 4"
            ):
                call(responses.assign_coords(region=("neuroid", regions)))

    def test_nothing_to_predict(self, rng):
        features, responses = build_problem(rng)
        with (
            pytest.warns(RuntimeWarning, match="no change over presentations in 6"),
            pytest.raises(InputError, match="no neuroid that can be predicted, of 6"),
        ):
            fit_encoding(features, responses * 0)

    def test_a_neuroid_constant_within_a_fold_has_no_score(self, rng):
        features, responses = build_problem(rng)
        fold = split_stimuli(responses)
        responses[:, 0] = 1.0 * (fold.values == 0) * np.arange(30)
        with pytest.warns(
            RuntimeWarning, match=r"do not vary in some fold: 'model: 1 of 6 neuroids'"
        ):
            scores = fit_encoding(features, responses, cv=fold)
        assert np.isnan(scores.r.values[0]).tolist() == [True] + [False] * 5

    @pytest.mark.parametrize("value", [0.0, 0.1])
    def test_an_op_that_does_not_vary_has_no_correlation(self, rng, value):
        features, responses = build_problem(rng)
        tree = build_tree({"dead/relu": features * 0 + value, "live/relu": features})
        for method in ("ridge", "pls"):
            with pytest.warns(RuntimeWarning, match=r"'dead/relu: 6 of 6 neuroids'"):
                scores = fit_encoding(tree, responses, method=method, n_components=3, n_splits=0)
            assert np.isnan(scores.r.sel(op="dead/relu")).all()
            assert np.isfinite(scores.r.sel(op="live/relu")).all()
            assert (scores.r2.sel(op="dead/relu") <= 0).all()

    def test_types_and_labels(self, rng):
        features, responses = build_problem(rng)
        with pytest.raises(InputError, match=r"responses must be a DataArray .* got ndarray"):
            fit_encoding(features, responses.values)
        with pytest.raises(
            InputError, match="responses must be real numbers, got dtype complex128"
        ):
            fit_encoding(features, responses * 1j)
        with pytest.raises(LabelError, match=r"no 'stimulus_id' on 'presentation'"):
            fit_encoding(features, responses.drop_vars("stimulus_id"))
        with pytest.raises(LabelError, match=r"must have dimensions \('presentation', 'neuroid'\)"):
            fit_encoding(features, responses.expand_dims(echo=2))
        with pytest.raises(
            LabelError, match=r"the responses must hold the same 29 ids .* only in .*: 's0'"
        ):
            fit_encoding(features, responses[1:])
        with pytest.raises(LabelError, match="only in the feature array: 's0'"):
            fit_encoding(build_tree({"a/relu": features})["a/relu"]["activation"], responses[1:])

    def test_an_index_of_many_levels_is_read(self, rng):
        features, responses = build_problem(rng)
        stacked = responses.set_index(
            neuroid=["neuroid_id", "region"], presentation=["stimulus_id", "repetition"]
        )
        np.testing.assert_allclose(
            fit_encoding(features, stacked).r, fit_encoding(features, responses).r
        )


class TestBadFeatures:
    def test_values(self, rng):
        features, responses = build_problem(rng)
        with pytest.raises(InputError, match="must be real numbers, got dtype complex128"):
            fit_encoding(features * 1j, responses)
        broken = features.copy()
        broken[2, 0] = np.nan
        with pytest.raises(InputError, match=r"the feature array must be finite, .* stimuli 's2'"):
            fit_encoding(broken, responses)
        with pytest.raises(InputError, match=r"the Gram of op 'a' must be finite, .* stimuli"):
            fit_encoding(build_grams({"a": broken}), responses)

    def test_types(self, rng):
        features, responses = build_problem(rng)
        with pytest.raises(
            InputError, match=r"features must be a Dataset of Grams, .* got ndarray"
        ):
            fit_encoding(features.values, responses)
        with pytest.raises(InputError, match="holds no 'gram', only 'row_sum', 'n_features'"):
            fit_encoding(build_grams({"a": features}).drop_vars("gram"), responses)
        with pytest.raises(InputError, match="no variable 'activation'"):
            fit_encoding(xr.DataTree(), responses)
        with pytest.raises(LabelError, match="must be unique.*'s0'"):
            fit_encoding(features.assign_coords(stimulus=["s0"] * 30), responses)

    def test_labels_are_no_features(self, rng):
        features, responses = build_problem(rng)
        gram = build_grams({"a": features, "b": features})["gram"]
        for call in (compute_rdms, lambda array: fit_encoding(array, responses)):
            with pytest.raises(
                LabelError,
                match="features of one op, got .* of which 'op', 'stimulus_2' is no axis",
            ):
                call(gram)
            with pytest.raises(LabelError, match="of which 'stimulus_2' is no axis of features"):
                call(gram.isel(op=0))

    def test_a_gram_of_rounding_predicts_nothing(self, rng):
        """Rounding of an op that never varies is larger in single than in double precision."""
        features, responses = build_problem(rng)
        grams = build_grams({"a": features, "b": features * 0 + 30})
        left = rng.normal(size=(30, 3))
        grams["gram"][1] += 1e-7 * float(grams.gram[1].mean()) * left @ left.T
        assert np.isfinite(fit_encoding(grams, responses).score).all()
        with pytest.warns(
            RuntimeWarning,
            match="no score, because .* do not vary in some fold: 'b: 6 of 6 neuroids'",
        ):
            scores = fit_encoding(grams.assign_attrs(eps=np.finfo(np.float32).eps), responses)
        assert np.isnan(scores.score.sel(op="b")).all()
        assert np.isfinite(scores.score.sel(op="a")).all()


def test_what_is_constant_but_for_rounding_has_no_score():
    flat = torch.tensor([0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2], dtype=torch.float64)
    real = torch.arange(4, dtype=torch.float64)
    x, y = torch.stack([flat, real], dim=1), torch.stack([real, real], dim=1)
    assert flat.max() > flat.min()
    assert np.isnan(correlate_columns(x, y).numpy()).tolist() == [True, False]
    assert np.isnan(correlate_columns(y, x).numpy()).tolist() == [True, False]
    accuracy = measure_fold(x, y, torch.tensor([0.3, 1.0], dtype=torch.float64))
    r2 = explain_variance(accuracy.residual[None], accuracy.total[None])
    assert np.isnan(r2.numpy()).tolist() == [True, False]


class TestPooling:
    """R^2 over all held-out stimuli, scores over neuroids."""

    def test_r2_of_small_folds_is_what_was_planted(self, rng):
        """Divided by the variance of five stimuli at a time, it would be far below 0."""
        space = rng.normal(size=(25, 2))
        values = space @ rng.normal(size=(2, 300))
        values = values / values.std(axis=0) + rng.normal(size=(25, 300))
        scores = fit_encoding(
            label_features(space), label_responses(values), metric="r2", predictions=True
        )
        fold, found = scores.stimulus_fold.values, scores.prediction.values[0]
        base = np.stack([values[fold != k].mean(axis=0) for k in fold])
        expected = 1 - ((values - found) ** 2).sum(axis=0) / ((values - base) ** 2).sum(axis=0)
        np.testing.assert_allclose(scores.r2[0], expected, atol=1e-9)
        assert 0.3 < scores.score.item() < 0.55
        # Whoever predicts the training mean explains nothing: not less, in folds of any size.
        dead = label_features(space * 0)
        with pytest.warns(RuntimeWarning, match="no r, because responses or predictions"):
            none = fit_encoding(dead, label_responses(values), metric="r2", n_splits=0)
        np.testing.assert_allclose(none.r2, 0, atol=1e-12)

    def test_r_is_smaller_in_small_folds_as_is_told(self, rng):
        space = rng.normal(size=(100, 1))
        responses = label_responses(space * np.ones(1000) + rng.normal(size=(100, 1000)))
        found = {}
        for cv in (2, 20):
            scores = fit_encoding(label_features(space), responses, cv=cv, n_splits=0)
            found[cv] = scores.score.item()
        assert "within folds of 5 held-out" in scores.attrs["score_note"]
        assert "1 - (1 - r^2) / 8" in scores.attrs["methods_text"]
        true = np.sqrt(0.5)
        assert found[20] == pytest.approx(true * (1 - 0.5 / 8), abs=0.05)
        assert found[2] == pytest.approx(true, abs=0.03)
        assert found[20] < found[2] - 0.03

    @pytest.mark.parametrize("metric", ["r", "r2"])
    def test_median_over_neuroids(self, rng, metric):
        features, responses = build_problem(rng)
        responses = responses.assign_coords(
            region=("neuroid", ["V1"] * 5 + ["IT"]), subject=("neuroid", ["A"] * 6)
        )
        responses[3, 4] = np.nan
        with pytest.warns(RuntimeWarning, match="no response to some stimulus in 1"):
            scores = fit_encoding(features, responses, metric=metric, aggregate="median")
        expected = np.median(scores[metric].values[0, :4])
        assert scores.score.sel(region="V1").item() == pytest.approx(expected)
        half = scores.split_subject_score.sel(region="V1")
        assert np.isfinite(half).all()
        assert scores.attrs["aggregate"] == "median"
        assert "median over neuroids" in scores.attrs["methods_text"]
        with pytest.raises(UnknownNameError, match="no aggregate named 'max'"):
            fit_encoding(features, responses, aggregate="max")


class TestSides:
    @pytest.mark.parametrize("settings", [{}, {"select": "folds"}, {"method": "pls"}])
    def test_features_and_their_gram_give_the_same_answer(self, rng, settings):
        x, responses = build_problem(rng, n=60)
        settings = {"cv": 3, "n_components": 4, "predictions": True, "n_splits": 2} | settings
        settings["dual"] = settings.get("method") != "pls"
        primal = fit_encoding(build_tree({"a/relu": x}), responses, **settings)
        kernel = fit_encoding(build_grams({"a/relu": x}), responses, **settings)
        side = "primal by QR" if settings.get("method") == "pls" else "primal"
        assert primal.attrs["solver"] == f"{side} (12 features)"
        assert kernel.attrs["solver"] == "kernel (60 stimuli)"
        for name in primal.data_vars:
            if np.issubdtype(primal[name].dtype, np.number):
                np.testing.assert_allclose(
                    primal[name], kernel[name], atol=1e-7 if "boot" in name else 1e-9
                )

    def test_more_features_than_training_stimuli_go_through_the_kernel(self, rng):
        x, responses = build_problem(rng, n=30, p=24)
        assert fit_encoding(x, responses).attrs["solver"] == "kernel (30 stimuli)"
        assert fit_encoding(x[:, :23], responses).attrs["solver"] == "primal (23 features)"

    def test_an_op_that_is_constant_but_for_the_rounding_of_its_dtype_predicts_nothing(self, rng):
        _, responses = build_problem(rng)
        flat = (30 + 1e-6 * rng.normal(size=(30, 4))).astype(np.float32)
        assert len(np.unique(flat)) > 1
        for p in (4, 40):
            dead = label_features(np.tile(flat, p // 4))
            with pytest.warns(RuntimeWarning, match="'model: 6 of 6 neuroids'"):
                scores = fit_encoding(dead, responses, n_splits=0)
            assert np.isnan(scores.score).all()


class TestNormalised:
    @pytest.mark.parametrize("share", [0.1, 0.3, 0.7])
    @pytest.mark.parametrize("metric", ["r", "r2"])
    def test_true_features_reach_one_though_half_of_the_neuroids_are_noise(
        self, rng, share, metric
    ):
        """The mean of ceilings that are cut at 0 would put it at .7 or less where noise is large."""
        n, v = 120, 600
        space = rng.normal(size=(n, 1))
        signal = space * np.r_[np.zeros(v // 2), np.full(v // 2, np.sqrt(share / (1 - share) / 2))]
        both = (signal + rng.normal(size=(2, n, v))).reshape(-1, v)
        responses = label_responses(both, ids=[f"s{i}" for i in range(n)] * 2)
        scores = fit_encoding(
            label_features(space),
            responses,
            ceiling=compute_ncsnr(responses),
            metric=metric,
            n_splits=0,
        )
        error = scores.score_normalised_se.item()
        assert 0 < error < 0.2
        assert abs(scores.score_normalised.item() - 1) < 0.06 + 3 * error
        assert "not cut at 0" in scores.attrs["normalization_note"]

    def test_nothing_but_noise_has_no_share(self, rng):
        responses = label_responses(rng.normal(size=(60, 40)), ids=[f"s{i}" for i in range(30)] * 2)
        ceiling = compute_ncsnr(responses)
        with pytest.warns(RuntimeWarning, match="not by two standard errors"):
            scores = fit_encoding(
                label_features(rng.normal(size=(30, 3))), responses, ceiling=ceiling, n_splits=0
            )
        assert np.isnan(scores.score_normalised).all()

    def test_neuroids_below_the_threshold_have_no_share_of_their_own(self, rng):
        features, responses = build_problem(rng)
        ceiling = TestCeilings().build_ceiling(responses, kind="r2", n_repeats=1)
        ceiling.values[:] = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4]
        for least, lost in ((0.1, 1), (0.0, 0), (0.25, 4)):
            scores = fit_encoding(features, responses, ceiling=ceiling, min_ceiling=least)
            assert int(np.isnan(scores.normalised).sum()) == lost
            assert f"{lost} of 6 neuroids" in scores.attrs["normalization_note"]
        with pytest.raises(InputError, match="min_ceiling must be a share of variance"):
            fit_encoding(features, responses, ceiling=ceiling, min_ceiling=10)


class TestSettings:
    def test_ends_of_the_grid_are_named(self, rng):
        features, responses = build_problem(rng, noise=0.01)
        with pytest.warns(
            RuntimeWarning,
            match=r"the lowest in 'model: 100.0% of the fits'\. A better one may lie beyond",
        ):
            fit_encoding(features, responses, alphas=[10.0, 1000.0])
        features, responses = build_problem(rng, noise=10)
        with pytest.warns(RuntimeWarning, match=r"the highest in 'model: [\d.]+% of the fits'"):
            fit_encoding(features, responses, alphas=[1e-6, 1e-3])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fit_encoding(features, responses, alphas=[1e-3])

    def test_settings(self, rng):
        features, responses = build_problem(rng)
        for settings, message in (
            ({"method": "lasso"}, "no method named 'lasso'. Closest: .* Choose one of ridge, pls"),
            ({"metric": "rho"}, "no metric named 'rho'"),
            ({"select": "kfold"}, "no select named 'kfold'. Closest: 'folds'"),
        ):
            with pytest.raises(UnknownNameError, match=message):
                fit_encoding(features, responses, **settings)
        for settings, message in (
            ({"alphas": [0.0, 1.0]}, r"alphas must be numbers above 0, got \[0.0, 1.0\]"),
            ({"alphas": []}, r"alphas must be numbers above 0"),
            ({"n_components": 0}, "n_components must be a whole number"),
            ({"dual": True, "method": "pls"}, "dual weights are those of method='ridge'"),
            ({"cv": 2, "select": "folds"}, "needs 3 folds or more, got 2"),
            ({"cv": 11}, "at least 3 stimuli"),
        ):
            with pytest.raises(InputError, match=message):
                fit_encoding(features, responses, **settings)

    def test_weights(self, rng):
        features, responses = build_problem(rng)
        with pytest.raises(
            InputError, match=r"no dual weights\. Make them with fit_encoding\(\.\.\., dual=True\)"
        ):
            compute_encoding_weights(fit_encoding(features, responses), features)
        scores = fit_encoding(
            build_tree({"a/relu": features, "b/relu": features}), responses, dual=True
        )
        with pytest.raises(
            InputError, match=r"scores hold 2 ops\. Name one with op=, e\.g\. op='a/relu'"
        ):
            compute_encoding_weights(scores, features)
        with pytest.raises(UnknownNameError, match="no op in scores named 'relu'"):
            compute_encoding_weights(scores, features, op="relu")
        with pytest.raises(LabelError, match="Missing from the feature array: 's0'"):
            compute_encoding_weights(scores, features[1:], op="a/relu")


class TestCeilings:
    def build_ceiling(self, responses, value=0.5, **attrs):
        return xr.DataArray(
            np.full(responses.sizes["neuroid"], value),
            dims="neuroid",
            coords={"neuroid_id": responses.neuroid_id, "subject": responses.subject},
            attrs=attrs,
        )

    @pytest.mark.parametrize(
        ("kind", "value", "share"),
        [("reliability", 0.5, 0.5), ("r2", 0.5, 0.5), ("r", 0.5, 0.25), ("ncsnr", 1, 0.5)],
    )
    def test_known_kinds(self, rng, kind, value, share):
        features, responses = build_problem(rng, noise=10)
        ceiling = self.build_ceiling(responses, value, kind=kind, n_repeats=1)[::-1]
        scores = fit_encoding(features, responses, ceiling=ceiling)
        r = scores.r.values
        assert (r < 0).any()
        np.testing.assert_allclose(scores.normalised, r / np.sqrt(share))
        np.testing.assert_allclose(scores.ceiling_upper, np.sqrt(share))
        first = (r * abs(r))[0, :2].mean() / share
        found = float(scores.score_normalised[0, 0, 0])
        assert found == pytest.approx(np.sign(first) * np.sqrt(abs(first)))
        assert scores.normalised.attrs["normalization"] == "r / sqrt(NC)"
        assert f"({kind}) of each neuroid" in scores.attrs["ceiling_note"]
        variance = fit_encoding(features, responses, ceiling=ceiling, metric="r2")
        np.testing.assert_allclose(variance.normalised, variance.r2 / share)
        assert variance.attrs["normalization"] == "r2 / NC"
        np.testing.assert_allclose(variance.ceiling_upper, share)

    def test_uneven_repeats_count_by_their_harmonic_mean(self, rng):
        features, responses = build_problem(rng)
        responses = xr.concat([responses, responses[:10] + 1, responses[:10] - 1], "presentation")
        # 10 stimuli three times, 20 once: the mean of 1/n is (10/3 + 20) / 30.
        assert fit_encoding(features, responses).attrs["n_repeats"] == pytest.approx(
            30 / (10 / 3 + 20)
        )

    def test_matched_by_subject_and_id(self, rng):
        features, responses = build_problem(rng)
        # Ids start again with each subject.
        responses = responses.assign_coords(neuroid_id=("neuroid", [0, 1, 2, 0, 1, 3]))
        ceiling = self.build_ceiling(responses, kind="r2", n_repeats=1)
        ceiling.values[:] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
        scores = fit_encoding(features, responses, ceiling=ceiling[[3, 1, 5, 0, 4, 2]], metric="r2")
        np.testing.assert_allclose(scores.r2 / scores.normalised, [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]])

    def test_nothing_is_divided_by_a_ceiling_of_nothing(self, rng):
        features, responses = build_problem(rng)
        ceiling = self.build_ceiling(responses, kind="reliability", n_repeats=1)
        ceiling.values[:3] = [0.0, -0.2, np.nan]
        scores = fit_encoding(features, responses, ceiling=ceiling)
        assert np.isnan(scores.normalised.values[0]).tolist() == [True] * 3 + [False] * 3
        assert np.isnan(scores.score_normalised.sel(region="V1", subject="A")).all()
        assert "3 neuroids have nothing that could be explained" in scores.attrs["ceiling_note"]
        # The score counts a neuroid without anything to explain, so its ceiling does too; subject A
        # has no other in V1, which leaves B's, and one of two in IT.
        np.testing.assert_allclose(
            scores.ceiling_upper.sel(region=["V1", "IT"]), np.sqrt(0.5) * np.array([1, 0.75])
        )

    def test_errors(self, rng):
        features, responses = build_problem(rng)
        for attrs, error, message in (
            (
                {},
                InputError,
                r"must say what kind it is.*attrs\['kind'\] one of ncsnr, reliability, r, r2",
            ),
            ({"kind": "nc"}, UnknownNameError, "no kind of ceiling named 'nc'. Closest: 'ncsnr'"),
            (
                {"kind": "r"},
                InputError,
                r"attrs\['n_repeats'\]: got None, and the responses are means of 1",
            ),
            ({"kind": "r", "n_repeats": 3}, InputError, "got 3, and the responses are means of 1"),
        ):
            with pytest.raises(error, match=message):
                fit_encoding(features, responses, ceiling=self.build_ceiling(responses, **attrs))
        with pytest.raises(InputError, match=r"at most 1, got 50\. Divide percent by 100"):
            fit_encoding(
                features,
                responses,
                ceiling=self.build_ceiling(responses, 50, kind="r2", n_repeats=1),
            )
        good = self.build_ceiling(responses, kind="ncsnr")
        with pytest.raises(LabelError, match=re.escape("Missing from ceiling: ('n0', 'A')")):
            fit_encoding(features, responses, ceiling=good[1:])
        with pytest.raises(LabelError, match="both have 'neuroid_id'"):
            fit_encoding(features, responses, ceiling=good.drop_vars("neuroid_id"))
        with pytest.raises(LabelError, match="must be unique"):
            fit_encoding(features, responses, ceiling=xr.concat([good, good], "neuroid"))


class TestForm:
    def test_of_every_answer(self, rng):
        features, responses = build_problem(rng)
        scores = fit_encoding(features, responses)
        check_form(scores, "split_score", "split_member")
        expected = {
            "method": "encoding",
            "measure": "r",
            "estimator": "ridge regression",
            "n_stimuli": 30,
            "interval_kind": "t interval of halves",
            "interval_over": "stimuli",
            "interval_level": 0.95,
            "ceiling_note": "No noise ceiling was given.",
            "ceiling_bound": "none",
        }
        assert expected.items() <= scores.attrs.items()
        assert scores.sizes["split"] == scores.attrs["n_splits"] == 5
        assert np.isfinite(scores[["ci_low", "mean_ci_high"]].to_dataarray()).any("variable").all()
        assert "(ridge regression) and scored by r (Pearson" in scores.attrs["methods_text"]
        assert "95 %, over stimuli" in scores.attrs["methods_text"]

    def test_of_another_estimator_and_measure_with_a_ceiling(self, rng):
        features, responses = build_problem(rng)
        repeated = repeat_responses(responses, 1.0, rng)
        scores = fit_encoding(
            features,
            repeated,
            method="pls",
            n_components=2,
            metric="r2",
            n_splits=0,
            ceiling=compute_ncsnr(repeated),
        )
        check_form(scores)
        expected = {
            "method": "encoding",
            "measure": "r2",
            "estimator": "partial least squares",
            "interval_kind": "none",
            "ceiling_bound": "expected",
        }
        assert expected.items() <= scores.attrs.items()
        note = scores.attrs["ceiling_note"]
        assert "noise ceiling signal-to-noise ratio (ncsnr) of each neuroid" in note
        assert "the mean of 3 presentations" in note
        assert "0 neuroids have nothing" in note

    def test_over_time(self, rng):
        features, responses = build_problem(rng)
        timed = xr.concat([responses, responses + 1], "time_bin")
        scores = fit_encoding(features, timed, n_splits=2, predictions=True)
        check_form(scores, "split_score", "split_member", timed=True)
        assert (scores.attrs["method"], scores.attrs["measure"]) == ("encoding", "r")
        assert scores.prediction.attrs["estimator"] == "ridge regression"

    def test_ops_can_be_chosen_from_what_is_returned_by_default(self, rng):
        features, responses = build_problem(rng)
        best = assign_regions(fit_encoding(build_tree({"a/relu": features}), responses))
        assert best.best_op.values.tolist() == ["a/relu", "a/relu"]

    @pytest.mark.parametrize(("cv", "n_splits"), [(5, 5), (6, 0)])
    def test_stimuli_are_halved_by_default_where_every_fold_can_be(self, rng, cv, n_splits):
        features, responses = build_problem(rng)
        scores = fit_encoding(features, responses, cv=cv)
        assert scores.attrs["n_splits"] == n_splits
        assert ("split_score" in scores) == (n_splits > 0)


@pytest.mark.skipif(not MIRROR, reason="needs NEUROLENS_MIRROR with miyawaki2008_figures")
def test_pixels_predict_reliable_voxels_of_early_visual_cortex():
    """Voxels whose responses repeat are predicted from the pixels of held-out figures."""
    data = loadmat(Path(MIRROR) / "miyawaki2008_figures" / "miyawaki_structured_28x28.mat")
    images, bold = (
        np.concatenate([data[f"{name}Trn"], data[f"{name}Test"]]) for name in ("stim", "fmri")
    )
    figures, shown = np.unique(images, axis=0, return_inverse=True)
    ids = [f"figure{k}" for k in range(len(figures))]
    features = xr.DataArray(figures, dims=("stimulus", "pixel"), coords={"stimulus": ids})
    responses = label_responses(bold, ids=[ids[k] for k in shown.ravel()])
    # Reliability of a figure's mean: 1 - variance of the mean's error / variance of the means
    # (Allen et al. 2022).
    groups = responses.groupby("stimulus_id")
    error = (groups.var(ddof=1) / groups.count()).mean("stimulus_id")
    reliability = (1 - error / groups.mean().var("stimulus_id", ddof=1)).values
    folds = split_stimuli(features, n_folds=5, rng=0)
    scores = fit_encoding(features, responses, cv=folds, select="loo")
    explainable, r = reliability > 0.6, scores.r.values[0]
    chance = []
    for k in range(10):
        shuffled = features.assign_coords(stimulus=np.random.default_rng(k).permutation(ids))
        chance.append(
            fit_encoding(shuffled, responses, cv=folds, select="loo")
            .r.values[0, explainable]
            .mean()
        )
    assert explainable.sum() == 472
    assert r[explainable].mean() > 0.6
    assert (r[explainable] > 0.3).mean() > 0.9
    assert r[explainable].mean() > r[reliability < 0.2].mean() + 0.3
    assert abs(np.mean(chance)) < 0.1
    assert max(chance) < 0.4
