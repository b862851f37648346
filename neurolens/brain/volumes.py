"""NIfTI files: opened, checked, and read only where voxels are wanted."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurolens.errors import DataError, InputError, MissingToolError

# By how much two affines may differ, in mm.
AFFINE_TOLERANCE = 1e-3
# Bytes of single precision that are read at once.
BLOCK_BYTES = 2**28


class Grid(NamedTuple):
    """The grid of an image: ``shape`` (3,) and ``affine`` (4, 4) from voxel indices to mm."""

    shape: tuple[int, int, int]
    affine: np.ndarray

    def matches(self, other: "Grid") -> bool:
        """Return whether both grids have the same voxels in the same places."""
        same = np.allclose(self.affine, other.affine, atol=AFFINE_TOLERANCE, rtol=0)
        return self.shape == other.shape and bool(same)

    def describe(self) -> str:
        """Return shape, size of voxels and origin in words."""
        size = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        sides = " x ".join(f"{side:g}" for side in size)
        origin = ", ".join(f"{place:g}" for place in self.affine[:3, 3])
        turn = name_axes(self.affine)
        return f"{self.shape} voxels of {sides} mm, axes to {turn}, the first at ({origin}) mm"


def name_axes(affine: np.ndarray) -> str:
    """Return where the axes of voxels lead, such as "LAS": left, anterior, superior."""
    return "".join(import_nibabel().aff2axcodes(affine))


class Image(NamedTuple):
    """An opened image: its ``path``, what nibabel made of it, its grid and number of volumes."""

    path: Path
    content: Any
    grid: Grid
    n_volumes: int


def open_image(path: str | Path) -> Image:
    """Return the image in a NIfTI file, whose numbers are not read yet.

    Raises
    ------
    DataError
        The file is missing or no image.
    InputError
        The image has other axes than three of space and one of volumes.
    MissingToolError
        nibabel is not installed.
    """
    nibabel = import_nibabel()
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no image at {path}")
    try:
        content = nibabel.load(path)
        shape = tuple(int(size) for size in content.shape)
        affine = np.asarray(content.affine, dtype=np.float64)
    except Exception as error:
        raise DataError(
            f"{path} cannot be read as an image ({type(error).__name__}: {_first_line(error)}). "
            "Pass a NIfTI file, .nii or .nii.gz, that nibabel opens."
        ) from error
    if len(shape) > 4 and set(shape[4:]) == {1}:
        shape = shape[:4]
    if len(shape) not in (3, 4) or 0 in shape:
        raise InputError(
            f"{path.name} must have three axes of space and, for several volumes, a fourth, got "
            f"shape {shape}. Split it, or remove axes of length 1."
        )
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-12:
        raise DataError(
            f"{path} has no valid affine, so its voxels have no place. Set the affine of the image "
            "again from the scanner's files."
        )
    grid = Grid((shape[0], shape[1], shape[2]), affine)
    return Image(path, content, grid, shape[3] if len(shape) == 4 else 1)


def import_nibabel() -> Any:
    """Return nibabel, or raise MissingToolError saying what to install."""
    try:
        import nibabel
    except ImportError as error:
        raise MissingToolError(
            "images need nibabel, which is not installed. Type pip install nibabel."
        ) from error
    return nibabel


def read_voxels(image: Image, voxels: np.ndarray) -> np.ndarray:
    """Return the values (volume, voxel), float32, at the indices ``voxels`` (voxel, 3).

    Only the box around the voxels is read, some volumes at a time.
    """
    low = voxels.min(axis=0)
    high = voxels.max(axis=0) + 1
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    inside = tuple((voxels - low).T)
    values = np.empty((image.n_volumes, len(voxels)), dtype=np.float32)
    step = max(1, BLOCK_BYTES // (4 * int(np.prod(high - low))))
    for start in range(0, image.n_volumes, step):
        stop = min(start + step, image.n_volumes)
        block = _read_box(image, box, slice(start, stop))[inside].T  # (volume, voxel)
        values[start:stop] = make_single(block, image.path.name)
    return values


def make_single(values: np.ndarray, name: str) -> np.ndarray:
    """Return real numbers as float32, or raise InputError where some are too large."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    if (np.isinf(single) & np.isfinite(values)).any():
        raise InputError(
            f"{name} holds numbers beyond single precision, up to {np.nanmax(np.abs(values)):g}. "
            "Divide them by a constant."
        )
    return single


def read_whole(image: Image) -> np.ndarray:
    """Return the values (x, y, z) of an image of a single volume."""
    if image.n_volumes != 1:
        raise InputError(
            f"{image.path.name} must be a single volume, got {image.n_volumes}. Pass one of them."
        )
    whole = tuple(slice(0, size) for size in image.grid.shape)
    return _read_box(image, whole, slice(0, 1))[..., 0]


def _read_box(image: Image, box: tuple[slice, ...], volumes: slice) -> np.ndarray:
    """Return the values (x, y, z, volume) in a box of some volumes."""
    n_axes = len(image.content.shape)
    where = (*box, volumes, *(0,) * (n_axes - 4)) if n_axes > 3 else box
    try:
        block = np.asarray(image.content.dataobj[where])
    except Exception as error:
        raise DataError(
            f"the numbers in {image.path} cannot be read ({type(error).__name__}: "
            f"{_first_line(error)}). The file may have been cut short: fetch or copy it again."
        ) from error
    if block.dtype.kind not in "biuf":
        raise DataError(f"{image.path} must hold real numbers, got {block.dtype}")
    return block if n_axes > 3 else block[..., None]


def check_grid(image: Image, grid: Grid, other: str) -> None:
    """Raise InputError unless ``image`` is on ``grid``, that of ``other``."""
    if not image.grid.matches(grid):
        raise InputError(
            f"{image.path.name} and {other} must be on one grid: {image.grid.describe()} in "
            f"{image.path.name}, {grid.describe()} in {other}. Resample the first, e.g. "
            "nilearn.image.resample_to_img(a, b, interpolation='nearest')."
        )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
