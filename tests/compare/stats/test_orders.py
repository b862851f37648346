from itertools import permutations

import numpy as np
import pytest
import scipy.stats

from neurolens.compare.stats.orders import count_orders, permute_order


@pytest.mark.parametrize("values", [[0.1, 0.4, 0.4, 0.9], [3, 1, 2], [0, 0, 1, 1, 0.5]])
def test_p_is_the_share_of_all_orders(values):
    places = np.arange(len(values))
    found = scipy.stats.spearmanr(places, values).statistic
    shuffled = [scipy.stats.spearmanr(places, x).statistic for x in permutations(values)]
    expected = np.mean(np.array(shuffled) >= found - 1e-9)
    assert permute_order(np.array(values, dtype=float)) == pytest.approx(expected)


def test_many_values_are_tested_by_random_orders(rng):
    assert permute_order(np.arange(12.0)) == pytest.approx(1 / 40_000)
    assert permute_order(-np.arange(12.0)) == 1
    values = np.arange(9) + 2.5 * rng.normal(size=9)
    exact = scipy.stats.spearmanr(np.arange(9), values, alternative="greater")
    assert permute_order(values) == pytest.approx(exact.pvalue, abs=0.02)
    assert [count_orders(n) for n in (3, 8, 9)] == [6, 40_320, 40_000]


@pytest.mark.parametrize("values", [[1, 2], [1, 1, 1], [1, np.nan, 2]])
def test_undefined_orders_have_no_p(values):
    assert np.isnan(permute_order(np.array(values, dtype=float)))


def test_level_with_ties_and_shared_noise(rng):
    """Depths of four regions that have nothing to do with the order, among a few ops."""
    p = [permute_order(np.round(rng.normal() + 2 * rng.normal(size=4))) for _ in range(600)]
    assert np.nanmean(np.array(p) <= 0.05) < 0.07
    assert np.nanmean(np.array(p) <= 0.2) > 0.08
