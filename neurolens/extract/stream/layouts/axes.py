"""Axes of results as factors with names, and the names that result from them."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from neurolens.labels import STIMULUS


class Factor(NamedTuple):
    """One of the factors that make up an axis, and its size."""

    name: str
    size: int


class StimulusAxis(NamedTuple):
    """The position of the stimuli in a result, according to its values.

    ``axis`` holds ``group`` entries per stimulus, one stimulus after the other when ``major``, else
    interleaved.
    """

    axis: int
    group: int
    major: bool


Axis = tuple[Factor, ...]
Axes = tuple[Axis, ...]
"""What makes up each axis of a result, the slowest first; sizes multiply to the axis's length."""


# The name of an axis of which nothing is known.
UNKNOWN = "?"
BY_NDIM = {0: (), 1: ("feature",), 2: ("token", "feature")}
POSITIONS = frozenset(("token", "time", "frame", "y", "x", "window", "key"))
# The names that are given here; users may give others.
NAMES = POSITIONS - {"time"} | {STIMULUS, "channel", "feature", "group", UNKNOWN}


def pair_names(names: Sequence[str], shape: Sequence[int]) -> Axes:
    """Return axes of one factor each."""
    return tuple((Factor(name, size),) for name, size in zip(names, shape, strict=True))


def measure_axis(axis: Axis) -> int:
    """Return the length of an axis."""
    return math.prod(size for _, size in axis)


def measure_axes(axes: Axes) -> list[int]:
    """Return the shape of a result with these axes."""
    return [measure_axis(axis) for axis in axes]


def name_dims(axes: Axes | None, n_dims: int) -> tuple[str, ...]:
    """Return the names of a result's axes beside the stimuli's, each once; ``dim_k`` if unknown.

    A single axis holds features, unless a user gave it another name.
    """
    names: list[str] = []
    for axis in axes or ((),) * n_dims:
        rest = [factor for factor in axis if factor.name != STIMULUS]
        if rest or len(rest) == len(axis):
            name = merge_names(rest)
            names.append(f"dim_{len(names) + 1}" if name in ("", UNKNOWN) else name)
    used = {factor.name for axis in axes or () for factor in axis}
    if n_dims == 1 and used <= NAMES:
        return BY_NDIM[1]
    distinct = []
    for i, name in enumerate(names):
        n_before = names[:i].count(name)
        distinct.append(name if n_before == 0 else f"{name}_{n_before + 1}")
    return tuple(distinct)


def merge_names(factors: Iterable[Factor]) -> str:
    """Return one name for an axis of several factors."""
    factors = list(factors)
    names = {name for name, size in factors if size > 1} or {name for name, _ in factors}
    if len(names) > 1:
        names -= {"window"} if names & POSITIONS - {"window"} else {"group"}
    if len(names) > 1 and UNKNOWN in names:
        return UNKNOWN if names <= POSITIONS | {UNKNOWN} else "feature"
    if len(names) > 1:
        return "token" if names <= POSITIONS else "feature"
    return names.pop() if names else ""


def merge_factors(axis: Axis) -> Axis:
    """Return the factors of an axis, those on one side of the stimuli merged into one."""
    merged = []
    for _, factors in itertools.groupby(axis, lambda factor: factor.name == STIMULUS):
        side = tuple(factors)
        merged.append(Factor(merge_names(side), measure_axis(side)))
    return tuple(merged)
