"""Partial RSA: what a control RDM leaves.

Model and brain share features with a control RDM, say of pixels, and each adds features of its own
that have nothing to do with each other. ``compare_partial_rdms`` should find nothing, with its
default of cubic curves in the ranks of the control. It does not know the features that both sides
share, only their distances.
"""

from functools import partial

import numpy as np

from neurolens.compare import compare_partial_rdms
from simulations.brains import N_FEATURES, build_brain, label_rdms
from simulations.table import Row, judge_rate, judge_zero, repeat

SIZES = (24, 40)
N_SUBJECTS = 6


def run_null(rng: np.random.Generator, n_stimuli: int, comparator: str) -> dict[str, float]:
    """Return the score of a model that shares nothing with the brain but the control."""
    shared = rng.normal(size=(n_stimuli, N_FEATURES))
    model, seen = (
        np.concatenate([shared, rng.normal(size=shared.shape)], axis=1) for _ in range(2)
    )
    brain = build_brain(rng, [seen], N_SUBJECTS)
    scores = compare_partial_rdms(
        label_rdms(model),
        brain,
        label_rdms(shared),
        comparator=comparator,
        n_bootstrap=0,
        n_splits=0,
        n_permutations=199,
        rng=rng,
    )
    return {"found": scores.p[0, 0] <= 0.05, "score": scores.score_mean[0, 0]}


def list_rows(times: int) -> list[Row]:
    """Return the rows on partial RSA."""
    rows = []
    for k, n_stimuli in enumerate(SIZES):
        for comparator in ("spearman", "pearson"):
            run = partial(run_null, n_stimuli=n_stimuli, comparator=comparator)
            found = repeat(run, times, 90 + k)
            name = f"partial RSA, {comparator}, {n_stimuli} stimuli"
            rows.append(judge_rate(name, found["found"]))
            rows.append(judge_zero(f"{name}, score", found["score"]))
    return rows
