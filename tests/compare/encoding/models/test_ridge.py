import mpmath
import numpy as np
import oracles
import pytest
import torch
import xarray as xr
from himalaya.kernel_ridge import solve_kernel_ridge_cv_eigenvalues
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import PredefinedSplit

from neurolens.compare import fit_encoding
from neurolens.compare.encoding.models import ridge
from neurolens.compare.encoding.models.ridge import (
    SELECTORS,
    find_edges,
    fit_ridge,
    open_candidates,
)
from neurolens.compare.encoding.models.spectrum import (
    center_kernel,
    split_kernel,
)
from neurolens.errors import InputError

ALPHAS = np.logspace(-2, 4, 7)


def build_problem(rng, n=24, p=40, v=5, n_test=6):
    x = rng.normal(size=(n + n_test, p)) + 3
    y = (
        x @ rng.normal(size=(p, v)) / np.sqrt(p)
        + rng.uniform(0.1, 3, v) * rng.normal(size=(n + n_test, v))
        + 7
    )
    return x, y, np.arange(n), np.arange(n, n + n_test)


def decompose(x, train, test):
    return split_kernel(torch.from_numpy(x @ x.T), torch.from_numpy(train), torch.from_numpy(test))


def predict(x, y, train, test, alphas, select="gcv", blocks=()):
    """Return (predictions, penalty of each voxel)."""
    spectrum, mean = decompose(x, train, test), y[train].mean(axis=0)
    fit = fit_ridge(
        spectrum, torch.from_numpy(y[train] - mean), torch.from_numpy(alphas), select, blocks
    )
    return (spectrum.test @ fit.coefficients).numpy() + mean, alphas[fit.chosen.numpy()]


def measure_losses(x, y, select, blocks=(), split=None, alphas=ALPHAS):
    everything = torch.arange(len(x))
    spectrum = (split or split_kernel)(
        torch.from_numpy(x if split else x @ x.T), everything, everything[:0]
    )
    targets = torch.from_numpy(y - y.mean(axis=0))
    rotated = spectrum.vectors.T @ targets
    candidates = open_candidates(spectrum, targets, rotated, torch.from_numpy(alphas), blocks)
    return SELECTORS[select](candidates).numpy()


def solve_exactly(x, y, alpha, blocks):
    """Return GCV, and the squared error of leaving each of ``blocks`` out, with 80 digits.

    All from the smoother S of y: an error is (I - S_BB)^-1 residual_B.
    """
    with mpmath.workdps(80):
        n = len(x)
        rows = mpmath.matrix(x.tolist())
        constant = mpmath.ones(n, n) / n
        center = mpmath.eye(n) - constant
        kernel = center * rows * rows.T * center
        inverse = (kernel + mpmath.mpf(alpha) * mpmath.eye(n)) ** -1
        smoother = kernel * inverse + constant
        measured = mpmath.matrix(y.tolist())
        residual = measured - smoother * measured
        free = n - sum(smoother[i, i] for i in range(n))
        gcv = sum(r**2 for r in residual) / free**2
        error = mpmath.mpf(0)
        for block in blocks:
            square = mpmath.matrix([[(i == j) - smoother[i, j] for j in block] for i in block])
            left = mpmath.matrix([residual[i] for i in block])
            error += sum(e**2 for e in mpmath.lu_solve(square, left))
        return float(gcv), float(error)


@pytest.mark.parametrize("p", [8, 40])
class TestOracles:
    def test_normal_equations_and_sklearn(self, rng, p):
        x, y, train, test = build_problem(rng, p=p)
        for alpha in ALPHAS:
            found, _ = predict(x, y, train, test, np.array([alpha]))
            weights, intercept = oracles.ridge(x[train], y[train], alpha)
            np.testing.assert_allclose(found, x[test] @ weights + intercept, rtol=1e-8)
            np.testing.assert_allclose(
                found, Ridge(alpha=alpha).fit(x[train], y[train]).predict(x[test]), rtol=1e-8
            )

    def test_gcv(self, rng, p):
        x, y, train, _ = build_problem(rng, p=p)
        x, y = x[train], y[train]
        expected = [oracles.gcv(x, y, alpha) for alpha in ALPHAS]
        np.testing.assert_allclose(measure_losses(x, y, "gcv"), expected, rtol=1e-7)

    def test_leave_one_out(self, rng, p):
        x, y, train, _ = build_problem(rng, p=p)
        x, y = x[train], y[train]
        expected = [
            oracles.left_out_error(x, y, alpha, [[i] for i in range(len(x))]) for alpha in ALPHAS
        ]
        np.testing.assert_allclose(measure_losses(x, y, "loo"), expected, rtol=1e-7)

    def test_leave_blocks_out(self, rng, p):
        x, y, train, _ = build_problem(rng, p=p)
        x, y = x[train], y[train]
        blocks = [[0, 5, 7, 20], [1, 2, 3], [4, 6, 8, 9, 10, 11, 12, 13], [23]]
        expected = [oracles.left_out_error(x, y, alpha, blocks) for alpha in ALPHAS]
        found = measure_losses(x, y, "folds", [torch.tensor(b) for b in blocks])
        np.testing.assert_allclose(found, expected, rtol=1e-7)

    def test_sklearn_chooses_the_same_penalty_for_each_voxel(self, rng, p):
        x, y, train, test = build_problem(rng, p=p, v=12)
        peer = RidgeCV(alphas=ALPHAS, alpha_per_target=True).fit(x[train], y[train])
        found, alpha = predict(x, y, train, test, ALPHAS, "loo")
        np.testing.assert_array_equal(alpha, peer.alpha_)
        assert len(set(alpha)) > 1
        np.testing.assert_allclose(found, peer.predict(x[test]), rtol=1e-7)

    def test_himalaya_chooses_the_same_penalty_by_folds(self, rng, p):
        x, y, train, test = build_problem(rng, p=p, v=12)
        fold = np.repeat(np.arange(4), 6)
        inner, cross = x[train] @ x[train].T, x[test] @ x[train].T
        chosen, dual, _, intercept = solve_kernel_ridge_cv_eigenvalues(
            inner, y[train], alphas=ALPHAS, cv=PredefinedSplit(fold), fit_intercept=True
        )
        blocks = [torch.from_numpy(np.flatnonzero(fold == k)) for k in range(4)]
        found, alpha = predict(x, y, train, test, ALPHAS, "folds", blocks)
        np.testing.assert_allclose(alpha, chosen)
        np.testing.assert_allclose(found, cross @ dual + intercept, rtol=1e-6)


@given(seed=st.integers(0, 2**32 - 1), offset=st.floats(-100, 100), scale=st.floats(0.01, 100))
def test_an_offset_of_features_or_responses_only_moves_the_intercept(seed, offset, scale):
    x, y, train, test = build_problem(np.random.default_rng(seed), n=12, p=5)
    alphas = np.array([1.0])
    plain, _ = predict(x, y, train, test, alphas)
    moved, _ = predict(x + offset, y * scale + offset, train, test, alphas)
    np.testing.assert_allclose(moved, plain * scale + offset, atol=1e-6 * max(1, scale))


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3))
def test_scaling_features_is_scaling_the_penalty(seed, scale):
    x, y, train, test = build_problem(np.random.default_rng(seed), n=12, p=5)
    plain, _ = predict(x, y, train, test, np.array([1.0]))
    scaled, _ = predict(x * scale, y, train, test, np.array([scale**2]))
    np.testing.assert_allclose(scaled, plain, rtol=1e-6)


def test_no_test_stimulus_touches_the_fit(rng):
    x, y, train, test = build_problem(rng)
    plain, _ = predict(x, y, train, test, ALPHAS)
    y[test] += 100
    x[test[1:]] += 100
    changed, _ = predict(x, y, train, test, ALPHAS)
    np.testing.assert_allclose(changed[0], plain[0])


def test_blocks_of_voxels_change_nothing(rng, monkeypatch):
    x, y, train, test = build_problem(rng, v=7)
    whole = predict(x, y, train, test, ALPHAS, "loo")
    monkeypatch.setattr(ridge, "BLOCK", 2 * len(train))
    parts = predict(x, y, train, test, ALPHAS, "loo")
    np.testing.assert_allclose(parts[0], whole[0])
    np.testing.assert_array_equal(parts[1], whole[1])


def test_a_tiny_penalty_is_least_squares(rng):
    x, y, train, test = build_problem(rng, p=4)
    found, _ = predict(x, y, train, test, np.array([1e-12]))
    wide = np.column_stack([np.ones(len(train)), x[train]])
    expected = (
        np.column_stack([np.ones(len(test)), x[test]])
        @ np.linalg.lstsq(wide, y[train], rcond=None)[0]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_features_that_do_not_vary_predict_the_mean(rng):
    _, y, train, test = build_problem(rng)
    x = np.full((30, 3), 0.1)
    for alphas in (ALPHAS, np.array([1e-12])):
        found, _ = predict(x, y, train, test, alphas)
        np.testing.assert_allclose(found, np.broadcast_to(y[train].mean(axis=0), found.shape))


def test_kernels_are_centred_by_training_means_only(rng):
    x, _, train, test = build_problem(rng)
    inner, cross, size = center_kernel(
        torch.from_numpy(x @ x.T), torch.from_numpy(train), torch.from_numpy(test)
    )
    centre = x[train].mean(axis=0)
    a, b = x[train] - centre, x[test] - centre
    np.testing.assert_allclose(inner.numpy(), a @ a.T, atol=1e-9)
    np.testing.assert_allclose(cross.numpy(), b @ a.T, atol=1e-9)
    assert size.item() == pytest.approx(centre @ centre)


@pytest.mark.parametrize(
    ("alphas", "expected"),
    [([1e-9, 1e9], (False, False)), ([1e4, 1e9], (True, False)), ([1e-9, 1e-3], (False, True))],
)
def test_ends_of_the_grid_matter_only_while_the_fit_depends_on_them(rng, alphas, expected):
    x, _, train, test = build_problem(rng, p=8)
    assert (
        find_edges(decompose(x, train, test).values, torch.tensor(alphas, dtype=torch.float64))
        == expected
    )


@pytest.mark.parametrize("ratio", [1e-8, 1e-12, 1e-16])
@pytest.mark.parametrize("p", [8, 40])
def test_penalties_at_the_level_of_rounding_keep_their_digits(rng, ratio, p):
    x, y, train, _ = build_problem(rng, n=16, p=p, v=1)
    x, y = x[train] - x[train].mean(axis=0), y[train]
    alpha = ratio * (x**2).sum()
    blocks = [[0, 5, 7], [1, 2, 3, 4], [6]]
    single = [[k] for k in range(len(x))]
    alphas = np.array([alpha, 1.0])
    gcv, by_block = solve_exactly(x, y[:, 0], alpha, blocks)
    by_stimulus = solve_exactly(x, y[:, 0], alpha, single)[1]
    found = measure_losses(x, y, "gcv", alphas=alphas)[0, 0]
    assert found == pytest.approx(gcv, rel=1e-9)
    found = measure_losses(x, y, "loo", alphas=alphas)[0, 0]
    assert found == pytest.approx(by_stimulus, rel=1e-9)
    found = measure_losses(x, y, "folds", [torch.tensor(b) for b in blocks], alphas=alphas)[0, 0]
    assert found == pytest.approx(by_block, rel=1e-9)


@pytest.mark.parametrize("select", ["loo", "folds"])
@pytest.mark.parametrize("p", [7, 60])
def test_penalties_that_leave_a_prediction_undefined_are_refused(rng, select, p):
    """One stimulus has a feature of its own, so that a fit goes through it."""
    ids = [f"s{i}" for i in range(40)]
    values = rng.normal(size=(40, 6)) @ rng.normal(size=(6, p))
    values[:, 0] = 0
    values[:, 0][3] = 1
    features = xr.DataArray(values, dims=("stimulus", "feature"), coords={"stimulus": ids})
    responses = xr.DataArray(
        rng.normal(size=(40, 5)),
        dims=("presentation", "neuroid"),
        coords={"stimulus_id": ("presentation", ids), "neuroid_id": ("neuroid", list("abcde"))},
    )
    settings = {"select": select, "n_splits": 0}
    with pytest.raises(InputError, match="1e-15, a fit goes through .* Pass larger alphas"):
        fit_encoding(features, responses, alphas=[1e-15, 1.0], **settings)
    scores = fit_encoding(features, responses, alphas=[1e-6, 1e6], **settings)
    assert np.isfinite(scores.r2.values).all()
