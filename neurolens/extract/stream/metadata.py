"""Metadata of stimuli as coordinates of results."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.errors import warn_user
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    OP,
    PRESENTATION,
    REGION,
    SAMPLE,
    STIMULUS,
    STIMULUS_2,
    STIMULUS_ID,
    SUBJECT,
    TIME_BIN,
    list_names,
)

# Names that mean something else in results and brain data.
_LABELS = (NEUROID, NEUROID_ID, OP, PRESENTATION, REGION, SAMPLE, SUBJECT, TIME_BIN)
_RESULTS = "activation gram row_sum n_features ran alias_of time_step step executions kept_unit"
_AXES = "channel feature token time frame head y x z window key query"
_TAKEN = frozenset((STIMULUS, STIMULUS_2, STIMULUS_ID, *_LABELS, *_RESULTS.split(), *_AXES.split()))
_PREFIX = "stimulus_"
_NUMBERS = "biuf"
Columns = dict[str, np.ndarray]
"""Values of each stimulus (stimulus,) by name: numbers, booleans, or text."""


def read_columns(table: pd.DataFrame) -> Columns:
    """Return the columns of metadata that can be coordinates; see `warn_of_others`.

    They hold numbers (float where some lack), booleans, times, or text ("" where it lacks). Times
    are written as text, as ISO 8601 has them.
    """
    columns: Columns = {}
    for name in table.columns:
        values = _read_column(table[name])
        if values is not None and isinstance(name, str):
            columns[name] = values
    return columns


def warn_of_others(table: pd.DataFrame) -> None:
    """Warn where columns of metadata cannot be coordinates of results."""
    columns = read_columns(table)
    left_out = [name for name in table.columns if name not in columns]
    if left_out:
        warn_user(
            f"the metadata columns {list_names(left_out)} are no coordinates of results: they must "
            "have a text as name, and hold numbers, booleans or text alone"
        )


def _read_column(column: Any) -> np.ndarray | None:
    """Return the values of a column, None for those that are no numbers, booleans or text."""
    if not isinstance(column, pd.Series):  # of a name that repeats
        return None
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind in "mM":
        return np.array([_write_time(value) for value in column], dtype=object)
    if column.dtype.kind in _NUMBERS and not isinstance(column.dtype, np.dtype):
        has_all = not column.isna().any()
        return column.to_numpy(column.dtype.numpy_dtype if has_all else float, na_value=np.nan)
    if column.dtype.kind in _NUMBERS:
        return column.to_numpy()
    values = ["" if _is_missing(value) else value for value in column.tolist()]
    if all(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    return None


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))


def _write_time(value: Any) -> str:
    return "" if pd.isna(value) else value.isoformat()


def list_coordinates(columns: Columns, others: Iterable[str] = ()) -> dict[str, Any]:
    """Return columns as coordinates along the stimuli.

    Those whose names mean something else in results, or are among ``others`` (dimensions, places
    in a tree), have "stimulus_" before it; where that is taken too, the column is left out, with a
    warning.
    """
    taken = {*_TAKEN, *others}
    coordinates: dict[str, Any] = {}
    left_out = []
    for name, values in columns.items():
        label = f"{_PREFIX}{name}" if name in taken else name
        if label in taken or (label != name and label in columns):
            left_out.append(name)
        else:
            coordinates[label] = (STIMULUS, values)
    if left_out:
        warn_user(
            f"the metadata columns {list_names(left_out)} are no coordinates of results, in which "
            "their names stand for something else. Rename them."
        )
    return coordinates


def label_nodes(nodes: Mapping[str, xr.Dataset], columns: Columns) -> dict[str, xr.Dataset]:
    """Return the datasets of a tree, by path, with metadata beside the results of each."""
    if not columns:
        return dict(nodes)
    taken = {part for path in nodes for part in path.split("/")}
    for dataset in nodes.values():
        taken.update(map(str, dataset.dims), map(str, dataset.variables))
    coordinates = list_coordinates(columns, taken)
    labelled = {}
    for path, dataset in nodes.items():
        is_result = STIMULUS in dataset.dims
        labelled[path] = dataset.assign_coords(coordinates) if is_result else dataset
    return labelled


def hash_columns(columns: Columns) -> dict[str, str]:
    """Return a hash of each column, by name."""
    hashes = {}
    for name, values in columns.items():
        content = json.dumps([str(values.dtype), values.tolist()])
        hashes[name] = hashlib.sha256(content.encode()).hexdigest()[:32]
    return hashes


def pack_columns(columns: Columns) -> bytes:
    """Return columns as JSON."""
    packed = {}
    for name, values in columns.items():
        packed[name] = {"dtype": str(values.dtype), "values": values.tolist()}
    return json.dumps(packed).encode()


def unpack_columns(content: bytes) -> Columns:
    """Return the columns that `pack_columns` wrote."""
    columns = {}
    for name, column in json.loads(content).items():
        columns[name] = np.array(column["values"], dtype=column["dtype"])
    return columns
