"""Chunks that are written here are, byte for byte, those that zarr writes."""

import numpy as np
import pytest
import torch
import zarr
from torch import nn

import neurolens as nl
from neurolens.extract.stream.stores.chunks import N_CHECKSUM, fill_chunk, pack_values
from neurolens.extract.stream.stores.making import create_array


class Many(nn.Module):
    """Results of many forms and dtypes, one of which random numbers feed."""

    def forward(self, x):
        noisy = x + torch.randn_like(x)
        wide = x.transpose(1, 2) * 2
        parts = (x.half(), x.bfloat16(), x > 0, (x * 9).long(), x.to(torch.complex64))
        empty = x[:, :0] * 2
        return noisy.mean((1, 2)), wide, *[part * 1 for part in parts], empty


def list_chunks(path):
    files = path.rglob("activation/c/**/*")
    return {str(p.relative_to(path)): p.read_bytes() for p in files if p.is_file()}


@pytest.mark.parametrize("n_samples", [1, 3])
@pytest.mark.parametrize("n", [8, 9])
@pytest.mark.filterwarnings("ignore:n_samples")
def test_chunks_are_those_of_zarr(n, n_samples, tmp_path, rng):
    stimuli = nl.load_stimuli(rng.standard_normal((n, 3, 4)).astype(np.float32))
    settings = {"batch_size": 4, "n_samples": n_samples, "quiet": True}
    path = tmp_path / "a.zarr"
    nl.extract_activations(Many(), stimuli, store=path, **settings)
    memory = nl.extract_activations(Many(), stimuli, **settings)
    copied = zarr.open_group(tmp_path / "b.zarr", mode="w")
    n_arrays = 0
    for name, array in zarr.open_group(path / "ops", mode="r").members(max_depth=None):
        if not name.endswith("/activation"):
            continue
        values = memory[name.removesuffix("/activation")]["activation"]
        twin = create_array(copied, name, array.dtype, array.shape, values.dims, array.chunks)
        twin[...] = values.values
        n_arrays += 1
    assert n_arrays > 10
    chunks = list_chunks(path / "ops")
    assert chunks
    assert chunks == list_chunks(tmp_path / "b.zarr")


def test_the_last_chunk_is_filled_with_zeros_behind_its_rows():
    values = np.arange(6, dtype=np.float16).reshape(2, 3)
    whole = fill_chunk(values, (4, 1, 3))
    assert whole.shape == (4, 1, 3)
    np.testing.assert_array_equal(whole[:2, 0], values)
    assert not whole[2:].any()
    assert np.shares_memory(fill_chunk(values, (2, 3)), values)


def test_the_bytes_of_a_chunk_are_little_endian_and_in_order():
    values = np.arange(6, dtype=">i4").reshape(2, 3).T
    data, checksum = pack_values(values)
    np.testing.assert_array_equal(np.frombuffer(data, "<i4"), [0, 3, 1, 4, 2, 5])
    assert len(checksum) == N_CHECKSUM
