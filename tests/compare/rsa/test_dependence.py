"""The mean RDM by which dependent stimuli are found, against a loop over pairs."""

import numpy as np

from neurolens.compare.rsa.dependence import _mean_square


def test_mean_of_rdms_that_lack_pairs(rng):
    """Means are of the RDMs that have a pair; RDMs of 0 count for none."""
    pairs = rng.uniform(1, 3, size=(4, 10))
    pairs[0, 2:5] = np.nan
    pairs[:, 7] = np.nan
    pairs[3] = 0
    sizes = np.nanmean(pairs, axis=1)
    expected = np.ones(10)
    for pair in np.delete(np.arange(10), 7):
        shares = [row[pair] / size for row, size in zip(pairs, sizes, strict=True) if size > 0]
        expected[pair] = np.nanmean(shares)
    square = _mean_square(pairs)
    np.testing.assert_allclose(square[np.triu_indices(5, 1)], expected, rtol=1e-12)
    np.testing.assert_array_equal(square, square.T)
