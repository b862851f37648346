"""The lock beside results: what made them, and whether the same is used again."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neurolens.errors import DataError

LOCK = "analysis.lock.json"
FORMAT = 1
# Parts of a lock that say what was used, in the order in which differences are told.
USED = ("settings", "inputs", "versions", "machine")
PARTS = (*USED, "format", "analysis", "results")


def read_lock(folder: Path) -> dict[str, Any] | None:
    """Return the lock of a folder of results, None where there is none.

    Raises
    ------
    DataError
        It is no lock, or one of another version.
    """
    path = folder / LOCK
    if not path.is_file():
        return None
    try:
        lock = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as a lock: {error}. Remove it.", anchor="lock-differs"
        ) from error
    is_lock = isinstance(lock, dict) and all(part in lock for part in PARTS)
    if not is_lock or lock["format"] != FORMAT:
        raise DataError(
            f"{path} is no lock of this version of NeuroLens. Remove it.", anchor="lock-differs"
        )
    return lock


def write_lock(path: Path, lock: Mapping[str, Any]) -> None:
    """Write a lock."""
    text = json.dumps(lock, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def hash_settings(settings: Mapping[str, Any]) -> str:
    """Return the sha256 of the resolved settings, as hex."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def find_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in a line each what two locks say of what was used, where they differ."""
    lines: list[str] = []
    for part in USED:
        # As a file gives it back.
        after = json.loads(json.dumps(now[part]))
        lines += _compare(part, before[part], after)
    return lines


def _compare(name: str, before: Any, now: Any) -> Iterator[str]:
    """Yield the differences of two entries."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from _compare(f"{name}, {key}", before.get(key), now.get(key))
    elif before != now:
        yield f"{name}: {_shorten(before)} then, {_shorten(now)} now"


def _shorten(value: Any) -> str:
    """Return a value for a message; hashes by their first digits."""
    if value is None:
        return "none"
    text = str(value)
    is_hash = len(text) == 64 and all(letter in "0123456789abcdef" for letter in text)
    return f"{text[:12]}..." if is_hash else text
