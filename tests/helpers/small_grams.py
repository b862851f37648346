"""Layouts, nets and chunks so small that their Grams are divided as those of large nets are."""

from contextlib import contextmanager

import pytest
import torch
from torch import nn

from neurolens.extract.stream.grams import products
from neurolens.extract.stream.layouts.layout import Layout


def make_layout(name, n_features, dtype=torch.float32):
    return Layout(name, -1, 0, 1, True, (n_features,), ("feature",), dtype, "")


@contextmanager
def small_chunks(n_bytes):
    """Multiply few features at once, so that small nets are divided as large ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "CHUNK_BYTES", n_bytes)
        patch.setattr(products, "LEAST_FEATURES", 1)
        yield


class Widths(nn.Module):
    """Convolutions of the given widths one after the other, the first ``n_double`` in float64."""

    def __init__(self, channels, n_double=0):
        super().__init__()
        self.n_double = n_double
        sizes = [3, *channels]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, dtype=torch.float64 if i < n_double else torch.float32)
            for i, (a, b) in enumerate(zip(sizes, channels, strict=False))
        )

    def forward(self, x):
        x = x.double() if self.n_double else x
        for i, layer in enumerate(self.layers):
            x = layer(x if i < self.n_double else x.float())
        return x
