"""Measurement of the largest memory that a stretch of work takes."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from neurolens.extract.capture.restore import release_memory

_INTERVAL = 5e-4
_RESIDENT = "/proc/self/statm"


@dataclass
class Peak:
    """The most bytes held above those at the start; None where the system does not report them."""

    n_bytes: int | None = None


@contextmanager
def watch_memory(device: torch.device) -> Iterator[Peak]:
    """Measure memory while the body runs.

    On a GPU it is torch's own count. Elsewhere it is the resident memory of the process, read every
    half millisecond by a thread, which torch's kernels do not stop; free memory is given back
    first, so that it does not hide what is taken.
    """
    peak = Peak()
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        yield peak
        peak.n_bytes = torch.cuda.max_memory_allocated(device) - before
        return
    if not os.path.exists(_RESIDENT):
        yield peak
        return
    release_memory()
    before = _read_resident()
    highest = 0
    done = threading.Event()

    def look() -> None:
        nonlocal highest
        while not done.wait(_INTERVAL):
            highest = max(highest, _read_resident())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
    peak.n_bytes = max(highest - before, _read_resident() - before, 0)


def _read_resident() -> int:
    with open(_RESIDENT, "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
