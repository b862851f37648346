"""RDMs and pictures of published MATLAB files: axes checked, subjects chosen, diagonals closed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.brain.recordings.matlab.reading import read_matlab
from neurolens.datasets.folders import Folder
from neurolens.errors import DataError, InputError
from neurolens.labels import STIMULUS, STIMULUS_2, SUBJECT, list_names
from neurolens.stimuli import StimulusSet, load_stimuli

# By how much an RDM may differ from its transpose.
TOLERANCE = 1e-5


def read_variable(raw: Folder, name: str, variable: str) -> Any:
    """Return a variable of a MATLAB file of any version.

    Raises
    ------
    DataError
        The file is missing or damaged, or has no such variable.
    """
    path = raw.locate_whole(name)
    try:
        return read_matlab(path, variable)
    except InputError as error:
        raise DataError(f"{path} is not the published file: {error}") from error


def read_structs(raw: Folder, name: str, variable: str, fields: Sequence[str]) -> list[dict]:
    """Return the structs of an array, each of which has these fields."""
    entries = list(np.ravel(read_variable(raw, name, variable)))
    if not all(isinstance(entry, dict) and set(fields) <= set(entry) for entry in entries):
        raise DataError(f"{raw.path / name} must hold the struct {variable}: {', '.join(fields)}")
    return entries


def list_pictures(entries: Sequence[dict], field: str, path: Path) -> list[np.ndarray]:
    """Return the pictures in a field of structs; raise DataError unless they are RGB of bytes."""
    pictures = [np.asarray(entry[field]) for entry in entries]
    if any(picture.dtype != np.uint8 or picture.ndim != 3 for picture in pictures):
        raise DataError(f"the {field} in {path} must be uint8 (height, width, 3)")
    return pictures


def open_named_pictures(raw: Folder, name: str) -> StimulusSet:
    """Return the pictures of a struct ``visual_stimuli``; ids are their file names."""
    entries = read_structs(raw, name, "visual_stimuli", ("names", "pixels"))
    files = [str(entry["names"]) for entry in entries]
    ids = [file.rpartition(".")[0] or file for file in files]
    metadata = pd.DataFrame({"file": files}, index=pd.Index(ids, name=STIMULUS))
    pictures = list_pictures(entries, "pixels", raw.path / name)
    return load_stimuli(pictures, ids=ids, metadata=metadata)


def check_shape(
    path: Path,
    variable: str,
    axes: Sequence[str],
    found: Sequence[int],
    shape: Sequence[int | None],
) -> None:
    """Raise DataError where an array has other axes than published; None is any length."""
    fits = [size in (None, there) for size, there in zip(shape, found, strict=False)]
    if len(found) != len(shape) or not all(fits):
        sizes = ", ".join(
            axis if n is None else str(n) for axis, n in zip(axes, shape, strict=True)
        )
        raise DataError(
            f"{variable} in {path} must be ({', '.join(axes)}) = ({sizes}) in MATLAB, got "
            f"{tuple(found)}"
        )


def choose_subjects(
    subjects: Sequence[str] | None, kind: str, count: int
) -> tuple[list[int], list[str]]:
    """Return the places of the subjects asked for among ``count``, and the names of these."""
    known = [f"{kind}{number:02d}" for number in range(1, count + 1)]
    other = [name for name in subjects or () if name not in known]
    if other:
        raise InputError(
            f"{list_names(other)} have no such data: choose from {known[0]} to {known[-1]}."
        )
    names = list(subjects or known)
    return [known.index(name) for name in names], names


def choose_times(times: Any, known: np.ndarray) -> np.ndarray:
    """Return which of the ``known`` milliseconds are from the first to the last asked for."""
    edges = (known[0], known[-1]) if times is None else times
    if np.shape(edges) != (2,) or not np.issubdtype(np.asarray(edges).dtype, np.number):
        raise InputError(f"times must be two numbers, the first and last ms, got {times!r}.")
    wanted = (edges[0] <= known) & (edges[1] >= known)
    if not wanted.any():
        raise InputError(f"times={times!r}: MEG is from {known[0]} to {known[-1]} ms.")
    return wanted


def close_rdms(values: Any, path: Path) -> np.ndarray:
    """Return RDMs (..., stimulus, stimulus_2) whose diagonal, which may be undefined, is 0.

    Raises
    ------
    DataError
        They are not symmetric, or not finite beside the diagonal.
    """
    closed = np.array(values, dtype=np.result_type(np.asarray(values).dtype, np.float32))
    diagonal = np.arange(closed.shape[-1])
    closed[..., diagonal, diagonal] = 0
    turned = closed.swapaxes(-1, -2)
    is_symmetric = np.allclose(closed, turned, rtol=TOLERANCE, atol=TOLERANCE)
    if not np.isfinite(closed).all() or not is_symmetric:
        raise DataError(f"the RDMs in {path} are not symmetric or not finite: other axes?")
    return (closed + turned) / 2


def label_rdms(rdms: xr.DataArray, subjects: Sequence[str], ids: Sequence[str]) -> xr.DataArray:
    """Return RDMs with the names of subjects and stimuli."""
    return rdms.assign_coords(
        {
            SUBJECT: np.array(subjects, dtype=object),
            STIMULUS: np.array(ids, dtype=object),
            STIMULUS_2: np.array(ids, dtype=object),
        }
    )
