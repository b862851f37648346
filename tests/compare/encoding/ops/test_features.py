"""Features are the same in blocks of any size, in any order, and never all in memory."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from xarray.backends import BackendArray
from xarray.core import indexing

from neurolens.compare.encoding.ops.features import FeatureBlocks
from neurolens.compare.encoding.ops.sources import multiply_rows
from neurolens.errors import InputError, LabelError


class Stored(BackendArray):
    """An array in a store, which records how many rows each reading took."""

    def __init__(self, values):
        self.values = values
        self.shape = values.shape
        self.dtype = values.dtype
        self.taken = []

    def __getitem__(self, key):
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )

    def _read(self, key):
        values = self.values[key]
        self.taken.append(len(values))
        return values


def open_stored(values, chunk=1):
    """Return a lazy array (stimulus, ...) of ``values`` and what records its readings."""
    backend = Stored(values)
    dims = ("stimulus", *[f"axis_{k}" for k in range(1, values.ndim)])
    variable = xr.Variable(
        dims,
        indexing.LazilyIndexedArray(backend),
        encoding={"preferred_chunks": {"stimulus": chunk}},
    )
    ids = [f"s{i}" for i in range(len(values))]
    return xr.DataArray(variable, coords={"stimulus": ids}), backend


def multiply(first, second, mean):
    return (first - mean) @ (second - mean).T


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(3, 40),
    p=st.integers(1, 9),
    chunk=st.integers(1, 12),
    memory=st.integers(1, 6000),
)
def test_blocks_of_any_size_give_the_same_features(seed, n, p, chunk, memory):
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=(n, p)) + 5).astype(np.float32)
    array, backend = open_stored(values, chunk)
    order = rng.permutation(n)
    blocks = FeatureBlocks(array, array.stimulus.values[order], "the feature array", memory)
    expected = values[order].astype(float)
    expected -= expected.mean(axis=0)
    rows = rng.permutation(n)[: rng.integers(0, n + 1)]
    np.testing.assert_allclose(blocks.take(rows), expected[rows], atol=1e-6)
    found = np.concatenate([positions for positions, _ in blocks.iterate(rows)] or [[]])
    assert sorted(found) == list(range(len(rows)))
    assert blocks.spread == pytest.approx((expected**2).sum(), rel=1e-9)
    kernel = blocks.compute_kernel(multiply)
    np.testing.assert_allclose(kernel, expected @ expected.T, atol=1e-5)
    if values.nbytes > memory / 2:
        assert max(backend.taken) <= max(chunk, memory // 2 // (4 * p))
    else:
        assert len(backend.taken) == 1


def test_an_op_above_the_budget_is_never_in_memory(rng):
    """Peak memory follows the budget, not the op: 32 MB of features in 4 MB."""
    values = np.lib.stride_tricks.as_strided(
        rng.normal(size=8000).astype(np.float32), (4000, 2000), (4, 4), writeable=False
    )
    array, backend = open_stored(values, chunk=10)
    tracemalloc.start()
    blocks = FeatureBlocks(array, array.stimulus.values, "the feature array", 2**22)
    for _ in blocks.iterate():
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not blocks.is_kept
    assert blocks.n_blocks > 50
    assert peak < 2**22
    assert max(backend.taken) * 8000 <= 2**19


def test_half_of_the_budget_of_rows_is_held_for_a_kernel(rng):
    values = rng.normal(size=(60, 50))
    array, backend = open_stored(values)
    blocks = FeatureBlocks(array, array.stimulus.values, "the feature array", 60 * 50 * 8 // 3)
    backend.taken.clear()
    kernel = blocks.compute_kernel(multiply)
    centered = values - values.mean(axis=0)
    np.testing.assert_allclose(kernel, centered @ centered.T, atol=1e-10)
    # Six groups of ten rows, each read and then all rows after it.
    assert sum(backend.taken) <= 60 * (6 + 1) / 2 + 10


def test_products_of_rows_in_blocks_of_columns(rng, monkeypatch):
    import torch

    monkeypatch.setattr("neurolens.compare.encoding.ops.sources.BLOCK_NUMBERS", 100)
    first, second, mean = rng.normal(size=(4, 300)), rng.normal(size=(7, 300)), np.ones(300)
    found = multiply_rows(first, second, mean, torch.device("cpu"))
    np.testing.assert_allclose(found, (first - 1) @ (second - 1).T, rtol=1e-10)
    found = multiply_rows(first, first, mean, torch.device("cpu"))
    np.testing.assert_allclose(found, (first - 1) @ (first - 1).T, rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_is_constant_up_to_rounding_is_zero(rng, dtype):
    noise = np.finfo(dtype).eps * rng.normal(size=(30, 4))
    array, _ = open_stored((30 + 30 * noise).astype(dtype), chunk=4)
    for memory in (100, 2**20):
        blocks = FeatureBlocks(array, array.stimulus.values, "the feature array", memory)
        assert blocks.spread == 0
        assert not blocks.take(np.arange(30)).any()
        assert not blocks.compute_kernel(multiply).any()


def test_a_large_mean_costs_no_digits(rng):
    values = rng.normal(size=(50, 3)) + 1e8
    array, _ = open_stored(values)
    for memory in (100, 2**20):
        blocks = FeatureBlocks(array, array.stimulus.values, "the feature array", memory)
        spread = ((values - values.mean(axis=0)) ** 2).sum()
        assert blocks.spread == pytest.approx(spread, rel=1e-6)


def test_samples_are_averaged_block_by_block(rng):
    values = rng.normal(size=(12, 3, 4))
    array, _ = open_stored(values)
    array = array.rename(axis_1="sample").assign_attrs(n_samples=3)
    expected = values.mean(axis=1)
    expected -= expected.mean(axis=0)
    for memory in (100, 2**20):
        blocks = FeatureBlocks(array, array.stimulus.values, "the feature array", memory)
        np.testing.assert_allclose(blocks.take(np.arange(12)), expected, atol=1e-12)


def test_what_cannot_be_used_is_refused_in_any_block(rng):
    values = rng.normal(size=(30, 4))
    values[25, 2] = np.inf
    array, _ = open_stored(values)
    for memory in (100, 2**20):
        with pytest.raises(InputError, match="must be finite, .* in stimuli 's25'"):
            FeatureBlocks(array, array.stimulus.values, "the feature array", memory)
        with pytest.raises(InputError, match="must be real numbers, got dtype complex128"):
            FeatureBlocks(array * 1j, array.stimulus.values, "the feature array", memory)
        with pytest.raises(LabelError, match="Missing from the feature array: 'other'"):
            FeatureBlocks(array, np.array(["other"]), "the feature array", memory)
        with pytest.raises(InputError, match="has no features"):
            FeatureBlocks(array[:, :0], array.stimulus.values, "the feature array", memory)
