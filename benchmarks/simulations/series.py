"""Series: stimuli that resemble their neighbors in time.

Frames of a movie, words of a story and slow drifts of a recording are no independent draws. Here
features and responses are two unrelated autoregressive series (each point .9 of the one before plus
noise) of 80 stimuli. Their neighbors predict each other in random folds, and permutations of single
stimuli make p too small: at the defaults nearly every data set has a finding, and a warning says
so. Contiguous folds with a gap, and circular shifts, hold their level for encoding; where runs are
independent of each other, so does the exchange of whole runs for RDMs. Circular shifts of RDMs hold
it too, because what they test is less the mean at each distance in time: without that, distances
that grow with time on both sides would be a relation.
"""

from functools import partial

import numpy as np
import xarray as xr

from neurolens.compare import fit_encoding, permute_encoding, permute_rdms, split_stimuli
from simulations.brains import (
    N_FEATURES,
    N_NEUROIDS,
    build_brain,
    build_encoding,
    label_rdms,
    show_once,
)
from simulations.table import (
    Row,
    cover_mean,
    judge_coverage,
    judge_rate,
    judge_warned,
    judge_zero,
    listen,
    repeat,
)

N_SERIES = 80
N_RUNS = 8
CORRELATION = 0.9
GAP = 10
WARNING = "both autocorrelated in"


def draw_series(rng: np.random.Generator, n_stimuli: int, n_features: int) -> np.ndarray:
    """Return a stationary series (stimulus, feature) of variance 1."""
    steps = rng.normal(size=(n_stimuli, n_features))
    series = np.empty_like(steps)
    series[0] = steps[0]
    for k in range(1, n_stimuli):
        series[k] = CORRELATION * series[k - 1] + np.sqrt(1 - CORRELATION**2) * steps[k]
    return series


def draw_runs(rng: np.random.Generator, n_features: int) -> np.ndarray:
    """Return the series of runs that know nothing of each other, one after the other."""
    return np.concatenate([draw_series(rng, N_SERIES // N_RUNS, n_features) for _ in range(N_RUNS)])


def run_rdms(rng: np.random.Generator) -> dict[str, float]:
    """Return whether RDMs of two unrelated series are found to be related."""
    model = label_rdms(draw_series(rng, N_SERIES, N_FEATURES))
    brain = build_brain(rng, [draw_series(rng, N_SERIES, N_FEATURES)])
    default, warned = listen(
        lambda: permute_rdms(model, brain, n_permutations=199, rng=rng), WARNING
    )
    shifted = permute_rdms(model, brain, scheme="shift", rng=rng)
    return {
        "default": default.p[0, 0] <= 0.05,
        "warned": warned,
        "shift": shifted.p[0, 0] <= 0.05,
    }


def run_rdm_runs(rng: np.random.Generator) -> dict[str, float]:
    """Return the same for series that start anew in each run, whole runs exchanged."""
    model = label_rdms(draw_runs(rng, N_FEATURES))
    brain = build_brain(rng, [draw_runs(rng, N_FEATURES)])
    run = xr.DataArray(
        np.arange(N_SERIES) // (N_SERIES // N_RUNS),
        dims="stimulus",
        coords={"stimulus": brain.stimulus.values},
    )
    found = permute_rdms(model, brain, by=run, n_permutations=199, rng=rng)
    return {"groups": found.p[0, 0] <= 0.05}


def build_series(
    rng: np.random.Generator, *, is_slow: bool = True
) -> tuple[xr.Dataset, xr.DataArray]:
    """Return Grams and responses (presentation, neuroid) that have nothing to do with each other.

    Both are series, or white noise unless they are ``slow``.
    """
    if is_slow:
        layer = draw_series(rng, N_SERIES, N_FEATURES)
        signal = draw_series(rng, N_SERIES, N_NEUROIDS)
    else:
        layer = rng.normal(size=(N_SERIES, N_FEATURES))
        signal = rng.normal(size=(N_SERIES, N_NEUROIDS))
    grams, responses = build_encoding(rng, layer[None], signal)
    return grams, show_once(responses)


def run_default(rng: np.random.Generator) -> dict[str, float]:
    """Return whether one series is found to predict another in random folds."""
    grams, responses = build_series(rng)
    found, warned = listen(
        lambda: permute_encoding(grams, responses, n_permutations=99, rng=rng), WARNING
    )
    return {"default": found.p[0, 0] <= 0.05, "warned": warned}


def run_blocks(rng: np.random.Generator, gap: int, *, is_slow: bool = True) -> dict[str, float]:
    """Return the same in contiguous folds, by circular shifts."""
    grams, responses = build_series(rng, is_slow=is_slow)
    folds = split_stimuli(responses, contiguous=True, gap=gap)
    found = permute_encoding(grams, responses, cv=folds, rng=rng)
    return {"shift": found.p[0, 0] <= 0.05}


def run_intervals(rng: np.random.Generator) -> dict[str, float]:
    """Return intervals of the score of one series that predicts nothing of another."""
    grams, responses = build_series(rng)
    folds = split_stimuli(responses, contiguous=True, gap=GAP)
    scores = fit_encoding(grams, responses, cv=folds, n_splits=20, n_bootstrap=0, rng=rng)
    return {
        "score": scores.score_mean[0, 0],
        "low": scores.mean_ci_low[0, 0],
        "high": scores.mean_ci_high[0, 0],
    }


def list_rows(times: int) -> list[Row]:
    """Return the rows on series."""
    rdms = repeat(run_rdms, times, 11)
    runs = repeat(run_rdm_runs, times, 12)
    default = repeat(run_default, times // 2, 13)
    rows = [
        judge_warned(
            "error rate: RDMs, single stimuli permuted (default)", rdms["default"], rdms["warned"]
        ),
        judge_rate("RDMs, circular shifts", rdms["shift"]),
        judge_rate(f"RDMs, {N_RUNS} independent runs, whole runs exchanged", runs["groups"]),
        judge_warned(
            "error rate: encoding, random folds (default)", default["default"], default["warned"]
        ),
    ]
    for k, gap in enumerate((0, GAP)):
        found = repeat(partial(run_blocks, gap=gap), times, 14 + k)
        name = f"encoding, contiguous folds, gap {gap}, circular shifts"
        rows.append(judge_rate(name, found["shift"], at_most=True))
    white = repeat(partial(run_blocks, gap=GAP, is_slow=False), times, 16)
    name = f"encoding, no series, contiguous folds, gap {GAP}, circular shifts"
    rows.append(judge_rate(name, white["shift"], at_most=True))
    found = repeat(run_intervals, times // 2, 17)
    name = f"encoding, contiguous folds, gap {GAP}"
    rows.append(judge_coverage(name, cover_mean(found)))
    rows.append(judge_zero(f"{name}, r", found["score"]))
    return rows
