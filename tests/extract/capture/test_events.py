"""Hashes of tensors: of their values, and without a trace in the tensors."""

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurolens.extract.capture import events
from neurolens.extract.capture.events import hash_tensors


@pytest.mark.parametrize("view", [lambda t: t, lambda t: t[::2], lambda t: t.T])
def test_a_hash_leaves_memory_resizable(view):
    tensor = torch.ones(4, 4)
    hash_tensors([view(tensor)])
    assert tensor.untyped_storage().resizable()


@given(n=st.integers(0, 40), chunk=st.integers(1, 50))
def test_chunks_do_not_show_in_a_hash(n, chunk):
    tensor = torch.arange(n, dtype=torch.float32)
    whole = hashlib.sha256(f"{(n,)}torch.float32".encode() + bytes(tensor.numpy().data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "_CHUNK_BYTES", chunk)
        assert hash_tensors([tensor]) == whole.hexdigest()
