"""Places on surfaces and in structures of a volume: vertices and voxels of one brain.

GIFTI images have the vertices of one or two hemispheres, CIFTI images vertices without the medial
wall, and often voxels below the cortex. Both are places of the same kind here, so that labels of
one can be used with data of the other.
"""

from typing import Any, NamedTuple

import numpy as np

from neurolens.brain.images.grids import Grid, name_voxels, place_voxels
from neurolens.errors import InputError
from neurolens.labels import NEUROID, NEUROID_ID

HEMISPHERES = {"left": "CORTEX_LEFT", "right": "CORTEX_RIGHT"}
NO_HEMISPHERE = "none"
# What a place has that is no vertex, or no voxel.
NOWHERE = -1


class Grayordinates(NamedTuple):
    """Vertices and voxels, as CIFTI has them.

    ``structures`` (place,): "CORTEX_LEFT" ..., of ``vertices`` (place,), -1 for voxels, and
    ``voxels`` (place, 3), -1 for vertices. ``n_vertices``: of the whole surface of each structure
    that has one. ``grid``: of the voxels, None where there are none.
    """

    structures: np.ndarray
    vertices: np.ndarray
    voxels: np.ndarray
    n_vertices: dict[str, int]
    grid: Grid | None

    @property
    def noun(self) -> str:
        """What a place is."""
        return "vertices" if self.grid is None else "grayordinates"

    @property
    def size(self) -> int:
        """The number of places."""
        return len(self.structures)

    def matches(self, other: Any) -> bool:
        """Return whether both have the same places in the same order."""
        return (
            isinstance(other, Grayordinates)
            and self.n_vertices == other.n_vertices
            and np.array_equal(self.structures, other.structures)
            and np.array_equal(self.vertices, other.vertices)
            and np.array_equal(self.voxels, other.voxels)
            and (self.grid is None or self.grid.matches(other.grid))
        )

    def describe(self) -> str:
        """Return the structures in words."""
        parts = []
        for name, whole in self.n_vertices.items():
            here = int((self.structures == name).sum())
            parts.append(f"{here} of {whole} vertices of {name}")
        n_voxels = int((self.vertices == NOWHERE).sum())
        if n_voxels and self.grid is not None:
            parts.append(f"{n_voxels} voxels in a volume of {self.grid.shape}")
        return ", ".join(parts)

    def label_places(self, rows: np.ndarray) -> dict[str, Any]:
        """Return the coordinates of the places at ``rows``: ids, structure, vertex, voxel."""
        structures = self.structures[rows]
        vertices = self.vertices[rows]
        is_vertex = vertices != NOWHERE
        coords: dict[str, Any] = {
            NEUROID_ID: (NEUROID, _name_places(structures, vertices, self.voxels[rows])),
            "hemisphere": (NEUROID, _name_hemispheres(structures)),
            "structure": (NEUROID, structures.astype(object)),
            "vertex": (NEUROID, vertices),
        }
        if self.grid is None:
            return coords
        for name, (dim, values) in place_voxels(self.voxels[rows], self.grid.affine).items():
            is_place = name.startswith("voxel_")
            coords[name] = (dim, np.where(is_vertex, np.nan, values) if is_place else values)
        return coords

    def list_attrs(self) -> dict[str, Any]:
        """Return the attributes from which images of the same places are made."""
        attrs: dict[str, Any] = {
            "surface_structures": list(self.n_vertices),
            "surface_vertices": list(self.n_vertices.values()),
        }
        return attrs | (self.grid.list_attrs() if self.grid is not None else {})

    def take_from(self, values: np.ndarray, other: "Grayordinates", name: str) -> np.ndarray:
        """Return ``values`` (place,) of ``other`` at these places, NaN where it has none.

        Raises
        ------
        InputError
            A surface has another number of vertices there, the volume another grid, or no place is
            in both. ``name`` is that of the values.
        """
        self._check_surfaces(other, name)
        taken = np.full(self.size, np.nan)
        for structure in self.n_vertices:
            if structure not in other.n_vertices:
                continue
            here = (self.structures == structure) & (self.vertices != NOWHERE)
            there = (other.structures == structure) & (other.vertices != NOWHERE)
            whole = np.full(self.n_vertices[structure], np.nan)
            whole[other.vertices[there]] = values[there]
            taken[here] = whole[self.vertices[here]]
        if self.grid is not None and other.grid is not None:
            here = self.vertices == NOWHERE
            there = other.vertices == NOWHERE
            volume = np.full(self.grid.shape, np.nan)
            volume[tuple(other.voxels[there].T)] = values[there]
            taken[here] = volume[tuple(self.voxels[here].T)]
        return taken

    def _check_surfaces(self, other: "Grayordinates", name: str) -> None:
        """Raise InputError where places of ``other`` cannot be matched with these."""
        for structure, n_own in self.n_vertices.items():
            n_other = other.n_vertices.get(structure, n_own)
            if n_other != n_own:
                raise InputError(
                    f"{name} and the responses must be on one surface: {structure} has {n_other} "
                    f"vertices in {name} and {n_own} in the responses. Resample the first, e.g. "
                    "with wb_command -label-resample or -metric-resample.",
                    anchor="grids-differ",
                )
        if self.grid and other.grid and not self.grid.matches(other.grid):
            raise InputError(
                f"the voxels of {name} and of the responses must be on one grid: "
                f"{other.grid.describe()} in {name}, {self.grid.describe()} in the responses.",
                anchor="grids-differ",
            )
        both = set(self.structures) & set(other.structures)
        if not both:
            raise InputError(
                f"{name} has no structure of the responses: it has {other.describe()}, and they "
                f"have {self.describe()}.",
                anchor="grids-differ",
            )


def build_surfaces(n_vertices: dict[str, int]) -> Grayordinates:
    """Return the places of whole surfaces: all vertices of each structure, in order."""
    structures = np.repeat(np.array(list(n_vertices), dtype=object), list(n_vertices.values()))
    vertices = np.concatenate([np.arange(n) for n in n_vertices.values()])
    voxels = np.full((len(vertices), 3), NOWHERE)
    return Grayordinates(structures, vertices, voxels, dict(n_vertices), None)


def _name_places(structures: np.ndarray, vertices: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """Return the ids: "left-12", "CEREBELLUM-12" of vertices, "i-j-k" of voxels."""
    short = {structure: side for side, structure in HEMISPHERES.items()}
    names = name_voxels(voxels)
    for row in np.flatnonzero(vertices != NOWHERE):
        structure = structures[row]
        names[row] = f"{short.get(structure, structure)}-{vertices[row]}"
    return names


def _name_hemispheres(structures: np.ndarray) -> np.ndarray:
    """Return "left", "right" or "none" for each structure."""
    sides = {}
    for structure in set(structures.tolist()):
        is_left = structure.endswith("_LEFT")
        is_right = structure.endswith("_RIGHT")
        sides[structure] = "left" if is_left else "right" if is_right else NO_HEMISPHERE
    return np.array([sides[structure] for structure in structures.tolist()], dtype=object)
