"""Warnings that stimuli are no independent draws: slow series, runs, copies of one stimulus.

Where stimuli depend on each other on both sides, features and responses that have nothing to do
with each other predict each other in random folds, and permutations of single stimuli make p too
small. One side alone does no harm.
"""

from typing import NamedTuple

import numpy as np

from neurolens.compare.inputs.folds import Folds
from neurolens.compare.inputs.groups import join_groups
from neurolens.compare.inputs.responses import Presented, Targets
from neurolens.compare.stats.autocorrelation import (
    drift_together,
    find_copies,
    resemble_members,
    resemble_neighbours,
    resemble_pairs,
)
from neurolens.compare.stats.linalg import center_twice
from neurolens.errors import LabelError, warn_user
from neurolens.labels import STIMULUS, list_names

# Only the first stimuli and rows, and a selection of neuroids, are looked at.
MAX_STIMULI = 1000
MAX_ROWS = 3000
MAX_NEUROIDS = 500
# The share of neighbours, or members of a group, that must be torn apart for a warning.
MIN_TORN = 0.25
# Coordinates that say when a stimulus was presented, not what it shows.
RECORDED = ("run", "session", "block", "scan", "chunk", "recording", "day")

FIXES = (
    "Hold out contiguous blocks, cv=split_stimuli(responses, contiguous=True, gap=...), and "
    "permute by scheme='shift'; or hold out and permute whole groups, split_stimuli(responses, "
    "by=...)."
)


class KernelSum:
    """The sum over ops of their kernels of the first stimuli, each centered, with trace 1."""

    def __init__(self, n_stimuli: int) -> None:
        """Begin with no op."""
        self.size = min(n_stimuli, MAX_STIMULI)
        self.total = np.zeros((self.size, self.size))
        self.rounding = 0.0

    def add(self, kernel: np.ndarray, rounding: float = 0.0) -> None:
        """Add the kernel (n, n) of an op; one that is constant adds none.

        ``rounding`` is that of its products beyond that of float64.
        """
        part = kernel[: self.size, : self.size]
        centered = center_twice(part[None])[0]
        trace = float(np.trace(centered))
        if trace > 0:
            self.total += centered / trace
            own = 64 * float(np.finfo(np.float64).eps) * float(np.abs(np.diagonal(part)).max())
            self.rounding += (own + 4 * rounding) / trace

    def measure_squares(self) -> np.ndarray:
        """Return squared distances (n, n) between stimuli."""
        size = np.diagonal(self.total)
        return np.maximum(size + size[:, None] - 2 * self.total, 0.0)


class Torn(NamedTuple):
    """Which pairs of stimuli an analysis treats as independent.

    ``apart`` (n, n) is True where a fold is tested on one and trained on the other, or where a
    permutation exchanges one without the other.
    """

    apart: np.ndarray

    def share(self, first: np.ndarray, second: np.ndarray) -> float:
        """Return the share of the pairs of ``first`` and ``second`` that is torn apart."""
        return float(self.apart[first, second].mean()) if len(first) else 0.0


def tear_folds(folds: Folds, n_stimuli: int) -> Torn:
    """Return the pairs of the first ``n_stimuli`` of which ``folds`` leave one out at a time."""
    apart = np.zeros((n_stimuli, n_stimuli), dtype=bool)
    for number in folds.numbers:
        test = folds.find_test(number)
        train = folds.find_train(number)
        apart[np.ix_(test[test < n_stimuli], train[train < n_stimuli])] = True
    return Torn(apart | apart.T)


def find_exchanged(scheme: str, group: np.ndarray) -> np.ndarray | None:
    """Return the groups (n,) within which ``scheme`` permutes single stimuli, None for others."""
    if scheme == "stimuli":
        return np.zeros_like(group)
    return group if scheme == "within" else None


def warn_dependent(
    kernels: KernelSum, targets: Targets, folds: Folds, exchanged: np.ndarray | None = None
) -> None:
    """Warn where features and responses depend on the order, the run or copies of stimuli.

    ``exchanged`` (n,) are the groups within which single stimuli are permuted, if they are.
    Each of the two tests behind a warning about order or runs has a level of 1/1000, so that for
    stimuli shown in random order the warning is no more frequent than that.
    """
    size = kernels.size
    presented = targets.presented
    squares = kernels.measure_squares()
    model = -squares
    brain = -_measure_responses(targets, size)
    torn = tear_folds(folds, size)
    group = None if exchanged is None else exchanged[:size]
    _warn_order(model, brain, presented, torn, group)
    _warn_runs(model, brain, presented, torn, group)
    if group is not None:
        torn = Torn(torn.apart | (group[:, None] == group))
    warn_copies(squares, kernels.rounding, brain, presented.ids, torn)


def _measure_responses(targets: Targets, size: int) -> np.ndarray:
    """Return squared distances (n, n) of the z-scored responses to the first ``size`` stimuli."""
    values = targets.values[:size, targets.usable]
    values = values[:, :: 1 + values.shape[1] // MAX_NEUROIDS]
    values = values - values.mean(axis=0)
    spread = values.std(axis=0)
    scaled = values[:, spread > 0] / spread[spread > 0]
    products = scaled @ scaled.T
    length = np.diagonal(products)
    return length + length[:, None] - 2 * products


def _warn_order(
    model: np.ndarray,
    brain: np.ndarray,
    presented: Presented,
    torn: Torn,
    group: np.ndarray | None,
) -> None:
    """Warn where neighbors in order of presentation resemble each other on both sides."""
    sequence = presented.codes[:MAX_ROWS]
    sequence = sequence[sequence < len(model)]
    differ = sequence[:-1] != sequence[1:]
    is_leak = torn.share(sequence[:-1][differ], sequence[1:][differ]) >= MIN_TORN
    if not is_leak and group is None:
        return
    in_catalog = presented.dim == STIMULUS
    within = None if is_leak else group
    if is_series(model, brain, sequence, within, in_catalog=in_catalog):
        warn_user(
            f"features and responses are both autocorrelated in order of presentation (the rows of "
            f"the responses): stimuli resemble their neighbors more than in any of 999 random "
            f"orders. Test stimuli whose neighbors are in the training set are predicted, and p is "
            f"too small, without any relation. {FIXES} If rows are sorted by something else, bring "
            f"them into order of presentation."
        )


def is_series(
    model: np.ndarray,
    brain: np.ndarray,
    sequence: np.ndarray,
    group: np.ndarray | None = None,
    *,
    in_catalog: bool,
) -> bool:
    """Return whether neighbors in ``sequence`` (q,) resemble each other on both sides.

    With ``group`` (n,): neighbors of the same group. ``in_catalog``: the stimuli may be sorted, by
    category for example, so they must also change gradually, on one side at least: a brain that is
    measured with noise does not show it.
    """
    sides = (model, brain)
    if in_catalog:
        ordered = [side[np.ix_(sequence, sequence)] for side in sides]
        if not (drift_together(ordered) or any(drift_together([side]) for side in ordered)):
            return False
    return all(resemble_neighbours(side, sequence, group) for side in sides)


def _warn_runs(
    model: np.ndarray,
    brain: np.ndarray,
    presented: Presented,
    torn: Torn,
    group: np.ndarray | None,
) -> None:
    """Warn where stimuli of the same run resemble each other on both sides."""
    for name in RECORDED:
        run = _find_runs(presented, name)
        if run is None:
            continue
        run = run[: len(model)]
        same = run[:, None] == run
        exchanged = ~same if group is None else ~same & (group[:, None] == group)
        is_exchanged = group is not None and exchanged.sum() >= MIN_TORN * (~same).sum()
        np.fill_diagonal(same, val=False)
        if torn.share(*np.nonzero(same)) < MIN_TORN and not is_exchanged:
            continue
        if resemble_members(model, run) and resemble_members(brain, run):
            warn_user(
                f"features and responses of stimuli of the same {name!r} resemble each other, and "
                f"single stimuli of a {name} are held out or permuted, so each {name} predicts "
                f"itself without any relation. Hold out and permute whole groups, cv={name!r}, or "
                f"cv=split_stimuli(responses, by={name!r})."
            )


def _find_runs(presented: Presented, name: str) -> np.ndarray | None:
    """Return the run (n,) of each stimulus by the coordinate ``name``, None where there is none."""
    if name not in presented.columns:
        return None
    try:
        groups = join_groups(presented, name)
    except LabelError:
        return None
    enough = 1 < groups.n_groups <= len(groups.number) / 2
    return groups.number if enough else None


def list_recorded(presented: Presented) -> dict[str, np.ndarray]:
    """Return the run, session and so on (n,) of each stimulus, where all of its rows agree."""
    found = {}
    for name in RECORDED:
        if name not in presented.columns:
            continue
        column = np.asarray(presented.columns[name], dtype=object)
        first = np.empty(len(presented.ids), dtype=int)
        first[presented.codes[::-1]] = np.arange(len(column))[::-1]
        own = column[first]
        if all(label == own[code] for label, code in zip(column, presented.codes, strict=True)):
            found[name] = np.asarray(own.tolist())
    return found


def warn_copies(
    squares: np.ndarray, rounding: float, brain: np.ndarray, ids: np.ndarray, torn: Torn
) -> None:
    """Warn where stimuli that are held out or permuted singly have (nearly) the same features.

    Copies that are not exact count only if the responses to them resemble each other too.
    """
    copies = find_copies(squares, rounding)
    pairs = copies.pairs[torn.apart[copies.pairs[:, 0], copies.pairs[:, 1]]]
    if not len(pairs) or not (copies.exact or resemble_pairs(brain, pairs.T)):
        return
    names = [f"{ids[first]} and {ids[second]}" for first, second in pairs]
    kind = "the same" if copies.exact else "nearly the same"
    warn_user(
        f"{len(pairs)} pairs of stimuli have {kind} features under different ids "
        f"({list_names(names, 3)}) and are treated as independent: training and test share "
        f"stimuli, duplicates of which predict each other. Give each stimulus the label of its "
        f"group and hold out and permute whole groups, split_stimuli(responses, by=...), or give "
        f"copies one id."
    )
