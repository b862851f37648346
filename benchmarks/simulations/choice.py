"""The choice of an op: its held-out score, and the depth of the peak."""

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
from simulations.table import Row, judge_coverage, judge_rate, judge_share, judge_zero, repeat

N_LATENT = 4
# Of the simulation on depth.
PEAK_SIZE = (60, 20)


def run_selection(rng: np.random.Generator) -> dict[str, float]:
    """Return the score of the chosen op of 30 unrelated ones; the truth is 0."""
    model = label_rdms(
        rng.normal(size=(30, N_STIMULI, N_FEATURES)), op=[f"op{i}" for i in range(30)]
    )
    brain = build_brain(rng, [rng.normal(size=(N_STIMULI, N_FEATURES))])
    scores = compare_rdms(model, brain, comparator="pearson", n_bootstrap=100, n_splits=5, rng=rng)
    best = assign_regions(scores, rdms=(model, brain))
    names = ("naive_score", "selection_score", "heldout_mean", "nested_score")
    return {name: best[name].item() for name in names} | {
        "inside": best.heldout_ci_low[0] <= 0 <= best.heldout_ci_high[0],
        "found": best.heldout_p[0] <= 0.05,
    }


def run_ties(rng: np.random.Generator) -> dict[str, float]:
    """Return whether 30 equal ops stay together, and whether an unrelated one is left out."""
    points = rng.normal(size=(N_STIMULI, N_FEATURES))
    layers = points + 0.7 * rng.normal(size=(31, *points.shape))
    layers[30] = rng.normal(size=points.shape)
    model = label_rdms(layers, op=[f"op{i}" for i in range(31)])
    brain = build_brain(rng, [points])
    scores = compare_rdms(model, brain, comparator="pearson", n_bootstrap=200, n_splits=1, rng=rng)
    both = assign_regions(scores, rdms=(model, brain)).indistinguishable.values[0]
    alone = assign_regions(scores).indistinguishable.values[0]
    return {
        "whole": alone[:30].all(),
        "without": not alone[30],
        "whole_both": both[:30].all(),
        "without_both": not both[30],
    }


def run_hierarchy(rng: np.random.Generator) -> dict[str, float]:
    """Return whether the depths of five regions that no op makes follow their order."""
    layers = rng.normal(size=(20, N_STIMULI, N_FEATURES))
    model = label_rdms(layers, op=[f"op{i}" for i in range(20)])
    regions = [build_brain(rng, [rng.normal(size=(N_STIMULI, N_FEATURES))]) for _ in range(5)]
    named = [one.assign_coords(region=[f"R{k}"]) for k, one in enumerate(regions)]
    brain = xr.concat(named, "region")
    found = locate_peaks(compare_rdms(model, brain, n_bootstrap=0, n_splits=0, rng=rng))
    return {"found": found.hierarchy_p <= 0.05}


def run_peak(rng: np.random.Generator) -> dict[str, float]:
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
    peak = locate_peaks(
        bootstrap_rdms(model, brain, comparator="spearman", n_bootstrap=200, rng=rng)
    )
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
    peaks = repeat(run_peak, times // 2, 6)
    ties = repeat(run_ties, times // 2, 7)
    ordered = repeat(run_hierarchy, times, 8)
    rows = [
        judge_rate("held-out score of the chosen op (too wide)", chosen["found"], at_most=True),
        judge_rate(
            "encoding, held-out score of the chosen op (too wide)", encoded["found"], at_most=True
        ),
        judge_coverage("held-out score of the chosen op", chosen["inside"], small=True),
        judge_coverage("encoding, held-out score of the chosen op", encoded["inside"], small=True),
        judge_coverage("depth of the peak, 60 stimuli, 20 subjects", peaks["inside"], small=True),
        judge_share("30 equal ops together in the set, stimuli", ties["whole"], least=0.95),
        judge_share("30 equal ops together, stimuli and subjects", ties["whole_both"], least=0.95),
        judge_share("unrelated op not in the set, stimuli", ties["without"], least=0.5),
        judge_share(
            "unrelated op not in the set, stimuli and subjects", ties["without_both"], least=0.5
        ),
        judge_rate("hierarchy of five regions", ordered["found"], at_most=True),
    ]
    for prefix, found in (("", chosen), ("encoding, ", encoded)):
        for name, values in found.items():
            if name.endswith(("_score", "_mean")):
                is_zero = name.startswith(("heldout", "nested"))
                rows.append(judge_zero(f"{prefix}{name}", values, zero=is_zero))
    return rows
