"""Chunk files of a store: which there are, and whether each is as it was written."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np

N_CHECKSUM = 4  # bytes of the crc32c at the end of a chunk


@dataclass(frozen=True, slots=True)
class ArrayForm:
    """The form of one array on disk, as its header says it.

    ``path`` is its folder within the store; ``n_bytes`` the size of each chunk's file, None where
    that depends on the values.
    """

    path: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunk_shape: tuple[int, ...]
    n_bytes: int | None
    has_checksum: bool

    def list_chunks(self) -> list[str]:
        """Return the paths of all chunks within the store."""
        counts = [
            math.ceil(n / chunk) for n, chunk in zip(self.shape, self.chunk_shape, strict=True)
        ]
        places = itertools.product(*map(range, counts))
        return [self.locate(place) for place in places]

    def list_chunks_of(self, dim: str, rows: range, **others: int) -> list[str]:
        """Return the paths of the chunks with these rows along one dimension.

        ``others`` are the places along other dimensions that the array has, 0 by default.
        """
        if math.prod(self.shape) == 0:
            return []
        axis = self.dims.index(dim)
        size = self.chunk_shape[axis]
        place = [others.get(name, 0) for name in self.dims]
        keys = []
        for number in range(rows.start // size, (rows.stop - 1) // size + 1):
            place[axis] = number
            keys.append(self.locate(place))
        return keys

    def locate(self, place: Iterable[int]) -> str:
        """Return the path of the chunk with these numbers along the dimensions."""
        return "/".join([self.path, "c", *map(str, place)])

    def find_rows(self, key: str, dim: str) -> range | None:
        """Return the rows along a dimension that a chunk holds; None without that dimension."""
        if dim not in self.dims:
            return None
        axis = self.dims.index(dim)
        number = int(key.removeprefix(f"{self.path}/c/").split("/")[axis])
        start = number * self.chunk_shape[axis]
        return range(start, min(start + self.chunk_shape[axis], self.shape[axis]))

    def find_flaw(self, content: Any) -> str:
        """Return what is wrong with the content of a chunk's file, "" where nothing is.

        ``content`` is bytes-like, None where there is no file.
        """
        if content is None:
            # The first version left out chunks that hold nothing but zeros.
            return "is missing" if self.has_checksum else ""
        data = np.frombuffer(content, np.uint8)
        if self.n_bytes is not None and data.size != self.n_bytes:
            return f"has {data.size} bytes where {self.n_bytes} were written"
        is_sound = not self.has_checksum or _is_sound(data)
        return "" if is_sound else "has changed since it was written"


def _is_sound(data: np.ndarray) -> bool:
    """Return whether bytes end with the checksum of those before."""
    if data.size < N_CHECKSUM:
        return False
    checksum = google_crc32c.value(data[:-N_CHECKSUM])
    return checksum == int.from_bytes(data[-N_CHECKSUM:].tobytes(), "little")


def read_form(path: str, header: Mapping[str, Any]) -> ArrayForm:
    """Return the form of an array from its header, decoded from JSON."""
    chunk_shape = tuple(header["chunk_grid"]["configuration"]["chunk_shape"])
    has_checksum = any(codec["name"] == "crc32c" for codec in header["codecs"])
    n_bytes = None
    if header["data_type"] != "string":
        item = np.dtype(header["data_type"]).itemsize
        n_bytes = math.prod(chunk_shape) * item + N_CHECKSUM * has_checksum
    return ArrayForm(
        path=path,
        dims=tuple(header["dimension_names"]),
        shape=tuple(header["shape"]),
        chunk_shape=chunk_shape,
        n_bytes=n_bytes,
        has_checksum=has_checksum,
    )


def read_values(form: ArrayForm, dtype: Any, content: bytes) -> np.ndarray:
    """Return the values of a sound chunk that has a checksum, in the chunk's shape."""
    return np.frombuffer(content[:-N_CHECKSUM], dtype).reshape(form.chunk_shape)


def pack_values(values: np.ndarray) -> tuple[memoryview, bytes]:
    """Return the two parts of a chunk's content: the bytes of these values, and their checksum."""
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    data = np.ascontiguousarray(little).reshape(-1).view(np.uint8)
    return data.data, google_crc32c.value(data).to_bytes(N_CHECKSUM, "little")


def fill_chunk(values: np.ndarray, chunk_shape: Sequence[int]) -> np.ndarray:
    """Return the values of a chunk in its shape; the last has zeros after its (stimulus, ...)."""
    values = values.reshape(len(values), *chunk_shape[1:])
    if len(values) == chunk_shape[0]:
        return values
    whole = np.zeros(chunk_shape, values.dtype)
    whole[: len(values)] = values
    return whole
