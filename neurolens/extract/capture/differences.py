"""How far results of two batches differ, in units of what rounding may change."""

from typing import NamedTuple

import torch

# One whole number of so many may be another because of rounding.
_N_PER_FLIP = 200


def measure_difference(a: torch.Tensor, b: torch.Tensor, precision: float = 0.0) -> float:
    """Return the largest difference in units of what rounding in another batch may change.

    Up to 1 counts as equal.

    Parameters
    ----------
    a, b : Tensor
        Of one shape and dtype.
    precision : float
        The machine precision of the values that these were computed from, where it is coarser than
        that of float32.
    """
    if a.numel() == 0:
        return 0.0
    if not (a.is_floating_point() or a.is_complex()):
        return _measure_whole(a, b)
    if a.dtype.itemsize == 1:
        a = a.float()
        b = b.float()
    tiny = torch.finfo(a.dtype).tiny
    of_scale, of_value = find_tolerances(a.dtype, precision)
    if a.is_floating_point():
        # As a rule all differ by far less than is allowed, and the extremes tell; NaN and infinity
        # never pass.
        largest = _find_largest(a - b)
        scale = _find_largest(b)
        if largest <= of_scale * scale < float("inf"):
            return largest / (of_scale * scale + tiny)
    scale = float(b.abs().nan_to_num(0, 0, 0).max())
    allowed = of_value * b.abs() + of_scale * scale + tiny
    is_same = (a == b) | (a.isnan() & b.isnan())
    ratio = torch.where(is_same, torch.zeros_like(allowed), (a - b).abs() / allowed)
    return float(ratio.nan_to_num(float("inf"), float("inf")).max())


class Tolerances(NamedTuple):
    """What rounding may change, relative to the largest value and to the value itself."""

    of_scale: float
    of_value: float


def find_tolerances(dtype: torch.dtype, precision: float = 0.0) -> Tolerances:
    """Return what rounding may change in values of a dtype; ``precision`` as above."""
    eps = max(precision, torch.finfo(dtype).eps)
    return Tolerances(min(max(1e-5, 4 * eps), 0.1), min(max(1e-3, 8 * eps), 0.1))


def _measure_whole(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return 0 for equal integers or booleans; else infinity, or 1 where rounding may explain it.

    A comparison, a code or a rank may change with the last bit of what it was computed from, but
    not more than a few in a thousand do.
    """
    n_other = int((a != b).sum())
    if n_other == 0:
        return 0.0
    return 1.0 if n_other <= a.numel() // _N_PER_FLIP else float("inf")


def _find_largest(tensor: torch.Tensor) -> float:
    """Return the largest magnitude in a real tensor."""
    low, high = torch.aminmax(tensor)
    return max(abs(float(low)), abs(float(high)))
