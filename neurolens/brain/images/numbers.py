"""Numbers of images: as single precision, or refused."""

import numpy as np

from neurolens.errors import DataError, InputError


def make_single(values: np.ndarray, name: str) -> np.ndarray:
    """Return real numbers as float32, or raise InputError where some are too large."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    if (np.isinf(single) & np.isfinite(values)).any():
        raise InputError(
            f"{name} holds numbers beyond single precision, up to {np.nanmax(np.abs(values)):g}. "
            "Divide them by a constant."
        )
    return single


def check_real(dtype: np.dtype, name: str) -> None:
    """Raise DataError for numbers that are not real, such as colors."""
    if dtype.kind not in "biuf":
        raise DataError(f"{name} must hold real numbers, got {dtype}")


def tell_first_line(error: Exception) -> str:
    """Return the kind of an error, and the first line of its message."""
    line = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {line}"
