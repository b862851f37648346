"""Blocks that are left out by down-dating are predicted as by a fit to the others."""

import numpy as np
import oracles
import pytest
import torch
from brains import label_features

from neurolens.compare.encoding.models.left_out import leave_out
from neurolens.compare.encoding.models.products import MAX_ERROR, BlockedFeatures
from neurolens.compare.encoding.ops.features import FeatureBlocks

ALPHAS = torch.logspace(-1, 3, 5, dtype=torch.float64)


def build_problem(rng, n=40, p=6, v=4):
    x = rng.normal(size=(n, p)) * np.logspace(0, 1, p) + 5
    return x, x @ rng.normal(size=(p, v)) + 3 * rng.normal(size=(n, v)) + 2


def measure(x, y, blocks, memory, alphas=ALPHAS):
    array = label_features(x)
    features = FeatureBlocks(array, array.stimulus.values, "features", memory)
    everything = np.arange(len(x))
    products = BlockedFeatures(features, "cpu").begin(torch.from_numpy(y), everything)
    spectrum = products.split(everything, everything[:0])
    targets = torch.from_numpy(y - y.mean(axis=0))
    rotated = spectrum.rotate(targets, slice(0, y.shape[1]))
    parts = [torch.tensor(block) for block in blocks]
    first = leave_out(spectrum, targets, rotated, alphas, parts)
    torch.testing.assert_close(leave_out(spectrum, targets, rotated, alphas, parts), first)
    assert bool(spectrum.kept_blocks) == (memory > 10_000)
    return first.numpy()


@pytest.mark.parametrize("memory", [100, 2**30])
@pytest.mark.parametrize(
    "sizes", [[10] * 4, [3, 30], [1] * 40, [5, 8]], ids=["even", "uneven", "single", "some in none"]
)
def test_a_slow_loop(rng, memory, sizes):
    x, y = build_problem(rng)
    order = rng.permutation(40)
    blocks = np.split(order[: sum(sizes)], np.cumsum(sizes)[:-1])
    blocks = [block.tolist() for block in blocks]
    expected = [oracles.left_out_error(x, y, float(alpha), blocks) for alpha in ALPHAS]
    np.testing.assert_allclose(measure(x, y, blocks, memory), expected, rtol=1e-8)


@pytest.mark.parametrize("size", [1e2, 1e5, 1e8])
def test_a_block_that_is_nearly_all_there_is(rng, size):
    """What remains of the products is rounding, which is small beside the penalties."""
    x, y = build_problem(rng)
    x[:5] *= size
    blocks = [[0, 1, 2, 3, 4], list(range(5, 20))]
    spread = float(((x - x.mean(axis=0)) ** 2).sum())
    least = np.finfo(float).eps * spread / MAX_ERROR
    alphas = torch.tensor([max(1.0, least), spread / 40], dtype=torch.float64)
    found = measure(x, y, blocks, 2**30, alphas)
    expected = [oracles.left_out_error(x, y, float(alpha), blocks) for alpha in alphas]
    # What is predicted of the block itself is as much larger as its features are.
    np.testing.assert_allclose(found, expected, rtol=20 * MAX_ERROR)
