"""Plain objects of what scipy and mat-io return of a MATLAB file."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from neurolens.brain.recordings.matlab.paths import Unreadable
from neurolens.errors import DataError

# Nested deeper than people write, as only a damaged or hostile file is.
MAX_DEPTH = 40
# Objects of old classes, functions and empty places, by the name of their type.
OBJECTS = {
    "MatlabFunction": "function_handle",
    "MatlabCanonicalEmpty": "canonical empty",
}


def convert_item(item: Any, depth: int = 0) -> Any:
    """Return numbers as arrays, text as str, structs as dicts, cells as arrays of objects.

    A struct array is an array of dicts, a MATLAB table a DataFrame, and any other object an
    `Unreadable`. Nothing of an object is run.
    """
    if depth > MAX_DEPTH:
        raise DataError(f"structs or cells are nested more than {MAX_DEPTH} deep")
    kind = type(item).__name__
    if kind in OBJECTS:
        return Unreadable(OBJECTS[kind])
    if kind == "MatlabOpaque" and getattr(item, "classname", "") == "table":
        return _read_table(item.properties, depth)
    if hasattr(item, "classname") and not isinstance(item, Mapping):
        return Unreadable(str(item.classname))
    if kind == "MatlabOpaque":
        return Unreadable(_name_opaque(item))
    if isinstance(item, pd.DataFrame):
        return _convert_table(item, depth)
    if isinstance(item, pd.Categorical):
        return np.asarray(item).astype(object)
    if isinstance(item, Mapping):
        return {str(key): convert_item(value, depth + 1) for key, value in item.items()}
    if isinstance(item, str | bytes):
        return item if isinstance(item, str) else item.decode(errors="replace")
    if hasattr(item, "toarray"):
        return item.toarray()
    return _convert_array(np.asarray(item), depth)


def _convert_array(array: np.ndarray, depth: int) -> Any:
    """Return an array of numbers, text, structs or a cell as plain objects."""
    if array.dtype.names:
        return _convert_structs(array, depth)
    if array.dtype.kind in "UST":
        texts = array.astype(object)
        if texts.size == 0:
            return ""
        return str(texts.item()) if texts.size == 1 else texts
    if array.dtype != object:
        return np.array(array)
    cell = np.empty(array.shape, dtype=object)
    for place in np.ndindex(array.shape):
        cell[place] = convert_item(array[place], depth + 1)
    return cell


def _convert_structs(array: np.ndarray, depth: int) -> Any:
    """Return a struct as a dict, and a struct array as an array of dicts."""
    structs = np.empty(array.shape, dtype=object)
    for place in np.ndindex(array.shape):
        structs[place] = {
            name: convert_item(array[place][name], depth + 1) for name in array.dtype.names or ()
        }
    return structs.item() if structs.size == 1 else structs


def _read_table(properties: Any, depth: int) -> Any:
    """Return a table of an early version of MATLAB, of which mat-io only gives the properties."""
    needed = ("data", "varnames", "nrows")
    if not isinstance(properties, Mapping) or any(name not in properties for name in needed):
        return Unreadable("table")
    n_rows = int(np.asarray(properties["nrows"]).item())
    columns: dict[str, list[Any]] = {}
    names = np.asarray(properties["varnames"], dtype=object).ravel()
    for name, held in zip(names, np.asarray(properties["data"]).ravel(), strict=True):
        values = np.asarray(convert_item(held, depth + 1))
        if values.ndim == 0 or len(values) != n_rows:
            raise DataError(f"a table of {n_rows} rows has a column of shape {values.shape}")
        parts = values.reshape(n_rows, -1)
        label = str(np.asarray(name).item())
        for k in range(parts.shape[1]):
            column = label if parts.shape[1] == 1 else f"{label}_{k + 1}"
            if column in columns:
                raise DataError(f"a table has two columns called {column!r}")
            columns[column] = parts[:, k].tolist()
    rows = np.asarray(properties.get("rownames", ()), dtype=object).ravel()
    index = [str(np.asarray(one).item()) for one in rows] if len(rows) == n_rows else None
    return _convert_table(pd.DataFrame(columns, index=index), depth)


def _convert_table(table: pd.DataFrame, depth: int) -> pd.DataFrame:
    """Return a table whose columns of objects are plain."""
    columns: dict[str, pd.Series] = {}
    for name in table.columns:
        column = table[name]
        if column.dtype == object:
            values = [_unwrap(convert_item(one, depth + 1)) for one in column]
            column = pd.Series(values, index=table.index, dtype=object)
        columns[str(name)] = column
    return pd.DataFrame(columns, index=table.index)


def _unwrap(item: Any) -> Any:
    """Return the content of a cell of one, as those of tables are."""
    if isinstance(item, np.ndarray) and item.size == 1:
        return item.item()
    return item


def _name_opaque(item: Any) -> str:
    """Return the class of an opaque object of scipy."""
    try:
        return bytes(item["s2"].item()).decode(errors="replace")
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return "unknown"
