"""Tables of stimuli: a column with files or texts, one with ids, and the rest as metadata."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from neurolens.errors import InputError, MissingToolError, warn_user
from neurolens.labels import list_names
from neurolens.stimuli.ids import UNICODE_FORM, is_same_text, write_id
from neurolens.stimuli.media import Listing
from neurolens.stimuli.sources.kinds import Reading
from neurolens.stimuli.texts.settings import Text

SEPARATORS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*SEPARATORS, ".parquet")
ID = "stimulus_id"
PATHS = (
    "path",
    "file",
    "stim_file",
    "filename",
    "file_name",
    "image",
    "image_file",
    "image_path",
    "sound",
    "audio",
    "video",
)
TEXTS = ("text", "sentence")
# What a cell holds where nothing was noted; "None" and "null" may be names.
MISSING = ("", "n/a", "N/A", "NA", "nan", "NaN")
# As pandas, R and spreadsheets write them.
_BOOLEANS = dict.fromkeys(("True", "TRUE", "true"), True)
_BOOLEANS |= dict.fromkeys(("False", "FALSE", "false"), False)
# Whole numbers with zeros before them, which are names.
_CODE = r"[+-]?0\d+"
# Folders beside a table in which its files may lie.
_BESIDE = (".", "images", "stimuli")
_BIDS = "dataset_description.json"


def read_table(path: Path, id_column: str | None = None) -> pd.DataFrame:
    """Return a table of a file; what may be ids, files or texts is read as text.

    Raises
    ------
    InputError
        When it cannot be read.
    MissingToolError
        When a Parquet file needs pyarrow.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return _read_parquet(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return pd.read_csv(
                path,
                sep=SEPARATORS[suffix],
                encoding="utf-8-sig",
                index_col=False,
                dtype=str,
                keep_default_na=False,
                na_values={},
            ).pipe(_read_cells, id_column)
    except MissingToolError:
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{str(path)!r} cannot be read as a table ({type(error).__name__}: {reason}). Repair "
            "it, or pass a DataFrame.",
            anchor="stimulus-unreadable",
        ) from error


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingToolError(
            f"{str(path)!r} is read by pyarrow, which is not installed: pip install pyarrow, or "
            "save the table as CSV"
        ) from error
    return pd.read_parquet(path, engine="pyarrow")


def _list_written(id_column: str | None) -> tuple[str, ...]:
    """Return the names of columns that are read as they are written."""
    return (ID, *PATHS, *TEXTS) if id_column is None else (id_column, ID, *PATHS, *TEXTS)


def _read_cells(table: pd.DataFrame, id_column: str | None) -> pd.DataFrame:
    """Return a table of text with numbers and booleans where all that a column notes are such.

    NaN stands where nothing was noted. Columns of text keep "None" and "null", which may be names,
    and numbers with zeros before them, as codes such as "007" have.
    """
    written = _list_written(id_column)
    columns = {}
    for name in table.columns:
        column = table[name].astype(object)
        columns[name] = column.fillna("") if name in written else _convert_column(column)
    return pd.DataFrame(columns)


def _convert_column(column: pd.Series) -> pd.Series:
    """Return a column of text as what it notes: numbers, booleans, or text."""
    column = column.mask(column.isin(MISSING))
    noted = column.dropna()
    if noted.empty:
        return column.astype(float)
    if column.isin(_BOOLEANS).all():
        return column.map(_BOOLEANS).astype(bool)
    if noted.str.fullmatch(_CODE).any():
        return column
    try:
        return pd.to_numeric(column)
    except (ValueError, TypeError):
        return column


def list_table(table: pd.DataFrame, folder: Path, where: str, reading: Reading) -> Listing:
    """Return the stimuli of a table, each once, with its other columns as metadata.

    Parameters
    ----------
    table : DataFrame
    folder : Path
        From which its paths lead on.
    where : str
        What to call the table in messages.
    reading : Reading

    Raises
    ------
    InputError
        When it has no column of files, or several; a file lacks; one id has several files.
    """
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        raise InputError(
            f"{where} has several columns named {list_names(repeated.unique())}. Rename or drop "
            "all but one.",
            anchor="table-of-stimuli",
        )
    if table.index.name is not None and table.index.name not in table.columns:
        table = table.reset_index()
    table = _drop_index(table)
    is_text = isinstance(reading.kind, Text)
    column = _find_column(table, where, is_text=is_text)
    table = _drop_empty(table, column, where)
    values = [str(value) for value in table[column]]
    if not is_text:
        values = _read_separators(values, folder)
    id_column = _find_ids(table, reading.id_column, where)
    names = _name_rows(table, values, id_column, where, is_text=is_text)
    first = _group_rows(names, values, is_named=id_column is not None, where=where)
    rows = list(first.values())
    chosen = [values[row] for row in rows]
    others = table.columns.difference([column, id_column], sort=False)
    metadata = _keep_constant(table[others], names, rows, where)
    if not is_text:
        listing = reading.read_files(_find_files(chosen, folder, where), where)
        return replace(listing, names=list(first), table=metadata, has_columns=True)
    listing = reading.kind.read_rows(chosen, reading.model_rate)
    ids = None if id_column is None else list(first)
    return replace(listing, names=ids, table=metadata, has_columns=True)


def _name_rows(
    table: pd.DataFrame, values: Sequence[str], id_column: str | None, where: str, *, is_text: bool
) -> list[str]:
    """Return the id of each row; of texts without ids the text, which tells them apart."""
    if id_column is not None:
        return _read_ids(table[id_column], where)
    return list(values) if is_text else [Path(value).stem for value in values]


def _drop_index(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without the numbers of rows that pandas writes beside it."""
    first = table.columns[0] if len(table.columns) else None
    is_index = first in ("Unnamed: 0", "") and list(table[first]) == list(range(len(table)))
    return table.drop(columns=first) if is_index else table


def _find_column(table: pd.DataFrame, where: str, *, is_text: bool) -> str:
    """Return the one column of files, or of texts, that a table has."""
    known = TEXTS if is_text else PATHS
    found = [name for name in table.columns if name in known]
    if len(found) != 1:
        raise InputError(
            f"{where} must have one column of {'texts' if is_text else 'files'}, named "
            f"{list_names(known, len(known))}; its columns are {list_names(table.columns, 12)}. "
            f"Rename {'the others' if found else 'one'}, e.g. "
            f"table.rename(columns={{'old': {known[0]!r}}}).",
            anchor="table-of-stimuli",
        )
    return found[0]


def _find_ids(table: pd.DataFrame, asked: str | None, where: str) -> str | None:
    """Return the column of ids, None where there is none."""
    if asked is None:
        return ID if ID in table.columns else None
    if asked not in table.columns:
        raise InputError(
            f"{where} has no column {asked!r} for ids=; its columns are "
            f"{list_names(table.columns, 12)}.",
            anchor="table-of-stimuli",
        )
    return asked


def _drop_empty(table: pd.DataFrame, column: str, where: str) -> pd.DataFrame:
    """Return the rows of a table that name a stimulus; warn where others do not."""
    is_empty = table[column].isna() | table[column].astype(str).str.strip().isin(MISSING)
    if is_empty.all():
        raise InputError(
            f"{where} names no stimulus in its column {column!r}.", anchor="no-stimuli-found"
        )
    if is_empty.any():
        warn_user(
            f"{int(is_empty.sum())} of {len(table)} rows of {where} name no stimulus in "
            f"{column!r}, and are left out"
        )
    return table[~is_empty]


def _read_ids(column: pd.Series, where: str) -> list[str]:
    """Return ids as text; raise InputError where one lacks, or two types write the same."""
    is_empty = column.isna() | column.astype(str).str.strip().isin(MISSING)
    if is_empty.any():
        raise InputError(
            f"{int(is_empty.sum())} rows of {where} have no id in {column.name!r}. Fill them in.",
            anchor="table-of-stimuli",
        )
    return [write_id(value) for value in column.tolist()]


def _group_rows(
    names: Sequence[str], values: Sequence[str], *, is_named: bool, where: str
) -> dict[str, int]:
    """Return the first row of each stimulus by its id."""
    first: dict[str, int] = {}
    for row, name in enumerate(names):
        other = first.setdefault(name, row)
        if values[other] != values[row]:
            fix = "Correct one of them." if is_named else f"Add a column {ID!r}, or pass ids=."
            raise InputError(
                f"the stimulus {name!r} of {where} is {values[other]!r} and {values[row]!r}. {fix}",
                anchor="table-of-stimuli",
            )
    return first


def _keep_constant(
    table: pd.DataFrame, names: Sequence[str], rows: Sequence[int], where: str
) -> pd.DataFrame:
    """Return the metadata of each stimulus: columns that are the same wherever it stands."""
    if len(rows) == len(table):
        return table.reset_index(drop=True)
    varying = []
    for column in table.columns:
        written = table[column].map(repr)
        if written.groupby(list(names)).nunique().max() > 1:
            varying.append(column)
    dropped = f"; left out, since they differ between its rows: {list_names(varying, 8)}"
    warn_user(
        f"the {len(table)} rows of {where} show {len(rows)} stimuli, which are loaded once each"
        f"{dropped if varying else ''}"
    )
    return table.drop(columns=varying).iloc[list(rows)].reset_index(drop=True)


def _find_files(values: Sequence[str], folder: Path, where: str) -> list[Path]:
    """Return the files of a table, from the one folder that holds them all."""
    bases = _list_bases(folder)
    written = [Path(value.strip()) for value in values]
    whole: dict[tuple[str, ...], list[Path]] = {}
    fewest = list(values)
    for base in bases:
        paths = [base / path for path in written]
        lacking = [value for value, path in zip(values, paths, strict=True) if not path.is_file()]
        fewest = min(fewest, lacking, key=len)
        if not lacking:
            whole.setdefault(tuple(os.path.realpath(path) for path in paths), paths)
    if not whole:
        raise InputError(
            f"{len(fewest)} of the {len(values)} files of {where} do not exist: "
            f"{list_names(fewest)}; looked in {list_names([str(base) for base in bases])}."
            f"{_explain_missing(fewest, bases)}",
            anchor="no-stimuli-found",
        )
    if len(whole) > 1:
        firsts = [str(paths[0]) for paths in whole.values()]
        raise InputError(
            f"the files of {where} are in several folders: {list_names(firsts)}. Write their paths "
            "in full.",
            anchor="table-of-stimuli",
        )
    return next(iter(whole.values()))


def _read_separators(values: Sequence[str], folder: Path) -> list[str]:
    """Return paths that were written on Windows as they are written here.

    A backslash is part of a name here where a file has it.
    """
    bases = _list_bases(folder)
    is_name = any("\\" in value and (base / value).is_file() for base in bases for value in values)
    if is_name:
        return list(values)
    return [value.replace("\\", "/") for value in values]


def _explain_missing(lacking: Sequence[str], bases: Sequence[Path]) -> str:
    """Return what to say where a file has the name that is asked for in another form of Unicode."""
    for value in lacking:
        for base in bases:
            parent = (base / value).parent
            names = os.listdir(parent) if not value.isascii() and parent.is_dir() else []
            twin = next((name for name in names if is_same_text(name, Path(value).name)), None)
            if twin is not None:
                return (
                    f" The file {twin!a} has the same name as {value!a} in {UNICODE_FORM}."
                    " Rename it, or write it alike in the table."
                )
    return ""


def _list_bases(folder: Path) -> list[Path]:
    """Return the folders from which the paths of a table may lead on.

    They are its own folder, ``images`` and ``stimuli`` in it, and ``stimuli`` of the BIDS data set
    that it belongs to.
    """
    bases = [folder / name for name in _BESIDE]
    for parent in (folder.absolute(), *folder.absolute().parents):
        if (parent / _BIDS).is_file():
            bases.append(parent / "stimuli")
            break
    return [base for base in bases if base.is_dir()]
