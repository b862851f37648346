"""JSON that can be saved, without NaN and infinity, which JSON has not."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from neurolens.errors import DataError, InputError


class JsonDocument(dict):
    """A dict for JSON; ``.save("graph.json")`` writes it."""

    def __repr__(self) -> str:
        return f"<JsonDocument with {', '.join(map(str, self))}; .save('graph.json') writes it>"

    def save(self, path: str | Path) -> Path:
        """Write the content as UTF-8 and return the path.

        Raises
        ------
        InputError
            The path does not end in .json.
        DataError
            The file cannot be written.
        """
        return write_json(self, path)


def write_json(content: Any, path: str | Path) -> Path:
    """Write content as JSON to a path and return the path."""
    if not isinstance(path, str | Path) or Path(path).suffix.lower() != ".json":
        raise InputError(
            f"JSON is written to a path that ends in .json, got {path!r}.", anchor="unknown-format"
        )
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{str(path)!r} could not be written: {error.strerror}. Give a path in an existing "
            "folder that you may write to.",
            anchor="cannot-write",
        ) from None
    return Path(path)


def make_plain(value: Any) -> Any:
    """Return a value as JSON has it: NaN and infinity become None, arrays lists."""
    if isinstance(value, np.ndarray):
        return make_plain(value.tolist())
    if isinstance(value, np.generic):
        return make_plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): make_plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [make_plain(one) for one in value]
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)
