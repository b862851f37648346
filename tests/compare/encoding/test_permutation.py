"""The permutation test of encoding, against fits repeated in a loop."""

import numpy as np
import oracles
import pytest
import xarray as xr
from brains import build_grams, build_tree, label_features, label_responses
from form import check_form

from neurolens import fit_encoding
from neurolens.compare import permute_encoding, split_stimuli
from neurolens.compare.encoding import permutation as nulls
from neurolens.compare.stats.null import rank_null
from neurolens.compare.stats.permutations import draw_orders
from neurolens.errors import InputError, LabelError, UnknownNameError

# Few permutations are enough for numbers, and too few for a small q.
pytestmark = pytest.mark.filterwarnings("ignore:with .* permutations p cannot be below")

ALPHAS = np.logspace(-2, 4, 4)
TESTED = ("score_mean", "null_mean", "null_sd", "p", "q", "p_max")
PLACES = {("V1", "A"): [0, 1], ("V1", "B"): [2], ("IT", "A"): [3]}


def build_problem(rng, n=18, noise=1.0):
    """Return three ops (stimulus, 4) and responses (presentation, neuroid).

    V1 follows "a", IT follows none; subject B has no IT.
    """
    ops = {f"{name}/relu": label_features(rng.normal(size=(n, 4))) for name in "abc"}
    values = noise * rng.normal(size=(n, 4)) + 5
    values[:, :3] += ops["a/relu"].values @ rng.normal(size=(4, 3))
    regions, subjects = zip(*(place for place, here in PLACES.items() for _ in here), strict=True)
    return ops, label_responses(values, region=list(regions), subject=list(subjects))


def draw(n, n_permutations, group=None, seed=0):
    """Return the orders that ``permute_encoding`` draws with ``seed`` for ids s0, s1, ..."""
    group = np.zeros(n, dtype=int) if group is None else group
    rng = np.random.default_rng(seed).spawn(1)[0]
    return draw_orders("within", group, n_permutations, rng)


def score_slowly(ops, values, fold, orders, measure, select):
    """Return scores (order, op, region), every fit repeated for every order of the responses."""
    scores = np.empty((len(orders), len(ops), 2))
    for k, order in enumerate(orders):
        for m, x in enumerate(ops.values()):
            per_neuroid = oracles.encode(x.values, values[order], fold, ALPHAS, select)[
                ("r", "r2").index(measure)
            ]
            by_subject = {place: oracles.mean(per_neuroid[here]) for place, here in PLACES.items()}
            scores[k, m] = oracles.mean([by_subject["V1", s] for s in "AB"]), by_subject["IT", "A"]
    return scores


def check_ranks(found, scores):
    """Compare what was found with ``scores`` (order, op, region), the observed ones first."""
    np.testing.assert_allclose(found.score_mean, scores[0], atol=1e-9)
    np.testing.assert_allclose(found.null_mean, scores.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(found.null_sd, scores.std(axis=0), atol=1e-9)
    p = [
        [oracles.mean([s[m, r] >= scores[0, m, r] for s in scores]) for r in range(2)]
        for m in range(3)
    ]
    np.testing.assert_allclose(found.p, p)
    np.testing.assert_allclose(found.q.values.ravel(), oracles.discoveries(np.ravel(p)))
    deviation = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    largest = [one.max() for one in deviation]
    expected = [
        [oracles.mean([top >= deviation[0, m, r] for top in largest]) for r in range(2)]
        for m in range(3)
    ]
    np.testing.assert_allclose(found.p_max, expected)


@pytest.mark.parametrize(
    ("measure", "select"), [("r", "gcv"), ("r2", "gcv"), ("r", "loo"), ("r", "folds")]
)
def test_slow_loops(rng, measure, select):
    ops, responses = build_problem(rng)
    settings = {"cv": 3, "metric": measure, "alphas": ALPHAS, "select": select}
    found = permute_encoding(build_grams(ops), responses, n_permutations=9, **settings)
    fold = split_stimuli(responses, n_folds=3).values
    check_ranks(found, score_slowly(ops, responses.values, fold, draw(18, 9), measure, select))
    assert found.attrs["permuted"] == "all stimuli"
    assert (found.attrs["measure"], found.attrs["estimator"]) == (measure, "ridge regression")
    assert found.attrs["select"] == select


@pytest.mark.parametrize("by_name", [True, False])
def test_within_groups_of_a_slow_loop(rng, by_name):
    ops, responses = build_problem(rng)
    fold = rng.permutation(np.repeat([0, 1, 2], 6))
    category = np.array(["animal", "face", "tool"])[fold]
    responses = responses.assign_coords(category=("presentation", category))
    ready = xr.DataArray(fold, dims="stimulus", coords={"stimulus": ops["a/relu"].stimulus})
    cv = "category" if by_name else ready
    found = permute_encoding(
        build_tree(ops), responses, cv=cv, alphas=ALPHAS, n_permutations=9, rng=3
    )
    orders = draw(
        18,
        9,
        split_stimuli(responses, n_folds=None, by="category").values if by_name else fold,
        seed=3,
    )
    check_ranks(found, score_slowly(ops, responses.values, fold, orders, "r", "gcv"))
    assert found.attrs["permuted"] == "within groups"


def test_orders_permute_within_groups(rng):
    group = rng.permutation(np.repeat([-1, 0, 1, 2], [4, 5, 3, 1]))
    orders = draw_orders("within", group, 200, rng)
    np.testing.assert_array_equal(orders[0], np.arange(13))
    assert (np.sort(orders, axis=1) == np.arange(13)).all()
    assert (group[orders] == group).all()
    # Each of the 6 orders of a group of 3 occurs, about equally often.
    inside = orders[1:, group == 1]
    counts = np.unique(inside, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert counts.min() > 15


@pytest.mark.parametrize("measure", ["r", "r2"])
def test_score_is_that_of_fit_encoding(rng, measure):
    """Scores agree with the same seed, from Grams, activations and one array.

    Repeats may be in any order.
    """
    ops, responses = build_problem(rng)
    repeated = xr.concat([responses, responses + rng.normal(size=responses.shape)], "presentation")
    scores = fit_encoding(build_tree(ops), repeated, cv=3, metric=measure, rng=7)
    found = permute_encoding(
        build_tree(ops), repeated, cv=3, metric=measure, n_permutations=5, rng=7
    )
    np.testing.assert_allclose(found.score_mean, scores.score_mean, atol=1e-12)
    assert found.op.values.tolist() == list(ops)
    assert found.region.values.tolist() == ["V1", "IT"]
    grams = permute_encoding(
        build_grams(ops), repeated, cv=3, metric=measure, n_permutations=5, rng=7
    )
    xr.testing.assert_allclose(grams, found, atol=1e-9)
    one = permute_encoding(ops["b/relu"], repeated, cv=3, metric=measure, n_permutations=5, rng=7)
    np.testing.assert_allclose(one.null_mean[0], found.null_mean[1])
    names = ("n_stimuli", "n_folds", "n_permutations", "rng")
    assert [found.attrs[name] for name in names] == [18, 3, 5, 7]


@pytest.mark.parametrize("measure", ["r", "r2"])
def test_median_over_neuroids_as_in_fit_encoding(rng, measure):
    ops, responses = build_problem(rng)
    settings = {"cv": 3, "metric": measure, "aggregate": "median"}
    scores = fit_encoding(build_tree(ops), responses, **settings)
    found = permute_encoding(build_tree(ops), responses, n_permutations=3, **settings)
    np.testing.assert_allclose(found.score, scores.score, atol=1e-12)
    assert "median over neuroids" in found.attrs["methods_text"]


def test_the_end_of_the_grid_is_told(rng):
    ops, responses = build_problem(rng, noise=10)
    with pytest.warns(RuntimeWarning, match=r"ends the grid: the highest in 'a/relu: [\d.]+%"):
        permute_encoding(build_tree(ops), responses, cv=3, n_permutations=2, alphas=[1e-6, 1e-3])


def test_a_seed_repeats_and_blocks_change_nothing(rng, monkeypatch):
    ops, responses = build_problem(rng)
    whole = permute_encoding(build_tree(ops), responses, cv=3, n_permutations=9)
    xr.testing.assert_identical(
        permute_encoding(build_tree(ops), responses, cv=3, n_permutations=9), whole
    )
    assert not permute_encoding(
        build_tree(ops), responses, cv=3, n_permutations=9, rng=1
    ).null_mean.equals(whole.null_mean)
    monkeypatch.setattr(nulls, "BLOCK_NUMBERS", 150)
    xr.testing.assert_allclose(
        permute_encoding(build_tree(ops), responses, cv=3, n_permutations=9), whole
    )


def test_the_planted_op_is_found_and_no_other(rng):
    ops, responses = build_problem(rng, 60, noise=0.5)
    found = permute_encoding(build_tree(ops), responses, n_permutations=199)
    assert float(found.p.sel(op="a/relu", region="V1")) == pytest.approx(1 / 200)
    assert float(found.p_max.sel(op="a/relu", region="V1")) == pytest.approx(1 / 200)
    assert (found.p.values.ravel()[1:] > 0.05).all()
    assert (found.p_max.values.ravel()[1:] > 0.05).all()
    assert (abs(found.null_mean) < 0.1).all()


def test_groups_that_differ_on_both_sides_are_no_relation(rng):
    """Categories shift features and responses alike; within them nothing is shared.

    So p must not be small.
    """
    category = np.repeat(np.arange(6), 8)
    features = label_features(rng.normal(size=(48, 4)) + 3 * rng.normal(size=(6, 4))[category])
    values = rng.normal(size=(48, 4)) + 3 * rng.normal(size=(6, 4))[category]
    responses = label_responses(values).assign_coords(category=("presentation", category))
    inside = permute_encoding(features, responses, cv="category", n_permutations=99)
    with pytest.warns(RuntimeWarning, match="both autocorrelated in order of presentation"):
        across = permute_encoding(features, responses, cv=4, n_permutations=99)
    assert float(across.p[0, 0]) == 0.01
    assert float(inside.p[0, 0]) > 0.05


def test_form_of_every_answer(rng):
    ops, responses = build_problem(rng)
    found = permute_encoding(build_tree(ops), responses, cv=3, n_permutations=9, rng=7)
    check_form(found, "p", "q", "p_max")
    expected = {
        "method": "encoding",
        "measure": "r",
        "estimator": "ridge regression",
        "n_stimuli": 18,
        "interval_kind": "none",
        "ceiling_note": "No noise ceiling was given.",
        "ceiling_bound": "none",
    }
    assert expected.items() <= found.attrs.items()
    scores = fit_encoding(build_tree(ops), responses, cv=3, rng=7, n_splits=0)
    np.testing.assert_allclose(found.score, scores.score, atol=1e-12)
    assert found.subject.values.tolist() == ["A", "B"]
    assert found.score.sel(region="IT", subject="B").isnull().all()


class TestMissing:
    def test_neuroids_that_cannot_be_predicted_take_no_part(self, rng):
        ops, responses = build_problem(rng)
        clean = permute_encoding(
            build_tree(ops), responses.isel(neuroid=[0, 3]), cv=3, n_permutations=9
        )
        responses[4, 1] = np.nan
        responses[:, 2] = 1.0
        with pytest.warns(
            RuntimeWarning,
            match=r"no response to some stimulus in 1: 'n1'; no change .* in 1: 'n2'",
        ):
            found = permute_encoding(build_tree(ops), responses, cv=3, n_permutations=9)
        tested = list(TESTED)
        xr.testing.assert_allclose(found[tested], clean[tested])
        xr.testing.assert_allclose(found.score.sel(subject=["A"]), clean.score)
        assert found.score.sel(subject="B").isnull().all()

    def test_a_dead_op_has_no_p_and_spoils_no_other(self, rng):
        ops, responses = build_problem(rng)
        clean = permute_encoding(build_tree(ops), responses, cv=3, n_permutations=9)
        ops["dead/relu"] = ops["a/relu"] * 0
        with pytest.warns(
            RuntimeWarning,
            match="no score for 'dead/relu': the predictions do not vary in any fold",
        ):
            found = permute_encoding(build_tree(ops), responses, cv=3, n_permutations=9)
        assert found[["p", "q", "p_max"]].sel(op="dead/relu").to_dataarray().isnull().all()
        xr.testing.assert_allclose(found.isel(op=slice(3)), clean)

    def test_a_region_without_change_in_any_fold_is_named_and_no_op_is(self, rng):
        ops, responses = build_problem(rng)
        category = np.repeat([0, 1, 2], 6)
        responses = responses.assign_coords(category=("presentation", category))
        responses[:, 3] = category
        for part in (responses, responses[:, [3]]):
            with pytest.warns(
                RuntimeWarning, match="^no score for 'IT': the responses do not vary in any fold"
            ) as told:
                found = permute_encoding(build_tree(ops), part, cv="category", n_permutations=9)
            assert len(told) == 1
            assert found.p.sel(region="IT").isnull().all()
        assert found.p.notnull().sum() == 0

    def test_permutations_without_a_score_count_as_hits(self, rng):
        """A neuroid that responds to two stimuli has no score where both fall into one fold.

        It keeps its p_max.
        """
        ops, responses = build_problem(rng)
        fold = split_stimuli(responses, n_folds=3).values
        values = np.zeros(18)
        values[[np.flatnonzero(fold == 0)[0], np.flatnonzero(fold == 1)[0]]] = 1.0, 2.0
        responses[:, 3] = values
        found = permute_encoding(build_tree(ops), responses, cv=3, n_permutations=49)
        together = [len(set(fold[values[order] > 0])) == 1 for order in draw(18, 49)]
        assert sum(together) > 5
        assert np.isfinite(found[list(TESTED)].to_dataarray()).all()
        assert (found.p.sel(region="IT") >= (1 + sum(together)) / 50).all()


def test_draws_without_a_score_leave_the_others_their_maximum():
    scores = np.array([2.0, 1.0, np.nan, 3.0, 0.0])[:, None, None]
    found = rank_null(scores)[0]
    assert found["null_mean"].item() == 1.5
    assert found["null_sd"].item() == pytest.approx(np.sqrt(1.25))
    assert found["p"].item() == 3 / 5
    assert found["p_max"].item() == 2 / 5


def test_errors(rng):
    ops, responses = build_problem(rng)
    tree = build_tree(ops)
    for settings, error, message in (
        ({"metric": "rho"}, UnknownNameError, "no metric named 'rho'"),
        ({"select": "kfold"}, UnknownNameError, "no select named 'kfold'. Closest: 'folds'"),
        (
            {"n_permutations": 0},
            InputError,
            "n_permutations must be a whole number, 1 or more, got 0",
        ),
        (
            {"n_permutations": True},
            InputError,
            "n_permutations must be a whole number, 1 or more, got True",
        ),
        ({"alphas": [-1.0]}, InputError, r"alphas must be numbers above 0, got \[-1.0\]"),
        ({"cv": 2, "select": "folds"}, InputError, "needs 3 folds or more, got 2"),
        ({"cv": 7}, InputError, "at least 3 stimuli"),
        (
            {"cv": "category"},
            LabelError,
            "no coordinate 'category' along 'presentation' to split by",
        ),
    ):
        with pytest.raises(error, match=message):
            permute_encoding(tree, responses, **settings)
    with pytest.raises(InputError, match=r"features must be a Dataset of Grams, .* got ndarray"):
        permute_encoding(ops["a/relu"].values, responses)
    with pytest.raises(InputError, match=r"responses must be a DataArray .* got ndarray"):
        permute_encoding(tree, responses.values)
    with pytest.raises(
        LabelError, match=r"the responses must hold the same 17 ids .* only in .*: 's0'"
    ):
        permute_encoding(tree, responses[1:], cv=3)
    broken = ops["a/relu"].copy()
    broken[2, 0] = np.nan
    with pytest.raises(InputError, match=r"the feature array must be finite, .* stimuli 's2'"):
        permute_encoding(broken, responses, cv=3)


class TestSchemes:
    """What is permuted follows from what is held out together, or from ``scheme`` and ``by``."""

    def build_pictures(self, rng):
        """Return 8 pictures in 6 views each, features and responses without a relation."""
        picture = np.repeat(np.arange(8), 6)
        features = label_features(rng.normal(size=(8, 6))[picture] + rng.normal(size=(48, 6)))
        values = rng.normal(size=(8, 5))[picture] + rng.normal(size=(48, 5))
        return features, label_responses(values).assign_coords(picture=("presentation", picture))

    def test_groups_that_are_held_out_together_are_permuted_together(self, rng):
        features, responses = self.build_pictures(rng)
        picture = responses.picture.values
        folds = split_stimuli(responses, n_folds=4, by="picture")
        found = permute_encoding(features, responses, cv=folds, alphas=ALPHAS, n_permutations=9)
        orders = draw_orders("groups", picture, 9, np.random.default_rng(0).spawn(1)[0])
        scores = [
            oracles.mean(
                oracles.encode(
                    features.values, responses.values[order], folds.values, ALPHAS, "gcv"
                )[0]
            )
            for order in orders
        ]
        assert found.null_mean.item() == pytest.approx(np.mean(scores))
        assert found.attrs["permuted"] == "whole groups"
        named = permute_encoding(
            features, responses, cv=folds, alphas=ALPHAS, scheme="groups", by="picture",
            n_permutations=9,
        )  # fmt: skip
        xr.testing.assert_identical(named, found)

    def test_contiguous_folds_are_tested_by_shifts(self, rng):
        features, responses = self.build_pictures(rng)
        folds = split_stimuli(responses, n_folds=4, contiguous=True, gap=3)
        found = permute_encoding(features, responses, cv=folds, n_permutations=200)
        assert found.attrs["permuted"] == "circular shifts"
        assert found.attrs["n_permutations"] == 47
        assert found.p.item() * 48 == pytest.approx(round(found.p.item() * 48))

    def test_a_gap_trains_on_what_is_left(self, rng):
        features, responses = self.build_pictures(rng)
        folds = split_stimuli(responses, n_folds=4, contiguous=True, gap=3)
        found = fit_encoding(features, responses, cv=folds, alphas=ALPHAS, predictions=True)
        place = np.arange(48)
        for fold in range(4):
            test = folds.values == fold
            near = abs(np.subtract.outer(place, place[test])).min(axis=1)
            kept = test | (near > 3)
            alone = xr.DataArray(
                np.where(test, 0, -1)[kept],
                dims="stimulus",
                coords={"stimulus": features.stimulus[kept]},
            )
            again = fit_encoding(
                features[kept],
                responses[kept],
                cv=alone,
                alphas=ALPHAS,
                predictions=True,
                n_splits=0,
            )
            np.testing.assert_allclose(
                found.prediction.sel(stimulus=features.stimulus[test]),
                again.prediction.sel(stimulus=features.stimulus[test]),
            )

    def test_errors(self, rng):
        features, responses = self.build_pictures(rng)
        with pytest.raises(UnknownNameError, match="no scheme named 'shifts'. Closest: 'shift'"):
            permute_encoding(features, responses, scheme="shifts")
        with pytest.raises(InputError, match="scheme='groups' needs two or more groups"):
            permute_encoding(features, responses, scheme="groups")
        with pytest.raises(LabelError, match=r"no coordinate 'run' along the stimuli.*'picture'"):
            permute_encoding(features, responses, by="run")

    def test_groups_that_cannot_move_are_told(self, rng):
        features, responses = self.build_pictures(rng)
        sizes = {"uneven": [6] * 6 + [5, 7], "alone": [1, 2, 3, 4, 5, 33], "two": [24, 24]}
        for name, counts in sizes.items():
            labels = np.repeat(np.arange(len(counts)), counts)
            responses = responses.assign_coords({name: ("presentation", labels)})
        settings = {"cv": split_stimuli(responses, n_folds=4, by="picture"), "n_permutations": 3}
        with pytest.warns(RuntimeWarning, match="2 groups have a size that no other group has"):
            permute_encoding(features, responses, by="uneven", **settings)
        with pytest.raises(InputError, match="no two groups have the same size"):
            permute_encoding(features, responses, by="alone", **settings)
        with pytest.warns(RuntimeWarning, match="only 2 different permutations of whole groups"):
            permute_encoding(features, responses, by="two", **settings)


def test_a_q_that_cannot_be_small_says_how_many_permutations_are_needed(rng):
    ops, responses = build_problem(rng, 60, noise=0.3)
    responses = responses[:, [0, 3]]
    many = {f"{k}/relu": label_features(rng.normal(size=(60, 4))) for k in range(3)}
    tree = build_tree(many | {"a/relu": ops["a/relu"]})
    with pytest.warns(RuntimeWarning, match=r"with 8 tests .* Pass n_permutations=159 or more"):
        found = permute_encoding(tree, responses, n_permutations=39)
    assert found.attrs["permutations_for_q"] == 159
    enough = permute_encoding(tree, responses, n_permutations=159)
    assert enough.q.sel(op="a/relu", region="V1").item() == pytest.approx(0.05)
    assert "for these subjects (fixed)" in found.attrs["inference_over"]
    assert (
        "39 permutations (all stimuli), over stimuli, for these subjects"
        in (found.attrs["methods_text"])
    )
