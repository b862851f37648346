"""Responses in arrays and tables, with a name for each axis."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.brain.entities import name_subject
from neurolens.brain.events import STIMULUS_COLUMNS, label_presentations, read_events
from neurolens.brain.tables import is_missing, read_table
from neurolens.brain.volumes import make_single
from neurolens.errors import DataError, InputError, LabelError, MissingToolError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    PRESENTATION,
    REGION,
    STIMULUS,
    SUBJECT,
    TIME_BIN,
    list_names,
)

REPETITION = "repetition"
TABLES = (".csv", ".tsv")
# Columns of tables that are no neuroids.
LABEL_COLUMNS = (*STIMULUS_COLUMNS, "run", "session", "onset", "duration", REPETITION, SUBJECT)
ARRAY_SUFFIXES = (".npy", ".npz", ".mat", ".h5", ".hdf5", *TABLES)
AXES = (PRESENTATION, STIMULUS, REPETITION, NEUROID, TIME_BIN)


def read_array(
    source: Any,
    events: Any,
    regions: Any,
    subject: str | None,
    variable: str | None,
    dims: Sequence[str] | None,
) -> xr.DataArray:
    """Return the responses in an array, or the file of one; see `read_responses`."""
    path = Path(source) if isinstance(source, str | Path) else None
    name = type(source).__name__ if path is None else path.name
    held = _take_array(source) if path is None else _read_file(path, variable)
    values = _check_numbers(held.values, name)
    axes = _check_axes(dims or (PRESENTATION, NEUROID), values.shape)
    array = xr.DataArray(values, dims=axes)
    n_rows = array.sizes[STIMULUS if STIMULUS in axes else PRESENTATION]
    table = read_events(events, [n_rows], [name])
    array, table = _list_presentations(array, table)
    coords: dict[str, Any] = dict(label_presentations(table))
    n_neuroids = array.sizes[NEUROID]
    names = held.names or [f"n{k}" for k in range(n_neuroids)]
    coords[NEUROID_ID] = (NEUROID, np.array(names, dtype=object))
    if regions is not None:
        coords[REGION] = (NEUROID, _check_regions(regions, n_neuroids))
    subject = name_subject(subject, [] if path is None else [path])
    if subject is not None:
        coords[SUBJECT] = (NEUROID, np.full(n_neuroids, subject, dtype=object))
    return array.assign_coords(coords).assign_attrs(source=[name])


class Held(NamedTuple):
    """An array, and the ``names`` of its neuroids where they are known."""

    values: np.ndarray
    names: list[str] | None = None


def _take_array(source: Any) -> Held:
    """Return an array in memory; masked entries are NaN, which was not recorded."""
    if isinstance(source, xr.DataArray | xr.Dataset | pd.DataFrame):
        raise InputError(
            f"source is a {type(source).__name__}, with labels of its own. Pass its numbers, "
            ".values, with dims= in their order, and its labels as events."
        )
    if hasattr(source, "detach"):
        source = source.detach().cpu().float().numpy()
    if isinstance(source, np.ma.MaskedArray):
        source = np.where(np.ma.getmaskarray(source), np.nan, source.data.astype(np.float64))
    return Held(np.asarray(source))


def _check_numbers(values: np.ndarray, name: str) -> np.ndarray:
    """Return real numbers as float32, or raise where they are none or too large."""
    if values.dtype.kind not in "biuf":
        raise DataError(f"{name} must hold real numbers, got {values.dtype}")
    if values.size == 0:
        raise InputError(f"{name} must hold responses, got shape {values.shape}")
    return make_single(values, name)


def _check_axes(dims: Sequence[str], shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return the names of the axes of an array of this shape."""
    if isinstance(dims, str) or not isinstance(dims, Sequence):
        raise InputError(f"dims must be a list of names of axes, got {dims!r}.")
    axes = tuple(dims)
    unknown = [name for name in axes if name not in AXES]
    rows = {PRESENTATION, STIMULUS} & set(axes)
    if unknown or len(axes) != len(set(axes)) or NEUROID not in axes or len(rows) != 1:
        raise InputError(
            f"dims must name each axis once, from {list_names(AXES)}, 'neuroid' and one of "
            f"'presentation' and 'stimulus' among them, got {axes}. Type e.g. "
            "dims=('stimulus', 'repetition', 'neuroid')."
        )
    if REPETITION in axes and STIMULUS not in axes:
        raise InputError("dims with 'repetition' need 'stimulus' beside it, not 'presentation'.")
    if len(axes) != len(shape):
        raise InputError(
            f"the array has {len(shape)} axes, of shape {shape}, and dims name {len(axes)}: {axes}."
        )
    return axes


def _list_presentations(
    array: xr.DataArray, table: pd.DataFrame
) -> tuple[xr.DataArray, pd.DataFrame]:
    """Return responses (presentation, neuroid, ...), and a row for each presentation.

    Repetitions that are NaN in all neuroids were not recorded, and are left out.
    """
    rest = [str(dim) for dim in array.dims if dim in (NEUROID, TIME_BIN)]
    rows = [STIMULUS] if STIMULUS in array.dims else [PRESENTATION]
    rows += [REPETITION] if REPETITION in array.dims else []
    array = array.transpose(*rows, *rest)
    shape = tuple(array.sizes[dim] for dim in rows)
    first = np.indices(shape).reshape(len(shape), -1)
    table = table.iloc[first[0]].reset_index(drop=True)
    if len(rows) > 1:
        table = table.rename(columns={REPETITION: f"event_{REPETITION}"})
        table[REPETITION] = first[1]
    values = array.values.reshape(-1, *array.shape[len(rows) :])
    recorded = ~np.isnan(values.reshape(len(values), -1)).all(axis=1)
    if len(rows) > 1:
        values = values[recorded]
        table = table[recorded].reset_index(drop=True)
    return xr.DataArray(values, dims=(PRESENTATION, *rest)), table


def _check_regions(regions: Any, n_neuroids: int) -> np.ndarray:
    """Return the region of each neuroid of an array."""
    names = pd.Series(np.asarray(regions, dtype=object).ravel())
    if len(names) != n_neuroids:
        raise InputError(
            f"regions of an array must be one name per neuroid, {n_neuroids}, got {len(names)}."
        )
    if is_missing(names).any():
        raise LabelError(
            f"the region of neuroid {int(is_missing(names).argmax())} is missing. Name all, or "
            "leave those neuroids out."
        )
    return np.array([str(name) for name in names], dtype=object)


def _read_file(path: Path, variable: str | None) -> Held:
    """Return the array in a file, the one called ``variable`` where it holds several."""
    if not path.is_file():
        raise DataError(f"there is no file of responses at {path}")
    if path.suffix in TABLES:
        return _read_neuroids(path)
    try:
        arrays = _open_arrays(path, variable)
    except (MissingToolError, DataError):
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {reason}). Pass a file of one of "
            f"{', '.join(ARRAY_SUFFIXES)}; pickled objects are not opened."
        ) from error
    if variable is None and len(arrays) == 1:
        return Held(next(iter(arrays.values())))
    if variable is None or variable not in arrays:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:10])
        raise InputError(
            f"{path.name} holds several arrays, or none called {variable!r}: {shapes or 'none'}. "
            "Name one with variable=."
        )
    return Held(arrays[variable])


def _read_neuroids(path: Path) -> Held:
    """Return a table that has a column of numbers for each neuroid, named by its header."""
    table = read_table(path, "responses")
    labels = [name for name in table.columns if name in LABEL_COLUMNS]
    if labels:
        raise InputError(
            f"{path.name} must hold one column for each neuroid, and {list_names(labels)} say what "
            "was shown. Pass these as events, and a table without them."
        )
    numbers = {}
    for name in table.columns:
        column = table[name].where(~is_missing(table[name]))
        numbers[name] = pd.to_numeric(column, errors="coerce")
        if (numbers[name].isna() & column.notna()).any():
            raise DataError(
                f"{path.name} must hold a column of numbers for each neuroid, and {name!r} holds "
                f"{column[numbers[name].isna() & column.notna()].iloc[0]!r}. Pass labels as events."
            )
    names = [str(name) for name in table.columns]
    return Held(pd.DataFrame(numbers).to_numpy(dtype=float), names)


def _open_arrays(path: Path, variable: str | None) -> dict[str, np.ndarray]:
    """Return the arrays of numbers in a file, by name."""
    if path.suffix == ".npy":
        return {path.stem: np.load(path, allow_pickle=False)}
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as held:
            wanted = [str(variable)] if variable in held.files else held.files
            return {name: held[name] for name in wanted}
    if path.suffix == ".mat" and not _is_hdf5(path):
        import scipy.io

        held = scipy.io.loadmat(path)
        return {
            name: value
            for name, value in held.items()
            if not name.startswith("__") and getattr(value, "dtype", np.dtype("O")).kind in "biuf"
        }
    return _open_hdf5(path)


def _is_hdf5(path: Path) -> bool:
    """Return whether a file is HDF5, as .mat files of version 7.3 are after a header."""
    with path.open("rb") as file:
        head = file.read(1024)
    return b"\x89HDF\r\n\x1a\n" in head


def _open_hdf5(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays in an HDF5 file; those of MATLAB have their axes turned round."""
    try:
        import h5py
    except ImportError as error:
        raise MissingToolError(f"{path.name} needs h5py. Type pip install h5py.") from error
    arrays = {}
    with h5py.File(path, "r") as file:

        def keep(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf":
                arrays[name] = item[()].T if path.suffix == ".mat" else item[()]

        file.visititems(keep)
    return arrays
