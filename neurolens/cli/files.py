"""Files that a subcommand writes: whole, or not at all."""

import hashlib
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from neurolens.errors import DataError


def check_target(
    path: Path,
    *,
    overwrite: bool,
    suffixes: Sequence[str] = (),
    inputs: Sequence[Path] = (),
    option: str = "--output",
) -> None:
    """Check that a file can be written, before anything is computed.

    Parameters
    ----------
    path : Path
    overwrite : bool
        Whether a file that is there may be replaced.
    suffixes : sequence of str
        Those that the name of the file may end with; any where there are none.
    inputs : sequence of Path
        Files that the subcommand reads, which are not replaced in any case.
    option : str
        By which the user gave the path, for messages.

    Raises
    ------
    DataError
        The folder is missing or cannot be written, the file is there already, is read, or has
        another suffix.
    """
    folder = path.parent
    if suffixes and path.suffix.lower() not in suffixes:
        raise DataError(
            f"{option} must end with {' or '.join(suffixes)}, got {str(path)!r}. Pass e.g. "
            f"{option} {str(path.with_suffix(suffixes[0]))!r}",
            anchor="unknown-format",
        )
    if not folder.is_dir():
        raise DataError(
            f"no folder {str(folder)!r} to write {path.name!r} into; make it first",
            anchor="cannot-write",
        )
    if any(one.exists() and path.exists() and path.samefile(one) for one in inputs):
        raise DataError(f"{str(path)!r} is what is read here; pass another {option}")
    if path.is_dir():
        raise DataError(f"{str(path)!r} is a folder; pass the name of a file as {option}")
    if path.exists() and not overwrite:
        raise DataError(
            f"{str(path)!r} is there already; pass --overwrite, or another {option}",
            anchor="file-exists",
        )
    if not os.access(folder, os.W_OK):
        raise DataError(
            f"cannot write into {str(folder)!r}; pass another {option}", anchor="cannot-write"
        )


def check_folder(path: Path, *, suffix: str) -> None:
    """Check that a store can be written, before anything is computed.

    A store that is there is continued, so that it may be there.

    Raises
    ------
    DataError
        The folder for it is missing, it has another suffix, or something else is there.
    """
    if path.suffix.lower() != suffix:
        raise DataError(
            f"--output must end with {suffix}, got {str(path)!r}. Pass e.g. --output "
            f"{str(path.with_suffix(suffix))!r}",
            anchor="unknown-format",
        )
    if not path.parent.is_dir():
        raise DataError(
            f"no folder {str(path.parent)!r} to write {path.name!r} into; make it",
            anchor="cannot-write",
        )
    if path.exists() and not path.is_dir():
        raise DataError(f"{str(path)!r} is a file; pass the name of a folder as --output")
    if not os.access(path.parent, os.W_OK):
        raise DataError(
            f"cannot write into {str(path.parent)!r}; pass another --output", anchor="cannot-write"
        )


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path``, which takes its place if the block ends without an error.

    Whatever happens, no half-written file is left, also after an interruption.

    Raises
    ------
    DataError
        The system refuses to write, such as on a full disk.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"{str(path)!r} could not be written: {reason}", anchor="cannot-write"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def quote_path(path: Path) -> str:
    """Return a path as it can be typed into a shell, also where it begins with a dash."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
