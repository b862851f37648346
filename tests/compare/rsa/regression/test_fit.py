import numpy as np
import pytest
from form import check_form
from scipy.optimize import nnls
from scipy.stats import rankdata
from sklearn.linear_model import LinearRegression
from squares import draw_square, label_squares

from neurolens.compare import compute_metadata_rdms, fit_rdm_regression
from neurolens.compare.rsa.regression.coefficients import (
    Correlations,
    correlate_pairs,
    inflate_variance,
    solve_coefficients,
)
from neurolens.compare.rsa.regression.held_out import predict_held_out
from neurolens.errors import InputError, UnknownNameError

PLAIN = {"n_bootstrap": 0, "n_permutations": 0, "n_folds": 2}
N = 12
UPPER = np.triu_indices(N, 1)


def build_sides(rng, *, ties=False):
    """Return three ops and two subjects that are sums of two of them, and noise."""
    squares = [draw_square(rng, N, ties=ties) for _ in "abc"]
    model = label_squares(squares, op=list("abc"))
    brain = [2 * squares[0] + squares[1] + draw_square(rng, N) for _ in "AB"]
    return model, label_squares(brain, subject=["A", "B"])


def standardize(values):
    return (values - values.mean()) / values.std()


def list_columns(rdms, transform="z-score"):
    scale = rankdata if transform == "rank" else np.asarray
    return np.stack([standardize(scale(square[UPPER])) for square in rdms.values], axis=1)


def explain(x, y):
    """Return R^2 of least squares."""
    return LinearRegression().fit(x, y).score(x, y) if x.shape[1] else 0.0


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("transform", ["z-score", "rank"])
def test_least_squares(rng, transform, ties):
    model, brain = build_sides(rng, ties=ties)
    found = fit_rdm_regression(model, brain, transform=transform, **PLAIN)
    x = list_columns(model, transform)
    for s, y in enumerate(list_columns(brain, transform).T):
        np.testing.assert_allclose(found.score[:, 0, s], np.linalg.lstsq(x, y)[0], atol=1e-9)
        whole = explain(x, y)
        unique = [whole - explain(np.delete(x, k, axis=1), y) for k in range(3)]
        assert found.r2[0, s].item() == pytest.approx(whole)
        np.testing.assert_allclose(found.unique[:, 0, s], unique, atol=1e-9)
        assert found.shared[0, s].item() == pytest.approx(whole - sum(unique))
    for k in range(3):
        inflation = 1 / (1 - explain(np.delete(x, k, axis=1), x[:, k]))
        assert found.vif[k].item() == pytest.approx(inflation)


def test_nonnegative(rng):
    model, brain = build_sides(rng)
    model.values[2] += (brain.max().item() - brain.values[0]) * (1 - np.eye(N))
    found = fit_rdm_regression(model, brain, nonnegative=True, **PLAIN)
    x = list_columns(model)
    for s, y in enumerate(list_columns(brain).T):
        beta, norm = nnls(x, y)
        np.testing.assert_allclose(found.score[:, 0, s], beta, atol=1e-9)
        assert found.r2[0, s].item() == pytest.approx(1 - norm**2 / (y @ y))
        for k in range(3):
            rest = nnls(np.delete(x, k, axis=1), y)[1]
            unique = (rest**2 - norm**2) / (y @ y)
            assert found.unique[k, 0, s].item() == pytest.approx(unique, abs=1e-9)
    assert found.score.min() == 0


def test_weights_are_copies(rng):
    """A draw equals least squares on the pairs of drawn stimuli, copies and all."""
    x = rng.normal(size=(2, 66))
    y = rng.normal(size=(1, 66))
    count = rng.multinomial(N, np.full(N, 1 / N))
    weight = count[UPPER[0]] * count[UPPER[1]]
    found = solve_coefficients(correlate_pairs(x, y, weight.astype(float)), False)
    columns = np.repeat(x, weight, axis=1).T
    target = standardize(np.repeat(y[0], weight))
    scaled = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    np.testing.assert_allclose(found.beta[:, 0], np.linalg.lstsq(scaled, target)[0], atol=1e-9)
    assert found.r2[0] == pytest.approx(explain(scaled, target))


def test_held_out_by_hand(rng):
    model, brain = build_sides(rng)
    x = np.stack([square[UPPER] for square in model.values])
    y = brain.values[0][UPPER]
    fold_of = np.array([rng.permutation(N) % 3 for _ in range(2)])
    found = predict_held_out(x, y[None], fold_of, False, False)
    error = np.zeros(4)
    total = 0.0
    for folds in fold_of:
        for fold in range(3):
            inside = folds == fold
            test = inside[UPPER[0]] & inside[UPPER[1]]
            train = ~inside[UPPER[0]] & ~inside[UPPER[1]]
            total += ((y[test] - y[train].mean()) ** 2).sum()
            for row, kept in enumerate([[0, 1, 2], [1, 2], [0, 2], [0, 1]]):
                fit = LinearRegression().fit(x[kept][:, train].T, y[train])
                error[row] += ((y[test] - fit.predict(x[kept][:, test].T)) ** 2).sum()
    r2 = 1 - error / total
    assert found.r2[0] == pytest.approx(r2[0])
    np.testing.assert_allclose(found.unique[:, 0], r2[0] - r2[1:], atol=1e-9)


def test_planted_shares(rng):
    """Of .3, .2 and nothing, independent at the level of pairs; in the mean over 20 data sets."""
    n = 24
    upper = np.triu_indices(n, 1)
    unique, shared, fitted = [], [], []
    for _ in range(20):
        x = rng.normal(size=(3, len(upper[0])))
        y = np.sqrt([0.3, 0.2]) @ x[:2] + np.sqrt(0.5) * rng.normal(size=len(upper[0]))
        squares = np.zeros((4, n, n))
        squares[:, *upper] = [*(x + 9), y + 9]
        squares += np.swapaxes(squares, 1, 2)
        found = fit_rdm_regression(
            label_squares(squares[:3], op=list("abc")), label_squares(squares[3]),
            n_bootstrap=0, n_permutations=0,
        )  # fmt: skip
        unique.append(found.unique_mean.values[:, 0])
        fitted.append(found.unique.values[:, 0, 0])
        shared.append(found.shared_heldout.item())
    np.testing.assert_allclose(np.mean(unique, axis=0), [0.3, 0.2, 0.0], atol=0.04)
    assert abs(np.mean(shared)) < 0.04
    assert np.mean(fitted, axis=0)[2] > 0
    assert np.mean(unique, axis=0)[2] <= 0


def test_tests_find_what_was_planted(rng):
    model, brain = build_sides(rng)
    found = fit_rdm_regression(model, brain, n_bootstrap=50, n_permutations=99, n_folds=2)
    check_form(found, "p", "q", "p_max")
    assert found.p.values[0, 0] <= 0.02
    assert found.p_r2.item() <= 0.02
    assert found.p.values[2, 0] > 0.05
    assert bool((found.mean_ci_low < found.score_mean).all())
    assert bool((found.score_mean < found.mean_ci_high).all())
    assert bool((found.unique_ci_low < found.unique_mean).all())


def test_one_rdm_is_a_correlation(rng):
    model, brain = build_sides(rng)
    found = fit_rdm_regression(model[:1], brain, n_bootstrap=5, n_permutations=9, n_folds=2)
    x = list_columns(model)[:, 0]
    r = [np.corrcoef(x, y)[0, 1] for y in list_columns(brain).T]
    np.testing.assert_allclose(found.score[0, 0], r)
    np.testing.assert_allclose(found.unique[0], found.r2)
    np.testing.assert_allclose(found.shared, 0, atol=1e-12)
    assert found.vif.item() == pytest.approx(1)


def test_metadata_as_models(rng):
    ids = [f"s{k}" for k in range(N)]
    table = {
        "class": dict(zip(ids, "aabbccaabbcc", strict=True)),
        "size": dict(zip(ids, rng.random(N), strict=True)),
    }
    models = compute_metadata_rdms(table, ["class", "size"])
    brain = label_squares(models.values[0] + 0.1 * draw_square(rng, N))
    found = fit_rdm_regression(models, brain, **PLAIN)
    assert found.unique_mean.sel(op="class").item() > 0.8
    assert "class: 0 if the same" in found.attrs["methods_text"]


class TestDependence:
    def test_similar_rdms_are_named(self, rng):
        model, brain = build_sides(rng)
        model[1] = model[0] + 0.1 * model[1]
        with pytest.warns(RuntimeWarning, match="inflation exceeds 10: 'a', 'b'"):
            fit_rdm_regression(model, brain, **PLAIN)

    def test_combinations_are_refused(self, rng):
        model, brain = build_sides(rng)
        model[2] = model[0] + 2 * model[1]
        with pytest.raises(InputError, match="combinations of each other.*'a', 'b', 'c'"):
            fit_rdm_regression(model, brain, **PLAIN)

    def test_dependent_draws_are_left_out(self):
        among = np.array([[1.0, 1.0], [1.0, 1.0]])
        lost = solve_coefficients(Correlations(among, np.ones((2, 1))), False)
        assert np.isnan(lost.beta).all()
        assert (inflate_variance(among) > 1e6).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_folds": 5}, "held-out variance needs 3 stimuli or more"),
        ({"n_folds": 1}, "n_folds must be a whole number, 2 or more"),
        ({"n_bootstrap": 1}, "n_bootstrap must be 2 or more"),
        ({"confidence": 95}, "confidence must lie between 0 and 1"),
    ],
)
def test_settings(rng, settings, message):
    with pytest.raises(InputError, match=message):
        fit_rdm_regression(*build_sides(rng), **settings)


def test_models_that_cannot_be_used(rng):
    model, brain = build_sides(rng)
    with pytest.raises(UnknownNameError, match="no transform named 'ranks'. Closest: 'rank'"):
        fit_rdm_regression(model, brain, transform="ranks")
    gaps = model.copy()
    gaps[1, 0, 1] = gaps[1, 1, 0] = np.nan
    with pytest.raises(InputError, match="these hold NaN or do not vary: 'b'"):
        fit_rdm_regression(gaps, brain)
    with pytest.raises(InputError, match="hold NaN or do not vary: 'c'"):
        fit_rdm_regression(model.where(model.op != "c", 1.0 - np.eye(N)), brain)
