"""Archives, zip and tar, unpacked with every name checked, and named when they are whole."""

import glob
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from neurolens.datasets.paths import split_name
from neurolens.errors import DataError

ZIP_SUFFIX = ".zip"
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# An archive with more files than this is refused.
MAX_FILES = 100_000
# What reading a damaged archive raises; OSError without a number is one of gzip or bzip2.
_DAMAGES = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
)


class Member(NamedTuple):
    """A file in an archive: its ``name``, how long it says it is, and its opened ``content``."""

    name: str
    n_bytes: int
    content: BinaryIO


def unpack_archive(path: Path, folder: Path, name: str, *, max_bytes: int) -> Path:
    """Unpack the folder ``name`` of an archive into ``folder``, and return where it is.

    It is unpacked under another name, which it loses when all of it is there. Two processes must
    not unpack the same folder at once.

    Parameters
    ----------
    path : Path
        A .zip, .tar, .tar.gz, .tgz, .tar.bz2 or .tar.xz.
    folder : Path
    name : str
        A folder at the top of the archive. What lies beside it is left out.
    max_bytes : int
        More than this is not written.

    Raises
    ------
    DataError
        The archive is damaged, holds a link, a device, or a name that leads out of the folder,
        repeats a name, lacks the folder, or is larger unpacked than ``max_bytes``.
    """
    target = folder.joinpath(*split_name(name, str(path)))
    prefix = f".unpacking-{target.name}-"
    for left in folder.glob(f"{glob.escape(prefix)}*"):
        # A process that was killed left it.
        shutil.rmtree(left, ignore_errors=True)
    room = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    try:
        try:
            _write_members(_list_members(path), room, path, max_bytes)
        except _DAMAGES as error:
            is_of_disk = isinstance(error, OSError) and error.errno is not None
            if isinstance(error, DataError) or is_of_disk:
                raise
            raise DataError(
                f"{path} cannot be unpacked ({type(error).__name__}: {error}). It may have been "
                "cut short: delete it, and load again."
            ) from error
        made = room / target.name
        if not made.is_dir():
            raise DataError(f"{path} holds no folder {name!r}. Is it another archive?")
        os.replace(made, target)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return target


def _write_members(members: Iterator[Member], room: Path, path: Path, max_bytes: int) -> None:
    """Write the files of an archive into a folder."""
    written: set[str] = set()
    total = 0
    for member in members:
        parts = split_name(member.name, f"the archive {path}")
        key = "/".join(parts).casefold()
        if key in written:
            raise DataError(f"the archive {path} holds {member.name!r} twice")
        written.add(key)
        total += member.n_bytes
        if total > max_bytes or len(written) > MAX_FILES:
            raise DataError(
                f"the archive {path} is larger than it can be: more than {max_bytes} bytes or "
                f"{MAX_FILES} files. Nothing of it is kept.",
                anchor="not-opened-for-safety",
            )
        target = room.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            shutil.copyfileobj(member.content, file)
        if target.stat().st_size != member.n_bytes:
            raise DataError(f"the archive {path} is cut short in {member.name!r}")


def _list_members(path: Path) -> Iterator[Member]:
    """Yield the files of an archive; raise DataError for what is neither a file nor a folder."""
    if path.name.endswith(ZIP_SUFFIX):
        return _list_zip(path)
    if path.name.endswith(TAR_SUFFIXES):
        return _list_tar(path)
    raise DataError(
        f"{path} is no archive of a known kind: {ZIP_SUFFIX}, {', '.join(TAR_SUFFIXES)}",
        anchor="unknown-format",
    )


def _list_zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                split_name(info.filename.rstrip("/"), f"the archive {path}")
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise _refuse_kind(path, info.filename)
            with archive.open(info) as content:
                yield Member(info.filename, info.file_size, content)  # type: ignore[arg-type]


def _list_tar(path: Path) -> Iterator[Member]:
    with tarfile.open(path) as archive:
        for info in archive:
            # tar names what lies in the present folder "./name".
            name = info.name.removeprefix("./")
            if info.isdir():
                if name not in ("", "."):
                    split_name(name, f"the archive {path}")
                continue
            content = archive.extractfile(info) if info.isfile() else None
            if content is None:
                raise _refuse_kind(path, info.name)
            with content:
                yield Member(name, info.size, content)  # type: ignore[arg-type]


def _refuse_kind(path: Path, name: str) -> DataError:
    return DataError(
        f"the archive {path} holds {name!r}, a link or device. Only files are unpacked.",
        anchor="not-opened-for-safety",
    )
