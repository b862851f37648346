"""Groups and series in partial and multiple regression RSA, as in plain RSA."""

import numpy as np
import oracles
import pytest
import xarray as xr
from brains import label_features, label_responses
from scipy.spatial.distance import pdist, squareform
from squares import draw_square, label_squares

import neurolens as nl
from neurolens.compare import compare_partial_rdms, fit_rdm_regression
from neurolens.compare.stats.permutations import draw_orders
from neurolens.errors import InputError

QUICK = {"n_bootstrap": 0, "n_permutations": 19}
pytestmark = pytest.mark.filterwarnings("ignore:with .* permutations p cannot be below")


def draw_series(rng, n=40, carry=0.9):
    """Return the RDM of a stationary series, each stimulus like the one before."""
    series = rng.normal(size=(n, 20))
    for k in range(1, n):
        series[k] = carry * series[k - 1] + np.sqrt(1 - carry**2) * series[k]
    return squareform(pdist(series, "correlation"))


def build_groups(rng, n_groups=8, n_each=3):
    n = n_groups * n_each
    squares = [label_squares(draw_square(rng, n)) for _ in range(3)]
    label = np.repeat(np.arange(n_groups), n_each)
    return squares, xr.DataArray(label, dims="stimulus", coords={"stimulus": squares[0].stimulus})


def leave(values, control):
    return values - np.polyval(np.polyfit(control, values, 1), control)


@pytest.mark.parametrize("scheme", ["within", "groups", "shift"])
def test_residuals_are_permuted_by_the_scheme(rng, scheme):
    """By hand: least squares on one control, before and after permuting what it leaves."""
    (model, brain, control), group = build_groups(rng)
    found = compare_partial_rdms(
        model, brain, control, comparator="pearson", degree=1, scheme=scheme, by=group, n_splits=0,
        **QUICK,
    )  # fmt: skip
    generator = np.random.default_rng(0).spawn(2)[1]
    orders = draw_orders(scheme, group.values, 19, generator)
    upper = np.triu_indices(24, 1)
    x, y, z = (square.values for square in (model, brain, control))
    if scheme == "shift":
        y = oracles.subtract_lag_means(y, group.values)
    rest = squareform(leave(y[upper], z[upper]), checks=False)
    left = leave(x[upper], z[upper])
    drawn = []
    for order in orders:
        again = leave(rest[np.ix_(order, order)][upper], z[upper])
        drawn.append(np.corrcoef(left, again)[0, 1])
    np.testing.assert_allclose(found.null_mean.item(), np.mean(drawn), atol=1e-9)
    np.testing.assert_allclose(found.null_sd.item(), np.std(drawn), atol=1e-9)
    hits = np.mean(np.array(drawn) >= drawn[0] - 1e-12)
    assert found.p.item() == pytest.approx(hits)
    observed = np.corrcoef(left, leave(brain.values[upper], z[upper]))[0, 1]
    assert found.score_mean.item() == pytest.approx(observed)
    assert ("tested_score" in found) == (scheme == "shift")
    assert found.attrs["permuted"] in found.attrs["methods_text"]


def test_groups_are_resampled_split_and_held_out_whole(rng):
    (model, brain, control), group = build_groups(rng)
    partial = compare_partial_rdms(
        model, brain, control, degree=1, by=group, n_bootstrap=20, n_splits=3, n_permutations=0
    )
    models = xr.concat([model, control], "op").assign_coords(op=["a", "b"])
    fit = fit_rdm_regression(models, brain, by=group, n_bootstrap=20, n_permutations=19)
    for scores in (partial, fit):
        assert scores.attrs["n_units"] == 8
        assert scores.attrs["interval_over"] == "groups of stimuli"
    for member in partial.split_member.values:
        assert all(len(set(member[group.values == k])) == 1 for k in range(8))
    assert fit.attrs["permuted"] == "whole groups"


def test_stimuli_that_depend_on_each_other_are_told(rng):
    model, brain, control = (label_squares(draw_series(rng, carry=0.97)) for _ in range(3))
    with pytest.warns(RuntimeWarning, match=r"both autocorrelated .*scheme='shift'"):
        compare_partial_rdms(model, brain, control, n_splits=0, **QUICK)
    models = xr.concat([model, control], "op").assign_coords(op=["a", "b"])
    with pytest.warns(RuntimeWarning, match="both autocorrelated"):
        fit_rdm_regression(models, brain, **QUICK)
    compare_partial_rdms(model, brain, control, n_splits=0, scheme="shift", **QUICK)


def test_shifts_of_unrelated_series(rng):
    p = []
    for _ in range(40):
        model, brain, control = (label_squares(draw_series(rng)) for _ in range(3))
        found = compare_partial_rdms(
            model, brain, control, scheme="shift", n_bootstrap=0, n_splits=0, n_permutations=99
        )
        p.append(found.p.item())
    assert np.mean(np.array(p) <= 0.05) < 0.2


def test_what_cannot_be_permuted(rng):
    (model, brain, control), group = build_groups(rng)
    models = xr.concat([model, control], "op").assign_coords(op=["a", "b"])
    with pytest.raises(InputError, match=r"has no test by shifts: .*compare_partial_rdms"):
        fit_rdm_regression(models, brain, scheme="shift")
    with pytest.raises(InputError, match="scheme='within' needs two or more groups"):
        compare_partial_rdms(model, brain, control, scheme="within")
    with pytest.raises(InputError, match=r"got 0 in some of 5 folds of 4 groups"):
        fit_rdm_regression(models, brain, by=group // 2, n_folds=5, n_bootstrap=0)


def test_runs_that_rdms_name_are_told(rng):
    """RDMs of responses keep the run of stimuli that are shown in one only."""
    run = np.repeat(np.arange(6), 4)
    values = [rng.normal(size=(24, 10)) + 2 * rng.normal(size=(6, 10))[run] for _ in range(2)]
    ids = [f"s{i}" for i in range(24)]
    model = nl.compute_rdms(label_features(values[0]))
    responses = label_responses(values[1], ids=ids).assign_coords(run=("presentation", run))
    brain = nl.compute_rdms(responses)
    assert brain.run.values.tolist() == run.tolist()
    assert brain.run.dims == ("stimulus",)
    with pytest.warns(RuntimeWarning, match=r"stimuli of the same 'run' are more alike in RDMs"):
        nl.compare.permute_rdms(model, brain, n_permutations=19)
    nl.compare.permute_rdms(model, brain, by="run", scheme="within", n_permutations=19)
    twice = xr.concat(
        [responses, responses.assign_coords(run=("presentation", run + 1))], "presentation"
    )
    assert "run" not in nl.compute_rdms(twice).coords
