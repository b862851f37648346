"""Model RDMs from what is known of the stimuli: categories, ratings, positions."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.compare.rdms.metadata_tables import read_table
from neurolens.errors import InputError, warn_user
from neurolens.labels import OP, STIMULUS, STIMULUS_2, check_name, list_names, suggest_name

# How dissimilar two stimuli are, in words.
KINDS = {
    "category": "0 if the same, 1 if different",
    "difference": "absolute difference",
    "euclidean": "Euclidean distance",
    "standardized-euclidean": "Euclidean distance of columns divided by their deviation",
}
# Of several columns that are categories.
SHARE = "share of columns that differ"
# One column that makes more than this share of the squared distances hides the others.
MAX_SHARE = 0.95
# Text that stands for a missing value.
MISSING = {"", "nan", "none", "<na>", "n/a", "na"}


class Part(NamedTuple):
    """One RDM to be made: its ``name``, the ``columns`` it is made of, and its ``kind``."""

    name: str
    columns: list[str]
    kind: str


def compute_metadata_rdms(
    metadata: Any,
    columns: str | Sequence[str] | Mapping[str, str | Sequence[str]],
    *,
    kinds: Mapping[str, str] | None = None,
) -> xr.DataArray:
    """Compute model RDMs from columns of metadata, one RDM for each name in ``columns``.

    Parameters
    ----------
    metadata : DataFrame, DataArray, Dataset or mapping
        A table indexed by stimulus id; an array with coordinates on ``stimulus``, or on
        ``presentation`` where ``stimulus_id`` is too and all presentations of a stimulus agree; or
        ``{column: {id: value}}``.
    columns : str, list of str, or mapping of name to column or columns
        A list makes one RDM of each column, called like it. ``{"position": ["x", "y"]}`` makes one
        of both columns together.
    kinds : mapping of name to kind, optional
        ``"category"``: 0 for the same, 1 for different values; of several columns the share that
        differ. ``"difference"``: |a - b| of numbers, or of the positions in an ordered pandas
        Categorical. ``"euclidean"``: sqrt(sum (a - b)^2) over columns, in their units;
        ``"standardized-euclidean"``: of columns divided by their standard deviation. Names left
        out: ``"category"`` for text, True/False and unordered Categoricals; ``"difference"`` for
        one column of numbers, ``"euclidean"`` for several.

    Returns
    -------
    DataArray (op, stimulus, stimulus_2)
        Named "rdm", float64, in the unit of the columns, stimuli in the order of ``metadata``;
        ``op`` holds the names. ``attrs["metric"]`` says how each was made. Pass it to
        ``compare_rdms`` as model RDMs, or to ``compare_partial_rdms`` as controls.

    Raises
    ------
    InputError
        Metadata are of another kind, or without ids; a column holds infinite numbers, dates, or
        numbers written as text without a kind; values cannot be of the kind that was asked for; an
        RDM does not vary over pairs: all stimuli have the same value, or no two have.
    LabelError
        Ids repeat, columns hold different ids, or presentations of a stimulus differ.
    UnknownNameError
        A column or kind is unknown, or ``kinds`` names no RDM.

    Warns
    -----
    RuntimeWarning
        Values are missing: their pairs are NaN, and the message names the stimuli. Whole numbers
        with many repeats were taken as numbers, which may be codes of categories. Categories
        differ only in case or blanks. One of several columns makes nearly all of the distance.

    Notes
    -----
    Time and memory O(names n^2). Missing are None, NaN, NaT, and text that is empty or spells
    "nan", "none" or "na".

    References
    ----------
    Kriegeskorte, Mur & Bandettini (2008) Front. Syst. Neurosci. 2:4, on categorical and other
    conceptual models. Checked against scipy ``pdist``.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"class": ["animal", "animal", "tool"], "size": [0.3, 4.0, 0.2]},
    ...                      index=["cat", "cow", "cup"])
    >>> rdms = compute_metadata_rdms(table, ["class", "size"])
    >>> rdms.sel(op="class", stimulus="cat").values.tolist()
    [0.0, 0.0, 1.0]
    >>> round(float(rdms.sel(op="size", stimulus="cat", stimulus_2="cow")), 1)
    3.7
    >>> rdms.attrs["metric"]
    'class: 0 if the same, 1 if different; size: absolute difference'
    """
    wanted = _list_columns(columns)
    table = read_table(metadata, [column for names in wanted.values() for column in names])
    parts = _choose_kinds(table, wanted, kinds)
    squares = np.stack([_measure_part(table, part) for part in parts])
    _warn_missing(table, parts)
    ids = table.index.to_numpy()
    return xr.DataArray(
        squares,
        dims=(OP, STIMULUS, STIMULUS_2),
        coords={OP: [part.name for part in parts], STIMULUS: ids, STIMULUS_2: ids},
        name="rdm",
        attrs={"metric": "; ".join(f"{part.name}: {_describe(part)}" for part in parts)},
    )


def _list_columns(columns: Any) -> dict[str, list[str]]:
    """Return the columns of each RDM, by its name."""
    if isinstance(columns, str):
        columns = [columns]
    if isinstance(columns, Mapping):
        wanted = {
            str(name): [of_name] if isinstance(of_name, str) else list(of_name)
            for name, of_name in columns.items()
        }
    else:
        wanted = {name: [name] for name in columns}
        if len(wanted) != len(columns):
            raise InputError(
                f"columns repeat: {list_names(columns)}. Name each once.", anchor="metadata-rdms"
            )
    empty = [name for name, of_name in wanted.items() if not of_name]
    if not wanted or empty:
        raise InputError(
            "columns must name the columns of each RDM, one or more, got "
            f"{list_names(empty)}. Pass e.g. columns=['category', 'rating'] or "
            "{'position': ['x', 'y']}.",
            anchor="metadata-rdms",
        )
    return wanted


def _choose_kinds(
    table: pd.DataFrame, wanted: Mapping[str, list[str]], kinds: Mapping[str, str] | None
) -> list[Part]:
    """Return what RDMs to make, of the kinds asked for or else those that the values suggest."""
    asked = dict(kinds or {})
    for name, kind in asked.items():
        if name not in wanted:
            raise suggest_name(str(name), wanted, "RDM of columns")
        check_name(kind, KINDS, "kind of metadata")
        if kind == "difference" and len(wanted[name]) > 1:
            raise InputError(
                f"{name!r} has several columns, so its kind cannot be 'difference'. Pass "
                "'euclidean' or 'standardized-euclidean'.",
                anchor="metadata-rdms",
            )
    parts = []
    for name, columns in wanted.items():
        kind = asked.get(name) or _suggest_kind(table, name, columns)
        parts.append(Part(name, columns, kind))
    return parts


def _suggest_kind(table: pd.DataFrame, name: str, columns: list[str]) -> str:
    """Return the kind that the values of ``columns`` suggest; warn where it is a guess."""
    _refuse_dates(table, name, columns)
    ordered = [_is_ordered(table[column]) for column in columns]
    numeric = [_is_number(table[column]) for column in columns]
    if all(numeric) or all(ordered):
        codes = [column for column in columns if _may_be_codes(table[column])]
        kind = "difference" if len(columns) == 1 else "euclidean"
        if codes:
            warn_user(
                f"{list_names(codes)} hold whole numbers that repeat, and were taken as numbers, "
                f"not as codes of categories. Pass kinds={{{name!r}: 'category'}} if they are "
                f"codes, {{{name!r}: {kind!r}}} if not."
            )
        return kind
    if any(numeric) or any(ordered):
        raise InputError(
            f"{name!r} is made of numbers and of categories: {list_names(columns)}. Make one RDM "
            f"of each, or pass kinds={{{name!r}: 'category'}}.",
            anchor="metadata-rdms",
        )
    written = [column for column in columns if _reads_as_numbers(table[column])]
    if written:
        raise InputError(
            f"{list_names(written)} hold numbers written as text. Pass kinds={{{name!r}: "
            "'difference'} for numbers, 'category' for codes.",
            anchor="metadata-rdms",
        )
    return "category"


def _refuse_dates(table: pd.DataFrame, name: str, columns: list[str]) -> None:
    """Raise InputError for columns of dates, which are neither numbers nor categories."""
    dates = [column for column in columns if _holds_dates(table[column])]
    if dates:
        raise InputError(
            f"{list_names(dates)} hold dates or times. Make numbers of them, e.g. seconds: "
            f"(x - x.min()) / pd.Timedelta('1s'), or pass kinds={{{name!r}: 'category'}}.",
            anchor="metadata-rdms",
        )


def _holds_dates(column: pd.Series) -> bool:
    """Return whether a column holds dates, times or spans of time."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    return kind.startswith(("date", "time", "period", "interval"))


def _is_ordered(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype) and bool(column.dtype.ordered)


def _is_number(column: pd.Series) -> bool:
    """Return whether a column holds numbers, True and False not counted."""
    if pd.api.types.is_bool_dtype(column.dtype) or isinstance(column.dtype, pd.CategoricalDtype):
        return False
    if pd.api.types.is_numeric_dtype(column.dtype):
        return True
    present = column[~find_missing(column)]
    is_number = [
        isinstance(v, int | float | np.number) and not isinstance(v, bool | np.bool_)
        for v in present
    ]
    return len(present) > 0 and all(is_number)


def _may_be_codes(column: pd.Series) -> bool:
    """Return whether numbers are whole and repeat, as codes of categories do."""
    if not _is_number(column):
        return False
    present = column[~find_missing(column)].astype(float)
    is_whole = bool(np.isfinite(present).all() and (present % 1 == 0).all())
    return is_whole and 2 < present.nunique() <= len(present) / 2


def _reads_as_numbers(column: pd.Series) -> bool:
    """Return whether all text in a column spells numbers."""
    present = column[~find_missing(column)]
    if not len(present) or not all(isinstance(value, str) for value in present):
        return False
    return bool(pd.to_numeric(present, errors="coerce").notna().all())


def find_missing(column: pd.Series) -> np.ndarray:
    """Return which values (n,) of a column are missing."""
    spelled = [isinstance(v, str) and v.strip().lower() in MISSING for v in column]
    return column.isna().to_numpy() | np.array(spelled, dtype=bool)


def _measure_part(table: pd.DataFrame, part: Part) -> np.ndarray:
    """Return one RDM (n, n), NaN where a value is missing and 0 on the diagonal."""
    missing = _list_missing(table, part)
    if part.kind == "category":
        square = _measure_categories(table, part)
    else:
        square = _measure_numbers(table, part)
    square[missing] = np.nan
    square[:, missing] = np.nan
    np.fill_diagonal(square, 0.0)
    _refuse_constant(square, part)
    return square


def _list_missing(table: pd.DataFrame, part: Part) -> np.ndarray:
    """Return the stimuli (n,) without a value in some column of ``part``."""
    return np.any([find_missing(table[column]) for column in part.columns], axis=0)


def _measure_categories(table: pd.DataFrame, part: Part) -> np.ndarray:
    """Return the share of columns in which two stimuli differ (n, n)."""
    differ = []
    for column in part.columns:
        values = table[column].astype(object)
        present = values[~find_missing(table[column])]
        _warn_spelling(column, present)
        codes = pd.factorize(values)[0]
        differ.append(codes[:, None] != codes)
    return np.mean(differ, axis=0)


def _warn_spelling(column: str, present: pd.Series) -> None:
    """Warn where categories differ only in case or blanks."""
    names: dict[str, list[str]] = {}
    for value in dict.fromkeys(v for v in present if isinstance(v, str)):
        names.setdefault(" ".join(value.split()).casefold(), []).append(value)
    alike = [name for spelled in names.values() if len(spelled) > 1 for name in spelled]
    if alike:
        warn_user(
            f"categories of {column!r} differ only in case or blanks, and count as different: "
            f"{list_names(alike)}. Spell them alike if they are the same."
        )


def _measure_numbers(table: pd.DataFrame, part: Part) -> np.ndarray:
    """Return the distance (n, n) of stimuli over the columns of ``part``."""
    values = np.stack([_read_numbers(table[column], part) for column in part.columns], axis=1)
    if part.kind == "standardized-euclidean":
        spread = np.nanstd(values, axis=0)
        flat = [c for c, one in zip(part.columns, spread, strict=True) if not one > 0]
        if flat:
            raise InputError(
                f"columns that do not vary cannot be standardized: {list_names(flat)}. Leave them "
                "out.",
                anchor="metadata-rdms",
            )
        values = values / spread
    squared = (values[:, None] - values) ** 2  # (n, n, column)
    if part.kind == "euclidean" and len(part.columns) > 1:
        _warn_dominant(part, np.nansum(squared, axis=(0, 1)))
    if len(part.columns) == 1:
        return np.abs(values - values.T)
    return np.sqrt(squared.sum(axis=2))


def _read_numbers(column: pd.Series, part: Part) -> np.ndarray:
    """Return a column as numbers (n,), NaN where they are missing."""
    missing = find_missing(column)
    if _is_ordered(column):
        return np.where(missing, np.nan, column.cat.codes.to_numpy().astype(float))
    numbers = pd.to_numeric(column.astype(object).where(~missing, None), errors="coerce")
    values = numbers.to_numpy(dtype=float, na_value=np.nan)
    unread = np.isnan(values) & ~missing
    if unread.any() or pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise InputError(
            f"the kind {part.kind!r} needs numbers, but {column.name!r} holds "
            f"{list_names(column[unread | ~missing].tolist(), 3)}. Pass kinds={{{part.name!r}: "
            "'category'}, numbers, or an ordered pandas Categorical.",
            anchor="metadata-rdms",
        )
    if np.isinf(values).any():
        raise InputError(
            f"{column.name!r} holds infinite numbers, for the stimuli "
            f"{list_names(column.index[np.isinf(values)])}. Replace them by numbers or NaN.",
            anchor="metadata-rdms",
        )
    return values


def _warn_dominant(part: Part, power: np.ndarray) -> None:
    """Warn where one of several columns makes nearly all of the squared distances (column,)."""
    share = power / max(power.sum(), np.finfo(float).tiny)
    largest = int(share.argmax())
    if share[largest] > MAX_SHARE:
        warn_user(
            f"{part.columns[largest]!r} makes {100 * share[largest]:.1f} % of the squared "
            f"distances of {part.name!r}. Pass kinds={{{part.name!r}: 'standardized-euclidean'}} "
            "for columns of different units, 'euclidean' to keep it."
        )


def _refuse_constant(square: np.ndarray, part: Part) -> None:
    """Raise InputError for an RDM that does not vary over pairs."""
    pairs = square[np.triu_indices(len(square), 1)]
    known = pairs[~np.isnan(pairs)]
    if len(known) and np.ptp(known) > 1e-12 * np.abs(known).max():
        return
    reason = "there are no two stimuli with values"
    if len(known):
        reason = "all stimuli have the same value"
        if known[0] > 0:
            reason = "all stimuli are equally far apart, as where no two share a category"
    raise InputError(
        f"the RDM of {part.name!r} does not vary over pairs: {reason}. Leave {part.name!r} out, or "
        "pass another kind.",
        anchor="metadata-rdms",
    )


def _warn_missing(table: pd.DataFrame, parts: list[Part]) -> None:
    """Warn once, naming the stimuli without a value, for each RDM."""
    sentences = []
    for part in parts:
        missing = _list_missing(table, part)
        if missing.any():
            sentences.append(f"{part.name!r}: stimuli {list_names(table.index[missing])}")
    if sentences:
        warn_user(
            f"values are missing, and their pairs NaN, in {'; '.join(sentences)}. Drop those "
            "stimuli from all RDMs before comparing: rdms.sel(stimulus=ids, stimulus_2=ids)."
        )


def _describe(part: Part) -> str:
    """Return how an RDM was made, in words."""
    words = SHARE if part.kind == "category" and len(part.columns) > 1 else KINDS[part.kind]
    of_several = part.columns != [part.name]
    return f"{words} of {', '.join(part.columns)}" if of_several else words
