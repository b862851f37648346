"""Studies of passes: trace, forecast, activations, Grams and drawings."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import nn

import neurolens as nl
from scaling_studies.study import Study

N_FEATURES = 8
N_STIMULI = 16
OPS = (1_000, 2_000, 4_000, 8_000, 16_000)
# Where an op takes little time and memory, and where it takes more.
MANY_OPS = (1_000, 4_000, 8_000, 16_000, 32_000)
FEWER_OPS = (1_000, 2_000, 4_000, 8_000)
FEW_OPS = (500, 1_000, 2_000, 4_000)
FOLDED_OPS = (1_000, 4_000, 16_000, 32_000, 64_000)
STIMULI = (100, 300, 1_000, 3_000, 10_000)
# Of squares of stimuli.
FEWER_STIMULI = (100, 300, 1_000, 3_000, 6_000)
FEATURES = (1_000, 4_000, 16_000, 64_000, 256_000)
# Of a block of `Blocks`.
OPS_OF_BLOCK = 4
QUIET = {"batch_size": 16, "quiet": True}


class Chain(nn.Module):
    """Tiny ops in a row, all in one module."""

    def __init__(self, n_ops: int) -> None:
        super().__init__()
        self.n_ops = n_ops

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(self.n_ops // 2):
            x = torch.sin(x)
            x = x * 1.01
        return x


class Block(nn.Module):
    """A residual block of tiny ops, two of which are modules of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ReLU()
        self.second = nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(self.first(x) * 1.01)


class Blocks(nn.Module):
    """Blocks in a row."""

    def __init__(self, n_ops: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block() for _ in range(n_ops // OPS_OF_BLOCK)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(x)


def build_convolutions() -> nn.Module:
    """Return a network of nine ops on pictures of 32 x 32 pixels."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Flatten(),
    ).eval()  # fmt: skip


def build_wide(n_features: int) -> nn.Module:
    """Return a network of two ops that makes a number of features from eight."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(N_FEATURES, n_features), nn.ReLU()).eval()


def make_stimuli(n: int, *shape: int) -> nl.StimulusSet:
    return nl.load_stimuli(np.random.default_rng(0).standard_normal((n, *shape), dtype=np.float32))


def prepare_trace(build: Callable[[int], nn.Module]) -> Callable[[int], Callable[[], object]]:
    def prepare(n_ops: int) -> Callable[[], object]:
        model, x = build(n_ops).eval(), torch.randn(2, N_FEATURES)
        return lambda: nl.trace(model, x)

    return prepare


def prepare_graph(n_ops: int) -> Callable[[], object]:
    model, x = Blocks(n_ops).eval(), torch.randn(2, N_FEATURES)
    return lambda: nl.trace(model, x).graph


def prepare_forecast(n_ops: int) -> Callable[[], object]:
    model, stimuli = Blocks(n_ops).eval(), make_stimuli(N_STIMULI, N_FEATURES)
    return lambda: nl.forecast(model, stimuli, batch_size=QUIET["batch_size"])


def prepare_grams(n_ops: int) -> Callable[[], object]:
    model, stimuli = Blocks(n_ops).eval(), make_stimuli(N_STIMULI, N_FEATURES)
    return lambda: nl.extract_grams(model, stimuli, **QUIET)


def prepare_activations(n_ops: int) -> Callable[[], object]:
    # So many that results take more memory than the objects that hold them.
    model, stimuli = Blocks(n_ops).eval(), make_stimuli(4 * N_STIMULI, 8 * N_FEATURES)
    return lambda: nl.extract_activations(model, stimuli, **QUIET)


def prepare_drawing(
    build: Callable[[int], nn.Module], fold: str | None
) -> Callable[[int], Callable[[], object]]:
    def prepare(n_ops: int) -> Callable[[], object]:
        graph = nl.trace(build(n_ops).eval(), torch.randn(2, N_FEATURES)).graph
        # A copy, because a graph keeps its layers once they are found.
        return lambda: nl.draw_graph(replace(graph), fold=fold).render_svg()

    return prepare


def prepare_pooled(n: int) -> Callable[[], object]:
    model, stimuli = build_convolutions(), make_stimuli(n, 3, 32, 32)
    return lambda: nl.extract_activations(model, stimuli, reducer="mean", **QUIET)


def prepare_products(n: int) -> Callable[[], object]:
    model, stimuli = build_wide(64), make_stimuli(n, N_FEATURES)
    return lambda: nl.extract_grams(model, stimuli, memory="8GiB", **QUIET)


def prepare_wide(n_features: int) -> Callable[[], object]:
    model, stimuli = build_wide(n_features), make_stimuli(100, N_FEATURES)
    return lambda: nl.extract_grams(model, stimuli, **QUIET)


PASS = "one record per op"
STUDIES = [
    Study("trace, ops in one module", "ops", MANY_OPS, prepare_trace(Chain), 1, 1, PASS),
    Study("trace, ops in small modules", "ops", OPS, prepare_trace(Blocks), 1, 1, PASS),
    Study("trace with its graph", "ops", OPS, prepare_graph, 1, 1, PASS),
    Study("forecast", "ops", FEW_OPS, prepare_forecast, 1, 1, PASS),
    Study("activations, whole", "ops", FEW_OPS, prepare_activations, 1, 1, PASS),
    Study("Grams", "ops", FEWER_OPS, prepare_grams, 1, 1, "one n x n product per op"),
    Study("drawing, folded", "ops", FOLDED_OPS, prepare_drawing(Blocks, None), 1, 1, "one card per op"),
    Study("drawing, every op", "ops", OPS, prepare_drawing(Blocks, "ops"), 1, 1, "one card per op"),
    Study("drawing, one module", "ops", OPS, prepare_drawing(Chain, "ops"), 1, 1, "one card per op"),
    Study("activations, pooled", "stimuli", STIMULI, prepare_pooled, 1, 1, "one pass"),
    Study("Grams", "stimuli", FEWER_STIMULI, prepare_products, 2, 2, "n x n products"),
    Study("Grams", "features", FEATURES, prepare_wide, 1, 1, "products of rows"),
]  # fmt: skip
