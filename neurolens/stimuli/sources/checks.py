"""Checks of settings of stimuli."""

from typing import Any

import numpy as np

from neurolens.errors import InputError


def check_seconds(name: str, value: Any, *, is_positive: bool) -> None:
    """Raise InputError for something else than a finite number, 0 or more."""
    is_number = isinstance(value, (int, float, np.integer, np.floating))
    is_number = is_number and not isinstance(value, bool) and bool(np.isfinite(value))
    if not is_number or value < 0 or (is_positive and value == 0):
        least = "more than 0" if is_positive else "0 or more"
        raise InputError(f"{name} must be a number, {least}, got {value!r}. Type e.g. {name}=1.5.")


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Raise InputError for something else than a whole number that is large enough."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or value < least:
        raise InputError(
            f"{name} must be a whole number, at least {least}, got {value!r}. Type e.g. "
            f"{name}={max(4, least)}."
        )
