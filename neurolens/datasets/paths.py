"""Names of files inside a folder, which never lead out of it."""

import re
from pathlib import Path

from neurolens.errors import DataError

# Characters that are part of no plain name: those of control, and of Windows' drives and folders.
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f:\\<>"|?*]')


def split_name(name: object, source: str) -> tuple[str, ...]:
    """Return the folders and the file that a name such as ``sub/file.mat`` consists of.

    ``source`` says, in an error, where the name stands.

    Raises
    ------
    DataError
        The name is no plain path inside a folder: it is absolute, has ``..``, a drive, a backslash
        or a character of control.
    """
    parts = tuple(name.split("/")) if isinstance(name, str) else ()
    # "." and ".." end with a point too.
    is_plain = bool(parts) and all(part and not part.endswith((".", " ")) for part in parts)
    if not is_plain or _FORBIDDEN.search(str(name)):
        raise DataError(
            f"{source} names {name!r}, which is no plain path inside its folder. Only names like "
            "'folder/file.mat' are opened: not absolute, without '..', drives or backslashes.",
            anchor="not-opened-for-safety",
        )
    return parts


def locate_inside(folder: Path, name: object, source: str) -> Path:
    """Return the path of a name inside ``folder``, whether or not there is a file.

    Raises
    ------
    DataError
        As `split_name`; or a link on the way leads out of the folder.
    """
    path = folder.joinpath(*split_name(name, source))
    check_inside(path, folder)
    return path


def check_inside(path: Path, folder: Path) -> None:
    """Raise DataError where a path, with all links followed, is not inside ``folder``."""
    real = path.resolve()
    if not real.is_relative_to(folder.resolve()):
        raise DataError(
            f"{path} is a link that leads out of {folder}, to {real}. Copy the file into the "
            "folder, or pass the folder that holds both.",
            anchor="not-opened-for-safety",
        )
