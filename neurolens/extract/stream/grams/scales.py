"""Powers of 2 by which rows are divided, so that float32 holds the squares of their values."""

import math

import torch

from neurolens.extract.stream.grams.bands import SINGLE_EPS

# Between these, float32 holds the squares of values and of what rounding leaves of them.
_SAFE_LOW = 1e-9
_SAFE_HIGH = 1e15
_LARGEST_EXPONENT = 100
# What a product that underflows in float32 can lose, as a length that SINGLE_EPS is relative to.
LOST = 2.0**-126 / SINGLE_EPS


def may_hold(condition: torch.Tensor) -> bool:
    """Return whether a condition holds; on a GPU True, since asking would wait for it."""
    return condition.device.type == "cuda" or bool(condition)


def is_plain(lengths: torch.Tensor, n_features: int) -> torch.Tensor:
    """Return which rows of these lengths have squares that float32 holds as they are."""
    return (lengths > _SAFE_LOW * math.sqrt(n_features)) & (lengths < _SAFE_HIGH)


def scale_rows(rows: torch.Tensor) -> torch.Tensor | None:
    """Divide rows (row, feature) by powers of 2 so that float32 holds their squares.

    Returned is the power of each row (row,), float32: 1 where float32 holds the squares as they
    are, and where some values are not finite. None where all are 1.
    """
    lengths = torch.linalg.vector_norm(rows, dim=1)  # (row,)
    if not may_hold(~is_plain(lengths, rows.shape[1]).all()):
        return None
    largest = torch.maximum(-rows.amin(1), rows.amax(1))
    is_safe = (largest > _SAFE_LOW) & (largest < _SAFE_HIGH)
    is_scaled = ~is_safe & largest.isfinite() & (largest > 0)
    exponent = torch.frexp(largest).exponent.clamp(-_LARGEST_EXPONENT, _LARGEST_EXPONENT)
    exponent = torch.where(is_scaled, exponent, 0)
    if not may_hold(is_scaled.any()):
        return None
    rows.mul_(torch.exp2(-exponent.float())[:, None])
    return torch.exp2(exponent.float())
