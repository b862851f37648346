"""MATLAB files of version 7.3, which are HDF5 with the axes of arrays turned round."""

from pathlib import Path
from typing import Any

import numpy as np

from neurolens.brain.recordings.matlab.conversion import MAX_DEPTH
from neurolens.brain.recordings.matlab.paths import Step, Unreadable, pick_variable
from neurolens.errors import DataError, MissingToolError

MAGIC = b"\x89HDF\r\n\x1a\n"
# Groups that hold what cells and objects refer to.
INTERNAL = ("#refs#", "#subsystem#")


def is_hdf5(path: Path) -> bool:
    """Return whether a file is HDF5, as .mat files of version 7.3 are after a header."""
    with path.open("rb") as file:
        return MAGIC in file.read(1024)


def open_hdf5(path: Path) -> Any:
    """Return an opened HDF5 file; raise MissingToolError where h5py is not installed."""
    try:
        import h5py
    except ImportError as error:
        raise MissingToolError(f"{path.name} needs h5py. Type pip install h5py.") from error
    return h5py.File(path, "r")


def read_matlab_hdf5(path: Path, steps: list[Step]) -> Any:
    """Return the content of a file, or what is at a path in it, of which alone it is read."""
    with open_hdf5(path) as file:
        item: Any = file
        rest = list(steps)
        while rest and rest[0].entry is None and _is_struct(item) and rest[0].name in item:
            if rest[0].name in INTERNAL:
                break
            item = follow_link(item, rest[0].name)
            rest = rest[1:]
        found = _read_item(file, item, 0)
        if not rest:
            return found
        done = steps[: len(steps) - len(rest)]
        for step in reversed(done):
            found = {step.name: found}
        return pick_variable(found, steps, path.name)


def follow_link(group: Any, name: str) -> Any:
    """Return what a group holds under a name; raise DataError where it is in another file."""
    import h5py

    if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
        raise DataError(
            f"{name!r} is a link to another file, which is not followed",
            anchor="not-opened-for-safety",
        )
    item = group[name]
    refuse_outside(item, name)
    return item


def refuse_outside(item: Any, name: str) -> None:
    """Raise DataError for a dataset whose numbers are in other files."""
    if getattr(item, "external", None) or getattr(item, "is_virtual", False):
        raise DataError(
            f"the numbers of {name!r} are in other files, which are not opened",
            anchor="not-opened-for-safety",
        )


def _is_struct(item: Any) -> bool:
    """Return whether an item is a struct, and no struct array, object or sparse array."""
    if not hasattr(item, "keys") or "MATLAB_sparse" in item.attrs:
        return False
    if "MATLAB_object_decode" in item.attrs:
        return False
    return not _is_struct_array(item)


def _is_struct_array(group: Any) -> bool:
    """Return whether a group holds the fields of several structs, as datasets of references."""
    if not group.keys() or _name_class(group) != "struct":
        return False
    return all(
        hasattr(field, "shape") and field.dtype == object and not field.attrs.get("MATLAB_class")
        for field in group.values()
    )


def _name_class(item: Any) -> str:
    """Return MATLAB's class of an item, empty where none is written."""
    name = item.attrs.get("MATLAB_class", b"")
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _read_item(file: Any, item: Any, depth: int) -> Any:
    """Return a group or dataset as plain objects."""
    if depth > MAX_DEPTH:
        raise DataError(f"structs or cells are nested more than {MAX_DEPTH} deep")
    kind = _name_class(item)
    if "MATLAB_object_decode" in item.attrs or kind == "function_handle":
        return Unreadable(kind or "object")
    if "MATLAB_sparse" in item.attrs:
        return _read_sparse(item)
    if hasattr(item, "keys"):
        if _is_struct_array(item):
            return _read_structs(file, item, depth)
        names = [name for name in item if name not in INTERNAL]
        return {name: _read_item(file, follow_link(item, name), depth + 1) for name in names}
    if item.attrs.get("MATLAB_empty", 0):
        return _make_empty(kind, item[()])
    values = item[()]
    if item.dtype == object:
        return _read_cell(file, np.asarray(values), depth)
    return _read_numbers(item, np.asarray(values), kind)


def _make_empty(kind: str, shape: Any) -> Any:
    """Return what is empty: text, a cell or an array of numbers."""
    if kind == "char":
        return ""
    sizes = tuple(int(size) for size in np.asarray(shape).ravel())
    if 0 not in sizes:
        raise DataError(f"an empty array has the shape {sizes}")
    return np.empty(sizes, dtype=object if kind in ("cell", "struct") else float)


def _read_numbers(item: Any, values: np.ndarray, kind: str) -> Any:
    """Return a dataset of numbers or text, its axes as in MATLAB."""
    if kind == "char":
        rows = np.atleast_2d(values.T)
        codes = rows.reshape(-1, rows.shape[-1]).astype("<u2")
        texts = [row.tobytes().decode("utf-16-le", "replace") for row in codes]
        return texts[0] if len(texts) == 1 else np.array(texts, dtype=object)
    if values.dtype.names == ("real", "imag"):
        values = values["real"] + 1j * values["imag"]
    if values.dtype.kind not in "biufc":
        return Unreadable(kind or str(values.dtype))
    if kind == "logical":
        values = values.astype(bool)
    return values.T


def _read_cell(file: Any, references: np.ndarray, depth: int) -> np.ndarray:
    """Return the entries of a cell, its axes as in MATLAB."""
    cell = np.empty(references.shape, dtype=object)
    for place in np.ndindex(references.shape):
        cell[place] = _read_item(file, file[references[place]], depth + 1)
    return cell.T


def _read_structs(file: Any, group: Any, depth: int) -> np.ndarray:
    """Return a struct array as an array of dicts."""
    fields = {name: _read_cell(file, follow_link(group, name)[()], depth) for name in group}
    shape = next(iter(fields.values())).shape
    structs = np.empty(shape, dtype=object)
    for place in np.ndindex(shape):
        structs[place] = {name: entries[place] for name, entries in fields.items()}
    return structs


def _read_sparse(group: Any) -> np.ndarray:
    """Return a sparse array with its zeros."""
    from scipy.sparse import csc_array

    starts = group["jc"][()]
    shape = (int(group.attrs["MATLAB_sparse"]), len(starts) - 1)
    if "data" not in group:
        return np.zeros(shape)
    return csc_array((group["data"][()], group["ir"][()], starts), shape=shape).toarray()
