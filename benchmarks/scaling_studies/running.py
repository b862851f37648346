"""Each measurement in a process of its own, of one thread; sizes that would take too much are not run."""

import gc
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from machine import read_peak
from processes import fork_call
from threadpoolctl import threadpool_limits

from scaling_studies.growth import fit_slope
from scaling_studies.study import Measured, Study

# Calls are repeated until so many seconds are over, at most so many times, at least once.
LEAST_SECONDS, MOST_CALLS = 0.3, 20
# A process is ended after so many seconds of the clock, on a machine that may do other work.
PATIENCE = 300.0
# The share of the memory that is free that a measurement may be expected to take.
SHARE = 0.6


def measure_study(
    study: Study, rounds: int, seconds: float, sizes: Iterable[int] | None = None
) -> Measured:
    """Return what was measured, smallest size first, all sizes in each round.

    Sizes that are expected to take more than ``seconds``, or more memory than is free, are left
    out, and so are all larger ones.
    """
    found = Measured()
    for size in study.sizes if sizes is None else sizes:
        reason = refuse_size(study, found, size, seconds)
        if reason:
            found.left_out = reason
            break
        first = fork_measurement(study, size)
        if first is None:
            found.left_out = f"{size:,} took more than {PATIENCE:.0f} s of the clock"
            break
        found.seconds[size], found.peaks[size] = [first[0]], [first[1]]
    for _ in range(rounds - 1):
        for size in found.sizes:
            again = fork_measurement(study, size)
            if again is not None:
                found.seconds[size].append(again[0])
                found.peaks[size].append(again[1])
    return found


def refuse_size(study: Study, found: Measured, size: int, seconds: float) -> str:
    """Return why a size is not measured, or nothing."""
    if not found.sizes:
        return ""
    largest, spent, held = found.find_largest()
    slopes = (study.time_exponent, study.memory_exponent)
    if len(found.sizes) > 1:
        last = found.sizes[-2:]
        slopes = (
            max(slopes[0], fit_slope(last, [found.seconds[s][0] for s in last])),
            max(slopes[1], fit_slope(last, [found.peaks[s][0] for s in last])),
        )
    expected_seconds = spent * (size / largest) ** slopes[0]
    expected_bytes = held * (size / largest) ** slopes[1]
    if expected_seconds > seconds:
        return f"{size:,} would take some {expected_seconds:.0f} s"
    if expected_bytes > SHARE * read_free():
        return f"{size:,} would take some {expected_bytes / 2**30:.0f} GiB"
    return ""


def read_free() -> int:
    """Return the bytes of memory that are free, or a large number where that is not known."""
    path = Path("/proc/meminfo")
    if not path.exists():
        return 2**40
    lines = dict(line.split(":") for line in path.read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024


def fork_measurement(study: Study, size: int) -> tuple[float, int] | None:
    """Return processor seconds and peak bytes of one call, or None where it takes too long."""

    def measure() -> tuple[float, int]:
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        with threadpool_limits(1), torch.no_grad():
            study.prepare(study.sizes[0])()  # what libraries load and reserve once
            return measure_call(study, size)

    return fork_call(measure, PATIENCE)


def measure_call(study: Study, size: int) -> tuple[float, int]:
    """Return processor seconds of the fastest call, and the growth of the peak in the first.

    Time is without the garbage collector, as that of ``timeit``: it goes through all objects that
    live, at moments that depend on what ran before. The first call is not timed, at any size: it
    also takes memory from the system.
    """
    call = study.prepare(size)
    start_bytes = read_peak("cpu", reset=True)
    time_processor(call)
    peak = max(read_peak("cpu") - start_bytes, 1)
    taken: list[float] = []
    while not taken or (sum(taken) < LEAST_SECONDS and len(taken) < MOST_CALLS):
        taken.append(time_processor(call))
    return min(taken), peak


def time_processor(call: Callable[[], object]) -> float:
    """Return the processor seconds of one call, without the garbage collector."""
    gc.collect()
    gc.disable()
    start = time.process_time()
    made = call()
    seconds = time.process_time() - start
    gc.enable()
    del made
    return seconds
