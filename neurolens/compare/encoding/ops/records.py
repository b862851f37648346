"""Fits of single ops kept in a folder, so that a call that was stopped need not repeat them."""

import hashlib
import os
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np

from neurolens.compare.inputs.checks import check_path
from neurolens.errors import InputError

SUFFIX = ".npz"
PARTIAL = ".partial"
# Bytes of the hash of all that is before it, at the end of a file.
DIGEST_SIZE = hashlib.sha256().digest_size
# Bytes of a file, and numbers of responses, that are hashed at once.
BLOCK_BYTES = 2**20
BLOCK_NUMBERS = 2**22


class FitRecords:
    """A folder with a file for each op that was fitted, named by a hash of all that it depends on.

    A file is written under a name of its own first, so that one that is there is whole, whoever
    writes at once. One that is damaged, or cannot be read, is as if it were not there.

    Parameters
    ----------
    path : str or Path
        The folder; it is made where there is none.
    problem : str
        A hash of what all ops have in common: responses, folds and settings.
    """

    def __init__(self, path: str | Path, problem: str) -> None:
        check_path(path, "checkpoint='fits'")
        self.folder = Path(path)
        self._problem = problem
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(
                f"checkpoint must be a folder, and {str(path)!r} is a file. Pass another name."
            )
        self.folder.mkdir(parents=True, exist_ok=True)

    def read(self, features: str) -> dict[str, np.ndarray] | None:
        """Return the arrays of the fit of an op whose ``features`` have this hash, or None."""
        try:
            with open(self._name(features), "rb") as file:
                if not _is_whole(file):
                    return None
                with np.load(file, allow_pickle=False) as arrays:
                    return dict(arrays)
        except OSError:
            return None

    def write(self, features: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep the arrays of the fit of an op."""
        path = self._name(features)
        partial = path.with_suffix(f".{uuid4().hex}{PARTIAL}")
        try:
            with open(partial, "w+b") as file:
                np.savez(file, allow_pickle=False, **arrays)
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").digest()
                file.write(digest)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)

    def _name(self, features: str) -> Path:
        key = hashlib.sha256(f"{self._problem} {features}".encode()).hexdigest()
        return self.folder / f"{key[:32]}{SUFFIX}"


def _is_whole(file: BinaryIO) -> bool:
    """Return whether ``file`` ends with the hash of what is before it; it is read from its start.

    Whatever else is in a file that is not, NumPy need not make sense of it.
    """
    digest = hashlib.sha256()
    left = os.fstat(file.fileno()).st_size - DIGEST_SIZE
    while left > 0:
        block = file.read(min(left, BLOCK_BYTES))
        digest.update(block)
        left -= len(block)
    is_whole = left == 0 and file.read() == digest.digest()
    file.seek(0)
    return is_whole


def hash_problem(*parts: Any) -> str:
    """Return a hash of arrays, and of anything else by its ``repr``."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype != object:
            digest.update(f"{part.dtype} {part.shape}".encode())
            # Its bytes, without a copy of them.
            digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
        else:
            digest.update(repr(part.tolist() if isinstance(part, np.ndarray) else part).encode())
        digest.update(b"|")
    return digest.hexdigest()


def hash_fit(ids: np.ndarray, values: np.ndarray, train: np.ndarray, alpha: np.ndarray) -> str:
    """Return what tells one fit from another: a hash of training stimuli, means and penalties.

    ``values`` (n, v) are the responses to ``ids`` (n,), ``train`` the training stimuli, whose order
    does not matter.
    """
    digest = hashlib.sha256(repr(sorted(map(repr, ids[train].tolist()))).encode())
    # A block of neuroids at a time: a copy of all responses would be large.
    width = max(1, BLOCK_NUMBERS // len(train))
    for start in range(0, values.shape[1], width):
        digest.update(np.sort(values[:, start : start + width][train], axis=0).tobytes())
    digest.update(alpha.tobytes())
    return digest.hexdigest()
