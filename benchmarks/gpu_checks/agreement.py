"""Values of the device against those of the CPU, in full float32 precision.

Differences are of float32 sums in another order, so they are relative to the largest value.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torchvision
import xarray as xr
from scaling_studies.comparisons import make_brain
from scaling_studies.encodings import make_problem
from scaling_studies.networks import make_stimuli
from torch import nn

import neurolens as nl
from gpu_checks.rows import Row, require_most, require_text
from gpu_checks.sizes import Sizes

# Of float32 values after many layers.
MOST_VALUES = 1e-3
# Of distances, scores and intervals made from them.
MOST_SCORES = 1e-3
# Of what is computed in float64 from the same numbers.
MOST_EXACT = 1e-6


@contextmanager
def full_precision() -> Iterator[None]:
    """Leave out TensorFloat-32, which rounds to three digits, until the block ends."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def build_model(sizes: Sizes, device: str) -> nn.Module:
    """Return the model with the same random weights on every device."""
    torch.manual_seed(0)
    return getattr(torchvision.models, sizes.model)(weights=None).eval().to(device)


def find_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference over the largest value; NaN on one side only is infinite."""
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    known = ~np.isnan(a)
    if not known.any():
        return 0.0
    scale = np.abs(a[known]).max()
    return float(np.abs(a[known] - b[known]).max() / (scale if scale > 0 else 1.0))


def check_trace(sizes: Sizes, device: str) -> list[Row]:
    """Check the names and values of every op, and validate on the device."""
    x = torch.randn(2, 3, sizes.side, sizes.side, generator=torch.Generator().manual_seed(0))
    ours = nl.trace(build_model(sizes, "cpu"), x)
    model = build_model(sizes, device)
    theirs = nl.trace(model, x.to(device))
    names = [op.op.name for op in ours], [op.op.name for op in theirs]
    worst = max(
        find_difference(a.numpy(), b.cpu().numpy())
        for one, other in zip(ours, theirs, strict=True)
        for a, b in zip(one.values, other.values, strict=True)
    )
    return [
        require_text("names of ops", "same" if names[0] == names[1] else "differ", "same"),
        require_most("trace: values of the worst op", [worst], MOST_VALUES),
        require_text("validate", nl.validate(model, x.to(device)).status, "verified"),
    ]


def check_grams(sizes: Sizes, device: str) -> list[Row]:
    """Check Grams, their RDMs, and scores of these with intervals, from the same draws."""
    stimuli = make_stimuli(sizes.few_pictures, 3, sizes.side, sizes.side)
    settings = {"batch_size": sizes.batch_size, "quiet": True}
    ours, theirs = (
        nl.extract_grams(build_model(sizes, where), stimuli, device=where, **settings)
        for where in ("cpu", device)
    )
    rdms = nl.compute_rdms(ours), nl.compute_rdms(theirs)
    brain = label_brain(make_brain(3, sizes.few_pictures), stimuli.ids)
    scores = [nl.compare_rdms(one, brain, n_bootstrap=200) for one in rdms]
    boot = [nl.compare.bootstrap_rdms(one, brain, n_bootstrap=100) for one in rdms]
    return [
        require_most("Grams of all ops", compare_ops(ours.gram, theirs.gram), MOST_VALUES),
        require_most("RDMs of all ops", compare_ops(*rdms), MOST_SCORES),
        *compare_scores("compare_rdms", scores, ("score", "mean_ci_low"), MOST_SCORES),
        *compare_scores("bootstrap_rdms", boot, ("score_mean", "mean_ci_low"), MOST_SCORES),
    ]


def label_brain(brain: xr.DataArray, ids: list[str]) -> xr.DataArray:
    """Return RDMs under the ids of the stimuli."""
    return brain.assign_coords(stimulus=list(ids), stimulus_2=list(ids))


def compare_ops(ours: xr.DataArray, theirs: xr.DataArray) -> list[float]:
    """Return the difference of the op that differs most."""
    pairs = zip(ours.values, theirs.sel(op=ours.op).values, strict=True)
    return [max(find_difference(one, other) for one, other in pairs)]


def compare_scores(
    name: str, scores: list[xr.Dataset], variables: tuple[str, ...], most: float
) -> list[Row]:
    """Return a row for each variable of the scores of the CPU and of the device."""
    ours, theirs = scores
    return [
        require_most(
            f"{name}: {variable}",
            [find_difference(ours[variable].values, theirs[variable].values)],
            most,
        )
        for variable in variables
    ]


def check_ridge(sizes: Sizes, device: str) -> list[Row]:
    """Check ridge from features and from a kernel, with intervals from the same draws."""
    rows = []
    for solver, n_features in (("features", 16), ("a kernel", 300)):
        features, responses = make_problem(100, n_features, 50)
        scores = [
            nl.fit_encoding(features, responses, n_bootstrap=200, device=where)
            for where in ("cpu", device)
        ]
        name = f"ridge from {solver}"
        rows += compare_scores(name, scores, ("score", "mean_ci_low", "mean_ci_high"), MOST_EXACT)
    return rows
