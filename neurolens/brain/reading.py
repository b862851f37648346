"""Responses from images or arrays, with the labels that comparing needs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurolens.brain.arrays import ARRAY_SUFFIXES, read_array
from neurolens.brain.entities import check_entities, find_entity, name_subject
from neurolens.brain.events import label_presentations, list_event_files, read_events
from neurolens.brain.regions import Voxels, find_voxels
from neurolens.brain.volumes import Grid, Image, check_grid, open_image, read_voxels
from neurolens.errors import InputError, warn_user
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    PRESENTATION,
    REGION,
    SUBJECT,
    list_names,
)

IMAGE_SUFFIXES = (".nii", ".nii.gz")
AXES = "xyz"
INDICES = "ijk"
# Coordinate of presentations -> entity in the names of files.
RECORDED = {"run": "run", "session": "ses"}


def read_responses(
    source: Any,
    *,
    events: Any,
    mask: Any = None,
    regions: Any = None,
    subject: str | None = None,
    variable: str | None = None,
    dims: Sequence[str] | None = None,
) -> xr.DataArray:
    """Read responses of one subject from NIfTI images, tables or arrays.

    Parameters
    ----------
    source : path, list of paths, or array
        Images of betas: one of four axes, or several, of three or four axes each, in order. Or an
        array, or the path of one: .npy, .npz, .mat (also of version 7.3), .h5, .csv, .tsv.
    events : path, DataFrame, list
        What each response shows, one row per volume or presentation: the path of a table (.tsv,
        .csv), a DataFrame, a list of stimulus ids, or a list of tables, one for each image. The
        stimulus is named by the first of the columns ``stimulus_id``, ``stimulus``, ``stim_id``,
        ``stim_file``, ``image`` and ``trial_type``; all columns become coordinates. For an array
        with the axis "stimulus", one row per stimulus.
    mask : path or array (x, y, z), optional
        Voxels above 0 are neuroids. Default: the voxels of all regions; without regions, those
        that are finite and change over the responses.
    regions : mapping or pair, optional
        ``{"V1": "v1.nii.gz", ...}``, masks, which may overlap; or ``(atlas, labels)``: an image of
        whole numbers, with ``{number: name}``, a list of names from 1 on, or a table with a column
        of numbers and one of names. For arrays: a list with the name of each neuroid's region.
    subject : str, optional
        Label of all neuroids; default: ``sub-...`` in the names of the files, if they have it.
    variable : str, optional
        Name of the array in a file that holds several.
    dims : sequence of str, optional
        Of an array: its axes, from "presentation", "stimulus", "repetition", "neuroid",
        "time_bin", such as ``("stimulus", "repetition", "neuroid")``. Default: presentation,
        neuroid.

    Returns
    -------
    DataArray (presentation, neuroid), float32
        With ``stimulus_id`` and the columns of the events on presentation; of several images, their
        number ``image``, and ``run`` and ``session`` where all names say them (``ses-2_run-1``).
        Columns whose names mean something else here begin with "event_". Of voxels:
        ``neuroid_id`` ("i-j-k"), ``index_i``, ``index_j``, ``index_k``, ``voxel_x``, ``voxel_y``,
        ``voxel_z`` in mm, in C order of the image, as nilearn's masker has them; ``region``, or,
        where regions overlap or some voxel is in none, ``region_V1`` ... of True and False;
        ``subject``.
        Attributes ``affine`` (16,), ``shape`` (3,), ``source``, for `write_map`. Presentations are
        not averaged and nothing is standardized: see ``neurolens.brain``.

    Raises
    ------
    DataError
        A file is missing, damaged or of another kind.
    InputError
        Images are on different grids; numbers of volumes and events differ; axes are not as
        ``dims`` says.
    LabelError
        A response has no stimulus, or a number of an atlas has no name.
    MissingToolError
        nibabel, or h5py, is not installed.

    Warns
    -----
    RuntimeWarning
        Voxels of the mask are NaN throughout, and left out.

    Notes
    -----
    Of uncompressed images only the box around the voxels is read. Compressed ones have to be read
    whole.
    """
    if _names_images(source):
        files = source if isinstance(source, list | tuple) else [source]
        paths = [Path(one) for one in files]
        return _read_images(paths, events, mask, regions, subject)
    if mask is not None:
        raise InputError("mask= is for images. Select neuroids of an array before.")
    return read_array(source, events, regions, subject, variable, dims)


def _names_images(source: Any) -> bool:
    """Return whether a source is images, one or several; raise for files of unknown kind."""
    files = source if isinstance(source, list | tuple) else [source]
    if not any(isinstance(one, str | Path) for one in files):
        return False
    if not all(isinstance(one, str | Path) for one in files):
        raise InputError("responses are one array, or files. Pass a list of paths only.")
    paths = [str(one) for one in files]
    if all(path.endswith(IMAGE_SUFFIXES) for path in paths):
        return True
    if len(paths) > 1 or not paths[0].endswith(ARRAY_SUFFIXES):
        raise InputError(
            f"responses are read from images ({', '.join(IMAGE_SUFFIXES)}), one or several, or "
            f"from one array ({', '.join(ARRAY_SUFFIXES)}), got {list_names(paths)}."
        )
    return False


def _read_images(
    paths: list[Path], events: Any, mask: Any, regions: Any, subject: str | None
) -> xr.DataArray:
    """Return the responses in images."""
    images = [open_image(path) for path in paths]
    grid = images[0].grid
    for image in images[1:]:
        check_grid(image, grid, images[0].path.name)
    counts = [image.n_volumes for image in images]
    check_entities(paths, list_event_files(events))
    table = read_events(events, counts, [image.path.name for image in images])
    voxels = find_voxels(grid, mask, regions)
    values, voxels = _read_values(images, grid, voxels)
    coords = _label_voxels(voxels, grid)
    subject = name_subject(subject, paths)
    if subject is not None:
        coords[SUBJECT] = (NEUROID, np.full(len(voxels.places), subject, dtype=object))
    coords |= label_presentations(table)
    if len(images) > 1:
        numbers = np.repeat(np.arange(len(images)), counts)
        coords["image"] = (PRESENTATION, numbers)
        for name, key in RECORDED.items():
            named = [find_entity(path, key) for path in paths]
            if name not in coords and all(named):
                coords[name] = (PRESENTATION, np.array(named, dtype=object)[numbers])
    attrs = {
        "affine": grid.affine.ravel().tolist(),
        "shape": list(grid.shape),
        "voxel_units": "mm",
        "source": [path.name for path in paths],
    }
    return xr.DataArray(values, dims=(PRESENTATION, NEUROID), coords=coords, attrs=attrs)


def _read_values(
    images: list[Image], grid: Grid, voxels: Voxels | None
) -> tuple[np.ndarray, Voxels]:
    """Return the values (volume, voxel) of usable voxels, and these."""
    is_chosen = voxels is not None
    if voxels is None:
        voxels = Voxels(np.argwhere(np.ones(grid.shape, dtype=bool)), {})
    values = np.concatenate([read_voxels(image, voxels.places) for image in images])
    if is_chosen:
        usable = ~np.isnan(values).all(axis=0)
    else:
        usable = np.isfinite(values).all(axis=0) & (values != values[0]).any(axis=0)
    if not usable.any():
        raise InputError(
            "no voxel holds numbers that change over the responses. Pass betas, one per trial, or "
            "another mask."
        )
    n_lost = int((~usable).sum())
    if is_chosen and n_lost:
        warn_user(f"{n_lost} voxels of {len(usable)} in the mask are NaN throughout, and left out.")
    members = {name: inside[usable] for name, inside in voxels.members.items()}
    return values[:, usable], Voxels(voxels.places[usable], members)


def _label_voxels(voxels: Voxels, grid: Grid) -> dict[str, Any]:
    """Return the coordinates of voxels."""
    index = voxels.places
    names = np.array(["-".join(map(str, one)) for one in index.tolist()], dtype=object)
    coords: dict[str, Any] = {NEUROID_ID: (NEUROID, names)}
    place = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    for k, (axis, letter) in enumerate(zip(AXES, INDICES, strict=True)):
        coords[f"index_{letter}"] = (NEUROID, index[:, k])
        coords[f"voxel_{axis}"] = (NEUROID, place[:, k])
    return coords | label_regions(voxels.members)


def label_regions(members: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the coordinate ``region``, or one per region where a neuroid is in several or none."""
    if not members:
        return {}
    inside = np.stack(list(members.values()))  # (region, neuroid)
    if (inside.sum(axis=0) == 1).all():
        names = np.array(list(members), dtype=object)
        return {REGION: (NEUROID, names[inside.argmax(axis=0)])}
    return {f"{REGION}_{name}": (NEUROID, here) for name, here in members.items()}
