"""Correlation of columns: pure tensors."""

import torch

from neurolens.support.units import find_powers

# A column whose spread is below this share of its size is constant up to rounding.
FLAT = 1e-12
# Share of a sum of squares below which what is left after a mean is taken away has lost digits, and
# of the square of a column's size below which it may be constant.
_EXACT = 1e-3
_VARYING = 1e-16


def correlate_columns(measured: torch.Tensor, predicted: torch.Tensor) -> torch.Tensor:
    """Return Pearson's r (v,) of two (t, v); NaN where either does not vary."""
    x = _center(measured)
    y = _center(predicted)
    return ((x * y).sum(0) / torch.sqrt((x**2).sum(0) * (y**2).sum(0))).clamp(-1, 1)


def correlate_subsets(
    measured: torch.Tensor, predicted: torch.Tensor, inside: torch.Tensor
) -> torch.Tensor:
    """Return what `correlate_columns` does of each subset of the rows, (subset, v).

    ``inside`` (subset, t) says which of the t rows it has. Sums over all subsets are one product of
    matrices, so it takes a fraction of the time; where a column varies little within a subset and
    much without, that one is computed by itself.
    """
    measured = _bring_near(measured)
    predicted = _bring_near(predicted)
    x = measured - measured.mean(0)
    y = predicted - predicted.mean(0)
    weight = inside.to(x.dtype)
    n = weight.sum(1, keepdim=True)
    x_sum = weight @ x
    y_sum = weight @ y
    x_power = weight @ (x * x)
    y_power = weight @ (y * y)
    x_square = x_power - x_sum**2 / n
    y_square = y_power - y_sum**2 / n
    product = weight @ (x * y) - x_sum * y_sum / n
    r = (product / torch.sqrt(x_square * y_square)).clamp(-1, 1)
    is_exact = _are_exact(x_square, x_power, measured) & _are_exact(y_square, y_power, predicted)
    for k in (~is_exact).any(1).nonzero()[:, 0].tolist():
        rows = inside[k].nonzero()
        columns = (~is_exact[k]).nonzero()[:, 0]
        r[k, columns] = correlate_columns(measured[rows, columns], predicted[rows, columns])
    return r


def _are_exact(square: torch.Tensor, power: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Return whether sums of squares (subset, v) about the mean are exact, and surely above 0.

    ``power`` (subset, v) are those about the mean of all rows of ``columns`` (t, v).
    """
    size = columns.abs().amax(0)
    return (square > _EXACT * power) & (square > _VARYING * size**2)


def _center(columns: torch.Tensor) -> torch.Tensor:
    """Return columns near 1 minus their means, NaN for those that do not vary."""
    centered = columns - columns.mean(0)
    size = centered.abs().amax(0)
    flat = size <= FLAT * columns.abs().amax(0)
    return torch.where(flat, torch.nan, _bring_near(centered, size))


def _bring_near(columns: torch.Tensor, size: torch.Tensor | None = None) -> torch.Tensor:
    """Return columns multiplied by the powers of 2 that bring them, of this ``size``, near 1."""
    if size is None:
        size = columns.abs().amax(0)
    powers = find_powers(size.cpu().numpy())
    if powers is None:
        return columns
    return columns * torch.from_numpy(powers).to(columns)
