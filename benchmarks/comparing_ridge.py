"""The time of ridge with a penalty per voxel beside scikit-learn and himalaya, at equal held-out r.

    python benchmarks/comparing_ridge.py [--quick] [--device cuda] [--sides]

One split: choose a penalty per voxel on the training stimuli, predict the held-out ones. Every
method sees the same float64 features, responses and penalties, and must reach the same mean
held-out r, or the benchmark stops. Then (``--sides``: only that) cross-validation in 5 folds where
stimuli are more than features, with the growth of peak memory over what holds features and
responses, each method in a process of its own.

himalaya is used where it is installed."""

import argparse
import math
import multiprocessing
import resource
import time
from importlib import metadata, util

import numpy as np
import torch
from deadlines import Deadline, add_minutes
from kept_rows import WHERE, KeptTable, Section
from machine import compare_times, time_call
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from tqdm import tqdm

from neurolens.compare.encoding.cross_validation import score_heldout
from neurolens.compare.encoding.models.penalties import Settings
from neurolens.compare.encoding.models.ridge import fit_ridge
from neurolens.compare.encoding.models.spectrum import Sides, split_predictors
from neurolens.compare.inputs.folds import Folds
from neurolens.compare.stats.correlation import correlate_columns

N_TEST, N_ALPHAS, N_FOLDS = 200, 10, 5
# Stimuli, features and voxels; and of one split, ops.
SIDES = [(3000, 256, 500), (10_000, 512, 2000)]
SPLITS = [(1000, 2000, 5000, 1), (1000, 2000, 5000, 5)]
QUICK_SIDES = [(600, 64, 100)]
QUICK_SPLITS = [(400, 800, 1000, 1), (200, 400, 500, 5)]
HAS_HIMALAYA = util.find_spec("himalaya") is not None
TOLERANCE = 0.005


def simulate(
    n: int, p: int, v: int, n_ops: int, seed: int = 0
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return features (n + N_TEST, p) of each op, and noisy responses (n + N_TEST, v).

    The responses follow the first op.
    """
    rng = np.random.default_rng(seed)
    spread = 1 / np.sqrt(1 + np.arange(p))
    ops = [rng.normal(size=(n + N_TEST, p)) * spread for _ in range(n_ops)]
    signal = ops[0] @ rng.normal(size=(p, v))
    return ops, signal / signal.std(axis=0) + rng.uniform(0.5, 2, v) * rng.normal(size=signal.shape)


def build_methods(n: int, alphas: np.ndarray, device: str, slow: bool):
    """Return calls (x, y) -> held-out predictions (N_TEST, v) by name."""
    train, test = torch.arange(n, device=device), torch.arange(n, n + N_TEST, device=device)
    blocks = [torch.from_numpy(b).to(device) for _, b in KFold(N_FOLDS).split(np.empty(n))]
    grid = torch.from_numpy(alphas).to(device)

    def fit_ours(select):
        def call(x, y):
            features, values = torch.from_numpy(x).to(device), torch.from_numpy(y[:n]).to(device)
            mean = values.mean(0)
            # Fewer features than training stimuli stay as they are; others become a kernel.
            is_kernel = features.shape[1] >= n
            sides = Sides(features @ features.T if is_kernel else features, is_kernel)
            spectrum = split_predictors(sides, train, test)
            fit = fit_ridge(spectrum, values - mean, grid, select, blocks)
            return (spectrum.test @ fit.coefficients + mean).cpu().numpy()

        return call

    def fit_peer(model):
        def call(x, y):
            found = model.fit(x[:n], y[:n]).predict(x[n:])
            return found if isinstance(found, np.ndarray) else found.cpu().numpy()

        return call

    methods = {f"NeuroLens, {s}": fit_ours(s) for s in ("gcv", "loo", "folds")}
    methods["scikit-learn RidgeCV, loo"] = fit_peer(RidgeCV(alphas=alphas, alpha_per_target=True))
    if not HAS_HIMALAYA:
        return methods
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.ridge import RidgeCV as PrimalRidgeCV

    cuda = device.startswith("cuda")
    backend = set_backend("torch_cuda" if cuda else "torch")
    solver = {"n_targets_batch": 5000, "n_alphas_batch": N_ALPHAS}
    kernel = KernelRidgeCV(
        alphas=backend.asarray(alphas), cv=N_FOLDS, fit_intercept=True, solver_params=solver
    )
    methods["himalaya KernelRidgeCV, 5 folds"] = fit_peer(kernel)
    if slow:
        plain = PrimalRidgeCV(
            alphas=backend.asarray(alphas),
            cv=N_FOLDS,
            fit_intercept=True,
            solver_params={"warn": False},
        )
        methods["himalaya RidgeCV, 5 folds"] = fit_peer(plain)
    return methods


def measure_r(predicted: np.ndarray, y: np.ndarray) -> float:
    return float(
        correlate_columns(
            torch.from_numpy(y[-N_TEST:]), torch.from_numpy(np.asarray(predicted))
        ).mean()
    )


def measure(
    n: int, p: int, v: int, n_ops: int, rounds: int, device: str, deadline: Deadline
) -> list[str]:
    """Return rows of the table; the fastest peer is the base of the ratios.

    A turn is of all methods at one op; of those that would end after the deadline, none but the
    first is begun.
    """
    ops, y = simulate(n, p, v, n_ops)
    alphas = np.logspace(-2, 4, N_ALPHAS)
    methods = build_methods(n, alphas, device, slow=n_ops == 1)
    scores = {name: measure_r(call(ops[0], y), y) for name, call in methods.items()}
    assert max(scores.values()) - min(scores.values()) < TOLERANCE, (
        f"methods differ in held-out r: {scores}"
    )

    times: dict[str, list[float]] = {name: [] for name in methods}
    longest = 0.0
    for x in tqdm(ops * rounds, "turns", disable=n_ops == 1):
        if longest and not deadline.can_take(longest):
            break
        begun = time.monotonic()
        for name, call in methods.items():
            times[name].append(time_call(lambda call=call, x=x: call(x, y)))
        longest = max(longest, time.monotonic() - begun)
    peers = [name for name in methods if not name.startswith("NeuroLens")]
    base = min(peers, key=lambda name: sum(times[name]))
    ratios = compare_times(times, base)
    rows = []
    for name in methods:
        _, low, high = ratios[name]
        seconds = sum(times[name])
        rows.append(
            f"| {n} x {p}, {v} voxels, {n_ops} ops | {name} | {scores[name]:.4f} | "
            f"{seconds * n_ops / len(times[name]):.2f} | {sum(times[base]) / seconds:.2f} "
            f"({1 / high:.2f}-{1 / low:.2f}) |"
        )
    return rows


def build_sides(alphas: np.ndarray):
    """Return calls (x, y) -> mean held-out r over folds, by name, for few features."""

    def fit_ours(select):
        def call(x, y):
            fold = np.arange(len(x)) % N_FOLDS
            heldout = score_heldout(
                Sides(torch.from_numpy(x), False),
                torch.from_numpy(y),
                Folds(fold),
                Settings("ridge", alphas, select, 0),
                [],
            )
            return float(heldout.r.mean())

        return call

    def fit_peer(make):
        def call(x, y):
            fold = np.arange(len(x)) % N_FOLDS
            r = []
            for k in range(N_FOLDS):
                train, test = fold != k, fold == k
                found = np.asarray(make().fit(x[train], y[train]).predict(x[test]))
                r.append(
                    float(
                        correlate_columns(torch.from_numpy(y[test]), torch.from_numpy(found)).mean()
                    )
                )
            return float(np.mean(r))

        return call

    methods = {f"NeuroLens, {select}": fit_ours(select) for select in ("gcv", "loo", "folds")}
    methods["scikit-learn RidgeCV, loo"] = fit_peer(
        lambda: RidgeCV(alphas=alphas, alpha_per_target=True)
    )
    if HAS_HIMALAYA:
        from himalaya.backend import set_backend
        from himalaya.ridge import RidgeCV as PrimalRidgeCV

        backend = set_backend("torch")
        settings = {"cv": N_FOLDS - 1, "fit_intercept": True, "solver_params": {"warn": False}}
        methods["himalaya RidgeCV, 4 folds"] = fit_peer(
            lambda: PrimalRidgeCV(alphas=backend.asarray(alphas), **settings)
        )
    return methods


def measure_growth(call, x: np.ndarray, y: np.ndarray) -> float:
    """Return by how many MB peak memory grows in a forked process that calls ``call(x, y)``."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def run():
        torch.set_num_threads(1)
        call(x[:200].copy(), y[:200, :5].copy())  # what libraries load and reserve once
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        call(x, y)
        queue.put((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)

    process = context.Process(target=run)
    process.start()
    grown = queue.get()
    process.join()
    return grown


def measure_sides(n: int, p: int, v: int, rounds: int, deadline: Deadline) -> list[str]:
    """Return rows of the table of few features; the fastest peer is the base of the ratios.

    Of the rounds that would end after the deadline, none but the first is begun.
    """
    ops, y = simulate(n - N_TEST, p, v, 1)
    x = ops[0]
    methods = build_sides(np.logspace(-2, 4, N_ALPHAS))
    # Memory first, before any thread has started: a process that forks has only one.
    grown = {name: measure_growth(call, x, y) for name, call in methods.items()}
    scores = {name: call(x, y) for name, call in methods.items()}
    assert max(scores.values()) - min(scores.values()) < TOLERANCE, scores
    times: dict[str, list[float]] = {name: [] for name in methods}
    longest = 0.0
    for _ in range(rounds):
        if longest and not deadline.can_take(longest):
            break
        begun = time.monotonic()
        for name, call in methods.items():
            times[name].append(time_call(lambda call=call: call(x, y)))
        longest = max(longest, time.monotonic() - begun)
    peers = [name for name in methods if not name.startswith("NeuroLens")]
    base = min(peers, key=lambda name: sum(times[name]))
    ratios = compare_times(times, base)
    held = (x.nbytes + y.nbytes) / 2**20
    rows = []
    for name in methods:
        seconds = sum(times[name])
        _, low, high = ratios[name]
        rows.append(
            f"| {n} x {p}, {v} voxels, {N_FOLDS} folds | {name} | {scores[name]:.4f} | "
            f"{seconds / len(times[name]):.2f} | {sum(times[base]) / seconds:.2f} "
            f"({1 / high:.2f}-{1 / low:.2f}) | {grown[name]:.0f} | {grown[name] / held:.1f} |"
        )
    return rows


def name_sides(n: int, p: int, v: int) -> str:
    """Return the key of the rows of a problem of more stimuli than features."""
    return f"sides {n}x{p}x{v}"


def name_split(n: int, p: int, v: int, n_ops: int) -> str:
    """Return the key of the rows of a problem of one split."""
    return f"split {n}x{p}x{v}, {n_ops} ops"


def open_table(device: str, is_kept: bool) -> KeptTable:
    """Return both tables; that of more stimuli than features is of a CPU."""
    names = ("himalaya", "scikit-learn") if HAS_HIMALAYA else ("scikit-learn",)
    versions = "".join([f", {name} {metadata.version(name)}" for name in names])
    sides = (
        f"More stimuli than features: the whole cross-validation in {N_FOLDS} folds, {N_ALPHAS} "
        "penalties.",
        "Memory: growth of the peak of a process that holds the features and responses, also as a "
        "multiple of those. Gain:",
        "the summed time of the fastest peer / that of the method, its range that of single turns.",
        "",
        "| problem | method | held-out r | seconds | gain over the fastest peer (range) | MB | "
        f"times | {WHERE} |",
        "|---|---|---:|---:|---:|---:|---:|---|",
    )
    split = (
        f"One split, {N_ALPHAS} penalties, {N_TEST} held-out stimuli; the methods take turns at "
        "each op. Seconds: all ops.",
        "",
        f"| problem | method | held-out r | seconds | gain over the fastest peer (range) | {WHERE} "
        "|",
        "|---|---|---:|---:|---:|---|",
    )
    sections = [Section(split, tuple([name_split(*one) for one in SPLITS]))]
    if device == "cpu":
        sections.insert(0, Section(sides, tuple([name_sides(*one) for one in SIDES])))
    name = f"comparing_ridge-{device}" if is_kept else None
    return KeptTable(name, "Ridge with a penalty per voxel", sections, device, versions)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller, one round")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sides", action="store_true", help="only more stimuli than features")
    parser.add_argument("--rounds", type=int, default=3)
    add_minutes(parser)
    options = parser.parse_args()
    sides = [] if options.device != "cpu" else QUICK_SIDES if options.quick else SIDES
    splits = [] if options.sides else QUICK_SPLITS if options.quick else SPLITS
    deadline = Deadline(options.minutes)
    table = open_table(options.device, is_kept=not options.quick)
    # Memory is measured in processes that are forked before any thread has started.
    n_parts = len(sides) + len(splits)
    pace = 0.0  # seconds of the last problem over its stimuli x features x voxels
    for size in sides:
        begun = time.monotonic()
        if deadline.can_take(pace * math.prod(size)):
            rounds = 1 if options.quick else options.rounds
            part = deadline.share_time(n_parts)
            table.put(name_sides(*size), measure_sides(*size, rounds, part))
            pace = (time.monotonic() - begun) / math.prod(size)
        else:
            table.skip(name_sides(*size))
        n_parts -= 1
    for size in splits:
        rounds = 1 if options.quick or size[-1] > 1 else options.rounds
        part = deadline.share_time(n_parts)
        table.put(name_split(*size), measure(*size, rounds, options.device, part))
        n_parts -= 1


if __name__ == "__main__":
    main()
