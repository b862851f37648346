"""What is alive where a pass starts, of all batches: in memory, and beyond a budget in a file."""

import ctypes
import shutil
import tempfile
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

import torch

from neurolens.extract.stream.resume.script import Place, count_span

# Kernels may choose their code by the alignment of memory; a tensor gets back that which it had.
_ALIGNMENT = 64


class _SavedTensor(NamedTuple):
    """A tensor as the bytes of its memory, held, or in the file from ``offset`` on."""

    held: torch.Tensor | None
    offset: int
    n_bytes: int
    padding: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device


class SpillFiles:
    """Temporary files, which are written to again once what was in them is not needed any more.

    They have no names and end with the process, whatever ends that, or with `close`. A file that
    was written to before takes a third of the time to write, since the system has its pages.
    """

    def __init__(self) -> None:
        self._free: list[BinaryIO] = []

    def take(self) -> BinaryIO:
        """Return a file, to be written from its start on."""
        if self._free:
            return self._free.pop()
        return tempfile.TemporaryFile(prefix="neurolens-", buffering=0)

    def give_back(self, file: BinaryIO) -> None:
        """Take a file whose contents are not needed any more."""
        self._free.append(file)

    def close(self) -> None:
        """Close the files that were given back."""
        for file in self._free:
            file.close()
        self._free.clear()


class SavedStates:
    """What is alive at one cut, by the first row of the batch.

    Parameters
    ----------
    room : int
        The most bytes that are held in memory; beyond, they go to a file.
    files : SpillFiles
        Where that comes from; `close` gives it back.

    Attributes
    ----------
    n_spilled : int
        Bytes written into the file.
    """

    def __init__(self, room: int, files: SpillFiles) -> None:
        self.n_spilled = 0
        self._room = room
        self._files = files
        self._n_held = 0
        self._batches: dict[int, dict[Place, _SavedTensor]] = {}
        self._file: BinaryIO | None = None

    def __contains__(self, row: int) -> bool:
        return row in self._batches

    def save(self, row: int, tensors: Mapping[Place, torch.Tensor]) -> None:
        """Save the tensors that are alive in a batch.

        Raises
        ------
        OSError
            When the disk is full.
        """
        self.forget(row)
        saved = self._batches.setdefault(row, {})
        try:
            for place, tensor in tensors.items():
                saved[place] = self._save(tensor)
        except OSError:
            self.forget(row)
            raise

    def load(self, row: int) -> dict[Place, torch.Tensor]:
        """Return the tensors of a batch, with the strides and the alignment that they had."""
        return {place: self._load(saved) for place, saved in self._batches[row].items()}

    def forget(self, row: int) -> None:
        """Let go of what was saved of a batch, if anything was."""
        for saved in self._batches.pop(row, {}).values():
            self._n_held -= saved.n_bytes if saved.held is not None else 0

    def close(self) -> None:
        """Let go of everything."""
        self._batches.clear()
        self._n_held = 0
        if self._file is not None:
            self._files.give_back(self._file)
            self._file = None

    def _save(self, tensor: torch.Tensor) -> _SavedTensor:
        start = int(tensor.storage_offset())
        flat = tensor.detach().as_strided((count_span(tensor),), (1,), start)
        n_bytes = flat.numel() * flat.element_size()
        padding = start * flat.element_size() % _ALIGNMENT
        held = None
        offset = 0
        if self._n_held + n_bytes <= self._room:
            held = flat.clone()
            self._n_held += n_bytes
        else:
            offset = self._write(flat.cpu(), n_bytes)
        form = (tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device)
        return _SavedTensor(held, offset, n_bytes, padding, *form)

    def _load(self, saved: _SavedTensor) -> torch.Tensor:
        size = saved.padding + saved.n_bytes
        device = torch.device("cpu") if saved.held is None else saved.device
        octets = torch.empty(size, dtype=torch.uint8, device=device)
        flat = octets[saved.padding :].view(saved.dtype)
        if saved.held is None:
            self._read(flat, saved)
            if saved.device != device:
                octets = octets.to(saved.device)
                flat = octets[saved.padding :].view(saved.dtype)
        else:
            flat.copy_(saved.held)
        return flat.as_strided(saved.shape, saved.stride, flat.storage_offset())

    def _write(self, flat: torch.Tensor, n_bytes: int) -> int:
        """Write the bytes of a tensor at the end of the file; return where they begin."""
        if self._file is None:
            self._file = self._files.take()
        offset = self._file.seek(self.n_spilled)
        left = _view_memory(flat, n_bytes)
        while left:
            left = left[self._file.write(left) :]
        self.n_spilled += n_bytes
        return offset

    def _read(self, flat: torch.Tensor, saved: _SavedTensor) -> None:
        assert self._file is not None
        self._file.seek(saved.offset)
        left = _view_memory(flat, saved.n_bytes)
        while left:
            n_read = self._file.readinto(left)  # type: ignore[attr-defined]
            if not n_read:
                raise OSError("the temporary file of saved results is shorter than it was")
            left = left[n_read:]


def find_room_on_disk() -> int:
    """Return the bytes that are free where temporary files go, one in ten left aside."""
    return shutil.disk_usage(tempfile.gettempdir()).free * 9 // 10


def _view_memory(flat: torch.Tensor, n_bytes: int) -> memoryview:
    """Return the memory of a tensor; numpy would keep it from ever being resized."""
    if not n_bytes:
        return memoryview(bytearray())
    return memoryview((ctypes.c_char * n_bytes).from_address(flat.data_ptr())).cast("B")
