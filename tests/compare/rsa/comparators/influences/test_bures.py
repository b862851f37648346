"""Influences on the Bures similarity where Grams lack directions."""

import numpy as np
import oracles
import pytest
from scipy.spatial.distance import pdist, squareform

from neurolens.compare.rsa.comparators.table import COMPARATORS, compare_pairs, influence_pairs

N = 9


def measure(points):
    return squareform(pdist(points, "sqeuclidean"))


def influence(first, second):
    pairs = [np.array([oracles.triangle(square)]) for square in (first, second)]
    return influence_pairs(*pairs, np.arange(N), COMPARATORS["bures"])[0, 0]


def derive(first, second):
    # In small steps roots of eigenvalues that are 0 up to rounding, 1e-8 or so, would matter.
    def score(weights):
        return oracles.weighted_score(first, second, weights, "bures")

    return oracles.differentiate(score, N, step=1e-3)


@pytest.mark.parametrize(("n_first", "n_second"), [(1, 1), (2, 3), (3, 2), (2, 20)])
def test_points_in_few_dimensions(n_first, n_second, rng):
    first = measure(rng.normal(size=(N, n_first)))
    second = measure(rng.normal(size=(N, n_second)))
    found = influence(first, second)
    np.testing.assert_allclose(found, derive(first, second), atol=1e-3 * np.abs(found).max())
    assert found.sum() == pytest.approx(0, abs=1e-12)


def test_a_direction_that_only_one_side_has_counts_for_nothing(rng):
    """It adds to the fidelity whether a stimulus weighs more or less: there is a kink."""
    axes = np.linalg.qr(np.column_stack([np.ones(N), rng.normal(size=(N, 3))]))[0][:, 1:]
    found = influence(measure(axes[:, [0, 1]]), measure(axes[:, [0, 2]]))
    # tr S is |x_1|^2 = 1, and both powers are 2.
    first, second, third = axes.T
    expected = (first**2 - (first**2 + second**2) / 4 - (first**2 + third**2) / 4) / 2
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_sides_that_share_no_direction_have_no_influence(rng):
    """Their similarity is 0 up to rounding, and no rotation fits best."""
    axes = np.linalg.qr(np.column_stack([np.ones(N), rng.normal(size=(N, 2))]))[0][:, 1:]
    assert np.isnan(influence(measure(axes[:, :1]), measure(axes[:, 1:]))).all()


def test_distances_without_a_positive_part_have_no_influence():
    below_zero = np.array([[0.0, -1, -1], [-1, 0, -1], [-1, -1, 0]]) * np.array([1.0, 2, 3])
    below_zero = (below_zero + below_zero.T) / 2
    pairs = np.array([oracles.triangle(below_zero)])
    other = np.array([[1.0, 2.0, 2.5]])
    found = influence_pairs(pairs, other, np.arange(3), COMPARATORS["bures"])
    assert np.isnan(found).all()
    assert np.isnan(compare_pairs(pairs, other, np.ones((1, 3)), COMPARATORS["bures"])).all()
