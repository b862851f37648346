"""Files of numbers, volume by volume: compressed ones are checked to their last byte.

gzip ends with a checksum of all that it holds. A reader that stops before the end, as one that
reads a slice does, never compares it, and takes damaged numbers for right ones.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from neurolens.brain.images.numbers import tell_first_line
from neurolens.errors import DataError, InputError, warn_user

GZIP = b"\x1f\x8b"
# No more bytes than these times the compressed ones can come out of gzip.
MOST_PACKED = 1032
READ_BYTES = 2**24


class Layout(NamedTuple):
    """Where numbers are in a file, once unpacked.

    From byte ``offset`` on there are ``n_volumes`` volumes of ``size`` numbers of ``dtype``.
    """

    offset: int
    dtype: np.dtype
    size: int
    n_volumes: int

    @property
    def volume_bytes(self) -> int:
        """The bytes of one volume."""
        return self.size * self.dtype.itemsize

    @property
    def end(self) -> int:
        """The bytes of a whole file."""
        return self.offset + self.n_volumes * self.volume_bytes


def check_packing(path: Path) -> None:
    """Raise DataError where a file is compressed otherwise than its name says, or twice."""
    named = path.name.endswith(".gz")
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    if named and not packed:
        raise DataError(
            f"{path} is named .gz and is not compressed, or damaged at its beginning. If it is a "
            "plain image, rename it to .nii; otherwise fetch or copy it again."
        )
    if packed and not named:
        raise DataError(f"{path} is compressed. Rename it to {path.name}.gz.")
    if packed:
        _refuse_twice(path)


def _refuse_twice(path: Path) -> None:
    """Raise DataError for a file that was compressed twice, or cannot be unpacked."""
    try:
        with gzip.open(path) as file:
            first = file.read(2)
    except Exception as error:
        raise _tell_damage(path, error) from error
    if first == GZIP:
        raise DataError(
            f"{path} is compressed twice. Unpack it once: gunzip {path.name}, then name what comes "
            "out .nii.gz."
        )


def check_length(path: Path, layout: Layout) -> None:
    """Raise DataError where a file cannot hold what its header says; warn where it holds more."""
    found = path.stat().st_size
    if path.name.endswith(".gz"):
        if layout.end > MOST_PACKED * found:
            raise _tell_short(path)
    elif found < layout.end:
        raise _tell_short(path, found, layout.end)
    elif found > layout.end:
        _warn_rest(path, found - layout.end)


def check_whole(path: Path) -> None:
    """Raise DataError for a compressed file that is damaged; say nothing of others."""
    if not path.name.endswith(".gz"):
        return
    try:
        with gzip.open(path) as file:
            _read_rest(file)
    except Exception as error:
        raise _tell_damage(path, error) from error


def read_places(path: Path, layout: Layout, places: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the numbers (place,) at ``places`` of each volume, as they are stored.

    Compressed files are read to the end, with their checksum; of others, only what is asked for.

    Raises
    ------
    DataError
        The file is damaged or cut short.
    """
    if path.name.endswith(".gz"):
        yield from _unpack(path, layout, places)
        return
    try:
        numbers = np.memmap(
            path,
            dtype=layout.dtype,
            mode="r",
            offset=layout.offset,
            shape=(layout.n_volumes, layout.size),
        )
    except Exception as error:
        raise _tell_damage(path, error) from error
    for volume in range(layout.n_volumes):
        yield np.asarray(numbers[volume][places])


def _unpack(path: Path, layout: Layout, places: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the numbers of a compressed file, and check it to its end."""
    try:
        with gzip.open(path) as file:
            _read_exactly(file, layout.offset, path)
            for _ in range(layout.n_volumes):
                raw = _read_exactly(file, layout.volume_bytes, path)
                yield np.frombuffer(raw, dtype=layout.dtype)[places]
            rest = _read_rest(file)
    except (DataError, InputError, GeneratorExit):
        raise
    except Exception as error:
        raise _tell_damage(path, error) from error
    if rest:
        _warn_rest(path, rest)


def _read_exactly(file: gzip.GzipFile, n_bytes: int, path: Path) -> bytearray:
    """Return the next ``n_bytes``, or raise where the file ends before."""
    raw = bytearray()
    while len(raw) < n_bytes:
        piece = file.read(min(READ_BYTES, n_bytes - len(raw)))
        if not piece:
            raise _tell_short(path)
        raw += piece
    return raw


def _read_rest(file: gzip.GzipFile) -> int:
    """Read a compressed file to its end, where it is checked; return how much there was."""
    rest = 0
    while piece := file.read(READ_BYTES):
        rest += len(piece)
    return rest


def _tell_damage(path: Path, error: Exception) -> DataError:
    return DataError(
        f"the numbers in {path} cannot be read ({tell_first_line(error)}). The file is damaged or "
        "has been cut short: fetch or copy it again."
    )


def _tell_short(path: Path, found: int | None = None, expected: int | None = None) -> DataError:
    sizes = "" if found is None else f", {found:,} bytes of {expected:,}"
    return DataError(
        f"{path} ends before the last volume that its header promises{sizes}. It has been cut "
        "short, or its header is damaged: fetch or copy it again."
    )


def _warn_rest(path: Path, rest: int) -> None:
    warn_user(
        f"{path.name} holds {rest:,} bytes more than its header says. If volumes are missing, its "
        "header is wrong."
    )
