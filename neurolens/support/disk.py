"""New files on disk, past the cache of the system where that costs less."""

import mmap
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

# Files from this size on may be written past the cache, in pieces of PIECE_BYTES.
LEAST_BYTES = 2**20
PIECE_BYTES = 2**23
# What addresses, sizes and places in a file are multiples of then.
ALIGNMENT = 4096
# After how many large files the way that cost more is tried again: at first, and at most.
_FIRST_TRIAL = 16
_LAST_TRIAL = 256
_Part = bytes | memoryview


class DiskWriter:
    """Writes new files one after the other, large ones in the way that has cost less so far.

    One way is through the system's page cache, which takes processor time to copy to, and memory;
    the other past it (``O_DIRECT``, on Linux), which takes the time of the disk. The cost of a way
    is the time on the clock plus that of the processor, per byte, as the last files have shown it.
    Where the second way fails, for whatever reason, the file is written in the first, and so are
    all later ones. What is written is the same.

    It serves one thread of one process.
    """

    def __init__(self) -> None:
        self._can_be_direct = hasattr(os, "O_DIRECT")
        # Seconds per byte of each way, directly or not; unknown at first.
        self._costs: dict[bool, float] = {}
        self._n_until_trial = self._trial_interval = _FIRST_TRIAL
        self._piece: np.ndarray | None = None
        # The process whose memory that is: a fork would share it.
        self._owner = 0

    def write(self, path: Path, *parts: _Part) -> None:
        """Write a file from the bytes of these parts.

        Raises
        ------
        OSError
            When the disk is full, or the path cannot be written to.
        """
        n_bytes = sum(len(part) for part in parts)
        if n_bytes < LEAST_BYTES or not self._can_be_direct:
            write_cached(path, parts)
            return
        is_direct = self._choose()
        start = time.perf_counter() + time.thread_time()
        if is_direct:
            self._can_be_direct = self._write_directly(path, parts)
        if not is_direct or not self._can_be_direct:
            # A full disk, and whatever else is wrong with the path, is an error here.
            write_cached(path, parts)
        seconds = time.perf_counter() + time.thread_time() - start
        self._learn(is_direct, seconds / n_bytes)

    def _choose(self) -> bool:
        """Return whether the next file is written past the cache."""
        for is_direct in (False, True):
            if is_direct not in self._costs:
                return is_direct
        is_better = self._costs[True] < self._costs[False]
        self._n_until_trial -= 1
        if self._n_until_trial:
            return is_better
        self._trial_interval = min(2 * self._trial_interval, _LAST_TRIAL)
        self._n_until_trial = self._trial_interval
        return not is_better

    def _learn(self, is_direct: bool, cost: float) -> None:
        """Learn what a file has cost, in seconds per byte."""
        before = self._costs.get(is_direct, cost)
        self._costs[is_direct] = (before + cost) / 2

    def _write_directly(self, path: Path, parts: Sequence[_Part]) -> bool:
        """Write a file past the cache; return whether that went well."""
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_DIRECT, 0o666)
        except OSError:
            return False
        try:
            for piece in self._split(parts):
                _write_piece(file, piece)
            # What fills up the last piece.
            os.ftruncate(file, sum(len(part) for part in parts))
        except OSError:
            return False
        finally:
            os.close(file)
        return True

    def _split(self, parts: Sequence[_Part]) -> Iterator[memoryview]:
        """Yield the bytes of the parts in aligned pieces, all in the same memory."""
        if self._piece is None or self._owner != os.getpid():
            # The system aligns it with a page.
            self._piece = np.frombuffer(mmap.mmap(-1, PIECE_BYTES), np.uint8)
            self._owner = os.getpid()
        piece = self._piece
        filled = 0
        for part in filter(len, parts):
            octets = np.frombuffer(part, np.uint8)
            while len(octets):
                n_taken = min(len(octets), PIECE_BYTES - filled)
                piece[filled : filled + n_taken] = octets[:n_taken]
                octets = octets[n_taken:]
                filled += n_taken
                if filled == PIECE_BYTES:
                    yield piece.data
                    filled = 0
        if filled:
            whole = -(-filled // ALIGNMENT) * ALIGNMENT
            piece[filled:whole] = 0
            yield piece[:whole].data


def _write_piece(file: int, piece: memoryview) -> None:
    while piece:
        piece = piece[os.write(file, piece) :]


def write_cached(path: Path, parts: Sequence[_Part]) -> None:
    """Write a file from the bytes of these parts through the cache of the system."""
    with path.open("wb") as file:
        for part in parts:
            file.write(part)
