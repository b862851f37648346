"""Temporary files, written by a thread of their own beside what the model does."""

import mmap
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, BinaryIO

_ALIGNMENT = 4096
# The share of the budget that holds what is to be written, the most and the least; and in how many
# pieces at least.
_STAGING_SHARE = 64
_MOST_STAGED = 128 * 2**20
_LEAST_STAGED = 16 * _ALIGNMENT
_LEAST_PIECES = 8


def count_staging_bytes(budget: int) -> int:
    """Return the bytes of memory from which temporary files are written, within a budget."""
    n_bytes = min(_MOST_STAGED, max(_LEAST_STAGED, budget // _STAGING_SHARE))
    return n_bytes // _ALIGNMENT * _ALIGNMENT


class SpillFiles:
    """Temporary files, which are written to again once what was in them is not needed any more.

    They have no names and end with the process, whatever ends that, or with `close`. A file that
    was written to before takes a third of the time to write, since the system has its pages. Others
    are written as fast as the disk is, which is seldom as fast as a model: so a thread does it.

    Parameters
    ----------
    n_staged : int
        Bytes that may wait to be written. They are copies.
    """

    def __init__(self, n_staged: int) -> None:
        self._n_staged = n_staged
        self._free: list[BinaryIO] = []
        self._staging: memoryview | None = None
        self._at = 0
        self._pending: list[Future[None]] = []
        self._thread: ThreadPoolExecutor | None = None

    def take(self) -> BinaryIO:
        """Return a file, to be written from its start on."""
        if self._free:
            return self._free.pop()
        return tempfile.TemporaryFile(prefix="neurolens-", buffering=0)

    def give_back(self, file: BinaryIO) -> None:
        """Take a file whose contents are not needed any more."""
        self._free.append(file)

    def write(self, file: BinaryIO, offset: int, octets: memoryview) -> list[Future[None]]:
        """Have bytes, which may change afterwards, written to a file from ``offset`` on.

        What is returned raises OSError where the disk is full. This waits where more is to be
        written than the memory for that holds.
        """
        writes = []
        most = max(1, self._n_staged // _LEAST_PIECES)
        for start in range(0, len(octets), most):
            piece = self._stage(octets[start : start + most])
            write = self._run(_write_piece, file, offset + start, piece)
            self._pending.append(write)
            writes.append(write)
        return writes

    def _stage(self, octets: memoryview) -> memoryview:
        """Copy bytes to memory that nothing is written from; return that."""
        if self._staging is None:
            # The system takes it back at once, where the C library might not.
            self._staging = memoryview(mmap.mmap(-1, self._n_staged))
        if self._at + len(octets) > self._n_staged:
            self._wait()
            self._at = 0
        piece = self._staging[self._at : self._at + len(octets)]
        piece[:] = octets
        self._at += len(octets)
        return piece

    def _run(self, function: Callable[..., None], *arguments: Any) -> Future[None]:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "neurolens-spill")
        return self._thread.submit(function, *arguments)

    def _wait(self) -> None:
        wait(self._pending)
        self._pending.clear()

    def end_writing(self) -> None:
        """Close the files that were given back, beside what the model does; none is written again.

        It takes the system time to give back what they held.
        """
        for file in self._free:
            self._run(file.close)
        self._free.clear()

    def close(self) -> None:
        """Close the files that were given back, after what is still to be written."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        self._pending.clear()
        self._staging = None
        for file in self._free:
            file.close()
        self._free.clear()


def _write_piece(file: BinaryIO, offset: int, piece: memoryview) -> None:
    file.seek(offset)
    while piece:
        piece = piece[file.write(piece) :]
