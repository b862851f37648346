"""MATLAB files of every version as arrays, text, dicts and tables; nothing in them is run."""

import warnings
from pathlib import Path
from typing import Any

from neurolens.brain.recordings.matlab.conversion import convert_item
from neurolens.brain.recordings.matlab.hdf5 import is_hdf5, read_matlab_hdf5
from neurolens.brain.recordings.matlab.paths import (
    Unreadable,
    check_choice,
    find_numbers,
    list_candidates,
    parse_path,
    pick_variable,
    refuse_unreadable,
    walk_leaves,
)
from neurolens.errors import DataError, InputError, MissingToolError, warn_user

# What scipy and mat-io warn of where they return something else than the file holds.
FAILURES = ("Unreadable variable", "Duplicate variable", "Failed to parse", "unknown floating")
# scipy does not read the names of objects, and puts the last under "None".
NAMELESS = "None"
UNNAMED = f'Duplicate variable name "{NAMELESS}"'
# mat-io also warns of objects that it leaves as they are, which are told where they are picked.
LEFT = "Failed to convert"
# Of these classes of MATLAB mat-io makes tables and arrays.
READABLE = (
    "table",
    "timetable",
    "string",
    "categorical",
    "datetime",
    "duration",
    "calendarDuration",
    "containers.Map",
)


def read_matlab(path: str | Path, variable: str | None = None) -> Any:
    """Read a MATLAB file, or one variable of it, as plain objects.

    Parameters
    ----------
    path : path
        A .mat file of any version, also 7.3.
    variable : str, optional
        A path as MATLAB writes it: ``"betas"``, ``"data.spikes"``, ``"RDMs(2).RDM"``, counted from
        1. Default: the whole file, as a dict.

    Returns
    -------
    dict, array, str or DataFrame
        Arrays have MATLAB's axes, two or more. Text is str; a struct a dict; a struct array or a
        cell an array of objects; a table, timetable, string or categorical is a DataFrame or an
        array. Of the whole file, function handles and objects of other classes are
        ``Unreadable(kind)``.

    Raises
    ------
    DataError
        There is no such file, or it is damaged or no MATLAB file.
    InputError
        There is no such variable, which the message lists, or it is a function handle or an object
        of another class, Java's among them.
    MissingToolError
        It is a table or another object, and the package mat-io is not installed.

    Notes
    -----
    Of a file of version 7.3 only the variable is read, of older ones the variable of the first part
    of the path.

    Examples
    --------
    >>> import numpy as np, scipy.io, tempfile
    >>> path = tempfile.mkdtemp() + "/spikes.mat"
    >>> scipy.io.savemat(path, {"data": {"spikes": np.arange(6).reshape(2, 3), "area": "V4"}})
    >>> read_matlab(path, "data.spikes").shape, read_matlab(path)["data"]["area"]
    ((2, 3), 'V4')
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no MATLAB file at {path}", anchor="file-not-found")
    check_choice(variable)
    steps = parse_path(variable) if variable is not None else []
    try:
        if is_hdf5(path):
            found = read_matlab_hdf5(path, steps)
        else:
            found = _read_old(path, steps[0].name if steps else None)
            found = pick_variable(found, steps, path.name)
        if _find_readable(found):
            objects = _read_objects(path, steps[0].name if steps else None)
            found = pick_variable(objects, steps, path.name)
    except (InputError, MissingToolError):
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{path} cannot be read as a MATLAB file ({type(error).__name__}: {reason}). Copy or "
            "fetch it again, or save it in MATLAB anew."
        ) from error
    refuse_unreadable(found, variable or "", path.name)
    return found


def read_only_array(path: Path) -> Any:
    """Return the only array or table of a MATLAB file; raise InputError where it has several."""
    found = find_numbers(read_matlab(path))
    if len(found) != 1:
        raise InputError(
            f"{path.name} holds {'several arrays' if found else 'no array of numbers'}: "
            f"{list_candidates(found) or 'none'}. Name one with variable=.",
            anchor="choose-an-array",
        )
    return next(iter(found.values()))


def _read_old(path: Path, name: str | None) -> dict[str, Any]:
    """Return the content of a file of a version before 7.3, or the variable of this name of it."""
    import scipy.io

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        held = scipy.io.loadmat(path, variable_names=None if name is None else [name])
        if name is not None and name not in held:
            held = scipy.io.loadmat(path)
    _pass_on(caught, path)
    content = {key: value for key, value in held.items() if not key.startswith("__")}
    tree = {key: convert_item(value) for key, value in content.items() if key != NAMELESS}
    if NAMELESS in content:
        tree |= dict.fromkeys(_name_objects(path, set(tree)), Unreadable("table"))
    return tree


def _name_objects(path: Path, known: set[str]) -> list[str]:
    """Return the names of the objects in a file."""
    matio = import_matio(path.name)
    return [name for name in matio.whosmat(str(path)) if name not in known]


def _find_readable(found: Any) -> bool:
    """Return whether something is, or holds, an object that mat-io makes a table or an array of."""
    return any(
        isinstance(item, Unreadable) and item.kind in READABLE for _, item in walk_leaves(found)
    )


def _read_objects(path: Path, name: str | None) -> dict[str, Any]:
    """Return the content of a file, its objects opened by mat-io."""
    matio = import_matio(path.name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        names = None if name is None else [name]
        held = matio.load_from_mat(str(path), variable_names=names, spmatrix=False)
    _pass_on(caught, path)
    return {key: convert_item(item) for key, item in held.items() if not key.startswith("__")}


def import_matio(file: str) -> Any:
    """Return the package mat-io; importing it sets an option of pandas, which is set back."""
    import pandas as pd

    option = "future.infer_string"
    with warnings.catch_warnings():
        # pandas warns wherever this option is read or set.
        warnings.simplefilter("ignore")
        before = pd.get_option(option)
        try:
            import matio
        except ImportError as error:
            raise MissingToolError(
                f"{file} holds objects of MATLAB, such as tables. Type pip install mat-io."
            ) from error
        finally:
            pd.set_option(option, before)
    return matio


def _pass_on(caught: list[warnings.WarningMessage], path: Path) -> None:
    """Raise DataError where a reader warned that it failed; pass other warnings on."""
    for one in caught:
        message = str(one.message)
        if any(failure in message for failure in FAILURES) and UNNAMED not in message:
            raise DataError(message)
        is_told = LEFT in message or UNNAMED in message
        if not is_told and not issubclass(one.category, DeprecationWarning):
            warn_user(f"{path.name}: {message}")
