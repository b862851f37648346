"""Sources of stimuli: folders, files, pictures, arrays, Datasets; told apart and checked."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from neurolens.errors import InputError
from neurolens.labels import check_name, list_names
from neurolens.stimuli.files import check_file, list_images
from neurolens.stimuli.inputs import is_compound, list_inputs
from neurolens.stimuli.pictures import Display, MemoryPicture, Picture
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


def read_source(source: Any, display: Display, *, decode: bool) -> Any:
    """Return the stimuli of a source: a list of pictures, or rows that are read when used.

    Every file is checked; see `check_file`, also for ``decode``.

    Raises
    ------
    InputError
        When the source is of another kind, does not exist, or holds something that cannot be read.
    """
    if isinstance(source, StimulusSet):
        raise InputError("this is a StimulusSet already; use it as it is, or .select(ids)")
    if isinstance(source, _PATHS):
        return _check_files(list_images(_make_path(source)), display, decode)
    _refuse_source(source)
    if _is_array(source):
        return ArrayRows(source)
    if _has_columns(source):
        return _read_columns(source, display, decode)
    if isinstance(source, Iterable) and not _has_rows(source):
        source = list(source)
    if len(source) == 0:
        return []
    first = source[0]
    if isinstance(first, _PATHS):
        return _check_files(_list_paths(list(source)), display, decode)
    if isinstance(source, (list, tuple)):
        return _read_list(list(source), display, decode)
    rows = ItemRows(source, display)
    _check_repeatable(rows, type(source).__name__)
    return rows


def read_texts(source: Any, kind: str) -> TextRows:
    """Return texts as stimuli.

    Raises
    ------
    InputError
        When ``kind`` is unknown or the source holds something else than texts.
    """
    check_name(kind, (TEXT,), "kind of stimuli")
    if isinstance(source, (*_PATHS, Mapping, set, frozenset)) or not isinstance(source, Iterable):
        raise InputError(
            f"texts are loaded from a list, one text per stimulus, got {type(source).__name__}. "
            "Type e.g. load_stimuli(sentences, kind='text')."
        )
    texts = list(source)
    wrong = [i for i, text in enumerate(texts) if not isinstance(text, str) or not text.strip()]
    if wrong:
        raise InputError(
            f"every stimulus must be a text that is not empty; number {wrong[0] + 1} is "
            f"{texts[wrong[0]]!r}. Leave it out, or replace it."
        )
    broken = [i for i, text in enumerate(texts) if _has_surrogates(text)]
    if broken:
        raise InputError(
            f"text number {broken[0] + 1} holds half of a character, which no file can. Read the "
            "texts again with their encoding."
        )
    return TextRows(texts)


def _has_surrogates(text: str) -> bool:
    """Return whether a text holds halves of characters, which cannot be written."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


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


def _read_columns(source: Any, display: Display, decode: bool) -> Any:
    """Return the stimuli whose inputs stand, row by row, in a mapping or a tuple."""
    pairs = source.items() if isinstance(source, Mapping) else enumerate(source)
    columns = {}
    for key, column in pairs:
        if isinstance(source, Mapping) and not (isinstance(key, str) and key.isidentifier()):
            raise InputError(
                "a dict of stimuli holds the rows of each argument of the model, by its name, got "
                f"the key {key!r}. Type e.g. load_stimuli({{'input_ids': ids, 'mask': mask}}), and "
                "pass stimuli by id as load_stimuli(list(d.values()), ids=list(d))."
            )
        try:
            is_text = key == TEXT and isinstance(column, list | tuple)
            columns[key] = (
                read_texts(column, TEXT) if is_text else _read_column(column, display, decode)
            )
        except InputError as error:
            raise InputError(f"input {key!r}: {error}") from None
    if isinstance(source, Mapping):
        return ColumnRows(columns)
    return ColumnRows(tuple(columns.values())) if len(columns) > 1 else columns[0]


def _read_column(column: Any, display: Display, decode: bool) -> Any:
    """Return the rows of one input: those of any source, numbers, or lists of numbers."""
    if _is_array(column):
        return ArrayRows(column, least_ndim=1)
    if isinstance(column, pd.Series):
        column = list(column)
    first = column[0] if isinstance(column, (list, tuple)) and len(column) > 0 else None
    if isinstance(first, (bool, int, float, np.generic)):
        return ArrayRows(np.asarray(column), least_ndim=1)
    if isinstance(first, list):
        _refuse_others(column, list, "lists of numbers")
        return ItemRows(column, display)
    if isinstance(first, (tuple, Mapping)) or isinstance(column, Mapping):
        raise InputError(
            f"must hold an array, a picture or a number for each stimulus, got "
            f"{describe_item(column if first is None else first)}"
        )
    return read_source(column, display, decode=decode)


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
    _refuse_others(items, _PATHS, "paths of image files")
    paths = [_make_path(item) for item in items]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"these stimulus files do not exist: {list_names(missing)}")
    return paths


def _check_files(paths: list[Path], display: Display, decode: bool) -> list[Picture]:
    return [check_file(path, display, decode=decode) for path in paths]


def _read_list(items: list[Any], display: Display, decode: bool) -> Any:
    """Return the pictures, or the rows of arrays, of a list."""
    if isinstance(items[0], Image.Image):
        _refuse_others(items, Image.Image, "pictures")
        pictures = [MemoryPicture(item, f"picture {i}", display) for i, item in enumerate(items)]
        for picture in pictures:
            if decode and picture.kind.is_deep:
                picture.decode().read_levels(display)
        return pictures
    if isinstance(items[0], _ARRAYS):
        _refuse_others(items, _ARRAYS, "arrays")
        return ItemRows(items, display)
    if isinstance(items[0], (tuple, Mapping)):
        return _read_compounds(items, display, decode)
    raise InputError(
        "a list of stimuli must hold paths of image files, got "
        f"{type(items[0]).__name__}. Stack arrays into one with numpy.stack."
    )


def _read_compounds(items: list[Any], display: Display, decode: bool) -> Any:
    """Return the rows of a list of dicts or tuples, without the labels at the end of tuples."""
    if isinstance(items[0], tuple):
        _refuse_others(items, tuple, "tuples")
        stimuli: list[Any] = [dict(enumerate(drop_labels(item))) for item in items]
        if len(stimuli[0]) < 2:
            return ItemRows(items, display)
    else:
        _refuse_others(items, Mapping, "dicts")
        stimuli = items
    keys = list(stimuli[0])
    for i, stimulus in enumerate(stimuli):
        if stimulus.keys() != stimuli[0].keys():
            raise InputError(
                f"stimuli of one set must have the same inputs, got {list_names(keys)} in the "
                f"first and {list_names(stimulus)} in number {i + 1}"
            )
    columns: dict[Any, list[Any]] = {}
    for key in keys:
        columns[key] = [stimulus[key] for stimulus in stimuli]
    source: Any = tuple(columns.values()) if isinstance(items[0], tuple) else columns
    return _read_columns(source, display, decode)


def _refuse_others(items: list[Any], kinds: Any, what: str) -> None:
    """Raise InputError where a list holds something else than its first item is."""
    wrong = [item for item in items if not isinstance(item, kinds)]
    if wrong:
        raise InputError(
            f"a list of stimuli that begins with {what} must hold {what} only, got "
            f"{describe_item(wrong[0])}. Load the two kinds separately."
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
