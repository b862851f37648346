"""Maps as GIFTI images, one file for each hemisphere."""

import colorsys
from pathlib import Path
from typing import Any

import numpy as np

from neurolens.brain.images.grayordinates import HEMISPHERES, Grayordinates
from neurolens.brain.images.numbers import make_single
from neurolens.brain.images.packages import import_nibabel
from neurolens.brain.images.surfaces import STRUCTURES
from neurolens.brain.maps.files import name_side
from neurolens.brain.maps.records import KEY, Record, read_record, write_record
from neurolens.brain.maps.spaces import Places
from neurolens.brain.maps.stacks import Stack
from neurolens.errors import InputError

# Neighbors in a table get colors far from each other: the golden ratio of the circle.
TURN = 0.618034


def build_surfaces(stack: Stack, places: Places, path: Path, outside: float) -> dict[Path, Any]:
    """Return the image of each hemisphere, by the name of its file.

    Raises
    ------
    InputError
        Some values are of no cortical surface.
    """
    space = places.space
    assert isinstance(space, Grayordinates)
    sides = [side for side, name in HEMISPHERES.items() if name in space.n_vertices]
    on_cortex = np.isin(space.structures, list(HEMISPHERES.values()))
    if not on_cortex.all():
        raise InputError(
            f"{int((~on_cortex).sum())} neuroids are of no cortical surface, such as "
            f"{space.structures[~on_cortex][0]}. Write .dscalar.nii or .csv."
        )
    contents = {}
    for side in sides:
        here = space.structures == HEMISPHERES[side]
        whole = _spread(stack, space, here, HEMISPHERES[side], outside)
        file = name_side(path, side, is_only=len(sides) == 1)
        contents[file] = _build_one(stack, whole, side, file, outside)
    return contents


def _spread(
    stack: Stack, space: Grayordinates, here: np.ndarray, structure: str, outside: float
) -> np.ndarray:
    """Return the values (map, vertex) of a whole surface."""
    shape = (len(stack.values), space.n_vertices[structure])
    known = here & stack.known
    if stack.names:
        whole = np.zeros(shape, dtype=np.int32)
        whole[:, space.vertices[known]] = stack.values[:, known]
        return whole
    whole = np.full(shape, outside, dtype=np.float32)
    whole[:, space.vertices[known]] = make_single(stack.values[:, known], "the map")
    return whole


def _build_one(stack: Stack, whole: np.ndarray, side: str, file: Path, outside: float) -> Any:
    """Return the image of one hemisphere."""
    gifti = import_nibabel().gifti
    structure = next(name for name, one in STRUCTURES.items() if one == side)
    intent = "NIFTI_INTENT_NONE"
    if stack.names:
        intent = "NIFTI_INTENT_LABEL"
    elif file.name.endswith(".shape.gii"):
        intent = "NIFTI_INTENT_SHAPE"
    arrays = []
    for row, values in enumerate(whole):
        name = str(stack.labels[row]) if stack.labels else stack.title
        meta = gifti.GiftiMetaData({"Name": name, "AnatomicalStructurePrimary": structure})
        arrays.append(gifti.GiftiDataArray(values, intent=intent, meta=meta))
    meta = {"AnatomicalStructurePrimary": structure, KEY: write_record(stack, outside)}
    image = gifti.GiftiImage(darrays=arrays, meta=gifti.GiftiMetaData(meta))
    for number, (name, color) in enumerate(list_colors(stack.names).items() if stack.names else ()):
        label = gifti.GiftiLabel(number, *color)
        label.label = name
        image.labeltable.labels.append(label)
    return image


def list_colors(names: list[str]) -> dict[str, tuple[float, float, float, float]]:
    """Return a color (red, green, blue, alpha) for each name; "???" for none is transparent."""
    colors = {"???": (0.0, 0.0, 0.0, 0.0)}
    for k, name in enumerate(names):
        colors[name] = (*colorsys.hsv_to_rgb(k * TURN % 1, 0.6, 0.9), 1.0)
    return colors


def read_surface_record(path: Path) -> Record | None:
    """Return the names in the metadata of a GIFTI file, None where there are none."""
    meta = import_nibabel().load(path).meta
    return read_record(meta[KEY], path.name) if KEY in meta else None
