"""Arrays in HDF5 files: opened by each process for itself, read a few rows at a time."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from neurolens.errors import InputError
from neurolens.labels import list_names, suggest_name

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")
# Between the path of a file and the name of an array in it.
SEPARATOR = "::"
_LEAST_DIMS = 2


class Brick:
    """An array in an HDF5 file, with the stimuli along its first axis.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._array: Any = None
        self._process = 0
        array = self._open()
        self.shape = tuple(array.shape)
        self.dtype = array.dtype

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, where: Any) -> np.ndarray:
        return self._open()[where]

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_array": None, "_process": 0}

    def _open(self) -> Any:
        """Return the array, from a file that this process opened."""
        if self._process != os.getpid():
            self._array = _open_file(self._path)[self._name]
            self._process = os.getpid()
        return self._array


def read_brick(text: str) -> Brick:
    """Return the array of ``"file.hdf5::name"``, or the only one in ``"file.hdf5"``.

    Raises
    ------
    InputError
        When the file cannot be read, or several arrays in it may hold stimuli.
    UnknownNameError
        When it has no array of that name.
    """
    head, _, name = text.partition(SEPARATOR)
    path = Path(head)
    if not path.is_file():
        raise InputError(
            f"no file {head!r}; the array in it is named behind {SEPARATOR!r}",
            anchor="no-stimuli-found",
        )
    with _open_file(path) as file:
        names = _list_arrays(file)
        if not name:
            name = _choose_array(names, head)
    if name.strip("/") not in names:
        hint = f"Type e.g. {head + SEPARATOR + next(iter(names), 'images')!r}."
        raise suggest_name(name, names, f"array in {head!r}", hint)
    return Brick(path.absolute(), name)


def _choose_array(names: dict[str, tuple[int, ...]], head: str) -> str:
    """Return the name of the only array that may hold stimuli."""
    fitting = [name for name, shape in names.items() if len(shape) >= _LEAST_DIMS]
    if len(fitting) == 1:
        return fitting[0]
    example = f" Name one of them, e.g. {head + SEPARATOR + fitting[0]!r}." if fitting else ""
    raise InputError(
        f"{head!r} holds {len(fitting)} arrays that may be stimuli: "
        f"{list_names(fitting)}.{example}",
        anchor="choose-an-array",
    )


def _list_arrays(file: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays in a file by name; links to other files are not followed."""
    import h5py

    shapes = {}

    def note(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            shapes[name] = tuple(entry.shape or ())

    file.visititems(note)
    return shapes


def _open_file(path: Path) -> Any:
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{str(path)!r} cannot be read as HDF5 ({reason}). It may be cut short; copy it again.",
            anchor="stimulus-unreadable",
        ) from error
