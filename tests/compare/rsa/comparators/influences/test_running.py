"""Sums over all pairs and over those of each stimulus, against two loops."""

import numpy as np
import pytest
from scipy.stats import rankdata

from neurolens.compare.rsa.comparators.influences.incidence import Incidence
from neurolens.compare.rsa.comparators.influences.running import Segments, displace
from neurolens.compare.rsa.comparators.orders import sort_pairs


@pytest.mark.parametrize("n_pairs", [1, 3, 128, 129, 1000])
def test_running_sums(rng, n_pairs):
    segments = Segments(n_pairs)
    table = np.zeros((len(segments.places), 3))
    there = segments.places < n_pairs
    values = rng.normal(size=(n_pairs, 3))
    table[there] = values[segments.places[there]]
    segments.accumulate(table)
    entries = segments.find(np.arange(n_pairs))
    np.testing.assert_allclose(table[entries], np.cumsum(values, axis=0), atol=1e-12)
    assert segments.find(np.array([-1])) == [len(table)]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n_stimuli", [6, 20])
def test_two_loops(rng, n_stimuli, ties):
    """Rows with ties and without, one pair missing, more columns than are summed at once."""
    first, second = (side[1:] for side in np.triu_indices(n_stimuli, 1))
    x = rng.normal(size=(3, len(first)))
    if ties:
        x[1] = rng.integers(0, 4, size=len(first))
    others = rankdata(rng.normal(size=(14, len(first))), axis=1) - (len(first) + 1) / 2
    incidence = Incidence(first, second, np.arange(n_stimuli))
    found = displace([sort_pairs(row[None]) for row in x], others, incidence)
    sums = np.einsum("kpq,lp->klq", np.sign(x[:, :, None] - x[:, None]) / 2, others)
    for i in range(n_stimuli):
        mine = (first == i) | (second == i)
        np.testing.assert_allclose(found[..., i], sums[..., mine].sum(axis=-1), atol=1e-9)
