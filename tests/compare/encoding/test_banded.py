import sys

import numpy as np
import oracles
import pytest
from brains import build_grams, build_tree, label_features, label_responses
from form import check_form
from himalaya.backend import get_backend, set_backend
from himalaya.scoring import r2_score_split

from neurolens import fit_encoding
from neurolens.compare import fit_banded, partition_variance, split_stimuli
from neurolens.compare.encoding.models.bands import split_residual
from neurolens.errors import InputError, LabelError, MissingToolError, UnknownNameError


def build_problem(rng, n=160):
    """Return spaces a (4 features), b (40), and responses that follow a, b, both and neither.

    There are two neuroids of each kind.
    """
    a, b = rng.normal(size=(n, 4)), rng.normal(size=(n, 40))
    from_a, from_b = (x @ rng.normal(size=(x.shape[1], 8)) for x in (a, b))
    from_a, from_b = from_a / from_a.std(axis=0), from_b / from_b.std(axis=0)
    has_a, has_b = np.repeat([1, 0, 1, 0], 2), np.repeat([0, 1, 1, 0], 2)
    values = from_a * has_a + from_b * has_b + 0.5 * rng.normal(size=(n, 8)) + 3
    spaces = {"a": label_features(a), "b": label_features(b)}
    return spaces, label_responses(values, region=np.repeat(["A", "B", "AB", "none"], 2))


def solve_banded(inputs, y, fold, penalties, number):
    """Return the measured and the predicted responses of a ridge with a penalty per space.

    The predicted responses are (space, t).
    """
    train, test = fold != number, fold == number
    scaled = np.column_stack(
        [x / np.sqrt(alpha) for x, alpha in zip(inputs, penalties, strict=True)]
    )
    weights, _ = oracles.ridge(scaled[train], y[train], 1.0)
    parts, start = [], 0
    for x, alpha in zip(inputs, penalties, strict=True):
        w = weights[start : start + x.shape[1]]
        parts.append((x[test] - x[train].mean(axis=0)) / np.sqrt(alpha) @ w)
        start += x.shape[1]
    return y[test], y[train].mean(), np.array(parts)


class TestOracles:
    def test_the_normal_equations_at_the_penalties_it_found(self, rng):
        spaces, responses = build_problem(rng, n=60)
        scores = fit_banded(spaces, responses, cv=3, n_iter=5)
        fold = scores.stimulus_fold.values
        inputs = [x.values for x in spaces.values()]
        for voxel in (0, 2, 4):
            y, r, residual, total, parts = responses.values[:, voxel], [], 0, 0, 0
            for k in range(3):
                train = fold != k
                units = [
                    ((x[train] - x[train].mean(axis=0)) ** 2).sum() / train.sum() for x in inputs
                ]
                penalties = np.array(units) / np.exp(scores.log_weight.values[:, k, voxel])
                measured, mean, predicted = solve_banded(inputs, y, fold, penalties, k)
                whole = predicted.sum(axis=0) + mean
                r.append(oracles.pearson(measured, whole))
                centred = measured - mean
                residual += ((measured - whole) ** 2).sum()
                total += (centred**2).sum()
                parts += (predicted * (2 * centred - predicted.sum(axis=0))).sum(axis=1)
            assert scores.r.values[0, voxel] == pytest.approx(np.mean(r), abs=1e-6)
            assert scores.r2.values[0, voxel] == pytest.approx(1 - residual / total, abs=1e-6)
            np.testing.assert_allclose(scores.r2_split.values[:, voxel], parts / total, atol=1e-6)

    def test_the_penalty_is_the_best_by_leaving_each_other_fold_out(self, rng):
        spaces, _ = build_problem(rng, n=60)
        values = spaces["a"].values @ rng.normal(size=(4, 60)) + rng.uniform(
            0.5, 5, 60
        ) * rng.normal(size=(60, 60))
        alphas = np.logspace(-3, 3, 16)
        scores = fit_banded(spaces, label_responses(values), cv=4, n_iter=1, alphas=alphas)
        fold = scores.stimulus_fold.values
        for k in range(4):
            train = fold != k
            inputs = [x.values[train] for x in spaces.values()]
            units = [((x - x.mean(axis=0)) ** 2).sum() / len(x) for x in inputs]
            scaled = np.column_stack(
                [x / np.sqrt(2 * unit) for x, unit in zip(inputs, units, strict=True)]
            )
            blocks = [np.flatnonzero(fold[train] == other) for other in range(4) if other != k]
            losses = [
                oracles.left_out_error(scaled, values[train], alpha, blocks) for alpha in alphas
            ]
            expected = np.log(0.5 / alphas[np.argmin(losses, axis=0)])
            np.testing.assert_allclose(scores.log_weight.values[:, k], [expected, expected])

    def test_the_split_of_himalaya(self, rng):
        measured, predicted = rng.normal(size=(20, 5)), rng.normal(size=(3, 20, 5))
        measured -= measured.mean(axis=0)
        np.testing.assert_allclose(
            split_residual(measured, predicted) / (measured**2).sum(axis=0),
            r2_score_split(measured, predicted),
        )

    @pytest.mark.parametrize("seed", range(6))
    def test_parts_add_up_to_r2_with_six_stimuli_a_fold(self, seed):
        rng = np.random.default_rng(seed)
        spaces, responses = build_problem(rng, n=24)
        responses = responses + 2 * rng.normal(size=responses.shape)
        scores = fit_banded(spaces, responses, cv=4, n_iter=3, rng=seed)
        assert np.bincount(scores.stimulus_fold).tolist() == [6] * 4
        np.testing.assert_allclose(scores.r2_split.sum("space"), scores.r2[0], atol=1e-12)

    def test_what_does_not_vary_in_a_fold_has_no_correlation_but_an_r2(self, rng):
        """Variance is that of all held-out stimuli; a correlation needs each fold to vary."""
        spaces, responses = build_problem(rng, n=24)
        folds = split_stimuli(responses, n_folds=3)
        responses[folds.values == 1, 0] = np.array([0.3, 0.1 + 0.2] * 4)
        with pytest.warns(
            RuntimeWarning,
            match="no r, because .* do not vary in some fold: 'a . b: 1 of 8 neuroids'",
        ):
            scores = fit_banded(spaces, responses, cv=folds, n_iter=2)
        assert np.isnan(scores.r[0]).values.tolist() == [True] + [False] * 7
        assert np.isfinite(scores.r2).all()
        np.testing.assert_allclose(scores.r2_split.sum("space"), scores.r2[0], atol=1e-12)


class TestTruth:
    def test_each_space_gets_what_was_planted(self, rng):
        spaces, responses = build_problem(rng)
        scores = fit_banded(spaces, responses, n_iter=20, rng=1)
        a, b = scores.r2_split.values
        assert (a[:2] > 0.4).all()
        assert (abs(b[:2]) < 0.1).all()
        assert (b[2:4] > 0.3).all()
        assert (abs(a[2:4]) < 0.1).all()
        assert (np.array([a, b])[:, 4:6] > 0.15).all()
        assert (abs(scores.r2.values[0, 6:]) < 0.15).all()
        assert scores.score.sel(region="AB").item() > 0.5
        assert scores.op.values.tolist() == ["a + b"]
        assert scores.score.dims == ("op", "region", "subject")

    def test_a_penalty_per_space_beats_one_for_all(self, rng):
        """Two informative features are among two hundred useless ones.

        A single penalty has to compromise between them.
        """
        n = 100
        few, many = rng.normal(size=(n, 2)), 10 * rng.normal(size=(n, 200))
        values = few @ rng.normal(size=(2, 30)) + 0.5 * rng.normal(size=(n, 30))
        responses, folds = label_responses(values), split_stimuli(label_features(few))
        banded = fit_banded(
            {"few": label_features(few), "many": label_features(many)},
            responses,
            cv=folds,
            n_iter=20,
        )
        single = fit_encoding(
            label_features(np.column_stack([few, many])),
            responses,
            cv=folds,
            metric="r2",
            n_splits=0,
        )
        assert banded.score.item() > single.score.item() + 0.5

    def test_unique_and_shared_variance(self, rng):
        spaces, responses = build_problem(rng)
        found = partition_variance(spaces, responses, n_iter=10)
        a, b = found.unique.values
        assert (a[:2] > 0.4).all()
        assert (abs(b[:2]) < 0.1).all()
        assert (abs(found.shared.values[:6]) < 0.2).all()
        assert (np.array([a, b])[:, 4:6] > 0.15).all()
        np.testing.assert_allclose(found.unique.sum("space") + found.shared, found.r2)
        expected = found.unique.values[:, 4:6].mean(axis=1)
        np.testing.assert_allclose(found.unique_mean.sel(region="AB").squeeze(), expected)

    def test_a_space_twice_is_all_shared(self, rng):
        spaces, responses = build_problem(rng)
        twice = {"a": spaces["a"], "copy": spaces["a"] * 7 + 1}
        found = partition_variance(twice, responses, n_iter=5)
        assert (abs(found.unique.values[:, :2]) < 0.05).all()
        assert (found.shared.values[:2] > 0.4).all()


class TestUse:
    def test_every_route_agrees_and_scale_does_not_matter(self, rng):
        spaces, responses = build_problem(rng, n=45)
        plain = fit_banded(spaces, responses, cv=3, n_iter=5)
        grams = build_grams({"a/relu": spaces["a"], "b/relu": spaces["b"]})
        routes = {"a": grams.sel(op="a/relu"), "b": build_tree({"b/relu": spaces["b"] * 100 + 5})}
        np.testing.assert_allclose(
            fit_banded(routes, responses, cv=3, n_iter=5).r2, plain.r2, atol=1e-8
        )

    @pytest.mark.parametrize("unit", [1e-9, 1e9])
    def test_the_unit_of_responses_does_not_matter(self, rng, unit):
        spaces, responses = build_problem(rng, n=60)
        expected = fit_banded(spaces, responses, cv=3, n_iter=5)
        found = fit_banded(spaces, unit * responses, cv=3, n_iter=5)
        np.testing.assert_allclose(found.r2, expected.r2, rtol=1e-5)
        np.testing.assert_allclose(found.r2_split, expected.r2_split, rtol=1e-4, atol=1e-6)

    def test_the_end_of_the_grid_is_told(self, rng):
        spaces, responses = build_problem(rng, n=45)
        noise = responses + 20 * rng.normal(size=responses.shape)
        sentence = r"ends the grid: the highest in 'a \+ b: [\d.]+% of the fits'"
        for fit in (fit_banded, partition_variance):
            with pytest.warns(RuntimeWarning, match=sentence):
                fit(spaces, noise, cv=3, n_iter=2, alphas=[1e-3, 1e-2])

    def test_median_over_neuroids(self, rng):
        spaces, responses = build_problem(rng, n=45)
        responses = responses.assign_coords(region=("neuroid", ["A"] * 8))
        scores = fit_banded(spaces, responses, cv=3, n_iter=2, aggregate="median")
        assert scores.score.item() == pytest.approx(np.median(scores.r2))
        parts = partition_variance(spaces, responses, cv=3, n_iter=2, aggregate="median")
        assert parts.r2_mean.item() == pytest.approx(np.median(parts.r2))
        assert parts.attrs["aggregate"] == "median"

    def test_unrelated_spaces_of_few_stimuli_share_nothing(self, rng):
        first, second = rng.normal(size=(2, 30, 2))
        values = first @ rng.normal(size=(2, 60)) + second @ rng.normal(size=(2, 60))
        values += 2 * rng.normal(size=values.shape)
        spaces = {"first": label_features(first), "second": label_features(second)}
        found = partition_variance(spaces, label_responses(values), n_iter=3)
        assert abs(found.shared_mean.item()) < 0.12
        assert (found.unique_mean > 0).all()

    def test_form_of_every_answer(self, rng):
        spaces, responses = build_problem(rng, n=45)
        scores = fit_banded(spaces, responses, cv=3, n_iter=2)
        check_form(scores)
        expected = {
            "method": "encoding",
            "measure": "r2",
            "estimator": "banded ridge regression",
            "n_stimuli": 45,
            "interval_kind": "none",
            "ceiling_note": "No noise ceiling was given.",
        }
        assert expected.items() <= scores.attrs.items()
        assert scores.op.values.tolist() == ["a + b"]
        assert scores.space.values.tolist() == ["a", "b"]
        parts = partition_variance(spaces, responses, cv=3, n_iter=2)
        assert (parts.attrs["measure"], "score" in parts) == ("r2", False)

    def test_a_seed_repeats(self, rng):
        spaces, responses = build_problem(rng, n=45)
        one, two = (fit_banded(spaces, responses, cv=3, n_iter=5, rng=4) for _ in range(2))
        assert one.identical(two)

    def test_himalayas_backend_is_put_back(self, rng, monkeypatch):
        spaces, responses = build_problem(rng, n=45)
        set_backend("torch")
        try:
            fit_banded(spaces, responses, cv=3, n_iter=2)
            assert get_backend().name == "torch"
            broken = lambda *args, **kwargs: 1 / 0  # noqa: E731
            monkeypatch.setattr(
                "himalaya.kernel_ridge.solve_multiple_kernel_ridge_random_search", broken
            )
            with pytest.raises(ZeroDivisionError, match="division"):
                fit_banded(spaces, responses, cv=3, n_iter=2)
            assert get_backend().name == "torch"
        finally:
            set_backend("numpy")

    def test_a_dead_space_explains_nothing(self, rng):
        spaces, responses = build_problem(rng, n=45)
        scores = fit_banded({"a": spaces["a"], "dead": spaces["b"] * 0}, responses, cv=3, n_iter=5)
        np.testing.assert_array_equal(scores.r2_split.sel(space="dead"), 0)

    def test_what_varies_in_one_held_out_stimulus_alone_predicts_nothing_of_it(self, rng):
        """Of the training stimuli only rounding is left, which is not scaled to a space."""
        spaces, responses = build_problem(rng, n=45)
        values = 5 + 1e-9 * rng.normal(size=(45, 3))
        values[0] = 0
        single = spaces["a"][:, :3].copy(data=values)
        scores = fit_banded({"a": spaces["a"], "single": single}, responses, cv=3, n_iter=5)
        assert scores.r2.values.ravel()[0] > 0.3  # follows a
        assert abs(scores.r2_split.sel(space="single")).max() < 0.5

    def test_a_broken_neuroid_is_named(self, rng):
        spaces, responses = build_problem(rng, n=45)
        responses[0, 1] = np.nan
        with pytest.warns(RuntimeWarning, match="no response to some stimulus in 1: 'n1'"):
            scores = fit_banded(spaces, responses, cv=3, n_iter=2)
        assert np.isnan(scores.r2_split.values).all(axis=0).tolist() == [False, True] + [False] * 6

    def test_errors(self, rng, monkeypatch):
        spaces, responses = build_problem(rng, n=45)
        for bad in ({"a": spaces["a"]}, spaces["a"]):
            with pytest.raises(InputError, match="a mapping of two or more names to features"):
                fit_banded(bad, responses)
        two = build_tree({"x/relu": spaces["a"], "y/relu": spaces["a"]})
        with pytest.raises(
            InputError, match=r"space 'two' must be one op, got 2: 'x/relu', 'y/relu'\. Select one"
        ):
            fit_banded({"a": spaces["a"], "two": two}, responses)
        with pytest.raises(InputError, match="3 folds or more, got 2"):
            partition_variance(spaces, responses, cv=2)
        with pytest.raises(InputError, match="n_iter must be a whole number"):
            fit_banded(spaces, responses, n_iter=0)
        with pytest.raises(InputError, match="alphas must be numbers above 0"):
            fit_banded(spaces, responses, alphas=[-1.0])
        with pytest.raises(UnknownNameError, match="no metric named 'rho'"):
            fit_banded(spaces, responses, metric="rho")
        with pytest.raises(LabelError, match="the feature array"):
            fit_banded({"a": spaces["a"], "b": spaces["b"][1:]}, responses)
        monkeypatch.setitem(sys.modules, "himalaya", None)
        with pytest.raises(MissingToolError, match="pip install himalaya scikit-learn"):
            fit_banded(spaces, responses)
