"""Intervals of RDMs: from influences, or from draws that are scored.

`interval="auto"`, the default of `compare_rdms` and `bootstrap_rdms`, takes influences of 16 stimuli
or more, and draws of fewer. Rows judge the intervals that it takes, and say in brackets how often
those of the other kind cover, on the same data sets. For new stimuli, of `compare_rdms`: subjects
are the same in every run, for the mean of six or for one of them, or the difference of two ops.
Null: models that have nothing to do with the brain. Ties: a model of four categories. For new
stimuli and new subjects, of `bootstrap_rdms`: two ops that fit equally well. The truth is the mean
score over all runs, of as many stimuli: of `bures` and `whitened-cosine` it depends on their number.
"""

from functools import partial
from itertools import product

import numpy as np
import xarray as xr

from neurolens.compare import bootstrap_rdms, compare_ops, compare_rdms
from neurolens.compare.rsa.estimates.choice import BOOTSTRAP, INFLUENCE, MIN_AUTO_UNITS
from simulations.brains import (
    N_FEATURES,
    build_brain,
    build_halves,
    build_same_brain,
    label_rdms,
)
from simulations.table import Found, Row, cover_mean, judge_coverage, repeat
from simulations.ties import draw_categories, model_categories

KINDS = (BOOTSTRAP, INFLUENCE)
N_LATENT = 4
JUDGED = ("rho-a", "pearson", "whitened-cosine")
MORE = ("spearman", "cosine", "whitened-pearson")
# Draws of these take too long to be simulated, from so many stimuli on.
SLOW = {"tau-a": 0, "bures": 60}
# What models are, numbers of stimuli, and comparators.
SETTINGS = (
    ("signal", 10, JUDGED),
    ("signal", 16, JUDGED + MORE + tuple(SLOW)),
    ("signal", 24, ("rho-a",)),
    ("signal", 60, JUDGED + MORE + tuple(SLOW)),
    ("signal", 120, ("rho-a",)),
    ("null", 16, ("rho-a", "pearson", "cosine")),
    ("ties", 16, ("rho-a", "pearson")),
)
CASES = {"signal": "", "null": ", null", "ties": ", ties"}
# Stimuli and subjects.
FACTORS = ((10, 6), (16, 3), (24, 2), (24, 6), (60, 6), (60, 20))
# The comparator of both factors.
COMPARATOR = "rho-a"
WHAT = {"mean": "mean of six subjects", "one": "one subject", "gap": "difference"}


def is_slow(comparator: str, n_stimuli: int) -> bool:
    """Return whether draws take too long to be simulated."""
    return n_stimuli >= SLOW.get(comparator, np.inf)


def run_stimuli(
    rng: np.random.Generator, n_stimuli: int, comparators: tuple[str, ...], case: str
) -> dict[str, float]:
    """Return intervals for new stimuli by both kinds: scores, and the difference of two ops."""
    points = rng.normal(size=(n_stimuli, N_LATENT))
    if case == "ties":
        points = draw_categories(rng, n_stimuli)
    brain = build_same_brain(rng, points)
    if case == "signal":
        model = build_halves(rng, points)
    elif case == "null":
        model = label_rdms(rng.normal(size=(2, n_stimuli, N_FEATURES)), op=["a", "b"])
    else:
        model = label_rdms(points[None], op=["a"]).copy(data=model_categories(n_stimuli)[None])
    found: dict[str, float] = {}
    for comparator, kind in product(comparators, KINDS):
        if is_slow(comparator, n_stimuli) and kind == BOOTSTRAP:
            continue
        scores = compare_rdms(
            model,
            brain,
            comparator=comparator,
            interval=kind,
            n_bootstrap=200,
            n_splits=0,
            rng=rng,
            quiet=True,
        )
        name = f"{comparator} {kind}"
        found |= {
            f"{name} mean score": scores.score_mean[0, 0],
            f"{name} mean low": scores.mean_ci_low[0, 0],
            f"{name} mean high": scores.mean_ci_high[0, 0],
            f"{name} one score": scores.score[0, 0, 0],
            f"{name} one low": scores.ci_low[0, 0, 0],
            f"{name} one high": scores.ci_high[0, 0, 0],
        }
        if case != "ties":
            found |= read_gap(scores, name)
    return found


def read_gap(scores: xr.Dataset, name: str) -> dict[str, float]:
    """Return the difference of two ops and its interval."""
    gap = compare_ops(scores)
    return {
        f"{name} gap score": gap.difference[0, 1, 0],
        f"{name} gap low": gap.ci_low[0, 1, 0],
        f"{name} gap high": gap.ci_high[0, 1, 0],
    }


def run_both(rng: np.random.Generator, n_stimuli: int, n_subjects: int) -> dict[str, float]:
    """Return intervals for new stimuli and subjects by both kinds."""
    points = rng.normal(size=(n_stimuli, N_LATENT))
    brain = build_brain(rng, [points], n_subjects)
    model = build_halves(rng, points)
    found: dict[str, float] = {}
    for kind in KINDS:
        scores = bootstrap_rdms(model, brain, interval=kind, n_bootstrap=200, rng=rng, quiet=True)
        found |= read_gap(scores, f"{COMPARATOR} {kind}")
        found |= {
            f"{COMPARATOR} {kind} mean score": scores.score_mean[0, 0],
            f"{COMPARATOR} {kind} mean low": scores.mean_ci_low[0, 0],
            f"{COMPARATOR} {kind} mean high": scores.mean_ci_high[0, 0],
        }
    return found


def cover(found: Found, name: str) -> np.ndarray:
    """Return whether intervals hold the truth, the mean over all runs."""
    return cover_mean({part: found[f"{name} {part}"] for part in ("score", "low", "high")})


def judge_kinds(name: str, found: Found, comparator: str, what: str, n_stimuli: int) -> Row:
    """Return a row on the intervals that "auto" takes, which tells of the others."""
    taken, other = (INFLUENCE, BOOTSTRAP) if n_stimuli >= MIN_AUTO_UNITS else (BOOTSTRAP, INFLUENCE)
    row = judge_coverage(f"{name}, {taken}", cover(found, f"{comparator} {taken} {what}"))
    if is_slow(comparator, n_stimuli):
        return row
    share = cover(found, f"{comparator} {other} {what}").mean()
    return row._replace(found=f"{row.found} ({other} {share:.1%})")


def list_rows(times: int) -> list[Row]:
    """Return the rows on intervals of RDMs."""
    rows = []
    for case, n_stimuli, comparators in SETTINGS:
        run = partial(run_stimuli, n_stimuli=n_stimuli, comparators=comparators, case=case)
        found = repeat(run, times // 2, n_stimuli)
        for comparator, what in product(comparators, WHAT):
            if f"{comparator} {INFLUENCE} {what} score" in found:
                name = f"{comparator}{CASES[case]}, {WHAT[what]}, {n_stimuli} stimuli"
                rows.append(judge_kinds(name, found, comparator, what, n_stimuli))
    for n_stimuli, n_subjects in FACTORS:
        run = partial(run_both, n_stimuli=n_stimuli, n_subjects=n_subjects)
        found = repeat(run, times // 2, n_stimuli)
        size = f"{n_stimuli} stimuli, {n_subjects} subjects"
        rows += [
            judge_kinds(f"both new, {name}, {size}", found, COMPARATOR, what, n_stimuli)
            for what, name in (("mean", "score"), ("gap", "difference"))
        ]
    return rows
