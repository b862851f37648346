"""What is alive at a cut: saved in memory or in a file, and loaded as it was."""

import os
import tempfile

import pytest
import torch

from neurolens.extract.stream.resume.spills import SpillFiles
from neurolens.extract.stream.resume.states import SavedStates


@pytest.fixture
def files():
    made = SpillFiles(2**16)
    yield made
    made.close()


def make_tensors():
    base = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    bits = torch.tensor([1, 2**24 + 1, -7], dtype=torch.int32).view(torch.float32)
    return {
        "contiguous": base.clone(),
        "transposed": base.clone().transpose(0, 2),
        "part": base.clone()[:, 1:3, ::2],
        "repeated": base[:, :1, :1].clone().expand(3, 4, 5),
        "channels last": base.clone()[None].to(memory_format=torch.channels_last),
        "bits": bits,
        "not finite": torch.tensor([torch.nan, -torch.inf, -0.0]),
        "half": base.bfloat16(),
        "flags": base > 3,
        "whole numbers": base.long(),
        "complex": torch.complex(base, -base),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
    }


@pytest.mark.parametrize("room", [0, 300, 10**6])
def test_tensors_come_back_bit_for_bit_and_with_their_strides(room, files):
    states = SavedStates(room, files)
    for row in (0, 8):
        states.save(row, {(i, 0): one for i, one in enumerate(make_tensors().values())})
    for row in (8, 0, 8):
        loaded = states.load(row)
        for i, tensor in enumerate(make_tensors().values()):
            found = loaded[i, 0]
            assert (found.shape, found.stride()) == (tensor.shape, tensor.stride())
            assert found.dtype == tensor.dtype
            same = found.contiguous().flatten().view(torch.uint8)
            assert torch.equal(same, tensor.contiguous().flatten().view(torch.uint8))
    states.close()


@pytest.mark.parametrize("room", [0, 10**6])
def test_what_is_loaded_can_be_written_to(room, files):
    states = SavedStates(room, files)
    states.save(0, {(3, 0): torch.ones(4)})
    states.load(0)[3, 0].add_(1)
    assert torch.equal(states.load(0)[3, 0], torch.ones(4))
    states.close()


@pytest.mark.parametrize("room", [0, 10**6])
def test_alignment_is_kept(room, files):
    states = SavedStates(room, files)
    tensor = torch.zeros(100)[3:50]
    states.save(0, {(0, 0): tensor})
    found = states.load(0)[0, 0]
    assert found.data_ptr() % 64 == 12
    assert tensor.data_ptr() % 64 == 12
    states.close()


def test_no_more_is_held_than_there_is_room_for(files):
    states = SavedStates(40, files)
    states.save(0, {(0, 0): torch.ones(8)})
    assert states.n_spilled == 0
    states.save(1, {(0, 0): torch.ones(8)})
    assert states.n_spilled == 32
    states.forget(0)
    states.save(2, {(0, 0): torch.ones(8)})
    assert states.n_spilled == 32
    assert 0 not in states
    assert 1 in states
    states.close()


def test_the_file_has_no_name_and_ends_with_the_states(tmp_path, monkeypatch, files):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    states = SavedStates(0, files)
    states.save(0, {(0, 0): torch.ones(8)})
    file = states._file
    assert file is not None
    assert not os.listdir(tmp_path)
    states.close()
    assert files.take() is file
    files.give_back(file)
    files.close()
    assert file.closed
    assert 0 not in states


def test_a_batch_that_cannot_be_written_is_not_kept(monkeypatch, files):
    def fail(self, flat, n_bytes, fail):
        raise OSError(28, "full")

    states = SavedStates(40, files)
    monkeypatch.setattr(SavedStates, "_write", fail)
    with pytest.raises(OSError, match="full"):
        states.save(0, {(0, 0): torch.ones(8), (1, 0): torch.ones(8)})
    assert 0 not in states
    states.save(0, {(0, 0): torch.ones(10)})
    assert torch.equal(states.load(0)[0, 0], torch.ones(10))
    states.close()


def test_a_file_that_was_cut_is_an_error(files):
    states = SavedStates(0, files)
    states.save(0, {(0, 0): torch.ones(8)})
    states.finish()
    assert states._file is not None
    states._file.truncate(10)
    with pytest.raises(OSError, match="shorter than it was"):
        states.load(0)
    states.close()


def test_memory_that_is_saved_can_be_resized_later(files):
    tensor = torch.ones(8)
    states = SavedStates(0, files)
    states.save(0, {(0, 0): tensor})
    assert tensor.untyped_storage().resizable()
    states.close()
