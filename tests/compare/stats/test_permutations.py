import numpy as np
import pytest

from neurolens.compare.stats.permutations import SCHEMES, count_fixed, count_orders, draw_orders


@pytest.mark.parametrize("scheme", SCHEMES)
def test_orders_are_permutations_and_the_first_changes_nothing(rng, scheme):
    group = rng.permutation(np.repeat(np.arange(4), [5, 5, 3, 3]))
    orders = draw_orders(scheme, group, 50, rng)
    np.testing.assert_array_equal(orders[0], np.arange(16))
    assert (np.sort(orders, axis=1) == np.arange(16)).all()
    if scheme in ("within", "shift"):
        assert (group[orders] == group).all()


def test_whole_groups_exchange_places_with_groups_of_their_size(rng):
    group = rng.permutation(np.repeat(np.arange(6), [4, 4, 4, 2, 2, 3]))
    orders = draw_orders("groups", group, 300, rng)
    for order in orders:
        for number in range(6):
            moved = order[group == number]
            source = group[moved[0]]
            np.testing.assert_array_equal(moved, np.flatnonzero(group == source))
    # Each of the 3! 2! arrangements occurs, about equally often; the single group of 3 stays.
    counts = np.unique(orders[1:], axis=0, return_counts=True)[1]
    assert len(counts) == count_orders("groups", group) == 12
    assert counts.min() > 10
    assert count_fixed(group) == 1


def test_shifts_of_one_series_are_each_taken_once(rng):
    orders = draw_orders("shift", np.zeros(7, dtype=int), 100, rng)
    expected = [np.roll(np.arange(7), k) for k in range(7)]
    np.testing.assert_array_equal(orders, expected)
    few = draw_orders("shift", np.zeros(7, dtype=int), 4, rng)
    assert len(np.unique(few, axis=0)) == len(few) == 5


def test_each_group_is_shifted_on_its_own(rng):
    group = np.array([0, 1, 0, 1, 0, 1, 1])
    orders = draw_orders("shift", group, 400, rng)
    first = {tuple(order[group == 0]) for order in orders}
    second = {tuple(order[group == 1]) for order in orders}
    assert first == {tuple(np.roll([0, 2, 4], k)) for k in range(3)}
    assert second == {tuple(np.roll([1, 3, 5, 6], k)) for k in range(4)}
    assert len(np.unique(orders, axis=0)) == count_orders("shift", group) == 12


def test_counts():
    group = np.array([0, 0, 0, 1, 1, 1])
    assert count_orders("stimuli", group) == 720
    assert count_orders("within", group) == 36
    assert count_orders("groups", group) == 2
    assert count_orders("shift", group) == 9
    assert count_orders("stimuli", np.zeros(100)) == np.inf
