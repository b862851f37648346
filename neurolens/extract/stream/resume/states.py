"""What is alive where a pass starts, of all batches: in memory, and beyond a budget in a file."""

import ctypes
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import BinaryIO, NamedTuple

import torch

from neurolens.extract.stream.resume.script import Place, count_span
from neurolens.extract.stream.resume.spills import SpillFiles

# Kernels may choose their code by the alignment of memory; a tensor gets back that which it had.
_ALIGNMENT = 64

Failing = Callable[[Exception], None]


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

    Notes
    -----
    The file is written beside what the model does next; `finish` waits for that.
    """

    def __init__(self, room: int, files: SpillFiles) -> None:
        self.n_spilled = 0
        self._room = room
        self._files = files
        self._n_held = 0
        self._batches: dict[int, dict[Place, _SavedTensor]] = {}
        self._file: BinaryIO | None = None
        # Of rows that could not be written, why; the thread that writes appends to it.
        self._failures: list[tuple[int, Exception]] = []
        self._is_writing = False

    def __contains__(self, row: int) -> bool:
        return row in self._batches

    def save(self, row: int, tensors: Mapping[Place, torch.Tensor]) -> None:
        """Save the tensors that are alive in a batch; they may change from then on.

        Raises
        ------
        OSError
            When there can be no file.
        """
        self.forget(row)
        saved = self._batches.setdefault(row, {})
        fail = partial(self._note_failure, row)
        try:
            for place, tensor in tensors.items():
                saved[place] = self._save(tensor, fail)
        except OSError:
            self.forget(row)
            raise

    def finish(self) -> None:
        """Wait until all is written, and let go of the batches that could not be.

        What was forgotten is waited for, too: nothing writes to the file while it is read.

        Raises
        ------
        OSError
            When the disk is full. What could be written can be loaded.
        """
        if not self._is_writing:
            return
        self._files.wait()
        self._is_writing = False
        failures = self._failures
        self._failures = []
        for row, _ in failures:
            self.forget(row)
        if failures:
            raise failures[0][1]

    def _note_failure(self, row: int, error: Exception) -> None:
        self._failures.append((row, error))

    def load(self, row: int) -> dict[Place, torch.Tensor]:
        """Return the tensors of a batch, with the strides and the alignment that they had.

        Raises
        ------
        OSError
            When the disk was full, or the file is not what it was.
        """
        self.finish()
        return {place: self._load(saved) for place, saved in self._batches[row].items()}

    def forget(self, row: int) -> None:
        """Let go of what was saved of a batch, if anything was."""
        for saved in self._batches.pop(row, {}).values():
            self._n_held -= saved.n_bytes if saved.held is not None else 0

    def close(self) -> None:
        """Let go of everything."""
        self._batches.clear()
        self._failures.clear()
        self._n_held = 0
        if self._file is not None:
            self._files.give_back(self._file)
            self._file = None

    def _save(self, tensor: torch.Tensor, fail: Failing) -> _SavedTensor:
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
            offset = self.n_spilled
            self._write(flat.cpu(), n_bytes, fail)
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

    def _write(self, flat: torch.Tensor, n_bytes: int, fail: Failing) -> None:
        """Have the bytes of a tensor written at the end of the file."""
        if self._file is None:
            self._file = self._files.take()
        self._is_writing = True
        self._files.write(self._file, self.n_spilled, _view_memory(flat, n_bytes), fail)
        self.n_spilled += n_bytes

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
