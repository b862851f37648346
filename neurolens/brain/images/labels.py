"""Tables of labels: the name of each number of an atlas."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurolens.brain.labelling.tables import is_missing, read_table
from neurolens.errors import InputError, LabelError
from neurolens.labels import check_unique, list_names

# Columns of tables of labels: of the number, then of the name.
NUMBER_COLUMNS = ("index", "value", "id", "number", "no", "label")
NAME_COLUMNS = ("name", "region", "label", "label_name", "structure")
# Suffixes of color tables of FreeSurfer, and their lines: number, name, red, green, blue, opacity.
COLOR_TABLES = (".txt", ".ctab")
COLOR_LINE = re.compile(r"\d+ \S+ \d+ \d+ \d+ \d+")


def read_labels(labels: Any) -> dict[int, str]:
    """Return the name of each number, from a mapping, a list from 1 on, or a table.

    Tables of text have a header, or are those of FreeSurfer (``FreeSurferColorLUT.txt``, .ctab):
    number, name, red, green, blue and opacity in each line, parted by spaces.

    Raises
    ------
    InputError
        Numbers are not whole; a list begins with the background; a table lacks a column, or has two
        of numbers that differ.
    LabelError
        A number has no name, or two.
    """
    if isinstance(labels, Mapping):
        return _pair_labels(list(labels), list(labels.values()))
    if isinstance(labels, list | tuple):
        if labels and str(labels[0]).lower() == "background":
            raise InputError(
                "a list of labels begins with number 1, and the first is the background. Pass "
                "labels[1:], or {number: name}.",
                anchor="regions-of-images",
            )
        return _pair_labels(list(range(1, 1 + len(labels))), list(labels))
    if isinstance(labels, str | Path):
        return _read_color_table(Path(labels)) or _read_table(read_table(labels, "labels"))
    if isinstance(labels, pd.DataFrame):
        return _read_table(labels)
    raise InputError(
        "labels of an atlas must be {number: name}, a list of names from 1 on, a DataFrame or the "
        f"path of a table, got {type(labels).__name__}.",
        anchor="regions-of-images",
    )


def _read_color_table(path: Path) -> dict[int, str]:
    """Return the name of each number in a color table of FreeSurfer, none for another table.

    The first line tells which it is; raises InputError where another line is of another form.
    """
    if path.suffix.lower() not in COLOR_TABLES or not path.is_file():
        return {}
    lines = path.read_bytes().decode("utf-8", errors="replace").lstrip("\ufeff").splitlines()
    cells = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    is_color = [bool(COLOR_LINE.fullmatch(" ".join(line))) for line in cells]
    if not is_color or not is_color[0]:
        return {}
    if not all(is_color):
        raise InputError(
            f"lines of {path.name} hold a number, a name, red, green, blue and opacity, and one "
            f"does not: {' '.join(cells[is_color.index(False)])!r}. Repair it, or pass "
            "{number: name}.",
            anchor="regions-of-images",
        )
    return _pair_labels([line[0] for line in cells], [line[1] for line in cells])


def _pair_labels(numbers: list, names: list) -> dict[int, str]:
    """Return the name of each number, checked."""
    whole = _read_whole(numbers)
    is_wrong = np.isnan(whole)
    if is_wrong.any():
        wrong = [numbers[k] for k in np.flatnonzero(is_wrong)]
        raise InputError(
            f"labels of an atlas name whole numbers, got {list_names(wrong)}. Pass e.g. "
            "{1: 'V1', 2: 'V2'}.",
            anchor="regions-of-images",
        )
    if is_missing(pd.Series(names, dtype=object)).any():
        raise LabelError(
            "a label of an atlas has no name. Name all numbers.", anchor="regions-of-images"
        )
    check_unique([int(number) for number in whole], "the numbers of labels")
    return {int(number): str(name) for number, name in zip(whole, names, strict=True)}


def _read_table(table: pd.DataFrame) -> dict[int, str]:
    """Return the name of each number in a table of labels."""
    by_name = {str(column).strip().lower(): column for column in table.columns}
    number = _find_column(by_name, NUMBER_COLUMNS)
    rest = {key: column for key, column in by_name.items() if column != number}
    name = _find_column(rest, NAME_COLUMNS)
    if number is None or name is None:
        raise InputError(
            f"a table of labels needs a column of numbers, one of {list_names(NUMBER_COLUMNS)}, "
            f"and one of names, one of {list_names(NAME_COLUMNS)}, got "
            f"{list_names(table.columns)}. Rename them, or pass {{number: name}}.",
            anchor="regions-of-images",
        )
    others = [rest[key] for key in NUMBER_COLUMNS if key in rest and rest[key] != name]
    own = _read_whole(table[number])
    for other in others:
        numbers = _read_whole(table[other])
        if not np.isnan(numbers).any() and not np.array_equal(numbers, own):
            raise InputError(
                f"a table of labels has numbers in {number!r} and others in {other!r}, and one of "
                "them may only count rows. Leave that one out, or pass {number: name}.",
                anchor="regions-of-images",
            )
    return _pair_labels(table[number].tolist(), table[name].tolist())


def _read_whole(numbers: Any) -> np.ndarray:
    """Return numbers as they are, NaN for those that are not whole."""
    found = pd.to_numeric(pd.Series(list(numbers), dtype=object), errors="coerce")
    values = found.to_numpy(dtype=float)
    return np.where(values == np.rint(values), values, np.nan)


def _find_column(by_name: dict[str, Any], wanted: tuple[str, ...]) -> Any:
    """Return the first column with one of the names ``wanted``, None where there is none."""
    return next((by_name[name] for name in wanted if name in by_name), None)
