"""Studies of RDMs: made from Grams and activations, compared with intervals, permuted."""

from collections.abc import Callable

import numpy as np
import xarray as xr

import neurolens as nl
from scaling_studies.study import Study

# Of one pair of RDMs each, and with intervals or permutations.
STIMULI = (100, 300, 1_000, 2_000, 4_000)
FEWER_STIMULI = (100, 200, 400, 800)
FEWEST_STIMULI = (100, 200, 400)
FEATURES = (1_000, 4_000, 16_000, 64_000, 256_000)
OPS = (30, 100, 300, 1_000, 3_000)
FEWER_OPS = (10, 30, 100, 300, 1_000)
SUBJECTS = (4, 8, 16, 32, 64, 128)
MANY_SUBJECTS = (32, 64, 128, 256, 512)
N_STIMULI, N_OPS, N_SUBJECTS = 60, 5, 4
N_PERMUTATIONS = 200
N_POINTS = 8


def label_stimuli(n: int) -> list[str]:
    return [f"s{i}" for i in range(n)]


def make_squares(n_rdms: int, n: int) -> np.ndarray:
    """Return squared distances (n_rdms, n, n) of points around a common geometry."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal((n, N_POINTS))
    squares = np.empty((n_rdms, n, n))
    for square in squares:
        points = common + rng.standard_normal((n, N_POINTS))
        lengths = (points**2).sum(axis=1)
        square[:] = lengths[:, None] + lengths - 2 * points @ points.T
        square[:] = np.maximum((square + square.T) / 2, 0)
        np.fill_diagonal(square, 0)
    return squares


def make_models(n_ops: int, n: int) -> xr.DataArray:
    ids = label_stimuli(n)
    coords = {"op": [f"op{i}" for i in range(n_ops)], "stimulus": ids, "stimulus_2": ids}
    return xr.DataArray(make_squares(n_ops, n), coords, tuple(coords))


def make_brain(n_subjects: int, n: int) -> xr.DataArray:
    """Return RDMs of one region in each of the subjects."""
    ids = label_stimuli(n)
    names = [f"p{i}" for i in range(n_subjects)]
    coords = {"region": ["IT"], "subject": names, "stimulus": ids, "stimulus_2": ids}
    return xr.DataArray(make_squares(n_subjects, n)[None], coords, tuple(coords))


def make_grams(n_ops: int, n: int) -> xr.Dataset:
    ids = label_stimuli(n)
    rows = np.random.default_rng(0).standard_normal((n, 16))
    product = rows @ rows.T
    return xr.Dataset(
        {
            "gram": (("op", "stimulus", "stimulus_2"), np.stack([product] * n_ops)),
            "row_sum": (("op", "stimulus"), np.stack([rows.sum(axis=1)] * n_ops)),
            "n_features": ("op", [16] * n_ops),
        },
        coords={"op": [f"op{i}" for i in range(n_ops)], "stimulus": ids, "stimulus_2": ids},
    )


def prepare_rdms(n_ops: int, n: int) -> Callable[[], object]:
    grams = make_grams(n_ops, n)
    return lambda: nl.compute_rdms(grams)


def prepare_features(n_features: int) -> Callable[[], object]:
    values = np.random.default_rng(0).standard_normal((100, n_features), dtype=np.float32)
    ids = label_stimuli(len(values))
    features = xr.DataArray(values, {"stimulus": ids}, ("stimulus", "feature"))
    return lambda: nl.compute_rdms(features)


def prepare_comparison(n_ops: int, n_subjects: int, n: int) -> Callable[[], object]:
    model, brain = make_models(n_ops, n), make_brain(n_subjects, n)
    return lambda: nl.compare_rdms(model, brain, interval="bootstrap")


def prepare_permutation(n_ops: int, n_subjects: int, n: int) -> Callable[[], object]:
    model, brain = make_models(n_ops, n), make_brain(n_subjects, n)
    return lambda: nl.compare.permute_rdms(model, brain, n_permutations=N_PERMUTATIONS)


def prepare_bootstrap(n_ops: int, n_subjects: int, n: int) -> Callable[[], object]:
    model, brain = make_models(n_ops, n), make_brain(n_subjects, n)
    return lambda: nl.compare.bootstrap_rdms(model, brain, interval="bootstrap", n_bootstrap=200)


# Of n^2 log n, at the sizes that are fitted.
SORTED = 2.15
PAIRS = "sorted pairs of stimuli"
STUDIES = [
    Study("RDMs from Grams", "ops", OPS, lambda m: prepare_rdms(m, N_STIMULI), 1, 1, "one RDM per op"),
    Study("compare_rdms with intervals", "ops", FEWER_OPS, lambda m: prepare_comparison(m, N_SUBJECTS, N_STIMULI), 1, 1, "one RDM per op"),
    Study("permute_rdms", "ops", OPS, lambda m: prepare_permutation(m, N_SUBJECTS, N_STIMULI), 1, 1, "one RDM per op"),
    Study("RDMs from Grams", "stimuli", STIMULI, lambda n: prepare_rdms(2, n), SORTED, 2, PAIRS),
    Study("compare_rdms with intervals", "stimuli", FEWEST_STIMULI, lambda n: prepare_comparison(2, 2, n), SORTED, 2, PAIRS),
    Study("bootstrap_rdms", "stimuli", FEWER_STIMULI, lambda n: prepare_bootstrap(2, 2, n), SORTED, 2, PAIRS),
    Study("permute_rdms", "stimuli", FEWER_STIMULI, lambda n: prepare_permutation(2, 2, n), SORTED, 2, PAIRS),
    Study("RDMs from activations", "features", FEATURES, prepare_features, 1, 1, "products of rows"),
    Study("compare_rdms with intervals", "subjects", SUBJECTS, lambda s: prepare_comparison(N_OPS, s, N_STIMULI), 1, 1, "one RDM per subject"),
    Study("bootstrap_rdms", "subjects", SUBJECTS, lambda s: prepare_bootstrap(N_OPS, s, N_STIMULI), 1, 1, "one RDM per subject"),
    Study("permute_rdms", "subjects", MANY_SUBJECTS, lambda s: prepare_permutation(N_OPS, s, N_STIMULI), 1, 1, "one RDM per subject"),
]  # fmt: skip
