"""One op and one region: from the store in blocks, from features in memory, and by the peers."""

import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from deadlines import MESSAGE, Deadline
from machine import read_peak
from processes import Measured, fork_measured

from neurolens.compare.encoding.models.penalties import RATIOS
from neurolens.compare.encoding.models.products import BlockedFeatures
from neurolens.compare.encoding.models.ridge import fit_ridge
from neurolens.compare.encoding.models.spectrum import Sides
from neurolens.compare.encoding.ops.features import FeatureBlocks
from neurolens.compare.stats.correlation import correlate_columns
from neurolens.support.sizes import read_bytes
from store_studies.problem import Shape, make_responses, read_first

N_FOLDS = 5
# How far the held-out r of methods may be apart.
TOLERANCE = 0.005
BASE = "scikit-learn RidgeCV, loo"
SELECTED = ("gcv", "loo", "folds")
COLUMNS = (
    "| method | held-out r | s | time / that of scikit-learn | peak above imports and responses, "
    "GiB |",
    "|---|---:|---:|---:|---:|",
)


class Fitted(NamedTuple):
    """The mean held-out r, seconds of the clock, and the bytes in use before."""

    r: float
    seconds: float
    held: int


class Split(NamedTuple):
    """Training and test images, the folds of the former, the penalties, the responses."""

    train: np.ndarray
    test: np.ndarray
    blocks: list[np.ndarray]
    alphas: np.ndarray
    values: np.ndarray


def make_split(store: Path, shape: Shape) -> Split:
    """Return the problem of the first region of the first subject."""
    one = shape._replace(n_regions=1, n_subjects=1)
    values = make_responses(store, one).values.astype(np.float64)
    train = np.arange(shape.n_train)
    blocks = np.array_split(np.random.default_rng(0).permutation(train), N_FOLDS)
    # Of the order of the mean eigenvalue of features of unit variance.
    alphas = RATIOS * shape.n_features * 0.4
    return Split(train, np.arange(shape.n_train, shape.n_stimuli), blocks, alphas, values)


def open_first(store: Path, memory: str) -> FeatureBlocks:
    """Return the features of the first op, read as a fit reads them."""
    array = read_first(store)
    return FeatureBlocks(array, array["stimulus"].values, "the op", read_bytes(memory))


def fit_ours(split: Split, source: BlockedFeatures | Sides, select: str) -> np.ndarray:
    """Return predictions of the test images by the functions that `fit_test_sets` calls."""
    values = torch.from_numpy(split.values)
    spectrum = source.begin(values, split.train).split(split.train, split.test)
    targets = values[split.train]
    mean = targets.mean(0)
    targets -= mean
    blocks = [torch.from_numpy(block) for block in split.blocks]
    fit = fit_ridge(spectrum, targets, torch.from_numpy(split.alphas), select, blocks)
    return (spectrum.test @ fit.coefficients + mean).numpy()


def list_methods(
    store: Path, memory: str, himalaya: bool
) -> dict[str, Callable[[Split], np.ndarray]]:
    """Return what predicts the test images, by name."""

    def fit_store(select: str) -> Callable[[Split], np.ndarray]:
        return lambda split: fit_ours(
            split, BlockedFeatures(open_first(store, memory), "cpu"), select
        )

    def fit_memory(select: str) -> Callable[[Split], np.ndarray]:
        def fit(split: Split) -> np.ndarray:
            features = torch.from_numpy(load_first(store))
            return fit_ours(split, Sides(features, False), select)

        return fit

    methods = {f"NeuroLens from the store, {name}": fit_store(name) for name in SELECTED}
    methods |= {f"NeuroLens in memory by QR, {name}": fit_memory(name) for name in SELECTED}
    if importlib.util.find_spec("sklearn"):
        methods[BASE] = lambda split: fit_sklearn(store, split)
    if himalaya:
        methods[f"himalaya RidgeCV, {N_FOLDS} folds"] = lambda split: fit_himalaya(store, split)
    return methods


def load_first(store: Path) -> np.ndarray:
    """Return all features of the first op in memory, about their mean."""
    values = read_first(store).values.astype(np.float64)
    return values - values.mean(axis=0)


def fit_sklearn(store: Path, split: Split) -> np.ndarray:
    from sklearn.linear_model import RidgeCV

    x = load_first(store)
    model = RidgeCV(alphas=split.alphas, alpha_per_target=True)
    return model.fit(x[split.train], split.values[split.train]).predict(x[split.test])


def fit_himalaya(store: Path, split: Split) -> np.ndarray:
    from himalaya.backend import set_backend
    from himalaya.ridge import RidgeCV
    from sklearn.model_selection import PredefinedSplit

    backend = set_backend("torch")
    fold = np.empty(len(split.train), dtype=int)
    for k, block in enumerate(split.blocks):
        fold[block] = k
    settings = {"n_targets_batch": 1_000, "warn": False}
    model = RidgeCV(
        alphas=backend.asarray(split.alphas),
        cv=PredefinedSplit(fold),
        fit_intercept=True,
        solver_params=settings,
    )
    x = load_first(store)
    predicted = model.fit(x[split.train], split.values[split.train]).predict(x[split.test])
    return np.asarray(predicted)


def fit_once(store: Path, shape: Shape, fit: Callable[[Split], np.ndarray]) -> Fitted:
    """Return how well, and in which time, one method predicts the test images."""
    split = make_split(store, shape)
    held = read_peak("cpu", reset=True)
    start = time.perf_counter()
    predicted = fit(split)
    seconds = time.perf_counter() - start
    measured = torch.from_numpy(split.values[split.test])
    r = float(correlate_columns(measured, torch.from_numpy(predicted)).mean())
    return Fitted(r, seconds, held)


def compare_peers(
    store: Path, shape: Shape, memory: str, himalaya: bool, deadline: Deadline
) -> Iterator[str]:
    """Yield a row for each method, each in a process of its own.

    Raises AssertionError where methods reach another held-out r.
    """
    found: dict[str, Measured] = {}
    base = None
    methods = list_methods(store, memory, himalaya)
    # First what the others are compared with.
    for name in sorted(methods, key=lambda name: name != BASE):
        fit = methods[name]
        made = fork_measured(lambda fit=fit: fit_once(store, shape, fit), deadline.seconds)
        if made is None:
            yield f"| {name} | {MESSAGE} | | | |"
            continue
        found[name] = made
        scores = {name: made.value.r for name, made in found.items()}
        spread = max(scores.values()) - min(scores.values())
        assert spread < TOLERANCE, f"methods differ in held-out r: {scores}"
        base = made.value.seconds if name == BASE else base
        ratio = "" if base is None else f"{made.value.seconds / base:.2f}"
        above = (made.peak - made.value.held) / 2**30
        yield (
            f"| {name} | {made.value.r:.4f} | {made.value.seconds:.1f} | {ratio} | {above:.2f} |"
        )
