"""Files that pictures are written to."""

from pathlib import Path
from typing import Any

from neurolens.errors import DataError, InputError


def check_path(path: Any, what: str, example: str) -> Path:
    """Return a path; raise InputError when the user passed something else."""
    if not isinstance(path, str | Path):
        raise InputError(
            f"{what} is written to a path, a str or a Path, got {type(path).__name__}. Write for "
            f"example {example}.",
            anchor="unknown-format",
        )
    return Path(path)


def write_file(path: Path, data: bytes, what: str) -> Path:
    """Write ``data`` to ``path`` and return the path; raise DataError when that fails.

    ``what`` names what was to be written.
    """
    try:
        path.write_bytes(data)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{what} could not be written to {str(path)!r}: {reason}. "
            "Give a path in an existing folder that you may write to.",
            anchor="cannot-write",
        ) from None
    return path
