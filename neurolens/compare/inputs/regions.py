"""Which neuroids form a region of a subject: numbered labels, and regions that overlap.

A region is a label, the coordinate ``region``, or, where a neuroid belongs to several regions or to
none, one coordinate of True and False for each region, ``region_V1``, ``region_FFA``.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.compare.inputs.checks import check_labels_known
from neurolens.errors import InputError, LabelError
from neurolens.labels import NEUROID, REGION, UNNAMED, list_names

# Which neuroids have the labels at each tuple of positions, one position for each kind of label.
Places = dict[tuple[int, ...], np.ndarray]
# What the name of a coordinate begins with that is True for the neuroids of a region.
MEMBER = f"{REGION}_"


class Groups(NamedTuple):
    """``names``: the labels of region and of subject, where known, in order of appearance.

    ``members``: the neuroids of each combination that exists, under the positions of its labels.
    ``overlap``: whether some neuroid is in several regions, or in none.
    """

    names: dict[str, list]
    members: Places
    overlap: bool


def number_labels(column: Any, name: str = "labels") -> tuple[np.ndarray, np.ndarray]:
    """Return the position of each label of ``column`` among the distinct labels, and those labels.

    Distinct labels are in order of appearance. A missing label raises LabelError, because all
    entries without one would form one group.
    """
    check_labels_known(column, name)
    codes, names = pd.factorize(np.asarray(column).astype(object))
    return codes, np.asarray(names.tolist())


def list_members(array: xr.DataArray, dim: str = NEUROID) -> dict[str, np.ndarray]:
    """Return the regions that are coordinates of True and False along ``dim``, (neuroid,) each.

    Raises
    ------
    LabelError
        A region is of 0 and 1, which could be labels, or says nothing of some neuroids; there is a
        coordinate ``region`` too.
    """
    members = {}
    for name, coord in array.coords.items():
        if not str(name).startswith(MEMBER) or coord.dims != (dim,):
            continue
        if coord.dtype == bool:
            members[str(name).removeprefix(MEMBER)] = coord.values
        elif _could_be_member(coord.values, is_only=REGION not in array.coords):
            raise LabelError(
                f"{str(name)!r} must be True or False for every neuroid where it says which are of "
                f"a region, got {_describe_values(coord)}. Make it so: "
                f"x.assign_coords({name}={_write_remedy(str(name), coord)})."
            )
    if members and REGION in array.coords:
        names = [MEMBER + region for region in members]
        raise LabelError(
            f"responses must name regions in one way, got 'region' and {list_names(names)}, which "
            f"are True and False. Add the regions of 'region' as such and drop it, or drop the "
            f"others: .drop_vars({names!r})."
        )
    return members


def _describe_values(coord: xr.DataArray) -> str:
    """Return the dtype of a coordinate, and whether values are missing."""
    missing = " with missing values" if pd.isna(coord.values).any() else ""
    return f"{coord.dtype}{missing}"


def _write_remedy(name: str, coord: xr.DataArray) -> str:
    """Return the code that makes True and False of the values of a coordinate."""
    if any(isinstance(value, str) for value in coord.values.tolist()):
        return f"x.{name}.astype(str).str.lower() == 'true'"
    missing = ".fillna(False)" if pd.isna(coord.values).any() else ""
    return f"x.{name}{missing}.astype(bool)"


def _could_be_member(values: np.ndarray, *, is_only: bool) -> bool:
    """Return whether values, not of a bool dtype, seem to say which neuroids are of a region.

    Numbers of 0 and 1 do where they are the ``is_only`` mention of regions; True and False always,
    as text too.
    """
    known = [value for value in values.tolist() if not pd.isna(value)]
    if known and {str(value).lower() for value in known} <= {"true", "false"}:
        return True
    if not known or not set(known) <= {0, 1}:
        return False
    return is_only or any(isinstance(value, bool) for value in known)


def group_neuroids(responses: xr.DataArray, defaults: Mapping[str, str] | None = None) -> Groups:
    """Return the regions and subjects of the neuroids of ``responses``.

    ``defaults`` are the names of a region and a subject where the data have no labels; without them
    such a kind of label is left out.
    """
    n_neuroids = responses.sizes[NEUROID]
    regions = list_members(responses)
    columns: dict[str, Any] = dict(defaults or {})
    columns |= {dim: responses[dim].values for dim in UNNAMED if dim in responses.coords}
    numbered = {
        dim: number_labels(np.broadcast_to(columns[dim], n_neuroids), f"{dim!r} of neuroids")
        for dim in UNNAMED
        if dim in columns and not (dim == REGION and regions)
    }
    names = {dim: different.tolist() for dim, (_, different) in numbered.items()}
    places = np.array([codes for codes, _ in numbered.values()], dtype=int)
    places = places.reshape(-1, n_neuroids)  # (label, neuroid), also without any label
    if not regions:
        return Groups(names, _split_places(places), overlap=False)
    return _group_members(regions, names, places)


def _group_members(
    regions: dict[str, np.ndarray], names: dict[str, list], places: np.ndarray
) -> Groups:
    """Return the groups of ``regions``, True or False each, and of the other labels.

    ``places`` (label, neuroid) are the positions of neuroids among the labels ``names``.
    """
    regions = {region: inside for region, inside in regions.items() if inside.any()}
    if not regions:
        raise InputError(
            "responses hold no neuroid of a region: every coordinate 'region_...' is False "
            "throughout. Select neuroids of some region, or drop those coordinates."
        )
    members = {}
    for k, inside in enumerate(regions.values()):
        neuroids = np.flatnonzero(inside)
        for place, group in _split_places(places[:, inside]).items():
            members[(k, *place)] = neuroids[group]
    overlap = bool((np.sum(list(regions.values()), axis=0) != 1).any())
    return Groups({REGION: list(regions), **names}, members, overlap)


def list_regions(responses: xr.DataArray) -> list:
    """Return the names of the regions of ``responses``, "brain" where there are none."""
    return group_neuroids(responses, UNNAMED).names[REGION]


def describe_group(names: dict[str, list], place: tuple[int, ...]) -> str:
    """Return the region and subject at ``place`` in words."""
    parts = [f"{dim} {names[dim][k]!r}" for dim, k in zip(names, place, strict=True)]
    return ", ".join(parts) or "the data"


def _split_places(places: np.ndarray) -> Places:
    """Return the neuroids of each different column of ``places`` (label, neuroid)."""
    # One more row, all 0, for neuroids without any label.
    order = np.lexsort([np.zeros(places.shape[1]), *places[::-1]])
    is_new = (np.diff(places[:, order]) != 0).any(axis=0)
    groups = np.split(order, np.flatnonzero(is_new) + 1)
    return {tuple(places[:, group[0]].tolist()): group for group in groups}
