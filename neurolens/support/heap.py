"""Memory that the C library keeps for the next result, in place of returning it to the system."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

# Parameters of mallopt(3).
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_MMAP_MAX = -4
_NEVER = -1
# Where glibc arrives by itself once a block of 32 MiB, the most that it adapts to, was freed; it
# does not tell its settings. The number of maps is its default.
_USUAL = {_MMAP_THRESHOLD: 2**25, _TRIM_THRESHOLD: 2**26, _MMAP_MAX: 65_536}
# A smaller budget has no room for free memory in pieces, and this share of a larger one is left.
_LEAST_BUDGET = 2**30
_LEFT_SHARE = 16
# Growth, in shares of what is allowed, after which free memory is looked for again.
_STEPS = 32
_STATISTICS = "/proc/self/statm"


class KeptMemory:
    """Free memory that the process keeps while it grows by no more than ``most_bytes``.

    Parameters
    ----------
    release : callable
        Gives all free memory back to the system.
    statistics : int
        The open file that tells the resident memory of the process.
    most_bytes : int
    """

    def __init__(self, release: Callable[[], object], statistics: int, most_bytes: int) -> None:
        self._release = release
        self._statistics = statistics
        self._most_bytes = most_bytes
        self._limit = most_bytes
        self._start = self._read_resident()

    def check(self) -> None:
        """Give free memory back where the process has grown by more than it may.

        Where it holds as much that is not free, it is looked at again after it has grown further.
        """
        grown = self.grown
        if grown <= self._most_bytes:
            self._limit = self._most_bytes
        elif grown > self._limit:
            self._release()
            self._limit = max(self._most_bytes, self.grown) + self._most_bytes // _STEPS

    @property
    def grown(self) -> int:
        """Bytes that the process holds above those at the start."""
        return self._read_resident() - self._start

    def _read_resident(self) -> int:
        pages = int(os.pread(self._statistics, 128, 0).split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def keep_freed_memory(budget: int) -> Iterator[Callable[[], None]]:
    """Let glibc keep freed memory for what is allocated next; yield what is to be called often.

    Otherwise it gives every large block back to the system, which clears all pages of the next one.
    What is yielded gives free memory back where the process has grown by more than fifteen
    sixteenths of ``budget``. Nothing is done for a budget of less than 1 GiB, with another C
    library, and where ``MALLOC_...`` or ``GLIBC_TUNABLES`` in the environment say how memory is
    allocated. Free memory is given back at the end.

    Parameters
    ----------
    budget : int
        Bytes that the process may hold above those at the start.

    Notes
    -----
    The settings are those of the whole process. Afterwards they are those with which glibc's own
    adaptation ends, since it does not tell which they were.

    References
    ----------
    mallopt(3), malloc_trim(3) of the Linux manual.
    """
    library = _find_glibc() if budget >= _LEAST_BUDGET else None
    if library is None:
        yield _do_nothing
        return
    most_bytes = budget - budget // _LEFT_SHARE
    statistics = os.open(_STATISTICS, os.O_RDONLY)
    try:
        # What is free now would count as held.
        library.malloc_trim(0)
        kept = KeptMemory(partial(library.malloc_trim, 0), statistics, most_bytes)
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, _NEVER)
        try:
            yield kept.check
        finally:
            for parameter, value in _USUAL.items():
                library.mallopt(parameter, value)
            library.malloc_trim(0)
    finally:
        os.close(statistics)


def _do_nothing() -> None:
    pass


def _find_glibc() -> ctypes.CDLL | None:
    """Return glibc where it allocates memory as it does without any settings, None elsewhere."""
    is_set = any(name.startswith("MALLOC_") for name in os.environ)
    is_set |= "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
    is_replaced = "malloc" in os.environ.get("LD_PRELOAD", "")
    if is_set or is_replaced or sys.platform != "linux" or not os.path.exists(_STATISTICS):
        return None
    library = ctypes.CDLL(None)
    needed = ("gnu_get_libc_version", "mallopt", "malloc_trim")
    return library if all(hasattr(library, name) for name in needed) else None
