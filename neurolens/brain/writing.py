"""Maps of results on the grid of the responses, as NIfTI images, and back."""

import os
import uuid
from pathlib import Path

import numpy as np
import xarray as xr

from neurolens.brain.volumes import (
    Grid,
    import_nibabel,
    make_single,
    open_image,
    read_voxels,
)
from neurolens.errors import DataError, InputError, LabelError
from neurolens.labels import NEUROID, NEUROID_ID, REGION, SUBJECT, get_ids, list_names

GRID = ("index_i", "index_j", "index_k")


def write_map(
    values: xr.DataArray,
    path: str | Path,
    *,
    like: xr.DataArray,
    outside: float = np.nan,
    overwrite: bool = False,
) -> Path:
    """Write one number per voxel as an image on the grid of the responses.

    Parameters
    ----------
    values : DataArray (neuroid) or (op, neuroid) ...
        Scores, depths or p of voxels, or of searchlights, whose centers are regions; with one
        other dimension, one volume for each of its labels,
        in their order. Matched to ``like`` by ``neuroid_id``; voxels that it lacks stay
        ``outside``.
    path : path
        Ends in .nii or .nii.gz.
    like : DataArray
        Responses from `read_responses`, whose grid and voxels are used.
    outside : float
        The value of voxels that are no neuroids: NaN, or 0 for programs that cannot show NaN.
    overwrite : bool
        Replace a file of that name.

    Returns
    -------
    Path
        The file, float32, with the affine of the responses.

    Raises
    ------
    InputError
        ``like`` has no grid; ``values`` have more than one other dimension; the name ends
        otherwise.
    LabelError
        ``values`` lack ``neuroid_id``, or hold voxels that ``like`` lacks.
    DataError
        The file exists.
    """
    nibabel = import_nibabel()
    path = Path(path)
    if not path.name.endswith((".nii", ".nii.gz")):
        raise InputError(f"a map is written as .nii or .nii.gz, got {path.name!r}.")
    if path.exists() and not overwrite:
        raise DataError(f"{path} exists. Pass overwrite=True, or another name.")
    grid, index = read_places(like, "like")
    stack = _stack_values(values)
    rows = _find_rows(stack, like)
    image = np.full((*grid.shape, stack.shape[0]), outside, dtype=np.float32)
    i, j, k = index[rows].T
    if stack.dtype.kind not in "biuf":
        raise InputError(f"a map holds real numbers, got {stack.dtype}.")
    image[i, j, k] = make_single(stack.values.T, "the map")
    content = nibabel.Nifti1Image(image if stack.shape[0] > 1 else image[..., 0], grid.affine)
    content.header.set_xyzt_units("mm")
    content.header["descrip"] = str(values.name or "map")[:79].encode("ascii", "replace")
    _save_whole(nibabel, content, path)
    return path


def read_map(path: str | Path, *, like: xr.DataArray) -> xr.DataArray:
    """Read the values of the voxels of ``like`` from an image on the same grid.

    Returns
    -------
    DataArray (neuroid), or (volume, neuroid) of an image of several volumes
        float32, with the coordinates of the voxels.

    Raises
    ------
    InputError
        The image is on another grid.
    DataError
        It cannot be read.
    """
    grid, index = read_places(like, "like")
    image = open_image(path)
    if not image.grid.matches(grid):
        raise InputError(
            f"{image.path.name} and the responses must be on one grid: {image.grid.describe()} in "
            f"the file, {grid.describe()} in the responses."
        )
    values = read_voxels(image, index)
    coords = {name: c.variable for name, c in like.coords.items() if c.dims == (NEUROID,)}
    found = xr.DataArray(values, dims=("volume", NEUROID), coords=coords)
    return found if image.n_volumes > 1 else found[0]


def read_places(like: xr.DataArray, name: str) -> tuple[Grid, np.ndarray]:
    """Return the grid of responses, and the indices (voxel, 3) of their voxels."""
    lacking = [key for key in ("affine", "shape") if key not in like.attrs]
    lacking += [key for key in GRID if key not in like.coords]
    if lacking:
        raise InputError(
            f"{name} must be responses that read_responses read from images, whose grid is known; "
            f"there is no {', '.join(lacking)}. Attributes are kept inside "
            "xr.set_options(keep_attrs=True)."
        )
    affine = np.array(like.attrs["affine"], dtype=np.float64).reshape(4, 4)
    shape = tuple(int(size) for size in like.attrs["shape"])
    index = np.stack([like[key].values for key in GRID], axis=1).astype(int)
    return Grid((shape[0], shape[1], shape[2]), affine), index


def _stack_values(values: xr.DataArray) -> xr.DataArray:
    """Return ``values`` as (volume, neuroid); searchlights have their centers as regions."""
    is_array = isinstance(values, xr.DataArray)
    if is_array and NEUROID not in values.dims and REGION in values.dims:
        centers = values[REGION].values
        values = values.drop_vars([n for n, c in values.coords.items() if REGION in c.dims])
        values = values.rename({REGION: NEUROID})
        values = values.assign_coords({NEUROID_ID: (NEUROID, centers)})
    if not isinstance(values, xr.DataArray) or NEUROID not in values.dims or values.ndim > 2:
        dims = tuple(values.dims) if isinstance(values, xr.DataArray) else type(values).__name__
        raise InputError(
            f"a map needs values over 'neuroid' and at most one other dimension, got {dims}. "
            "Select, e.g. scores['r'].sel(op='relu')."
        )
    if values.ndim == 1:
        values = values.expand_dims("volume")
    return values.transpose(..., NEUROID)


def _find_rows(values: xr.DataArray, like: xr.DataArray) -> np.ndarray:
    """Return the position in ``like`` of each neuroid of ``values``, by ``neuroid_id``."""
    wanted = [str(one) for one in _list_ids(values, "values")]
    _check_subjects(values, like)
    position = {str(one): row for row, one in enumerate(_list_ids(like, "like"))}
    unknown = [one for one in wanted if one not in position]
    if unknown:
        raise LabelError(
            f"values hold {len(unknown)} voxels that like lacks, e.g. {unknown[0]!r}. Pass the "
            "responses that they were made from."
        )
    return np.array([position[one] for one in wanted])


def _check_subjects(values: xr.DataArray, like: xr.DataArray) -> None:
    """Raise LabelError where both sides name subjects, and others."""
    named = []
    for array in (values, like):
        names = [key for key in (SUBJECT, f"{NEUROID}_{SUBJECT}") if key in array.coords]
        named.append(
            {str(one) for one in np.atleast_1d(array[names[0]].values)} if names else set()
        )
    if named[0] and named[1] and named[0] != named[1]:
        raise LabelError(
            f"values are of subject {list_names(sorted(named[0]))} and like of "
            f"{list_names(sorted(named[1]))}. Pass the responses that they were made from."
        )


def _list_ids(array: xr.DataArray, name: str) -> np.ndarray:
    """Return the ``neuroid_id`` of an array, checked."""
    if NEUROID_ID not in array.coords:
        raise LabelError(
            f"{name} need the coordinate 'neuroid_id' to be matched with voxels. Add it with "
            ".assign_coords(neuroid_id=('neuroid', ids))."
        )
    return get_ids(array.swap_dims({NEUROID: NEUROID_ID}), NEUROID_ID, name)


def _save_whole(nibabel, content, path: Path) -> None:
    """Write an image under another name first, so that no part of one is left under its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"part-{uuid.uuid4().hex}-{path.name}")
    try:
        nibabel.save(content, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
