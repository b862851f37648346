"""The file of an analysis as it stands: its tables, and the line of each key."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurolens.errors import DataError, InputError

# More than any analysis needs; a file of data given by mistake is refused before it is read.
MOST_BYTES = 1_000_000
_TABLE = re.compile(r"\s*\[\s*([\w\"'. -]+?)\s*\]")
_KEY = re.compile(r"\s*([\w-]+|\"[^\"]*\"|'[^']*')\s*[.=]")


@dataclass(frozen=True)
class Document:
    """A file that was read.

    Attributes
    ----------
    path : Path
    tables : dict
        As tomllib has them.
    lines : dict
        Line, from 1, of a section or of ``section.key``, of those whose line is known.
    """

    path: Path
    tables: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder of the file, to which its paths are relative."""
        return self.path.parent


def read_document(path: str | Path, overrides: Sequence[str] = ()) -> Document:
    """Read the file of an analysis.

    Parameters
    ----------
    path : path
    overrides : sequence of str
        ``"section.key=value"``, which take the place of what the file says. A value is one of TOML;
        what is none is a text.

    Raises
    ------
    DataError
        The file is missing, cannot be read, or is no TOML; the message has line and column.
    InputError
        An override is not of this form.
    """
    path = Path(path)
    text = _read_text(path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(
            f'{path.name} is no TOML: {error}. Texts stand in quotes, as in name = "resnet18".',
            anchor="analysis-file",
        ) from error
    lines = find_lines(text)
    for override in overrides:
        section, key, value = read_override(override)
        table = tables.setdefault(section, {})
        if not isinstance(table, dict):
            raise InputError(
                f"--set {override}: {section!r} is no section of {path.name}.",
                anchor="analysis-file",
            )
        table[key] = value
        lines.pop(f"{section}.{key}", None)
    return Document(path, tables, lines)


def _read_text(path: Path) -> str:
    """Return the text of a file, without a byte order mark."""
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise DataError(
                f"the analysis {str(path)!r} {what}. Type neurolens init {path.name}, which writes "
                "an example.",
                anchor="analysis-file",
            )
        if path.stat().st_size > MOST_BYTES:
            raise DataError(
                f"{path.name} is too large to be the file of an analysis", anchor="analysis-file"
            )
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name} is no text in UTF-8 (byte {error.start}); save it again as UTF-8",
            anchor="analysis-file",
        ) from error


def read_override(text: str) -> tuple[str, str, Any]:
    """Return section, key and value of ``"section.key=value"``.

    Raises
    ------
    InputError
        It is not of this form.
    """
    address, equals, value = text.partition("=")
    section, dot, key = address.strip().partition(".")
    if not (equals and dot and section and key):
        raise InputError(
            f"--set takes section.key=value, got {text!r}. Type e.g. --set "
            "compare.comparator=spearman.",
            anchor="analysis-file",
        )
    try:
        table = tomllib.loads(f"value = {value.strip()}")
    except tomllib.TOMLDecodeError:
        return section, key, value.strip()
    is_one = list(table) == ["value"]
    return section, key, table["value"] if is_one else value.strip()


def find_lines(text: str) -> dict[str, int]:
    """Return the line, from 1, of each section and key that begins a line."""
    lines: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        table = _TABLE.match(line)
        if table is not None:
            section = _unquote(table[1])
            lines.setdefault(section, number)
            continue
        key = _KEY.match(line)
        if key is not None:
            name = _unquote(key[1])
            lines.setdefault(f"{section}.{name}" if section else name, number)
    return lines


def _unquote(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))
