"""When a benchmark stops measuring by itself, so that what it has measured is kept."""

import argparse
import time

# A number of seconds that all functions which wait take.
_NO_END = 1e6
MESSAGE = "not measured: the time was over"


class Deadline:
    """The moment at which measuring ends, ``minutes`` from now; in many days where that is None."""

    def __init__(self, minutes: float | None = None) -> None:
        seconds = _NO_END if minutes is None else 60 * minutes
        self._end = time.monotonic() + seconds

    @property
    def seconds(self) -> float:
        """The seconds left, 0 at least."""
        return max(self._end - time.monotonic(), 0.0)

    def can_take(self, seconds: float) -> bool:
        """Return whether something of this length ends in time."""
        return seconds < self.seconds

    def share_time(self, n_parts: int) -> "Deadline":
        """Return the end of the first of so many parts that share the time left equally."""
        return Deadline(self.seconds / 60 / n_parts)


def add_minutes(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--minutes``."""
    parser.add_argument(
        "--minutes", type=float, help="begin no more rows or rounds that would take longer"
    )
