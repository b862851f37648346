"""Ranks within subsets of pairs, several at a time, against scipy on each subset."""

import numpy as np
import pytest
from scipy.stats import rankdata

from neurolens.compare.rsa.comparators.moments import Moments
from neurolens.compare.rsa.comparators.orders import rank_whole, sort_pairs
from neurolens.compare.rsa.comparators.ranks import rank_moments
from neurolens.compare.rsa.comparators.subsets import SubsetBuffers, rank_subsets


def draw_values(rng, shape, ties):
    """Return values (k, p), in the second row with ties if ``ties``."""
    values = rng.normal(size=shape)
    if ties:
        values[1:] = rng.integers(0, 6, size=values[1:].shape)
    return values


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("largest", "n_lanes"), [(30, 4), (2**16, 3), (2**21, 2)])
def test_ranks_of_each_subset(rng, ties, largest, n_lanes):
    """Counts of several sizes; the last group of subsets is not full."""
    values = draw_values(rng, (3, 40), ties)
    subsets = [np.sort(rng.permutation(40)[:size]) for size in (30, 1, 0, 17, 8, 30, 2)]
    buffers = SubsetBuffers(3, 40, largest)
    assert buffers.n_lanes == n_lanes
    found = []
    for packed in buffers.pack(subsets):
        found += [ranks.copy() for ranks in rank_subsets(sort_pairs(values), packed, buffers)]
    for subset, ranks in zip(subsets, found, strict=True):
        expected = rankdata(values[:, subset], axis=1) - (len(subset) + 1) / 2
        np.testing.assert_array_equal(ranks, expected)


@pytest.mark.parametrize("ties", [False, True])
def test_more_pairs_than_16_bits_count(rng, ties):
    n = 2**16 + 7
    values = draw_values(rng, (2, n), ties)
    buffers = SubsetBuffers(2, n, n)
    (packed,) = buffers.pack([np.arange(n)])
    for ranks in rank_subsets(sort_pairs(values), packed, buffers):
        np.testing.assert_array_equal(ranks, rankdata(values, axis=1) - (n + 1) / 2)


def test_subsets_that_are_too_large_to_count():
    with pytest.raises(ValueError, match=r"fewer than 2\*\*32 pairs are ranked, got 4294967296"):
        SubsetBuffers(1, 1, 2**32)


@pytest.mark.parametrize("ties", [False, True])
def test_halves_are_ranked_as_draws_are(rng, ties):
    """Draws of stimuli, halves of them, and weights that are no counts, in one call."""
    x = draw_values(rng, (7, 66), ties)
    y = draw_values(rng, (2, 66), ties)
    kept = rng.random(66) > 0.2
    halves = rng.permuted(np.tile(np.arange(12) % 2, (5, 1)), axis=1)
    counts = np.concatenate([rng.multinomial(12, np.full(12, 1 / 12), size=3), halves, [[1] * 12]])
    found = rank_moments(x, y, counts, kept)
    # Weights just above 1 are no subset, and take the way of draws.
    nearly = rank_moments(x, y, counts * (1 + 1e-14), kept)
    for name in Moments._fields:
        np.testing.assert_allclose(getattr(found, name), getattr(nearly, name), rtol=1e-9)
    half = rank_moments(x, y, halves[:1])
    first, second = np.triu_indices(12, 1)
    pairs = np.flatnonzero(halves[0][first] & halves[0][second])
    ranks = [rankdata(one[:, pairs], axis=1) - (len(pairs) + 1) / 2 for one in (x, y)]
    np.testing.assert_allclose(half.cross[0], ranks[0] @ ranks[1].T / len(pairs))


def test_empty_halves_have_no_moments(rng):
    x = rng.normal(size=(2, 6))
    found = rank_moments(x, x, np.array([[1, 0, 0, 0], [1, 1, 1, 1]]))
    assert np.isnan(found.cross[0]).all()
    assert np.isfinite(found.cross[1]).all()


def test_ranks_order_as_values_do(rng):
    """Also where ranks are ranked once more, which takes no sort; rows that lack pairs stay."""
    values = draw_values(rng, (4, 50), ties=True)
    values[0] = rng.normal(size=50)
    values[3, 4] = np.nan
    ranked = rank_whole(values)
    np.testing.assert_array_equal(ranked[:3], rankdata(values[:3], axis=1))
    np.testing.assert_array_equal(ranked[3], values[3])
    np.testing.assert_array_equal(rank_whole(ranked), ranked)
    for rows in (slice(0, 1), slice(0, 3)):
        for one, two in zip(sort_pairs(values[rows]), sort_pairs(ranked[rows]), strict=True):
            if one is None:
                assert two is None
            else:
                np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("ties", [False, True])
def test_ranks_of_all_pairs(rng, ties):
    values = draw_values(rng, (3, 40), ties)
    expected = rankdata(values, axis=1) - 41 / 2
    np.testing.assert_array_equal(sort_pairs(values).center_ranks(), expected)


def test_whole_numbers_that_are_no_ranks():
    """1 to 5 with one of them twice and one missing."""
    pairs = sort_pairs(np.array([[5.0, 2, 2, 4, 1]]))
    np.testing.assert_array_equal(pairs.below, [[4, 1, 1, 3, 0]])
    np.testing.assert_array_equal(pairs.upto, [[5, 3, 3, 4, 1]])
