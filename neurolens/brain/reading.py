"""Responses from images or arrays, with the labels that comparing needs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.brain.images.opening import (
    IMAGE_SUFFIXES,
    Image,
    list_paths,
    names_image,
    open_images,
)
from neurolens.brain.images.values import label_neuroids, read_values
from neurolens.brain.labelling.agreement import check_recorded
from neurolens.brain.labelling.entities import check_entities, find_entity, name_subject
from neurolens.brain.labelling.events import label_presentations, list_event_files, read_events
from neurolens.brain.labelling.found_files import take_files
from neurolens.brain.recordings.arrays import ARRAY_SUFFIXES, read_array
from neurolens.errors import InputError
from neurolens.labels import (
    NEUROID,
    PRESENTATION,
    list_names,
)

# Files that other functions of neurolens.brain read.
OTHERS = {
    (".fif", ".fif.gz"): "read_epochs(path)",
    (".nc",): "read_assembly(path)",
}
# Coordinate of presentations -> entity in the names of files.
RECORDED = {"run": "run", "session": "ses"}


def read_responses(
    source: Any,
    *,
    events: Any = None,
    mask: Any = None,
    regions: Any = None,
    subject: str | None = None,
    variable: str | None = None,
    dims: Sequence[str] | None = None,
) -> xr.DataArray:
    """Read responses of one subject from images, tables or arrays.

    Parameters
    ----------
    source : path, list of paths, DataFrame of `find_files`, or array
        Images of betas, one or several, in order: NIfTI of three or four axes; CIFTI
        (.dscalar.nii, .dtseries.nii); GIFTI (.func.gii, .shape.gii), where each file of the left
        hemisphere makes an image with the one of the right. Or the files that
        ``neurolens.brain.find_files`` found. Or an array, or the path of one: .npy, .npz, .mat
        (also of version 7.3), .h5, .csv, .tsv.
    events : path, DataFrame, list; not needed for found files that have some
        What each response shows, one row per volume or presentation: the path of a table (.tsv,
        .csv), a DataFrame, a list of stimulus ids, or a list of tables, one for each image. The
        stimulus is named by the first of the columns ``stimulus_id``, ``stimulus``, ``stim_id``,
        ``stim_file``, ``image`` and ``trial_type``; all columns become coordinates. For an array
        with the axis "stimulus", one row per stimulus.
    mask : path or array (x, y, z), optional
        Voxels, or vertices, above 0 are neuroids. Of GIFTI, a list of the files of both
        hemispheres. Default: the voxels of all regions; without regions, those that are finite and
        change over the responses, which leaves out the medial wall.
    regions : mapping, pair, path or list of paths, optional
        ``{"V1": "v1.nii.gz", ...}``, masks, which may overlap; or ``(atlas, labels)``: an image of
        whole numbers, with ``{number: name}``, a list of names from 1 on, a table with a column of
        numbers and one of names, or a color table of FreeSurfer (.txt, .ctab); or files that name
        their labels themselves: a .dlabel.nii, or the .label.gii of one or both hemispheres, where
        "???", "unknown" and "medial_wall" are no regions. Labels of GIFTI and CIFTI are matched by
        structure and vertex. For arrays: a list with the name of each neuroid's region.
    subject : str, optional
        Label of all neuroids; default: ``sub-...`` in the names of the files, if they have it.
    variable : str, optional
        Name of the array in a file that holds several; in a MATLAB file its path, such as
        "data.spikes".
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
        ``voxel_z`` in mm, in C order of the image, as nilearn's masker has them. Of vertices:
        ``neuroid_id`` ("left-12"), ``hemisphere`` ("left", "right", "none"), ``structure``
        ("CORTEX_LEFT"), ``vertex``; voxels of CIFTI have -1 there, and vertices beside them -1 and
        NaN as index and place. ``region``, or, where regions overlap or some voxel is in none,
        ``region_V1`` ... of True and False; ``subject``.
        Attributes for `write_map`: ``affine`` (16,), ``shape`` (3,), ``surface_structures``,
        ``surface_vertices``, codes of the header; ``source``; ``left_out`` says how many places
        were left out without a mask. Presentations are not averaged and nothing is standardized:
        see ``neurolens.brain``.

    Raises
    ------
    DataError
        A file is missing, damaged or of another kind. Compressed files are checked to their end.
    InputError
        Images are on different grids, surfaces or of several kinds; numbers of volumes and events
        differ, or rows are of another run, session or subject than their image; axes are not as
        ``dims`` says.
    LabelError
        A response has no stimulus, or a number of an atlas has no name.
    MissingToolError
        nibabel, or h5py, is not installed.

    Warns
    -----
    RuntimeWarning
        Voxels of the mask are NaN or 0 throughout, and left out; a mask holds fractions; the header
        of an image has two transforms that differ, or none, or does not fit the length of the file.

    Notes
    -----
    Of uncompressed NIfTI images only the voxels asked for are read. Compressed ones have to be
    read whole, one volume in memory at a time. A slope of 0 or NaN in a header means none.
    """
    if isinstance(source, pd.DataFrame) and "path" in source:
        files = take_files(source, events)
        return _read_images(files.paths, files.events, mask, regions, subject)
    if events is None:
        raise InputError(
            "events must say what each response shows: pass a table, or a list of stimulus ids.",
            anchor="events-table",
        )
    if _names_images(source):
        return _read_images(list_paths(source), events, mask, regions, subject)
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
    if names_image(source):
        return True
    paths = [str(one) for one in files]
    for suffixes, call in OTHERS.items():
        if paths[0].endswith(suffixes):
            raise InputError(
                f"{paths[0]} is read by another function: neurolens.brain.{call}.",
                anchor="unknown-format",
            )
    if len(paths) > 1 or not paths[0].endswith(ARRAY_SUFFIXES):
        raise InputError(
            f"responses are read from images ({', '.join(IMAGE_SUFFIXES)}), one or several, or "
            f"from one array ({', '.join(ARRAY_SUFFIXES)}), got {list_names(paths)}.",
            anchor="unknown-format",
        )
    return False


def _read_images(
    paths: list[Path], events: Any, mask: Any, regions: Any, subject: str | None
) -> xr.DataArray:
    """Return the responses in images."""
    images = open_images(paths)
    firsts = [image.paths[0] for image in images]
    subject = name_subject(subject, paths)
    check_entities(firsts, list_event_files(events))
    counts = [image.n_volumes for image in images]
    table = read_events(events, counts, [image.name for image in images])
    check_recorded(table, firsts, counts)
    values, neuroids, attrs = read_values(images, mask, regions)
    coords = label_neuroids(neuroids, images[0].space, subject)
    coords |= label_presentations(table)
    coords |= {name: c for name, c in label_images(images).items() if name not in coords}
    attrs["source"] = [path.name for path in paths]
    return xr.DataArray(
        np.concatenate(values), dims=(PRESENTATION, NEUROID), coords=coords, attrs=attrs
    )


def label_images(images: Sequence[Image]) -> dict[str, Any]:
    """Return which image each volume is from, with the run and session that all names say."""
    if len(images) == 1:
        return {}
    numbers = np.repeat(np.arange(len(images)), [image.n_volumes for image in images])
    coords: dict[str, Any] = {"image": (PRESENTATION, numbers)}
    for name, key in RECORDED.items():
        named = [find_entity(image.paths[0], key) for image in images]
        if all(named):
            coords[name] = (PRESENTATION, np.array(named, dtype=object)[numbers])
    return coords
