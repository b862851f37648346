"""Rows of a table: what was found, what should be, and whether it holds."""

import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import xarray as xr
from scipy.stats import binom, norm

from neurolens.compare import compare_ops

Run = Callable[[np.random.Generator], dict[str, float]]
Found = dict[str, np.ndarray]
T = TypeVar("T")

# What a row can say of itself; all but the last are as they should be.
HOLDS = "yes"
CONSERVATIVE = "conservative"
WARNS = "warns"
FAILS = "**no**"
# The share of rows of true nominal level that lie within their band by chance.
BAND = 0.999
# The share of data sets with a known fault that must be warned of.
MOST = 0.95


class Row(NamedTuple):
    """One line of a table: how many simulations, and whether what was found is as it should be."""

    name: str
    found: str
    expected: str
    verdict: str
    n: int

    def write(self) -> str:
        """Return the line of a Markdown table."""
        return f"| {self.name} | {self.n} | {self.found} | {self.expected} | {self.verdict} |"


def repeat(run: Run, times: int, seed: int) -> Found:
    """Return each number of ``run`` over ``times`` independent simulations.

    There is one process per core. Warnings are not shown: a study that expects one listens.
    """
    spawned = np.random.default_rng(seed).spawn(times)
    with ProcessPoolExecutor(initializer=warnings.simplefilter, initargs=("ignore",)) as pool:
        found = list(pool.map(run, spawned, chunksize=5))
    return {name: np.array([float(one[name]) for one in found]) for name in found[0]}


def listen(call: Callable[[], T], words: str) -> tuple[T, bool]:
    """Return what ``call`` returns, and whether a warning holds ``words``."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = call()
    return result, any(words in str(one.message) for one in told)


def judge_rate(name: str, hits: np.ndarray, *, level: float = 0.05, at_most: bool = False) -> Row:
    """Return a row on an error rate that must lie in the binomial band about ``level``.

    With ``at_most`` it may also lie below the band.
    """
    low, high = binom.interval(BAND, len(hits), level) / np.array(len(hits))
    rate = hits.mean()
    verdict = HOLDS if low <= rate <= high else FAILS
    if at_most and rate < low:
        verdict = CONSERVATIVE
    return Row(f"error rate: {name}", f"{rate:.1%}", f"{low:.1%} to {high:.1%}", verdict, len(hits))


def judge_warned(name: str, hits: np.ndarray, warned: np.ndarray) -> Row:
    """Return a row on a share that is known to be wrong, of which a warning must tell."""
    share = warned.mean()
    verdict = WARNS if share >= MOST else FAILS
    return Row(name, f"{hits.mean():.1%}", f"warned: {share:.1%}", verdict, len(hits))


def cover_mean(found: Found, prefix: str = "") -> np.ndarray:
    """Return whether each interval holds the mean score over all runs, its truth."""
    truth = found["score"].mean()
    return (found[f"{prefix}low"] <= truth) & (truth <= found[f"{prefix}high"])


def cover_truth(found: Found) -> Found:
    """Return whether each interval holds the truth.

    For the score the truth is its mean over all runs, for the difference 0.
    """
    return {
        "score": cover_mean(found),
        "difference": (found["gap_low"] <= 0) & (found["gap_high"] >= 0),
    }


def read_intervals(scores: xr.Dataset) -> dict[str, float]:
    """Return the score of the first op and its interval, and that of its gap to the second."""
    gap = compare_ops(scores)
    return {
        "score": scores.score_mean[0, 0],
        "low": scores.mean_ci_low[0, 0],
        "high": scores.mean_ci_high[0, 0],
        "difference": gap.p[0, 1, 0] <= 0.05,
        "gap_low": gap.ci_low[0, 1, 0],
        "gap_high": gap.ci_high[0, 1, 0],
    }


def judge_coverage(name: str, inside: np.ndarray, *, level: float = 0.95) -> Row:
    """Return a row on the coverage of an interval, which may be too wide, never too narrow."""
    low, high = binom.interval(BAND, len(inside), level) / np.array(len(inside))
    share = inside.mean()
    verdict = HOLDS if low <= share <= high else FAILS
    if share > high:
        verdict = CONSERVATIVE
    expected = f"{low:.1%} to {high:.1%}"
    return Row(f"coverage: {name}", f"{share:.1%}", expected, verdict, len(inside))


def judge_share(name: str, hits: np.ndarray, *, least: float) -> Row:
    """Return a row on a share that must be ``least`` or more, less what chance takes."""
    floor = binom.ppf((1 - BAND) / 2, len(hits), least) / len(hits)
    share = hits.mean()
    verdict = HOLDS if share >= floor else FAILS
    return Row(name, f"{share:.1%}", f"{floor:.1%} or more", verdict, len(hits))


def judge_power(name: str, hits: np.ndarray, *, least: float = 0.5) -> Row:
    """Return a row on how often what is true is found, which should be ``least`` or more."""
    row = judge_share(name, hits, least=least)
    return row if row.verdict == HOLDS else row._replace(verdict=CONSERVATIVE)


def judge_never(name: str, hits: np.ndarray) -> Row:
    """Return a row on what must not happen."""
    verdict = FAILS if hits.any() else HOLDS
    return Row(name, f"{hits.mean():.1%}", "never", verdict, len(hits))


def judge_zero(name: str, values: np.ndarray, *, zero: bool = True) -> Row:
    """Return a row on a mean that must, or must not, lie within its band about 0."""
    slack = find_slack(values)
    holds = abs(values.mean()) <= slack if zero else values.mean() > slack
    band = f"{-slack:.3f} to {slack:.3f}" if zero else f"above {slack:.3f}: too high"
    verdict = HOLDS if holds else FAILS
    return Row(f"truth 0: {name}", f"{values.mean():.3f}", band, verdict, len(values))


def judge_mean(name: str, values: np.ndarray, low: float, high: float) -> Row:
    """Return a row on a mean that must lie between ``low`` and ``high``, but for chance."""
    slack = find_slack(values)
    verdict = HOLDS if low - slack <= values.mean() <= high + slack else FAILS
    digits = 3 if high - low < 0.05 else 2
    expected = f"{low:.{digits}f} to {high:.{digits}f}"
    return Row(name, f"{values.mean():.3f}", expected, verdict, len(values))


def find_slack(values: np.ndarray) -> float:
    """Return how far chance takes the mean of ``values`` from what it estimates."""
    return float(norm.ppf((1 + BAND) / 2) * values.std(ddof=1) / np.sqrt(len(values)))
