"""Correlation of columns: pure tensors."""

import torch

# A column whose spread is below this share of its size is constant up to rounding.
FLAT = 1e-12


def correlate_columns(measured: torch.Tensor, predicted: torch.Tensor) -> torch.Tensor:
    """Return Pearson's r (v,) of two (t, v); NaN where either does not vary."""
    x = _center(measured)
    y = _center(predicted)
    return ((x * y).sum(0) / torch.sqrt((x**2).sum(0) * (y**2).sum(0))).clamp(-1, 1)


def _center(columns: torch.Tensor) -> torch.Tensor:
    """Return columns minus their means, NaN for those that do not vary."""
    centered = columns - columns.mean(0)
    flat = centered.abs().amax(0) <= FLAT * columns.abs().amax(0)
    return torch.where(flat, torch.nan, centered)
