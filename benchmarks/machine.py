"""The machine of a benchmark, and measurements in rounds in which every method takes its turn.

Peaks of memory are measured too.
"""

import ctypes
import gc
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from deadlines import Deadline

RESULTS = Path(__file__).resolve().parent / "results"


def describe_machine(device: str = "cpu") -> str:
    """Return the processor, cores, memory, device, versions and commit in one line."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        name = next(
            (s.split(":")[1].strip() for s in info.read_text().splitlines() if "model name" in s),
            name,
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    card = f", {torch.cuda.get_device_name()}" if device.startswith("cuda") else ""
    return (
        f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB{card}; {torch.get_num_threads()} "
        f"threads; Python {platform.python_version()}, torch {torch.__version__}; {find_commit()}"
    )


def find_commit() -> str:
    """Return the commit that is measured, and whether files differ from it."""
    folder = Path(__file__).resolve().parent
    asked = ["git", "-C", str(folder), "describe", "--always", "--abbrev=10", "--exclude=*"]
    # Results that a run has just written are no changes of what it measures.
    changed = ["git", "-C", str(folder.parent), "diff", "--quiet", "HEAD", "--", "*.py"]
    try:
        name = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        is_changed = subprocess.run(changed, capture_output=True, check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return "commit not known"
    return f"commit {name}{', changed' if is_changed else ''}"


def time_call(
    call: Callable[[], object], clock: Callable[[], float] = time.perf_counter, repeats: int = 1
) -> float:
    """Return the seconds that one call takes, of ``repeats`` in a row.

    The result of each call is deleted before the next.
    """
    gc.collect()
    synchronize()
    start = clock()
    for _ in range(repeats):
        made = call()
        synchronize()
    seconds = (clock() - start) / repeats
    del made
    return seconds


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def time_rounds(
    methods: dict[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    repeats: int = 1,
    deadline: Deadline | None = None,
) -> dict[str, list[float]]:
    """Return the seconds of each method in each round, all taking turns.

    A first round is not counted. The order is turned around from round to round, so that no method
    always finds the memory and the caches that the same other one has left. Of the rounds that
    would end after ``deadline``, none but the first that is counted is begun.
    """
    times: dict[str, list[float]] = {name: [] for name in methods}
    longest = 0.0
    for i in range(rounds + 1):
        if i > 1 and deadline is not None and not deadline.can_take(longest):
            break
        begun = time.monotonic()
        names = list(methods)
        for name in names if i % 2 else reversed(names):
            call = methods[name]
            seconds = time_call(call, clock, repeats)
            if i:
                times[name].append(seconds)
        # The first round loads what the others find.
        longest = time.monotonic() - begun if i < 2 else max(longest, time.monotonic() - begun)
    return times


def compare_times(
    times: dict[str, list[float]], base: str
) -> dict[str, tuple[float, float, float]]:
    """Return each method's (median, lowest, highest) ratio to ``base`` in the same round."""
    ratios = {
        name: [t / b for t, b in zip(row, times[base], strict=True)] for name, row in times.items()
    }
    return {name: (statistics.median(row), min(row), max(row)) for name, row in ratios.items()}


def read_peak(device: str, reset: bool = False) -> int:
    """Return the highest memory use so far.

    With ``reset``, return the use now, from which peaks are counted again.
    """
    if device.startswith("cuda"):
        if reset:
            torch.cuda.reset_peak_memory_stats()
        return torch.cuda.max_memory_allocated()
    if reset:
        gc.collect()
        if sys.platform == "linux":
            ctypes.CDLL(None).malloc_trim(
                0
            )  # free memory is returned first, so that the peak counts from there
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    with open("/proc/self/status") as file:
        found = {line.split(":")[0]: line.split()[1] for line in file if line.startswith("Vm")}
    return int(found["VmRSS" if reset else "VmHWM"]) * 1024


def write_result(name: str, text: str) -> None:
    """Print a result and store it beside the benchmarks."""
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text + "\n")


class GrowingResult:
    """A result that is stored again with each line that it gets: an end before its time loses none.

    Without a name it is only printed.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._lines: list[str] = []

    def add(self, *lines: str) -> None:
        """Print more lines, and store all of them."""
        print(*lines, sep="\n", flush=True)
        self._lines += lines
        if self._name is not None:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{self._name}.md").write_text("\n".join(self._lines) + "\n")
