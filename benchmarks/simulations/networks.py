"""Two networks: differences between their held-out scores, against controls and each other.

Each network has six ops; the best is known, and the others share less and less with it. 24 stimuli
and six subjects for RDMs, unless stated. Nothing there: no op of either network, nor of three
controls, is related to the brain, so that halves choose any op. Equal: the best ops are copies of
what the brain reads with noise of their own, or, for new subjects, each reads half of it, so that
which network is better varies with the subject. Different: the noise of one network is larger.
Where halves agree on the op, tests and intervals should be at their level; where they do not, they
are too wide, most of all for encoding with few stimuli. Other seeds: draws are not shared, and the
interval is the widest that any correlation between the scores allows.
"""

from functools import partial

import numpy as np
import xarray as xr

from neurolens.compare import assign_regions, compare_choices, compare_rdms, fit_encoding
from simulations.brains import (
    N_FEATURES,
    N_NEUROIDS,
    N_SHOWN,
    N_STIMULI,
    build_brain,
    build_encoding,
    label_rdms,
)
from simulations.table import Row, judge_coverage, judge_power, judge_rate, repeat

N_OPS = 6
# How far each op is from the best one, in quarter turns: 1 is unrelated to it.
TURNS = np.array([0.6, 0.3, 0.0, 0.5, 0.8, 1.0])
NOISE = 0.5
MORE_NOISE = 1.2
# Stimuli of encoding where there is something to predict.
N_MANY = 100
# Stimuli and subjects where both are drawn.
SIZES = [(60, 20), (24, 6)]
SETTINGS = {"n_bootstrap": 200, "n_splits": 10}


def build_layers(rng: np.random.Generator, points: np.ndarray, noise: float = NOISE) -> np.ndarray:
    """Return features (op, stimulus, feature) of a network whose third op is nearest ``points``."""
    angle = TURNS[:, None, None] * np.pi / 2
    others = rng.normal(size=points.shape)
    turned = np.cos(angle) * points + np.sin(angle) * others
    return turned + noise * rng.normal(size=turned.shape)


def label_network(layers: np.ndarray) -> xr.DataArray:
    """Return the RDMs of the ops of a network."""
    return label_rdms(layers, op=[f"op{i}" for i in range(len(layers))])


def read_pair(found: xr.Dataset) -> dict[str, float]:
    """Return the difference between the first two networks in the first region."""
    one = found.isel(network=0, network_2=1, region=0)
    return {
        "gap": one.difference.item(),
        "low": one.ci_low.item(),
        "high": one.ci_high.item(),
        "found": one.p.item() <= 0.05,
    }


def run_null(rng: np.random.Generator) -> dict[str, float]:
    """Return whether a network unrelated to the brain is found better than others like it."""
    brain = build_brain(rng, [rng.normal(size=(N_STIMULI, N_FEATURES))])
    layers = rng.normal(size=(4, N_OPS, N_STIMULI, N_FEATURES))
    model, *others = (label_network(one) for one in layers)
    seed = int(rng.integers(2**32))
    scores = compare_rdms(model, brain, rng=seed, **SETTINGS)
    controls = [compare_rdms(one, brain, rng=seed, **SETTINGS) for one in others]
    alone = assign_regions(scores, control=controls)
    both = assign_regions(scores, rdms=(model, brain), control=controls, control_rdms=others)
    return {
        "stimuli": alone.control_difference_p[0, 0] <= 0.05,
        "mean": alone.control_mean_difference_p[0] <= 0.05,
        "both": both.control_difference_p[0, 0] <= 0.05,
        "inside": both.control_difference_ci_low[0, 0]
        <= 0
        <= both.control_difference_ci_high[0, 0],
    }


def run_networks(rng: np.random.Generator, noise: float, *, shared: bool) -> dict[str, float]:
    """Return the difference, for new stimuli, to a network with another ``noise``."""
    points = rng.normal(size=(N_STIMULI, N_FEATURES))
    brain = build_brain(rng, [points])
    seeds = rng.integers(2**32, size=2).tolist()
    seeds[1] = seeds[0] if shared else seeds[1]
    scores = {}
    for name, size, seed in zip("ab", (NOISE, noise), seeds, strict=True):
        model = label_network(build_layers(rng, points, size))
        scores[name] = compare_rdms(model, brain, rng=seed, **SETTINGS)
    return read_pair(compare_choices(scores))


def run_subjects(rng: np.random.Generator, n_stimuli: int, n_subjects: int) -> dict[str, float]:
    """Return the difference, for new stimuli and subjects, of networks that read a half each."""
    points = rng.normal(size=(n_stimuli, 4))
    weights = np.random.default_rng(0).normal(size=(2, N_FEATURES))
    brain = build_brain(rng, [points], n_subjects)
    scores, rdms = {}, {}
    for name, half in zip("ab", (points[:, :2], points[:, 2:]), strict=True):
        model = label_network(build_layers(rng, half @ weights))
        scores[name] = compare_rdms(model, brain, rng=0, **SETTINGS)
        rdms[name] = (model, brain)
    return read_pair(compare_choices(scores, rdms=rdms))


def run_encoding(
    rng: np.random.Generator, n_stimuli: int, signal: float, noise: float
) -> dict[str, float]:
    """Return the difference between encoding scores, of responses with so much ``signal``."""
    points = rng.normal(size=(n_stimuli, N_FEATURES))
    weights = np.random.default_rng(0).normal(size=(N_FEATURES, N_NEUROIDS))
    followed = signal * points @ weights / np.sqrt(N_FEATURES)
    grams, responses = build_encoding(rng, build_layers(rng, points), followed)
    others = build_encoding(rng, build_layers(rng, points, noise), followed)[0]
    settings = {"cv": 3, "n_splits": 10, "n_bootstrap": 2, "rng": int(rng.integers(2**32))}
    scores = {"a": grams, "b": others}
    fits = {name: fit_encoding(one, responses, **settings) for name, one in scores.items()}
    return read_pair(compare_choices(fits))


def judge_pair(name: str, found: dict[str, np.ndarray], *, truth: float = 0.0) -> list[Row]:
    """Return rows on the test, where there is no difference, and the interval of a difference."""
    rows = [judge_coverage(f"{name}", (found["low"] <= truth) & (truth <= found["high"]))]
    if truth:
        return [judge_power(f"found: {name}", found["found"]), *rows]
    return [judge_rate(name, found["found"], at_most=True), *rows]


def list_rows(times: int) -> list[Row]:
    """Return the rows on two networks."""
    null = repeat(run_null, times, 71)
    rows = [
        judge_rate("nothing there, above a control, stimuli", null["stimuli"], at_most=True),
        judge_rate("nothing there, above three controls, stimuli", null["mean"], at_most=True),
        judge_rate(
            "nothing there, above a control, stimuli and subjects", null["both"], at_most=True
        ),
        judge_coverage("nothing there, stimuli and subjects", null["inside"]),
    ]
    for shared, name in ((True, "equal networks"), (False, "equal networks, other seeds")):
        run = partial(run_networks, noise=NOISE, shared=shared)
        rows += judge_pair(f"{name}, stimuli", repeat(run, times, 72))
    run = partial(run_networks, noise=MORE_NOISE, shared=True)
    found = repeat(run, times, 73)
    rows += judge_pair("different networks, stimuli", found, truth=found["gap"].mean())
    for n_stimuli, n_subjects in SIZES:
        run = partial(run_subjects, n_stimuli=n_stimuli, n_subjects=n_subjects)
        name = f"equal networks, {n_stimuli} stimuli, {n_subjects} subjects"
        rows += judge_pair(name, repeat(run, times // 2, n_stimuli))
    return rows + list_encoding_rows(times)


def list_encoding_rows(times: int) -> list[Row]:
    """Return the rows on encoding scores of two networks."""
    run = partial(run_encoding, n_stimuli=N_SHOWN, signal=0, noise=NOISE)
    rows = judge_pair(f"encoding, nothing there, {N_SHOWN} stimuli", repeat(run, times // 2, 74))
    run = partial(run_encoding, n_stimuli=N_SHOWN, signal=1, noise=MORE_NOISE)
    found = repeat(run, times // 2, 75)
    name = f"encoding, different networks, {N_SHOWN} stimuli"
    rows += judge_pair(name, found, truth=found["gap"].mean())
    run = partial(run_encoding, n_stimuli=N_MANY, signal=1, noise=NOISE)
    rows += judge_pair(f"encoding, equal networks, {N_MANY} stimuli", repeat(run, times // 4, 75))
    run = partial(run_encoding, n_stimuli=N_MANY, signal=1, noise=MORE_NOISE)
    found = repeat(run, times // 4, 76)
    name = f"encoding, different networks, {N_MANY} stimuli"
    return rows + judge_pair(name, found, truth=found["gap"].mean())
