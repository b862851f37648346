"""Values to be shown on a brain, gathered: one number or name for each neuroid and map."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    REGION,
    SUBJECT,
    UNNAMED,
    check_unique,
    get_ids,
    list_names,
)

MEMBER = f"{REGION}_"
# Whole numbers up to here are exact in single precision.
MOST_EXACT = 2**24
# Instead of a position: there is none, or there are several.
NONE = -1
SEVERAL = -2


class Stack(NamedTuple):
    """``values`` (map, neuroid of the responses), ``known`` (neuroid,) where there are some.

    ``dim`` and ``labels`` name the maps, where there are several; ``title`` what they show.
    ``names``: of text, what the numbers 1, 2, ... stand for, 0 being none; else none.
    """

    values: np.ndarray
    known: np.ndarray
    dim: str | None
    labels: list
    names: list[str]
    title: str


def gather_values(values: xr.DataArray, like: xr.DataArray, labels: Sequence[str] | None) -> Stack:
    """Return the values of each neuroid of ``like``, matched by id or by region.

    Raises
    ------
    InputError
        There is more than one other dimension, several subjects, a neuroid in several regions of
        different values, or values that are neither real numbers nor text.
    LabelError
        ``values`` have no ids, ids or regions that ``like`` lacks, or another subject; ``labels``
        lack a text.
    """
    if not isinstance(values, xr.DataArray):
        raise InputError(
            f"values must be a DataArray over 'neuroid' or 'region', got {type(values).__name__}. "
            "Select one variable, e.g. scores['r'].",
            anchor="wrong-object",
        )
    _refuse_subjects(values, like)
    if SUBJECT in values.dims:
        values = values.squeeze(SUBJECT)
    dim = NEUROID if NEUROID in values.dims else REGION
    rest = [str(other) for other in values.dims if other != dim]
    if dim not in values.dims or len(rest) > 1:
        raise InputError(
            "a map needs values over 'neuroid' or 'region' and at most one other dimension, got "
            f"{tuple(values.dims)}. Select, e.g. scores['r'].sel(op='relu').",
            anchor="wrong-object",
        )
    table = values.transpose(*rest, dim)
    numbers, names = _number_texts(table.values, labels)
    numbers = numbers.reshape(-1, table.sizes[dim])
    rows = _match_regions(table, like) if dim == REGION else _match_neuroids(table, like)
    if dim == REGION and (rows == SEVERAL).any():
        raise InputError(
            f"{int((rows == SEVERAL).sum())} neuroids are in several of the regions, and a map has "
            "one value for each. Select regions that do not overlap, .sel(region=[...]).",
            anchor="wrong-object",
        )
    known = rows >= 0
    gathered = numbers[:, np.where(known, rows, 0)]
    maps = [one.item() if isinstance(one, np.generic) else one for one in _list_labels(table, rest)]
    return Stack(gathered, known, rest[0] if rest else None, maps, names, str(values.name or "map"))


def list_neuroids(array: xr.DataArray, name: str) -> np.ndarray:
    """Return the ``neuroid_id`` of an array, checked."""
    if NEUROID_ID not in array.coords:
        raise LabelError(
            f"{name} need the coordinate 'neuroid_id' to be matched with voxels. Add it with "
            ".assign_coords(neuroid_id=('neuroid', ids)).",
            anchor="ids-missing",
        )
    return get_ids(array.swap_dims({NEUROID: NEUROID_ID}), NEUROID_ID, name)


def _list_labels(table: xr.DataArray, rest: list[str]) -> list:
    """Return the labels of the maps, their numbers where they have none."""
    if not rest:
        return []
    if rest[0] in table.coords:
        return list(table[rest[0]].values)
    return list(range(table.sizes[rest[0]]))


def _number_texts(values: np.ndarray, labels: Sequence[str] | None) -> tuple[np.ndarray, list[str]]:
    """Return numbers as they are, and texts as numbers from 1 on with what they stand for."""
    if values.dtype.kind in "biuf":
        _check_numbers(values, labels)
        return values, []
    # What has no largest score is NaN among names.
    texts = ["" if _is_missing(one) else one for one in values.astype(object).ravel()]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(
            f"a map holds real numbers or text, got {values.dtype}. Convert the values first."
        )
    different = [text for text in dict.fromkeys(texts) if text]
    names = different if labels is None else list(labels)
    check_unique(names, "labels")
    if not different:
        raise InputError("no neuroid has a name in values: all are empty. Nothing is to be shown.")
    unknown = [text for text in different if text not in names]
    if unknown:
        raise LabelError(
            f"labels lack {list_names(unknown)}, which values hold. Add them.",
            anchor="map-of-other-responses",
        )
    number = {name: k for k, name in enumerate(names, 1)} | {"": 0}
    coded = np.array([number[text] for text in texts], dtype=np.int32)
    return coded.reshape(values.shape), names


def _check_numbers(values: np.ndarray, labels: Sequence[str] | None) -> None:
    """Raise InputError for labels of numbers, and for whole numbers that images do not hold."""
    if labels is not None:
        raise InputError("labels= is for values that are text, and these are numbers.")
    if values.dtype.kind in "iu" and np.abs(values.astype(float)).max(initial=0) > MOST_EXACT:
        raise InputError(
            f"images hold whole numbers exactly up to {MOST_EXACT}, and values go beyond. Divide "
            "them, or number what they stand for."
        )


def _is_missing(value: object) -> bool:
    """Return whether a value among names is None or NaN."""
    return value is None or (isinstance(value, float) and np.isnan(value))


def _match_neuroids(table: xr.DataArray, like: xr.DataArray) -> np.ndarray:
    """Return the position (neuroid of like,) in values of each neuroid, -1 where they lack it."""
    own = [str(one) for one in list_neuroids(table, "values")]
    return _match_ids(own, like)


def _match_ids(own: list[str], like: xr.DataArray) -> np.ndarray:
    """Return the position among ids of each neuroid of ``like``, -1 where they lack it."""
    there = [str(one) for one in list_neuroids(like, "like")]
    unknown = sorted(set(own) - set(there))
    if unknown:
        raise LabelError(
            f"values hold {len(unknown)} neuroids that like lacks, e.g. {unknown[0]!r}. Pass the "
            "responses that they were made from.",
            anchor="map-of-other-responses",
        )
    position = {one: row for row, one in enumerate(own)}
    return np.array([position.get(one, NONE) for one in there])


def _match_regions(table: xr.DataArray, like: xr.DataArray) -> np.ndarray:
    """Return the position of the region of each neuroid, or of the searchlight around it."""
    own = [str(one) for one in get_ids(table, REGION, "values").tolist()]
    members = _list_members(like)
    ids = like[NEUROID_ID].values.tolist() if NEUROID_ID in like.coords else []
    if set(own) <= {str(one) for one in ids}:
        if set(own) <= set(members):
            raise LabelError(
                f"{list_names(own)} are ids of neuroids of like, and names of its regions too. "
                "Rename the regions on both sides.",
                anchor="map-of-other-responses",
            )
        return _match_ids(own, like)
    unknown = [name for name in own if name not in members]
    if unknown:
        raise LabelError(
            f"values are of regions that like lacks: {list_names(unknown)}; it has "
            f"{list_names(members)}. Pass the responses that they were made from.",
            anchor="map-of-other-responses",
        )
    rows = np.full(like.sizes[NEUROID], NONE)
    for row, name in enumerate(own):
        inside = members[name]
        rows = np.where(inside & (rows == NONE), row, np.where(inside, SEVERAL, rows))
    return rows


def _list_members(like: xr.DataArray) -> dict[str, np.ndarray]:
    """Return which neuroids (neuroid,) are in each region of responses."""
    if REGION in like.coords:
        names = np.broadcast_to(like[REGION].values.astype(str), like.sizes[NEUROID])
        return {name: names == name for name in dict.fromkeys(names.tolist())}
    members = {
        str(name).removeprefix(MEMBER): coord.values
        for name, coord in like.coords.items()
        if str(name).startswith(MEMBER) and coord.dtype == bool
    }
    return members or {UNNAMED[REGION]: np.ones(like.sizes[NEUROID], dtype=bool)}


def _refuse_subjects(values: xr.DataArray, like: xr.DataArray) -> None:
    """Raise where either side is of several subjects, or both name others."""
    of_like = _list_subjects(like)
    if len(of_like) > 1:
        raise InputError(
            f"like is of several subjects, {list_names(sorted(of_like))}, whose brains differ. "
            "Write one file for each, with the responses of one.",
            anchor="map-of-other-responses",
        )
    own = _list_subjects(values) - {UNNAMED[SUBJECT]}
    if len(own) > 1:
        raise InputError(
            f"values are of several subjects, {list_names(sorted(own))}. Write one file for each: "
            f"values.sel(subject={sorted(own)[0]!r}).",
            anchor="map-of-other-responses",
        )
    if own and of_like and own != of_like:
        raise LabelError(
            f"values are of subject {list_names(sorted(own))} and like of "
            f"{list_names(sorted(of_like))}. Pass the responses that they were made from.",
            anchor="map-of-other-responses",
        )


def _list_subjects(array: xr.DataArray) -> set[str]:
    """Return the subjects that an array names."""
    names = [key for key in (SUBJECT, f"{NEUROID}_{SUBJECT}") if key in array.coords]
    return {str(one) for one in np.atleast_1d(array[names[0]].values)} if names else set()
