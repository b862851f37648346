"""Rows of the table: what was found, what should be, and whether it holds."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy.stats import binom, norm

Run = Callable[[np.random.Generator], dict[str, float]]
Found = dict[str, np.ndarray]


class Row(NamedTuple):
    """One line of the table, and whether what was found is as it should be."""

    name: str
    found: str
    expected: str
    holds: bool

    def write(self) -> str:
        """Return the line of a Markdown table."""
        holds = "yes" if self.holds else "**no**"
        return f"| {self.name} | {self.found} | {self.expected} | {holds} |"


def repeat(run: Run, times: int, seed: int) -> Found:
    """Return each number of ``run`` over ``times`` independent simulations.

    There is one process per core.
    """
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(run, np.random.default_rng(seed).spawn(times), chunksize=10))
    return {name: np.array([float(one[name]) for one in found]) for name in found[0]}


def judge_rate(name: str, hits: np.ndarray, *, level: float = 0.05, at_most: bool = False) -> Row:
    """Return a row on an error rate that must lie in the binomial 99 % band about ``level``.

    With ``at_most`` it may also lie below the band.
    """
    low, high = binom.interval(0.99, len(hits), level)
    low = 0 if at_most else low
    return Row(
        f"error rate: {name}",
        f"{hits.mean():.1%}",
        f"{low / len(hits):.1%} to {high / len(hits):.1%}",
        bool(low <= hits.sum() <= high),
    )


def cover_truth(found: Found) -> Found:
    """Return whether each interval holds the truth.

    For the score the truth is its mean over all runs, for the difference 0.
    """
    truth = found["score"].mean()
    return {
        "score": (found["low"] <= truth) & (truth <= found["high"]),
        "difference": (found["gap_low"] <= 0) & (found["gap_high"] >= 0),
    }


def judge_coverage(name: str, inside: np.ndarray, *, small: bool) -> Row:
    """Return a row on the coverage of a 95 % interval.

    For a ``small`` set it may be too wide, never too narrow.
    """
    low = 0.92
    high = 1.0 if small else 0.98
    holds = bool(low <= inside.mean() <= high)
    return Row(f"coverage: {name}", f"{inside.mean():.1%}", f"{low:.0%} to {high:.0%}", holds)


def judge_share(name: str, hits: np.ndarray, *, least: float) -> Row:
    """Return a row on a share that must be ``least`` or more, less what chance takes in 1 %."""
    floor = binom.ppf(0.01, len(hits), least) / len(hits)
    return Row(name, f"{hits.mean():.1%}", f"{floor:.1%} or more", bool(hits.mean() >= floor))


def judge_zero(name: str, values: np.ndarray, *, zero: bool) -> Row:
    """Return a row on a mean that must, or must not, lie within its 99 % band about 0."""
    slack = norm.ppf(0.995) * values.std(ddof=1) / np.sqrt(len(values))
    holds = abs(values.mean()) <= slack if zero else values.mean() > slack
    band = f"{-slack:.3f} to {slack:.3f}" if zero else f"above {slack:.3f}: too high"
    return Row(f"truth 0: {name}", f"{values.mean():.3f}", band, bool(holds))


def judge_one(name: str, values: np.ndarray, slack: float = 0.02) -> Row:
    """Return a row on a mean that must be 1 within ``slack``."""
    holds = bool(abs(values.mean() - 1) <= slack)
    return Row(name, f"{values.mean():.3f}", f"{1 - slack:.2f} to {1 + slack:.2f}", holds)
