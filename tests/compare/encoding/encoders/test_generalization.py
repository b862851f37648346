"""Named test sets against scikit-learn, and what their intervals and draws say."""

import numpy as np
import oracles
import pytest
import xarray as xr
from brains import build_grams, build_tree, label_features, label_responses
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut

import neurolens as nl
from neurolens.compare import (
    compare_ops,
    compare_test_sets,
    compute_ncsnr,
    fit_encoding,
    fit_test_sets,
)
from neurolens.errors import InputError

GRID = np.logspace(-2, 4, 7)
PLACES = {"region": ["V1", "V1", "IT", "IT", "V1", "IT"], "subject": ["A", "A", "A", "B", "B", "A"]}
SIZES = {"train": 40, "test": 20, "sketch": 12}
NAMES = np.repeat(list(SIZES), list(SIZES.values()))


def plant(rng, noise=1.0, p=8):
    """Return features and responses of a training set and two test sets."""
    x = rng.normal(size=(len(NAMES), p))
    y = x @ rng.normal(size=(p, 6)) / np.sqrt(p) + noise * rng.normal(size=(len(NAMES), 6)) + 5
    responses = label_responses(y, **PLACES).assign_coords(set=("presentation", NAMES))
    return label_features(x), responses


def deal_runs(rng, n_runs=5, size=10, p=6):
    """Return features and responses of runs of stimuli of their own."""
    x = rng.normal(size=(n_runs * size, p))
    y = x @ rng.normal(size=(p, 6)) + 2 * rng.normal(size=(len(x), 6))
    runs = np.repeat([f"run-{k}" for k in range(n_runs)], size)
    return label_features(x), label_responses(y, **PLACES).assign_coords(run=("presentation", runs))


class TestOracles:
    def test_penalties_and_scores_of_sklearn(self, rng):
        features, responses = plant(rng)
        fits = fit_test_sets(features, responses[::-1], split="set", alphas=GRID)
        x, y = features.values, responses.values
        train = NAMES == "train"
        assert list(fits) == ["sketch", "test"]  # in order of appearance
        for voxel in range(6):
            losses = [oracles.gcv(x[train], y[train][:, [voxel]], alpha)[0] for alpha in GRID]
            best = GRID[np.argmin(losses)]
            peer = Ridge(alpha=best).fit(x[train], y[train][:, voxel])
            for name, scores in fits.items():
                assert scores.alpha[0, voxel].item() == best
                here = name == NAMES
                guess = peer.predict(x[here])
                right = oracles.pearson(y[here][:, voxel], guess)
                np.testing.assert_allclose(scores.r[0, voxel], right, atol=1e-9)
                total = ((y[here][:, voxel] - y[train][:, voxel].mean()) ** 2).sum()
                right = 1 - ((y[here][:, voxel] - guess) ** 2).sum() / total
                np.testing.assert_allclose(scores.r2[0, voxel], right, atol=1e-9)

    def test_a_test_run_with_penalties_by_leaving_one_training_run_out(self, rng):
        features, responses = deal_runs(rng)
        fits = fit_test_sets(features, responses, split="run", test="run-4", by="run", alphas=GRID)
        assert list(fits) == ["run-4"]
        run = responses.run.values
        train = run != "run-4"
        x, y = features.values, responses.values
        for voxel in range(6):
            search = GridSearchCV(
                Ridge(), {"alpha": GRID}, cv=LeaveOneGroupOut(), scoring="neg_mean_squared_error"
            )
            search.fit(x[train], y[train][:, voxel], groups=run[train])
            assert fits["run-4"].alpha[0, voxel].item() == search.best_params_["alpha"]
            right = oracles.pearson(y[~train][:, voxel], search.predict(x[~train]))
            np.testing.assert_allclose(fits["run-4"].r[0, voxel], right, atol=1e-9)

    def test_it_is_one_fold_of_fit_encoding(self, rng):
        """With a test set alone, both fit the same training stimuli."""
        features, responses = plant(rng)
        kept = np.flatnonzero(NAMES != "sketch")
        fold = xr.DataArray(
            np.where(NAMES[kept] == "test", 0, -1),
            dims="stimulus",
            coords={"stimulus": features.stimulus[kept]},
        )
        for metric in ("r", "r2"):
            whole = fit_encoding(
                features[kept], responses[kept], cv=fold, metric=metric, n_splits=0
            )
            one = fit_test_sets(features[kept], responses[kept], split="set", metric=metric)["test"]
            np.testing.assert_allclose(one.score, whole.score, atol=1e-12)
            np.testing.assert_allclose(one.alpha, whole.alpha[:, 0])
            assert one.attrs["solver"] == whole.attrs["solver"]

    def test_a_set_is_the_same_beside_others(self, rng):
        features, responses = plant(rng)
        both = fit_test_sets(features, responses, split="set")
        kept = np.flatnonzero(NAMES != "test")
        alone = fit_test_sets(features[kept], responses[kept], split="set")
        np.testing.assert_allclose(alone["sketch"].r, both["sketch"].r, atol=1e-12)

    def test_features_and_their_grams_give_the_same_answer(self, rng):
        features, responses = plant(rng)
        direct = fit_test_sets(features, responses, split="set")
        grams = fit_test_sets(build_grams({"model": features}), responses, split="set")
        for name, scores in direct.items():
            np.testing.assert_allclose(scores.score, grams[name].score, atol=1e-7)
            np.testing.assert_allclose(scores.ci_low, grams[name].ci_low, atol=1e-6)


class TestNoLeak:
    def test_test_responses_change_no_penalty_and_no_prediction(self, rng):
        features, responses = plant(rng)
        before = fit_test_sets(features, responses, split="set")
        changed = responses.copy()
        changed[NAMES == "test"] = rng.normal(size=(20, 6)) * 100
        after = fit_test_sets(features, changed, split="set")
        np.testing.assert_array_equal(before["test"].alpha, after["test"].alpha)
        np.testing.assert_array_equal(before["sketch"].r, after["sketch"].r)
        assert before["test"].attrs["fit_sha256"] == after["test"].attrs["fit_sha256"]

    def test_repeats_are_averaged_and_do_not_tell_the_order_of_rows(self, rng):
        features, responses = plant(rng)
        ids = features.stimulus.values
        noise = rng.normal(size=responses.shape)
        both = xr.concat([responses + noise, responses - noise], "presentation")
        shuffled = both[rng.permutation(len(both))]
        plain = fit_test_sets(features, responses, split="set")
        found = fit_test_sets(features, shuffled, split="set")
        for name, scores in plain.items():
            np.testing.assert_allclose(found[name].score, scores.score, atol=1e-9)
            np.testing.assert_allclose(found[name].ci_low, scores.ci_low, atol=1e-9)
            np.testing.assert_allclose(found[name].bootstrap_mean, scores.bootstrap_mean, atol=1e-5)
            member = scores.split_member.sel(stimulus=found[name].stimulus)
            np.testing.assert_array_equal(found[name].split_member, member)
            assert found[name].attrs["n_repeats"] == pytest.approx(2)
        assert set(ids[NAMES == "test"]) == set(plain["test"].stimulus.values)

    def test_runs_that_share_stimuli_are_refused_with_the_true_reason(self, rng):
        features, responses = deal_runs(rng)
        shared = responses.assign_coords(
            stimulus_id=("presentation", [f"s{k % 10}" for k in range(50)])
        )
        first = features[:10]
        settings = {"split": "run", "test": "run-4", "by": "run"}
        with pytest.raises(InputError, match=r"10 stimuli are in several sets, .*own = \[") as told:
            fit_test_sets(first, shared, **settings)
        code = told.value.message.split("both sides, ")[1].rstrip(".")
        own_code, _, rest = code.partition(": ")
        names = {"responses": shared, "features": first}
        exec(own_code, names)
        new_features, new_responses = eval(f"({rest})", names)
        with pytest.warns(RuntimeWarning, match="training and test share stimuli"):
            fits = fit_test_sets(new_features, new_responses, **settings)
        assert fits["run-4"].attrs["n_stimuli"] == 10


class TestIntervals:
    @pytest.mark.parametrize("metric", ["r", "r2"])
    def test_they_are_the_jackknife_of_the_region(self, rng, metric):
        features, responses = plant(rng)
        fits = fit_test_sets(features, responses, split="set", metric=metric)
        scores = fits["test"]
        train = NAMES == "train"
        here = NAMES == "test"
        x, y = features.values, responses.values
        left_out = np.empty((20, 6))
        for voxel in range(6):
            peer = Ridge(alpha=scores.alpha[0, voxel].item()).fit(x[train], y[train, voxel])
            guess = peer.predict(x[here])
            for one in range(20):
                measured = np.delete(y[here, voxel], one)
                kept = np.delete(guess, one)
                left_out[one, voxel] = oracles.pearson(measured, kept)
                if metric == "r2":
                    total = ((measured - y[train, voxel].mean()) ** 2).sum()
                    left_out[one, voxel] = 1 - ((measured - kept) ** 2).sum() / total
        v1 = (left_out[:, [0, 1]].mean(1) + left_out[:, 4]) / 2  # of subjects A and B
        it = (left_out[:, [2, 5]].mean(1) + left_out[:, 3]) / 2
        left_out = np.stack([v1, it], axis=1)
        variance = 19 / 20 * ((left_out - left_out.mean(0)) ** 2).sum(0)
        np.testing.assert_allclose(scores.score_mean_se[0], np.sqrt(variance), rtol=1e-6)
        reach = scores.score_mean_se[0] * 2.093024
        np.testing.assert_allclose(scores.mean_ci_high[0], scores.score_mean[0] + reach, rtol=1e-6)
        assert scores.attrs["interval_over"] == "test stimuli, given the fit"
        assert "over test stimuli, given the fit" in scores.attrs["methods_text"]

    def test_draws_have_the_covariance_of_ops(self, rng):
        features, responses = plant(rng)
        tree = build_tree({"a": features, "b": features + 0.3 * rng.normal(size=features.shape)})
        scores = fit_test_sets(tree, responses, split="set")["test"]
        spread = scores.bootstrap_mean.std("bootstrap")
        np.testing.assert_allclose(spread, scores.score_mean_se, rtol=0.1)
        pairs = compare_ops(scores)
        alone = np.sqrt((scores.score_mean_se**2).sum("op"))
        half = ((pairs.ci_high - pairs.ci_low) / 2).sel(op="a", op_2="b")
        assert (half < 0.7 * 2.1 * alone).all()

    def test_blocks_widen_intervals_of_series_and_the_lack_of_them_is_told(self, rng):
        x, noise = (oracle_series(rng, 400, 6) for _ in range(2))
        y = x + 2 * noise
        names = ["train"] * 200 + ["test"] * 200
        responses = label_responses(y, **PLACES).assign_coords(set=("presentation", names))
        features = label_features(x)
        with pytest.warns(RuntimeWarning, match=r"test set 'test' that follow .* Pass block="):
            plain = fit_test_sets(features, responses, split="set")["test"]
        blocked = fit_test_sets(features, responses, split="set", block=20)["test"]
        assert (blocked.score_mean_se > 1.5 * plain.score_mean_se).all()
        np.testing.assert_allclose(blocked.score, plain.score)
        assert blocked.attrs["n_units"] == 10
        assert "blocks of 20 consecutive test stimuli" in blocked.attrs["interval_over"]
        member = blocked.split_member.values.reshape(-1, 10, 20)
        assert (member.all(2) | ~member.any(2)).all()

    def test_too_few_blocks(self, rng):
        features, responses = plant(rng)
        with pytest.raises(
            InputError, match=r"block=7 makes 3 blocks of the 20 .* block=5 or less"
        ):
            fit_test_sets(features, responses, split="set", block=7)

    def test_three_stimuli_have_a_score_and_no_interval(self, rng):
        features, responses = plant(rng)
        names = np.where(np.arange(len(NAMES)) < 3, "few", "train")
        few = responses.assign_coords(set=("presentation", names))
        scores = fit_test_sets(features, few, split="set")["few"]
        assert scores.score.notnull().any()
        assert scores.mean_ci_low.isnull().all()
        assert scores.attrs["interval_kind"] == "none"
        assert "split_score" not in scores


def oracle_series(rng, n, k, slope=0.95):
    """Return k series (n, k) in which each value is close to the one before."""
    series = rng.normal(size=(n, k))
    for i in range(1, n):
        series[i] = slope * series[i - 1] + np.sqrt(1 - slope**2) * series[i]
    return series


class TestForm:
    def test_ceilings_are_those_of_the_repeats_of_each_set(self, rng):
        features, responses = plant(rng, noise=0.5)
        n_repeats = np.where(NAMES == "test", 6, 2)
        rows = np.repeat(np.arange(len(NAMES)), n_repeats)
        trials = responses[rows] + rng.normal(size=(len(rows), 6))
        ceiling = compute_ncsnr(trials)
        fits = fit_test_sets(features, trials, split="set", ceiling=ceiling)
        for name, count in (("test", 6), ("sketch", 2)):
            share = ceiling.values**2 / (ceiling.values**2 + 1 / count)
            upper = fits[name].ceiling_upper.sel(region="IT").item()
            right = np.mean([np.sqrt(share[[2, 5]]).mean(), np.sqrt(share[3])])
            np.testing.assert_allclose(upper, right)
            assert fits[name].attrs["n_repeats"] == pytest.approx(count)
            np.testing.assert_allclose(fits[name].normalised, fits[name].r / np.sqrt(share))

    def test_attributes(self, rng):
        features, responses = plant(rng)
        features.attrs["random_ops"] = ["model"]
        scores = fit_test_sets(features, responses, split="set")["sketch"]
        assert scores.attrs["test_set"] == "sketch"
        assert scores.attrs["n_stimuli"] == 12
        assert scores.attrs["n_training"] == 40
        assert scores.attrs["random_ops"] == ["model"]
        text = scores.attrs["methods_text"]
        assert "fitted to 40 training stimuli, with penalties chosen by generalized" in text
        assert "test set 'sketch'" in text
        assert "There were 12 stimuli." in text
        runs = fit_test_sets(*deal_runs(rng), split="run", test="run-1", by="run")["run-1"]
        assert "leaving out each run of them in turn" in runs.attrs["methods_text"]

    def test_over_time(self, rng):
        features, responses = plant(rng)
        later = responses * 2 - features.values[:, :6]
        timed = xr.concat([responses, later], "time_bin").assign_coords(time_bin=[70, 90])
        fits = fit_test_sets(features, timed, split="set")
        for time, one in ((70, responses), (90, later)):
            alone = fit_test_sets(features, one, split="set")["test"]
            here = fits["test"].sel(time_bin=time)
            np.testing.assert_allclose(here.score, alone.score, atol=1e-9)
            np.testing.assert_allclose(here.mean_ci_low, alone.mean_ci_low, atol=1e-9)
            np.testing.assert_array_equal(here.split_member, alone.split_member)
            assert here.region.values.tolist() == alone.region.values.tolist()
        assert compare_test_sets(fits).difference.dims[-1] == "time_bin"

    def test_the_planted_op_is_named_on_each_set(self, rng):
        features, responses = plant(rng)
        tree = build_tree(
            {"noise": label_features(rng.normal(size=features.shape)), "signal": features}
        )
        for scores in fit_test_sets(tree, responses, split="set").values():
            assert nl.assign_regions(scores).best_op.values.tolist() == ["signal", "signal"]

    def test_neuroids_that_do_not_vary_on_a_set_are_named_with_it(self, rng):
        features, responses = plant(rng)
        responses[NAMES == "sketch", 0] = 3 + 1e-15 * rng.integers(1, 9, 12)
        with pytest.warns(
            RuntimeWarning, match=r"do not vary in test set 'sketch': 'model: 1 of 6"
        ):
            fits = fit_test_sets(features, responses, split="set")
        assert np.isnan(fits["sketch"].r[0, 0])
        assert not np.isnan(fits["test"].r[0, 0])
        others = fit_test_sets(features, responses[:, 1:], split="set")["sketch"]
        np.testing.assert_allclose(fits["sketch"].mean_ci_low, others.mean_ci_low)

    def test_a_grid_that_ends_too_soon_is_told_once(self, rng):
        features, responses = plant(rng, noise=20)
        with pytest.warns(RuntimeWarning, match="the best penalty ends the grid") as told:
            fit_test_sets(features, responses, split="set", alphas=[1e-3, 1e-2])
        assert len(told) == 1

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"metric": "rho"}, "no metric named 'rho'"),
            ({"block": 0}, "block must be a whole number, 1 or more"),
            ({"confidence": 1}, "confidence must lie between 0 and 1"),
            ({"rng": -1}, "rng must be a whole number"),
            ({"alphas": [0]}, "alphas must be numbers above 0"),
            ({"by": "set"}, "nothing can be left out by 'set'"),
            ({"by": "run"}, "no coordinate 'run'"),
        ],
    )
    def test_settings(self, rng, settings, message):
        with pytest.raises((ValueError, LookupError), match=message):
            fit_test_sets(*plant(rng), split="set", **settings)
