"""Groups of stimuli that belong together: runs, sessions, views of one picture."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import rank_ids
from neurolens.compare.inputs.responses import Presented, number_labels, read_presented
from neurolens.errors import InputError, LabelError
from neurolens.labels import STIMULUS, align_labels, list_names

GroupsBy = str | xr.DataArray


class Groups(NamedTuple):
    """The group (n,) of each stimulus, numbered from 0 in sorted order of ``n_labels`` labels."""

    number: np.ndarray
    n_labels: int

    @property
    def n_groups(self) -> int:
        """How many groups there are once those that share a stimulus are one."""
        return int(self.number.max()) + 1


def join_groups(presented: Presented, by: str) -> Groups:
    """Return the group of each stimulus by the coordinate ``by``.

    Groups that share a stimulus are one. They are numbered in the sorted order of the first label
    that each has.
    """
    if by not in presented.columns:
        raise LabelError(
            f"there is no coordinate {by!r} along '{presented.dim}' to split by; there are "
            f"{list_names(presented.columns)}. Add it with "
            f".assign_coords({by}=('{presented.dim}', labels)).",
            anchor="groups",
        )
    return _join_labels(presented, presented.columns[by], repr(by))


def _join_labels(presented: Presented, column: np.ndarray, name: str) -> Groups:
    """Return the group of each stimulus by the labels ``column`` (row,)."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    n_stimuli = len(presented.ids)
    groups, names = number_labels(column, name)
    size = n_stimuli + len(names)
    ends = (presented.codes, n_stimuli + groups)
    links = csr_array((np.ones(len(groups)), ends), shape=(size, size))
    n_parts, part = connected_components(links, directed=False)
    first = np.full(n_parts, len(names))
    np.minimum.at(first, part[n_stimuli:], rank_ids(names))
    number = np.unique(first[part[:n_stimuli]], return_inverse=True)[1]
    return Groups(number, len(names))


def read_groups(by: GroupsBy, ids: np.ndarray, *data: xr.DataArray) -> np.ndarray:
    """Return the group (n,) of each of ``ids``, numbered in sorted order of the labels.

    ``by`` holds a label for each stimulus or presentation, or names a coordinate along the stimuli
    or presentations of one of ``data``.
    """
    source, column = _find_column(by, data)
    presented = read_presented(source, "by")
    name = repr(by) if isinstance(by, str) else "by"
    joined = _join_labels(presented, column, name)
    numbers = xr.DataArray(joined.number, dims=STIMULUS, coords={STIMULUS: presented.ids})
    return align_labels(numbers, ids.tolist(), name="by", other="the data").values.astype(int)


def _find_column(by: GroupsBy, data: tuple[xr.DataArray, ...]) -> tuple[xr.DataArray, np.ndarray]:
    """Return the array that holds the labels of ``by``, and these labels."""
    if isinstance(by, xr.DataArray):
        if by.ndim != 1:
            raise InputError(
                f"by= must hold one label per stimulus or presentation, got dimensions "
                f"{tuple(by.dims)}. Pass e.g. by=responses['run'].",
                anchor="groups",
            )
        return by, by.values
    if not isinstance(by, str):
        raise InputError(
            f"by= must be the name of a coordinate or a DataArray (stimulus), got "
            f"{type(by).__name__}. Pass e.g. by='run' or by=responses['run'].",
            anchor="groups",
        )
    names: list[str] = []
    for array in data:
        for name, coord in array.coords.items():
            along = len(coord.dims) == 1 and coord.dims[0] in ("presentation", STIMULUS)
            if along and name == by:
                return array, coord.values
            names += [str(name)] if along else []
    raise LabelError(
        f"there is no coordinate {by!r} along the stimuli; there are "
        f"{list_names(dict.fromkeys(names))}. Pass the labels themselves, e.g. "
        f"by=responses[{by!r}], or add them with .assign_coords({by}=('stimulus', labels)).",
        anchor="groups",
    )
