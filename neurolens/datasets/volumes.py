"""Volumes of the brain, read for recipes where voxels are wanted: NIfTI, and HDF5 of betas."""

import contextlib
import gzip
import importlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurolens.datasets.folders import Folder
from neurolens.errors import DataError, MissingToolError

# Bytes of a compressed stream that are read at a time to reach its checksum.
_BLOCK_BYTES = 2**20


class Volume(NamedTuple):
    """A single volume: ``values`` (x, y, z), and the ``affine`` (4, 4) from indices to mm."""

    values: np.ndarray
    affine: np.ndarray


def read_volume(raw: Folder, name: str) -> Volume:
    """Return the single volume in a NIfTI file.

    Raises
    ------
    DataError
        The file is missing, damaged, or holds another number of volumes.
    MissingToolError
        nibabel is not installed.
    """
    with _open_image(raw, name) as image:
        shape = image.shape
        if len(shape) < 3 or any(size != 1 for size in shape[3:]):
            raise DataError(f"{raw.path / name} must hold one volume (x, y, z), got shape {shape}")
        values = np.asarray(image.dataobj).reshape(shape[:3])
        return Volume(values, np.asarray(image.affine, dtype=np.float64))


def read_series(
    raw: Folder,
    name: str,
    voxels: np.ndarray,
    grid: Volume,
    rows: Sequence[int] | None = None,
    *,
    dtype: str | None = None,
    checks_affine: bool = True,
) -> np.ndarray:
    """Return values (row, voxel) of a series of volumes in a NIfTI file.

    Only the box around the voxels is read of an uncompressed file; a compressed one has to be
    unpacked up to its end, where its checksum stands.

    Parameters
    ----------
    raw : Folder
    name : str
        The file: (x, y, z, row).
    voxels : ndarray (voxel, 3)
        Indices x, y, z.
    grid : Volume
        Of the mask that the voxels are from; the series must have its shape.
    rows : sequence of int, optional
        Numbers of volumes, rising; default: all.
    dtype : str, optional
        What the numbers must be stored as, without a scale, such as "int16".
    checks_affine : bool
        Refuse a series whose affine is not that of the mask.

    Raises
    ------
    DataError
        The file is missing, damaged, or on another grid, or stores other numbers.
    """
    low = voxels.min(axis=0)
    high = voxels.max(axis=0) + 1
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    inside = tuple((voxels - low).T)
    with _open_image(raw, name) as image:
        _check_grid(raw.path / name, image, grid, checks_affine)
        slope = (image.dataobj.slope, image.dataobj.inter)
        if dtype is not None and (image.get_data_dtype() != np.dtype(dtype) or slope != (1, 0)):
            raise DataError(
                f"{raw.path / name} must hold {dtype} without a scale, as published, got "
                f"{image.get_data_dtype()} with slope and intercept {slope}"
            )
        numbers = range(image.shape[3]) if rows is None else rows
        _check_rows(raw.path / name, numbers, image.shape[3])
        values = [np.asarray(image.dataobj[(*box, int(row))])[inside] for row in numbers]
        return np.stack(values)


def read_hdf5_series(
    raw: Folder,
    name: str,
    variable: str,
    voxels: np.ndarray,
    grid: Volume,
    rows: Sequence[int] | None = None,
) -> np.ndarray:
    """Return values (row, voxel), int16, of a series of volumes in an HDF5 file.

    Of each z, only the rectangle around its voxels is read.

    Parameters
    ----------
    raw : Folder
    name : str
        The file. MATLAB writes (x, y, z, row), which others read as (row, z, y, x).
    variable : str
        Name of the array in it.
    voxels : ndarray (voxel, 3)
        Indices x, y, z.
    grid : Volume
        Of the mask that the voxels are from; the series must have its shape.
    rows : sequence of int, optional
        Numbers of volumes, rising; default: all.

    Raises
    ------
    DataError
        The file is missing, damaged or without the variable, or its array has other axes.
    MissingToolError
        h5py is not installed.
    """
    path = raw.path / name
    with open_hdf5(raw, name) as file:
        array = find_array(file, variable, path)
        expected = grid.values.shape[::-1]
        if array.ndim != 4 or array.shape[1:] != expected or array.dtype != np.int16:
            raise DataError(
                f"{variable!r} in {path} must be int16 (row, z, y, x) = (row, "
                f"{', '.join(map(str, expected))}), the mask's axes reversed, got {array.dtype} "
                f"{array.shape}"
            )
        numbers = range(array.shape[0]) if rows is None else rows
        _check_rows(path, numbers, array.shape[0])
        runs = list(_list_runs(numbers, array.chunks))
        values = np.empty((len(numbers), len(voxels)), dtype=np.int16)
        for z in np.unique(voxels[:, 2]):
            here = np.flatnonzero(voxels[:, 2] == z)
            x = voxels[here, 0]
            y = voxels[here, 1]
            plane = (int(z), slice(y.min(), y.max() + 1), slice(x.min(), x.max() + 1))
            for place, run in runs:
                block = array[(run, *plane)]  # (row, y, x)
                wanted = np.asarray(numbers[place]) - run.start
                values[place, here] = block[wanted][:, y - y.min(), x - x.min()]
        return values


@contextlib.contextmanager
def open_hdf5(raw: Folder, name: str) -> Iterator[Any]:
    """Open an HDF5 file whose bytes are counted; close it at the end."""
    h5py = import_tool("h5py", "HDF5 files")
    with raw.open(name) as stream:
        try:
            with h5py.File(stream, "r") as file:
                yield file
        except (OSError, KeyError, RuntimeError) as error:
            if isinstance(error, DataError):
                raise
            raise _refuse_file(raw.path / name, error) from error


def find_array(file: Any, variable: str, path: Path) -> Any:
    """Return an array in an opened HDF5 file, or raise DataError naming what is there."""
    if variable not in file or not hasattr(file[variable], "shape"):
        raise DataError(f"{path} holds no array {variable!r}. It holds {', '.join(file) or 'none'}")
    return file[variable]


def import_tool(module: str, what: str) -> Any:
    """Return a module, or raise MissingToolError saying which package to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingToolError(
            f"{what} need {module}, which is not installed. Type pip install {module}."
        ) from error


@contextlib.contextmanager
def _open_image(raw: Folder, name: str) -> Iterator[Any]:
    """Open a NIfTI file whose bytes are counted; check the end of a compressed one."""
    nibabel = import_tool("nibabel", "images")
    with contextlib.ExitStack() as opened:
        stream: Any = opened.enter_context(raw.open(name))
        is_compressed = name.endswith(".gz")
        if is_compressed:
            buffered = opened.enter_context(io.BufferedReader(stream))
            stream = opened.enter_context(gzip.GzipFile(fileobj=buffered))
        try:
            yield nibabel.Nifti1Image.from_stream(stream)
            while is_compressed and stream.read(_BLOCK_BYTES):
                pass
        except Exception as error:
            if isinstance(error, DataError):
                raise
            raise _refuse_file(raw.path / name, error) from error


def _refuse_file(path: Path, error: Exception) -> DataError:
    reason = str(error).partition("\n")[0]
    return DataError(
        f"{path} cannot be read ({type(error).__name__}: {reason}). It may have been cut short: "
        "fetch or copy it again."
    )


def _check_grid(path: Path, image: Any, grid: Volume, checks_affine: bool) -> None:
    """Raise DataError where a series has another shape, or affine, than the mask."""
    shape = image.shape
    if len(shape) != 4 or shape[:3] != grid.values.shape:
        raise DataError(
            f"{path} must be (x, y, z, row), {grid.values.shape} as its mask, got {shape}"
        )
    if checks_affine and not np.allclose(image.affine, grid.affine, atol=1e-3, rtol=0):
        raise DataError(f"{path} and its mask are in different places: their affines differ")


def _check_rows(path: Path, rows: Sequence[int], n_rows: int) -> None:
    if len(rows) == 0 or min(rows) < 0 or max(rows) >= n_rows:
        numbers = f"{min(rows)} to {max(rows)} are" if len(rows) else "none is"
        raise DataError(f"{path} holds {n_rows} volumes, from 0 on, and {numbers} wanted")


def _list_runs(
    rows: Sequence[int], chunks: tuple[int, ...] | None
) -> Iterator[tuple[slice, slice]]:
    """Yield the places in ``rows`` of rows to be read at once, and the rows from first to last.

    Rows between them are read where they lie in the same chunk, or no such row is.
    """
    depth = chunks[0] if chunks else 1
    start = 0
    for place in range(1, len(rows) + 1):
        is_last = place == len(rows)
        is_apart = not is_last and rows[place] != rows[place - 1] + 1
        if is_last or (is_apart and rows[place] // depth != rows[place - 1] // depth):
            yield slice(start, place), slice(int(rows[start]), int(rows[place - 1]) + 1)
            start = place
