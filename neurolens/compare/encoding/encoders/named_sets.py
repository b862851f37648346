"""Training and test stimuli by name: which set each stimulus belongs to."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from neurolens.compare.inputs.checks import Seed, check_labels_known
from neurolens.compare.inputs.folds import MIN_TEST, Folds, read_folds, suggest_own_names
from neurolens.compare.inputs.responses import Presented
from neurolens.errors import InputError, LabelError
from neurolens.labels import list_names, suggest_name

TRAIN = "train"
SplitBy = str | Mapping[Any, Hashable]


class NamedSets(NamedTuple):
    """The test sets of one fit: their ``names``, and the set (stimulus,) of each stimulus.

    ``number`` is the position of a test stimulus's set among ``names``, and -1 for training.
    """

    names: list[Any]
    number: np.ndarray

    @property
    def train(self) -> np.ndarray:
        """The positions of the training stimuli."""
        return np.flatnonzero(self.number < 0)

    @property
    def test(self) -> np.ndarray:
        """The positions of all test stimuli."""
        return np.flatnonzero(self.number >= 0)

    @property
    def folds(self) -> Folds:
        """The sets as folds, all of which have the same training stimuli."""
        return Folds(self.number, fixed_train=True)


def read_sets(
    split: SplitBy, test: Hashable | Sequence[Hashable] | None, presented: Presented
) -> NamedSets:
    """Return which stimuli train, and which test set each of the others is in.

    ``split`` names the set of each presentation or stimulus, ``test`` those that do not train.

    Raises
    ------
    InputError
        A stimulus is in several sets; a test set or the training set is too small, or there is
        none.
    LabelError
        There is no coordinate ``split``, or stimuli have no set.
    UnknownNameError
        No stimulus is in a set of ``test``.
    """
    codes, labels = _list_labels(split, presented)
    known = list(dict.fromkeys(labels))
    names = _choose_sets(known, test)
    place = {name: k for k, name in enumerate(names)}
    roles = np.array([place.get(label, -1) for label in labels])
    number = np.full(len(presented.ids), -2)
    number[codes] = roles
    mixed = codes[number[codes] != roles]
    if len(mixed):
        _refuse_mixed(presented, codes, labels, mixed, split)
    sizes = np.bincount(number + 1, minlength=len(names) + 1)
    told = dict(zip(["training", *map(repr, names)], sizes.tolist(), strict=True))
    if sizes.min() < MIN_TEST:
        raise InputError(
            f"the training stimuli and every test set must be {MIN_TEST} stimuli or more, got "
            f"{', '.join(f'{name}: {size}' for name, size in told.items())}. Join small sets, or "
            "name fewer with test=; all others train.",
            anchor="folds",
        )
    return NamedSets(names, number)


def _list_labels(split: SplitBy, presented: Presented) -> tuple[np.ndarray, list[Any]]:
    """Return positions (k,) of stimuli, and the name of the set of each."""
    if isinstance(split, Mapping):
        ids = presented.ids.tolist()
        lacking = [label for label in ids if label not in split]
        if lacking:
            raise LabelError(
                f"split= must name the set of each stimulus, and lacks {list_names(lacking)}. Add "
                "them, or drop them from features and responses.",
                anchor="folds",
            )
        codes = np.arange(len(ids))
        column = np.array([split[label] for label in ids], dtype=object)
        name = "split"
    elif isinstance(split, str):
        if split not in presented.columns:
            raise LabelError(
                f"there is no coordinate {split!r} along '{presented.dim}' that names sets; there "
                f"are {list_names(presented.columns)}. Add it with "
                f".assign_coords({split}=('{presented.dim}', names)), or pass a mapping of stimuli "
                "to names.",
                anchor="folds",
            )
        codes = presented.codes
        column = presented.columns[split]
        name = f"{split!r} of {presented.dim}s"
    else:
        raise InputError(
            f"split must be the name of a coordinate or a mapping of stimuli to names of sets, got "
            f"{type(split).__name__}. Pass e.g. split='set', or split={{'image1': 'train', ...}}.",
            anchor="folds",
        )
    check_labels_known(column, name)
    return codes, column.tolist()


def _choose_sets(known: list[Any], test: Any) -> list[Any]:
    """Return the names of the test sets, of all names that are ``known``."""
    if test is None:
        if TRAIN not in known:
            raise InputError(
                f"no stimuli are named {TRAIN!r}, only {list_names(known)}. Name the test sets "
                f"with test=, e.g. test={known[-1]!r}; all others train.",
                anchor="folds",
            )
        return [name for name in known if name != TRAIN]
    is_one = isinstance(test, str) or not isinstance(test, Sequence | np.ndarray)
    wanted = [test] if is_one else list(test)
    for name in wanted:
        if name not in known:
            raise suggest_name(str(name), map(str, known), "set of stimuli")
    return list(dict.fromkeys(wanted))


def _refuse_mixed(
    presented: Presented, codes: np.ndarray, labels: list[Any], mixed: np.ndarray, split: SplitBy
) -> None:
    """Raise InputError for stimuli of training and test, or of several test sets."""
    first = mixed[0]
    shown = [labels[k] for k in np.flatnonzero(codes == first)]
    raise InputError(
        f"{len(np.unique(mixed))} stimuli are in several sets, such as "
        f"{list_names(presented.ids[[first]])} in {list_names(dict.fromkeys(shown))}: training and "
        "test, or two test sets, would hold the same ones. Leave their presentations out of all "
        f"sets but one. {suggest_own_names(str(split))}",
        anchor="folds",
    )


def read_inner(by: str | None, sets: NamedSets, presented: Presented, rng: Seed) -> Folds:
    """Return the folds of the training stimuli by which a penalty is chosen: groups ``by``.

    Without groups all are in one.
    """
    if by is None:
        return Folds(np.zeros(len(sets.train), dtype=int))
    inside = presented.select(sets.number < 0)
    return read_folds(by, inside, inside.ids.tolist(), rng)
