"""Sums of concordant less discordant comparisons, against two loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from neurolens.compare.rsa.comparators.influences.concordance import sum_concordance

SMALL = st.integers(-3, 3)


@given(st.lists(st.tuples(SMALL, SMALL), min_size=1, max_size=20))
def test_two_loops(entries):
    """Ties occur on either side, and on both at once."""
    x, y = np.array(entries, dtype=float).T
    signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    np.testing.assert_array_equal(sum_concordance(x, y), signs.sum(axis=1))


def test_many_entries(rng):
    """Their number is no power of two, and ranks need eight bits."""
    x = rng.normal(size=200)
    y = rng.normal(size=200) + x
    signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    np.testing.assert_array_equal(sum_concordance(x, y), signs.sum(axis=1))
