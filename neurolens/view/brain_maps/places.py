"""Values of neuroids or regions, put on the vertices of surfaces or into a volume."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.brain.images.grayordinates import HEMISPHERES, NOWHERE, Grayordinates
from neurolens.brain.images.grids import Grid
from neurolens.brain.maps.spaces import Places, read_places
from neurolens.brain.maps.stacks import gather_values
from neurolens.errors import InputError
from neurolens.view.brain_maps.meshes import (
    FINER,
    N_VERTICES,
    SIDES,
    Mesh,
    load_fsaverage,
    load_meshes,
)
from neurolens.view.brain_maps.values import Shown

MNI = "MNI152"
# At how many depths from white matter to pial surface a volume is read.
N_DEPTHS = 7


class PlacedMap(NamedTuple):
    """Values by place: NaN where there is none; of text, numbers from 1 on, that ``names`` name.

    ``values`` holds the vertices of each side of a surface, or under "volume" an array (i, j, k).
    """

    values: dict[str, np.ndarray]
    names: list[str]
    label: str
    limits: tuple[float, float] | None
    notes: list[str]


class Surface(NamedTuple):
    """A map on the vertices of meshes."""

    map: PlacedMap
    meshes: dict[str, Mesh]


class Volume(NamedTuple):
    """A map in a volume: ``inside`` (i, j, k) is where the responses have voxels."""

    map: PlacedMap
    grid: Grid
    inside: np.ndarray


def place_on_surface(shown: Shown, like: xr.DataArray, space: Any = None) -> Surface:
    """Return values on the vertices of both hemispheres, or of the one that there is.

    Raises
    ------
    InputError, LabelError
        As `write_map`; the places are vertices of no mesh that is there, or voxels of no known
        space.
    """
    values, names, places = _gather(shown, like)
    notes = list(shown.notes)
    if isinstance(places.space, Grid):
        if space != MNI:
            raise InputError(
                "like has voxels, and a surface can be drawn of them only in a known space. Pass "
                f"space={MNI!r} if the volume was normalized to it, or use plot_slices.",
                anchor="grids-differ",
            )
        image = _fill(values, places)
        sides = _project(image, places.space.affine, is_text=bool(names))
        notes.append(
            f"voxels, taken to be in {MNI} space, were projected to fsaverage5: the "
            f"{'most frequent' if names else 'mean'} of {N_DEPTHS} nearest voxels from white "
            "matter to pial surface"
        )
        return Surface(_build(shown, sides, names, notes), load_fsaverage())
    sides = _spread(values, places.space, notes)
    meshes = load_fsaverage() if space is None or space == MNI else load_meshes(space)
    sides = {side: _fit_mesh(one, side, meshes, space, notes) for side, one in sides.items()}
    placed = _build(shown, sides, names, list(dict.fromkeys(notes)))
    return Surface(placed, {side: meshes[side] for side in sides})


def place_in_volume(shown: Shown, like: xr.DataArray) -> Volume:
    """Return values on the grid of voxels of the responses.

    Raises
    ------
    InputError, LabelError
        As `write_map`; the places are no voxels.
    """
    values, names, places = _gather(shown, like)
    if not isinstance(places.space, Grid):
        raise InputError(
            f"like has {places.space.describe()}, and this picture is of a volume. Use "
            "plot_surface.",
            anchor="grids-differ",
        )
    inside = np.zeros(places.space.shape, dtype=bool)
    inside[tuple(places.voxels.T)] = True
    placed = _build(shown, {"volume": _fill(values, places)}, names, list(shown.notes))
    return Volume(placed, places.space, inside)


def _gather(shown: Shown, like: Any) -> tuple[np.ndarray, list[str], Places]:
    """Return the value (neuroid,) of each neuroid of the responses, and where they are."""
    if not isinstance(like, xr.DataArray):
        raise InputError(
            "like must be the responses, as read_responses returned them, whose places are drawn, "
            f"got {type(like).__name__}.",
            anchor="wrong-object",
        )
    stack = gather_values(shown.values, like, shown.order)
    if len(stack.values) != 1:
        raise InputError(
            f"a picture is of one map, and there are {len(stack.values)} along {stack.dim!r}. "
            f"Select one, .sel({stack.dim}=...), or op=."
        )
    values = np.where(stack.known, stack.values[0].astype(float), np.nan)
    if stack.names:
        values[values == 0] = np.nan
    return values, stack.names, read_places(like)


def _build(
    shown: Shown, values: dict[str, np.ndarray], names: list[str], notes: list[str]
) -> PlacedMap:
    """Return the map, or raise InputError where it is empty."""
    if any(np.isinf(one).any() for one in values.values()):
        raise InputError("values are infinite at some places. Replace them by NaN.")
    if not any(np.isfinite(one).any() for one in values.values()):
        raise InputError(
            "there is no value at any place: all are NaN or left out. Pass alpha=None, or look at "
            "the scores."
        )
    return PlacedMap(values, names, shown.label, shown.limits, notes)


def _fill(values: np.ndarray, places: Places) -> np.ndarray:
    """Return the volume (i, j, k) of the values (neuroid,) of voxels."""
    assert isinstance(places.space, Grid)
    image = np.full(places.space.shape, np.nan)
    image[tuple(places.voxels.T)] = values
    return image


def _spread(values: np.ndarray, space: Grayordinates, notes: list[str]) -> dict[str, np.ndarray]:
    """Return the values (vertex,) of the whole surface of each side that there is."""
    sides = {}
    on_cortex = np.zeros(len(values), dtype=bool)
    for side, structure in HEMISPHERES.items():
        if structure not in space.n_vertices:
            continue
        here = (space.structures == structure) & (space.vertices != NOWHERE)
        on_cortex |= here
        sides[side] = np.full(space.n_vertices[structure], np.nan)
        sides[side][space.vertices[here]] = values[here]
    if not sides:
        raise InputError(
            f"like has no cortical surface, only {space.describe()}. Use plot_slices for volumes.",
            anchor="grids-differ",
        )
    if not on_cortex.all():
        notes.append(f"{int((~on_cortex).sum())} places below the cortex are not drawn")
    return sides


def _fit_mesh(
    values: np.ndarray, side: str, meshes: dict[str, Mesh], space: Any, notes: list[str]
) -> np.ndarray:
    """Return values (vertex,) for the vertices of a mesh, or raise InputError."""
    if side not in meshes:
        raise InputError(
            f"like has a {side} hemisphere, and space= no mesh of it. Add it.",
            anchor="grids-differ",
        )
    n_mesh = len(meshes[side].vertices)
    if len(values) == n_mesh:
        return values
    if n_mesh == N_VERTICES and len(values) in FINER and not isinstance(space, dict):
        notes.append(f"drawn are the {N_VERTICES} vertices of {FINER[len(values)]} in fsaverage5")
        return values[:N_VERTICES]
    raise InputError(
        f"the {side} hemisphere has {len(values)} vertices in like, and the mesh has {n_mesh}. "
        "Pass the mesh of your surface, space={'left': 'lh.surf.gii', 'right': 'rh.surf.gii'}.",
        anchor="grids-differ",
    )


def _project(image: np.ndarray, affine: np.ndarray, *, is_text: bool) -> dict[str, np.ndarray]:
    """Return the values (vertex,) of fsaverage5 from a volume in MNI space."""
    inner = load_fsaverage("white")
    outer = load_fsaverage("pial")
    to_voxel = np.linalg.inv(affine)
    sides = {}
    for side in SIDES:
        samples = []
        for share in np.linspace(0, 1, N_DEPTHS):
            points = (1 - share) * inner[side].vertices + share * outer[side].vertices
            samples.append(_read_nearest(image, points @ to_voxel[:3, :3].T + to_voxel[:3, 3]))
        table = np.stack(samples)  # (depth, vertex)
        sides[side] = _find_most_frequent(table) if is_text else _average_known(table)
    return sides


def _read_nearest(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the value of the voxel nearest to each point (vertex, 3), NaN outside of the image."""
    index = np.rint(points).astype(int)
    inside = ((index >= 0) & (index < image.shape)).all(axis=1)
    values = np.full(len(points), np.nan)
    values[inside] = image[tuple(index[inside].T)]
    return values


def _average_known(table: np.ndarray) -> np.ndarray:
    """Return the mean (vertex,) over depths of those that are known."""
    count = np.isfinite(table).sum(axis=0)
    total = np.where(np.isfinite(table), table, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _find_most_frequent(table: np.ndarray) -> np.ndarray:
    """Return the most frequent number (vertex,) over depths; of equals that nearest to white."""
    counts = (table[:, None] == table[None]).sum(axis=1)  # (depth, vertex)
    counts = np.where(np.isfinite(table), counts, -1)
    return np.take_along_axis(table, counts.argmax(axis=0)[None], axis=0)[0]
