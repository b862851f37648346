"""Few subjects, and one who dominates.

40 stimuli; two ops that fit the brain equally well. Intervals and p of ``bootstrap_rdms`` are for
new stimuli and new subjects. Those of three subjects are very wide, as two degrees of freedom ask
for. One dominant subject: the data of one of eight are hardly noisy, those of the others are noise
for the most part; or each subject is such a one with a chance of one in eight. A third of the data
sets then hold none, and their intervals are too low: no interval knows of subjects that it has not
seen, and with few of them that of the mean covers less than it says.
"""

from functools import partial

import numpy as np

from neurolens.compare import bootstrap_rdms, permute_rdms
from simulations.brains import N_FEATURES, build_brain, build_halves, label_rdms
from simulations.table import (
    Row,
    cover_truth,
    judge_coverage,
    judge_rate,
    read_intervals,
    repeat,
)

N_SHOWN = 40
N_LATENT = 4
FEW = (3, 8)
CLEAN = 0.2
NOISY = 3.0
CHANCE = 1 / 8


def list_even(rng: np.random.Generator, n_subjects: int) -> np.ndarray:
    """Return the noise of subjects who are alike."""
    return np.ones(n_subjects)


def list_dominated(rng: np.random.Generator) -> np.ndarray:
    """Return the noise of eight subjects, the first of whom has hardly any."""
    return np.array([CLEAN] + 7 * [NOISY])


def list_mixed(rng: np.random.Generator) -> np.ndarray:
    """Return the noise of eight subjects, each of whom may have hardly any."""
    return np.where(rng.random(8) < CHANCE, CLEAN, NOISY)


RARE = "8 subjects, each dominant in 1 of 8"
GROUPS = {f"{n} subjects": partial(list_even, n_subjects=n) for n in FEW} | {
    "8 subjects, one dominant": list_dominated,
    RARE: list_mixed,
}


def run_signal(rng: np.random.Generator, group: str) -> dict[str, float]:
    """Return intervals of two ops that fit a ``group`` of subjects equally well."""
    points = rng.normal(size=(N_SHOWN, N_LATENT))
    noise = GROUPS[group](rng)
    brain = build_brain(rng, [points], len(noise), noise)
    model = build_halves(rng, points)
    return read_intervals(bootstrap_rdms(model, brain, n_bootstrap=200, rng=rng))


def run_null(rng: np.random.Generator, group: str) -> dict[str, float]:
    """Return whether an op that is unrelated to the brain is found."""
    noise = GROUPS[group](rng)
    brain = build_brain(rng, [rng.normal(size=(N_SHOWN, N_LATENT))], len(noise), noise)
    model = label_rdms(rng.normal(size=(N_SHOWN, N_FEATURES)))
    drawn = bootstrap_rdms(model, brain, n_bootstrap=200, rng=rng)
    permuted = permute_rdms(model, brain, n_permutations=199, rng=rng)
    return {"bootstrap": drawn.p[0, 0] <= 0.05, "permutation": permuted.p[0, 0] <= 0.05}


def list_rows(times: int) -> list[Row]:
    """Return the rows on subjects."""
    rows = []
    for k, group in enumerate(GROUPS):
        null = repeat(partial(run_null, group=group), times, 40 + k)
        rows.append(judge_rate(f"bootstrap, {group}", null["bootstrap"], at_most=True))
        rows.append(judge_rate(f"permutation, {group}", null["permutation"]))
    for k, group in enumerate(GROUPS):
        size = 2 * times if group == RARE else times
        found = repeat(partial(run_signal, group=group), size, 50 + k)
        for what, inside in cover_truth(found).items():
            rows.append(judge_coverage(f"{what}, {group}", inside))
    return rows
