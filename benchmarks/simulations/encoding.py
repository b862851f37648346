"""Encoding: tests and intervals of scores.

Null: 36 stimuli in three folds, eight neuroids in two regions, four ops that share half of their
variance. Categories: six, which shape features and responses alike; within a category they are
unrelated, and stimuli are permuted within them. Intervals: the same eight neuroids under new
stimuli and noise, two ops that each hold half of what these follow, four folds, 20 halvings.
"""

from functools import partial

import numpy as np

from neurolens.compare import fit_encoding, permute_encoding
from simulations.brains import N_FEATURES, N_NEUROIDS, N_SHOWN, build_encoding
from simulations.table import (
    Row,
    cover_truth,
    judge_coverage,
    judge_rate,
    read_intervals,
    repeat,
)

N_LAYERS = 4
# Metrics and numbers of stimuli at which intervals are judged.
JUDGED = [("r", 100), ("r", 36), ("r2", 100)]


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
    return read_intervals(scores)


def list_rows(times: int) -> list[Row]:
    """Return the rows on encoding."""
    null = repeat(run_encoding_null, 2 * times, 2) | repeat(run_grouped_null, 2 * times, 5)
    rows = []
    for name, hits in null.items():
        rows.append(judge_rate(name, hits, at_most="FDR" in name))
    for metric, n_stimuli in JUDGED:
        run = partial(run_encoding_signal, metric=metric, n_stimuli=n_stimuli)
        for what, inside in cover_truth(repeat(run, times // 2, 4)).items():
            name = f"encoding {metric}, {what}, {n_stimuli} stimuli"
            rows.append(judge_coverage(name, inside))
    return rows
