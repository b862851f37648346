"""The time of intervals from influences beside those of draws, and rsatoolbox's bootstrap.

    python benchmarks/comparing_influence.py
    python benchmarks/comparing_influence.py --quick

``compare_rdms`` at its defaults, 1,000 draws and 20 splits, but for ``interval``; standard errors of
the mean over subjects by both. Scores, halves and ceilings, which both need, take the time that is
measured without intervals, ``n_bootstrap=0``; what is more than that is of intervals alone.
rsatoolbox's ``eval_bootstrap_pattern``, which resamples stimuli and
the noise ceiling as the bootstrap here does, without splits, makes few draws, and its time is that
of 1,000 at the same pace. All of one thread.
"""

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import rsatoolbox.inference.evaluate as peer
import torch
import xarray as xr
from deadlines import Deadline, add_minutes
from kept_rows import WHERE, KeptTable, Section
from machine import compare_times, time_call
from rsatoolbox.model import ModelFixed
from scipy.stats import t
from threadpoolctl import threadpool_limits

from neurolens.compare import compare_rdms, to_rsatoolbox
from neurolens.compare.rsa.comparators.table import find_comparator

N_DRAWS = 1000
PEER_DRAWS = 2
N_FEATURES = 10
METHODS = ("bootstrap", "influence", "rsatoolbox")


class Size(NamedTuple):
    """Stimuli, ops and subjects of one region, and rounds of measuring; none: influences only."""

    n_stimuli: int
    n_ops: int
    n_subjects: int
    rounds: int
    comparator: str = "rho-a"


SIZES = (
    Size(100, 20, 6, 3),
    Size(300, 60, 12, 2),
    Size(300, 60, 12, 1, "pearson"),
    Size(1000, 175, 12, 0),
)


def build_rdms(rng: np.random.Generator, size: Size) -> tuple[xr.DataArray, xr.DataArray]:
    """Return RDMs of points around a common geometry: of ops, and of subjects."""
    n = size.n_stimuli
    common = rng.normal(size=(n, N_FEATURES))
    squares = np.empty((size.n_ops + size.n_subjects, n, n))
    for square in squares:
        points = common + rng.normal(size=common.shape)
        power = (points**2).sum(axis=1)
        square[:] = np.maximum(power[:, None] + power - 2 * points @ points.T, 0)
        np.fill_diagonal(square, 0)
    ids = [f"s{i}" for i in range(n)]
    coords = {"stimulus": ids, "stimulus_2": ids}
    names = [f"op{i}" for i in range(size.n_ops)], [f"S{i}" for i in range(size.n_subjects)]
    sides = squares[: size.n_ops], squares[size.n_ops :]
    return tuple(
        xr.DataArray(square, dims=(dim, *coords), coords={dim: labels, **coords})
        for square, dim, labels in zip(sides, ("op", "subject"), names, strict=True)
    )


def run_peer(model: xr.DataArray, brain: xr.DataArray, comparator: str) -> None:
    """Run rsatoolbox's bootstrap over stimuli, without its progress bar."""
    models = [
        ModelFixed(str(op), square)
        for op, square in zip(model.op.values, model.values, strict=True)
    ]
    method = find_comparator(comparator).rsatoolbox
    with contextlib.redirect_stderr(io.StringIO()):
        peer.eval_bootstrap_pattern(models, to_rsatoolbox(brain), method=method, N=PEER_DRAWS)


def compare_errors(drawn: xr.Dataset, found: xr.Dataset) -> str:
    """Return the ratio of standard errors from influences to those over draws: median and range."""
    reach = t.ppf(0.975, found.attrs["n_stimuli"] - 1)
    ours = (found.mean_ci_high - found.mean_ci_low) / 2 / reach
    ratio = (ours / drawn.bootstrap_mean.std("bootstrap", ddof=1)).values
    return f"{np.median(ratio):.2f} ({ratio.min():.2f} to {ratio.max():.2f})"


def measure(size: Size) -> str:
    """Return one row of the table."""
    model, brain = build_rdms(np.random.default_rng(size.n_stimuli), size)
    made: dict[str, xr.Dataset] = {}

    def compare(interval: str, n_draws: int = N_DRAWS) -> None:
        made[interval if n_draws else "neither"] = compare_rdms(
            model,
            brain,
            comparator=size.comparator,
            interval=interval,
            n_bootstrap=n_draws,
            quiet=True,
        )

    compare_neither = partial(compare, "bootstrap", 0)
    head = f"| {size.comparator} | {size.n_stimuli:,} | {size.n_ops} | {size.n_subjects} "
    if not size.rounds:
        neither = time_call(compare_neither)
        return f"{head}| {neither:.2f} | | {time_call(partial(compare, 'influence')):.2f} | | | | |"
    # Not counted: what is loaded when it is first needed.
    compare("influence")
    times: dict[str, list[float]] = {name: [] for name in ("neither", *METHODS)}
    for _ in range(size.rounds):
        # The median of three, because one takes less than a second.
        times["neither"].append(time_median(compare_neither))
        times["bootstrap"].append(time_call(partial(compare, "bootstrap")))
        times["influence"].append(time_median(partial(compare, "influence")))
        seconds = time_call(partial(run_peer, model, brain, size.comparator))
        times["rsatoolbox"].append(seconds * N_DRAWS / PEER_DRAWS)
    alone = {
        name: [long - short for long, short in zip(times[name], times["neither"], strict=True)]
        for name in ("bootstrap", "influence")
    }
    whole = compare_times(times, "influence")
    parts = compare_times(alone, "influence")
    ratios = [whole["bootstrap"], parts["bootstrap"], whole["rsatoolbox"]]
    cells = [f"{statistics.median(times['neither']):.2f}"]
    cells.append(f"{statistics.median(times['bootstrap']):.1f}")
    cells.append(f"{statistics.median(times['influence']):.2f}")
    cells += ["{:.0f} ({:.0f} to {:.0f})".format(*ratio) for ratio in ratios]
    cells.append(compare_errors(made["bootstrap"], made["influence"]))
    return f"{head}| {' | '.join(cells)} |"


def count_entries(size: Size) -> int:
    """Return the entries of all RDMs of ops in all rounds."""
    return size.n_stimuli**2 * size.n_ops * max(size.rounds, 1)


def time_median(call: Callable[[], object]) -> float:
    """Return the median of the seconds that three calls take."""
    return statistics.median(time_call(call) for _ in range(3))


def name_size(size: Size) -> str:
    """Return the key of a row."""
    return f"{size.comparator} {size.n_stimuli}x{size.n_ops}x{size.n_subjects}"


def open_table(is_kept: bool) -> KeptTable:
    """Return the table of all sizes."""
    head = (
        f"`compare_rdms` at its defaults, {N_DRAWS:,} draws and 20 splits, by "
        '`interval="bootstrap"` and `"influence"`: seconds (median), and the ratio of the first to '
        "the second in the same round (median, range). Neither: without intervals, "
        "`n_bootstrap=0`, the scores, halves and ceilings that both methods need; alone: the ratio "
        "of what each method takes beyond that. rsatoolbox: "
        f'`eval_bootstrap_pattern`, from {PEER_DRAWS} draws, to `interval="influence"`. Standard '
        "errors: from influences over those of draws, of the mean over subjects (median, range "
        "over ops). One thread.",
        "",
        "| comparator | stimuli | ops | subjects | neither, s | bootstrap, s | influence, s | ratio "
        f"| intervals alone, ratio | rsatoolbox, ratio | standard errors | {WHERE} |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    )
    section = Section(head, tuple(name_size(size) for size in SIZES))
    name = "comparing_influence" if is_kept else None
    return KeptTable(name, "Intervals from influences beside the bootstrap", [section])


def main() -> None:
    """Measure all sizes and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the first size only")
    add_minutes(parser)
    options = parser.parse_args()
    deadline = Deadline(options.minutes)
    torch.set_num_threads(1)
    table = open_table(is_kept=not options.quick)
    # Seconds of a round per entry of all RDMs, as the first size took.
    pace = 0.0
    with threadpool_limits(1):
        for size in SIZES[:1] if options.quick else SIZES:
            if deadline.can_take(pace * count_entries(size)):
                begun = time.monotonic()
                table.put(name_size(size), [measure(size)])
                pace = pace or (time.monotonic() - begun) / count_entries(size)
            else:
                table.skip(name_size(size))


if __name__ == "__main__":
    main()
