"""Maps as tables: one row for each neuroid, with its id, place, region and values."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.brain.labelling.tables import is_missing, read_table
from neurolens.brain.maps.stacks import Stack, list_neuroids
from neurolens.errors import DataError, InputError
from neurolens.labels import NEUROID, NEUROID_ID, REGION, SUBJECT, check_unique, list_names

VALUE = "value"
TEXT = "label"
MISSING = "n/a"
PLACES = (
    "hemisphere", "structure", "vertex", "index_i", "index_j", "index_k", "voxel_x", "voxel_y",
    "voxel_z", REGION, SUBJECT,
)  # fmt: skip


def write_table(stack: Stack, like: xr.DataArray, outside: float, path: Path) -> None:
    """Write a stack as a table; numbers are written so that they are read back exactly."""
    columns: dict[str, list] = {NEUROID_ID: [str(one) for one in list_neuroids(like, "like")]}
    for name, coord in like.coords.items():
        if coord.dims == (NEUROID,) and (name in PLACES or str(name).startswith(f"{REGION}_")):
            columns[str(name)] = [_write(one) for one in coord.values]
    kind = TEXT if stack.names else VALUE
    names = np.array(["", *stack.names], dtype=object)
    rest = "" if stack.names else outside
    for row, values in enumerate(stack.values):
        title = f"{kind} {stack.dim}={stack.labels[row]}" if stack.dim else kind
        own = names[values] if stack.names else values
        if title in columns:
            raise InputError(f"two maps are labelled {stack.labels[row]!r}. Rename one.")
        columns[title] = [
            _write(one if known else rest) for one, known in zip(own, stack.known, strict=True)
        ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _write(value: object) -> str:
    """Return a value as text; numbers of any precision with all their digits."""
    if isinstance(value, np.bool_ | bool):
        return str(bool(value))
    if isinstance(value, np.floating | float):
        return MISSING if np.isnan(value) else repr(float(value))
    return str(value) or MISSING


def read_table_map(path: Path, like: xr.DataArray) -> xr.DataArray:
    """Return the values of the neuroids of ``like`` in a table, matched by ``neuroid_id``.

    Raises
    ------
    DataError
        The table is missing, has no column of values, or one that holds no numbers.
    InputError
        It lacks a neuroid of ``like``.
    """
    table = read_table(path, "values")
    if NEUROID_ID not in table:
        raise DataError(f"{path} has no column {NEUROID_ID!r}: it is no table of a map.")
    found = [name for name in table if name.split(" ")[0] in (VALUE, TEXT)]
    if not found:
        raise DataError(f"{path} has no column {VALUE!r} or '{VALUE} op=...': it is no map.")
    rows = _find_rows(table, like, path)
    columns = [_read_column(table[name].iloc[rows], name, path) for name in found]
    coords = {str(key): c.variable for key, c in like.coords.items() if c.dims == (NEUROID,)}
    if found in ([VALUE], [TEXT]):
        return xr.DataArray(columns[0], dims=NEUROID, coords=coords)
    parts = [name.split(" ", 1)[-1].partition("=") for name in found]
    dims = {dim for dim, _, _ in parts}
    if len(dims) > 1:
        raise DataError(f"{path} has values of several kinds, {list_names(sorted(dims))}.")
    dim = dims.pop()
    coords[dim] = (dim, np.array([label for _, _, label in parts], dtype=object))
    return xr.DataArray(np.stack(columns), dims=(dim, NEUROID), coords=coords)


def _find_rows(table: pd.DataFrame, like: xr.DataArray, path: Path) -> list[int]:
    """Return the row of each neuroid of ``like`` in a table."""
    check_unique(table[NEUROID_ID].tolist(), f"the neuroids of {path.name}")
    position = {one: row for row, one in enumerate(table[NEUROID_ID])}
    ids = [str(one) for one in list_neuroids(like, "like")]
    lacking = [one for one in ids if one not in position]
    if lacking:
        raise InputError(
            f"{path.name} lacks {len(lacking)} of the {len(ids)} neuroids of the responses, e.g. "
            f"{lacking[0]!r}. Pass the responses that it was made from.",
            anchor="map-of-other-responses",
        )
    return [position[one] for one in ids]


def _read_column(column: pd.Series, name: str, path: Path) -> np.ndarray:
    """Return the numbers or texts in a column of values."""
    unknown = is_missing(column)
    if name.split(" ")[0] == TEXT:
        return np.where(unknown, "", column.to_numpy(dtype=object))
    numbers = pd.to_numeric(column.where(~unknown), errors="coerce").to_numpy(dtype=float)
    wrong = np.isnan(numbers) & ~unknown
    if wrong.any():
        raise DataError(
            f"{path} must hold numbers in {name!r}, got {column.iloc[int(wrong.argmax())]!r}."
        )
    return numbers
