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
from neurolens.compare.inputs.dimensions import check_response_dims, refuse_brain
from neurolens.compare.inputs.regions import Places, group_neuroids, number_labels
from neurolens.compare.inputs.repeats import (
    NEUROID_REPEATS,
    Averages,
    average_counts,
    average_neuroids,
    count_repeats,
    summarize_counts,
)
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

    def find_rows(self, chosen: np.ndarray) -> np.ndarray:
        """Return the rows (row,) that showed one of the ``chosen`` (stimulus,) stimuli."""
        return np.flatnonzero(chosen[self.codes])

    def select(self, chosen: np.ndarray) -> "Presented":
        """Return the rows of ``chosen`` (stimulus,) stimuli alone, in the same order."""
        rows = self.find_rows(chosen)
        place = np.cumsum(chosen) - 1
        columns = {name: column[rows] for name, column in self.columns.items()}
        return Presented(place[self.codes[rows]], self.ids[chosen], self.dim, columns)


class Responses(NamedTuple):
    """``values`` (presentation, neuroid, time_bin), NaN where not recorded, and their labels.

    ``presented`` says what the presentations showed. ``labels`` holds the labels of region and of
    subject, where known, ``members`` the neuroids of each combination of these that exists,
    ``time`` the coordinates of time bins, or none. ``is_whole`` is False where there is NaN.
    """

    values: np.ndarray
    presented: Presented
    neuroids: np.ndarray
    labels: dict[str, list]
    members: Places
    time: dict[str, xr.Variable]
    is_whole: bool

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
    have no presentation of some stimulus, are infinite or never vary. ``repeats`` (neuroid,) is the
    number of presentations behind a value, the harmonic mean over stimuli where it differs, and
    ``n_repeats`` the median of these. ``groups`` holds the (region, subject) that exist, with the
    positions of their neuroids, and ``overlap`` says whether some neuroid is in several regions or
    in none. ``coords`` are the labels along neuroid; "region" and "subject"
    become "neuroid_region" and "neuroid_subject", because the answer has dimensions of those names.
    """

    presented: Presented
    values: np.ndarray
    usable: np.ndarray
    repeats: np.ndarray
    n_repeats: float
    names: np.ndarray
    regions: list
    subjects: list
    groups: Places
    overlap: bool
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

    def select(self, chosen: np.ndarray, responses: xr.DataArray) -> "Targets":
        """Return the targets of ``chosen`` (stimulus,) stimuli, with how often those were shown.

        ``responses`` are those that the targets were read from.
        """
        presented = self.presented.select(chosen)
        rows = self.presented.find_rows(chosen)
        known = ~np.isnan(responses.transpose(presented.dim, NEUROID).values[rows])
        repeats = average_counts(count_repeats(known, presented.codes, len(presented.ids)))
        coords = {name: coord for name, coord in self.coords.items() if name != NEUROID_REPEATS}
        if len(np.unique(repeats[self.usable])) > 1:
            coords[NEUROID_REPEATS] = (NEUROID, repeats)
        return self._replace(
            presented=presented,
            values=self.values[chosen],
            repeats=repeats,
            n_repeats=summarize_counts(repeats),
            coords=coords,
        )


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
            f".assign_coords(stimulus_id=('presentation', ids)).",
            anchor="ids-missing",
        )
    ids = labels.get_ids(data[STIMULUS], STIMULUS, name)
    return Presented(np.arange(len(ids)), ids, STIMULUS, _list_columns(data, STIMULUS))


def _list_columns(data: xr.DataArray | xr.Dataset, dim: str) -> dict[str, np.ndarray]:
    return {str(name): c.values for name, c in data.coords.items() if c.dims == (dim,)}


def read_responses(responses: xr.DataArray) -> Responses:
    """Return checked responses (presentation or stimulus, neuroid) or (..., neuroid, time_bin).

    Raises
    ------
    InputError
        Values are not numbers, or infinite; a stimulus is NaN in every neuroid; there are fewer
        than 3 stimuli or no neuroids.
    LabelError
        Dimensions or labels are missing.
    """
    check_kind(responses, "responses", "responses")
    if NEUROID not in responses.dims and PRESENTATION in responses.dims:
        refuse_brain(responses, "responses")
        flat = [dim for dim in responses.dims if dim not in (PRESENTATION, STIMULUS, TIME_BIN)]
        responses = responses.stack({NEUROID: flat}, create_index=False)
    has_time = TIME_BIN in responses.dims
    responses, presented, neuroids = _open_responses(responses, *([TIME_BIN] if has_time else []))
    if not len(neuroids):
        raise InputError("responses hold no neuroids. Select a region that has some.")
    missing = _find_missing(responses.values, presented)
    is_whole = not missing.any()
    values = responses.values if is_whole else np.where(missing, 0, responses.values)
    shown = presented.ids[presented.codes]
    values = check_numbers(values, shown, "responses", neuroids)
    if not is_whole:
        values = np.where(missing, np.nan, values)
    check_count(presented.ids, "responses")
    time = {str(name): c.variable for name, c in responses.coords.items() if c.dims == (TIME_BIN,)}
    if has_time:
        time.setdefault(TIME_BIN, xr.Variable(TIME_BIN, np.arange(responses.sizes[TIME_BIN])))
    groups = group_neuroids(responses)
    values = values.reshape(*values.shape[:2], -1)  # (presentation, neuroid, time_bin)
    return Responses(values, presented, neuroids, groups.names, groups.members, time, is_whole)


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
        Neuroids without any presentation of a stimulus, infinite or constant, named; they get no
        score.
    """
    check_kind(responses, "responses", "responses")
    if isinstance(responses.indexes.get(NEUROID), pd.MultiIndex):
        responses = responses.reset_index(NEUROID)
    responses, presented, neuroids = _open_responses(responses)
    check_real(responses, "responses")
    averages = average_neuroids(responses.values, presented.codes, len(presented.ids))
    _refuse_dead(averages.present, presented)
    usable = averages.usable
    _warn_unusable(averages, neuroids)
    repeats = averages.repeats
    groups = group_neuroids(responses, labels.UNNAMED)
    coords: dict[str, Any] = {
        f"neuroid_{name}" if name in labels.UNNAMED else name: (NEUROID, column)
        for name, column in _list_columns(responses, NEUROID).items()
    }
    if len(np.unique(repeats[usable])) > 1:
        coords[NEUROID_REPEATS] = (NEUROID, repeats)
    return Targets(
        presented=presented,
        values=averages.means,
        usable=usable,
        repeats=repeats,
        n_repeats=summarize_counts(repeats),
        names=neuroids,
        regions=groups.names[REGION],
        subjects=groups.names[SUBJECT],
        groups=groups.members,
        overlap=groups.overlap,
        coords=coords,
    )


def _find_missing(values: np.ndarray, presented: Presented) -> np.ndarray:
    """Return where ``values`` (presentation, neuroid, ...) are NaN, which is not recorded.

    Raises InputError for values that are not real, and for a stimulus that is missing throughout.
    """
    check_real(values, "responses")
    missing = np.isnan(values)
    if missing.any():
        _refuse_dead(~missing.reshape(len(values), -1).all(axis=1), presented)
    return missing


def _refuse_dead(present: np.ndarray, presented: Presented) -> None:
    """Raise InputError for stimuli none of whose rows are ``present`` (row,): hold a number."""
    dead = np.bincount(presented.codes[present], minlength=len(presented.ids)) == 0
    if dead.any():
        raise InputError(
            "responses must hold numbers, but every neuroid is NaN for stimuli "
            f"{list_names(presented.ids[dead])}. Drop those presentations first.",
            anchor="missing-values",
        )


def _warn_unusable(averages: Averages, neuroids: np.ndarray) -> None:
    """Warn once, naming the neuroids that cannot be predicted, or raise where none can be."""
    reasons = {
        "no response to some stimulus": neuroids[averages.lacking],
        "an infinite response": neuroids[averages.infinite],
        "no change over presentations": neuroids[averages.constant],
    }
    sentences = [
        f"{reason} in {len(ids)}: {list_names(ids)}" for reason, ids in reasons.items() if len(ids)
    ]
    if sentences:
        warn_user(
            f"some neuroids cannot be predicted and get NaN ({'; '.join(sentences)}). Drop or "
            f"repair them."
        )
    if not averages.usable.any():
        fix = "Pass some that vary."
        if averages.lacking.any():
            fix = (
                "Of some stimuli each lacks all responses. Where subjects saw different stimuli, "
                "fit them one by one: one = responses.sel(neuroid=responses.subject == 'S1')"
                ".dropna('presentation'), with the features of its stimuli."
            )
        raise InputError(
            f"responses hold no neuroid that can be predicted, of {len(neuroids)}. {fix}",
            anchor="missing-values",
        )


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
            f"Add it with .assign_coords(neuroid_id=('neuroid', ids)).",
            anchor="ids-missing",
        )
    present = _list_neuroids(array, keys)
    wanted = _list_neuroids(other, keys)
    labels.check_unique(present, f"the neuroids of {name}")
    labels.check_unique(wanted, f"the neuroids of {other_name}")
    position = {key: k for k, key in enumerate(present)}
    missing = [key for key in wanted if key not in position]
    extra = set(present) - set(wanted)
    if missing or extra:
        present_ids = [key[0] for key in present]
        wanted_ids = [key[0] for key in wanted]
        labels.refuse_forms(present_ids, wanted_ids, labels.NEUROID_ID, name, other_name)
        fix = labels.tell_offset(present_ids, wanted_ids, labels.NEUROID_ID, name, other_name)
        raise LabelError(
            f"{name} and {other_name} must hold the same {len(wanted)} neuroids. Missing from "
            f"{name}: {list_names(missing)}; only in {name}: {list_names(extra)}. "
            f"{fix or 'Select the common ones on both sides.'}",
            anchor="ids-differ",
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
    check_response_dims(responses, *more)
    labels.refuse_mixed_subjects(responses)
    rows = PRESENTATION if PRESENTATION in responses.dims else STIMULUS
    presented = read_presented(responses, "responses")
    unnamed = np.arange(responses.sizes[NEUROID])
    neuroids = (
        responses[labels.NEUROID_ID].values if labels.NEUROID_ID in responses.coords else unnamed
    )
    return responses.transpose(rows, NEUROID, ...), presented, neuroids
