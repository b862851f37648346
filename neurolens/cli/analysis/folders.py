"""The folder of results: claimed by one run, and filled when all files are there."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from neurolens.cli.analysis.locks import LOCK, read_lock
from neurolens.errors import DataError
from neurolens.labels import list_names


@contextmanager
def claim_folder(output: Path) -> Iterator[Path]:
    """Yield a new folder beside ``output`` to write into, which is removed at the end.

    Only one run can claim a folder.

    Raises
    ------
    DataError
        It cannot be written, or another run writes into it.
    """
    if output.exists() and not output.is_dir():
        raise DataError(
            f"{str(output)!r} is a file; give the results another folder", anchor="cannot-write"
        )
    output = Path(os.path.abspath(output))
    parent = output.parent
    made = _make_folders(parent)
    lock = filelock.FileLock(parent / f".{output.name}.lock")
    try:
        try:
            lock.acquire(timeout=0)
            work = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=parent))
        except filelock.Timeout:
            raise DataError(
                f"another run writes into {str(output)!r}. Wait for it, or give another folder.",
                anchor="results-in-place",
            ) from None
        except OSError as error:
            raise DataError(
                f"cannot write into {str(parent)!r} ({error.strerror}). Give another folder.",
                anchor="cannot-write",
            ) from error
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
    finally:
        if lock.is_locked:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()
        _remove_empty(made)


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; return the ones made, the innermost first."""
    missing = []
    for one in (folder, *folder.parents):
        if one.exists():
            break
        missing.append(one)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot make the folder {str(folder)!r} ({error.strerror}). Give another one.",
            anchor="cannot-write",
        ) from error
    return missing


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders that are empty, the innermost first."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def check_owner(output: Path, settings: dict[str, Any], *, overwrite: bool) -> None:
    """Check that a folder is new, or holds results of the same analysis.

    Raises
    ------
    DataError
        It holds something else, which ``overwrite`` allows to be replaced.
    """
    if overwrite or not output.is_dir():
        return
    lock = read_lock(output)
    if lock is None:
        names = sorted(path.name for path in output.iterdir())
        if names:
            raise DataError(
                f"{str(output)!r} holds {list_names(names)}, and no {LOCK}. Give the results "
                "another folder, or pass --overwrite to write them between these files.",
                anchor="results-in-place",
            )
    elif lock["settings"] != settings:
        raise DataError(
            f"{str(output)!r} holds the results of other settings. Give these another folder, or "
            "pass --overwrite to replace them.",
            anchor="results-in-place",
        )


def fill_folder(output: Path, work: Path) -> None:
    """Move the files of ``work`` into ``output``; the lock last.

    Files of earlier results that were not written again are removed; others stay.
    """
    names = sorted(path.name for path in work.iterdir() if path.name != LOCK)
    try:
        old = read_lock(output) if output.is_dir() else None
    except DataError:
        old = None
    with hold_interrupt():
        output.mkdir(exist_ok=True)
        for name in names:
            os.replace(work / name, output / name)
        os.replace(work / LOCK, output / LOCK)
        for name in (old or {"results": {}})["results"]:
            if name not in names and Path(name).name == name:
                (output / name).unlink(missing_ok=True)


@contextmanager
def hold_interrupt() -> Iterator[None]:
    """Let Ctrl-C wait until the block has ended."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return
    came = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
