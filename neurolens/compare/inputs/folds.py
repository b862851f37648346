"""Folds of stimuli that are held out together: one number per stimulus, in a labelled array."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import Seed, check_kind, check_whole, make_generator, rank_ids
from neurolens.compare.inputs.groups import Groups, join_groups
from neurolens.compare.inputs.responses import Presented, read_presented
from neurolens.errors import InputError
from neurolens.labels import STIMULUS, align_labels, list_names

# With two held-out stimuli every correlation is 1 or -1.
MIN_TEST = 3
# Coordinates of folds: the group of each stimulus, its place in order of presentation, and how many
# places around a test block are in no training set.
GROUP = "group"
POSITION = "position"
GAP = "gap"


@dataclass(frozen=True)
class Folds:
    """Which stimuli each fold holds out, and which it is trained on.

    ``number`` (n,) is the fold that holds a stimulus out, below 0 for those that none does.
    ``position`` (n,) is its place in order of presentation, where folds have a ``gap``: stimuli of
    other folds that are no more than that many places from one of a fold are in neither its
    training nor its test set. ``unit`` (n,) numbers what belongs together, groups or blocks of a
    series (then ``in_blocks``); it is None for single stimuli. With ``fixed_train`` folds are test
    sets of one fit, which stimuli that no fold holds out train.
    """

    number: np.ndarray
    unit: np.ndarray | None = None
    position: np.ndarray | None = None
    gap: int = 0
    in_blocks: bool = False
    fixed_train: bool = False

    def __len__(self) -> int:
        """Return how many stimuli there are."""
        return len(self.number)

    @property
    def numbers(self) -> np.ndarray:
        """The folds that hold out stimuli."""
        return np.unique(self.number[self.number >= 0])

    def find_test(self, fold: int) -> np.ndarray:
        """Return the positions of the stimuli that ``fold`` holds out."""
        return np.flatnonzero(self.number == fold)

    def find_train(self, fold: int) -> np.ndarray:
        """Return the positions of the stimuli that ``fold`` is trained on."""
        if self.fixed_train:
            return np.flatnonzero(self.number < 0)
        is_train = self.number != fold
        if self.gap and self.position is not None:
            test = np.sort(self.position[~is_train])
            after = np.searchsorted(test, self.position)
            above = test[np.minimum(after, len(test) - 1)]
            below = test[np.maximum(after - 1, 0)]
            distance = np.minimum(abs(above - self.position), abs(below - self.position))
            is_train &= distance > self.gap
        return np.flatnonzero(is_train)

    def select(self, rows: np.ndarray) -> "Folds":
        """Return the folds of the stimuli at ``rows``."""
        unit = None if self.unit is None else self.unit[rows]
        position = None if self.position is None else self.position[rows]
        return Folds(self.number[rows], unit, position, self.gap, self.in_blocks, self.fixed_train)


def split_stimuli(
    data: xr.DataArray | xr.Dataset,
    *,
    n_folds: int | None = 5,
    by: str | None = None,
    contiguous: bool = False,
    gap: int = 0,
    rng: Seed = 0,
) -> xr.DataArray:
    """Assign stimuli to folds, so that what belongs together is held out together.

    All presentations of a stimulus are always in one fold. With ``by`` all stimuli of a group
    (category, run, session, views of one picture) are too; where a stimulus was presented in
    several groups, those groups are joined. Stimuli of a series in which neighbors resemble each
    other (frames, words of a story, slow drifts of the recording) are no independent draws: in
    random folds, neighbors of every test stimulus are in the training set, and series without any
    relation predict each other. ``contiguous`` folds with a ``gap`` keep them apart.

    Parameters
    ----------
    data : DataArray or Dataset (stimulus, ...) or (presentation, ...)
        Responses, or anything else with labels along ``stimulus``, or ``stimulus_id`` along
        ``presentation``.
    n_folds : int or None
        Number of folds, 2 or more; None for one fold per group, each left out in turn (needs
        ``by``).
    by : str, optional
        A coordinate along ``stimulus`` or ``presentation``, such as "category", "run" or "subject".
    contiguous : bool
        Make each fold one block of consecutive stimuli, or groups, in the order of the rows of
        ``data``, which should be the order of presentation.
    gap : int
        With ``contiguous``: how many stimuli on each side of a test block are in no training set of
        that fold. Choose as many as it takes for the autocorrelation to vanish, such as the length
        of the hemodynamic response in stimuli.
    rng : int or Generator
        Seed of the random assignment. The same stimulus ids (and groups) and the same seed give the
        same folds, whatever the order of stimuli or presentations. Not used with ``n_folds=None``
        or ``contiguous``.

    Returns
    -------
    DataArray (stimulus)
        Named "fold": whole numbers from 0, each with about the same number of stimuli. Pass it as
        ``cv=`` to ``fit_encoding``; set entries to -1 to keep those stimuli in training always.
        With ``by`` the coordinate ``group`` (stimulus) numbers the groups: ``permute_encoding``
        permutes them, and ``fit_encoding`` halves the stimuli for its intervals, by whole groups.
        With
        ``contiguous`` the coordinates ``position`` (stimulus) and ``gap`` say which stimuli a fold
        is not trained on, permutations are circular shifts, and halves are made of blocks.

    Raises
    ------
    InputError
        There are fewer stimuli, or fewer groups, than folds; a fold would hold fewer than 3
        stimuli, or leave fewer than 3 outside its gap; all groups share stimuli, as where every run
        holds the same ones, so that nothing can be left out; ``contiguous`` where stimuli were
        repeated in different orders; ``gap`` without ``contiguous``; ``rng`` is neither a whole
        number from 0 nor a Generator.
    LabelError
        There are no stimulus labels, or no coordinate ``by`` along them, or it is NaN or None for
        some of them.

    Notes
    -----
    Units are stimuli in sorted order of their ids, or groups in sorted order of their labels. They
    are shuffled, then dealt, the largest first, each to the fold that holds fewest stimuli. With
    ``n_folds=None`` folds are numbered in the order of the labels. Contiguous folds are numbered in
    the order of the rows. Burman, Chow & Nolan (1994) Biometrika 81:351, on gaps (h-block
    cross-validation).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> ids = ["cat", "dog", "cow", "cup", "pen", "key"]
    >>> responses = xr.DataArray(np.zeros((6, 2)), dims=("stimulus", "neuroid"),
    ...     coords={"stimulus": ids, "category": ("stimulus", ["animal"] * 3 + ["object"] * 3)})
    >>> split_stimuli(responses, by="category", n_folds=None).values.tolist()
    [0, 0, 0, 1, 1, 1]
    >>> np.bincount(split_stimuli(responses, n_folds=2)).tolist()
    [3, 3]
    >>> split_stimuli(responses, n_folds=2, contiguous=True).values.tolist()
    [0, 0, 0, 1, 1, 1]
    """
    check_kind(data, "shown", "data")
    check_whole(gap, "gap", 0, 10)
    if gap and not contiguous:
        raise InputError(
            f"gap={gap} leaves out neighbors in order of presentation, so it needs contiguous "
            f"folds. Pass contiguous=True."
        )
    presented = read_presented(data, "folds")
    if not contiguous:
        return _make_folds(presented, n_folds, by, rng)
    return _cut_folds(presented, n_folds, by, int(gap))


def _make_folds(
    presented: Presented, n_folds: int | None, by: str | None, rng: Seed
) -> xr.DataArray:
    """Return the folds of the stimuli in ``presented``, at random unless each group is a fold."""
    generator = make_generator(rng)
    unit = _find_units(presented, n_folds, by)
    sizes = np.bincount(unit)
    number = unit if n_folds is None else _deal_units(sizes, int(n_folds), generator)[unit]
    coords: dict[str, Any] = {STIMULUS: presented.ids}
    if by is not None:
        coords[GROUP] = (STIMULUS, unit)
    folds = xr.DataArray(number, dims=STIMULUS, coords=coords, name="fold")
    check_folds(folds)
    return folds


def _cut_folds(presented: Presented, n_folds: int | None, by: str | None, gap: int) -> xr.DataArray:
    """Return folds of consecutive stimuli, or groups, in order of presentation."""
    _check_passes(presented)
    unit = _find_units(presented, n_folds, by, in_order=True)
    appeared = np.unique(unit, return_index=True)[1]
    place = np.argsort(np.argsort(appeared))  # of each unit, in order of appearance
    n_units = len(place)
    number = unit if n_folds is None else (place * int(n_folds) // n_units)[unit]
    coords: dict[str, Any] = {
        STIMULUS: presented.ids,
        POSITION: (STIMULUS, np.arange(len(unit))),
        GAP: gap,
    }
    if by is not None:
        coords[GROUP] = (STIMULUS, unit)
    folds = xr.DataArray(number, dims=STIMULUS, coords=coords, name="fold")
    check_folds(folds)
    return folds


def _check_passes(presented: Presented) -> None:
    """Raise InputError where stimuli were repeated in different orders, or some alone."""
    n_passes = int(np.bincount(presented.codes).max())
    steps = np.diff(presented.codes)
    if ((steps < 0) | (steps > 1)).sum() >= n_passes:
        raise InputError(
            "contiguous folds need stimuli in one order of presentation, and these were repeated "
            "in different orders, so neighbors differ between repetitions. Leave contiguous= out.",
            anchor="folds",
        )


def _find_units(
    presented: Presented,
    n_folds: int | None,
    by: str | None,
    *,
    in_order: bool = False,
) -> np.ndarray:
    """Return the number (stimulus,) of the stimulus, or group, that goes into a fold as a whole.

    Stimuli are numbered ``in_order`` of appearance, or of their ids.
    """
    if n_folds is None and by is None:
        raise InputError(
            "n_folds=None leaves one group out at a time, so it needs by=, the name of a "
            "coordinate.",
            anchor="folds",
        )
    what = "stimuli"
    if by is None:
        unit = np.arange(len(presented.ids)) if in_order else rank_ids(presented.ids)
    else:
        what = f"groups of stimuli by {by!r} (groups that share a stimulus count as one)"
        groups = join_groups(presented, by)
        _refuse_shared(groups, by)
        unit = groups.number
    n_units = int(unit.max()) + 1
    wanted = n_units if n_folds is None else n_folds
    is_whole = isinstance(wanted, int | np.integer) and not isinstance(wanted, bool)
    if not is_whole or not 2 <= wanted <= n_units:
        raise InputError(
            f"cannot make {wanted!r} folds of {n_units} {what}. Pass n_folds= from 2 to that "
            f"number, or split by something else.",
            anchor="folds",
        )
    return unit


def _refuse_shared(groups: Groups, by: str) -> None:
    """Raise InputError where no group can be left out, because all are linked by shared stimuli."""
    if groups.n_groups > 1:
        return
    if groups.n_labels == 1:
        raise InputError(
            f"nothing can be left out by {by!r}: all stimuli have the same label. Pass another "
            f"coordinate, or a number of folds over stimuli, such as cv=5.",
            anchor="folds",
        )
    raise InputError(
        f"leaving out one {by!r} at a time (cv={by!r} or by={by!r}) leaves out no stimulus: its "
        f"{groups.n_labels} groups share stimuli, so training and test would hold the same ones. "
        f"Pass cv=5 to hold out stimuli with all their presentations. {suggest_own_names(by)}",
        anchor="folds",
    )


def suggest_own_names(by: str) -> str:
    """Return how to predict presentations, in groups ``by``, of stimuli that training has seen."""
    return (
        f"To predict presentations of "
        f"stimuli that training has seen, name each presentation on both sides, own = "
        f"[f'{{s}}, {{g}}' for s, g in zip(responses.stimulus_id.values, "
        f"responses[{by!r}].values)]: features.sel(stimulus=responses.stimulus_id.values)"
        f".assign_coords(stimulus=own), responses.assign_coords(stimulus_id=('presentation', own))."
    )


def read_folds(
    cv: int | str | xr.DataArray,
    data: xr.DataArray | Presented,
    ids: Sequence[Any],
    rng: Seed,
) -> Folds:
    """Return the folds of ``ids``.

    ``cv`` is a number of folds, the name of a coordinate of ``data``, or ready folds.
    """
    if isinstance(cv, xr.DataArray):
        check_folds(cv)
        return _open_folds(cv, ids)
    presented = data if isinstance(data, Presented) else read_presented(data, "folds")
    if isinstance(cv, str):
        return _open_folds(_make_folds(presented, None, cv, rng), ids)
    return _open_folds(_make_folds(presented, cv, None, rng), ids)


def _open_folds(folds: xr.DataArray, ids: Sequence[Any]) -> Folds:
    """Return ``folds`` in the order of ``ids``."""
    folds = align_labels(folds, list(ids), name="cv", other="the responses")
    return _read_coords(folds)


def _read_coords(folds: xr.DataArray) -> Folds:
    """Return labelled ``folds`` with what their coordinates say."""
    number = folds.values.astype(int)
    unit = folds[GROUP].values if GROUP in folds.coords else None
    if POSITION not in folds.coords:
        return Folds(number, unit)
    position = folds[POSITION].values.astype(int)
    gap = int(folds[GAP].item()) if GAP in folds.coords else 0
    if unit is not None:
        return Folds(number, unit, position, gap)
    return Folds(number, _cut_blocks(number, position, gap), position, gap, in_blocks=True)


def _cut_blocks(number: np.ndarray, position: np.ndarray, gap: int) -> np.ndarray:
    """Return the block (n,) of each stimulus: an even number of blocks per fold, 2 or more.

    Blocks are as long as the gap, or more.
    """
    block = np.empty(len(number), dtype=int)
    n_blocks = 0
    for fold in np.unique(number):
        inside = np.flatnonzero(number == fold)
        count = 2 * max(1, len(inside) // (2 * max(gap, MIN_TEST)))
        if gap == 0:
            count = 2
        place = np.argsort(np.argsort(position[inside]))
        block[inside] = n_blocks + place * count // len(inside)
        n_blocks += count
    return block


def check_folds(folds: xr.DataArray) -> None:
    """Raise InputError unless folds are two or more whole numbers, each with enough stimuli."""
    if folds.dims != (STIMULUS,) or folds.dtype.kind not in "iu":
        raise InputError(
            f"folds must be whole numbers (stimulus), got {folds.dtype} {tuple(folds.dims)}. Make "
            f"them with split_stimuli(responses, n_folds=5).",
            anchor="folds",
        )
    numbers, counts = np.unique(folds.values[folds.values >= 0], return_counts=True)
    small = [f"fold {k}: {c}" for k, c in zip(numbers, counts, strict=True) if c < MIN_TEST]
    if small:
        raise InputError(
            f"every fold must hold out at least {MIN_TEST} stimuli, or no correlation can be "
            f"measured in it; got {list_names(small)}. Use fewer folds, e.g. cv=3.",
            anchor="folds",
        )
    read = _read_coords(folds)
    trained = [len(read.find_train(k)) for k in numbers]
    if not trained or min(trained) < MIN_TEST:
        around = f" and leave out {read.gap} on each side" if read.gap else ""
        raise InputError(
            f"every fold must leave at least {MIN_TEST} stimuli to train on, got folds "
            f"{numbers.tolist()} with {counts.tolist()} of {len(folds)} stimuli{around}. Use more "
            f"folds{' or a smaller gap' if read.gap else ''}.",
            anchor="folds",
        )


def check_inner(folds: Folds) -> None:
    """Raise InputError unless leaving out a second fold still leaves stimuli to train on."""
    numbers = folds.numbers
    smallest = 0
    if len(numbers) > 1:
        trained = [folds.number[folds.find_train(k)] for k in numbers]
        smallest = min(
            (len(inside) - np.unique(inside[inside >= 0], return_counts=True)[1].max(initial=0))
            for inside in trained
        )
    if smallest < MIN_TEST:
        raise InputError(
            "choosing by leaving each other fold out in turn needs 3 folds or more, got "
            f"{len(numbers)}. Pass more with cv=.",
            anchor="folds",
        )


def _deal_units(sizes: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Return the fold of each unit: shuffled, the largest first to the fold that holds fewest."""
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold = np.empty(len(sizes), dtype=int)
    filled = np.zeros(n_folds, dtype=int)
    for unit in order:
        fold[unit] = filled.argmin()
        filled[fold[unit]] += sizes[unit]
    return fold
