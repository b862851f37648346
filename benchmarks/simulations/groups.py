"""Stimuli that belong together: copies of one picture, runs.

Copies: 16 objects in three almost equal pictures each; features and responses hold the objects, and
have nothing else to do with each other. Runs: eight runs of six stimuli; each run moves features
and responses by an offset of its own. Where single stimuli are held out and permuted, as they are
by default, copies and runs predict themselves: half of the data sets or more have a finding. A
warning says so where copies are almost equal, or where the run is a label of the responses or of
the RDMs. Copies are known by their distances, which must stand out: these have 20 features; in
pilot runs with 8 the warning came in 94 % of 54 false findings, with 4 in 2 of 20 data sets. Whole
groups, held out, permuted and resampled by ``by=``, hold their level.
"""

from functools import partial

import numpy as np
import xarray as xr

from neurolens.compare import (
    bootstrap_rdms,
    compare_rdms,
    fit_encoding,
    permute_encoding,
    permute_rdms,
    split_stimuli,
)
from simulations.brains import (
    N_FEATURES,
    N_NEUROIDS,
    build_brain,
    build_encoding,
    build_halves,
    label_rdms,
    show_once,
)
from simulations.table import (
    Row,
    cover_mean,
    cover_truth,
    judge_coverage,
    judge_rate,
    judge_warned,
    listen,
    read_intervals,
    repeat,
)

N_OBJECTS = 16
# Objects and subjects of intervals.
N_MANY = 24
N_READERS = 12
N_COPIES = 3
# Features of copies, and how far copies are from each other, in units of how far objects are.
N_WIDE = 20
NEAR = 0.1
N_RUNS = 8
N_IN_RUN = 6
COPIES_WARNING = "treated as independent"
RUNS_WARNING = "of the same 'run' resemble each other"
RDM_RUNS_WARNING = "are more alike in RDMs of model and brain"


def draw_copies(rng: np.random.Generator, n_features: int) -> np.ndarray:
    """Return points (stimulus, feature) of which each has copies next to it."""
    objects = np.repeat(rng.normal(size=(N_OBJECTS, n_features)), N_COPIES, axis=0)
    return objects + NEAR * rng.normal(size=objects.shape)


def draw_runs(rng: np.random.Generator, n_features: int) -> np.ndarray:
    """Return points (stimulus, feature) of runs that each have an offset."""
    offsets = np.repeat(rng.normal(size=(N_RUNS, n_features)), N_IN_RUN, axis=0)
    return offsets + rng.normal(size=offsets.shape)


def label_groups(ids: np.ndarray, size: int) -> xr.DataArray:
    """Return the group (stimulus) of stimuli that stand ``size`` by ``size``."""
    return xr.DataArray(np.arange(len(ids)) // size, dims="stimulus", coords={"stimulus": ids})


def run_rdm_copies(rng: np.random.Generator) -> dict[str, float]:
    """Return whether RDMs of copies are found to be related, though their objects are not."""
    model = label_rdms(draw_copies(rng, N_WIDE))
    brain = build_brain(rng, [draw_copies(rng, N_WIDE)])
    objects = label_groups(brain.stimulus.values, N_COPIES)
    default, warned = listen(
        lambda: permute_rdms(model, brain, n_permutations=199, rng=rng), COPIES_WARNING
    )
    grouped = permute_rdms(model, brain, by=objects, n_permutations=199, rng=rng)
    return {
        "default": default.p[0, 0] <= 0.05,
        "warned": warned,
        "grouped": grouped.p[0, 0] <= 0.05,
    }


def run_rdm_runs(rng: np.random.Generator) -> dict[str, float]:
    """Return the same of runs, whose stimuli are permuted within them, or as a whole."""
    model = label_rdms(draw_runs(rng, N_FEATURES))
    brain = build_brain(rng, [draw_runs(rng, N_FEATURES)])
    run = label_groups(brain.stimulus.values, N_IN_RUN)
    named = brain.assign_coords(run=("stimulus", run.values))
    default, warned = listen(
        lambda: permute_rdms(model, named, n_permutations=199, rng=rng), RDM_RUNS_WARNING
    )
    found = {"rdms, default": default}
    for scheme in ("within", "groups"):
        found[scheme] = permute_rdms(
            model, brain, by=run, scheme=scheme, n_permutations=199, rng=rng
        )
    return {name: one.p[0, 0] <= 0.05 for name, one in found.items()} | {"warned": warned}


def run_encoding_copies(rng: np.random.Generator) -> dict[str, float]:
    """Return whether one set of copies is found to predict another."""
    layer = draw_copies(rng, N_WIDE)
    grams, responses = build_encoding(rng, layer[None], draw_copies(rng, N_NEUROIDS))
    objects = np.arange(len(layer)) // N_COPIES
    responses = show_once(responses).assign_coords(object=("presentation", objects))
    folds = split_stimuli(responses, by="object", rng=rng)
    default, warned = listen(
        lambda: permute_encoding(grams, responses, n_permutations=99, rng=rng), COPIES_WARNING
    )
    grouped = permute_encoding(grams, responses, cv=folds, n_permutations=99, rng=rng)
    return {
        "default": default.p[0, 0] <= 0.05,
        "warned": warned,
        "grouped": grouped.p[0, 0] <= 0.05,
    }


def run_encoding_runs(rng: np.random.Generator) -> dict[str, float]:
    """Return the same of runs: by default, within runs left out in turn, and as a whole."""
    layer = draw_runs(rng, N_FEATURES)
    grams, responses = build_encoding(rng, layer[None], draw_runs(rng, N_NEUROIDS))
    responses = show_once(responses).assign_coords(
        run=("presentation", np.arange(len(layer)) // N_IN_RUN)
    )
    test = partial(permute_encoding, grams, responses, n_permutations=99, rng=rng)
    default, warned = listen(test, RUNS_WARNING)
    within = test(cv="run")
    whole = test(cv=split_stimuli(responses, n_folds=4, by="run", rng=rng))
    return {
        "default": default.p[0, 0] <= 0.05,
        "warned": warned,
        "within": within.p[0, 0] <= 0.05,
        "grouped": whole.p[0, 0] <= 0.05,
    }


def run_rdm_intervals(rng: np.random.Generator) -> dict[str, float]:
    """Return intervals of two ops that fit copies equally well, for new objects."""
    objects = np.repeat(rng.normal(size=(N_MANY, 4)), N_COPIES, axis=0)
    points = objects + NEAR * rng.normal(size=objects.shape)
    brain = build_brain(rng, [points], N_READERS)
    model = build_halves(rng, points)
    group = label_groups(brain.stimulus.values, N_COPIES)
    scores = bootstrap_rdms(model, brain, by=group, n_bootstrap=200, rng=rng)
    return read_intervals(scores)


def run_encoding_intervals(rng: np.random.Generator) -> dict[str, float]:
    """Return intervals of two ops that predict copies equally well, for new objects."""
    objects = np.repeat(rng.normal(size=(2, N_MANY, N_FEATURES)), N_COPIES, axis=1)
    layers = objects + NEAR * rng.normal(size=objects.shape)
    weights = np.random.default_rng(0).normal(size=(N_FEATURES, N_NEUROIDS))
    signal = layers.sum(axis=0) @ weights / np.sqrt(2 * N_FEATURES)
    grams, responses = build_encoding(rng, layers, signal)
    responses = show_once(responses).assign_coords(
        object=("presentation", np.arange(len(signal)) // N_COPIES)
    )
    folds = split_stimuli(responses, n_folds=4, by="object", rng=rng)
    scores = fit_encoding(grams, responses, cv=folds, n_splits=20, n_bootstrap=500, rng=rng)
    return read_intervals(scores)


def run_rdm_single(rng: np.random.Generator) -> dict[str, float]:
    """Return the same for new objects only, in one subject, by percentiles."""
    points = draw_copies(rng, N_WIDE)
    weights = np.random.default_rng(1).normal(size=(N_WIDE, N_FEATURES)) / np.sqrt(N_WIDE)
    brain = label_rdms(points @ weights + rng.normal(size=(len(points), N_FEATURES)))
    model = label_rdms(points)
    group = label_groups(brain.stimulus.values, N_COPIES)
    whole = compare_rdms(model, brain, by=group, n_bootstrap=200, n_splits=0, rng=rng)
    single, warned = listen(
        lambda: compare_rdms(model, brain, n_bootstrap=200, n_splits=0, rng=rng), COPIES_WARNING
    )
    return {
        "score": whole.score_mean[0, 0],
        "low": whole.mean_ci_low[0, 0],
        "high": whole.mean_ci_high[0, 0],
        "single_low": single.mean_ci_low[0, 0],
        "single_high": single.mean_ci_high[0, 0],
        "warned": warned,
    }


def list_rows(times: int) -> list[Row]:
    """Return the rows on copies and runs."""
    copies = repeat(run_rdm_copies, times, 21)
    runs = repeat(run_rdm_runs, times, 22)
    encoded = repeat(run_encoding_copies, times // 2, 23)
    in_runs = repeat(run_encoding_runs, times // 2, 24)
    rows = [
        judge_warned(
            "error rate: RDMs of copies, single stimuli (default)",
            copies["default"],
            copies["warned"],
        ),
        judge_rate("RDMs of copies, whole objects", copies["grouped"]),
        judge_warned(
            "error rate: RDMs of runs, single stimuli (default)",
            runs["rdms, default"],
            runs["warned"],
        ),
        judge_rate("RDMs of runs, within runs", runs["within"]),
        judge_rate("RDMs of runs, whole runs", runs["groups"]),
        judge_warned(
            "error rate: encoding of copies (default)", encoded["default"], encoded["warned"]
        ),
        judge_rate("encoding of copies, whole objects", encoded["grouped"]),
        judge_warned(
            "error rate: encoding of runs (default)", in_runs["default"], in_runs["warned"]
        ),
        judge_rate("encoding of runs, within runs, each left out", in_runs["within"]),
        judge_rate("encoding of runs, whole runs", in_runs["grouped"]),
    ]
    studies = {
        f"RDMs of copies, {N_MANY} objects, {N_READERS} subjects": run_rdm_intervals,
        f"encoding of copies, {N_MANY} objects": run_encoding_intervals,
    }
    for k, (name, run) in enumerate(studies.items()):
        for what, inside in cover_truth(repeat(run, times // 2, 25 + k)).items():
            rows.append(judge_coverage(f"{name}, whole objects, {what}", inside))
    found = repeat(run_rdm_single, times, 27)
    rows.append(judge_coverage("RDMs of copies, one subject, whole objects", cover_mean(found)))
    single = cover_mean(found, "single_")
    name = "coverage: RDMs of copies, one subject, single stimuli (default)"
    rows.append(judge_warned(name, single, found["warned"]))
    return rows
