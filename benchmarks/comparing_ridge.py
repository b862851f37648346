"""The time of ridge with a penalty per voxel beside scikit-learn and himalaya, at equal held-out r.

    python benchmarks/comparing_ridge.py [--quick] [--device cuda]

One split: choose a penalty per voxel on the training stimuli, predict the held-out ones. Every
method sees the same float64 features, responses and penalties, and must reach the same mean
held-out r, or the benchmark stops."""

import argparse
from importlib import metadata

import numpy as np
import torch
from himalaya.backend import set_backend
from himalaya.kernel_ridge import KernelRidgeCV
from himalaya.ridge import RidgeCV as PrimalRidgeCV
from machine import compare_times, describe_machine, time_call, write_result
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from tqdm import tqdm

from neurolens.compare.encoding.ridge import fit_ridge, split_kernel
from neurolens.compare.stats.correlation import correlate_columns

N_TEST, N_ALPHAS, N_FOLDS = 200, 10, 5
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
            spectrum = split_kernel(features @ features.T, train, test)
            fit = fit_ridge(spectrum, values - mean, grid, select, blocks)
            return (spectrum.test @ fit.coefficients + mean).cpu().numpy()

        return call

    def fit_peer(model):
        def call(x, y):
            found = model.fit(x[:n], y[:n]).predict(x[n:])
            return found if isinstance(found, np.ndarray) else found.cpu().numpy()

        return call

    cuda = device.startswith("cuda")
    backend = set_backend("torch_cuda" if cuda else "torch")
    methods = {f"NeuroLens, {s}": fit_ours(s) for s in ("gcv", "loo", "folds")}
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
    methods["scikit-learn RidgeCV, loo"] = fit_peer(RidgeCV(alphas=alphas, alpha_per_target=True))
    return methods


def measure_r(predicted: np.ndarray, y: np.ndarray) -> float:
    return float(
        correlate_columns(
            torch.from_numpy(y[-N_TEST:]), torch.from_numpy(np.asarray(predicted))
        ).mean()
    )


def measure(n: int, p: int, v: int, n_ops: int, rounds: int, device: str) -> list[str]:
    """Return rows of the table; the fastest peer is the base of the ratios."""
    ops, y = simulate(n, p, v, n_ops)
    alphas = np.logspace(-2, 4, N_ALPHAS)
    methods = build_methods(n, alphas, device, slow=n_ops == 1)
    scores = {name: measure_r(call(ops[0], y), y) for name, call in methods.items()}
    assert max(scores.values()) - min(scores.values()) < TOLERANCE, (
        f"methods differ in held-out r: {scores}"
    )

    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for x in tqdm(ops, "ops", disable=n_ops == 1):
            for name, call in methods.items():
                times[name].append(time_call(lambda call=call, x=x: call(x, y)))
    peers = [name for name in methods if not name.startswith("NeuroLens")]
    base = min(peers, key=lambda name: sum(times[name]))
    ratios = compare_times(times, base)
    rows = []
    for name in methods:
        _, low, high = ratios[name]
        seconds = sum(times[name])
        rows.append(
            f"| {n} x {p}, {v} voxels, {n_ops} ops | {name} | {scores[name]:.4f} | "
            f"{seconds / rounds:.2f} | {sum(times[base]) / seconds:.2f} "
            f"({1 / high:.2f}-{1 / low:.2f}) |"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller, one round")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    full, small = (
        [(1000, 2000, 5000, 1), (1000, 2000, 5000, 50)],
        [(400, 800, 1000, 1), (200, 400, 500, 5)],
    )
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("himalaya", "scikit-learn")
    )
    lines = [
        "# Ridge with a penalty per voxel",
        "",
        f"{describe_machine(options.device)}; {versions}",
        "",
    ]
    lines += [
        f"{N_ALPHAS} penalties, {N_TEST} held-out stimuli; the methods take turns at each op. "
        f"Seconds: all ops; gain",
        "is the summed time of the fastest peer / that of the method, its range that of single "
        "turns.",
        "",
    ]
    lines += ["| problem | method | held-out r | seconds | gain over the fastest peer (range) |"]
    lines += ["|---|---|---:|---:|---:|"]
    for n, p, v, n_ops in small if options.quick else full:
        lines += measure(n, p, v, n_ops, 1 if options.quick or n_ops > 1 else 5, options.device)
    write_result(f"comparing_ridge-{options.device}", "\n".join(lines))


if __name__ == "__main__":
    main()
