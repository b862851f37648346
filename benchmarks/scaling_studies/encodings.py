"""Studies of ridge regression with a penalty per voxel, and of its permutation."""

from collections.abc import Callable

import numpy as np
import xarray as xr

import neurolens as nl
from scaling_studies.study import Study

STIMULI = (300, 1_000, 3_000, 10_000)
# With each permutation.
FEWER_STIMULI = (300, 1_000, 3_000, 6_000)
# Of kernels, whose decomposition is cubic.
FEW_STIMULI = (200, 400, 600, 800, 1_200)
# Fewer than stimuli, so that ridge is solved from features.
NARROW = (64, 128, 256, 512)
# More than stimuli, so that it is solved from a kernel.
WIDE = (1_000, 16_000, 64_000, 128_000, 256_000)
VOXELS = (1_000, 2_000, 4_000, 8_000, 16_000)
# With each permutation.
FEW_VOXELS = (250, 500, 1_000, 2_000, 4_000)
OPS = (4, 8, 16, 32)
SUBJECTS = (2, 4, 8, 16, 32)
N_PERMUTATIONS = 20


def make_problem(
    n: int, n_features: int, n_voxels: int, n_ops: int = 1, n_subjects: int = 1
) -> tuple[xr.DataTree, xr.DataArray]:
    """Return activations of ops, and responses of subjects that follow the first of them."""
    rng = np.random.default_rng(0)
    ids = [f"s{i}" for i in range(n)]
    arrays = {
        f"op{i}": rng.standard_normal((n, n_features), dtype=np.float32) for i in range(n_ops)
    }
    tree = xr.DataTree.from_dict(
        {
            f"/{op}": xr.Dataset(
                {"activation": (("stimulus", "feature"), values)}, coords={"stimulus": ids}
            )
            for op, values in arrays.items()
        }
    )
    sources = arrays["op0"][:, :32]
    weights = rng.standard_normal((sources.shape[1], n_voxels), dtype=np.float32)
    signal = sources @ weights
    values = signal + 8 * rng.standard_normal(signal.shape, dtype=np.float32)
    subjects = np.arange(n_voxels) * n_subjects // n_voxels
    coords = {
        "stimulus": ids,
        "subject": ("neuroid", [f"p{i}" for i in subjects]),
        "region": ("neuroid", ["V1"] * n_voxels),
    }
    return tree, xr.DataArray(values, coords, ("stimulus", "neuroid"))


def prepare_ridge(
    n: int, n_features: int, n_voxels: int, n_ops: int = 1, n_subjects: int = 1
) -> Callable[[], object]:
    features, responses = make_problem(n, n_features, n_voxels, n_ops, n_subjects)
    return lambda: nl.fit_encoding(features, responses)


def prepare_permutation(n: int, n_features: int, n_voxels: int) -> Callable[[], object]:
    features, responses = make_problem(n, n_features, n_voxels)
    return lambda: nl.compare.permute_encoding(features, responses, n_permutations=N_PERMUTATIONS)


FEATURES = "ridge from features"
KERNEL = "ridge from a kernel"
STUDIES = [
    Study(FEATURES, "ops", OPS, lambda m: prepare_ridge(300, 64, 200, m), 1, 1, "one fit per op"),
    Study(FEATURES, "stimuli", STIMULI, lambda n: prepare_ridge(n, 64, 200), 1, 1, "rows of products"),
    Study(KERNEL, "stimuli", FEW_STIMULI, lambda n: prepare_ridge(n, 3_200, 200), 3, 2, "decomposition of n x n"),
    Study("permute_encoding", "stimuli", FEWER_STIMULI, lambda n: prepare_permutation(n, 64, 200), 1, 1, "rows of products"),
    Study(FEATURES, "features", NARROW, lambda p: prepare_ridge(3_000, p, 200), 3, 1, "decomposition of p x p"),
    Study(KERNEL, "features", WIDE, lambda p: prepare_ridge(300, p, 200), 1, 1, "products of rows"),
    Study(FEATURES, "voxels", VOXELS, lambda v: prepare_ridge(300, 64, v), 1, 1, "columns of products"),
    Study(KERNEL, "voxels", VOXELS, lambda v: prepare_ridge(300, 1_000, v), 1, 1, "columns of products"),
    Study("permute_encoding", "voxels", FEW_VOXELS, lambda v: prepare_permutation(300, 64, v), 1, 1, "columns of products"),
    Study(FEATURES, "subjects", SUBJECTS, lambda s: prepare_ridge(300, 64, 200 * s, 1, s), 1, 1, "columns of products"),
]  # fmt: skip
