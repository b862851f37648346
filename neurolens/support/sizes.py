"""Sizes in bytes: as users write them, and what fits into one."""

import math
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from neurolens.errors import InputError

Item = TypeVar("Item")

_UNITS = {
    "B": 1,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
}


def read_bytes(memory: str | int) -> int:
    """Return a number of bytes from ``"4GiB"``, ``"500 MB"``, ``"500000000"`` or an int."""
    if isinstance(memory, int) and not isinstance(memory, bool) and memory > 0:
        return memory
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B)?\s*", str(memory))
    unit = (match[2] or "B") if match else ""
    n_bytes = float(match[1]) * _UNITS[unit] if match and unit in _UNITS else 0.0
    if not 1 <= n_bytes < math.inf:
        raise InputError(
            f"memory must be a size such as '4GiB', '500MB' or a number of bytes, got {memory!r}"
        )
    return int(n_bytes)


def pack_items(
    items: Iterable[Item], measure: Callable[[Item], int], budget: int
) -> list[list[Item]]:
    """Split items, in order, into groups within the budget, each as full as possible.

    An item that exceeds the budget is a group by itself.
    """
    groups: list[list[Item]] = []
    free = 0
    for item in items:
        size = measure(item)
        if not groups or size > free:
            groups.append([])
            free = budget
        groups[-1].append(item)
        free -= size
    return groups
