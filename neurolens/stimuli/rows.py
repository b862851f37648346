"""Stimuli in arrays, lists and Datasets: read when used, as copies; hashes of all stimuli."""

import importlib
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from neurolens.errors import InputError
from neurolens.stimuli.batches.inputs import is_compound, list_inputs, map_inputs
from neurolens.stimuli.media import Medium
from neurolens.stimuli.pictures.display import Display, MemoryPicture
from neurolens.stimuli.pictures.images import is_picture

# Arrays of these packages are read several rows at a time; ours are those of HDF5 files by name.
_SLICED = frozenset({"numpy", "torch", "h5py", "zarr", "neurolens"})
_NUMBERS = "biufc"
# The kind of stimuli, and the name of an input, whose texts are neither names of files nor labels.
TEXT = "text"
_BLOCK_BYTES = 2**25


class ArrayRows:
    """The entries along the first axis of an array of NumPy, torch, HDF5, Zarr or the like.

    Floats of more than 32 bits, and bfloat16, are read as float32. ``least_ndim`` is the number of
    axes that it must have, that of the stimuli included.
    """

    def __init__(self, source: Any, least_ndim: int = 2) -> None:
        if isinstance(source, np.ma.MaskedArray):
            _refuse_masked(source)
        if not isinstance(source, torch.Tensor):
            _refuse_dtype(np.dtype(source.dtype))
        shape = tuple(source.shape)
        if len(shape) < least_ndim:
            raise InputError(
                f"an array of stimuli needs them along its first axis, got shape {shape}"
            )
        self._source = source
        self._n_rows = int(shape[0])
        package = type(source).__module__.partition(".")[0]
        is_sparse = isinstance(source, torch.Tensor) and source.layout != torch.strided
        self._is_sliced = package in _SLICED and not is_sparse
        self._is_hdf5 = package == "h5py"

    def __len__(self) -> int:
        return self._n_rows

    def __getitem__(self, row: int) -> np.ndarray:
        return self._read(row)

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs: of an HDF5 array the file and the name in it."""
        state = dict(vars(self))
        if self._is_hdf5:
            state["_source"] = (self._source.file.filename, self._source.name)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self._is_hdf5:
            file, name = state["_source"]
            self._source = importlib.import_module("h5py").File(file, "r")[name]

    def read_block(self, rows: Sequence[int]) -> list[np.ndarray]:
        """Return the entries of some rows."""
        if self._is_sliced and isinstance(rows, range) and rows.step == 1:
            return list(self._read(slice(rows.start, rows.stop)))
        return [self._read(row) for row in rows]

    def _read(self, where: int | slice) -> np.ndarray:
        try:
            entry = self._source[where]
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise InputError(
                f"the array of stimuli cannot be read any more ({reason}). Keep its file open and "
                "in place until the run has ended.",
                anchor="stimulus-unreadable",
            ) from error
        return copy_array(entry)


class ItemRows:
    """Items of a list or Dataset: arrays or pictures, dicts or tuples of them, with labels."""

    def __init__(self, source: Any, display: Display) -> None:
        self._source = source
        self.display = display

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, row: int) -> Any:
        try:
            item = self._source[row]
        except Exception as error:
            raise InputError(
                f"stimulus {row} of the {type(self._source).__name__} cannot be read "
                f"({type(error).__name__}: {error})",
                anchor="stimulus-unreadable",
            ) from error
        return convert_item(item, row, self.display)


class TextRows:
    """Texts, such as words or sentences, which a transform turns into what the model takes."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, row: int) -> str:
        return self.texts[row]


class ColumnRows:
    """Stimuli of several inputs, each of which comes from rows of its own.

    ``columns`` holds the rows of each input, in a dict or tuple, as the stimuli will be.

    Raises
    ------
    InputError
        When they differ in number.
    """

    def __init__(self, columns: Any) -> None:
        self.columns = columns
        counts = {key: len(column) for key, column in list_inputs(columns)}
        if len(set(counts.values())) > 1:
            given = ", ".join(f"{n} of {key!r}" for key, n in counts.items())
            raise InputError(
                f"every input needs one row per stimulus, got {given}. Where each array is a "
                "stimulus, pass them as a list."
            )
        self._n_rows = next(iter(counts.values()))
        displays = [getattr(column, "display", None) for _, column in list_inputs(columns)]
        self.display = next((display for display in displays if display is not None), None)

    def __len__(self) -> int:
        return self._n_rows

    def __getitem__(self, row: int) -> Any:
        return map_inputs(lambda column: column[row], self.columns)

    def read_block(self, rows: Sequence[int]) -> list[Any]:
        """Return the stimuli of some rows."""
        blocks = map_inputs(lambda column: read_block(column, rows), self.columns)
        return [map_inputs(operator.itemgetter(i), blocks) for i in range(len(rows))]


class ChosenRows:
    """Some rows of stimuli that are read when they are used."""

    def __init__(self, items: Any, rows: Sequence[int]) -> None:
        self._items = items
        self._rows = list(rows)
        self.display = getattr(items, "display", None)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Any:
        return self._items[self._rows[row]]


def wrap_items(items: Any) -> Any:
    """Return stimuli as they are where they are media or rows, else the rows that copy them."""
    if isinstance(items, (ArrayRows, ItemRows, TextRows, ColumnRows, ChosenRows)):
        return items
    if isinstance(items, list) and all(isinstance(item, Medium) for item in items):
        return items
    return ItemRows(items, Display())


def list_media(items: Any) -> list[Medium]:
    """Return the pictures, sounds and videos of stimuli, or of their inputs, that are listed."""
    if isinstance(items, ColumnRows):
        columns = [column for _, column in list_inputs(items.columns)]
        return [medium for column in columns for medium in list_media(column)]
    return items if isinstance(items, list) else []


def has_one_shape(items: Any) -> bool:
    """Return whether all stimuli surely have one shape: they are entries of arrays."""
    if isinstance(items, ColumnRows):
        return all(isinstance(column, ArrayRows) for _, column in list_inputs(items.columns))
    return isinstance(items, ArrayRows)


def is_ragged(items: Any) -> bool:
    """Return whether stimuli are sounds or videos that differ in length."""
    if not isinstance(items, list) or not any(medium.is_ragged for medium in items):
        return False
    return len({medium.read_shape() for medium in items}) > 1


def choose_rows(items: Any, rows: Sequence[int]) -> Any:
    """Return some of the stimuli; media as a list, others without reading them."""
    if isinstance(items, ColumnRows):
        return ColumnRows(map_inputs(lambda column: choose_rows(column, rows), items.columns))
    return [items[row] for row in rows] if isinstance(items, list) else ChosenRows(items, rows)


def read_block(items: Any, rows: Sequence[int]) -> list[Any]:
    """Return the stimuli of some rows, in one read where their array allows it."""
    if isinstance(items, (ArrayRows, ColumnRows)):
        return items.read_block(rows)
    return [items[row] for row in rows]


def iterate_items(items: Any) -> Iterator[Any]:
    """Yield every stimulus, a bounded number of them in memory at a time."""
    step = 1
    row = 0
    while row < len(items):
        block = read_block(items, range(row, min(row + step, len(items))))
        yield from block
        row += len(block)
        if isinstance(items, ArrayRows):
            step = max(1, _BLOCK_BYTES // max(1, block[0].nbytes))


def convert_item(item: Any, row: int, display: Display) -> Any:
    """Return an item of a list or Dataset as a picture or a copied array, without its labels.

    Several inputs become a dict or tuple of such.
    """
    if isinstance(item, Mapping) and item:
        return {key: _convert_input(part, key, row, display) for key, part in item.items()}
    if isinstance(item, tuple) and item:
        inputs = drop_labels(item)
        if len(inputs) > 1:
            pairs = enumerate(inputs)
            return tuple(_convert_input(part, key, row, display) for key, part in pairs)
        item = inputs[0]
    converted = _convert_part(item, row, display)
    if converted is None:
        raise InputError(
            f"stimulus {row} must be an array, a tensor, a picture of Pillow, a dict or tuple of "
            f"these, or a pair of one and its label, got {describe_item(item)}"
        )
    return converted


def drop_labels(item: tuple) -> tuple:
    """Return a tuple without the numbers, texts and None at its end; the first entry is kept."""
    n_inputs = len(item)
    while n_inputs > 1 and _is_label(item[n_inputs - 1]):
        n_inputs -= 1
    return item[:n_inputs]


def _convert_input(part: Any, key: Any, row: int, display: Display) -> Any:
    """Return one of several inputs as a picture or a copied array."""
    if isinstance(part, (bool, int, float)):
        part = np.asarray(part)
    if isinstance(part, str) and key == TEXT:
        return part
    converted = _convert_part(part, row, display)
    if converted is None or (isinstance(key, str) and not key.isidentifier()):
        raise InputError(
            f"stimulus {row} must hold an array, a tensor, a picture of Pillow or a number for "
            f"each argument of the model, got {describe_item(part)} for {key!r}"
        )
    return converted


def _convert_part(item: Any, row: int, display: Display) -> Any:
    """Return a picture or a copied array, None for something that is neither."""
    if isinstance(item, Image.Image):
        return MemoryPicture(item, f"picture {row}", display)
    is_numbers = isinstance(item, list) and all(isinstance(v, (int, float)) for v in item)
    if isinstance(item, (np.ndarray, torch.Tensor)) or hasattr(item, "__array__") or is_numbers:
        return copy_array(item)
    return None


def describe_item(item: Any) -> str:
    """Return the type of an item, and those of its parts, for a message."""
    if isinstance(item, (tuple, list)):
        parts = ", ".join(type(part).__name__ for part in item[:4])
        return f"a {type(item).__name__} of {parts}"
    return type(item).__name__


def _is_label(part: Any) -> bool:
    if isinstance(part, (np.ndarray, torch.Tensor)):
        return part.ndim == 0
    return part is None or isinstance(part, (int, float, str, bytes, np.generic))


def copy_array(entry: Any) -> np.ndarray:
    """Return an array or tensor as a new NumPy array, long floats and bfloat16 as float32.

    Raises
    ------
    InputError
        When it does not hold numbers, or some are masked.
    """
    if isinstance(entry, torch.Tensor):
        entry = _densify(entry.detach())
    if isinstance(entry, np.ma.MaskedArray):
        _refuse_masked(entry)
    array = np.asarray(entry)
    _refuse_dtype(array.dtype)
    is_long = array.dtype.kind == "f" and array.dtype.itemsize > 4
    return np.array(array, dtype=np.float32 if is_long else array.dtype.newbyteorder("="))


def _refuse_masked(array: np.ma.MaskedArray) -> None:
    if np.ma.getmaskarray(array).any():
        raise InputError("an array of stimuli has masked values. Fill them, e.g. array.filled(0).")


def _refuse_dtype(dtype: np.dtype) -> None:
    if dtype.kind not in _NUMBERS:
        raise InputError(
            f"an array of stimuli must hold numbers, got {dtype}. Pass files as a list of paths, "
            "and stack arrays with numpy.stack."
        )


def _densify(tensor: torch.Tensor) -> np.ndarray:
    """Return the values of any tensor; they may be shared with it."""
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    tensor = tensor.cpu().resolve_conj().resolve_neg()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def check_pictures(entry: Any, transform: Any) -> None:
    """Raise InputError for bytes that look like pictures but have other axes."""
    if is_compound(entry):
        for _, part in list_inputs(entry):
            if getattr(part, "ndim", 0) > 2:
                check_pictures(part, transform)
        return
    is_array = isinstance(entry, np.ndarray)
    is_picture_like = is_array and entry.dtype == np.uint8 and entry.ndim > 1
    if is_picture_like and isinstance(transform, str) and not is_picture(entry):
        raise InputError(
            "uint8 arrays are read as pictures of shape (n, height, width, 3), got entries of "
            f"shape {entry.shape}. Move the axes, or pass transform=None to give the numbers to "
            "the model as they are."
        )


def update_hash(digest: Any, item: Any) -> None:
    """Add the raw content of a stimulus to a hash: its file's, or an array's shape and values."""
    if is_compound(item):
        for key, part in list_inputs(item):
            digest.update(f"{key!r}:".encode())
            update_hash(digest, part)
    elif isinstance(item, Medium):
        item.update_hash(digest)
    elif isinstance(item, str):
        digest.update(f"text of {len(item)}:".encode() + item.encode())
    else:
        digest.update(f"{item.shape}{item.dtype}".encode() + item.tobytes())
