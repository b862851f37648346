"""CIFTI files: maps and series of vertices and voxels, and labels of them."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurolens.brain.images.grayordinates import Grayordinates
from neurolens.brain.images.grids import Grid
from neurolens.brain.images.numbers import check_real, make_single, tell_first_line
from neurolens.brain.images.streams import Layout, check_length
from neurolens.brain.images.volumes import load_content
from neurolens.errors import DataError, InputError

PREFIX = "CIFTI_STRUCTURE_"
# Bytes of single precision that are read at once.
BLOCK_BYTES = 2**28


class Cifti(NamedTuple):
    """An opened CIFTI file: ``content`` is what nibabel made of it.

    ``tables``: for labels, the name of each number, one table for each map; else none.
    """

    path: Path
    space: Grayordinates
    n_volumes: int
    content: Any
    tables: list[dict[int, str]]
    time_step: float | None

    @property
    def header(self) -> dict[str, Any]:
        """Nothing: all that maps take over is in the places."""
        return {}

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name

    @property
    def paths(self) -> list[Path]:
        """The file, as a list."""
        return [self.path]

    def read_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the values (map, place), float32, at ``rows`` of the places."""
        values = np.empty((self.n_volumes, len(rows)), dtype=np.float32)
        step = max(1, BLOCK_BYTES // (4 * self.space.size))
        for start in range(0, self.n_volumes, step):
            block = self._read_maps(slice(start, start + step))
            values[start : start + step] = make_single(block[:, rows], self.name)
        return values

    def read_single(self) -> np.ndarray:
        """Return the values (place,) of an image of a single map."""
        if self.n_volumes != 1:
            raise InputError(f"{self.name} must be a single map, got {self.n_volumes}. Pass one.")
        return self._read_maps(slice(0, 1))[0]

    def _read_maps(self, maps: slice) -> np.ndarray:
        """Return the values (map, place) of some maps."""
        try:
            return np.asarray(self.content.dataobj[maps])
        except Exception as error:
            raise DataError(
                f"the numbers in {self.path} cannot be read ({tell_first_line(error)}). The file "
                "may have been cut short: fetch or copy it again."
            ) from error


def open_cifti(path: Path) -> Cifti:
    """Return the image in a CIFTI file, whose numbers are not read yet.

    Raises
    ------
    DataError
        The file is missing, damaged or no CIFTI.
    InputError
        Its columns are no vertices and voxels, as those of parcels.
    """
    content = load_content(path)
    try:
        maps = content.header.get_axis(0)
        places = content.header.get_axis(1)
        shape = tuple(content.shape)
    except Exception as error:
        raise DataError(
            f"{path} cannot be read as CIFTI ({tell_first_line(error)}). Fetch or copy it again."
        ) from error
    if type(places).__name__ != "BrainModelAxis" or len(shape) != 2:
        raise InputError(
            f"{path.name} must hold vertices and voxels, got {type(places).__name__}. Pass a "
            ".dtseries.nii, .dscalar.nii or .dlabel.nii; parcels are averages already: pass them "
            "as an array, with their names as regions."
        )
    if shape != (len(maps), len(places)):
        raise DataError(
            f"{path} holds {shape} numbers, and its header describes {len(maps)} maps of "
            f"{len(places)} places. It is damaged: fetch or copy it again."
        )
    proxy = content.dataobj
    check_real(np.dtype(proxy.dtype), str(path))
    check_length(path, Layout(int(proxy.offset), np.dtype(proxy.dtype), shape[1], shape[0]))
    step = _find_time_step(maps)
    return Cifti(path, _read_space(path, places), shape[0], content, _list_tables(maps), step)


def _read_space(path: Path, axis: Any) -> Grayordinates:
    """Return the places that an axis of a CIFTI file describes."""
    structures = np.array([str(name).removeprefix(PREFIX) for name in axis.name], dtype=object)
    n_vertices = {name.removeprefix(PREFIX): int(n) for name, n in axis.nvertices.items()}
    vertices = np.asarray(axis.vertex).astype(int)
    voxels = np.asarray(axis.voxel).astype(int)
    grid = None
    if axis.affine is not None:
        shape = tuple(int(size) for size in axis.volume_shape)
        grid = Grid((shape[0], shape[1], shape[2]), np.asarray(axis.affine, dtype=np.float64))
        inside = voxels[vertices < 0]
        if (inside < 0).any() or (inside >= shape).any():
            raise DataError(f"{path} has voxels outside its volume of {shape}. It is damaged.")
    for name, n in n_vertices.items():
        here = vertices[(structures == name) & (vertices >= 0)]
        if here.max(initial=0) >= n:
            raise DataError(f"{path} has vertices of {name} beyond its {n}. It is damaged.")
    return Grayordinates(structures, vertices, voxels, n_vertices, grid)


def _list_tables(maps: Any) -> list[dict[int, str]]:
    """Return the name of each number in each map of labels; none for maps of numbers."""
    if type(maps).__name__ != "LabelAxis":
        return []
    tables = []
    for table in maps.label:
        tables.append({int(number): str(entry[0]) for number, entry in table.items()})
    return tables


def _find_time_step(maps: Any) -> float | None:
    """Return the seconds between volumes of a series, None for other maps."""
    if type(maps).__name__ != "SeriesAxis" or maps.unit != "SECOND":
        return None
    return float(maps.step)
