import numpy as np
import oracles
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import squareform

from neurolens.compare.stats.lags import remove_lag_means


@given(seed=st.integers(0, 2**32 - 1), n_groups=st.integers(1, 3))
def test_slow_loop(seed, n_groups):
    rng = np.random.default_rng(seed)
    n = 9
    group = rng.integers(0, n_groups, n)
    square = squareform(rng.random(n * (n - 1) // 2))
    expected = oracles.triangle(oracles.subtract_lag_means(square, group))
    found = remove_lag_means(np.array([oracles.triangle(square)]), np.arange(n), group)
    np.testing.assert_allclose(found[0], expected, atol=1e-12)

    # The same stimuli in another order: `order` lists the new places of stimuli in order of time.
    moved = rng.permutation(n)
    rows = np.argsort(moved)
    found = remove_lag_means(
        np.array([oracles.triangle(square[np.ix_(moved, moved)])]), rows, group[moved]
    )
    pairs = squareform(found[0])[np.ix_(rows, rows)]
    np.testing.assert_allclose(oracles.triangle(pairs), expected, atol=1e-12)


def test_missing_pairs_are_in_no_mean():
    n = 5
    pairs = np.arange(10.0)[None]
    pairs[0, 0] = np.nan  # of the first two stimuli
    first, second = np.triu_indices(n, 1)
    is_next = second - first == 1
    found = remove_lag_means(pairs, np.arange(n), np.zeros(n, dtype=int))[0]
    assert np.isnan(found).tolist() == [True] + [False] * 9
    expected = pairs[0, is_next] - np.nanmean(pairs[0, is_next])
    np.testing.assert_allclose(found[is_next], expected)


def test_a_function_of_time_leaves_exactly_nothing():
    times = np.arange(12)
    first, second = np.triu_indices(12, 1)
    pairs = np.sqrt(0.1 + times[second] - times[first])[None]
    assert (remove_lag_means(pairs, times, np.zeros(12, dtype=int)) == 0).all()
