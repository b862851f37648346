"""Maps as CIFTI images of the neuroids of the responses."""

from pathlib import Path
from typing import Any

import numpy as np

from neurolens.brain.images.cifti import PREFIX, open_cifti
from neurolens.brain.images.grayordinates import Grayordinates
from neurolens.brain.images.numbers import make_single
from neurolens.brain.images.packages import import_nibabel
from neurolens.brain.maps.records import KEY, Record, read_record, write_record
from neurolens.brain.maps.spaces import Places
from neurolens.brain.maps.stacks import Stack
from neurolens.brain.maps.surfaces import list_colors

INTENTS = {False: "DENSE_SCALARS", True: "DENSE_LABELS"}


def build_cifti(stack: Stack, places: Places, outside: float) -> Any:
    """Return the image of a stack: a map of float32, or labels, for each row."""
    nibabel = import_nibabel()
    space = places.space
    assert isinstance(space, Grayordinates)
    order = _order_places(space)
    is_text = bool(stack.names)
    if is_text:
        values = np.where(stack.known, stack.values, 0).astype(np.int32)
    else:
        values = np.where(stack.known, make_single(stack.values, "the map"), np.float32(outside))
    labels = [str(one) for one in stack.labels] or [stack.title]
    meta: list[dict[str, str]] = [{} for _ in labels]
    meta[0][KEY] = write_record(stack, outside)
    axes = nibabel.cifti2.cifti2_axes
    if is_text:
        table = dict(enumerate(list_colors(stack.names).items()))
        maps = axes.LabelAxis(labels, [table] * len(labels), meta)
    else:
        maps = axes.ScalarAxis(labels, meta)
    image = nibabel.Cifti2Image(values[:, order], header=(maps, _build_axis(axes, space, order)))
    image.nifti_header.set_intent(f"NIFTI_INTENT_CONNECTIVITY_{INTENTS[is_text]}")
    image.update_headers()
    return image


def _order_places(space: Grayordinates) -> np.ndarray:
    """Return the places with those of each structure together, as CIFTI has them."""
    names = list(dict.fromkeys(space.structures.tolist()))
    position = {name: k for k, name in enumerate(names)}
    return np.argsort([position[name] for name in space.structures.tolist()], kind="stable")


def _build_axis(axes: Any, space: Grayordinates, order: np.ndarray) -> Any:
    """Return the places as an axis of a CIFTI header."""
    names = [PREFIX + name for name in space.structures[order].tolist()]
    n_vertices = {PREFIX + name: n for name, n in space.n_vertices.items()}
    volume: dict[str, Any] = {}
    if space.grid is not None:
        volume = {"affine": space.grid.affine, "volume_shape": space.grid.shape}
    return axes.BrainModelAxis(
        names,
        voxel=space.voxels[order],
        vertex=space.vertices[order],
        nvertices=n_vertices,
        **volume,
    )


def read_cifti_record(path: Path) -> Record | None:
    """Return the names in a CIFTI file: ours, or else those of its maps."""
    image = open_cifti(path)
    maps = image.content.header.get_axis(0)
    if not hasattr(maps, "meta"):
        return None
    for meta in maps.meta:
        if KEY in meta:
            return read_record(meta[KEY], path.name)
    names = [str(name) for name in maps.name]
    return Record("map", "map", names, []) if len(names) > 1 else None
