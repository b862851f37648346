"""Simulations that check the statistics where the truth is known; writes docs/simulation.md.

Stimuli are random points. A subject reads them through weights and noise of its own; an op reads
them, or others, through fixed weights; neighbouring ops share most of their variance, as in a
network. Every run draws new stimuli and new subjects, so that error rates and coverage are those
over both."""

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.stats import binom, norm

from neurolens.compare import (
    assign_regions,
    bootstrap_rdms,
    compare_ops,
    compare_rdms,
    compute_ncsnr,
    compute_rdm_ceilings,
    compute_split_half,
    fit_encoding,
    locate_peaks,
    permute_encoding,
    permute_rdms,
)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "simulation.md"
N_STIMULI, N_SUBJECTS, N_OPS, N_FEATURES = 24, 6, 12, 8
# Stimuli and subjects: the size at which intervals are judged, then a small one, where they are
# known to be too wide.
SIZES = [(60, 20), (24, 6)]
N_LATENT = 4
# Encoding: stimuli, ops and neuroids of the null and of the choice; metrics and stimuli at which
# intervals are judged.
N_SHOWN, N_LAYERS, N_NEUROIDS = 36, 4, 8
JUDGED = [("r", 100), ("r", 36), ("r2", 100)]
REGIONS = ["V1", "IT"]
# A chain with a skip connection, and a branch.
EDGES = [(f"op{i}", f"op{i + 1}") for i in range(N_OPS - 2)] + [
    ("op2", "op6"),
    ("op4", f"op{N_OPS - 1}"),
]


def label_rdms(points: np.ndarray, **labels: list[str]) -> xr.DataArray:
    """Return squared euclidean RDMs of ``points`` (..., stimulus, feature)."""
    power = (points**2).sum(axis=-1)
    squares = power[..., :, None] + power[..., None, :] - 2 * points @ np.swapaxes(points, -1, -2)
    squares = np.maximum(squares, 0) * (1 - np.eye(points.shape[-2]))
    ids = [f"s{i}" for i in range(points.shape[-2])]
    coords = {**labels, "stimulus": ids, "stimulus_2": ids}
    return xr.DataArray(squares, dims=tuple(coords), coords=coords)


def read_points(rng: np.random.Generator, points: np.ndarray, noise: float) -> np.ndarray:
    """Return ``points`` (stimulus, feature) through random weights, with noise."""
    seen = points @ rng.normal(size=(points.shape[1], N_FEATURES)) / np.sqrt(points.shape[1])
    return seen + noise * rng.normal(size=seen.shape)


def build_brain(
    rng: np.random.Generator, points: list[np.ndarray], n_subjects: int = N_SUBJECTS
) -> xr.DataArray:
    """Return RDMs (region, subject) of one set of points per region."""
    seen = [[read_points(rng, here, 1.0) for _ in range(n_subjects)] for here in points]
    return label_rdms(
        np.array(seen), region=REGIONS[: len(points)], subject=[f"S{i}" for i in range(n_subjects)]
    )


def build_network(rng: np.random.Generator, n_ops: int = N_OPS) -> xr.DataArray:
    """Return RDMs of ops that are unrelated to any brain, each similar to the one before."""
    layer = rng.normal(size=(N_STIMULI, N_FEATURES))
    layers = []
    for _ in range(n_ops):
        layer = 0.8 * layer + 0.6 * rng.normal(size=layer.shape)
        layers.append(layer)
    return label_rdms(np.array(layers), op=[f"op{i}" for i in range(n_ops)])


def run_null(rng: np.random.Generator) -> dict[str, float]:
    """Return, for a network unrelated to the brain, whether each test finds something at 5 %."""
    brain = build_brain(rng, [rng.normal(size=(N_STIMULI, N_FEATURES)) for _ in REGIONS])
    network = build_network(rng)
    found = permute_rdms(network, brain, edges=EDGES, n_permutations=499, rng=rng)
    drawn = bootstrap_rdms(
        network.isel(op=[0]), brain, comparator="pearson", n_bootstrap=200, rng=rng
    )
    return {
        "permutation of one op": found.p[0, 0] <= 0.05,
        "maximum over ops and regions": (found.p_max <= 0.05).any(),
        "clusters on the graph": (found.p_cluster <= 0.05).any(),
        "any discovery at FDR 5 %": (found.q <= 0.05).any(),
        "bootstrap, one op above 0 (too wide)": drawn.p[0, 0] <= 0.05,
        "bootstrap, one op above 0 in one subject (too wide)": drawn.subject_p[0, 0, 0] <= 0.05,
    }


def run_signal(rng: np.random.Generator, n_stimuli: int, n_subjects: int) -> dict[str, float]:
    """Return results of bootstrap and ceilings for two ops that fit the brain equally well.

    Each reads half of what the brain reads.
    """
    points = rng.normal(size=(n_stimuli, N_LATENT))
    brain = build_brain(rng, [points], n_subjects)
    half = N_LATENT // 2
    weights = np.random.default_rng(0).normal(size=(half, N_FEATURES))
    sides = [
        side @ weights + 0.3 * rng.normal(size=(n_stimuli, N_FEATURES))
        for side in (points[:, :half], points[:, half:])
    ]
    scores = bootstrap_rdms(
        label_rdms(np.array(sides), op=["a", "b"]), brain, n_bootstrap=200, rng=rng
    )
    difference = compare_ops(scores)
    ceilings = compute_rdm_ceilings(brain)
    truth = compare_rdms(label_rdms(points), brain, n_bootstrap=0, n_splits=0)
    return {
        "score": scores.score_mean[0, 0],
        "low": scores.mean_ci_low[0, 0],
        "high": scores.mean_ci_high[0, 0],
        "difference": difference.p[0, 1, 0] <= 0.05,
        "gap_low": difference.ci_low[0, 1, 0],
        "gap_high": difference.ci_high[0, 1, 0],
        "lower": ceilings.ceiling_lower[0],
        "upper": ceilings.ceiling_upper[0],
        "truth": truth.score_mean[0, 0],
    }


def run_selection(rng: np.random.Generator) -> dict[str, float]:
    """Return the score of the chosen op of 30 unrelated ones; the truth is 0."""
    model = label_rdms(
        rng.normal(size=(30, N_STIMULI, N_FEATURES)), op=[f"op{i}" for i in range(30)]
    )
    brain = build_brain(rng, [rng.normal(size=(N_STIMULI, N_FEATURES))])
    scores = compare_rdms(model, brain, comparator="pearson", n_bootstrap=100, n_splits=5, rng=rng)
    best = assign_regions(scores, rdms=(model, brain))
    names = ("naive_score", "selection_score", "heldout_score", "heldout_mean", "nested_score")
    return {name: best[name].item() for name in names} | {
        "inside": best.heldout_ci_low[0] <= 0 <= best.heldout_ci_high[0],
        "found": best.heldout_p[0] <= 0.05,
    }


def run_peak(rng: np.random.Generator) -> dict[str, float]:
    """Return whether the interval on depth holds the sixth of ten ops.

    The others share the less with the brain the further they are from it.
    """
    points = rng.normal(size=(2, SIZES[0][0], N_LATENT))
    angle = np.abs(np.arange(10) - 5)[:, None, None] * np.pi / 16
    layers = (
        np.cos(angle) * points[0]
        + np.sin(angle) * points[1]
        + 0.5 * rng.normal(size=(10, *points[0].shape))
    )
    model = label_rdms(layers, op=[f"op{i}" for i in range(10)])
    brain = build_brain(rng, [points[0]], SIZES[0][1])
    peak = locate_peaks(bootstrap_rdms(model, brain, n_bootstrap=200, rng=rng))
    return {"inside": peak.peak_depth_low[0] <= 5 / 9 <= peak.peak_depth_high[0]}


def run_reliability(rng: np.random.Generator) -> dict[str, float]:
    """Return the mean r^2 of true with measured responses over the mean of their ceilings.

    Measured responses are means of three presentations.
    """
    n, repeats, v = 200, 3, 40
    signal = rng.uniform(0.5, 1.5, v) * rng.normal(size=(n, v))
    shown = np.repeat(np.arange(n), repeats)
    responses = xr.DataArray(
        signal[shown] + rng.normal(size=(len(shown), v)),
        dims=("presentation", "neuroid"),
        coords={"stimulus_id": ("presentation", shown)},
    )
    means = responses.values.reshape(n, repeats, v).mean(axis=1)
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(signal.T, means.T, strict=True)]
    ncsnr = compute_ncsnr(responses)
    ceilings = {
        "split half": compute_split_half(responses, n_splits=20),
        "ncsnr": ncsnr**2 / (ncsnr**2 + 1 / repeats),
    }
    return {name: np.mean(np.square(r)) / ceiling.mean() for name, ceiling in ceilings.items()}


def build_encoding(
    rng: np.random.Generator, layers: np.ndarray, signal: np.ndarray
) -> tuple[xr.Dataset, xr.DataArray]:
    """Return Grams of ``layers`` (op, stimulus, feature) and noisy responses (stimulus, neuroid).

    Responses are of two regions. Neuroids share some noise, as those of a region do.
    """
    n, v = signal.shape
    ids, ops = [f"s{i}" for i in range(n)], [f"op{i}" for i in range(len(layers))]
    noise = rng.normal(size=signal.shape) + 0.5 * rng.normal(size=(n, 1))
    coords = {"stimulus": ids, "region": ("neuroid", np.repeat(REGIONS, v // 2))}
    responses = xr.DataArray(signal + noise, dims=("stimulus", "neuroid"), coords=coords)
    dims = ("op", "stimulus", "stimulus_2")
    gram = xr.DataArray(
        layers @ np.swapaxes(layers, 1, 2),
        dims=dims,
        coords=dict(zip(dims, (ops, ids, ids), strict=True)),
    )
    return gram.to_dataset(name="gram"), responses


def run_encoding_null(rng: np.random.Generator) -> dict[str, float]:
    """Return whether each test of encoding finds something at 5 %, for unrelated layers."""
    layer = rng.normal(size=(N_SHOWN, N_FEATURES))
    layers = np.array([layer + rng.normal(size=layer.shape) for _ in range(N_LAYERS)])
    grams, responses = build_encoding(rng, layers, np.zeros((N_SHOWN, N_NEUROIDS)))
    found = permute_encoding(grams, responses, cv=3, n_permutations=199, rng=rng)
    return {
        "encoding, permutation of one op": found.p[0, 0] <= 0.05,
        "encoding, maximum over ops and regions": (found.p_max <= 0.05).any(),
        "encoding, any discovery at FDR 5 %": (found.q <= 0.05).any(),
    }


def run_grouped_null(rng: np.random.Generator) -> dict[str, float]:
    """Return the same where categories shape layers and responses alike.

    Within a category they are unrelated.
    """
    category = np.arange(N_SHOWN) % 6
    shared = rng.normal(size=(6, N_FEATURES))[category]
    layers = (2 * shared + rng.normal(size=shared.shape))[None]
    grams, responses = build_encoding(rng, layers, shared[:, :N_NEUROIDS])
    responses = responses.assign_coords(category=("stimulus", category))
    found = permute_encoding(grams, responses, cv="category", n_permutations=99, rng=rng)
    return {"encoding, permutation within categories that both sides have": found.p[0, 0] <= 0.05}


def run_encoding_signal(rng: np.random.Generator, metric: str, n_stimuli: int) -> dict[str, float]:
    """Return intervals of two ops that predict equally well.

    Each holds half of what the same neuroids follow.
    """
    points = rng.normal(size=(n_stimuli, 2, N_FEATURES))
    weights = np.random.default_rng(0).normal(size=(N_FEATURES, N_NEUROIDS))
    signal = points.sum(axis=1) @ weights / np.sqrt(2 * N_FEATURES)
    grams, responses = build_encoding(rng, np.swapaxes(points, 0, 1), signal)
    scores = fit_encoding(
        grams, responses, cv=4, metric=metric, n_splits=20, n_bootstrap=500, rng=rng
    )
    gap = compare_ops(scores)
    return {
        "score": scores.score_mean[0, 0],
        "low": scores.mean_ci_low[0, 0],
        "high": scores.mean_ci_high[0, 0],
        "gap_low": gap.ci_low[0, 1, 0],
        "gap_high": gap.ci_high[0, 1, 0],
    }


def run_encoding_selection(rng: np.random.Generator) -> dict[str, float]:
    """Return the encoding score of the chosen op of 6 unrelated ones; the truth is 0."""
    grams, responses = build_encoding(
        rng, rng.normal(size=(6, N_SHOWN, N_FEATURES)), np.zeros((N_SHOWN, N_NEUROIDS))
    )
    best = assign_regions(fit_encoding(grams, responses, cv=3, n_splits=20, n_bootstrap=0, rng=rng))
    names = ("naive_score", "selection_score", "heldout_score", "heldout_mean")
    return {name: best[name][0] for name in names} | {
        "inside": best.heldout_ci_low[0] <= 0 <= best.heldout_ci_high[0],
        "found": best.heldout_p[0] <= 0.05,
    }


def repeat(
    run: Callable[[np.random.Generator], dict[str, float]], times: int, seed: int
) -> dict[str, np.ndarray]:
    """Return each number of ``run`` over ``times`` independent simulations.

    There is one process per core.
    """
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(run, np.random.default_rng(seed).spawn(times), chunksize=10))
    return {name: np.array([float(one[name]) for one in found]) for name in found[0]}


def judge_rate(name: str, hits: np.ndarray, *, at_most: bool = False) -> tuple[str, bool]:
    """Return a row on an error rate that must lie in the binomial 99 % band about 5 %.

    With ``at_most`` it may also lie below the band.
    """
    low, high = binom.interval(0.99, len(hits), 0.05)
    low = 0 if at_most else low
    ok = low <= hits.sum() <= high
    return (
        f"| error rate: {name} | {hits.mean():.1%} | {low / len(hits):.1%} to "
        f"{high / len(hits):.1%} | {say(ok)} |",
        ok,
    )


def cover_truth(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return whether each interval holds the truth.

    For the score the truth is its mean over all runs, for the difference 0.
    """
    truth = found["score"].mean()
    return {
        "score": (found["low"] <= truth) & (truth <= found["high"]),
        "difference": (found["gap_low"] <= 0) & (found["gap_high"] >= 0),
    }


def judge_coverage(name: str, inside: np.ndarray, *, small: bool) -> tuple[str, bool]:
    """Return a row on the coverage of a 95 % interval.

    For a ``small`` set it may be too wide, never too narrow.
    """
    low, high = 0.92, 1.0 if small else 0.98
    ok = low <= inside.mean() <= high
    return f"| coverage: {name} | {inside.mean():.1%} | {low:.0%} to {high:.0%} | {say(ok)} |", ok


def judge_zero(name: str, values: np.ndarray, *, zero: bool) -> tuple[str, bool]:
    """Return a row on a mean that must, or must not, lie within its 99 % band about 0."""
    slack = norm.ppf(0.995) * values.std(ddof=1) / np.sqrt(len(values))
    ok = (abs(values.mean()) <= slack) if zero else bool(values.mean() > slack)
    band = f"{-slack:.3f} to {slack:.3f}" if zero else f"above {slack:.3f}: too high"
    return f"| truth 0: {name} | {values.mean():.3f} | {band} | {say(ok)} |", ok


def judge_one(name: str, values: np.ndarray) -> tuple[str, bool]:
    """Return a row on a mean that must be 1 within two percent."""
    ok = abs(values.mean() - 1) <= 0.02
    return f"| {name} | {values.mean():.3f} | 0.98 to 1.02 | {say(ok)} |", ok


def say(ok: bool) -> str:
    return "yes" if ok else "**no**"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer simulations, printed only")
    options = parser.parse_args()
    start, times = time.perf_counter(), 100 if options.quick else 1000
    null, chosen = repeat(run_null, times, 0), repeat(run_selection, times, 1)
    signals = [
        repeat(partial(run_signal, n_stimuli=n, n_subjects=s), times // 2, n) for n, s in SIZES
    ]
    signal = signals[0]
    null |= repeat(run_encoding_null, times, 2) | repeat(run_grouped_null, times, 5)
    peaks, reliable = repeat(run_peak, times // 2, 6), repeat(run_reliability, times // 10, 7)
    encoded = repeat(run_encoding_selection, times // 2, 3)
    coded = [
        repeat(partial(run_encoding_signal, metric=m, n_stimuli=n), times // 2, 4)
        for m, n in JUDGED
    ]
    bracketed = signal["lower"].mean() <= signal["truth"].mean() <= signal["upper"].mean()
    bounded = (signal["truth"] <= signal["upper"] + 1e-12).all()
    means = (
        f"{signal['lower'].mean():.3f}, {signal['truth'].mean():.3f}, {signal['upper'].mean():.3f}"
    )
    rows = [
        *(
            judge_rate(name, hits, at_most="FDR" in name or "wide" in name)
            for name, hits in null.items()
        ),
        judge_rate("held-out score of the chosen op (too wide)", chosen["found"], at_most=True),
        judge_rate("encoding, held-out score of the chosen op", encoded.pop("found")),
        *(
            judge_rate(
                f"difference of two ops, {n} stimuli, {s} subjects",
                found["difference"],
                at_most=k > 0,
            )
            for k, ((n, s), found) in enumerate(zip(SIZES, signals, strict=True))
        ),
        *(
            judge_coverage(f"{what}, {n} stimuli, {s} subjects", inside, small=k > 0)
            for k, ((n, s), found) in enumerate(zip(SIZES, signals, strict=True))
            for what, inside in cover_truth(found).items()
        ),
        *(
            judge_coverage(f"encoding {metric}, {what}, {n} stimuli", inside, small=metric == "r2")
            for (metric, n), found in zip(JUDGED, coded, strict=True)
            for what, inside in cover_truth(found).items()
        ),
        judge_coverage(
            "held-out score of the chosen op, 12 of 24 stimuli", chosen["inside"], small=True
        ),
        judge_coverage(
            "encoding, held-out score of the chosen op, 18 of 36 stimuli",
            encoded.pop("inside"),
            small=False,
        ),
        judge_coverage("depth of the peak, 60 stimuli, 20 subjects", peaks["inside"], small=True),
        (
            f"| ceilings: mean lower, true geometry, mean upper | {means} | in this order | "
            f"{say(bracketed)} |",
            bracketed,
        ),
        (
            f"| ceilings: true geometry above upper | {1 - bounded:.0%} | never | {say(bounded)} |",
            bounded,
        ),
        *(
            judge_one(f"r^2 of the truth over its ceiling: {name}", values)
            for name, values in reliable.items()
        ),
        *(
            judge_zero(name, chosen[name], zero=False)
            for name in ("naive_score", "selection_score")
        ),
        *(
            judge_zero(name, chosen[name], zero=True)
            for name in ("heldout_score", "heldout_mean", "nested_score")
        ),
        *(
            judge_zero(f"encoding, {name}", values, zero="heldout" in name)
            for name, values in encoded.items()
        ),
    ]
    text = "\n".join(
        [
            "# Do the statistics keep their promises?",
            "",
            f"Written by `make simulate`: {times} simulations, half as many for intervals, in "
            f"which stimuli and subjects are drawn anew. Null and choice: {N_STIMULI} stimuli, "
            f"{N_SUBJECTS} subjects; {N_OPS} ops on a graph with a skip and a branch and "
            f"{len(REGIONS)} regions, or 30 ops and one. Spearman; for the choice Pearson. Bands "
            "of error rates and means are what chance allows in 99 % of tables. With few stimuli "
            "and subjects the intervals are too wide, which errs on the safe side. Encoding: the "
            f"same neuroids under new stimuli and noise; null and choice: {N_SHOWN} stimuli in 3 "
            f"folds, {N_NEUROIDS} neuroids in two regions, {N_LAYERS} ops that share half their "
            "variance, or 6 unrelated ones (half as many simulations); intervals from 20 halvings, "
            "4 folds; those of R^2 are known to be too wide. Categories: six, which shape features "
            "and responses alike. Depth: ten ops, the sixth shares most with the brain. Ceilings "
            "of neuroids: 200 stimuli shown three times (a tenth as many simulations).",
            "",
            "| what | found | should be | holds |",
            "|---|---:|---:|---|",
            *(row for row, _ in rows),
        ]
    )
    print(f"{text}\n\n{time.perf_counter() - start:.0f} s")
    if not options.quick:
        PAGE.write_text(text + "\n")
    sys.exit(0 if all(ok for _, ok in rows) else 1)


if __name__ == "__main__":
    main()
