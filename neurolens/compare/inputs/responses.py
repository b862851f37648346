"""Brain responses, read once: what each presentation showed, which neuroids form a region.

`Responses` hold every presentation, for RDMs, Grams and reliability; `Targets` hold means over the
presentations of each stimulus, for encoding.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from neurolens import labels
from neurolens.compare.inputs.checks import check_count, check_kind, check_numbers, check_real
from neurolens.errors import InputError, LabelError, warn_user
from neurolens.labels import (
    NEUROID,
    PRESENTATION,
    REGION,
    STIMULUS,
    STIMULUS_ID,
    SUBJECT,
    TIME_BIN,
    list_names,
)

# Which neuroids have the labels at each tuple of positions, one position for each kind of label.
Places = dict[tuple[int, ...], np.ndarray]


class Presented(NamedTuple):
    """Which stimulus each row of an array showed.

    ``codes`` (row,) is the position of its stimulus among ``ids``, which stand in order of
    appearance. ``dim`` is the dimension of the rows, presentation or stimulus, and ``columns`` the
    coordinates (row,) along it.
    """

    codes: np.ndarray
    ids: np.ndarray
    dim: str
    columns: dict[str, np.ndarray]


class Responses(NamedTuple):
    """``values`` (presentation, neuroid, time_bin) and the labels of its axes.

    ``presented`` says what the presentations showed. ``labels`` holds the labels of region and of
    subject, where known, ``members`` the neuroids of each combination of these that exists,
    ``time`` the coordinates of time bins, or none.
    """

    values: np.ndarray
    presented: Presented
    neuroids: np.ndarray
    labels: dict[str, list]
    members: Places
    time: dict[str, xr.Variable]

    @property
    def ids(self) -> np.ndarray:
        """The stimuli, in order of appearance."""
        return self.presented.ids

    @property
    def codes(self) -> np.ndarray:
        """The position (presentation,) of each presentation's stimulus among ``ids``."""
        return self.presented.codes


class Targets(NamedTuple):
    """Responses to predict: ``values`` (stimulus, neuroid), float64, means over presentations.

    ``presented`` says what the presentations showed. ``usable`` (neuroid,) is False for those that
    are NaN somewhere or never vary. ``n_repeats`` is the number of presentations behind a value,
    the harmonic mean where it differs. ``groups`` holds the (region, subject) that exist, with the
    positions of their neuroids. ``coords`` are the labels along neuroid; "region" and "subject"
    become "neuroid_region" and "neuroid_subject", because the answer has dimensions of those names.
    """

    presented: Presented
    values: np.ndarray
    usable: np.ndarray
    n_repeats: float
    names: np.ndarray
    regions: list
    subjects: list
    groups: Places
    coords: dict[str, Any]

    @property
    def ids(self) -> np.ndarray:
        """The stimuli, in order of appearance: the rows of ``values``."""
        return self.presented.ids

    @property
    def columns(self) -> list[np.ndarray]:
        """The positions of each group among the usable neuroids."""
        position = np.cumsum(self.usable) - 1
        return [position[group[self.usable[group]]] for group in self.groups.values()]


def number_labels(column: Any, name: str = "labels") -> tuple[np.ndarray, np.ndarray]:
    """Return the position of each label of ``column`` among the distinct labels, and those labels.

    Distinct labels are in order of appearance. A missing label raises LabelError, because all
    entries without one would form one group.
    """
    codes, names = pd.factorize(np.asarray(column).astype(object))
    if (codes < 0).any():
        raise LabelError(
            f"{name} must be known throughout, and {(codes < 0).sum()} of {len(codes)} are NaN or "
            f"None, the first in place {int(np.argmax(codes < 0))}. Drop those, or name them."
        )
    return codes, np.asarray(names.tolist())


def read_presented(data: xr.DataArray | xr.Dataset, name: str) -> Presented:
    """Return which stimulus each row of ``data`` showed.

    Rows are presentations, with ``stimulus_id``, or stimuli.
    """
    if PRESENTATION in data.dims and STIMULUS_ID in data.coords:
        codes, ids = number_labels(data[STIMULUS_ID].values, f"'stimulus_id' of {name}")
        return Presented(codes, ids, PRESENTATION, _list_columns(data, PRESENTATION))
    if STIMULUS not in data.dims:
        raise LabelError(
            f"{name} need the labels of stimuli, and there is no 'stimulus_id' on 'presentation' "
            f"and no dimension 'stimulus' in {tuple(data.dims)}. Add them with "
            f".assign_coords(stimulus_id=('presentation', ids))."
        )
    ids = labels.get_ids(data[STIMULUS], STIMULUS, name)
    return Presented(np.arange(len(ids)), ids, STIMULUS, _list_columns(data, STIMULUS))


def _list_columns(data: xr.DataArray | xr.Dataset, dim: str) -> dict[str, np.ndarray]:
    return {str(name): c.values for name, c in data.coords.items() if c.dims == (dim,)}


def average_repeats(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the mean (n, ...), float64, over the rows (q, ...) of each of ``codes`` (q,)."""
    from scipy.sparse import csr_array

    averaging = csr_array((1 / np.bincount(codes)[codes], (codes, np.arange(len(codes)))))
    rows = values.reshape(len(values), -1).astype(np.float64)  # (q, ...) -> (q, p)
    return (averaging @ rows).reshape(-1, *values.shape[1:])


def read_responses(responses: xr.DataArray) -> Responses:
    """Return checked responses (presentation or stimulus, neuroid) or (..., neuroid, time_bin)."""
    check_kind(responses, "responses", "responses")
    if NEUROID not in responses.dims:
        flat = [dim for dim in responses.dims if dim not in (PRESENTATION, STIMULUS, TIME_BIN)]
        responses = responses.stack({NEUROID: flat}, create_index=False)
    has_time = TIME_BIN in responses.dims
    responses, presented, neuroids = _open_responses(responses, *([TIME_BIN] if has_time else []))
    if not len(neuroids):
        raise InputError("responses hold no neuroids. Select a region that has some.")
    shown = presented.ids[presented.codes]
    values = check_numbers(responses.values, shown, "responses", neuroids)
    check_count(presented.ids, "responses")
    time = {str(name): c.variable for name, c in responses.coords.items() if c.dims == (TIME_BIN,)}
    if has_time:
        time.setdefault(TIME_BIN, xr.Variable(TIME_BIN, np.arange(responses.sizes[TIME_BIN])))
    columns = {dim: responses[dim].values for dim in (REGION, SUBJECT) if dim in responses.coords}
    names, members = _group_neuroids(columns, len(neuroids))
    values = values.reshape(*values.shape[:2], -1)  # (presentation, neuroid, time_bin)
    return Responses(values, presented, neuroids, names, members, time)


def read_targets(responses: xr.DataArray) -> Targets:
    """Return checked responses (presentation, neuroid) or (stimulus, neuroid).

    Raises
    ------
    InputError
        Values are complex or not numbers; a stimulus is NaN in every neuroid; no neuroid can be
        used.
    LabelError
        Dimensions or stimulus labels are missing.

    Warns
    -----
    RuntimeWarning
        Neuroids that are NaN somewhere, infinite or constant, named; they get no score.
    """
    check_kind(responses, "responses", "responses")
    if isinstance(responses.indexes.get(NEUROID), pd.MultiIndex):
        responses = responses.reset_index(NEUROID)
    responses, presented, neuroids = _open_responses(responses)
    values = responses.values
    check_real(values, "responses")
    usable = _find_usable(values, presented, neuroids)
    means = np.full((len(presented.ids), len(neuroids)), np.nan)
    means[:, usable] = average_repeats(values[:, usable], presented.codes)
    n_repeats = float(1 / np.mean(1 / np.bincount(presented.codes)))
    columns = {
        dim: responses[dim].values if dim in responses.coords else name
        for dim, name in labels.UNNAMED.items()
    }
    names, groups = _group_neuroids(columns, len(neuroids))
    coords = {
        f"neuroid_{name}" if name in labels.UNNAMED else name: (NEUROID, column)
        for name, column in _list_columns(responses, NEUROID).items()
    }
    return Targets(
        presented=presented,
        values=means,
        usable=usable,
        n_repeats=n_repeats,
        names=neuroids,
        regions=names[REGION],
        subjects=names[SUBJECT],
        groups=groups,
        coords=coords,
    )


def _find_usable(values: np.ndarray, presented: Presented, neuroids: np.ndarray) -> np.ndarray:
    """Return which neuroids (neuroid,) can be predicted, of ``values`` (presentation, neuroid)."""
    finite = np.isfinite(values)
    dead = presented.ids[np.unique(presented.codes[~finite.any(axis=1)])]
    if len(dead):
        raise InputError(
            "responses must hold numbers, but every neuroid is NaN or inf for stimuli "
            f"{list_names(dead)}. Drop those presentations first."
        )
    whole = finite.all(axis=0)
    usable = whole & (values != values[:1]).any(axis=0)
    _warn_unusable(neuroids[~whole], neuroids[whole & ~usable])
    if not usable.any():
        raise InputError(
            f"responses hold no neuroid that can be predicted, of {len(usable)}. Pass some that "
            f"vary."
        )
    return usable


def match_neuroids(array: Any, other: Any, name: str, other_name: str) -> np.ndarray:
    """Return the position in ``array`` of each neuroid of ``other``, by neuroid_id.

    Neuroids are matched by subject too where both sides have one.
    """
    keys = [
        key for key in (labels.NEUROID_ID, SUBJECT) if key in array.coords and key in other.coords
    ]
    if labels.NEUROID_ID not in keys:
        raise LabelError(
            f"{name} and {other_name} must both have 'neuroid_id' along 'neuroid' to be matched. "
            f"Add it with .assign_coords(neuroid_id=('neuroid', ids))."
        )
    present = _list_neuroids(array, keys)
    wanted = _list_neuroids(other, keys)
    labels.check_unique(present, f"the neuroids of {name}")
    labels.check_unique(wanted, f"the neuroids of {other_name}")
    position = {key: k for k, key in enumerate(present)}
    missing = [key for key in wanted if key not in position]
    extra = set(present) - set(wanted)
    if missing or extra:
        raise LabelError(
            f"{name} and {other_name} must hold the same {len(wanted)} neuroids. Missing from "
            f"{name}: {list_names(missing)}; only in {name}: {list_names(extra)}. Select the "
            f"common ones on both sides."
        )
    return np.array([position[key] for key in wanted])


def _list_neuroids(array: Any, keys: list[str]) -> list[tuple]:
    """Return the labels of each neuroid under all of ``keys``."""
    n_neuroids = array.sizes[NEUROID]
    columns = [np.broadcast_to(array[key].values, n_neuroids).tolist() for key in keys]
    return list(zip(*columns, strict=True))


def _open_responses(
    responses: xr.DataArray, *more: str
) -> tuple[xr.DataArray, Presented, np.ndarray]:
    """Return ``responses`` (rows, neuroid, ...), what the rows showed and the ids of neuroids."""
    rows = PRESENTATION if PRESENTATION in responses.dims else STIMULUS
    labels.check_dims(responses, (rows, NEUROID, *more), "responses")
    presented = read_presented(responses, "responses")
    unnamed = np.arange(responses.sizes[NEUROID])
    neuroids = (
        responses[labels.NEUROID_ID].values if labels.NEUROID_ID in responses.coords else unnamed
    )
    return responses.transpose(rows, NEUROID, ...), presented, neuroids


def _group_neuroids(columns: dict[str, Any], n_neuroids: int) -> tuple[dict[str, list], Places]:
    """Return the labels of each of ``columns``, and the neuroids of each combination that exists.

    A combination is a tuple of positions among those labels.
    """
    numbered = {
        dim: number_labels(np.broadcast_to(column, n_neuroids), f"{dim!r} of neuroids")
        for dim, column in columns.items()
    }
    names = {dim: different.tolist() for dim, (_, different) in numbered.items()}
    places = np.array([codes for codes, _ in numbered.values()], dtype=int)
    places = places.reshape(-1, n_neuroids)  # (label, neuroid), also without any label
    # One more row, all 0, for neuroids without any label.
    order = np.lexsort([np.zeros(n_neuroids), *places[::-1]])
    is_new = (np.diff(places[:, order]) != 0).any(axis=0)
    groups = np.split(order, np.flatnonzero(is_new) + 1)
    return names, {tuple(places[:, group[0]].tolist()): group for group in groups}


def _warn_unusable(broken: np.ndarray, constant: np.ndarray) -> None:
    """Warn once, naming the neuroids that cannot be predicted."""
    reasons = {"NaN or inf": broken, "no change over presentations": constant}
    sentences = [
        f"{reason} in {len(ids)}: {list_names(ids)}" for reason, ids in reasons.items() if len(ids)
    ]
    if sentences:
        warn_user(
            f"some neuroids cannot be predicted and get NaN ({'; '.join(sentences)}). Drop or "
            f"repair them."
        )
