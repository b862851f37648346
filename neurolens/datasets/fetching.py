"""The files of a data set: taken from a folder, or fetched, and checked against the card."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurolens.datasets.archives import unpack_archive
from neurolens.datasets.cards import DIGESTS
from neurolens.datasets.downloads import PART_SUFFIX, Digest, download_file
from neurolens.datasets.folders import Folder
from neurolens.datasets.paths import locate_inside
from neurolens.errors import DataError, InputError
from neurolens.labels import list_names

MIRROR_VARIABLE = "NEUROLENS_MIRROR"
LOCK = ".lock"


def find_folder(
    card: dict[str, Any],
    *,
    subjects: Sequence[str] | None,
    folder: str | Path | None,
    cache: str | Path | None,
    quiet: bool,
) -> Folder:
    """Return the folder with the files of a data set, fetched if need be.

    Parameters
    ----------
    card : dict
    subjects : sequence of str or None
        Files of other subjects are not fetched; None for all.
    folder : path, optional
        The user's own copy, of which nothing is fetched and in which nothing is written.
    cache : path, optional
        Where fetched files are kept.
    quiet : bool
        Show no progress.

    Raises
    ------
    InputError
        ``folder`` is no folder, or is given for a data set without files.
    DataError
        A file is missing and cannot be fetched, or has another checksum than the card says.
    """
    if folder is not None:
        return _open_copy(card, Path(folder).expanduser(), subjects)
    variable = os.environ.get(MIRROR_VARIABLE)
    mirror = Path(variable) / card["key"] if variable else None
    room = (Path(cache) if cache else find_cache()) / card["key"]
    if not card.get("files"):
        return _open_layout(card, mirror, room)
    entries = _list_entries(card, subjects)
    if mirror is not None:
        _check_files(card, entries, mirror, f"{MIRROR_VARIABLE}={variable}", "unset the variable")
        if not any("unpack" in entry for entry in entries):
            return Folder(mirror, card)
    _fetch_entries(card, entries, room, mirror, quiet)
    return Folder(room, card)


def find_cache() -> Path:
    """Return the folder in which fetched files are kept by default."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("neurolens")) / "datasets"


def _name(card: dict[str, Any]) -> str:
    return f"the card of {card['key']!r}"


def _list_entries(card: dict[str, Any], subjects: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return the entries of the files that are needed for some subjects."""
    entries = []
    for entry in card.get("files", []):
        if subjects is None or entry.get("subject") in (None, *subjects):
            entries.append(entry)
    return entries


def _open_copy(card: dict[str, Any], path: Path, subjects: Sequence[str] | None) -> Folder:
    """Return the user's own copy, with the files of the card checked."""
    if not card.get("files") and not card.get("layout"):
        raise InputError(
            f"data set {card['key']!r} is made on the spot and has no files. Leave out folder=."
        )
    if not path.is_dir():
        raise InputError(f"folder= must be a folder with a copy of the data, got {str(path)!r}.")
    if not card.get("layout"):
        entries = _list_entries(card, subjects)
        _check_files(card, entries, path, f"folder={str(path)!r}", "leave out folder=")
    return Folder(path, card)


def _open_layout(card: dict[str, Any], mirror: Path | None, room: Path) -> Folder:
    """Return the folder of a data set of which nothing can be fetched."""
    if not card.get("layout"):
        return Folder(room, card)
    if mirror is not None and mirror.is_dir():
        return Folder(mirror, card)
    raise DataError(
        f"the files of data set {card['key']!r} cannot be fetched. {card['where'].strip()} Then "
        "pass folder= to load_dataset, the folder that holds them.",
        anchor="data-set-by-request",
    )


def _check_files(
    card: dict[str, Any], entries: list[dict[str, Any]], folder: Path, given: str, undo: str
) -> None:
    """Raise DataError where a folder lacks files of a card, or has others.

    ``given`` is how the folder was given, and ``undo`` what to do to fetch the files instead.
    """
    paths = [locate_inside(folder, entry["name"], _name(card)) for entry in entries]
    missing = []
    for entry, path in zip(entries, paths, strict=True):
        if not path.is_file():
            missing.append(entry["name"])
    if missing:
        raise DataError(
            f"{given} lacks {list_names(missing)} of data set {card['key']!r}. Put the files into "
            f"{folder}, or {undo} to fetch them.",
            anchor="data-set-incomplete",
        )
    for entry, path in zip(entries, paths, strict=True):
        _check_digest(path, entry)


def _read_digest(entry: dict[str, Any]) -> Digest:
    [kind] = [kind for kind in DIGESTS if kind in entry]
    return Digest(kind, entry[kind])


def _check_digest(path: Path, entry: dict[str, Any]) -> None:
    """Raise DataError where a file has another checksum than its card says."""
    digest = _read_digest(entry)
    found = digest.compute(path)
    if found != digest.value:
        raise DataError(
            f"{path} is not the file the recipe names: {digest.kind} {found}, expected "
            f"{digest.value}. Delete it and load again.",
            anchor="checksum-mismatch",
        )


def _fetch_entries(
    card: dict[str, Any],
    entries: list[dict[str, Any]],
    room: Path,
    mirror: Path | None,
    quiet: bool,
) -> None:
    """Fetch what the cache lacks, and check what it has.

    Archives, which may lie in a mirror, are unpacked, and those in the cache deleted then; other
    files of such a mirror are copied into the cache.
    """
    from filelock import FileLock

    missing = [entry for entry in entries if not _is_there(room, entry, card)]
    if missing:
        room.mkdir(parents=True, exist_ok=True)
        with FileLock(room / LOCK):
            for entry in missing:
                # Another process may have fetched it while this one waited.
                if not _is_there(room, entry, card):
                    _fetch_entry(card, entry, room, mirror, quiet)
    for entry in entries:
        if "unpack" not in entry:
            _check_digest(locate_inside(room, entry["name"], _name(card)), entry)


def _is_there(room: Path, entry: dict[str, Any], card: dict[str, Any]) -> bool:
    """Return whether a file, or the folder that an archive unpacks to, is in the cache."""
    if "unpack" in entry:
        return locate_inside(room, entry["unpack"], _name(card)).is_dir()
    return locate_inside(room, entry["name"], _name(card)).is_file()


def _fetch_entry(
    card: dict[str, Any], entry: dict[str, Any], room: Path, mirror: Path | None, quiet: bool
) -> None:
    """Fetch one file into the cache, or take it from the mirror; unpack it if it is an archive."""
    url = card["base_url"] + entry["name"]
    path = locate_inside(mirror or room, entry["name"], _name(card))
    if not path.is_file():
        try:
            download_file(url, path, _read_digest(entry), n_bytes=entry.get("bytes"), quiet=quiet)
        except DataError as error:
            raise DataError(
                f"data set {card['key']!r}: {entry['name']} could not be fetched from {url} "
                f"({error}); connect to the network, or put the file into {room}, or set "
                f"{MIRROR_VARIABLE} to a folder that has {card['key']}/{entry['name']}."
            ) from error
    elif mirror is None:
        _check_digest(path, entry)
    if "unpack" in entry:
        limit = entry["unpacked_bytes_at_most"]
        unpack_archive(path, room, entry["unpack"], max_bytes=limit)
        if mirror is None:
            path.unlink()
    elif mirror is not None:
        _copy_file(path, locate_inside(room, entry["name"], _name(card)))


def _copy_file(source: Path, target: Path) -> None:
    """Copy a file, whose checksum is verified, so that it has its name when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + PART_SUFFIX)
    shutil.copyfile(source, part)
    os.replace(part, target)
