"""Tables of text: read as they are written, so that 007 stays 007, or refused with the line."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurolens.errors import DataError, InputError
from neurolens.labels import list_names

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
TABLES = tuple(SEPARATORS)
# What stands for a missing value.
MISSING = frozenset(("", "n/a", "nan"))


def read_table(path: str | Path, what: str) -> pd.DataFrame:
    """Return a table of text with a header, every value as it is written, without outer spaces.

    Lines of .txt files that begin with # are left out. ``what`` the table is of is used in
    messages.

    Raises
    ------
    DataError
        The file is missing, no text in UTF-8, or has no header.
    InputError
        A line has more or fewer values than the header, or a column has no name or that of another.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no table of {what} at {path}", anchor="file-not-found")
    separator = SEPARATORS.get(path.suffix.lower())
    if separator is None:
        raise InputError(
            f"a table of {what} is read from {', '.join(SEPARATORS)}, got {path.name!r}. Pass a "
            "DataFrame for others.",
            anchor="events-table",
        )
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(enumerate(csv.reader(file, delimiter=separator), 1))
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise DataError(f"{path} cannot be read as a table in UTF-8 ({error}).") from error
    is_commented = path.suffix.lower() == ".txt"
    kept = []
    for number, line in lines:
        if "".join(line).strip() and not (is_commented and line[0].startswith("#")):
            kept.append((number, line))
    if not kept:
        raise DataError(f"{path} holds no table of {what}: it is empty.")
    header = [name.strip() for name in kept[0][1]]
    check_header(header, path.name)
    if all(_is_number(name) for name in header):
        raise InputError(
            f"{path.name} has no header: its first line holds numbers only. Write the names of the "
            "columns above.",
            anchor="events-table",
        )
    rows = []
    for number, line in kept[1:]:
        if len(line) != len(header):
            raise InputError(
                f"line {number} of {path.name} has {len(line)} values for {len(header)} columns. "
                f"Values are parted by {separator!r}; remove separators at the ends of lines.",
                anchor="events-table",
            )
        rows.append([value.strip() for value in line])
    return pd.DataFrame(rows, columns=header, dtype=object)


def _is_number(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_header(names: list[Any], where: str) -> None:
    """Raise InputError for columns without a name, or with that of another."""
    unnamed = [
        k for k, name in enumerate(names) if not str(name) or str(name).startswith("Unnamed")
    ]
    if unnamed:
        raise InputError(
            f"column {unnamed[0] + 1} of {where} has no name. Name it, or write the table without "
            "row numbers (index=False).",
            anchor="events-table",
        )
    repeated = [name for k, name in enumerate(names) if name in names[:k]]
    if repeated:
        raise InputError(
            f"{where} has several columns named {list_names(repeated)}. Rename them.",
            anchor="events-table",
        )


def is_missing(values: pd.Series) -> np.ndarray:
    """Return which values of a column are missing, or written so."""
    written = values.astype(str).str.strip().str.lower().isin(MISSING)
    return (values.isna() | written).to_numpy()


def convert_column(values: pd.Series) -> np.ndarray:
    """Return a column as numbers where all its values are, without leading zeros; else as text."""
    array = values.to_numpy()
    if array.dtype.kind in "biufM":
        return array
    texts = [str(value) for value in array.tolist()]
    known = [text for text in texts if text.strip().lower() not in MISSING]
    padded = any(
        text.lstrip("+-")[:1] == "0" and text.lstrip("+-")[1:2].isdigit() for text in known
    )
    numbers = pd.to_numeric(
        pd.Series(texts, dtype=object).where(~is_missing(values)), errors="coerce"
    )
    if known and not padded and int(numbers.notna().sum()) == len(known):
        found = numbers.to_numpy(dtype=float)
        whole = (
            len(known) == len(texts)
            and (found == np.rint(found)).all()
            and "." not in "".join(known)
        )
        return found.astype(int) if whole and np.abs(found).max(initial=0) < 2**53 else found
    return np.array(texts, dtype=object)
