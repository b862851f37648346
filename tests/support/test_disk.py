"""New files through the cache of the system and past it: the same bytes, whichever costs less."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolens.support import disk
from neurolens.support.disk import ALIGNMENT, LEAST_BYTES, PIECE_BYTES, DiskWriter

SIZES = st.one_of(
    st.integers(0, 3),
    st.integers(-3, 3).map(lambda n: ALIGNMENT + n),
    st.integers(-3, 3).map(lambda n: LEAST_BYTES + n),
    st.integers(-3, 3).map(lambda n: PIECE_BYTES + n),
    st.integers(0, 2 * PIECE_BYTES),
)
CONTENT = np.random.default_rng(0).integers(0, 256, 2 * PIECE_BYTES + 8, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """A folder on a file system that is written to past the cache."""
    if not hasattr(os, "O_DIRECT"):
        pytest.skip("this system writes through its cache only")
    try:
        os.close(os.open(tmp_path / "probe", os.O_WRONLY | os.O_CREAT | os.O_DIRECT))
    except OSError:
        pytest.skip(f"the file system of {tmp_path} is written to through the cache only")
    return tmp_path


def make_writer(is_direct):
    """Return a writer that takes one way."""
    writer = DiskWriter()
    writer._choose = lambda: is_direct
    return writer


def cut_parts(sizes):
    """Return parts of these sizes, one after the other out of the same content."""
    parts = []
    start = 0
    for size in sizes:
        parts.append(CONTENT[start : start + size].data)
        start = (start + size) % 7
    return parts


@pytest.mark.parametrize("is_direct", [False, True])
def test_a_file_holds_its_parts(folder, is_direct):
    writer = make_writer(is_direct)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(SIZES, max_size=3))
    def check(sizes):
        parts = cut_parts(sizes)
        path = folder / "file"
        writer.write(path, *parts)
        assert path.read_bytes() == b"".join(parts)

    check()
    assert (writer._piece is not None) == is_direct
    assert writer._can_be_direct


def test_a_file_that_was_there_is_replaced(folder):
    path = folder / "file"
    path.write_bytes(bytes(3 * PIECE_BYTES))
    make_writer(True).write(path, CONTENT[: LEAST_BYTES + 1].data)
    assert path.read_bytes() == CONTENT[: LEAST_BYTES + 1].tobytes()
    assert path.stat().st_mode & 0o777 == (folder / "probe").stat().st_mode & 0o666


def refuse(number):
    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("name", ["open", "write", "ftruncate"])
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EPERM, errno.ENOMEM])
def test_where_the_other_way_fails_the_cached_one_is_taken(number, name, folder, monkeypatch):
    writer = make_writer(True)
    path = folder / "file"
    n_open = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(disk.os, name, refuse(number))
        writer.write(path, CONTENT.data)
        assert path.read_bytes() == CONTENT.tobytes()
    assert not writer._can_be_direct
    assert len(os.listdir("/proc/self/fd")) == n_open


def test_without_memory_for_a_piece_the_cached_way_is_taken(folder, monkeypatch):
    monkeypatch.setattr(disk.mmap, "mmap", refuse(errno.ENOMEM))
    path = folder / "file"
    make_writer(True).write(path, CONTENT.data)
    assert path.read_bytes() == CONTENT.tobytes()


def test_a_full_disk_is_an_error(folder, monkeypatch):
    monkeypatch.setattr(disk.os, "write", refuse(errno.ENOSPC))
    monkeypatch.setattr(disk, "write_cached", refuse(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left on device"):
        make_writer(True).write(folder / "file", CONTENT.data)


def test_large_files_go_past_the_cache(folder, monkeypatch):
    flags = []
    system_open = os.open

    def note_flags(path, flag, mode):
        flags.append(flag)
        return system_open(path, flag, mode)

    monkeypatch.setattr(disk.os, "open", note_flags)
    make_writer(True).write(folder / "file", CONTENT.data)
    assert len(flags) == 1
    assert flags[0] & os.O_DIRECT == os.O_DIRECT


def test_a_fork_has_memory_of_its_own(folder, monkeypatch):
    writer = make_writer(True)
    writer.write(folder / "file", CONTENT.data)
    before = writer._piece
    writer.write(folder / "file", CONTENT.data)
    assert writer._piece is before
    monkeypatch.setattr(disk.os, "getpid", lambda: -1)
    writer.write(folder / "file", CONTENT.data)
    assert writer._piece is not before
    assert (folder / "file").read_bytes() == CONTENT.tobytes()


def test_pieces_that_the_system_takes_in_parts_are_continued(folder, monkeypatch):
    write = os.write
    monkeypatch.setattr(disk.os, "write", lambda file, data: write(file, data[: 2 * ALIGNMENT]))
    path = folder / "file"
    make_writer(True).write(path, CONTENT[: LEAST_BYTES + 5].data)
    assert path.read_bytes() == CONTENT[: LEAST_BYTES + 5].tobytes()


def follow_choices(costs, n_files):
    """Return which of many files are written directly, at costs by way and number of the file."""
    writer = DiskWriter()
    writer._can_be_direct = True
    chosen = []
    for number in range(n_files):
        is_direct = writer._choose()
        writer._learn(is_direct, costs(is_direct, number))
        chosen.append(is_direct)
    return chosen


@pytest.mark.parametrize("better", [False, True])
def test_both_ways_are_tried_and_the_cheaper_one_is_taken(better):
    chosen = follow_choices(lambda is_direct, number: 1.0 if is_direct == better else 5.0, 1000)
    assert chosen[:2] == [False, True]
    others = [number for number, is_direct in enumerate(chosen[2:]) if is_direct != better]
    # Less and less often, since it is never worth it.
    assert others == [15, 47, 111, 239, 495, 751]


def test_a_way_that_becomes_cheaper_is_found():
    def cost(is_direct, number):
        return 3.0 if is_direct else 1.0 + 9.0 * (number >= 100)

    chosen = follow_choices(cost, 300)
    assert chosen[2:100].count(True) == 2
    assert chosen[110:].count(False) <= 2


def test_small_files_are_written_through_the_cache(folder):
    writer = DiskWriter()
    writer.write(folder / "file", bytes(LEAST_BYTES - 1))
    assert not writer._costs
    writer.write(folder / "file", bytes(LEAST_BYTES))
    assert list(writer._costs) == [False]
    assert writer._costs[False] > 0


def test_costs_are_of_the_clock_and_of_the_processor_and_averaged(folder, monkeypatch):
    clock = iter([0, 1, 10, 12])
    processor = iter([0, 2, 10, 16])
    monkeypatch.setattr(disk.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(disk.time, "thread_time", lambda: next(processor))
    writer = make_writer(False)
    writer.write(folder / "file", bytes(LEAST_BYTES))
    assert writer._costs == {False: 3 / LEAST_BYTES}
    writer.write(folder / "file", bytes(LEAST_BYTES))
    assert writer._costs == {False: 5.5 / LEAST_BYTES}
