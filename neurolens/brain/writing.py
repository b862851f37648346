"""Maps of results at the places of the responses, as images or tables, and back."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from neurolens.brain.images.grids import Grid
from neurolens.brain.images.opening import list_paths, open_image
from neurolens.brain.images.packages import import_nibabel
from neurolens.brain.maps.cifti import build_cifti, read_cifti_record
from neurolens.brain.maps.files import (
    check_free,
    check_kind,
    find_form,
    list_sides,
    save_whole,
)
from neurolens.brain.maps.records import label_values
from neurolens.brain.maps.spaces import read_places
from neurolens.brain.maps.stacks import gather_values
from neurolens.brain.maps.surfaces import build_surfaces, read_surface_record
from neurolens.brain.maps.tables import read_table_map, write_table
from neurolens.brain.maps.volumes import build_volume, read_volume_record
from neurolens.errors import InputError
from neurolens.labels import NEUROID


def write_map(
    values: xr.DataArray,
    path: str | Path,
    *,
    like: xr.DataArray,
    outside: float = np.nan,
    labels: Sequence[str] | None = None,
    overwrite: bool = False,
) -> Path | list[Path]:
    """Write one value per neuroid as an image at the places of the responses, or as a table.

    >>> scores = compare_searchlight(rdms, responses, radius=8)  # doctest: +SKIP
    >>> best = scores["score_mean"].idxmax("op")  # doctest: +SKIP
    >>> write_map(best, "best.nii.gz", like=responses, labels=rdms.op.values)  # doctest: +SKIP

    Parameters
    ----------
    values : DataArray (neuroid) or (op, neuroid) ..., (region) or (op, region) ...
        Scores, depths, p or names of ops. One other dimension becomes one map for each of its
        labels, in their order. Neuroids are matched to ``like`` by ``neuroid_id``. Regions are
        searchlights where they are ids of neuroids; else all neuroids of a region get its value.
    path : path
        .nii or .nii.gz; for surfaces .func.gii or .shape.gii, .label.gii for text: one file for
        each hemisphere, ``map_hemi-L.func.gii``; for vertices and voxels .dscalar.nii, .dlabel.nii
        for text; .csv for neuroids of any kind.
    like : DataArray
        Responses from `read_responses` or `estimate_responses`, whose places are used.
    outside : float
        The value where there is none: NaN, or 0 for programs that cannot show NaN. The header
        says which. Text has 0 there.
    labels : sequence of str, optional
        Of text: the order of the names, which get the numbers 1, 2, ...; default: as they appear.
        Such as ``grams.op.values``, so that the numbers increase along the network.
    overwrite : bool
        Replace a file of that name.

    Returns
    -------
    Path, or list of Path
        The file; of surfaces, the file of each hemisphere, left first. Numbers are float32 in
        images, and exact in tables.

    Raises
    ------
    InputError
        ``like`` has no places of that kind, or several subjects; ``values`` have more than one
        other dimension, several subjects, or regions that overlap; whole numbers above 2**24; the
        name ends otherwise.
    LabelError
        ``values`` lack ``neuroid_id``, or hold neuroids, regions or a subject that ``like`` lacks.
    DataError
        The file exists.

    Notes
    -----
    NIfTI keeps the transforms, their codes and the units of the images that ``like`` was read from.
    CIFTI holds the neuroids of ``like`` and no other place. Names of maps and of numbers are kept
    inside each file: in an extension of the NIfTI header (code 6, JSON), in the metadata of GIFTI
    and of the first CIFTI map, and `read_map` gives them back. Programs that rewrite files may drop
    them.
    """
    path = Path(path)
    form = find_form(path)
    _check_like(like)
    if isinstance(outside, bool) or not isinstance(outside, int | float | np.number):
        raise InputError(f"outside must be a number, NaN or 0, got {outside!r}.")
    stack = gather_values(values, like, labels)
    check_kind(path, is_text=bool(stack.names))
    if form == "table":
        check_free(path, overwrite=overwrite)
        save_whole(path, lambda part: write_table(stack, like, outside, part))
        return path
    nibabel = import_nibabel()
    places = read_places(like)
    if (form == "volume") != isinstance(places.space, Grid):
        fitting = ".nii.gz" if isinstance(places.space, Grid) else ".func.gii or .dscalar.nii"
        raise InputError(
            f"like has {places.space.describe()}, which {path.name!r} cannot hold. Write "
            f"{fitting}, or .csv.",
            anchor="unknown-format",
        )
    if form == "volume":
        contents = {path: build_volume(stack, places, like, outside)}
    elif form == "cifti":
        contents = {path: build_cifti(stack, places, outside)}
    else:
        contents = build_surfaces(stack, places, path, outside)
    for file in contents:
        check_free(file, overwrite=overwrite)
    for file, content in contents.items():
        save_whole(file, partial(nibabel.save, content))
    return list(contents) if form == "surface" else path


def read_map(path: str | Path | Sequence[str | Path], *, like: xr.DataArray) -> xr.DataArray:
    """Read the values of the neuroids of ``like`` from an image on the same places, or a table.

    Parameters
    ----------
    path : path, or list of paths
        What `write_map` was given, or what it returned; or any image on the places of ``like``.
    like : DataArray
        Responses from `read_responses` or `estimate_responses`.

    Returns
    -------
    DataArray (neuroid), or (op, neuroid) ... of several maps
        float32 from images, float64 from tables, or text, with the coordinates of the neuroids.
        The other dimension has the name and the labels that were written (from tables as text);
        "volume", without labels, in images of other programs.

    Raises
    ------
    InputError
        The image is on another grid or surface, or lacks neuroids of ``like``.
    DataError
        It cannot be read, or was changed so that its names do not fit.
    """
    files = list_paths(path)
    form = find_form(files[0])
    _check_like(like)
    if form == "table":
        return read_table_map(files[0], like)
    places = read_places(like)
    if form == "surface" and len(files) == 1:
        files = list_sides(files[0])
    image = open_image(files)
    values = image.read_rows(places.find_rows(image.space, image.name))
    readers = {"volume": read_volume_record, "cifti": read_cifti_record}
    record = readers.get(form, read_surface_record)(files[0])
    return label_values(values, record, like, image.name)


def _check_like(like: xr.DataArray) -> None:
    """Raise InputError for anything but responses."""
    if not isinstance(like, xr.DataArray) or NEUROID not in like.dims:
        dims = tuple(like.dims) if isinstance(like, xr.DataArray) else type(like).__name__
        raise InputError(
            f"like must be responses over 'neuroid', from read_responses or estimate_responses, "
            f"got {dims}.",
            anchor="map-of-other-responses",
        )
