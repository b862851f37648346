"""Temporary files that a thread writes: whole, in any sizes, and told where the disk is full."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurolens.extract.stream.resume import spills
from neurolens.extract.stream.resume.spills import SpillFiles, count_staging_bytes
from neurolens.extract.stream.resume.states import SavedStates


@given(
    sizes=st.lists(st.integers(0, 3000), max_size=20),
    n_staged=st.integers(8, 5000),
    seed=st.integers(0, 2**16),
)
def test_what_is_written_is_read_whatever_waits(sizes, n_staged, seed):
    rng = np.random.default_rng(seed)
    parts = [rng.integers(0, 256, size, dtype=np.uint8).tobytes() for size in sizes]
    files = SpillFiles(n_staged)
    failures = []
    try:
        file = files.take()
        at = 0
        for part in parts:
            octets = bytearray(part)
            files.write(file, at, memoryview(octets), failures.append)
            octets[:] = bytes(len(octets))
            at += len(part)
        files.wait()
        assert not failures
        file.seek(0)
        assert file.read() == b"".join(parts)
        files.give_back(file)
    finally:
        files.close()


class SlowDisk:
    """Writes once it is told to, or fails for some offsets."""

    def __init__(self, monkeypatch, full_from=None):
        self.goes_on = threading.Event()
        self._write = spills._write_whole
        self._full_from = full_from
        monkeypatch.setattr(spills, "_write_whole", self)

    def __call__(self, file, offset, piece):
        assert self.goes_on.wait(60)
        if self._full_from is not None and offset >= self._full_from:
            raise OSError(28, "No space left on device")
        self._write(file, offset, piece)


def test_what_changes_while_it_waits_is_written_as_it_was(monkeypatch):
    disk = SlowDisk(monkeypatch)
    files = SpillFiles(2**16)
    states = SavedStates(0, files)
    tensor = torch.arange(100.0)
    states.save(0, {(0, 0): tensor})
    tensor.zero_()
    disk.goes_on.set()
    states.finish()
    assert torch.equal(states.load(0)[0, 0], torch.arange(100.0))
    states.close()
    files.close()


def test_batches_that_a_full_disk_has_no_room_for_are_forgotten(monkeypatch):
    disk = SlowDisk(monkeypatch, full_from=80)
    files = SpillFiles(2**16)
    states = SavedStates(0, files)
    for row in range(4):
        states.save(row, {(0, 0): torch.full((10,), float(row))})
    disk.goes_on.set()
    with pytest.raises(OSError, match="No space left"):
        states.finish()
    assert [row in states for row in range(4)] == [True, True, False, False]
    assert torch.equal(states.load(1)[0, 0], torch.ones(10))
    states.finish()
    states.close()
    files.close()


def test_what_is_forgotten_is_written_before_the_file_is_read(monkeypatch):
    """The thread and who reads share the position in the file."""
    disk = SlowDisk(monkeypatch)
    files = SpillFiles(2**16)
    states = SavedStates(0, files)
    for row in range(3):
        states.save(row, {(0, 0): torch.full((1000,), float(row))})
    states.forget(2)
    waits = threading.Thread(target=states.finish)
    waits.start()
    waits.join(0.05)
    assert waits.is_alive()
    disk.goes_on.set()
    waits.join()
    for row in range(2):
        assert torch.equal(states.load(row)[0, 0], torch.full((1000,), float(row)))
    states.close()
    files.close()


def test_what_was_saved_is_loaded_while_the_next_is_written(monkeypatch):
    disk = SlowDisk(monkeypatch)
    files = SpillFiles(2**16)
    before = SavedStates(0, files)
    later = SavedStates(0, files)
    before.save(0, {(0, 0): torch.arange(100.0)})
    disk.goes_on.set()
    before.finish()
    disk.goes_on.clear()
    later.save(0, {(0, 0): torch.zeros(100)})
    loaded = []
    loads = threading.Thread(target=lambda: loaded.append(before.load(0)[0, 0]))
    loads.start()
    loads.join(10)
    assert not loads.is_alive()
    disk.goes_on.set()
    assert torch.equal(loaded[0], torch.arange(100.0))
    before.close()
    later.close()
    files.close()


@pytest.mark.parametrize("n_staged", [100, 2**16])
def test_all_is_written_at_once_where_there_can_be_no_thread(n_staged, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    files = SpillFiles(n_staged)
    states = SavedStates(0, files)
    states.save(0, {(0, 0): torch.arange(100.0)})
    states.finish()
    assert torch.equal(states.load(0)[0, 0], torch.arange(100.0))
    states.close()
    files.end_writing()
    files.close()


def test_few_pieces_wait_however_small_they_are(monkeypatch):
    disk = SlowDisk(monkeypatch)
    files = SpillFiles(2**16)
    file = files.take()
    writes = threading.Thread(
        target=lambda: [
            files.write(file, 4 * k, memoryview(bytes([k % 256] * 4)), print) for k in range(2000)
        ]
    )
    writes.start()
    writes.join(0.2)
    assert files._thread is not None
    waiting = files._thread._tasks.qsize()
    assert 200 < waiting <= 257
    disk.goes_on.set()
    writes.join()
    files.wait()
    file.seek(0)
    assert file.read() == b"".join(bytes([k % 256] * 4) for k in range(2000))
    files.give_back(file)
    files.close()


def test_a_batch_saved_again_is_as_it_was_last(monkeypatch):
    disk = SlowDisk(monkeypatch)
    files = SpillFiles(2**16)
    states = SavedStates(0, files)
    states.save(0, {(0, 0): torch.zeros(10)})
    states.save(0, {(0, 0): torch.ones(10)})
    disk.goes_on.set()
    states.finish()
    assert torch.equal(states.load(0)[0, 0], torch.ones(10))
    states.close()
    files.close()


def test_a_file_is_closed_after_what_waits_for_it(monkeypatch):
    disk = SlowDisk(monkeypatch)
    files = SpillFiles(2**16)
    states = SavedStates(0, files)
    states.save(0, {(0, 0): torch.ones(10)})
    file = states._file
    states.close()
    files.end_writing()
    assert not file.closed
    disk.goes_on.set()
    files.close()
    assert file.closed
    assert "neurolens-spill" not in " ".join(thread.name for thread in threading.enumerate())


@given(budget=st.integers(0, 2**45))
def test_what_waits_is_a_small_part_of_the_budget(budget):
    n_bytes = count_staging_bytes(budget)
    assert n_bytes % 4096 == 0
    assert 2**16 <= n_bytes <= max(2**16, min(budget // 64, 2**27))
