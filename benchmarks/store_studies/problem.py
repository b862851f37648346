"""A large fMRI set: features of ops in a store, and simulated responses that follow the first."""

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import nn

import neurolens as nl

N_INPUTS = 64
# Features that responses follow, and the deviation of noise relative to that of the signal.
N_SOURCES = 32
NOISE = 2.0
# Voxels that are simulated at once.
BLOCK = 4_000


class Shape(NamedTuple):
    """Numbers of images of each set, of features, and of voxels."""

    n_train: int
    tests: tuple[int, ...]
    n_features: int
    n_regions: int
    n_subjects: int
    voxels_of_region: int

    @property
    def n_stimuli(self) -> int:
        """All images."""
        return self.n_train + sum(self.tests)

    @property
    def n_voxels(self) -> int:
        """All voxels, of every region and subject."""
        return self.n_regions * self.n_subjects * self.voxels_of_region


FULL = Shape(5_833, (371, 371), 1_024, 4, 5, 4_000)
QUICK = Shape(300, (40, 40), 64, 2, 2, 100)


def make_store(store: Path, shape: Shape, n_ops: int) -> None:
    """Write a store with features of ``n_ops`` ops, the results of a random network."""
    torch.manual_seed(0)
    widths = [N_INPUTS] + [shape.n_features] * n_ops
    layers = [
        nn.Sequential(nn.Linear(before, after), nn.Tanh())
        for before, after in itertools.pairwise(widths)
    ]
    inputs = np.random.default_rng(0).standard_normal((shape.n_stimuli, N_INPUTS), dtype=np.float32)
    nl.extract_activations(
        nn.Sequential(*layers).eval(),
        nl.load_stimuli(inputs),
        ops="*tanh*",
        store=store,
        batch_size=64,
        quiet=True,
    )


def list_paths(features: xr.DataTree) -> list[str]:
    """Return the path of each op, in the order in which they ran."""
    nodes = [node for node in features.subtree if "activation" in node.data_vars]
    nodes.sort(key=lambda node: node["activation"].attrs["position"])
    return [node.path for node in nodes]


def read_first(store: Path) -> xr.DataArray:
    """Return the activation (stimulus, ...) of the first op, not loaded."""
    features = nl.open_activations(store)
    return features[list_paths(features)[0]]["activation"]


def make_responses(store: Path, shape: Shape) -> xr.DataArray:
    """Return responses (stimulus, neuroid), float32, to the stimuli of the store."""
    rng = np.random.default_rng(1)
    first = read_first(store)
    sources = first.values[:, :N_SOURCES]
    sources = sources / sources.std(axis=0)
    values = np.empty((shape.n_stimuli, shape.n_voxels), dtype=np.float32)
    for start in range(0, shape.n_voxels, BLOCK):
        block = values[:, start : start + BLOCK]
        weights = rng.standard_normal((N_SOURCES, block.shape[1]), dtype=np.float32)
        block[:] = sources @ weights
        noise = rng.standard_normal(block.shape, dtype=np.float32)
        block += NOISE * np.sqrt(N_SOURCES, dtype=np.float32) * noise
    region = np.arange(shape.n_voxels) // shape.voxels_of_region
    names = ["train"] * shape.n_train
    for name, size in zip(("test_a", "test_b"), shape.tests, strict=True):
        names += [name] * size
    coords = {
        "stimulus": first["stimulus"].values,
        "set": ("stimulus", names),
        "region": ("neuroid", [f"r{k % shape.n_regions}" for k in region]),
        "subject": ("neuroid", [f"p{k // shape.n_regions}" for k in region]),
    }
    return xr.DataArray(values, coords, ("stimulus", "neuroid"))
