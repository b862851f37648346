"""Numbers in very large or very small units, brought near 1 by powers of 2."""

import numpy as np

# Numbers between this root of the smallest normal number and its inverse have sums of squares whose
# products are in range.
_ROOT = 0.1
# Bits by which the largest power stays below the largest number.
_MARGIN = 24


def find_powers(sizes: np.ndarray) -> np.ndarray | None:
    """Return the powers of 2 that bring numbers of these sizes near 1, None where all are near.

    A size is the largest absolute value of what is multiplied by the power; 1 stands for one that
    is 0 or not finite. All are float64, or float32. Multiplying by a power of 2 changes no digit,
    so that whatever does not depend on units is the same, bit for bit, as of numbers near 1.
    """
    precision = np.finfo(sizes.dtype)
    smallest = float(precision.tiny) ** _ROOT
    is_near = (sizes >= smallest) & (sizes <= 1 / smallest)
    is_far = ~is_near & (sizes > 0) & np.isfinite(sizes)
    if not is_far.any():
        return None
    most = precision.maxexp - _MARGIN
    exponents = np.frexp(np.where(is_far, sizes, 1.0))[1]
    return np.ldexp(1.0, (-exponents * is_far).clip(-most, most)).astype(sizes.dtype)


def bring_near(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Return numbers multiplied by a power of 2 for all along ``axis``, as `find_powers` has it.

    NaN is left out and stays. The array itself is returned where nothing changes.
    """
    low = np.fmin.reduce(values, axis=axis, keepdims=True, initial=0.0)
    high = np.fmax.reduce(values, axis=axis, keepdims=True, initial=0.0)
    powers = find_powers(np.maximum(-low, high))
    return values if powers is None else values * powers
