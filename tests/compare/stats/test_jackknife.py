"""Jackknife of correlations against loops over what is left."""

import numpy as np
import oracles
import pytest

from neurolens.compare.stats.jackknife import center_left_out, leave_out_r, leave_out_r2


@pytest.fixture
def sides(rng):
    return rng.normal(size=(11, 3)) + 40, rng.normal(size=(11, 3)) - 7


@pytest.mark.parametrize("block", [np.arange(11), np.arange(11) // 4, np.array([0] * 7 + [1] * 4)])
def test_loops(sides, block, rng):
    measured, predicted = sides
    mean = rng.normal(size=3) + 40
    r = leave_out_r(measured, predicted, block)
    r2 = leave_out_r2(measured, predicted, mean, block)
    assert r.shape == r2.shape == (block[-1] + 1, 3)
    for number in np.unique(block):
        y = measured[block != number]
        guess = predicted[block != number]
        right = [oracles.pearson(a, b) for a, b in zip(y.T, guess.T, strict=True)]
        np.testing.assert_allclose(r[number], right)
        right = 1 - ((y - guess) ** 2).sum(0) / ((y - mean) ** 2).sum(0)
        np.testing.assert_allclose(r2[number], right)


def test_what_one_observation_alone_makes_vary_has_no_correlation_without_it():
    measured = np.array([[0.1]] * 6 + [[5.3]])
    predicted = np.arange(7.0)[:, None] / 7
    expected = [False] * 6 + [True]
    r = leave_out_r(measured, predicted, np.arange(7))
    assert np.isnan(r[:, 0]).tolist() == expected
    r2 = leave_out_r2(measured, predicted, np.array([0.1]), np.arange(7))
    assert np.isnan(r2[:, 0]).tolist() == expected


def test_of_a_mean_it_is_the_variance_of_a_mean(rng):
    values = rng.normal(size=(9, 2))
    left_out = (values.sum(0) - values) / 8
    variance = (center_left_out(left_out) ** 2).sum(0)
    np.testing.assert_allclose(variance, values.var(0, ddof=1) / 9)
