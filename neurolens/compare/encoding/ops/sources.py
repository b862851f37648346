"""What each op predicts from, on a device: features in blocks, features in memory, or a kernel."""

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from neurolens.compare.encoding.cross_validation import Source
from neurolens.compare.encoding.models.penalties import Settings
from neurolens.compare.encoding.models.products import BlockedFeatures, is_exact
from neurolens.compare.encoding.models.spectrum import Sides
from neurolens.compare.encoding.ops.features import FeatureBlocks
from neurolens.compare.inputs.features import Activations, Features, Predictors
from neurolens.compare.stats.linalg import compute_gram
from neurolens.errors import InputError

# Numbers of a block of features that are multiplied at once, and the fewest columns of it.
BLOCK_NUMBERS = 2**22
LEAST_COLUMNS = 64


class Op(NamedTuple):
    """The features of an op, or their kernel, and how to solve it; see `iterate_ops`."""

    data: FeatureBlocks | Predictors
    n_train: int
    settings: Settings
    device: str | torch.device

    @property
    def n_blocks(self) -> int:
        """The number of blocks that the features are read in."""
        return self.data.n_blocks if isinstance(self.data, FeatureBlocks) else 1

    @property
    def rounding(self) -> float:
        """The largest eigenvalue that a kernel of float32 products can have by rounding, or 0."""
        return self.data.rounding if isinstance(self.data, Predictors) else 0.0

    def hash_values(self) -> str:
        """Return a hash of the features or the kernel."""
        if isinstance(self.data, FeatureBlocks):
            return self.data.hash_values()
        digest = hashlib.sha256(self.data.values.tobytes())
        digest.update(repr(self.rounding).encode())
        return digest.hexdigest()

    def open(self) -> Source:
        """Return what the op predicts from, on the device, read in blocks wherever that serves."""
        data = self.data
        alphas = self.settings.alphas
        if self.settings.method != "ridge":
            return self.open_sides(f"method={self.settings.method!r}")
        if (
            isinstance(data, FeatureBlocks)
            and data.n_features < self.n_train
            and (alphas is None or is_exact(data.spread, float(alphas[0])))
        ):
            return BlockedFeatures(data, self.device)
        return self.open_sides("the smallest of alphas")

    def open_sides(self, need: str) -> Sides:
        """Return the kernel, made from blocks, or features that are fewer than stimuli in memory.

        Raises InputError where such features, of which there is a ``need``, take more than the
        budget.
        """
        data = self.data
        if isinstance(data, Predictors):
            given = torch.from_numpy(data.values).to(self.device)
            return Sides(given, data.is_kernel, data.rounding)
        if data.n_features >= self.n_train:
            kernel = data.compute_kernel(partial(multiply_rows, device=torch.device(self.device)))
            return Sides(torch.from_numpy(kernel).to(self.device), True)
        needed = 8 * data.n_stimuli * data.n_features
        if needed > data.memory:
            raise InputError(
                f"{data.name} has {data.n_features:,} features of {data.n_stimuli:,} stimuli, "
                f"which {need} needs in memory together: {needed:,} bytes, more than memory= "
                f"allows, {data.memory:,}. Pass memory={needed} or more, or extract fewer "
                "features, e.g. with reducer='mean'."
            )
        values = data.take(np.arange(data.n_stimuli))
        return Sides(torch.from_numpy(values).to(self.device), False)


def iterate_ops(
    features: Features,
    ids: np.ndarray,
    n_train: int,
    settings: Settings,
    device: str | torch.device,
    memory: int,
) -> Iterator[Op]:
    """Yield the ops, stimuli in the order of ``ids``, one op in memory at a time.

    ``n_train`` is the size of the smallest training set: ops with no fewer features are solved from
    their kernel. Others are read in blocks, unless ``settings`` need single stimuli or have a
    penalty that products of features are not exact enough for. ``memory`` is the budget in bytes.
    """
    if not isinstance(features, Activations):
        for predictors in features.iterate_predictors(ids, n_train):
            yield Op(predictors, n_train, settings, device)
        return
    for array, name in zip(features.arrays, features.names, strict=True):
        yield Op(FeatureBlocks(array, ids, name, memory), n_train, settings, device)


def multiply_rows(
    first: np.ndarray, second: np.ndarray, mean: np.ndarray, device: torch.device
) -> np.ndarray:
    """Return the products (a, b), float64, of rows (a, p) and (b, p) about a ``mean`` (p,).

    Columns are multiplied a block at a time, so that of neither side a copy is made.
    """
    if first is second and device.type == "cpu":
        return compute_gram(first, mean[None])[0]
    products = torch.zeros((len(first), len(second)), dtype=torch.float64, device=device)
    width = max(LEAST_COLUMNS, BLOCK_NUMBERS // (len(first) + len(second)))
    for start in range(0, len(mean), width):
        columns = slice(start, start + width)
        left = _shift_columns(first, mean, columns).to(device)
        right = left if first is second else _shift_columns(second, mean, columns).to(device)
        products.addmm_(left, right.T)
    return products.cpu().numpy()


def _shift_columns(values: np.ndarray, mean: np.ndarray, columns: slice) -> torch.Tensor:
    """Return ``columns`` of ``values`` (n, p) about their ``mean`` (p,)."""
    moved = np.subtract(values[:, columns], mean[columns], dtype=np.float64)
    return torch.from_numpy(moved)
