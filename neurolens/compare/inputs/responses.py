"""Brain responses to checked arrays: which stimulus each presentation showed.

Which neuroids form a region.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from neurolens import labels
from neurolens.compare.inputs.checks import warn_user
from neurolens.compare.inputs.features import check_count, check_numbers, check_real
from neurolens.errors import InputError, LabelError
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

Places = dict[tuple[int, ...], np.ndarray]


class Responses(NamedTuple):
    """``values`` (presentation, neuroid, time_bin) and what its axes mean.

    ``ids`` are the stimuli in order of appearance, ``codes`` (presentation,) the place of each in
    them. ``labels`` has those of each of region and subject that is known, ``members`` the neuroids
    of each place among them that has any; ``time`` the coordinates of time bins, or none.
    """

    values: np.ndarray
    ids: np.ndarray
    codes: np.ndarray
    neuroids: np.ndarray
    labels: dict[str, list]
    members: Places
    time: dict[str, xr.Variable]


class Targets(NamedTuple):
    """Responses to predict: ``values`` (stimulus, neuroid), float64, the mean over each stimulus' presentations.

    ``usable`` (neuroid,) is False for those that are NaN somewhere or never vary. ``n_repeats`` is
    the number of presentations behind a value, the harmonic mean where it differs. ``groups`` holds
    the (region, subject) that exist, with the places of their neuroids. ``coords`` are the labels
    along neuroid; "region" and "subject" become "neuroid_region" and "neuroid_subject", because the
    answer has dimensions of those names.
    """

    ids: np.ndarray
    values: np.ndarray
    usable: np.ndarray
    n_repeats: float
    names: np.ndarray
    regions: list
    subjects: list
    groups: Places
    coords: dict[str, Any]

    @property
    def columns(self) -> list[np.ndarray]:
        """The places of each group among the usable neuroids."""
        place = np.cumsum(self.usable) - 1
        return [place[group[self.usable[group]]] for group in self.groups.values()]


def number_labels(column: Any, name: str = "labels") -> tuple[np.ndarray, np.ndarray]:
    """Return the place of each label of ``column`` among the different ones, in order of appearance, and those.

    Raises LabelError where a label is missing: it would make one group of all that have none.
    """
    codes, known = pd.factorize(np.asarray(column).astype(object))
    if (codes < 0).any():
        raise LabelError(
            f"{name} must be known throughout, and {(codes < 0).sum()} of {len(codes)} are NaN or "
            f"None, the first in "
            f"place {int(np.argmax(codes < 0))}. Drop those, or name them."
        )
    return codes, np.asarray(known.tolist())


def read_presented(
    data: xr.DataArray | xr.Dataset, name: str
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the place of each row's stimulus among the ids, the ids in order of appearance, and the rows' dimension.

    Rows are presentations, with ``stimulus_id``, or stimuli.
    """
    if PRESENTATION in data.dims and STIMULUS_ID in data.coords:
        return *number_labels(data[STIMULUS_ID].values, f"'stimulus_id' of {name}"), PRESENTATION
    if STIMULUS not in data.dims:
        raise LabelError(
            f"{name} need the labels of stimuli, and there is no 'stimulus_id' on 'presentation' "
            f"and no dimension "
            f"'stimulus' in {data.dims}. Add them with .assign_coords(stimulus_id=('presentation', "
            f"ids))."
        )
    ids = labels.get_ids(data[STIMULUS], STIMULUS, name)
    return np.arange(len(ids)), ids, STIMULUS


def average_repeats(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the mean over the rows (q, ...) of each stimulus 0, 1, ...

    in ``codes`` (q,), float64.
    """
    from scipy.sparse import csr_array

    averaging = csr_array((1 / np.bincount(codes)[codes], (codes, np.arange(len(codes)))))
    return (averaging @ values.reshape(len(values), -1).astype(np.float64)).reshape(
        -1, *values.shape[1:]
    )


def read_responses(responses: xr.DataArray) -> Responses:
    """Return checked responses (presentation or stimulus, neuroid) or (..., neuroid, time_bin)."""
    if NEUROID not in responses.dims:
        flat = [dim for dim in responses.dims if dim not in (PRESENTATION, STIMULUS, TIME_BIN)]
        responses = responses.stack({NEUROID: flat}, create_index=False)
    timed = (TIME_BIN,) if TIME_BIN in responses.dims else ()
    responses, codes, ids, neuroids = _open_responses(responses, *timed)
    if not len(neuroids):
        raise InputError("responses hold no neuroids. Select a region that has some.")
    values = check_numbers(responses.values, ids[codes], "responses", neuroids)
    check_count(ids, "responses")
    time = {str(name): c.variable for name, c in responses.coords.items() if c.dims == (TIME_BIN,)}
    if timed:
        time.setdefault(TIME_BIN, xr.Variable(TIME_BIN, np.arange(responses.sizes[TIME_BIN])))
    known = {dim: responses[dim].values for dim in (REGION, SUBJECT) if dim in responses.coords}
    groups = _group_neuroids(known, len(neuroids))
    return Responses(values.reshape(*values.shape[:2], -1), ids, codes, neuroids, *groups, time)


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
    if not isinstance(responses, xr.DataArray):
        raise InputError(
            f"responses must be a DataArray (presentation, neuroid) or (stimulus, neuroid), got "
            f"{type(responses).__name__}. Label an array first: xr.DataArray(values, "
            f"dims=('stimulus', 'neuroid'), "
            "coords={'stimulus': ids})."
        )
    if isinstance(responses.indexes.get(NEUROID), pd.MultiIndex):
        responses = responses.reset_index(NEUROID)
    responses, codes, ids, neuroids = _open_responses(responses)
    values = responses.values
    check_real(values, "responses")
    finite = np.isfinite(values)
    dead = ids[np.unique(codes[~finite.any(axis=1)])]
    if len(dead):
        raise InputError(
            "responses must hold numbers, but every neuroid is NaN or inf for stimuli "
            f"{list_names(dead)}. Drop those "
            "presentations first."
        )
    whole = finite.all(axis=0)
    varies = whole & (values != values[:1]).any(axis=0)
    _warn_unusable(neuroids[~whole], neuroids[whole & ~varies])
    if not varies.any():
        raise InputError(
            f"responses hold no neuroid that can be predicted, of {len(varies)}. Pass some that "
            f"vary."
        )
    means = np.full((len(ids), len(varies)), np.nan)
    means[:, varies] = average_repeats(values[:, varies], codes)
    n_repeats = float(1 / np.mean(1 / np.bincount(codes)))
    known = {
        dim: responses[dim].values if dim in responses.coords else name
        for dim, name in labels.UNNAMED.items()
    }
    found, groups = _group_neuroids(known, len(varies))
    along = {
        str(name): (NEUROID, c.values)
        for name, c in responses.coords.items()
        if c.dims == (NEUROID,)
    }
    coords = {
        f"neuroid_{name}" if name in labels.UNNAMED else name: column
        for name, column in along.items()
    }
    return Targets(
        ids, means, varies, n_repeats, neuroids, found[REGION], found[SUBJECT], groups, coords
    )


def match_neuroids(array: Any, other: Any, name: str, other_name: str) -> np.ndarray:
    """Return the place in ``array`` of each neuroid of ``other``, by neuroid_id.

    And by subject where both have one.
    """
    by = [
        key for key in (labels.NEUROID_ID, SUBJECT) if key in array.coords and key in other.coords
    ]
    if labels.NEUROID_ID not in by:
        raise LabelError(
            f"{name} and {other_name} must both have 'neuroid_id' along 'neuroid' to be matched. "
            f"Add it with "
            ".assign_coords(neuroid_id=('neuroid', ids))."
        )
    columns = (
        [np.broadcast_to(x[key].values, x.sizes[NEUROID]).tolist() for key in by]
        for x in (array, other)
    )
    have, want = (list(zip(*column, strict=True)) for column in columns)
    labels.check_unique(have, f"the neuroids of {name}")
    labels.check_unique(want, f"the neuroids of {other_name}")
    place = {key: k for k, key in enumerate(have)}
    missing = [key for key in want if key not in place]
    extra = set(have) - set(want)
    if missing or extra:
        raise LabelError(
            f"{name} and {other_name} must hold the same {len(want)} neuroids. Missing from "
            f"{name}: "
            f"{list_names(missing)}; only in {name}: {list_names(extra)}. Select the common ones "
            f"on both sides."
        )
    return np.array([place[key] for key in want])


def _open_responses(
    responses: xr.DataArray, *more: str
) -> tuple[xr.DataArray, np.ndarray, np.ndarray, np.ndarray]:
    """Return ``responses`` (rows, neuroid, ...), the stimulus of each row.

    The ids of stimuli and of neuroids.
    """
    rows = PRESENTATION if PRESENTATION in responses.dims else STIMULUS
    labels.check_dims(responses, (rows, NEUROID, *more), "responses")
    codes, ids, _ = read_presented(responses, "responses")
    unnamed = np.arange(responses.sizes[NEUROID])
    neuroids = (
        responses[labels.NEUROID_ID].values if labels.NEUROID_ID in responses.coords else unnamed
    )
    return responses.transpose(rows, NEUROID, ...), codes, ids, neuroids


def _group_neuroids(columns: dict[str, Any], n_neuroids: int) -> tuple[dict[str, list], Places]:
    """Return the labels of each of ``columns`` and which neuroids are at each place among them that has any."""
    numbered = {
        dim: number_labels(np.broadcast_to(column, n_neuroids), f"{dim!r} of neuroids")
        for dim, column in columns.items()
    }
    places = np.array([codes for codes, _ in numbered.values()], dtype=int).reshape(-1, n_neuroids)
    # One row more, all alike, for neuroids without any label.
    order = np.lexsort([np.zeros(n_neuroids), *places[::-1]])
    new = (np.diff(places[:, order]) != 0).any(axis=0)
    members = {
        tuple(places[:, group[0]].tolist()): group
        for group in np.split(order, np.flatnonzero(new) + 1)
    }
    return {dim: known.tolist() for dim, (_, known) in numbered.items()}, members


def _warn_unusable(broken: np.ndarray, constant: np.ndarray) -> None:
    reasons = {"NaN or inf": broken, "no change over presentations": constant}
    found = [
        f"{what} in {len(ids)}: {list_names(ids)}" for what, ids in reasons.items() if len(ids)
    ]
    if found:
        warn_user(
            f"some neuroids cannot be predicted and get NaN ({'; '.join(found)}). Drop or repair "
            f"them.",
            depth=5,
        )
