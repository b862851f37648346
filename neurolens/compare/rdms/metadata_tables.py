"""Metadata of users, read into a table with one row for each stimulus id."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import xarray as xr

from neurolens.compare.inputs.checks import check_count
from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    PRESENTATION,
    STIMULUS,
    STIMULUS_ID,
    check_unique,
    list_names,
    suggest_name,
)


def read_table(metadata: Any, columns: Sequence[str]) -> pd.DataFrame:
    """Return ``columns`` of metadata as a table indexed by stimulus id."""
    if isinstance(metadata, xr.DataArray | xr.Dataset):
        table = _read_coordinates(metadata, columns)
    elif isinstance(metadata, pd.DataFrame):
        table = metadata
        _check_index(table)
    elif isinstance(metadata, Mapping):
        table = _read_mapping(metadata)
    else:
        raise InputError(
            "metadata must be a DataFrame indexed by stimulus id, an array with coordinates on "
            f"'stimulus', or a mapping {{column: {{id: value}}}}, got {type(metadata).__name__}. "
            "Pass e.g. pd.DataFrame({'category': values}, index=ids).",
            anchor="metadata-rdms",
        )
    names = [str(name) for name in table.columns]
    for column in columns:
        if column not in table.columns:
            raise suggest_name(str(column), names, "column of metadata")
    check_unique(table.columns.tolist(), "the columns of metadata")
    check_unique(table.index.tolist(), "the stimulus ids of metadata")
    check_count(table.index.to_numpy(), "metadata")
    return table[list(dict.fromkeys(columns))]


def _check_index(table: pd.DataFrame) -> None:
    """Raise for a table whose index is not of stimulus ids."""
    if isinstance(table.index, pd.MultiIndex):
        raise LabelError(
            f"metadata must be indexed by one id per stimulus, got the levels "
            f"{list_names(table.index.names)}. Use table.reset_index().set_index('stimulus_id').",
            anchor="ids-missing",
        )
    named = [name for name in (STIMULUS_ID, STIMULUS) if name in table.columns]
    if named and isinstance(table.index, pd.RangeIndex):
        raise LabelError(
            f"metadata must be indexed by stimulus id, but the index is row numbers and "
            f"{named[0]!r} a column. Pass table.set_index({named[0]!r}).",
            anchor="ids-missing",
        )
    if table.index.hasnans:
        raise LabelError(
            "the index of metadata holds missing ids. Drop those rows.", anchor="ids-missing"
        )


def _read_mapping(metadata: Mapping) -> pd.DataFrame:
    """Return the table of ``{column: {id: value}}``."""
    series = {}
    for column, values in metadata.items():
        if not isinstance(values, Mapping | pd.Series):
            raise InputError(
                "metadata as a mapping must be {column: {id: value}}, but the values of "
                f"{column!r} are {type(values).__name__}, which has no ids. Pass "
                "pd.DataFrame(metadata, index=ids).",
                anchor="metadata-rdms",
            )
        series[column] = pd.Series(values)
        check_unique(series[column].index.tolist(), f"the ids of column {column!r}")
    first = next(iter(series.values()), pd.Series(dtype=float))
    for name, other in series.items():
        apart = set(first.index) ^ set(other.index)
        if apart:
            raise LabelError(
                f"columns of metadata must hold the same ids, but {name!r} differs from the first "
                f"in {list_names(sorted(apart, key=repr))}. Pass None for a missing value.",
                anchor="ids-differ",
            )
    return pd.DataFrame({name: one.reindex(first.index) for name, one in series.items()})


def _read_coordinates(metadata: xr.DataArray | xr.Dataset, columns: Sequence[str]) -> pd.DataFrame:
    """Return the table of the coordinates, or variables, on stimulus or presentation."""
    dim = STIMULUS if STIMULUS in metadata.dims else PRESENTATION
    # Levels of an index count as coordinates only once it is taken apart.
    if isinstance(metadata.indexes.get(dim), pd.MultiIndex):
        metadata = metadata.reset_index(dim)
    held = metadata if isinstance(metadata, xr.Dataset) else metadata.coords.to_dataset()
    on_dim = {str(key): one.values for key, one in held.variables.items() if one.dims == (dim,)}
    name = STIMULUS if STIMULUS in on_dim else STIMULUS_ID
    if name not in on_dim:
        raise LabelError(
            "metadata must have the dimension 'stimulus' with its ids, or 'presentation' with the "
            f"coordinate 'stimulus_id', got dimensions {tuple(metadata.dims)} and coordinates "
            f"{list_names(metadata.coords)}. Add ids with metadata.assign_coords(stimulus=ids).",
            anchor="ids-missing",
        )
    ids = on_dim.pop(name)
    unknown = [column for column in columns if column not in on_dim]
    if unknown:
        raise suggest_name(str(unknown[0]), on_dim, f"coordinate on {dim!r}")
    table = pd.DataFrame({column: on_dim[column] for column in columns}, index=ids)
    return table if dim == STIMULUS else _merge_presentations(table)


def _merge_presentations(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each stimulus, whose presentations must agree."""
    counts = table.groupby(level=0, sort=False).nunique(dropna=False)
    mixed = counts.columns[(counts > 1).any()]
    if len(mixed):
        ids = counts.index[(counts[mixed] > 1).any(axis=1)]
        raise LabelError(
            f"presentations of a stimulus differ in {list_names(mixed)}, for {list_names(ids)}. "
            "Pass a table with one row for each stimulus.",
            anchor="metadata-rdms",
        )
    return table[~table.index.duplicated()]
