"""Responses in arrays and tables, with a name for each axis."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.brain.images.numbers import make_single
from neurolens.brain.labelling.entities import name_subject
from neurolens.brain.labelling.events import STIMULUS_COLUMNS, label_presentations, read_events
from neurolens.brain.labelling.tables import is_missing, read_table
from neurolens.brain.recordings.matlab.hdf5 import open_hdf5, refuse_outside
from neurolens.brain.recordings.matlab.paths import check_choice, describe_item
from neurolens.brain.recordings.matlab.reading import read_matlab, read_only_array
from neurolens.errors import DataError, InputError, LabelError, MissingToolError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    PRESENTATION,
    REGION,
    STIMULUS,
    STIMULUS_ID,
    SUBJECT,
    TIME_BIN,
    list_names,
)

REPETITION = "repetition"
TABLES = (".csv", ".tsv")
# Columns of tables that are no neuroids, in small letters.
LABEL_COLUMNS = (
    *STIMULUS_COLUMNS, "run", "session", "onset", "duration", REPETITION, SUBJECT, "id", "index",
    "trial", "trial_number", "block", "condition", "item", "volume", "time", "image_id",
    "participant_id", "sub", "ses",
)  # fmt: skip
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
    shown = read_events(events, [n_rows], [name])
    array, table = _list_presentations(array, shown)
    coords: dict[str, Any] = dict(label_presentations(table))
    n_neuroids = array.sizes[NEUROID]
    names = _name_neuroids(held, axes, shown, name) or [f"n{k}" for k in range(n_neuroids)]
    coords[NEUROID_ID] = (NEUROID, np.array(names, dtype=object))
    if regions is not None:
        coords[REGION] = (NEUROID, _check_regions(regions, n_neuroids))
    subject = name_subject(subject, [] if path is None else [path])
    if subject is not None:
        coords[SUBJECT] = (NEUROID, np.full(n_neuroids, subject, dtype=object))
    return array.assign_coords(coords).assign_attrs(source=[name])


class Held(NamedTuple):
    """An array, and the names along its first two axes where it is a table that has them."""

    values: np.ndarray
    rows: list[str] | None = None
    columns: list[str] | None = None


def _take_array(source: Any) -> Held:
    """Return an array in memory; masked entries are NaN, which was not recorded."""
    if isinstance(source, xr.DataArray | xr.Dataset | pd.DataFrame):
        raise InputError(
            f"source is a {type(source).__name__}, with labels of its own. Pass its numbers, "
            ".values, with dims= in their order, and its labels as events."
        )
    if type(source).__module__.split(".")[0] == "mne":
        raise InputError(
            f"source, {type(source).__name__}, is a recording of MNE-Python. Type "
            "neurolens.brain.read_epochs(epochs)."
        )
    if hasattr(source, "dataobj"):
        raise InputError(
            f"source, {type(source).__name__}, is an opened image. Pass the path of its file, or "
            "write it first, nibabel.save(image, 'betas.nii')."
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
        raise InputError(
            f"dims must be a list of names of axes, got {dims!r}.", anchor="wrong-dimensions"
        )
    axes = tuple(dims)
    unknown = [name for name in axes if name not in AXES]
    rows = {PRESENTATION, STIMULUS} & set(axes)
    if unknown or len(axes) != len(set(axes)) or NEUROID not in axes or len(rows) != 1:
        raise InputError(
            f"dims must name each axis once, from {list_names(AXES)}, 'neuroid' and one of "
            f"'presentation' and 'stimulus' among them, got {axes}. Type e.g. "
            "dims=('stimulus', 'repetition', 'neuroid').",
            anchor="wrong-dimensions",
        )
    if REPETITION in axes and STIMULUS not in axes:
        raise InputError(
            "dims with 'repetition' need 'stimulus' beside it, not 'presentation'.",
            anchor="wrong-dimensions",
        )
    if len(axes) != len(shape):
        raise InputError(
            f"the array has {len(shape)} axes, of shape {shape}, and dims name {len(axes)}: "
            f"{axes}.",
            anchor="wrong-dimensions",
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
            "leave those neuroids out.",
            anchor="ids-missing",
        )
    return np.array([str(name) for name in names], dtype=object)


def _name_neuroids(
    held: Held, axes: tuple[str, ...], events: pd.DataFrame, name: str
) -> list[str] | None:
    """Return the names of neuroids that a table has, None where it has none.

    Names along the other axis of a table are ids of what was shown, and have to be those of the
    events.
    """
    neuroids = None
    for axis, names, what in zip(axes, (held.rows, held.columns), ("row", "column"), strict=False):
        if names is None:
            continue
        if axis == NEUROID:
            neuroids = names
            continue
        shown = events[STIMULUS_ID].tolist()
        differing = [k for k in range(len(names)) if names[k] != shown[k]]
        if differing:
            first = differing[0]
            raise LabelError(
                f"the {what}s of {name} are {axis}s by dims, and must be named as the events name "
                f"them, in their order: {what} {first + 1} is {names[first]!r} and event "
                f"{first + 1} {shown[first]!r}. Read the table first, with pandas or "
                "neurolens.brain.read_matlab, and pass numbers and ids of the same rows.",
                anchor="ids-missing",
            )
    return neuroids


def _read_file(path: Path, variable: str | None) -> Held:
    """Return the array in a file, the one called ``variable`` where it holds several."""
    if not path.is_file():
        raise DataError(f"there is no file of responses at {path}", anchor="file-not-found")
    check_choice(variable)
    if path.suffix in TABLES:
        return _read_columns(read_table(path, "responses"), path.name)
    if path.suffix == ".mat":
        return _read_matlab_array(path, variable)
    try:
        return Held(_open_array(path, variable))
    except (MissingToolError, DataError, InputError):
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {reason}). Pass a file of one of "
            f"{', '.join(ARRAY_SUFFIXES)}; pickled objects are not opened."
        ) from error


def _read_matlab_array(path: Path, variable: str | None) -> Held:
    """Return an array or table of a MATLAB file."""
    item = read_only_array(path) if variable is None else read_matlab(path, variable)
    if isinstance(item, pd.DataFrame):
        return _read_columns(item, f"{variable or 'the table'} of {path.name}")
    if not isinstance(item, np.ndarray) or item.dtype == object:
        raise InputError(
            f"{variable!r} of {path.name} is {describe_item(item)}, and responses are an array of "
            "numbers or a table. Name one with variable=; neurolens.brain.read_matlab opens all.",
            anchor="choose-an-array",
        )
    return Held(item)


def _read_columns(table: pd.DataFrame, where: str) -> Held:
    """Return a table of numbers, with the names of its columns, and of its rows if it has any."""
    labels = [name for name in table.columns if str(name).lower() in LABEL_COLUMNS]
    if labels:
        raise InputError(
            f"{where} must hold one column for each neuroid, and {list_names(labels)} say what "
            "was shown. Pass these as events, and a table without them."
        )
    numbers = {}
    for name in table.columns:
        column = table[name].where(~is_missing(table[name]))
        numbers[name] = pd.to_numeric(column, errors="coerce")
        if (numbers[name].isna() & column.notna()).any():
            raise DataError(
                f"{where} must hold a column of numbers for each neuroid, and {name!r} holds "
                f"{column[numbers[name].isna() & column.notna()].iloc[0]!r}. Pass labels as events."
            )
    columns = [str(name) for name in table.columns]
    has_rows = not isinstance(table.index, pd.RangeIndex)
    rows = [str(name) for name in table.index] if has_rows else None
    return Held(pd.DataFrame(numbers).to_numpy(dtype=float), rows, columns)


def _open_array(path: Path, variable: str | None) -> np.ndarray:
    """Return an array of numbers in a file of NumPy or HDF5."""
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as held:
            shapes = {name: (held[name].shape if variable is None else ()) for name in held.files}
            return held[_choose_array(path, shapes, variable)]
    with open_hdf5(path) as file:
        shapes = {}

        def keep(name: str, item: Any) -> None:
            if hasattr(item, "shape") and item.dtype.kind in "biuf":
                shapes[name] = item.shape

        file.visititems(keep)
        name = _choose_array(path, shapes, variable)
        refuse_outside(file[name], f"{name} of {path.name}")
        return file[name][()]


def _choose_array(path: Path, shapes: dict[str, tuple], variable: str | None) -> str:
    """Return the name of the array that is meant; raise InputError listing those there are."""
    if variable is None and len(shapes) == 1:
        return next(iter(shapes))
    wanted = None if variable is None else variable.strip("/")
    if wanted not in shapes:
        listed = ", ".join(f"{name} {shape or ''}".strip() for name, shape in shapes.items())
        raise InputError(
            f"{path.name} holds several arrays, or none called {variable!r}: "
            f"{listed[:500] or 'none'}. Name one with variable=.",
            anchor="choose-an-array",
        )
    return wanted
