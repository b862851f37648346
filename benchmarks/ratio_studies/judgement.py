"""Whether a ratio moved by more than the noise.

The noise is the range of the repeats, each in an interpreter of its own. A ratio moved where the
ranges before and now are apart, and the medians differ by more than either range is wide and by
more than a margin, since a machine that does other work, or another build of a library, moves all
repeats of a run together. ``alarms`` says how often that is so without a change.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

# Medians that differ by less did not move.
MARGIN = 0.15
# A verdict needs so many repeats that ranges are apart by chance in no more than this share.
MOST_CHANCE = 0.05

WORSE = "**worse**"
BETTER = "better"
SAME = "within the noise"
TOO_FEW = "too few repeats"
NEW = "new"
MISSING = "not measured"


class Change(NamedTuple):
    """Repeats of a ratio before and now, and the verdict."""

    name: str
    before: Sequence[float]
    now: Sequence[float]
    verdict: str


def find_chance(n: int, m: int) -> float:
    """Return how often the ranges of ``n`` and ``m`` repeats are apart without a change."""
    return min(1.0, 2 / math.comb(n + m, n))


def judge_repeats(before: Sequence[float], now: Sequence[float]) -> str:
    """Return a verdict on a ratio of costs, which is better when it is smaller."""
    if len(before) == 0:
        return NEW
    if len(now) == 0:
        return MISSING
    if find_chance(len(before), len(now)) > MOST_CHANCE:
        return TOO_FEW
    change = statistics.median(now) / statistics.median(before)
    least = max(1 + MARGIN, max(before) / min(before), max(now) / min(now))
    if min(now) > max(before) and change > least:
        return WORSE
    if max(now) < min(before) and change < 1 / least:
        return BETTER
    return SAME


def judge_ratios(
    before: Mapping[str, Sequence[float]], now: Mapping[str, Sequence[float]]
) -> list[Change]:
    """Return the changes of all ratios that are in either, in the order of ``now``."""
    names = dict.fromkeys([*now, *before])
    return [
        Change(name, old, new, judge_repeats(old, new))
        for name in names
        for old, new in [(before.get(name, ()), now.get(name, ()))]
    ]


def write_range(repeats: Sequence[float]) -> str:
    """Return the median and the range."""
    if not repeats:
        return ""
    return f"{statistics.median(repeats):.3g} ({min(repeats):.3g} to {max(repeats):.3g})"


def write_changes(changes: Sequence[Change]) -> list[str]:
    """Return the lines of a table, and what they say together."""
    lines = ["| ratio | committed | now | now / committed | |", "|---|---|---|---:|---|"]
    for name, before, now, verdict in changes:
        factor = ""
        if before and now:
            factor = f"{statistics.median(now) / statistics.median(before):.2f}"
        lines.append(
            f"| {name} | {write_range(before)} | {write_range(now)} | {factor} | {verdict} |"
        )
    return [*lines, "", summarize_changes(changes)]


def summarize_changes(changes: Sequence[Change]) -> str:
    """Return how many ratios moved."""
    judged = [change for change in changes if change.verdict in (WORSE, BETTER, SAME)]
    return (
        f"Of {len(judged)} ratios {count_verdict(judged, WORSE)} are worse and "
        f"{count_verdict(judged, BETTER)} better by more than the noise."
    )


def count_verdict(changes: Iterable[Change], verdict: str) -> int:
    return sum(change.verdict == verdict for change in changes)
