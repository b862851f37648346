"""A call against one size, and what was measured of it."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from scaling_studies.growth import Growth, fit_growth

# Smaller peaks hide in memory that earlier calls left behind, so that they seem to grow more.
LEAST_PEAK = 16 * 2**20


@dataclass(frozen=True)
class Study:
    """What is measured: ``prepare(size)`` returns the call, and holds its inputs.

    The exponents are those of the leading terms of time and memory, which ``why`` names.
    """

    name: str
    against: str
    sizes: tuple[int, ...]
    prepare: Callable[[int], Callable[[], object]]
    time_exponent: float
    memory_exponent: float
    why: str


@dataclass
class Measured:
    """Processor seconds and peak bytes of each size, one value per round, and why sizes lack."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    peaks: dict[int, list[int]] = field(default_factory=dict)
    left_out: str = ""

    @property
    def sizes(self) -> list[int]:
        """The sizes that were measured, in ascending order."""
        return sorted(self.seconds)

    @property
    def memory_sizes(self) -> list[int]:
        """The sizes whose peaks are those of the data."""
        return [size for size in self.sizes if min(self.peaks[size]) >= LEAST_PEAK]

    def fit_time(self) -> Growth | None:
        """Return the growth of time."""
        return fit_growth(self.sizes, turn_rounds(self.seconds, self.sizes))

    def fit_memory(self) -> Growth | None:
        """Return the growth of peaks that are large enough to be those of the data."""
        return fit_growth(self.memory_sizes, turn_rounds(self.peaks, self.memory_sizes))

    def find_largest(self) -> tuple[int, float, float]:
        """Return the largest size, and the medians of its seconds and peak bytes."""
        size = self.sizes[-1]
        return size, statistics.median(self.seconds[size]), statistics.median(self.peaks[size])


def turn_rounds(values: dict[int, list], sizes: list[int]) -> list[list[float]]:
    """Return a list per round of the values of the sizes; rounds that lack a size are left out."""
    return [list(row) for row in zip(*(values[size] for size in sizes), strict=False)]
