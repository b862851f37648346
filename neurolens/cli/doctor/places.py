"""Folders: of fetched data sets, of temporary files, and the mirror."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neurolens.cli.doctor.findings import FAULT, MISSING, OK, Finding, format_bytes, tell_failure

LITTLE_DISK = 2 * 2**30
# Files up to this size are compared by their checksums, larger ones by their sizes.
MOST_HASHED = 64 * 2**20


def check_cache() -> Iterator[Finding]:
    """Tell where data sets are kept, how large that is, and whether it can be written."""
    from neurolens.datasets.fetching import find_cache

    folder = find_cache()
    n_files, n_bytes = measure_folder(folder)
    held = f"{n_files} files, {format_bytes(n_bytes)}" if n_files else "empty"
    advice = (
        "Make it writable, or pass cache= to load_dataset; XDG_CACHE_HOME changes where it is on "
        "Linux."
    )
    yield try_folder("cache", folder, held, advice)


def check_temporary() -> Iterator[Finding]:
    """Tell whether temporary files can be written."""
    folder = Path(tempfile.gettempdir())
    yield try_folder("temporary files", folder, "", "Set TMPDIR to a folder with space.")


def measure_folder(folder: Path) -> tuple[int, int]:
    """Return the number of files below a folder, and their bytes."""
    sizes = []
    for top, _, names in os.walk(folder):
        for name in names:
            path = Path(top) / name
            if path.is_file():
                sizes.append(path.stat().st_size)
    return len(sizes), sum(sizes)


def try_folder(name: str, folder: Path, held: str, advice: str) -> Finding:
    """Write a file where a folder is or would be made, and tell the space left."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    text = f"{folder}" + (f", {held}" if held else "")
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(4096))
            file.flush()
        free = shutil.disk_usage(there).free
    except OSError as error:
        text += f", cannot be written: {tell_failure(error)}"
        return Finding(name, FAULT, text, advice, needed=True)
    text += f", {format_bytes(free)} free"
    if free < LITTLE_DISK:
        return Finding(name, FAULT, text, f"Make room. {advice}")
    return Finding(name, OK, text)


def check_mirror() -> Iterator[Finding]:
    """Tell which data sets are complete in the folder that the variable names."""
    from neurolens.datasets import describe_dataset, list_datasets
    from neurolens.datasets.fetching import MIRROR_VARIABLE

    variable = os.environ.get(MIRROR_VARIABLE)
    if not variable:
        text = f"{MIRROR_VARIABLE} is not set; data sets are fetched"
        yield Finding("mirror", OK, text)
        return
    mirror = Path(variable)
    if not mirror.is_dir():
        advice = f"Correct the variable, or unset it: unset {MIRROR_VARIABLE}"
        text = f"{MIRROR_VARIABLE} names {variable!r}, which is no folder"
        yield Finding("mirror", FAULT, text, advice, needed=True)
        return
    yield Finding("mirror", OK, f"{MIRROR_VARIABLE}={variable}")
    for key in list_datasets():
        if (mirror / key).is_dir():
            yield compare_copy(mirror / key, describe_dataset(key))


def compare_copy(folder: Path, card: dict[str, Any]) -> Finding:
    """Compare a folder with the files that a card names."""
    name = f"mirror of {card['key']}"
    entries = card.get("files", [])
    if not entries:
        return Finding(name, OK, "is there; its card names no files to compare it with")
    lacking = [entry["name"] for entry in entries if not (folder / entry["name"]).is_file()]
    if lacking:
        text = f"{len(lacking)} of {len(entries)} files are missing, e.g. {lacking[0]}"
        return Finding(name, MISSING, text, "Complete it, to load all subjects.")
    wrong = [entry["name"] for entry in entries if not is_as_named(folder, entry)]
    if wrong:
        text = f"{len(wrong)} of {len(entries)} files are not those of the card, e.g. {wrong[0]}"
        return Finding(name, FAULT, text, "Copy them again.")
    hashed = all((folder / entry["name"]).stat().st_size <= MOST_HASHED for entry in entries)
    how = "checksums" if hashed else "checksums, or sizes of large files,"
    return Finding(name, OK, f"all {len(entries)} files are there, and their {how} are right")


def is_as_named(folder: Path, entry: dict[str, Any]) -> bool:
    """Return whether a file has the size of its entry, and, unless it is large, the checksum."""
    from neurolens.datasets.cards import DIGESTS
    from neurolens.datasets.downloads import Digest

    path = folder / entry["name"]
    n_bytes = path.stat().st_size
    if n_bytes != entry.get("bytes", n_bytes):
        return False
    if n_bytes > MOST_HASHED:
        return True
    kind = next(kind for kind in DIGESTS if kind in entry)
    return Digest(kind, entry[kind]).compute(path) == entry[kind]
