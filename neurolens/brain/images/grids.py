"""The grid of voxels of a volume: which there are, and where they are in mm."""

from typing import Any, NamedTuple

import numpy as np

from neurolens.brain.images.packages import import_nibabel
from neurolens.labels import NEUROID, NEUROID_ID

AXES = "xyz"
INDICES = "ijk"
# By how much two affines may differ, in mm.
AFFINE_TOLERANCE = 1e-3


class Grid(NamedTuple):
    """The grid of a volume: ``shape`` (3,) and ``affine`` (4, 4) from voxel indices to mm.

    Its places are its voxels, in C order of their indices.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def noun(self) -> str:
        """What a place is."""
        return "voxels"

    @property
    def size(self) -> int:
        """The number of voxels."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    def matches(self, other: Any) -> bool:
        """Return whether both grids have the same voxels in the same places."""
        if not isinstance(other, Grid) or self.shape != other.shape:
            return False
        return bool(np.allclose(self.affine, other.affine, atol=AFFINE_TOLERANCE, rtol=0))

    def describe(self) -> str:
        """Return shape, size of voxels, directions and origin in words."""
        size = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        sides = " x ".join(f"{side:g}" for side in size)
        origin = ", ".join(f"{place:g}" for place in self.affine[:3, 3])
        turn = name_axes(self.affine)
        return f"{self.shape} voxels of {sides} mm, axes to {turn}, the first at ({origin}) mm"

    def locate(self, rows: np.ndarray) -> np.ndarray:
        """Return the indices (voxel, 3) of the voxels at ``rows`` of the places."""
        return np.stack(np.unravel_index(rows, self.shape), axis=1)

    def label_places(self, rows: np.ndarray) -> dict[str, Any]:
        """Return the coordinates of the voxels at ``rows``: ids, indices, mm."""
        index = self.locate(rows)
        coords: dict[str, Any] = {NEUROID_ID: (NEUROID, name_voxels(index))}
        return coords | place_voxels(index, self.affine)

    def list_attrs(self) -> dict[str, Any]:
        """Return the attributes from which `Grid` is made again."""
        return {
            "affine": self.affine.ravel().tolist(),
            "shape": list(self.shape),
            "voxel_units": "mm",
        }


def name_voxels(index: np.ndarray) -> np.ndarray:
    """Return the id "i-j-k" of each of the indices (voxel, 3)."""
    return np.array(["-".join(map(str, one)) for one in index.tolist()], dtype=object)


def place_voxels(index: np.ndarray, affine: np.ndarray) -> dict[str, Any]:
    """Return the coordinates of voxels: indices (voxel, 3) and places in mm."""
    place = index @ affine[:3, :3].T + affine[:3, 3]
    coords = {}
    for k, (axis, letter) in enumerate(zip(AXES, INDICES, strict=True)):
        coords[f"index_{letter}"] = (NEUROID, index[:, k])
        coords[f"voxel_{axis}"] = (NEUROID, place[:, k])
    return coords


def name_axes(affine: np.ndarray) -> str:
    """Return where the axes of voxels lead, such as "LAS": left, anterior, superior."""
    return "".join(import_nibabel().aff2axcodes(affine))
