"""What a map shows, kept in its own file as text: names of maps and of whole numbers."""

import json
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.brain.maps.stacks import Stack
from neurolens.errors import DataError
from neurolens.labels import NEUROID, list_names

KEY = "neurolens_map"


class Record(NamedTuple):
    """``title``; ``dim`` and ``labels`` of several maps; ``names`` of the numbers 1, 2, ..."""

    title: str
    dim: str | None
    labels: list
    names: list[str]


def write_record(stack: Stack, outside: float) -> str:
    """Return the record of a stack as text; ``outside`` is the value where there is none."""
    labels = [one if isinstance(one, str | int | float) else str(one) for one in stack.labels]
    record = {
        "title": stack.title,
        "dim": stack.dim,
        "labels": labels,
        "names": stack.names,
        "outside": 0 if stack.names else str(outside),
    }
    return json.dumps({KEY: record})


def read_record(text: str | bytes, name: str) -> Record | None:
    """Return the record in a text, None where it is something else.

    Raises
    ------
    DataError
        It is a record, and damaged.
    """
    written = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    if KEY not in written:
        return None
    try:
        record = json.loads(written.rstrip("\0 "))[KEY]
        dim = record["dim"]
        labels = list(record["labels"])
        names = [str(one) for one in record["names"]]
        title = str(record["title"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the names of the maps in {name} are damaged ({error}).") from error
    if not (dim is None or isinstance(dim, str)):
        raise DataError(f"the names of the maps in {name} are damaged: {dim!r} is no dimension.")
    return Record(title, dim, labels, names)


def label_values(
    values: np.ndarray, record: Record | None, like: xr.DataArray, name: str
) -> xr.DataArray:
    """Return values (map, neuroid) from a file with the names in its record.

    Raises
    ------
    DataError
        The record does not fit the values.
    """
    coords: dict[str, Any] = {
        str(key): c.variable for key, c in like.coords.items() if c.dims == (NEUROID,)
    }
    dim = record.dim if record else "volume"
    if record and record.names:
        values = _name_numbers(values, record.names, name)
    title = record.title if record else None
    if len(values) == 1 and (record is None or dim is None):
        return xr.DataArray(values[0], dims=NEUROID, coords=coords, name=title)
    if record and len(record.labels) != len(values):
        raise DataError(
            f"{name} holds {len(values)} maps and names {list_names(record.labels)}. It was "
            "changed by another program; read its volumes with nibabel."
        )
    if record:
        coords[str(dim)] = (str(dim), _join_labels(record.labels))
    return xr.DataArray(values, dims=(str(dim), NEUROID), coords=coords, name=title)


def _join_labels(labels: list) -> np.ndarray:
    """Return labels as an array that keeps texts as they are."""
    if all(isinstance(one, str) for one in labels):
        return np.array(labels, dtype=object)
    return np.array(labels)


def _name_numbers(values: np.ndarray, names: list[str], path: str) -> np.ndarray:
    """Return the texts that whole numbers stand for, "" for 0 and NaN."""
    known = np.nan_to_num(values)
    numbers = np.rint(known).astype(int)
    if (
        (numbers != known).any()
        or numbers.min(initial=0) < 0
        or numbers.max(initial=0) > len(names)
    ):
        raise DataError(
            f"{path} must hold the whole numbers up to {len(names)} that it names, and holds "
            "others. It was changed, e.g. resampled: write it again, or read it with nibabel."
        )
    return np.array(["", *names], dtype=object)[numbers]
