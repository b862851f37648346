"""RDMs: tests and intervals of scores, noise ceilings.

Null: 24 stimuli, six subjects, 12 ops on a graph with a skip connection and a branch, two regions,
none of them related. Intervals: two ops, each of which reads half of what the brain reads, so that
they fit it equally well; stimuli and subjects are drawn anew. With few of either, and of scores
near 0, intervals and p of ``bootstrap_rdms`` are too wide, which errs on the safe side.
"""

from functools import partial

import numpy as np

from neurolens.compare import (
    bootstrap_rdms,
    compare_rdms,
    compute_rdm_ceilings,
    permute_rdms,
)
from simulations.brains import (
    N_FEATURES,
    N_OPS,
    N_STIMULI,
    REGIONS,
    build_brain,
    build_halves,
    build_network,
    label_rdms,
)
from simulations.table import (
    Row,
    cover_truth,
    judge_coverage,
    judge_mean,
    judge_never,
    judge_rate,
    read_intervals,
    repeat,
)

# Stimuli and subjects: the size at which intervals are judged, then a small one, where they are
# known to be too wide.
SIZES = [(60, 20), (24, 6)]
N_LATENT = 4
# A chain with a skip connection, and a branch.
EDGES = [
    *((f"op{i}", f"op{i + 1}") for i in range(N_OPS - 2)),
    ("op2", "op6"),
    ("op4", f"op{N_OPS - 1}"),
]


def run_null(rng: np.random.Generator) -> dict[str, float]:
    """Return, for a network unrelated to the brain, whether each test finds something at 5 %."""
    brain = build_brain(rng, [rng.normal(size=(N_STIMULI, N_FEATURES)) for _ in REGIONS])
    network = build_network(rng)
    found = permute_rdms(network, brain, edges=EDGES, n_permutations=499, rng=rng)
    drawn = bootstrap_rdms(network.isel(op=[0]), brain, n_bootstrap=200, rng=rng)
    return {
        "permutation of one op": found.p[0, 0] <= 0.05,
        "maximum over ops and regions": (found.p_max <= 0.05).any(),
        "clusters on the graph": (found.p_cluster <= 0.05).any(),
        "any discovery at FDR 5 %": (found.q <= 0.05).any(),
        "bootstrap_rdms, one op above 0": drawn.p[0, 0] <= 0.05,
        "bootstrap_rdms, one op above 0 in one subject": drawn.subject_p[0, 0, 0] <= 0.05,
    }


def run_signal(rng: np.random.Generator, n_stimuli: int, n_subjects: int) -> dict[str, float]:
    """Return results of bootstrap and ceilings for two ops that fit the brain equally well.

    Each reads half of what the brain reads.
    """
    points = rng.normal(size=(n_stimuli, N_LATENT))
    brain = build_brain(rng, [points], n_subjects)
    scores = bootstrap_rdms(build_halves(rng, points), brain, n_bootstrap=200, rng=rng)
    ceilings = compute_rdm_ceilings(brain)
    truth = compare_rdms(label_rdms(points), brain, n_bootstrap=0, n_splits=0)
    return read_intervals(scores) | {
        "lower": ceilings.ceiling_lower[0],
        "upper": ceilings.ceiling_upper[0],
        "truth": truth.score_mean[0, 0],
    }


def list_rows(times: int) -> list[Row]:
    """Return the rows on RDMs."""
    rows = []
    for name, hits in repeat(run_null, 2 * times, 0).items():
        rows.append(judge_rate(name, hits, at_most="FDR" in name or "bootstrap" in name))
    for k, (n_stimuli, n_subjects) in enumerate(SIZES):
        run = partial(run_signal, n_stimuli=n_stimuli, n_subjects=n_subjects)
        found = repeat(run, times // 2, n_stimuli)
        size = f"{n_stimuli} stimuli, {n_subjects} subjects"
        rows.append(
            judge_rate(f"difference of two ops, {size}", found["difference"], at_most=k > 0)
        )
        for what, inside in cover_truth(found).items():
            rows.append(judge_coverage(f"{what}, {size}", inside))
        if k == 0:
            rows += judge_ceilings(found)
    return rows


def judge_ceilings(found: dict[str, np.ndarray]) -> list[Row]:
    """Return rows on whether the score of the true geometry lies between the ceilings."""
    above = found["truth"] - found["lower"]
    return [
        judge_mean("score of the true geometry less the lower ceiling", above, 0, 0.1),
        judge_never("the true geometry above the upper ceiling", found["truth"] > found["upper"]),
    ]
