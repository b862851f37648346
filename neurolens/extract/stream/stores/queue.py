"""Writing to disk in a thread of its own, while the model computes."""

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

_MOST_BYTES = 2**27


def limit_waiting(budget: int) -> int:
    """Return how many bytes may wait to be written, an eighth of a budget and 128 MiB at most."""
    return min(budget // 8, _MOST_BYTES)


class _Task(NamedTuple):
    """Something to be written, and the bytes that it holds until then.

    ``is_last`` says that with it something is complete.
    """

    n_bytes: int
    write: Callable[[], None]
    is_last: bool


class WriteQueue:
    """Writes things one after the other, in the order in which they were given.

    After an error nothing more is written; it is raised by the next call.

    Parameters
    ----------
    most_bytes : int
        That may wait to be written. A thing that is larger waits alone.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._tasks: deque[_Task] = deque()
        self._n_bytes = 0
        self._is_ending = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def put(self, n_bytes: int, write: Callable[[], None], is_last: bool = False) -> None:
        """Take something to be written; wait until there is room for it.

        ``is_last`` says that something is complete with it.
        """
        with self._changed:
            while self._n_bytes and self._n_bytes + n_bytes > self._most_bytes:
                self._raise_error()
                self._changed.wait()
            self._raise_error()
            self._tasks.append(_Task(n_bytes, write, is_last))
            self._n_bytes += n_bytes
            if self._thread is None:
                self._is_ending = False
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything is written, and end the thread."""
        self._end()
        with self._changed:
            self._raise_error()

    def abandon(self) -> None:
        """End the thread, without writing what is not complete."""
        with self._changed:
            while self._tasks and not self._tasks[-1].is_last:
                self._tasks.pop()
        self._end()
        self._n_bytes = 0

    def _end(self) -> None:
        thread = self._thread
        if thread is None:
            return
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        thread.join()
        self._thread = None

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._tasks and not self._is_ending:
                    self._changed.wait()
                if not self._tasks:
                    return
                task = self._tasks.popleft()
            try:
                task.write()
            except BaseException as error:
                with self._changed:
                    self._error = error
                    self._tasks.clear()
                    self._n_bytes = 0
                    self._changed.notify_all()
                return
            with self._changed:
                self._n_bytes -= task.n_bytes
                self._changed.notify_all()
            del task
