"""What a folder says of the store in it, and of how that was made."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from neurolens.errors import DataError
from neurolens.extract.stream.stores.chunks import read_form, read_values
from neurolens.extract.stream.stores.headers import (
    EARLIER_FORMATS,
    FORMAT,
    HEADER,
    SEAL,
    is_sealed,
    list_partial,
    read_header,
)
from neurolens.extract.stream.stores.making import PARTS
from neurolens.extract.stream.stores.provenance import Parts
from neurolens.extract.stream.stores.repair import read_file


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the provenance of the store; None where there is none, or it was not fully made.

    Where the store's own header is damaged, another one tells.
    """
    root = read_header(path / HEADER)
    attributes = {} if root is None else root["attributes"]
    kind = attributes.get("format")
    is_sound = SEAL not in attributes or (root is not None and is_sealed(root))
    if kind == FORMAT and is_sound:
        return attributes.get("provenance")
    if kind in EARLIER_FORMATS:
        raise DataError(
            f"{str(path)!r} was written by an earlier version of NeuroLens, whose stores "
            "have no checksums and are not continued. Read it with open_activations, or give "
            "another store=.",
            anchor="store-damaged",
        )
    copy = read_header(path / "checks" / HEADER)
    attributes = {} if copy is None else copy["attributes"]
    if attributes.get("format") == FORMAT and "provenance" in attributes:
        return attributes["provenance"]
    if kind == FORMAT:
        raise DataError(
            f"{str(path)!r} is damaged: both headers that say how it was made, {HEADER} "
            f"and checks/{HEADER}, have changed since they were written. Remove it, or give "
            "another store=.",
            anchor="store-damaged",
        )
    _refuse_other(path)
    return None


def _refuse_other(path: Path) -> None:
    """Raise DataError where the path holds anything but empty folders and broken-off files."""
    partial = set(list_partial(path))
    held = [path] if path.is_file() else path.rglob("*")
    files = [file for file in held if file.is_file() and file not in partial]
    if files:
        raise DataError(
            f"{str(path)!r} exists and is not a NeuroLens store. Give another store=.",
            anchor="store-damaged",
        )


def read_parts(path: Path) -> Parts | None:
    """Return the parts that the provenance of the store was computed from, where readable."""
    header = read_header(path / PARTS / HEADER)
    if header is None:
        return None
    form = read_form(PARTS, header)
    content = read_file(path / form.locate((0,)))
    if content is None or form.find_flaw(content):
        return None
    return json.loads(read_values(form, np.uint8, content).tobytes())
