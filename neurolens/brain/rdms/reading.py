"""Published RDMs from tables, arrays and the files of MATLAB, rsatoolbox and Meadows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.brain.labelling.tables import read_table
from neurolens.brain.rdms.hdf5 import read_hdf5, refuse_pickle
from neurolens.brain.rdms.matlab import read_matlab_rdms
from neurolens.brain.rdms.meadows import read_meadows_json, read_meadows_matlab
from neurolens.brain.rdms.naming import Names, label_rdms, tell_numbers
from neurolens.brain.rdms.pair_lists import is_pair_list, read_header, read_pairs
from neurolens.brain.rdms.squares import PAIRS, Stack, read_squares
from neurolens.brain.rdms.tables import Table, order_columns, read_rdm_table, refuse_counts
from neurolens.errors import DataError, InputError, warn_user
from neurolens.labels import align_labels, check_name

TABLES = (".csv", ".tsv")
HDF5 = (".h5", ".hdf5")
SUFFIXES = (*TABLES, ".npy", ".npz", ".mat", *HDF5, ".json")
# Names of texts beside the RDMs in a file of several arrays.
IDS = ("ids", "stimulus", "stimuli", "stimulus_id")


def read_rdms(
    source: Any,
    *,
    ids: Sequence[Any] | None = None,
    variable: str | None = None,
    subjects: Names = None,
    regions: Names = None,
    metric: str | None = None,
    pairs: str = "rows",
) -> xr.DataArray:
    """Read published RDMs, as squares or vectors of pairs, for `compare_rdms`.

    Parameters
    ----------
    source : path, array or DataFrame
        A square, squares (rdm, n, n), (region, subject, n, n) or as MATLAB has them (n, n, rdm); or
        vectors of n (n - 1) / 2 pairs, (pair) or (rdm, pair); or a DataFrame, which may also list
        pairs in columns ``stimulus_1``, ``stimulus_2`` and ``dissimilarity``. Files: .csv and .tsv,
        a square with or without names of rows and columns, a vector in each row, or a list of
        pairs; .npy, .npz; .mat of any version, also struct arrays with an RDM and a name in each
        entry; .h5 of rsatoolbox; .mat and .json of Meadows.
    ids : sequence, optional
        Of the stimuli, in the order of the RDM. Where the file has ids they have to be the same,
        and the result is in the order of these. Names of rows that only count them are no ids.
    variable : str, optional
        Which array of a file, by its path (``"Models.RDM"``, see `read_matlab`); of rsatoolbox the
        pattern descriptor with the ids; of Meadows' .json the task.
    subjects, regions : str or list of str, optional
        One for all RDMs, or one for each. Default: the names in the file, as subjects; a single RDM
        is of the region "brain" and the subject "group".
    metric : str, optional
        The dissimilarity, for the attribute ``metric``.
    pairs : {"rows", "columns"}
        The order of vectors: the upper triangle row by row, as `scipy.spatial.distance.squareform`,
        ``np.triu_indices`` and MATLAB's ``squareform`` and ``pdist`` have it; or column by column,
        as MATLAB's ``x(triu(true(n), 1))``. A vector does not tell.

    Returns
    -------
    DataArray (region, subject, stimulus, stimulus_2)
        float64, exactly symmetric, 0 on the diagonal; NaN where a region lacks a subject. Files of
        rsatoolbox keep the dimensions they have, of op, region, subject and time_bin.

    Raises
    ------
    DataError
        The file is missing, damaged or a pickle.
    InputError
        Numbers are not symmetric, not 0 on the diagonal (similarities), or infinite; the file holds
        several arrays; the RDMs are not named.
    LabelError
        Nothing names the stimuli, ids repeat, or they differ from those in the file, or are the
        numbers of its rows in another order.

    Warns
    -----
    RuntimeWarning
        Pairs are NaN, which are kept; numbers are below 0 and no metric says why.

    Notes
    -----
    Triangles and diagonals may differ by 1e-5 of the largest number, the rounding of single
    precision; the upper triangle is taken.

    References
    ----------
    Kriegeskorte & Mur (2012) Front. Psychol. 3:245, on the RDMs of multiple arrangement, which
    Meadows exports.

    Examples
    --------
    >>> square = np.abs(np.subtract.outer([0, 1, 5], [0, 1, 5]))
    >>> rdms = read_rdms(square, ids=["cat", "dog", "cup"], regions="IT", subjects="S1")
    >>> rdms.dims, rdms.sel(stimulus="dog", stimulus_2="cup").item()
    (('region', 'subject', 'stimulus', 'stimulus_2'), 4.0)
    """
    check_name(pairs, PAIRS, "order of pairs")
    n_stimuli = None if ids is None else len(list(ids))
    path = Path(source) if isinstance(source, str | Path) else None
    name = "the RDM" if path is None else path.name
    if path is not None and path.suffix.lower() in HDF5:
        return _read_rsatoolbox(path, ids, variable, subjects, regions)
    if path is None:
        stack = _read_memory(source, n_stimuli, pairs, name)
    else:
        stack = _read_file(path, variable, ids, pairs)
    rdms = label_rdms(stack, ids, subjects, regions, name)
    tell_numbers(rdms, metric, name)
    return rdms.assign_attrs({} if metric is None else {"metric": metric})


def _read_file(path: Path, variable: str | None, ids: Sequence[Any] | None, pairs: str) -> Stack:
    """Return the RDMs in a file."""
    n_stimuli = None if ids is None else len(list(ids))
    if not path.is_file():
        raise DataError(f"there is no file of RDMs at {path}", anchor="file-not-found")
    suffix = path.suffix.lower()
    if suffix in TABLES and is_pair_list(read_header(path)):
        return read_pairs(read_table(path, "pairs"), path.name)
    if suffix in TABLES:
        table = read_rdm_table(path, n_stimuli)
        refuse_counts(table, ids, path.name)
        return _stack_table(table, n_stimuli, pairs, path.name)
    if suffix == ".mat":
        meadows = read_meadows_matlab(path) if variable is None else None
        return meadows or read_matlab_rdms(path, variable, n_stimuli, pairs)
    if suffix == ".json":
        return read_meadows_json(path, variable)
    if suffix in (".npy", ".npz"):
        return _read_numpy(path, variable, n_stimuli, pairs)
    refuse_pickle(path)
    raise InputError(
        f"RDMs are read from {', '.join(SUFFIXES)}, got {path.name!r}. Pass the array for others.",
        anchor="unknown-format",
    )


def _read_memory(source: Any, n_stimuli: int | None, pairs: str, name: str) -> Stack:
    """Return the RDMs in an array or DataFrame."""
    if isinstance(source, xr.DataArray | xr.Dataset):
        raise InputError(
            "source is labelled already: compare_rdms takes a DataArray (region, subject, "
            f"stimulus, stimulus_2), got dimensions {tuple(source.dims)}."
        )
    if type(source).__module__.partition(".")[0] == "rsatoolbox":
        raise InputError(
            f"read_rdms takes arrays and files, got {type(source).__name__} of rsatoolbox. Pass "
            "its RDMs to neurolens.compare.from_rsatoolbox(rdms)."
        )
    if isinstance(source, pd.DataFrame) and is_pair_list(source.columns):
        return read_pairs(source, name)
    if isinstance(source, pd.DataFrame):
        return _stack_table(_open_frame(source), n_stimuli, pairs, name)
    if isinstance(source, list | tuple) and any(isinstance(one, str | Path) for one in source):
        raise InputError(
            "source must be one file. Read several one by one, with subjects= or regions=, and "
            "join them with xr.concat(rdms, 'subject').",
            anchor="choose-an-array",
        )
    return read_squares(source, n_stimuli, pairs, name)


def _open_frame(frame: pd.DataFrame) -> Table:
    """Return the numbers and names of a DataFrame, which numbers rows and columns by itself."""
    rows = None if isinstance(frame.index, pd.RangeIndex) else frame.index.tolist()
    columns = None if isinstance(frame.columns, pd.RangeIndex) else frame.columns.tolist()
    numbers = frame.to_numpy()
    if rows is not None and columns is not None and numbers.shape[0] == numbers.shape[1]:
        numbers = order_columns(numbers, rows, columns, "the table")
        columns = rows
    return Table(numbers, columns, rows)


def _stack_table(table: Table, n_stimuli: int | None, pairs: str, name: str) -> Stack:
    """Return the RDMs of a table: a square, or a vector in each row."""
    stack = read_squares(table.numbers, n_stimuli, pairs, name)
    if stack.squares.shape[-1] == table.numbers.shape[0] == table.numbers.shape[1]:
        return stack._replace(ids=table.rows or table.columns)
    if table.columns is not None:
        warn_user(
            f"{name} holds vectors of pairs, and the names of its columns are not read: pairs are "
            "taken in the order of the upper triangle, "
            + ("row by row." if pairs == "rows" else "column by column.")
        )
    return stack._replace(names=None if table.rows is None else [str(one) for one in table.rows])


def _read_numpy(path: Path, variable: str | None, n_stimuli: int | None, pairs: str) -> Stack:
    """Return the RDMs in a file of NumPy, and the ids in the same file."""
    try:
        held = np.load(path, allow_pickle=False)
        arrays = {path.stem: held} if path.suffix.lower() == ".npy" else dict(held)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {reason}). Pickled objects are not "
            "opened."
        ) from error
    numbers = {name: array for name, array in arrays.items() if array.dtype.kind in "biuf"}
    if variable is None and len(numbers) == 1:
        variable = next(iter(numbers))
    if variable not in numbers:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in numbers.items())
        raise InputError(
            f"{path.name} holds several arrays, or none called {variable!r}: "
            f"{shapes[:500] or 'none'}. Name one with variable=.",
            anchor="choose-an-array",
        )
    stack = read_squares(numbers[variable], n_stimuli, pairs, f"{variable!r} of {path.name}")
    return stack._replace(ids=_find_texts(arrays, stack.squares.shape[-1]))


def _find_texts(arrays: dict[str, np.ndarray], n_stimuli: int) -> list[str] | None:
    """Return the ids of the stimuli among the arrays of a file, None where there are none."""
    for name in IDS:
        texts = arrays.get(name)
        if texts is not None and texts.dtype.kind in "US" and texts.shape == (n_stimuli,):
            return texts.astype(str).tolist()
    return None


def _read_rsatoolbox(
    path: Path, ids: Sequence[Any] | None, variable: str | None, subjects: Names, regions: Names
) -> xr.DataArray:
    """Return the RDMs in a file of rsatoolbox with the dimensions they have there."""
    if not path.is_file():
        raise DataError(f"there is no file of RDMs at {path}", anchor="file-not-found")
    if subjects is not None or regions is not None:
        raise InputError(
            f"{path.name} names its RDMs itself. Leave out subjects= and regions=, and rename with "
            "rdms.assign_coords(subject=[...])."
        )
    rdms = read_hdf5(path, variable)
    tell_numbers(rdms, rdms.attrs.get("metric"), path.name)
    return rdms if ids is None else align_labels(rdms, list(ids), name=path.name, other="ids")
