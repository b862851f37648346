"""Folders of stimuli: every file below them, with ids and categories from their paths."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from neurolens.errors import InputError
from neurolens.labels import list_names

CATEGORY = "category"
# Files and folders that systems write beside those of people; @eaDir holds small pictures.
_OF_SYSTEMS = frozenset(("thumbs.db", "desktop.ini", "@eadir", "__macosx"))


def list_files(folder: Path) -> list[Path]:
    """Return the files of a folder and its sub-folders, in order of their paths.

    Files and folders whose names begin with a point are hidden, and left out. Links are followed.

    Raises
    ------
    InputError
        When there is no such folder, it cannot be read, or it contains itself by a link.
    """
    if not folder.is_dir():
        raise InputError(
            f"no folder {str(folder)!r}; pass a folder of images, a list of files, or an array",
            anchor="no-stimuli-found",
        )
    return sorted(_walk(folder, ()))


def _walk(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files below a folder; ``above`` are the real paths of those around it."""
    real = os.path.realpath(folder)
    if real in above:
        raise InputError(
            f"the folder {str(folder)!r} contains itself by a link. Remove the link, or pass a "
            "list of files.",
            anchor="no-stimuli-found",
        )
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"the folder {str(folder)!r} cannot be read ({error.strerror}). Make it readable, or "
            "pass a list of files.",
            anchor="stimulus-unreadable",
        ) from error
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in _OF_SYSTEMS:
            continue
        if entry.is_dir():
            yield from _walk(entry, (*above, real))
        else:
            yield entry


def name_files(paths: Sequence[Path], folder: Path) -> list[str]:
    """Return the id of each file: its path below the folder, with "/", without the suffix."""
    return [path.relative_to(folder).with_suffix("").as_posix() for path in paths]


def read_categories(paths: Sequence[Path], folder: Path) -> pd.DataFrame | None:
    """Return the sub-folder of each file as metadata; None where all are in the folder itself."""
    parents = [path.relative_to(folder).parent.as_posix() for path in paths]
    if all(parent == "." for parent in parents):
        return None
    return pd.DataFrame({CATEGORY: ["" if parent == "." else parent for parent in parents]})


def describe_others(others: Sequence[Path], folder: Path, nouns: str) -> str:
    """Return the sentence that says which files of a folder are left out."""
    names = [path.relative_to(folder).as_posix() for path in others]
    verb = "is" if len(names) == 1 else "are"
    return (
        f"{len(names)} of the files in {str(folder)!r} {verb} left out, not being {nouns}: "
        f"{list_names(names)}. Move them elsewhere to load without this word"
    )
