"""Temporary files, written by a thread of their own beside what the model does."""

import mmap
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import BinaryIO

_ALIGNMENT = 4096
# The share of the budget that holds what is to be written, the most and the least; in how many
# pieces at least, and at most.
_STAGING_SHARE = 64
_MOST_STAGED = 128 * 2**20
_LEAST_STAGED = 16 * _ALIGNMENT
_LEAST_PIECES = 8
_MOST_PIECES = 256

Task = Callable[[], None]


def count_staging_bytes(budget: int) -> int:
    """Return the bytes of memory from which temporary files are written, within a budget."""
    n_bytes = min(_MOST_STAGED, max(_LEAST_STAGED, budget // _STAGING_SHARE))
    return n_bytes // _ALIGNMENT * _ALIGNMENT


class TaskThread:
    """Runs tasks one after the other in a thread of its own, or at once where there can be none.

    Tasks do not raise.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._thread: threading.Thread | None = threading.Thread(
            target=self._work, name="neurolens-spill", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:  # no threads are left, or the interpreter ends
            self._thread = None

    def run(self, task: Task) -> None:
        """Run a task after those before it."""
        if self._thread is None:
            task()
        else:
            self._tasks.put(task)

    def wait(self) -> None:
        """Wait until all tasks are done."""
        done = threading.Event()
        self.run(done.set)
        done.wait()

    def close(self) -> None:
        """Do all tasks, and end the thread."""
        if self._thread is not None:
            self._tasks.put(None)
            self._thread.join()

    def _work(self) -> None:
        for task in iter(self._tasks.get, None):
            task()


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
        self._thread: TaskThread | None = None

    def take(self) -> BinaryIO:
        """Return a file, to be written from its start on."""
        if self._free:
            return self._free.pop()
        return tempfile.TemporaryFile(prefix="neurolens-", buffering=0)

    def give_back(self, file: BinaryIO) -> None:
        """Take a file whose contents are not needed any more."""
        self._free.append(file)

    def write(
        self, file: BinaryIO, offset: int, octets: memoryview, fail: Callable[[Exception], None]
    ) -> None:
        """Have bytes, which may change afterwards, written to a file from ``offset`` on.

        ``fail`` is called with the error where that does not work, such as a full disk. This waits
        where more is to be written than the memory for that holds.
        """
        most = max(1, self._n_staged // _LEAST_PIECES)
        for start in range(0, len(octets), most):
            piece = self._stage(octets[start : start + most])
            self._run(partial(_write_piece, file, offset + start, piece, fail))

    def _stage(self, octets: memoryview) -> memoryview:
        """Copy bytes to memory that nothing is written from; return that."""
        if self._staging is None:
            # The system takes it back at once, where the C library might not.
            self._staging = memoryview(mmap.mmap(-1, self._n_staged))
        if self._at + len(octets) > self._n_staged:
            self.wait()
            self._at = 0
        piece = self._staging[self._at : self._at + len(octets)]
        piece[:] = octets
        # Small ones take more, so that few are waiting.
        self._at += max(len(octets), self._n_staged // _MOST_PIECES)
        return piece

    def _run(self, task: Task) -> None:
        if self._thread is None:
            self._thread = TaskThread()
        self._thread.run(task)

    def wait(self) -> None:
        """Wait until all is written, whichever file it is for."""
        if self._thread is not None:
            self._thread.wait()

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
            self._thread.close()
            self._thread = None
        self._staging = None
        for file in self._free:
            file.close()
        self._free.clear()


def _write_piece(
    file: BinaryIO, offset: int, piece: memoryview, fail: Callable[[Exception], None]
) -> None:
    try:
        _write_whole(file, offset, piece)
    except Exception as error:
        fail(error)


def _write_whole(file: BinaryIO, offset: int, piece: memoryview) -> None:
    file.seek(offset)
    while piece:
        piece = piece[file.write(piece) :]
