"""Ties: models of categories, whose dissimilarities take few values.

24 stimuli of four categories; six subjects read the categories and something of each stimulus. A
model that predicts only whether two stimuli are of one category ties most of its dissimilarities.
Under Spearman such models can score above the true geometry, which rho-a does not allow;
under no comparator can any model exceed the upper ceiling: tried are the categories, the true
geometry, the brain's mean RDM, and both cut into two and five values. Tests and intervals of tied
models hold their level.
"""

from functools import partial

import numpy as np
import xarray as xr

from neurolens.compare import (
    bootstrap_rdms,
    compare_rdms,
    compute_rdm_ceilings,
    permute_rdms,
)
from simulations.brains import N_FEATURES, N_STIMULI, build_brain, label_rdms
from simulations.table import (
    FAILS,
    HOLDS,
    Row,
    cover_mean,
    judge_coverage,
    judge_never,
    judge_rate,
    repeat,
)

N_CATEGORIES = 4
N_VALUES = (2, 5)
# Categories are equally far from each other; how far stimuli are from the center of theirs.
WITHIN = 0.3
CENTERS = 2 * np.eye(N_CATEGORIES, N_FEATURES)
JUDGED = ("spearman", "rho-a", "pearson", "cosine")


def draw_categories(rng: np.random.Generator, n_stimuli: int = N_STIMULI) -> np.ndarray:
    """Return points (stimulus, feature) in categories."""
    category = np.arange(n_stimuli) % N_CATEGORIES
    return CENTERS[category] + WITHIN * rng.normal(size=(n_stimuli, N_FEATURES))


def model_categories(n_stimuli: int = N_STIMULI) -> np.ndarray:
    """Return the RDM (stimulus, stimulus) of what is in one category: 0, and 1 for the others."""
    category = np.arange(n_stimuli) % N_CATEGORIES
    return (category[:, None] != category).astype(float)


def cut_values(rdm: np.ndarray, n_values: int) -> np.ndarray:
    """Return ``rdm`` with its dissimilarities cut into so many values of equal frequency."""
    first, second = np.triu_indices(len(rdm), 1)
    edges = np.quantile(rdm[first, second], np.arange(1, n_values) / n_values)
    cut = 1.0 + np.searchsorted(edges, rdm)
    np.fill_diagonal(cut, 0)
    return cut


def run_ceilings(rng: np.random.Generator) -> dict[str, float]:
    """Return whether any model exceeds the upper ceiling, and tied models beat the truth."""
    points = draw_categories(rng)
    brain = build_brain(rng, [points])
    truth = label_rdms(points).values
    models = {"categories": model_categories(), "truth": truth}
    bases = {"truth": truth, "brain": brain.mean("subject").values[0]}
    models["brain"] = bases["brain"]
    for n_values in N_VALUES:
        for name, base in bases.items():
            models[f"{name} in {n_values}"] = cut_values(base, n_values)
    rdms = xr.DataArray(
        np.stack(list(models.values())),
        dims=("op", "stimulus", "stimulus_2"),
        coords={
            "op": list(models),
            "stimulus": brain.stimulus.values,
            "stimulus_2": brain.stimulus.values,
        },
    )
    found = {}
    for comparator in JUDGED:
        scores = compare_rdms(rdms, brain, comparator=comparator, n_bootstrap=0, n_splits=0)
        upper = compute_rdm_ceilings(brain, comparator=comparator).ceiling_upper[0]
        mean = scores.score_mean[:, 0]
        tied = [name for name in models if name.startswith(("categories", "truth in"))]
        found[f"{comparator} above"] = (mean > upper + 1e-9).any()
        found[f"{comparator} tied wins"] = mean.sel(op=tied).max() > mean.sel(op="truth")
    return found


def run_null(rng: np.random.Generator) -> dict[str, float]:
    """Return whether categories that the brain knows nothing of are found."""
    brain = build_brain(rng, [rng.normal(size=(N_STIMULI, N_FEATURES))])
    model = label_rdms(np.zeros((N_STIMULI, 1))).copy(data=model_categories())
    found = permute_rdms(model, brain, n_permutations=499, rng=rng)
    drawn = bootstrap_rdms(model, brain, interval="bootstrap", n_bootstrap=200, rng=rng)
    influenced = bootstrap_rdms(model, brain, interval="influence", n_bootstrap=2, rng=rng)
    return {
        "permutation": found.p[0, 0] <= 0.05,
        "bootstrap": drawn.p[0, 0] <= 0.05,
        "influences": influenced.p[0, 0] <= 0.05,
    }


def run_signal(rng: np.random.Generator, interval: str) -> dict[str, float]:
    """Return intervals of the score of categories, for new stimuli of them and subjects."""
    n_stimuli = 40
    points = CENTERS[rng.integers(N_CATEGORIES, size=n_stimuli)]
    category = (points[:, None] != points).any(axis=2).astype(float)
    points = points + WITHIN * rng.normal(size=points.shape)
    brain = build_brain(rng, [points], 12)
    model = label_rdms(points).copy(data=category)
    scores = bootstrap_rdms(model, brain, interval=interval, n_bootstrap=200, rng=rng)
    return {
        "score": scores.score_mean[0, 0],
        "low": scores.mean_ci_low[0, 0],
        "high": scores.mean_ci_high[0, 0],
    }


def list_rows(times: int) -> list[Row]:
    """Return the rows on ties."""
    ceilings = repeat(run_ceilings, times // 2, 31)
    rows = [
        judge_never(f"a model above the upper ceiling: {name}", ceilings[f"{name} above"])
        for name in JUDGED
    ]
    for name, share in (("spearman", "happens"), ("rho-a", "at most 5 %")):
        wins = ceilings[f"{name} tied wins"]
        holds = wins.mean() > 0.05 if name == "spearman" else wins.mean() <= 0.05
        verdict = HOLDS if holds else FAILS
        what = f"a tied model above the true geometry: {name}"
        rows.append(Row(what, f"{wins.mean():.1%}", share, verdict, len(wins)))
    null = repeat(run_null, times, 32)
    rows.append(judge_rate("tied model, permutation", null["permutation"]))
    for kind in ("bootstrap", "influences"):
        rows.append(judge_rate(f"tied model, {kind}", null[kind], at_most=True))
    for interval, source in (("bootstrap", ""), ("influence", ", from influences")):
        found = repeat(partial(run_signal, interval=interval), times // 2, 33)
        what = f"tied model, 40 stimuli, 12 subjects{source}"
        rows.append(judge_coverage(what, cover_mean(found)))
    return rows
