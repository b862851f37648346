import itertools

import numpy as np
import pytest
import xarray as xr
from form import check_form
from scipy.stats import rankdata
from squares import draw_square, label_squares, measure_square

import neurolens as nl
from neurolens.compare import compare_partial_rdms
from neurolens.compare.rsa.regression.residuals import Controls, correlate_partially
from neurolens.compare.rsa.regression.weighted_ranks import sort_rows
from neurolens.errors import InputError, LabelError, UnknownNameError

PLAIN = {"n_bootstrap": 0, "n_splits": 0, "n_permutations": 0}


def build_sides(rng, n=9, *, ties=False):
    """Return three ops, two regions of two subjects (B has no IT) and two controls."""
    model = label_squares([draw_square(rng, n, ties=ties) for _ in "abc"], op=list("abc"))
    squares = [[draw_square(rng, n, ties=ties) for _ in "AB"] for _ in "VI"]
    brain = label_squares(squares, region=["V1", "IT"], subject=["A", "B"])
    brain[1, 1] = np.nan
    control = label_squares([draw_square(rng, n, ties=ties) for _ in "pq"], op=["p", "q"])
    return model, brain, control


def list_pairs(square, drawn):
    """Return the dissimilarities of drawn stimuli, save those of a stimulus and its copy."""
    pairs = [(i, j) for i, j in itertools.combinations(drawn, 2) if i != j]
    return np.array([square[i, j] for i, j in pairs])


def leave(values, controls, degree, ranked):
    """Return the residuals of least squares on a polynomial in the ranks of each control."""
    columns = [np.ones(len(values))]
    for control in controls:
        ranks = rankdata(control)
        ranks = (ranks - ranks.mean()) / len(ranks)
        columns += [] if ranked else [control]
        if ranked or degree > 1:
            columns += [ranks**power for power in range(1, degree + 1)]
    design = np.stack(columns, axis=1)
    return values - design @ np.linalg.lstsq(design, values)[0]


def correlate_slowly(x, y, controls, degree, ranked, drawn):
    """Return the partial correlation of squares over the stimuli ``drawn``, copies and all."""
    known = [list_pairs(control, drawn) for control in controls]
    both = [list_pairs(square, drawn) for square in (x, y)]
    both = [rankdata(values) if ranked else values for values in both]
    return np.corrcoef(*[leave(values, known, degree, ranked) for values in both])[0, 1]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("degree", [1, 3])
@pytest.mark.parametrize("comparator", ["pearson", "spearman"])
def test_slow_loop(rng, comparator, degree, ties):
    model, brain, control = build_sides(rng, ties=ties)
    ranked = comparator == "spearman"
    found = compare_partial_rdms(
        model, brain, control, comparator=comparator, degree=degree, **PLAIN
    )
    everyone = range(9)
    for (m, r, s), score in np.ndenumerate(found.score.values):
        if (r, s) == (1, 1):
            assert np.isnan(score)
            continue
        slow = correlate_slowly(
            model.values[m], brain.values[r, s], control.values, degree, ranked, everyone
        )
        assert score == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("comparator", ["pearson", "spearman"])
def test_draws_of_stimuli_are_copies_of_rows(rng, comparator, degree):
    x, y, z = (draw_square(rng, 10, ties=True) for _ in range(3))
    counts = rng.multinomial(10, np.full(10, 0.1), size=4)
    upper = np.triu_indices(10, 1)
    ranked = comparator == "spearman"
    controls = Controls(sort_rows(z[upper][None]), degree, ranked)
    found = correlate_partially(x[upper][None], y[upper][None], controls, counts)
    for draw, count in enumerate(counts):
        drawn = np.repeat(np.arange(10), count)
        slow = correlate_slowly(x, y, [z], degree, ranked, drawn)
        assert found[draw, 0, 0] == pytest.approx(slow, abs=1e-9)


def test_one_linear_control_is_the_textbook_formula(rng):
    x, y, z = (draw_square(rng, 12) for _ in range(3))
    found = compare_partial_rdms(
        *map(label_squares, (x, y, z)), comparator="pearson", degree=1, **PLAIN
    )
    upper = np.triu_indices(12, 1)
    r = np.corrcoef([x[upper], y[upper], z[upper]])
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert found.score.item() == pytest.approx(expected, abs=1e-12)
    assert found.control_explained.item() == pytest.approx(r[1, 2] ** 2, abs=1e-12)


def test_permutation_by_hand(rng):
    """Residuals of the brain are permuted as squares, and regressed on the controls again."""
    model, brain, control = build_sides(rng, 8)
    brain = brain.isel(region=[0])
    found = compare_partial_rdms(
        model, brain, control, degree=1, n_bootstrap=0, n_splits=0, n_permutations=19, rng=3
    )
    upper = np.triu_indices(8, 1)
    known = [square[upper] for square in control.values]
    left_x = [leave(rankdata(x[upper]), known, 1, True) for x in model.values]
    order_rng = np.random.default_rng(3).spawn(2)[1]
    orders = [np.arange(8), *(order_rng.permutation(8) for _ in range(19))]
    scores = np.empty((20, 3))
    for k, order in enumerate(orders):
        by_subject = []
        for y in brain.values[0]:
            square = np.zeros((8, 8))
            square[upper] = leave(rankdata(y[upper]), known, 1, True)
            square = (square + square.T)[np.ix_(order, order)]
            again = leave(square[upper], known, 1, True)
            by_subject.append([np.corrcoef(x, again)[0, 1] for x in left_x])
        scores[k] = np.mean(by_subject, axis=0)
    np.testing.assert_allclose(found.score_mean[:, 0], scores[0], atol=1e-9)
    np.testing.assert_allclose(found.null_mean[:, 0], scores.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(found.p[:, 0], (scores >= scores[0] - 1e-12).mean(axis=0))


def test_ceilings_bound_every_model(rng):
    model, brain, control = build_sides(rng)
    known = [control.values[k][np.triu_indices(9, 1)] for k in range(2)]
    unit = []
    for y in brain.values[0]:
        left = leave(rankdata(y[np.triu_indices(9, 1)]), known, 3, True)
        unit.append(left / np.linalg.norm(left))
    found = compare_partial_rdms(model, brain, control, **PLAIN)
    best = np.mean(unit, axis=0)
    upper = np.mean([one @ best / np.linalg.norm(best) for one in unit])
    np.testing.assert_allclose(found.ceiling_upper, [upper, np.nan])
    np.testing.assert_allclose(found.ceiling_lower, [unit[0] @ unit[1], np.nan])
    assert found.attrs["ceiling_bound"] == "exact"


def measure_truth(rng, n=24):
    """Return RDMs of a model and a brain that share a control, linear in it, and the control."""
    control = measure_square(rng, rng.normal(size=(n, 2)), np.eye(2), 0)
    own = [measure_square(rng, rng.normal(size=(n, 6)), np.eye(6), 0) for _ in "xy"]
    return label_squares(control + own[0]), label_squares(control + own[1]), label_squares(control)


@pytest.mark.parametrize("comparator", ["pearson", "spearman"])
def test_a_control_that_explains_all_leaves_nothing(rng, comparator):
    with_control, without = [], []
    for _ in range(20):
        model, brain, control = measure_truth(rng)
        plain = nl.compare_rdms(
            model, brain, comparator=comparator, n_bootstrap=0, n_splits=0
        ).score.item()
        without.append(plain)
        found = compare_partial_rdms(model, brain, control, comparator=comparator, **PLAIN)
        with_control.append(found.score.item())
    assert np.mean(without) > 0.4
    assert abs(np.mean(with_control)) < 0.06


def test_the_answer_has_the_one_form(rng):
    model, brain, control = build_sides(rng, 12)
    found = compare_partial_rdms(
        model, brain, control, n_bootstrap=20, n_splits=3, n_permutations=9
    )
    check_form(found, "split_score", "split_member", "p", "q", "p_max")
    assert found.attrs["controls"] == ["p", "q"]
    assert "given the matrices of p, q" in found.attrs["methods_text"]
    assert bool((found.ci_low <= found.ci_high).sel(subject="A").all())
    best = nl.assign_regions(found)
    assert best.best_op.dims == ("region",)


def test_order_of_stimuli_changes_nothing(rng):
    model, brain, control = build_sides(rng, 12)
    settings = {"n_bootstrap": 10, "n_splits": 2, "n_permutations": 9}
    found = compare_partial_rdms(model, brain, control, **settings)
    mixed = rng.permutation(12)
    moved = compare_partial_rdms(
        model.isel(stimulus=mixed, stimulus_2=mixed),
        brain.isel(stimulus=mixed[::-1], stimulus_2=mixed[::-1]),
        control.isel(stimulus_2=mixed),
        **settings,
    )
    for name in ("score", "ci_low", "p", "split_score", "bootstrap_mean"):
        np.testing.assert_allclose(moved[name], found[name], atol=1e-6)


def test_time_bins(rng):
    model, brain, control = build_sides(rng)
    timed = xr.concat([brain, brain**2 + 1 - np.eye(9)], "time_bin").assign_coords(time_bin=[1, 2])
    timed = timed.where(~np.eye(9, dtype=bool) | brain.isnull(), 0)
    found = compare_partial_rdms(model, timed, control, **PLAIN)
    one = compare_partial_rdms(model, timed.sel(time_bin=2, drop=True), control, **PLAIN)
    np.testing.assert_allclose(found.score.sel(time_bin=2), one.score)


class TestWhatCannotBeScored:
    def test_ops_that_controls_explain(self, rng):
        model, brain, control = build_sides(rng)
        model[1] = control[0] * 3
        model[2] = 2.0
        for k in range(9):
            model[2, k, k] = 0
        with pytest.warns(RuntimeWarning, match="no score for 'b', 'c'"):
            found = compare_partial_rdms(
                model, brain, control, n_bootstrap=5, n_splits=0, n_permutations=9
            )
        assert np.isfinite(found.score_mean[0]).all()
        assert found.score_mean[1:].isnull().all()
        assert found.p[1:].isnull().all()
        assert np.isfinite(found.p_max[0]).all()

    def test_regions_that_controls_explain(self, rng):
        model, brain, control = build_sides(rng)
        brain[0, 1] = control[1]
        with pytest.raises(InputError, match="explain all of the brain RDMs of 'V1, B'"):
            compare_partial_rdms(model, brain, control, **PLAIN)

    def test_controls(self, rng):
        model, brain, control = build_sides(rng)
        flat = control.where(control.op != "q", 1.0 - np.eye(9))
        with pytest.raises(
            InputError, match="that vary over pairs, but these hold NaN or do not vary: 'q'"
        ):
            compare_partial_rdms(model, brain, flat, **PLAIN)
        gaps = control.copy()
        gaps[0, 2, 3] = gaps[0, 3, 2] = np.nan
        with pytest.raises(InputError, match="these hold NaN or do not vary: 'p'"):
            compare_partial_rdms(model, brain, gaps, **PLAIN)
        with pytest.raises(LabelError, match="control_rdms and model_rdms must hold the same"):
            compare_partial_rdms(
                model, brain, control.isel(stimulus=slice(8), stimulus_2=slice(8)), **PLAIN
            )

    def test_settings(self, rng):
        model, brain, control = build_sides(rng)
        with pytest.raises(InputError, match="no partial form of 'rho-a'.*'spearman'"):
            compare_partial_rdms(model, brain, control, comparator="rho-a")
        with pytest.raises(UnknownNameError, match="no partial comparator named 'spearmen'"):
            compare_partial_rdms(model, brain, control, comparator="spearmen")
        with pytest.raises(InputError, match="half splits need 10 pairs.*got 6"):
            compare_partial_rdms(model, brain, control, n_bootstrap=0)
        few = {"stimulus": slice(4), "stimulus_2": slice(4)}
        with pytest.raises(InputError, match="2 controls of degree 3 need 10 pairs or more, got 6"):
            compare_partial_rdms(model.isel(few), brain.isel(few), control.isel(few), **PLAIN)
        with pytest.raises(InputError, match="degree must be a whole number"):
            compare_partial_rdms(model, brain, control, degree=0)
        with pytest.raises(InputError, match="degree must be 1, 2 or 3, got 8"):
            compare_partial_rdms(model, brain, control, degree=8)
