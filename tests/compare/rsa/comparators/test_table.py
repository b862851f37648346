"""Influences on each comparator, against numerical derivatives and scores without a stimulus."""

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import squareform
from squares import draw_square

from neurolens.compare.rsa.comparators.table import COMPARATORS, compare_pairs, influence_pairs

LEFT_OUT = [name for name, row in COMPARATORS.items() if row.leaves_out]
DERIVED = [name for name in COMPARATORS if name not in LEFT_OUT]
N = 8
ALONE = np.arange(N)
GROUPS = np.array([0, 1, 1, 2, 0, 3, 4, 2])


def draw_pairs(rng, k, *, ties):
    shared = draw_square(rng, N, ties=ties)
    squares = [shared + draw_square(rng, N, ties=ties) for _ in range(k)]
    return np.array([oracles.triangle(square) for square in squares])


def test_what_the_table_says():
    """Bounded ranks, and what has no closed form without a stimulus, have derivatives."""
    assert DERIVED == ["spearman", "rho-a", "tau-a", "bures"]
    assert LEFT_OUT == ["pearson", "cosine", "whitened-pearson", "whitened-cosine"]


@pytest.mark.parametrize("unit", [ALONE, GROUPS], ids=["stimuli", "groups"])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("comparator", DERIVED)
def test_derivatives_by_loops(rng, comparator, ties, unit):
    """Numerical ones, all stimuli of a unit weighing the same."""
    x = draw_pairs(rng, 2, ties=ties)
    y = draw_pairs(rng, 3, ties=ties)
    found = influence_pairs(x, y, unit, COMPARATORS[comparator])
    for m, b in np.ndindex(2, 3):
        squares = squareform(x[m]), squareform(y[b])

        def score(weights, squares=squares):
            return oracles.weighted_score(*squares, weights[unit], comparator)

        expected = oracles.differentiate(score, unit.max() + 1)
        np.testing.assert_allclose(found[m, b], expected, atol=1e-9)


@pytest.mark.parametrize("comparator", ["spearman", "rho-a"])
def test_derivatives_are_those_of_draws(rng, comparator):
    """What the bootstrap computes for whole counts also holds for others."""
    x = draw_pairs(rng, 2, ties=True)
    y = draw_pairs(rng, 3, ties=False)
    row = COMPARATORS[comparator]

    def score(weights):
        return compare_pairs(x, y, weights[None], row)[0]

    expected = np.moveaxis(oracles.differentiate(score, N), 0, -1)
    np.testing.assert_allclose(influence_pairs(x, y, ALONE, row), expected, atol=1e-9)


@pytest.mark.parametrize("unit", [ALONE, GROUPS], ids=["stimuli", "groups"])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("comparator", LEFT_OUT)
def test_scores_without_a_unit_by_loops(rng, comparator, ties, unit):
    x = draw_pairs(rng, 2, ties=ties)
    y = draw_pairs(rng, 3, ties=ties)
    found = influence_pairs(x, y, unit, COMPARATORS[comparator])
    n_units = unit.max() + 1
    compare = oracles.SIMILARITIES[comparator]
    for m, b in np.ndindex(2, 3):
        whole = compare(list(x[m]), list(y[b]))
        for number in range(n_units):
            kept = np.flatnonzero(unit != number)
            rest = [squareform(one)[np.ix_(kept, kept)] for one in (x[m], y[b])]
            left = compare(*(oracles.triangle(square) for square in rest))
            expected = (whole - left) * (n_units - 1) / n_units
            assert found[m, b, number] == pytest.approx(expected, abs=1e-12)


def drop_pairs(rng):
    """Return RDMs that lack pairs of their own, and one of the brain that lacks a stimulus."""
    x = draw_pairs(rng, 2, ties=True)
    y = draw_pairs(rng, 3, ties=False)
    x[0, [2, 9]] = np.nan
    y[1, [4, 9]] = np.nan
    first, second = np.triu_indices(N, 1)
    y[2, (first == 5) | (second == 5)] = np.nan
    return x, y


@pytest.mark.parametrize("comparator", ["spearman", "rho-a"])
def test_missing_pairs_are_left_out_of_derivatives(rng, comparator):
    x, y = drop_pairs(rng)
    row = COMPARATORS[comparator]

    def score(weights):
        return compare_pairs(x, y, weights[None], row)[0]

    expected = np.moveaxis(oracles.differentiate(score, N), 0, -1)
    expected[:, 2, 5] = np.nan
    np.testing.assert_allclose(influence_pairs(x, y, ALONE, row), expected, atol=1e-9)


@pytest.mark.parametrize("comparator", ["pearson", "cosine"])
def test_missing_pairs_are_left_out_with_a_stimulus(rng, comparator):
    """Of the third brain RDM seven stimuli can be left out."""
    x, y = drop_pairs(rng)
    row = COMPARATORS[comparator]
    found = influence_pairs(x, y, ALONE, row)
    counts = 1 - np.eye(N, dtype=int)
    scores = compare_pairs(x, y, np.concatenate([np.ones((1, N), dtype=int), counts]), row)
    expected = np.moveaxis(scores[0] - scores[1:], 0, -1) * (N - 1) / N
    expected[:, 2] *= (N - 2) / (N - 1) / ((N - 1) / N)
    expected[:, 2, 5] = np.nan
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_rdms_without_a_score_have_no_influence(rng):
    """One does not vary over the pairs that both have; two have two pairs in common."""
    x = draw_pairs(rng, 2, ties=False)
    y = draw_pairs(rng, 2, ties=False)
    x[0, 4:] = 1
    y[0, :4] = np.nan
    x[1, 5:] = np.nan
    y[1, :3] = np.nan
    found = influence_pairs(x, y, ALONE, COMPARATORS["spearman"])
    assert np.isnan(found[0, 0]).all()
    assert np.isnan(found[1, 1]).all()
    assert not np.isnan(found[0, 1]).all()


@pytest.mark.parametrize("comparator", ["pearson", "cosine", "whitened-pearson"])
def test_a_score_that_hangs_on_one_stimulus_has_no_influence(rng, comparator):
    """Without it the RDM does not vary, so that nothing says how the score would."""
    square = np.ones((N, N)) if comparator != "cosine" else np.zeros((N, N))
    square[2] = square[:, 2] = 3 + rng.random(N)
    np.fill_diagonal(square, 0)
    x = np.array([oracles.triangle((square + square.T) / 2)])
    y = draw_pairs(rng, 1, ties=False)
    assert np.isnan(influence_pairs(x, y, ALONE, COMPARATORS[comparator])).all()


@pytest.mark.parametrize("comparator", ["pearson", "cosine"])
def test_two_pairs_that_are_left_are_no_score(rng, comparator):
    """Five of the six pairs of four stimuli: without some of these, two pairs are left."""
    x, y = rng.random((2, 1, 6))
    x[0, 3] = np.nan
    found = influence_pairs(x, y, np.arange(4), COMPARATORS[comparator])
    assert np.isnan(found).all()


@pytest.mark.parametrize("comparator", COMPARATORS)
def test_nothing_is_computed_where_no_rdm_varies(rng, comparator):
    pairs = draw_pairs(rng, 2, ties=False)
    flat = np.ones_like(pairs[:1])
    for sides in ((flat, pairs), (pairs, flat), (flat, flat)):
        found = influence_pairs(*sides, ALONE, COMPARATORS[comparator])
        assert np.isnan(found).all()


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.permutations(range(N)))
@pytest.mark.parametrize("comparator", COMPARATORS)
def test_influences_belong_to_stimuli(comparator, seed, order):
    """They follow their stimuli; those of an identical RDM are all the same, 0 but for ties."""
    rng = np.random.default_rng(seed)
    square, other = draw_square(rng, N), draw_square(rng, N)
    row = COMPARATORS[comparator]

    def influence(a, b):
        pairs = [np.array([oracles.triangle(one)]) for one in (a, b)]
        return influence_pairs(*pairs, ALONE, row)[0, 0]

    moved = np.ix_(order, order)
    found = influence(square[moved], other[moved])
    np.testing.assert_allclose(found, influence(square, other)[list(order)], atol=1e-12)
    assert np.ptp(influence(square, square)) < 1e-12
