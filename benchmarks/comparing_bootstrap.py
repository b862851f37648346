"""The time of the two-factor bootstrap beside rsatoolbox's, with identical draws and equal results.

``eval_dual_bootstrap`` resamples both, subjects and stimuli, and the noise ceiling with each, as
``bootstrap_rdms`` does less the ceiling. Its bootstraps over stimuli or over subjects alone are a
third of that work; without ceilings, ``eval_bootstrap_pattern`` is its fastest. Times are per draw,
of one thread each: rsatoolbox makes few draws, NeuroLens as many as an analysis needs. Whitened
comparators of 100 conditions or more crash in rsatoolbox's bootstrap; there it runs with
its own dense indicator matrices."""

import argparse
import contextlib
import importlib
import io
import statistics
import time
from functools import partial
from itertools import product
from unittest import mock

import numpy as np
import rsatoolbox.inference.evaluate as peer
import torch
import xarray as xr
from deadlines import Deadline, add_minutes
from kept_rows import WHERE, KeptTable, Section
from machine import compare_times, time_call
from rsatoolbox.model import ModelFixed
from rsatoolbox.util.matrix import row_col_indicator_g
from threadpoolctl import threadpool_limits

from neurolens.compare import bootstrap_rdms, to_rsatoolbox
from neurolens.compare.rsa import bootstrap
from neurolens.compare.rsa.comparators.table import find_comparator

COMPARATORS = ("pearson", "cosine", "spearman", "rho-a", "whitened-pearson", "whitened-cosine")
SIZES = (50, 100, 200)
N_MODELS, N_SUBJECTS = 50, 8


def build_rdms(rng: np.random.Generator, n: int) -> tuple[xr.DataArray, xr.DataArray]:
    """Return RDMs of points around a common geometry: 50 models and 8 subjects."""
    points = rng.normal(size=(N_MODELS + N_SUBJECTS, n, 10)) + rng.normal(size=(n, 10))
    squares = ((points[:, :, None] - points[:, None]) ** 2).mean(axis=-1)
    ids = [f"s{i}" for i in range(n)]
    coords = {"stimulus": ids, "stimulus_2": ids}
    model = xr.DataArray(
        squares[:N_MODELS],
        dims=("op", *coords),
        coords={"op": [f"op{i}" for i in range(N_MODELS)], **coords},
    )
    names = {"subject": [f"S{i}" for i in range(N_SUBJECTS)]}
    return model, xr.DataArray(
        squares[N_MODELS:], dims=("subject", *coords), coords={**names, **coords}
    )


def run_peer(function, models, data, method: str, n_draws: int, **options):
    """Return rsatoolbox's result, without its progress bar."""
    with contextlib.redirect_stderr(io.StringIO()):
        return function(models, data, method=method, N=n_draws, **options)


def check_equal(model, brain, comparator: str, models, data) -> float:
    """Return the largest difference of all evaluations under rsatoolbox's own draws.

    The difference is asserted to be small.
    """
    drawn = []
    sample = peer.bootstrap_sample

    def remember(*args, **options):
        made = sample(*args, **options)
        drawn.append(made[1:])
        return made

    np.random.seed(0)  # noqa: NPY002
    with mock.patch.object(peer, "bootstrap_sample", remember):
        result = run_peer(
            peer.eval_dual_bootstrap, models, data, find_comparator(comparator).rsatoolbox, 2
        )
    counts = np.array([np.bincount(stimuli, minlength=data.n_cond) for _, stimuli in drawn])
    shares = (
        np.array([np.bincount(subjects, minlength=N_SUBJECTS) for subjects, _ in drawn])
        / N_SUBJECTS
    )
    with (
        mock.patch.object(bootstrap, "draw_stimuli", return_value=counts),
        mock.patch.object(bootstrap, "draw_subjects", return_value=shares[:, None]),
    ):
        scores = bootstrap_rdms(
            model, brain, comparator=comparator, interval="bootstrap", n_bootstrap=2
        )
    draws = scores.draws.isel(region=0).transpose("bootstrap", "op", "resampled").values
    difference = np.abs(draws - result.evaluations[:, :, 0, 0]).max()
    assert difference < 1e-9, (comparator, difference)
    return float(difference)


def measure(n: int, comparator: str, rounds: int, peer_draws: int, our_draws: int) -> str:
    """Return one row of the table."""
    model, brain = build_rdms(np.random.default_rng(n), n)
    data, method = to_rsatoolbox(brain), find_comparator(comparator).rsatoolbox
    models = [
        ModelFixed(str(op), square)
        for op, square in zip(model.op.values, model.values, strict=True)
    ]
    difference = check_equal(model, brain, comparator, models, data)
    peers = {
        "dual": peer.eval_dual_bootstrap,
        "stimuli": peer.eval_bootstrap_pattern,
        "subjects": peer.eval_bootstrap_rdm,
        "least": partial(peer.eval_bootstrap_pattern, boot_noise_ceil=False),
    }
    calls = {
        "ours": (
            our_draws,
            partial(
                bootstrap_rdms,
                model,
                brain,
                comparator=comparator,
                interval="bootstrap",
                n_bootstrap=our_draws,
            ),
        )
    }
    calls |= {
        name: (peer_draws, partial(run_peer, call, models, data, method, peer_draws))
        for name, call in peers.items()
    }
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (n_draws, call) in calls.items():
            times[name].append(time_call(call) / n_draws)
    ratios = compare_times(times, "ours")
    cells = " | ".join("{:.0f} ({:.0f} to {:.0f})".format(*ratios[name]) for name in peers)
    return f"| {comparator} | {n} | {statistics.median(times['ours']) * 1e3:.2f} | {cells} | {difference:.0e} |"


# Whitened comparators of more conditions take rsatoolbox minutes.
MOST_WHITENED = 100


def open_table(is_kept: bool) -> KeptTable:
    """Return the table of all comparators and sizes."""
    head = (
        f"{N_MODELS} models, {N_SUBJECTS} subjects. Ratios: seconds per draw of rsatoolbox over "
        "those of `bootstrap_rdms`, which resamples stimuli, subjects and both, in the same round "
        "(median, range). Dual: `eval_dual_bootstrap`, which also resamples the noise ceiling. "
        "Stimuli, subjects: `eval_bootstrap_pattern`, `eval_bootstrap_rdm`, which resample one of "
        "them, and the ceiling. Least: `eval_bootstrap_pattern` without ceilings. Difference: the "
        "largest between all evaluations of both under identical draws. Whitened comparators of "
        "100 conditions or more crash in rsatoolbox as released; here it had its own dense "
        "indicator matrices, slow at that size, and is left out beyond it but with `--whitened`.",
        "",
        "| comparator | conditions | ms per draw | dual | stimuli | subjects | least | difference "
        f"| {WHERE} |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    )
    section = Section(head, tuple(f"{name} {n}" for n, name in product(SIZES, COMPARATORS)))
    title = "The two-factor bootstrap beside rsatoolbox 0.3.2"
    return KeptTable("comparing_bootstrap" if is_kept else None, title, [section])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one round of 50 conditions")
    parser.add_argument(
        "--whitened",
        action="store_true",
        help="whitened comparators of 200 conditions too, which takes minutes",
    )
    add_minutes(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    # A function of the same name hides this module from a plain import.
    importlib.import_module(
        "rsatoolbox.rdm.compare"
    ).row_col_indicator_g_sparse = row_col_indicator_g
    sizes, rounds = (SIZES[:1], 1) if options.quick else (SIZES, 3)
    deadline = Deadline(options.minutes)
    table = open_table(is_kept=not options.quick)
    # Seconds of each comparator's last row, per squared number of conditions.
    paces: dict[str, float] = {}
    with threadpool_limits(1):
        for n, comparator in product(sizes, COMPARATORS):
            is_whitened = comparator.startswith("whitened")
            if is_whitened and n > MOST_WHITENED and not options.whitened:
                continue
            slow = is_whitened and n >= MOST_WHITENED
            if not deadline.can_take(paces.get(comparator, 0.0) * n**2):
                table.skip(f"{comparator} {n}")
                continue
            begun = time.monotonic()
            row = measure(n, comparator, 1 if slow else rounds, 2 if slow else 3, 200)
            table.put(f"{comparator} {n}", [row])
            paces[comparator] = (time.monotonic() - begun) / n**2


if __name__ == "__main__":
    main()
