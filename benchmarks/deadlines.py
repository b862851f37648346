"""When a benchmark stops measuring by itself, so that what it has measured is kept."""

import argparse
import math
import time

MESSAGE = "not measured: the time was over"


class Deadline:
    """The moment at which measuring ends, ``minutes`` from now; never where that is None."""

    def __init__(self, minutes: float | None = None) -> None:
        self._end = math.inf if minutes is None else time.monotonic() + 60 * minutes

    @property
    def seconds(self) -> float:
        """The seconds left, 0 at least."""
        return max(self._end - time.monotonic(), 0.0)

    @property
    def minutes(self) -> float | None:
        """The minutes left, or None for no end, as the constructor takes them."""
        return None if math.isinf(self._end) else self.seconds / 60

    def can_take(self, seconds: float) -> bool:
        """Return whether something of this length ends in time."""
        return seconds < self.seconds

    def share_time(self, n_parts: int) -> "Deadline":
        """Return the end of the first of so many parts that share the time left equally."""
        return Deadline(None if self.minutes is None else self.minutes / n_parts)


def add_minutes(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--minutes``."""
    parser.add_argument(
        "--minutes", type=float, help="begin no more rows or rounds that would take longer"
    )
