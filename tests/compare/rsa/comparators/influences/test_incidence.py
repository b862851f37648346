"""Sums over the pairs of each stimulus, some of which may be missing, against loops."""

import itertools

import numpy as np

from neurolens.compare.rsa.comparators.influences.incidence import Incidence

# Of five stimuli the last has one pair.
PAIRS = [(0, 1), (0, 2), (0, 3), (1, 2), (2, 3), (3, 4)]


def build_incidence():
    first, second = np.array(PAIRS).T
    return Incidence(first, second, np.arange(5))


def test_sums_over_pairs(rng):
    incidence = build_incidence()
    x = rng.normal(size=(2, 6))
    y = rng.normal(size=(3, 6))
    sums = incidence.sum_rows(x)
    products = incidence.sum_products(x, y)
    for i in range(5):
        mine = [p for p, pair in enumerate(PAIRS) if i in pair]
        assert incidence.degree[i] == len(mine)
        np.testing.assert_allclose(sums[:, i], x[:, mine].sum(axis=1))
        for m, b in itertools.product(range(2), range(3)):
            np.testing.assert_allclose(products[m, b, i], (x[m, mine] * y[b, mine]).sum())


def test_columns_of_two_places_are_added():
    incidence = build_incidence()
    columns = np.arange(7.0)[:, None] ** 2
    found = incidence.gather(7, np.arange(6), np.arange(6) + 1) @ columns
    for i in range(5):
        mine = [p for p, pair in enumerate(PAIRS) if i in pair]
        assert found[i, 0] == sum(p**2 + (p + 1) ** 2 for p in mine)


def test_pairs_of_groups_are_those_of_one_stimulus_or_both():
    first, second = np.array(PAIRS).T
    incidence = Incidence(first, second, np.array([1, 0, 0, 1, 2]))
    found = [sorted(pairs.tolist()) for pairs in incidence.touched]
    assert found == [[0, 1, 3, 4], [0, 1, 2, 4, 5], [5]]
    values = np.arange(10.0).reshape(2, 5)
    np.testing.assert_array_equal(incidence.add_units(values), [[3, 3, 4], [13, 13, 9]])
    x = np.arange(12.0).reshape(2, 6) ** 2
    y = np.arange(18.0).reshape(3, 6)
    for number, pairs in enumerate(found):
        np.testing.assert_allclose(incidence.sum_touched(x)[:, number], x[:, pairs].sum(axis=1))
        products = incidence.sum_touched_products(x, y)[..., number]
        np.testing.assert_allclose(products, x[:, pairs] @ y[:, pairs].T)
    order = Incidence(first, second, np.array([2, 0, 1, 4, 3]))
    np.testing.assert_array_equal(order.add_units(values)[0], [1, 2, 0, 4, 3])
