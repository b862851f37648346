import tracemalloc

import numpy as np
import pytest

from neurolens.compare.inputs import repeats
from neurolens.compare.inputs.repeats import (
    average_counts,
    average_neuroids,
    average_repeats,
    count_repeats,
    find_complete,
    summarize_counts,
)


def test_means_are_over_what_was_recorded(rng):
    values = rng.normal(size=(12, 3, 2))
    codes = np.tile(np.arange(4), 3)
    holed = values.copy()
    holed[rng.random(values.shape) < 0.3] = np.nan
    holed[codes == 2, 1, 0] = np.nan
    for some in (values, holed):
        found = average_repeats(some, codes)
        for k in range(4):
            rows = some[codes == k]
            counts = (~np.isnan(rows)).sum(axis=0)
            expected = np.where(counts > 0, np.nansum(rows, axis=0) / np.maximum(counts, 1), np.nan)
            np.testing.assert_allclose(found[k], expected)
    assert np.isnan(average_repeats(holed, codes)[2, 1, 0])


@pytest.mark.parametrize("dtype", [bool, np.int32, np.float32])
def test_means_are_float64(rng, dtype):
    values = (rng.random((6, 2)) < 0.5).astype(dtype)
    found = average_repeats(values, np.array([0, 0, 1, 1, 2, 2]))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, values.reshape(3, 2, 2).mean(axis=1))


def test_counts(rng):
    present = rng.random((10, 3)) < 0.6
    codes = np.repeat([0, 1], 5)
    found = count_repeats(present, codes, 3)
    assert found.tolist() == [*present.reshape(2, 5, 3).sum(axis=1).tolist(), [0, 0, 0]]
    whole = count_repeats(np.ones((10, 3), dtype=bool), codes, 2)
    assert whole.tolist() == [[5, 5, 5], [5, 5, 5]]


def test_counts_of_a_neuroid_and_of_all():
    counts = np.array([[3, 3, 0, 3], [3, 1, 0, 3], [3, 2, 0, 0]])
    found = average_counts(counts)
    np.testing.assert_allclose(found, [3, 3 / (1 / 3 + 1 + 1 / 2), np.nan, 3])
    np.testing.assert_allclose(
        average_counts(counts, counts > 1), [3, 2 / (1 / 3 + 1 / 2), np.nan, 3]
    )
    assert summarize_counts(found) == 3
    assert np.isnan(summarize_counts(np.array([np.nan])))


def test_complete_rows_and_columns():
    values = np.ones((4, 3))
    values[2] = np.nan
    values[0, 1] = np.nan
    rows, columns = find_complete(values)
    assert rows.tolist() == [True, True, False, True]
    assert columns.tolist() == [True, False, True]
    rows, columns = find_complete(np.full((2, 2), np.nan))
    assert not rows.any()
    assert not columns.any()


@pytest.mark.parametrize("width", [1, 3, 1000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_neuroids_are_averaged_in_blocks(rng, monkeypatch, width, dtype):
    """A neuroid with each fault, in a block with and without others."""
    monkeypatch.setattr(repeats, "BLOCK_NUMBERS", 12 * width)
    values = rng.normal(size=(12, 8)).astype(dtype)
    codes = np.tile(np.arange(4), 3)
    values[codes == 2, 1] = np.nan  # no response to a stimulus
    values[5, 3] = np.inf
    values[:, 4] = 2.5
    values[0, 4] = np.nan  # constant where it was recorded
    values[[1, 5], 6] = np.nan  # a single presentation is left
    found = average_neuroids(values, codes, 4)
    assert found.lacking.tolist() == [k == 1 for k in range(8)]
    assert found.infinite.tolist() == [k == 3 for k in range(8)]
    assert found.constant.tolist() == [k == 4 for k in range(8)]
    assert found.usable.tolist() == [k not in (1, 3, 4) for k in range(8)]
    assert found.present.all()
    for k in range(8):
        column = [values[codes == code, k].astype(np.float64) for code in range(4)]
        known = [part[~np.isnan(part)] for part in column]
        expected = [part.mean() for part in known] if found.usable[k] else [np.nan] * 4
        np.testing.assert_allclose(found.means[:, k], expected, rtol=1e-12)
        counts = np.array([len(part) for part in known if len(part)])
        assert found.repeats[k] == pytest.approx(len(counts) / (1 / counts).sum())


def test_a_row_without_any_number_is_known(rng):
    values = rng.normal(size=(6, 3))
    values[4] = np.nan
    found = average_neuroids(values, np.tile(np.arange(3), 2), 3)
    assert found.present.tolist() == [True, True, True, True, False, True]


def test_beside_the_means_memory_does_not_grow_with_neuroids(rng, monkeypatch):
    monkeypatch.setattr(repeats, "BLOCK_NUMBERS", 2**12)
    values = rng.normal(size=(64, 20_000)).astype(np.float32)
    tracemalloc.start()
    try:
        means = average_neuroids(values, np.arange(64), 64).means
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(means, values)
    assert peak < 1.15 * means.nbytes
