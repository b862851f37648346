"""Modules along the network: runs of ops, and which of their names have room along an axis."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from neurolens.view import style
from neurolens.view.plots.canvas.panels import SMALL
from neurolens.view.plots.canvas.texts import LINE, POINTS, measure_text

# Modules that hold more than this share of all ops are divided into those within them.
LARGEST = 0.6
LONGEST = 16
# Names that differ by a number only are written as numbers where at least so many have no room.
FEWEST_NUMBERS = 3
GAP = 0.06


class Band(NamedTuple):
    """A run of ops of one module, ``first`` to ``last``."""

    name: str
    first: int
    last: int

    @property
    def middle(self) -> float:
        """Where the middle of the run is, in ops."""
        return (self.first + self.last) / 2


class Label(NamedTuple):
    """A name along an axis: where its middle is, and half the room it takes, both in ops."""

    center: float
    half: float
    text: str


class Labels(NamedTuple):
    """Names that do not touch, and what all of them begin with, which is written once."""

    labels: list[Label]
    stem: str


def name_modules(ops: Sequence[str], modules: Mapping[str, str] | None = None) -> list[str]:
    """Return the module of each op: as a graph says, or as the op is named."""
    if modules is not None:
        return [modules[name] for name in ops]
    return [name.rpartition("/")[0] for name in ops]


def find_bands(modules: Sequence[str], largest: float = LARGEST) -> list[Band]:
    """Return runs of ops of one module, in order, none with more than a share ``largest`` of ops.

    Modules are the outermost ones, without those that hold the whole network; too long runs are
    divided into runs of the modules within them, where there are any.
    """
    paths = [tuple(module.split(".")) if module else () for module in modules]
    prefixes = [path[:1] for path in paths]
    while True:
        runs = _list_runs(prefixes)
        long = [run for run in runs if len(run) > largest * len(paths)]
        deeper = [i for run in long for i in run if len(paths[i]) > len(prefixes[i])]
        if not deeper:
            return [Band(_name_band(prefixes[run[0]]), run[0], run[-1]) for run in runs]
        for i in deeper:
            prefixes[i] = paths[i][: len(prefixes[i]) + 1]


def _list_runs(prefixes: Sequence[tuple[str, ...]]) -> list[list[int]]:
    return [list(run) for _, run in groupby(range(len(prefixes)), key=prefixes.__getitem__)]


def _name_band(path: tuple[str, ...]) -> str:
    """Return the last part of a path, with the part before it if it is a number."""
    if len(path) > 1 and path[-1].isdigit():
        return f"{path[-2]}.{path[-1]}"
    return path[-1] if path else ""


def fit_labels(bands: Sequence[Band], n_ops: int, length: float, size: float = SMALL) -> Labels:
    """Return the names of bands that do not touch along ``length`` inches; long bands go first.

    Where names that differ by a number only lack room, the numbers alone are written.
    """
    names = [style.shorten_text(band.name, LONGEST) for band in bands]
    labels = _place_labels(bands, names, n_ops / length, size)
    stem = _find_stem([band.name for band in bands])
    lacking = sum(map(bool, names)) - len(labels)
    if not stem or lacking < FEWEST_NUMBERS:
        return Labels(labels, "")
    numbers = [band.name.removeprefix(stem) for band in bands]
    return Labels(_place_labels(bands, numbers, n_ops / length, size), stem)


def fit_levels(bands: Sequence[Band], n_ops: int, height: float, size: float = SMALL) -> Labels:
    """Return the names of bands that do not touch one below the other along ``height`` inches."""
    half = size * LINE / POINTS / 2 * n_ops / height
    labels: list[Label] = []
    for band in sorted(bands, key=lambda one: one.first - one.last):
        text = style.shorten_text(band.name, LONGEST)
        is_free = all(abs(band.middle - other.center) >= 2 * half for other in labels)
        if text and is_free:
            labels.append(Label(band.middle, half, text))
    return Labels(sorted(labels), "")


def _place_labels(
    bands: Sequence[Band], names: Sequence[str], ops_per_inch: float, size: float
) -> list[Label]:
    n_ops = bands[-1].last + 1
    labels: list[Label] = []
    ordered = sorted(zip(bands, names, strict=True), key=lambda one: one[0].first - one[0].last)
    for band, name in ordered:
        half = (measure_text(name, size) + GAP) / 2 * ops_per_inch
        center = max(half - 0.5, min(band.middle, n_ops - 0.5 - half))
        is_free = all(abs(center - other.center) >= half + other.half for other in labels)
        if name and is_free and 2 * half <= n_ops:
            labels.append(Label(center, half, name))
    return sorted(labels)


def _find_stem(names: Sequence[str]) -> str:
    """Return what names begin with that go on with a number, if most do; ``""`` otherwise."""
    numbered = [name for name in names if re.search(r"\d+$", name)]
    if len(numbered) < max(FEWEST_NUMBERS, 0.6 * len(names)):
        return ""
    stems = {re.sub(r"\d+$", "", name) for name in numbered}
    return stems.pop() if len(stems) == 1 else ""
