"""Encoding within halves of the stimuli, the intervals that follow, and other uses of halves."""

import numpy as np
import oracles
import pytest
import xarray as xr
from brains import build_grams, build_tree, label_features, label_responses
from scipy.stats import t

from neurolens import assign_regions, fit_encoding
from neurolens.compare import compare_ops, locate_peaks, split_stimuli
from neurolens.compare.encoding.split_half import halve_folds
from neurolens.errors import InputError

ALPHAS = np.logspace(-2, 4, 4)
PLACES = {("V1", "A"): [0, 1], ("V1", "B"): [2], ("IT", "A"): [3, 4], ("IT", "B"): [5]}


def build_problem(rng, n=30, noise=1.0):
    """Return two ops (stimulus, 6) and responses (presentation, neuroid).

    V1 follows the first op, IT the second.
    """
    early, late = rng.normal(size=(2, n, 6))
    signal = np.hstack([side @ rng.normal(size=(6, 3)) / np.sqrt(6) for side in (early, late)])
    responses = label_responses(
        signal + noise * rng.normal(size=signal.shape) + 5,
        region=[region for (region, _), here in PLACES.items() for _ in here],
        subject=[subject for (_, subject), here in PLACES.items() for _ in here],
    )
    return {"early/relu": label_features(early), "late/relu": label_features(late)}, responses


def pool(r):
    """Return the mean of ``r`` (neuroid) over the neuroids of each (region, subject)."""
    return [
        [oracles.mean(r[PLACES[region, subject]]) for subject in "AB"] for region in ("V1", "IT")
    ]


def take(member, split, half):
    """Return the positions of the stimuli in half 0, a, or 1, b."""
    return np.flatnonzero(member[split] == (half == 0))


class TestHalves:
    @pytest.mark.parametrize("select", ["gcv", "loo", "folds"])
    def test_slow_loops(self, rng, select):
        ops, responses = build_problem(rng)
        scores = fit_encoding(
            build_grams(ops), responses, cv=3, alphas=ALPHAS, select=select, n_splits=2
        )
        fold, member = scores.stimulus_fold.values, scores.split_member.values
        for split, half in np.ndindex(2, 2):
            inside = take(member, split, half)
            for op, x in ops.items():
                r = oracles.encode(
                    x.values[inside], responses.values[inside], fold[inside], ALPHAS, select
                )[0]
                found = scores.isel(split=split, half=half).sel(op=op)
                np.testing.assert_allclose(found.split_subject_score, pool(r), atol=1e-9)
                np.testing.assert_allclose(found.split_score, np.mean(pool(r), axis=1), atol=1e-9)
        assert scores.half.values.tolist() == ["a", "b"]
        assert scores.split_score.dims == ("split", "half", "op", "region")
        assert scores.split_subject_score.dims == ("split", "half", "op", "region", "subject")

    @pytest.mark.parametrize(
        "settings", [{"method": "pls", "n_components": 2}, {"metric": "r2"}, {}]
    )
    def test_score_of_a_half_is_that_of_the_whole_function_given_the_half(self, rng, settings):
        """Default penalties too are chosen anew; from Grams, activations and one array.

        Repeats are held together.
        """
        ops, responses = build_problem(rng)
        repeated = xr.concat(
            [responses, responses[::-1] + rng.normal(size=responses.shape)], "presentation"
        )
        folds = split_stimuli(responses, n_folds=3)
        scores = fit_encoding(build_tree(ops), repeated, cv=folds, n_splits=2, **settings)
        xr.testing.assert_allclose(
            fit_encoding(build_grams(ops), repeated, cv=folds, n_splits=2, **settings),
            scores,
            atol=1e-6,
        )
        one = fit_encoding(ops["late/relu"], repeated, cv=folds, n_splits=2, **settings)
        np.testing.assert_allclose(
            one.split_score.values[:, :, 0], scores.split_score.values[:, :, 1]
        )
        for split, half in np.ndindex(2, 2):
            ids = scores.stimulus.values[take(scores.split_member.values, split, half)]
            part = repeated[repeated.stimulus_id.isin(ids)]
            cut = {op: x.sel(stimulus=ids) for op, x in ops.items()}
            settings["n_splits"] = 0
            alone = fit_encoding(build_tree(cut), part, cv=folds.sel(stimulus=ids), **settings)
            np.testing.assert_allclose(
                scores.split_subject_score[split, half], alone.score, atol=1e-9
            )

    @pytest.mark.parametrize("method", ["ridge", "pls"])
    def test_no_half_knows_anything_of_the_other(self, rng, method):
        ops, responses = build_problem(rng)
        first = fit_encoding(
            build_tree(ops), responses, cv=3, method=method, n_components=2, n_splits=1
        )
        other = take(first.split_member.values, 0, 1)
        responses[other] = rng.normal(size=(len(other), 6))
        for x in ops.values():
            x[other] = 3 * rng.normal(size=(len(other), 6))
        again = fit_encoding(
            build_tree(ops), responses, cv=3, method=method, n_components=2, n_splits=1
        )
        before, after = first.split_score.values, again.split_score.values
        np.testing.assert_array_equal(first.split_member, again.split_member)
        np.testing.assert_allclose(after[:, 0], before[:, 0], atol=1e-9)
        assert (abs(after[:, 1] - before[:, 1]) > 1e-3).all()

    def test_every_fold_is_halved(self, rng):
        fold = rng.permutation(np.repeat([-1, 0, 1, 4], [5, 7, 6, 9]))
        member = halve_folds(fold, None, 50, rng)
        for number in set(fold):
            inside = member[:, fold == number].sum(axis=1)
            assert set(inside) <= {(fold == number).sum() // 2, -(-(fold == number).sum() // 2)}
        # Halves are random: each stimulus is in each half about equally often.
        assert (abs(member.mean(axis=0) - 0.5) < 0.3).all()
        assert len({row.tobytes() for row in member}) == 50

    def test_groups_and_blocks_stay_whole(self, rng):
        ops, responses = build_problem(rng)
        n = responses.sizes["presentation"]
        view = np.arange(n) // 3
        responses = responses.assign_coords(view=("presentation", view))
        folds = split_stimuli(responses, n_folds=3, by="view")
        found = fit_encoding(build_tree(ops), responses, cv=folds, n_splits=4)
        for row in found.split_member.values:
            assert all(len(set(row[view == k])) == 1 for k in np.unique(view))
        assert found.attrs["interval_over"] == "groups of stimuli"
        blocks = split_stimuli(responses, n_folds=2, contiguous=True, gap=1)
        found = fit_encoding(build_tree(ops), responses, cv=blocks, n_splits=4)
        assert (abs(np.diff(found.split_member.values.astype(int))).sum(axis=1) <= n // 3).all()
        assert found.attrs["interval_over"] == "blocks of stimuli"
        within = fit_encoding(
            build_tree(ops), responses.assign_coords(half=("presentation", np.arange(n) % 2)),
            cv="half", n_splits=2,
        )  # fmt: skip
        assert within.attrs["interval_over"] == "stimuli of the same groups"

    def test_stimuli_always_trained_on_are_halved_too(self, rng):
        ops, responses = build_problem(rng)
        fold = xr.DataArray(
            np.repeat([-1, 0], [20, 10]),
            dims="stimulus",
            coords={"stimulus": ops["late/relu"].stimulus},
        )
        scores = fit_encoding(build_tree(ops), responses, cv=fold, n_splits=3)
        assert scores.split_member[:, :20].sum("stimulus").values.tolist() == [10] * 3
        assert np.isfinite(scores.mean_ci_low).all()


class TestIntervals:
    def test_slow_loops(self, rng):
        ops, responses = build_problem(rng)
        m, draws = 7, 5
        scores = fit_encoding(
            build_tree(ops), responses, cv=3, n_splits=m, n_bootstrap=draws, confidence=0.9, rng=4
        )
        freedom = 1 / (1 / m + 1 / (30 - 3))
        generator = np.random.default_rng(4).spawn(2)[1]
        normal, chi = (
            generator.normal(size=(draws, m)),
            generator.chisquare(freedom, size=(draws, 1)),
        )
        for i, j in np.ndindex(2, 2):
            halves = scores.split_score.values[:, :, i, j]
            mean = float(scores.score_mean[i, j])
            variance = oracles.mean([(a - b) ** 2 / 4 for a, b in halves])
            reach = t.ppf(0.95, freedom) * np.sqrt(variance)
            assert float(scores.mean_ci_low[i, j]) == pytest.approx(mean - reach)
            assert float(scores.mean_ci_high[i, j]) == pytest.approx(mean + reach)
            for d in range(draws):
                step = sum(normal[d, s] * (a - b) / 2 for s, (a, b) in enumerate(halves)) / np.sqrt(
                    m
                )
                expected = mean + step * np.sqrt(freedom / chi[d, 0])
                assert float(scores.bootstrap_mean[d, i, j]) == pytest.approx(expected, abs=1e-6)
            for k in range(2):
                halves = scores.split_subject_score.values[:, :, i, j, k]
                reach = t.ppf(0.95, freedom) * np.sqrt(
                    oracles.mean([(a - b) ** 2 / 4 for a, b in halves])
                )
                assert float(scores.ci_low[i, j, k]) == pytest.approx(
                    float(scores.score[i, j, k]) - reach
                )
                assert float(scores.ci_high[i, j, k]) == pytest.approx(
                    float(scores.score[i, j, k]) + reach
                )

    def test_percentiles_of_many_draws_are_the_interval(self, rng):
        ops, responses = build_problem(rng)
        scores = fit_encoding(build_tree(ops), responses, cv=3, n_splits=5, n_bootstrap=40_000)
        low, high = np.quantile(scores.bootstrap_mean, [0.025, 0.975], axis=0)
        width = scores.mean_ci_high - scores.mean_ci_low
        assert (abs(low - scores.mean_ci_low) < 0.03 * width).all()
        assert (abs(high - scores.mean_ci_high) < 0.03 * width).all()

    def test_more_stimuli_narrower_intervals(self, rng):
        def measure(n):
            ops, responses = build_problem(rng, n)
            scores = fit_encoding(build_tree(ops), responses, cv=3, n_splits=20)
            return float((scores.mean_ci_high - scores.mean_ci_low).mean())

        # The width goes with the root of n: 16 times the stimuli give about a quarter of it.
        assert 0.1 < measure(480) / measure(30) < 0.4

    def test_halves_change_nothing_else_and_a_seed_repeats(self, rng):
        ops, responses = build_problem(rng)
        plain, scores, again, more = (
            fit_encoding(build_tree(ops), responses, cv=3, rng=5, n_splits=m, n_bootstrap=b)
            for m, b in ((0, 10), (2, 10), (2, 10), (2, 0))
        )
        xr.testing.assert_identical(scores, again)
        for name in ("score", "score_mean", "r", "r2", "alpha", "stimulus_fold"):
            xr.testing.assert_identical(plain[name].drop_attrs(), scores[name].drop_attrs())
        xr.testing.assert_identical(more.split_score, scores.split_score)
        assert more.sizes["bootstrap"] == 0
        assert "split_score" not in plain
        assert {k: scores.attrs[k] for k in ("n_splits", "n_bootstrap", "rng", "n_folds")} == {
            "n_splits": 2, "n_bootstrap": 10, "rng": 5, "n_folds": 3,
        }  # fmt: skip
        told = {k: scores.attrs[f"interval_{k}"] for k in ("kind", "over", "level")}
        assert told == {"kind": "t interval of halves", "over": "stimuli", "level": 0.95}
        generator = fit_encoding(
            build_tree(ops), responses, cv=3, rng=np.random.default_rng(5), n_splits=2
        )
        assert generator.attrs["rng"] == "generator"
        xr.testing.assert_identical(generator.split_member, scores.split_member)


class TestMissing:
    def test_neuroids_that_cannot_be_predicted_are_left_out_of_every_half(self, rng):
        ops, responses = build_problem(rng)
        whole = fit_encoding(build_tree(ops), responses.isel(neuroid=[1, 3, 4]), cv=3, n_splits=2)
        responses[3, 0] = np.nan
        responses[:, 2] = 4.0
        responses[0, 5] = np.inf
        with pytest.warns(
            RuntimeWarning,
            match=r"no response .* 'n0'; an infinite .* 'n5'; no change .* in 1: 'n2'",
        ):
            scores = fit_encoding(build_tree(ops), responses, cv=3, n_splits=2)
        np.testing.assert_allclose(
            scores.split_subject_score.sel(subject="A"), whole.split_subject_score[..., 0]
        )
        np.testing.assert_allclose(scores.mean_ci_low, whole.mean_ci_low)
        np.testing.assert_allclose(scores.bootstrap_mean, whole.bootstrap_mean)
        assert scores.ci_low.sel(subject="B").isnull().all()

    def test_a_neuroid_constant_in_a_half_of_a_fold_has_no_score_there(self, rng):
        """Where it is alone in its region, that region has no interval."""
        ops, responses = build_problem(rng)
        plain = fit_encoding(build_tree(ops), responses, cv=3, n_splits=1)
        inside = (plain.stimulus_fold == 0).values & plain.split_member[0].values
        responses[inside, 0] = responses[inside, 2] = 7.0
        with pytest.warns(
            RuntimeWarning,
            match=r"no interval for 'early/relu', 'late/relu': in a half .* do not vary",
        ):
            scores = fit_encoding(build_tree(ops), responses, cv=3, n_splits=1)
        assert np.isfinite(scores.score).all()
        missing = scores.split_subject_score.isnull()
        assert missing.sel(half="a", region="V1", subject="B").all()
        assert missing.sum() == 2
        assert (scores.ci_low.isnull() == missing.any(("split", "half"))).all()
        alone = fit_encoding(build_tree(ops), responses.isel(neuroid=[1]), cv=3, n_splits=1)
        a = {"half": "a", "region": "V1", "subject": "A"}
        np.testing.assert_allclose(
            scores.split_subject_score.sel(a), alone.split_subject_score.sel(a)
        )

    def test_a_dead_op_spoils_no_other(self, rng):
        ops, responses = build_problem(rng)
        clean = fit_encoding(build_tree(ops), responses, cv=3, n_splits=2)
        ops["dead/relu"] = ops["late/relu"] * 0
        with pytest.warns(RuntimeWarning, match="'dead/relu: 6 of 6 neuroids'"):
            scores = fit_encoding(build_tree(ops), responses, cv=3, n_splits=2)
        assert scores.mean_ci_low.sel(op="dead/relu").isnull().all()
        kept = {"op": ["early/relu", "late/relu"]}
        xr.testing.assert_allclose(scores.mean_ci_low.sel(kept), clean.mean_ci_low)
        assert assign_regions(scores).best_op.values.tolist() == ["early/relu", "late/relu"]


class TestAfter:
    def test_planted_ops_are_found(self, rng):
        ops, responses = build_problem(rng, 60, noise=0.5)
        ops |= {f"none{k}/relu": label_features(rng.normal(size=(60, 6))) for k in range(4)}
        scores = fit_encoding(build_tree(ops), responses, cv=3, n_splits=10, n_bootstrap=200)
        best = assign_regions(scores, depth={op: k for k, op in enumerate(ops)})
        assert best.best_op.values.tolist() == ["early/relu", "late/relu"]
        assert best.agreement.values.tolist() == [1, 1]
        assert best.indistinguishable.sum("op").values.tolist() == [1, 1]
        assert best.attrs["method"] == "encoding"
        chosen = [
            scores.split_score.sel(region=r, op=op).mean()
            for r, op in (("V1", "early/relu"), ("IT", "late/relu"))
        ]
        np.testing.assert_allclose(best.heldout_mean, chosen)
        assert (best.nested_score > 0.3).all()
        assert best.peak_depth.values.tolist() == [0, 1]
        assert locate_peaks(scores).peak_depth_low.values.tolist() == [0, 0.2]

    def test_heldout_interval_of_a_slow_loop(self, rng):
        ops, responses = build_problem(rng, 60)
        scores = fit_encoding(build_tree(ops), responses, cv=3, n_splits=4, confidence=0.9)
        best = assign_regions(scores)
        # Each of three folds takes one degree of freedom for its mean.
        freedom = 1 / (1 / 4 + 1 / (60 - 3))
        for region in ("V1", "IT"):
            here = best.sel(region=region)
            variances, heldout = [], []
            for a, b in scores.split_score.sel(region=region).values:
                for chooser, scorer in ((a, b), (b, a)):
                    chosen = np.argmax(chooser)
                    halves = scores.split_score.sel(region=region).values[:, :, chosen]
                    variances.append(np.mean((halves[:, 0] - halves[:, 1]) ** 2) / 4)
                    heldout.append(scorer[chosen])
            error = np.sqrt(np.mean(variances))
            mean = np.mean(heldout)
            assert here.heldout_mean.item() == pytest.approx(mean)
            reach = t.ppf(0.95, freedom) * error
            assert here.heldout_ci_low.item() == pytest.approx(mean - reach)
            assert here.heldout_ci_high.item() == pytest.approx(mean + reach)
            assert here.heldout_p.item() == pytest.approx(t.sf(mean / error, freedom))

    @pytest.mark.slow
    def test_equal_ops_stay_together_with_few_splits(self, rng):
        """Ten ops are the same features with as much noise; no draws are needed to tell of them."""
        n_whole, n_without = 0, 0
        for k in range(12):
            latent = rng.normal(size=(48, 4))
            ops = {
                f"op{i}/relu": label_features(latent + 0.7 * rng.normal(size=latent.shape))
                for i in range(10)
            }
            ops["none/relu"] = label_features(rng.normal(size=latent.shape))
            responses = label_responses(latent @ rng.normal(size=(4, 6)))
            scores = fit_encoding(build_tree(ops), responses, cv=3, n_bootstrap=0, rng=k)
            member = assign_regions(scores).indistinguishable.values.all(axis=0)
            n_whole += member[:10].all()
            n_without += not member[10]
        assert n_whole >= 10
        assert n_without >= 8

    def test_choosing_among_noise_inflates_only_the_naive_score(self, rng):
        found = []
        for k in range(9):
            ops = {f"op{i}/relu": label_features(rng.normal(size=(30, 6))) for i in range(6)}
            responses = label_responses(rng.normal(size=(30, 4)))
            best = assign_regions(
                fit_encoding(build_tree(ops), responses, cv=3, n_splits=4, n_bootstrap=0, rng=k)
            )
            found.append(
                [best[name].item() for name in ("naive_score", "selection_score", "heldout_mean")]
            )
        naive, selected, heldout = np.transpose(found)
        assert abs(heldout.mean()) < 4 * heldout.std() / 3
        assert naive.mean() > 0.1
        assert selected.mean() > naive.mean()

    def test_differences_of_a_slow_loop(self, rng):
        ops, responses = build_problem(rng)
        scores = fit_encoding(build_tree(ops), responses, cv=3, n_splits=5, n_bootstrap=50)
        found = compare_ops(scores)
        for j in range(2):
            draws = scores.bootstrap_mean.values[:, :, j].astype(float)
            gap = float(scores.score_mean[0, j] - scores.score_mean[1, j])
            spread = np.sqrt(30 / 29 * oracles.sample_variance(draws[:, 0] - draws[:, 1]))
            reach = t.ppf(0.975, 29) * spread
            assert float(found.difference[0, 1, j]) == pytest.approx(gap)
            assert float(found.ci_low[0, 1, j]) == pytest.approx(gap - reach)
            assert float(found.ci_high[0, 1, j]) == pytest.approx(gap + reach)
            assert float(found.p[0, 1, j]) == pytest.approx(2 * t.sf(abs(gap) / spread, 29))
        np.testing.assert_array_equal(found.difference, -found.difference.values.swapaxes(0, 1))

    def test_an_op_does_not_differ_from_itself(self, rng):
        ops, responses = build_problem(rng)
        twice = {"a/relu": ops["early/relu"], "b/relu": ops["early/relu"]}
        found = compare_ops(fit_encoding(build_tree(twice), responses, cv=3, n_splits=3))
        assert (abs(found.difference) < 1e-12).all()
        assert (abs(found.ci_high.sel(op="a/relu", op_2="b/relu")) < 1e-6).all()


def test_errors(rng):
    ops, responses = build_problem(rng)
    tree = build_tree(ops)
    for settings, message in (
        ({"n_splits": -1}, "n_splits must be a whole number, 0 or more, got -1"),
        ({"n_splits": 2.0}, "n_splits must be a whole number, 0 or more, got 2.0"),
        ({"n_bootstrap": -5}, "n_bootstrap must be a whole number, 0 or more, got -5"),
        ({"confidence": 95}, "confidence must lie between 0 and 1, got 95"),
        (
            {"cv": 6, "n_splits": 1},
            r"a fold needs 6; got 5\. Use fewer folds, more stimuli, or n_splits=0",
        ),
    ):
        with pytest.raises(InputError, match=message):
            fit_encoding(tree, responses, **settings)
    fold = xr.DataArray(
        np.repeat([-1, 0], [5, 25]), dims="stimulus", coords={"stimulus": ops["late/relu"].stimulus}
    )
    with pytest.raises(
        InputError, match=r"hold out, and train on, 3 stimuli or more, so a fold needs 6; got 5"
    ):
        fit_encoding(tree, responses, cv=fold, n_splits=1)
    scores = fit_encoding(tree, responses, cv=3, n_splits=0)
    with pytest.raises(
        InputError,
        match=r"missing: 'split_score', 'bootstrap_mean'.*fit_encoding\(\.\.\., n_splits=20\)",
    ):
        assign_regions(scores)
    with pytest.raises(InputError, match=r"must hold 'draws' or 'bootstrap_mean'"):
        compare_ops(scores)
    scores = fit_encoding(tree, responses, cv=3, n_splits=1, n_bootstrap=2)
    with pytest.raises(
        InputError, match=r"must hold 'draws' or 'bootstrap_mean', two of them or more"
    ):
        compare_ops(scores.isel(bootstrap=[0]))
    with pytest.raises(
        InputError,
        match=r"rdms= bounds scores of RDMs, and these are of encoding\. Leave rdms= out",
    ):
        assign_regions(scores, rdms=(xr.DataArray(), xr.DataArray()))
