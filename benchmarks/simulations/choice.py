"""The choice of an op: its held-out score, the set that holds the best, the depth of the peak.

Of 30 unrelated ops (encoding: six) the largest score is above 0, and that on the half that chose
higher still; the score on the other half is not. The interval of the held-out score is too wide:
halves choose different ops. Equal ops: 30, or 60, that are noisy copies of what the brain reads,
all of which should be in the set of those not told apart from the best, and one that is unrelated
to it, which should not: with the five halvings that encoding makes by default it hardly ever is
left out. Depth: ten ops, of which the sixth shares most with the brain. Order: five regions that no
op makes.
"""

from functools import partial

import numpy as np
import xarray as xr

from neurolens.compare import (
    assign_regions,
    bootstrap_rdms,
    compare_rdms,
    fit_encoding,
    locate_peaks,
)
from simulations.brains import (
    N_FEATURES,
    N_NEUROIDS,
    N_SHOWN,
    N_STIMULI,
    build_brain,
    build_encoding,
    label_rdms,
)
from simulations.table import (
    Row,
    judge_coverage,
    judge_power,
    judge_rate,
    judge_share,
    judge_zero,
    repeat,
)

N_LATENT = 4
# Of the simulation on depth.
PEAK_SIZE = (60, 20)
N_EQUAL = (30, 60)
# Draws by where they come from, and what rows say of that.
N_DRAWS = {"bootstrap": 200, "influence": 1000}
SOURCES = {"bootstrap": "", "influence": ", from influences"}


def run_selection(rng: np.random.Generator) -> dict[str, float]:
    """Return the score of the chosen op of 30 unrelated ones; the truth is 0."""
    model = label_rdms(
        rng.normal(size=(30, N_STIMULI, N_FEATURES)), op=[f"op{i}" for i in range(30)]
    )
    brain = build_brain(rng, [rng.normal(size=(N_STIMULI, N_FEATURES))])
    scores = compare_rdms(model, brain, n_bootstrap=100, n_splits=5, rng=rng)
    best = assign_regions(scores, rdms=(model, brain))
    names = ("naive_score", "selection_score", "heldout_mean", "nested_score")
    return {name: best[name].item() for name in names} | {
        "inside": best.heldout_ci_low[0] <= 0 <= best.heldout_ci_high[0],
        "found": best.heldout_p[0] <= 0.05,
    }


def run_ties(rng: np.random.Generator, n_equal: int, interval: str) -> dict[str, float]:
    """Return whether equal ops stay together, and whether an unrelated one is left out."""
    points = rng.normal(size=(N_STIMULI, N_FEATURES))
    layers = points + 0.7 * rng.normal(size=(n_equal + 1, *points.shape))
    layers[n_equal] = rng.normal(size=points.shape)
    model = label_rdms(layers, op=[f"op{i}" for i in range(n_equal + 1)])
    brain = build_brain(rng, [points])
    scores = compare_rdms(
        model, brain, interval=interval, n_bootstrap=N_DRAWS[interval], n_splits=1, rng=rng
    )
    both = assign_regions(scores, rdms=(model, brain)).indistinguishable.values[0]
    alone = assign_regions(scores).indistinguishable.values[0]
    return {
        "whole": alone[:n_equal].all(),
        "without": not alone[n_equal],
        "whole_both": both[:n_equal].all(),
        "without_both": not both[n_equal],
    }


def run_encoding_ties(rng: np.random.Generator) -> dict[str, float]:
    """Return the same of ops whose features are noisy copies of what neuroids follow."""
    points = rng.normal(size=(N_SHOWN, N_FEATURES))
    layers = points + 0.7 * rng.normal(size=(N_EQUAL[0] + 1, *points.shape))
    layers[-1] = rng.normal(size=points.shape)
    weights = np.random.default_rng(0).normal(size=(N_FEATURES, N_NEUROIDS))
    grams, responses = build_encoding(rng, layers, points @ weights / np.sqrt(N_FEATURES))
    scores = fit_encoding(grams, responses, cv=3, n_splits=5, n_bootstrap=200, rng=rng)
    kept = assign_regions(scores).indistinguishable.values[0]
    return {"whole": kept[:-1].all(), "without": not kept[-1]}


def run_hierarchy(rng: np.random.Generator) -> dict[str, float]:
    """Return whether the depths of five regions that no op makes follow their order."""
    layers = rng.normal(size=(20, N_STIMULI, N_FEATURES))
    model = label_rdms(layers, op=[f"op{i}" for i in range(20)])
    regions = [build_brain(rng, [rng.normal(size=(N_STIMULI, N_FEATURES))]) for _ in range(5)]
    named = [one.assign_coords(region=[f"R{k}"]) for k, one in enumerate(regions)]
    brain = xr.concat(named, "region")
    found = locate_peaks(compare_rdms(model, brain, n_bootstrap=0, n_splits=0, rng=rng))
    return {"found": found.hierarchy_p <= 0.05}


def run_peak(rng: np.random.Generator, interval: str) -> dict[str, float]:
    """Return whether the interval on depth holds the sixth of ten ops.

    The others share the less with the brain the further they are from it.
    """
    points = rng.normal(size=(2, PEAK_SIZE[0], N_LATENT))
    angle = np.abs(np.arange(10) - 5)[:, None, None] * np.pi / 16
    layers = (
        np.cos(angle) * points[0]
        + np.sin(angle) * points[1]
        + 0.5 * rng.normal(size=(10, *points[0].shape))
    )
    model = label_rdms(layers, op=[f"op{i}" for i in range(10)])
    brain = build_brain(rng, [points[0]], PEAK_SIZE[1])
    scores = bootstrap_rdms(model, brain, interval=interval, n_bootstrap=N_DRAWS[interval], rng=rng)
    peak = locate_peaks(scores)
    return {"inside": peak.peak_depth_low[0] <= 5 / 9 <= peak.peak_depth_high[0]}


def run_encoding_selection(rng: np.random.Generator) -> dict[str, float]:
    """Return the encoding score of the chosen op of 6 unrelated ones; the truth is 0."""
    grams, responses = build_encoding(
        rng, rng.normal(size=(6, N_SHOWN, N_FEATURES)), np.zeros((N_SHOWN, N_NEUROIDS))
    )
    best = assign_regions(fit_encoding(grams, responses, cv=3, n_splits=20, n_bootstrap=0, rng=rng))
    names = ("naive_score", "selection_score", "heldout_mean")
    return {name: best[name][0] for name in names} | {
        "inside": best.heldout_ci_low[0] <= 0 <= best.heldout_ci_high[0],
        "found": best.heldout_p[0] <= 0.05,
    }


def list_rows(times: int) -> list[Row]:
    """Return the rows on the choice of an op."""
    chosen = repeat(run_selection, times, 1)
    encoded = repeat(run_encoding_selection, times // 2, 3)
    rows = []
    for prefix, found in (("", chosen), ("encoding, ", encoded)):
        for name, values in found.items():
            if name.endswith(("_score", "_mean")):
                is_zero = name.startswith(("heldout", "nested"))
                rows.append(judge_zero(f"{prefix}{name}", values, zero=is_zero))
        what = f"{prefix}held-out score of the chosen op"
        rows.append(judge_rate(what, found["found"], at_most=True))
        rows.append(judge_coverage(what, found["inside"]))
    for interval, source in SOURCES.items():
        for k, n_equal in enumerate(N_EQUAL):
            run = partial(run_ties, n_equal=n_equal, interval=interval)
            ties = repeat(run, times, 7 + 10 * k)
            for suffix, over in (("", "stimuli"), ("_both", "stimuli and subjects")):
                rows += judge_ties(f"{n_equal} equal ops, {over}{source}", ties, suffix)
    rows += judge_ties(
        f"encoding, {N_EQUAL[0]} equal ops", repeat(run_encoding_ties, times // 4, 9)
    )
    for interval, source in SOURCES.items():
        peaks = repeat(partial(run_peak, interval=interval), times // 2, 6)
        what = f"depth of the peak, 60 stimuli, 20 subjects{source}"
        rows.append(judge_coverage(what, peaks["inside"]))
    ordered = repeat(run_hierarchy, times, 8)
    rows.append(judge_rate("order of the depths of five regions", ordered["found"], at_most=True))
    return rows


def judge_ties(name: str, found: dict[str, np.ndarray], suffix: str = "") -> list[Row]:
    """Return rows on whether the set holds all equal ops, and not the unrelated one."""
    return [
        judge_share(f"{name}: all in the set", found[f"whole{suffix}"], least=0.95),
        judge_power(f"{name}: unrelated op not in it", found[f"without{suffix}"]),
    ]
