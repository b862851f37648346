import numpy as np
import pytest

from neurolens.compare.stats.autocorrelation import (
    drift_together,
    find_copies,
    resemble_members,
    resemble_neighbours,
)


def compute_products(points):
    centered = points - points.mean(axis=0)
    return centered @ centered.T


def compute_squares(points):
    gap = points[:, None] - points
    return (gap**2).sum(axis=-1)


def autoregress(rng, n, k, phi=0.9):
    series = rng.normal(size=(n, k))
    for i in range(1, n):
        series[i] = phi * series[i - 1] + np.sqrt(1 - phi**2) * series[i]
    return series


def test_neighbours_in_a_series_resemble_each_other_in_any_order_of_rows(rng):
    series = autoregress(rng, 60, 5)
    assert resemble_neighbours(compute_products(series), np.arange(60))
    order = rng.permutation(60)
    assert not resemble_neighbours(compute_products(series), order)
    assert resemble_neighbours(compute_products(series[order]), np.argsort(order))
    # Presented twice, in the same order.
    assert resemble_neighbours(compute_products(series), np.tile(np.arange(60), 2))


def test_stimuli_in_random_order_resemble_neighbours_once_in_a_thousand(rng):
    n_alarms = sum(
        resemble_neighbours(compute_products(rng.normal(size=(15, 2))), np.arange(15))
        for _ in range(1000)
    )
    assert n_alarms <= 6


def test_a_sequence_of_one_stimulus_has_no_neighbours():
    assert not resemble_neighbours(np.eye(3), np.array([1, 1, 1]))


def test_members_of_a_group(rng):
    group = np.repeat(np.arange(5), 8)
    points = rng.normal(size=(40, 6)) + 2 * rng.normal(size=(5, 6))[group]
    assert resemble_members(compute_products(points), group)
    assert not resemble_members(compute_products(points), rng.permutation(group))


def test_series_change_gradually_and_sorted_categories_do_not(rng):
    assert drift_together([-compute_squares(autoregress(rng, 80, 20))] * 2)
    assert not drift_together([-compute_squares(rng.normal(size=(80, 20)))] * 2)
    for n_each in (2, 4, 10, 40):
        group = np.repeat(np.arange(80 // n_each), n_each)
        sorted_blocks = rng.normal(size=(80, 20)) + 3 * rng.normal(size=(80, 20))[group]
        assert not drift_together([-compute_squares(sorted_blocks)] * 2), n_each


class TestCopies:
    @pytest.mark.parametrize("k", [1, 3, 20])
    def test_exact_copies_are_found(self, rng, k):
        points = rng.normal(size=(30, k)) + 10
        points[[7, 20]] = points[[2, 3]]
        copies = find_copies(compute_squares(points))
        assert copies.exact
        assert copies.pairs.tolist() == [[2, 7], [3, 20]]

    @pytest.mark.parametrize(("n", "k"), [(12, 1), (40, 1), (40, 2), (100, 8)])
    def test_different_stimuli_are_no_copies(self, rng, n, k):
        n_alarms = [
            len(find_copies(compute_squares(rng.normal(size=(n, k)))).pairs) > 0 for _ in range(200)
        ]
        assert sum(n_alarms) <= (10 if k == 1 else 0)

    def test_near_copies_are_found_where_there_are_many(self, rng):
        base = rng.permutation(np.repeat(np.arange(20), 3))
        points = rng.normal(size=(20, 10))[base] + 0.05 * rng.normal(size=(60, 10))
        copies = find_copies(compute_squares(points))
        assert not copies.exact
        expected = np.argwhere(np.triu(base[:, None] == base, 1))
        assert sorted(map(tuple, copies.pairs)) == sorted(map(tuple, expected))

    def test_categories_are_no_copies(self, rng):
        group = rng.integers(0, 6, 40)
        assert not len(find_copies(compute_squares(np.eye(6)[group])).pairs)
        assert not len(find_copies(compute_squares(rng.integers(1, 6, (40, 2)))).pairs)

    def test_missing_distances_are_left_out(self, rng):
        squares = compute_squares(rng.normal(size=(20, 4)))
        squares[3] = np.nan
        squares[:, 3] = np.nan
        assert not len(find_copies(squares).pairs)
