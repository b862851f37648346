"""Where the neuroids of responses are, from their coordinates and attributes."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.brain.images.grayordinates import NOWHERE, Grayordinates
from neurolens.brain.images.grids import Grid
from neurolens.errors import InputError

GRID = ("index_i", "index_j", "index_k")


class Places(NamedTuple):
    """``space``, a grid with the ``voxels`` (neuroid, 3) of neuroids, or grayordinates of them."""

    space: Grid | Grayordinates
    voxels: np.ndarray

    def find_rows(self, space: Any, name: str) -> np.ndarray:
        """Return where (neuroid,) the neuroids are among the places of an image called ``name``.

        Raises
        ------
        InputError
            The image is on another grid or surface, or lacks some of the neuroids.
        """
        if isinstance(self.space, Grid) and isinstance(space, Grid):
            if not space.matches(self.space):
                raise InputError(
                    f"{name} and the responses must be on one grid: {space.describe()} in the "
                    f"file, {self.space.describe()} in the responses.",
                    anchor="grids-differ",
                )
            return np.ravel_multi_index(tuple(self.voxels.T), space.shape)
        if not isinstance(self.space, Grayordinates) or not isinstance(space, Grayordinates):
            raise InputError(
                f"{name} and the responses must be of one kind: {space.describe()} in the file, "
                f"{self.space.describe()} in the responses.",
                anchor="grids-differ",
            )
        rows = self.space.take_from(np.arange(space.size, dtype=float), space, name)
        n_lacking = int(np.isnan(rows).sum())
        if n_lacking:
            raise InputError(
                f"{name} lacks {n_lacking} of the {len(rows)} neuroids of the responses. Pass the "
                "responses that it was made from.",
                anchor="grids-differ",
            )
        return rows.astype(int)


def read_places(like: xr.DataArray) -> Places:
    """Return the places of responses.

    Raises
    ------
    InputError
        They were not read from images.
    """
    if "surface_structures" in like.attrs and "structure" in like.coords:
        return Places(_read_grayordinates(like), np.empty((0, 3), dtype=int))
    lacking = [key for key in ("affine", "shape") if key not in like.attrs]
    lacking += [key for key in GRID if key not in like.coords]
    if lacking:
        raise InputError(
            "like must be responses that read_responses read from images, whose grid is known; "
            f"there is no {', '.join(lacking)}. Attributes are kept inside "
            "xr.set_options(keep_attrs=True); a map as .csv needs no grid.",
            anchor="map-of-other-responses",
        )
    index = np.stack([like[key].values for key in GRID], axis=1).astype(int)
    return Places(_read_grid(like), index)


def _read_grid(like: xr.DataArray) -> Grid:
    """Return the grid in the attributes of responses."""
    affine = np.array(like.attrs["affine"], dtype=np.float64).reshape(4, 4)
    shape = tuple(int(size) for size in like.attrs["shape"])
    return Grid((shape[0], shape[1], shape[2]), affine)


def _read_grayordinates(like: xr.DataArray) -> Grayordinates:
    """Return the vertices and voxels of responses."""
    # A file gives back a list of one as its entry.
    structures = np.atleast_1d(like.attrs["surface_structures"]).tolist()
    counts = np.atleast_1d(like.attrs["surface_vertices"]).tolist()
    n_vertices = {str(name): int(n) for name, n in zip(structures, counts, strict=True)}
    voxels = np.full((like.sizes["neuroid"], 3), NOWHERE)
    grid = None
    if all(key in like.coords for key in GRID):
        voxels = np.stack([like[key].values for key in GRID], axis=1).astype(int)
        grid = _read_grid(like)
    names = like["structure"].values.astype(object)
    return Grayordinates(names, like["vertex"].values.astype(int), voxels, n_vertices, grid)
