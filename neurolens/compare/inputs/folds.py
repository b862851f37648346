"""Folds of stimuli that are held out together: one number per stimulus, in a labelled array."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import Seed, check_kind, make_generator, rank_ids
from neurolens.compare.inputs.responses import Presented, number_labels, read_presented
from neurolens.errors import InputError, LabelError
from neurolens.labels import STIMULUS, align_stimuli, list_names

# With two held-out stimuli every correlation is 1 or -1.
MIN_TEST = 3


def split_stimuli(
    data: xr.DataArray | xr.Dataset,
    *,
    n_folds: int | None = 5,
    by: str | None = None,
    rng: Seed = 0,
) -> xr.DataArray:
    """Assign stimuli to folds, so that what belongs together is held out together.

    All presentations of a stimulus are always in one fold. With ``by`` all stimuli of a group
    (category, run, subject) are too; where a stimulus was presented in several groups, those groups
    are joined.

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
    rng : int or Generator
        Seed of the random assignment. The same stimulus ids (and groups) and the same seed give the
        same folds, whatever the order of stimuli or presentations. Not used with ``n_folds=None``.

    Returns
    -------
    DataArray (stimulus)
        Named "fold": whole numbers from 0, each with about the same number of stimuli. Pass it as
        ``cv=`` to ``fit_encoding``; set entries to -1 to keep those stimuli in training always.

    Raises
    ------
    InputError
        There are fewer stimuli, or fewer groups, than folds; a fold would hold fewer than 3
        stimuli; ``rng`` is neither a whole number from 0 nor a Generator.
    LabelError
        There are no stimulus labels, or no coordinate ``by`` along them.

    Notes
    -----
    Units are stimuli in sorted order of their ids, or groups in sorted order of their labels. They
    are shuffled, then dealt, the largest first, each to the fold that holds fewest stimuli. With
    ``n_folds=None`` folds are numbered in the order of the labels.

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
    """
    check_kind(data, "shown", "data")
    return _make_folds(read_presented(data, "folds"), n_folds, by, rng)


def _make_folds(
    presented: Presented, n_folds: int | None, by: str | None, rng: Seed
) -> xr.DataArray:
    """Return the folds of the stimuli in ``presented``, as `split_stimuli` does."""
    generator = make_generator(rng)
    if n_folds is None and by is None:
        raise InputError(
            "n_folds=None leaves one group out at a time, so it needs by=, the name of a "
            "coordinate."
        )
    unit = rank_ids(presented.ids) if by is None else _join_groups(presented, by)
    sizes = np.bincount(unit)
    what = "stimuli"
    if by is not None:
        what = f"groups of stimuli by {by!r} (groups that share a stimulus count as one)"
    wanted = len(sizes) if n_folds is None else n_folds
    is_whole = isinstance(wanted, int | np.integer) and not isinstance(wanted, bool)
    if not is_whole or not 2 <= wanted <= len(sizes):
        raise InputError(
            f"cannot make {wanted!r} folds of {len(sizes)} {what}. Pass n_folds= from 2 to that "
            f"number, or split by something else."
        )
    fold = unit if n_folds is None else _deal_units(sizes, int(n_folds), generator)[unit]
    folds = xr.DataArray(fold, dims=STIMULUS, coords={STIMULUS: presented.ids}, name="fold")
    check_folds(folds)
    return folds


def read_folds(
    cv: int | str | xr.DataArray,
    data: xr.DataArray | Presented,
    ids: Sequence[Any],
    rng: Seed,
) -> np.ndarray:
    """Return the fold (n,) of each of ``ids``.

    ``cv`` is a number of folds, the name of a coordinate of ``data``, or ready folds.
    """
    if isinstance(cv, xr.DataArray):
        check_folds(cv)
        return align_stimuli(cv, list(ids), name="cv", other="the responses").values.astype(int)
    presented = data if isinstance(data, Presented) else read_presented(data, "folds")
    if isinstance(cv, str):
        folds = _make_folds(presented, None, cv, rng)
    else:
        folds = _make_folds(presented, cv, None, rng)
    return align_stimuli(folds, list(ids), name="cv", other="the responses").values.astype(int)


def check_folds(folds: xr.DataArray) -> None:
    """Raise InputError unless folds are two or more whole numbers, each with enough stimuli."""
    if folds.dims != (STIMULUS,) or folds.dtype.kind not in "iu":
        raise InputError(
            f"folds must be whole numbers (stimulus), got {folds.dtype} {tuple(folds.dims)}. Make "
            f"them with split_stimuli(responses, n_folds=5)."
        )
    numbers, counts = np.unique(folds.values[folds.values >= 0], return_counts=True)
    small = [f"fold {k}: {c}" for k, c in zip(numbers, counts, strict=True) if c < MIN_TEST]
    if small:
        raise InputError(
            f"every fold must hold out at least {MIN_TEST} stimuli, or no correlation can be "
            f"measured in it; got {list_names(small)}. Use fewer folds."
        )
    if len(numbers) == 0 or len(folds) - counts.max() < MIN_TEST:
        raise InputError(
            f"every fold must leave at least {MIN_TEST} stimuli to train on, got folds "
            f"{numbers.tolist()} with {counts.tolist()} of {len(folds)} stimuli. Use more folds."
        )


def check_inner(fold: np.ndarray) -> None:
    """Raise InputError unless leaving out a second fold still leaves stimuli to train on."""
    counts = np.sort(np.unique(fold[fold >= 0], return_counts=True)[1])[::-1]
    if len(counts) < 2 or len(fold) - counts[:2].sum() < MIN_TEST:
        raise InputError(
            "choosing by leaving each other fold out in turn needs 3 folds or more, got "
            f"{len(counts)}. Pass more with cv=."
        )


def _join_groups(presented: Presented, by: str) -> np.ndarray:
    """Return the unit (stimulus,) of each stimulus: groups of ``by`` that share one are one unit.

    Units are numbered in the sorted order of the first label that each has.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if by not in presented.columns:
        raise LabelError(
            f"there is no coordinate {by!r} along '{presented.dim}' to split by; there are "
            f"{list_names(presented.columns)}. Add it with "
            f".assign_coords({by}=('{presented.dim}', labels))."
        )
    n_stimuli = len(presented.ids)
    groups, names = number_labels(presented.columns[by], repr(by))
    size = n_stimuli + len(names)
    ends = (presented.codes, n_stimuli + groups)
    links = csr_array((np.ones(len(groups)), ends), shape=(size, size))
    n_parts, part = connected_components(links, directed=False)
    first = np.full(n_parts, len(names))
    np.minimum.at(first, part[n_stimuli:], rank_ids(names))
    return np.unique(first[part[:n_stimuli]], return_inverse=True)[1]


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
