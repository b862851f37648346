"""Concordant less discordant pairs, checked against two loops."""

import numpy as np
import oracles
from hypothesis import given
from hypothesis import strategies as st

from neurolens.compare.rsa.comparators.kendall import (
    average_concordance,
    count_concordance,
    subtract_discordant,
)

SMALL = st.integers(-2, 2)


@given(st.lists(st.tuples(SMALL, SMALL), max_size=9))
def test_two_loops(entries):
    """Ties occur on either side, with no entry at all up to more than three."""
    x, y = (np.array([pair[side] for pair in entries], dtype=float) for side in (0, 1))
    assert subtract_discordant(x, y) == oracles.concordance(x, y)


def test_the_smallest_sets():
    """Sets have none, one, two and three entries, in every order of their values."""
    for n in range(4):
        for places in np.ndindex(*[3] * (2 * n)):
            x, y = (np.array(part, dtype=float) for part in (places[:n], places[n:]))
            assert subtract_discordant(x, y) == oracles.concordance(x, y)


def test_draws_of_few_pairs(rng):
    """Of four stimuli one, two (a single pair, several times) or all are drawn, some twice."""
    x, y = rng.integers(0, 3, (2, 6)).astype(float), rng.integers(0, 3, (3, 6)).astype(float)
    counts = np.array([[4, 0, 0, 0], [1, 1, 0, 0], [3, 1, 0, 0], [2, 1, 1, 0], [1, 1, 1, 1]])
    moments = count_concordance(x, y, counts)
    found = average_concordance(moments)
    first, second = np.triu_indices(4, 1)
    for draw, count in enumerate(counts):
        times = count[first] * count[second]
        n = times.sum()
        assert moments.total[draw] == n
        for i, j in np.ndindex(2, 3):
            expected = oracles.concordance(np.repeat(x[i], times), np.repeat(y[j], times))
            assert moments.cross[draw, i, j] == expected
            if n < 2:
                assert np.isnan(found[draw, i, j])
            else:
                np.testing.assert_allclose(found[draw, i, j], expected / (n * (n - 1) / 2))
