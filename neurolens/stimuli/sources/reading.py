"""Sources of stimuli: folders, files, tables, arrays, Datasets; told apart and checked."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from neurolens.errors import InputError, warn_user
from neurolens.labels import list_names
from neurolens.stimuli.batches.inputs import is_compound, list_inputs
from neurolens.stimuli.media import Listing
from neurolens.stimuli.pictures.display import Display, MemoryPicture, Picture
from neurolens.stimuli.rows import (
    TEXT,
    ArrayRows,
    ColumnRows,
    ItemRows,
    TextRows,
    describe_item,
    drop_labels,
)
from neurolens.stimuli.sets import StimulusSet
from neurolens.stimuli.sources import bricks, tables
from neurolens.stimuli.sources.folders import (
    describe_others,
    list_files,
    name_files,
    read_categories,
)
from neurolens.stimuli.sources.kinds import Reading, list_suffixes
from neurolens.stimuli.texts.settings import Text, read_texts

_LABELLED = (xr.DataArray, xr.Dataset, xr.DataTree, pd.DataFrame)
# Groups of arrays in files, which hold other things too.
_GROUPS = frozenset(("h5py", "zarr"))
_PATHS = (str, bytes, os.PathLike)
_ARRAYS = (np.ndarray, torch.Tensor)
# Hints for sources of which a part can be loaded.
_HINTS: tuple[tuple[Any, str], ...] = (
    (xr.DataArray, "Type load_stimuli(array.values)."),
    (DataLoader, "Type load_stimuli(loader.dataset)."),
    (IterableDataset, "Pass a Dataset whose items have numbers, or an array."),
    (Mapping, "Type load_stimuli(...) of one array in it, by its name, or of a dict of those."),
)


def read_source(source: Any, reading: Reading) -> Listing:
    """Return the stimuli of a source: a list of media, or rows that are read when used.

    Every file is checked; see `check_file`.

    Raises
    ------
    InputError
        When the source is of another kind, does not exist, or holds something that cannot be read.
    """
    if isinstance(source, StimulusSet):
        raise InputError("this is a StimulusSet already; use it as it is, or .select(ids)")
    if isinstance(source, pd.DataFrame):
        return tables.list_table(source, Path(), "the table", reading)
    if isinstance(source, _PATHS) and _names_files(source, reading):
        return read_path(_make_path(source), reading)
    if isinstance(reading.kind, Text):
        return _read_texts(source, reading)
    if isinstance(source, _PATHS):
        return read_path(_make_path(source), reading)
    _refuse_source(source)
    if _is_array(source):
        return _take_rows(ArrayRows(source), reading)
    if _has_columns(source):
        return Listing(_read_columns(source, reading))
    if isinstance(source, Iterable) and not _has_rows(source):
        source = list(source)
    if len(source) == 0:
        return Listing([])
    first = source[0]
    if isinstance(first, _PATHS):
        return _read_paths(_list_paths(list(source)), "the list", reading)
    if isinstance(source, (list, tuple)):
        return _read_list(list(source), reading)
    rows = ItemRows(source, reading.display)
    _check_repeatable(rows, type(source).__name__)
    return _take_rows(rows, reading)


def read_path(path: Path, reading: Reading) -> Listing:
    """Return the stimuli of a folder, a table, an array in an HDF5 file, or a single file."""
    suffix = path.suffix.lower()
    is_named = bricks.SEPARATOR in str(path) and not path.exists()
    if is_named or (suffix in bricks.SUFFIXES and path.is_file()):
        return _take_rows(ArrayRows(bricks.read_brick(str(path))), reading)
    if path.is_dir():
        return _read_folder(path, reading)
    if not path.is_file():
        raise InputError(
            f"no folder {str(path)!r}, nor a file; pass a folder of images, a list of files, a "
            "table, or an array",
            anchor="no-stimuli-found",
        )
    if suffix in tables.SUFFIXES:
        table = tables.read_table(path, reading.id_column)
        return tables.list_table(table, path.parent, repr(str(path)), reading)
    return _read_paths([path], repr(str(path)), reading)


def _names_files(source: Any, reading: Reading) -> bool:
    """Return whether a text is surely the path of a file or folder, not a text to show."""
    if not isinstance(reading.kind, Text):
        return True
    if isinstance(source, os.PathLike):
        return True
    suffixes = (*Text.suffixes, *tables.SUFFIXES)
    return isinstance(source, str) and (_has_suffix(source, suffixes) or os.path.isdir(source))


def _has_suffix(text: str, suffixes: Sequence[str]) -> bool:
    """Return whether a text ends as the names of some files do."""
    return text.lower().endswith(tuple(suffixes))


def _read_folder(folder: Path, reading: Reading) -> Listing:
    """Return the stimuli in a folder and its sub-folders, which are categories."""
    where = repr(str(folder))
    files = list_files(folder)
    kind = reading.choose_kind(files, f"the folder {where}")
    chosen = [path for path in files if path.suffix.lower() in kind.suffixes]
    if not chosen:
        looked = list_suffixes() if reading.kind is None else ", ".join(sorted(kind.suffixes))
        raise InputError(
            f"no {'images, sounds or videos' if reading.kind is None else kind.noun} in {where}; "
            f"looked for {looked}",
            anchor="no-stimuli-found",
        )
    others = [path for path in files if path.suffix.lower() not in kind.suffixes]
    if others:
        warn_user(describe_others(others, folder, kind.noun))
    listing = kind.read_files(chosen, reading.model_rate)
    categories = read_categories(chosen, folder)
    return replace(listing, names=name_files(chosen, folder), table=categories)


def _read_paths(paths: list[Path], where: str, reading: Reading) -> Listing:
    """Return the stimuli in some files, which are named after these."""
    listing = reading.read_files(paths, where)
    return replace(listing, names=[path.stem for path in paths])


def _take_rows(rows: Any, reading: Reading) -> Listing:
    """Return rows as they are, or as a kind that was asked for takes them."""
    if reading.kind is None or reading.kind == "picture":
        return Listing(rows)
    return reading.kind.read_rows(rows, reading.model_rate)


def _read_texts(source: Any, reading: Reading) -> Listing:
    """Return the texts of a list, or of the files in a list of ``Path`` or of "a.txt"."""
    if isinstance(source, Iterator):
        source = list(source)
    if isinstance(source, (list, tuple)) and source:
        texts = [item for item in source if isinstance(item, str)]
        are_names = len(texts) == len(source)
        are_names = are_names and all(_has_suffix(text, Text.suffixes) for text in texts)
        if are_names or isinstance(source[0], os.PathLike):
            return _read_paths(_list_paths(list(source)), "the list", reading)
    return reading.kind.read_rows(source, reading.model_rate)


def _is_array(source: Any) -> bool:
    """Return whether a source is an array, in memory or in a file."""
    if isinstance(source, _ARRAYS):
        return True
    is_sized = hasattr(source, "__getitem__") and isinstance(getattr(source, "shape", None), tuple)
    return is_sized and hasattr(source, "dtype") and not isinstance(source, (pd.Series, pd.Index))


def _has_columns(source: Any) -> bool:
    """Return whether a source holds the rows of each input of the stimuli."""
    if isinstance(source, tuple):
        return len(source) > 0 and all(_is_array(part) or type(part) is list for part in source)
    return isinstance(source, Mapping) and len(source) > 0


def _read_columns(source: Any, reading: Reading) -> Any:
    """Return the stimuli whose inputs stand, row by row, in a mapping or a tuple."""
    pairs = source.items() if isinstance(source, Mapping) else enumerate(source)
    _check_kinds(source, reading)
    columns = {}
    for key, column in pairs:
        if isinstance(source, Mapping) and not (isinstance(key, str) and key.isidentifier()):
            raise InputError(
                "a dict of stimuli holds the rows of each argument of the model, by its name, got "
                f"the key {key!r}. Type e.g. load_stimuli({{'input_ids': ids, 'mask': mask}}), and "
                "pass stimuli by id as load_stimuli(list(d.values()), ids=list(d))."
            )
        try:
            columns[key] = _read_column(key, column, reading)
        except InputError as error:
            raise InputError(f"input {key!r}: {error}") from None
    if isinstance(source, Mapping):
        return ColumnRows(columns)
    return ColumnRows(tuple(columns.values())) if len(columns) > 1 else columns[0]


def _check_kinds(source: Any, reading: Reading) -> None:
    """Raise InputError for a kind of all inputs, or of one that is not there."""
    keys = list(source) if isinstance(source, Mapping) else list(range(len(source)))
    strange = [key for key in reading.kinds if key not in keys]
    if strange or reading.kind is not None:
        raise InputError(
            f"kind= of stimuli of several inputs is a dict by their names, {list_names(keys)}, got "
            f"{list_names(strange) if strange else type(reading.kind).__name__}. Type e.g. "
            "kind={'audio': nl.stimuli.Sound(rate=16000)}."
        )


def _read_column(key: Any, column: Any, reading: Reading) -> Any:
    """Return the rows of one input: those of any source, numbers, or lists of numbers."""
    kind = reading.kinds.get(key)
    inner = replace(reading, kind=kind, kinds={})
    if kind is None and key == TEXT and isinstance(column, list | tuple):
        return TextRows(read_texts(column))
    if kind is not None:
        listing = read_source(column, inner)
        if listing.parts is not None:
            raise InputError("parts of files or texts cannot be one of several inputs")
        return listing.items
    if _is_array(column):
        return ArrayRows(column, least_ndim=1)
    if isinstance(column, pd.Series):
        column = list(column)
    first = column[0] if isinstance(column, (list, tuple)) and len(column) > 0 else None
    if isinstance(first, (bool, int, float, np.generic)):
        return ArrayRows(np.asarray(column), least_ndim=1)
    if isinstance(first, list):
        _refuse_others(column, list, "lists of numbers")
        return ItemRows(column, reading.display)
    if isinstance(first, (tuple, Mapping)) or isinstance(column, Mapping):
        raise InputError(
            f"must hold an array, a picture or a number for each stimulus, got "
            f"{describe_item(column if first is None else first)}"
        )
    return read_source(column, inner).items


def _has_rows(source: Any) -> bool:
    has_items = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    return has_items and not isinstance(source, (pd.Series, pd.Index))


def _refuse_source(source: Any) -> None:
    """Raise InputError for something that holds no stimuli, or holds them under names."""
    if type(source).__module__.partition(".")[0] == "h5py" and not source:
        raise InputError("the file of the HDF5 array is closed; open it and pass the array again")
    is_named = isinstance(source, (*_LABELLED, DataLoader, IterableDataset, nn.Module, type))
    is_group = hasattr(source, "keys") and not isinstance(source, (pd.Series, pd.Index))
    if isinstance(source, Mapping) and type(source).__module__.partition(".")[0] not in _GROUPS:
        is_group = len(source) == 0
    is_empty = not (isinstance(source, Iterable) or _has_rows(source) or _is_array(source))
    if is_named or is_group or is_empty:
        fix = next((hint for kind, hint in _HINTS if isinstance(source, kind)), None)
        raise InputError(
            "stimuli are loaded from a folder of images, a list of image files or an array, got "
            f"{type(source).__name__}. {fix or 'Type e.g. load_stimuli(numpy.stack(images)).'}"
        )


def _make_path(item: Any) -> Path:
    return Path(os.fsdecode(item))


def _list_paths(items: list[Any]) -> list[Path]:
    """Return a list as paths of files that exist."""
    _refuse_others(items, _PATHS, "paths of files")
    paths = [_make_path(item) for item in items]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise InputError(
            f"these stimulus files do not exist: {list_names(missing)}. Of texts, say so: "
            "kind='text'.",
            anchor="no-stimuli-found",
        )
    return paths


def _read_list(items: list[Any], reading: Reading) -> Listing:
    """Return the pictures, or the rows of arrays, of a list."""
    if isinstance(items[0], Image.Image):
        return Listing(_read_pictures(items, reading))
    if isinstance(items[0], _ARRAYS):
        _refuse_others(items, _ARRAYS, "arrays")
        return _take_rows(ItemRows(items, reading.display), reading)
    if isinstance(items[0], (tuple, Mapping)):
        return Listing(_read_compounds(items, reading))
    raise InputError(
        "a list of stimuli must hold paths of image files, got "
        f"{type(items[0]).__name__}. Stack arrays into one with numpy.stack."
    )


def _read_pictures(items: list[Any], reading: Reading) -> list[Picture]:
    _refuse_others(items, Image.Image, "pictures")
    display: Display = reading.display
    pictures: list[Picture] = []
    for i, item in enumerate(items):
        picture = MemoryPicture(item, f"picture {i}", display)
        if reading.decode and picture.kind.is_deep:
            picture.decode().read_levels(display)
        pictures.append(picture)
    return pictures


def _read_compounds(items: list[Any], reading: Reading) -> Any:
    """Return the rows of a list of dicts or tuples, without the labels at the end of tuples."""
    if isinstance(items[0], tuple):
        _refuse_others(items, tuple, "tuples")
        stimuli: list[Any] = [dict(enumerate(drop_labels(item))) for item in items]
        if len(stimuli[0]) < 2:
            return ItemRows(items, reading.display)
    else:
        _refuse_others(items, Mapping, "dicts")
        stimuli = items
    keys = list(stimuli[0])
    for i, stimulus in enumerate(stimuli):
        if stimulus.keys() != stimuli[0].keys():
            raise InputError(
                f"stimuli of one set must have the same inputs, got {list_names(keys)} in the "
                f"first and {list_names(stimulus)} in number {i + 1}",
                anchor="stimuli-differ-in-form",
            )
    columns: dict[Any, list[Any]] = {}
    for key in keys:
        columns[key] = [stimulus[key] for stimulus in stimuli]
    source: Any = tuple(columns.values()) if isinstance(items[0], tuple) else columns
    return _read_columns(source, reading)


def _refuse_others(items: list[Any], kinds: Any, what: str) -> None:
    """Raise InputError where a list holds something else than its first item is."""
    wrong = [item for item in items if not isinstance(item, kinds)]
    if wrong:
        raise InputError(
            f"a list of stimuli that begins with {what} must hold {what} only, got "
            f"{describe_item(wrong[0])}. Load the two kinds separately.",
            anchor="stimuli-differ-in-form",
        )


def _check_repeatable(rows: ItemRows, what: str) -> None:
    """Raise InputError where the first item of a Dataset is another one each time."""
    if not _are_equal(rows[0], rows[0]):
        raise InputError(
            f"the {what} gives another first stimulus each time it is asked. Turn its random "
            "transforms off: stimuli are read more than once."
        )


def _are_equal(first: Any, again: Any) -> bool:
    """Return whether two stimuli are the same, input by input."""
    if is_compound(first):
        parts = dict(list_inputs(first))
        others = dict(list_inputs(again))
        return parts.keys() == others.keys() and all(
            _are_equal(part, others[key]) for key, part in parts.items()
        )
    if isinstance(first, str):
        return bool(first == again)
    if isinstance(first, Picture):
        first = first.decode().image
        again = again.decode().image
    return np.array_equal(np.asarray(first), np.asarray(again), equal_nan=True)
