"""Stimulus sets of BrainIO: a table with the id, the file and the metadata of each stimulus."""

from pathlib import Path

import pandas as pd

from neurolens.brain.labelling.tables import convert_column, is_missing, read_table
from neurolens.errors import DataError, InputError, LabelError
from neurolens.labels import STIMULUS_ID, check_unique, list_names

ID_COLUMNS = (STIMULUS_ID, "image_id")
FILE = "filename"
PATH = "path"


def read_stimulus_set(path: str | Path, folder: str | Path | None = None) -> pd.DataFrame:
    """Read the table of a stimulus set of BrainIO or Brain-Score.

    Parameters
    ----------
    path : path
        A .csv with the columns "stimulus_id", or "image_id", and "filename".
    folder : path, optional
        Where the files are, the unpacked ZIP archive. Default: the folder of the table.

    Returns
    -------
    DataFrame
        A row per stimulus, indexed by id, as text; ``path`` of its file, and the other columns.
        ``nl.load_stimuli(list(table.path), ids=table.index, metadata=table)`` opens the stimuli.

    Raises
    ------
    DataError
        The table or a file is missing.
    InputError
        A column is missing, or a file lies outside of the folder.
    LabelError
        Ids are missing or repeat.
    """
    path = Path(path)
    table = read_table(path, "stimuli")
    column = next((name for name in ID_COLUMNS if name in table.columns), None)
    if column is None or FILE not in table.columns:
        raise InputError(
            f"{path.name} must have the columns 'stimulus_id' (or 'image_id') and {FILE!r}, got "
            f"{list_names(table.columns, 12)}."
        )
    if is_missing(table[column]).any():
        row = int(is_missing(table[column]).argmax())
        raise LabelError(f"row {row} of {path.name} has no {column!r}.", anchor="ids-missing")
    ids = [str(one) for one in table[column]]
    check_unique(ids, f"{column!r} of {path.name}")
    root = path.parent if folder is None else Path(folder)
    files = _find_files(root.resolve(), table[FILE].tolist(), path.name)
    rest = [name for name in table.columns if name not in (column, PATH)]
    columns = {PATH: [str(file) for file in files]}
    columns |= {name: convert_column(table[name]).tolist() for name in rest}
    return pd.DataFrame(columns, index=pd.Index(ids, name=STIMULUS_ID, dtype=object))


def _find_files(root: Path, names: list[str], table: str) -> list[Path]:
    """Return the files of stimuli, which have to exist."""
    files = [_find_file(root, name, table) for name in names]
    lost = [file.name for file in files if not file.is_file()]
    if lost:
        raise DataError(
            f"{len(lost)} of {len(files)} files of {table} are not in {root}: {list_names(lost)}. "
            "Unpack the archive of the stimulus set, and pass folder=."
        )
    return files


def _find_file(root: Path, name: str, table: str) -> Path:
    """Return the file of a stimulus, which has to lie in the folder."""
    file = (root / name).resolve()
    if not file.is_relative_to(root):
        raise InputError(f"{table} names {name!r}, which lies outside of {root}.")
    return file
