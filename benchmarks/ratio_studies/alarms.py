"""How often a run without any change calls a ratio moved: simulated with the noise of this run.

The logarithm of a repeat is that of its ratio, plus what all repeats of a run share (another day,
other work on the machine), plus what differs between interpreters. The latter is as large as in the
repeats at hand; the former cannot be seen in one run, and is assumed.
"""

import math
import statistics
from collections.abc import Sequence

import numpy as np

from ratio_studies.judgement import BETTER, SAME, WORSE, Change, judge_repeats

# Standard deviation of what the repeats of a run share, relative to the ratio.
BETWEEN_RUNS = 0.03
N_RUNS = 500


def measure_spread(change: Change) -> float:
    """Return the relative standard deviation between the interpreters of a run, of both runs."""
    squares = []
    for repeats in (change.before, change.now):
        if len(repeats) > 1:
            squares.append(statistics.variance(math.log(value) for value in repeats))
    return math.sqrt(statistics.mean(squares)) if squares else 0.0


def simulate_alarms(
    changes: Sequence[Change],
    rng: np.random.Generator,
    between_runs: float = BETWEEN_RUNS,
    n_runs: int = N_RUNS,
) -> float:
    """Return the share of runs without a change in which any ratio would be called moved.

    Runs have as many ratios, repeats and noise as ``changes``. Counted bytes (``bytes: ...``) do
    not depend on the run.
    """
    judged = [change for change in changes if change.verdict in (WORSE, BETTER, SAME)]
    alarms = 0
    for _ in range(n_runs):
        alarms += any(_is_moved(change, rng, between_runs) for change in judged)
    return alarms / n_runs


def _is_moved(change: Change, rng: np.random.Generator, between_runs: float) -> bool:
    """Return whether two runs that differ by noise alone are judged to differ."""
    spread = measure_spread(change)
    shared = 0.0 if change.name.startswith("bytes") else between_runs
    runs = []
    for repeats in (change.before, change.now):
        logs = rng.normal(0, shared) + rng.normal(0, spread, len(repeats))
        runs.append(np.exp(logs).tolist())
    return judge_repeats(*runs) in (WORSE, BETTER)


def describe_alarms(rate: float) -> str:
    """Return the share of false alarms in a sentence."""
    return (
        f"Without any change {rate:.1%} of runs like this one would call some ratio moved, if runs "
        f"differ by {BETWEEN_RUNS:.0%} (standard deviation) beside what differs between "
        "interpreters (simulated)."
    )
