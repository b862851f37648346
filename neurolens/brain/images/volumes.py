"""NIfTI files: opened, checked, and read where voxels are wanted."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurolens.brain.images.grids import Grid
from neurolens.brain.images.numbers import check_real, make_single, tell_first_line
from neurolens.brain.images.packages import import_nibabel
from neurolens.brain.images.streams import (
    Layout,
    check_length,
    check_packing,
    check_whole,
    read_places,
)
from neurolens.errors import DataError, InputError, warn_user

# Seconds in each unit of time of NIfTI.
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
# Millimeters in each unit of space; unknown ones are taken for mm, as everywhere.
MILLIMETERS = {"mm": 1.0, "unknown": 1.0, "meter": 1e3, "micron": 1e-3}


class Volumes(NamedTuple):
    """An opened NIfTI file: its ``path``, grid and number of volumes, and where its numbers are.

    ``scaling`` is the slope and intercept of its numbers. ``header`` holds the fields that maps on
    the same grid take over. ``time_step``: seconds between volumes, None where the file does not
    say.
    """

    path: Path
    space: Grid
    n_volumes: int
    layout: Layout
    scaling: tuple[float, float]
    header: dict[str, Any]
    time_step: float | None

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name

    @property
    def paths(self) -> list[Path]:
        """The file, as a list."""
        return [self.path]

    def read_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the values (volume, voxel), float32, at ``rows`` of the places."""
        values = np.empty((self.n_volumes, len(rows)), dtype=np.float32)
        for volume, stored in enumerate(self._read_stored(rows)):
            values[volume] = make_single(stored, self.name)
        return values

    def read_single(self) -> np.ndarray:
        """Return the values (place,) of an image of a single volume, scaled, in C order."""
        if self.n_volumes != 1:
            raise InputError(
                f"{self.name} must be a single volume, got {self.n_volumes}. Pass one of them."
            )
        # Unpacked, not only begun: a compressed file is checked at its end.
        (values,) = self._read_stored(np.arange(self.space.size))
        return values

    def _read_stored(self, rows: np.ndarray) -> Any:
        """Yield the scaled numbers (voxel,) at ``rows`` of each volume."""
        from nibabel.volumeutils import apply_read_scaling

        # NIfTI stores the first axis of space fastest.
        places = np.ravel_multi_index(tuple(self.space.locate(rows).T), self.space.shape, order="F")
        for stored in read_places(self.path, self.layout, places):
            yield apply_read_scaling(stored, *self.scaling)


def open_volumes(path: str | Path) -> Volumes:
    """Return the image in a NIfTI file, whose numbers are not read yet.

    Raises
    ------
    DataError
        The file is missing, damaged or no image.
    InputError
        The image has other axes than three of space and one of volumes.
    MissingToolError
        nibabel is not installed.

    Warns
    -----
    RuntimeWarning
        The two transforms in the header differ, or there is none; the file is longer than its
        header says.
    """
    path = Path(path)
    content = load_content(path)
    header = content.header
    shape = tuple(int(size) for size in content.shape)
    if len(shape) > 4 and set(shape[4:]) == {1}:
        shape = shape[:4]
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise InputError(
            f"{path.name} must have three axes of space and, for several volumes, a fourth, got "
            f"shape {shape}. Split it, or remove axes of length 1."
        )
    affine = _find_affine(path, content)
    grid = Grid((shape[0], shape[1], shape[2]), affine)
    n_volumes = shape[3] if len(shape) == 4 else 1
    dataobj = content.dataobj
    check_real(np.dtype(dataobj.dtype), str(path))
    layout = Layout(int(dataobj.offset), np.dtype(dataobj.dtype), grid.size, n_volumes)
    check_length(path, layout)
    scaling = (float(dataobj.slope), float(dataobj.inter))
    fields = _list_fields(header)
    _tell_transforms(path, header, grid)
    return Volumes(path, grid, n_volumes, layout, scaling, fields, _find_time_step(header))


def load_content(path: Path) -> Any:
    """Return what nibabel makes of an image, with its header checked.

    Raises
    ------
    DataError
        The file is missing, damaged, compressed otherwise than its name says, or no image.
    """
    nibabel = import_nibabel()
    if not path.is_file():
        raise DataError(f"there is no image at {path}", anchor="file-not-found")
    check_packing(path)
    try:
        content = nibabel.load(path)
        shape = content.shape
        np.asarray(content.affine if hasattr(content, "affine") else 0.0, dtype=np.float64)
        content.dataobj.offset  # noqa: B018
    except Exception as error:
        check_whole(path)
        raise DataError(
            f"{path} cannot be read as an image ({tell_first_line(error)}). Pass a NIfTI file, "
            ".nii or .nii.gz, that nibabel opens."
        ) from error
    if not all(int(size) >= 0 for size in shape):
        raise DataError(f"{path} has the shape {shape} by its header, which is damaged.")
    return content


def _find_affine(path: Path, content: Any) -> np.ndarray:
    """Return the affine (4, 4) of an image in mm, checked."""
    affine = np.array(content.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-12:
        raise DataError(
            f"{path} has no valid affine, so its voxels have no place. Set the affine of the image "
            "again from the scanner's files."
        )
    unit = _find_units(content.header)[0]
    affine[:3] *= MILLIMETERS.get(unit, 1.0)
    return affine


def _find_units(header: Any) -> tuple[str, str]:
    """Return the units of space and of time in a header, "unknown" where it says none."""
    try:
        space, time = header.get_xyzt_units()
    except (AttributeError, KeyError):
        return ("unknown", "unknown")
    return (space, time)


def _find_time_step(header: Any) -> float | None:
    """Return the seconds between volumes; None where a header has no unit of time."""
    zooms = header.get_zooms()
    unit = _find_units(header)[1]
    if len(zooms) < 4 or unit not in SECONDS:
        return None
    return float(zooms[3]) * SECONDS[unit]


def _list_fields(header: Any) -> dict[str, Any]:
    """Return the fields of a header that say where the voxels are, for maps on the same grid."""
    if not hasattr(header, "get_qform"):
        return {}
    fields: dict[str, Any] = {
        "qform_code": int(header["qform_code"]),
        "sform_code": int(header["sform_code"]),
    }
    if fields["qform_code"]:
        qform = _read_qform(header)
        qform[:3] *= MILLIMETERS.get(_find_units(header)[0], 1.0)
        fields["qform"] = qform.ravel().tolist()
    return fields


def _read_qform(header: Any) -> np.ndarray:
    """Return the first transform (4, 4) of a header in its own unit, NaN where it is invalid."""
    try:
        return np.array(header.get_qform(), dtype=np.float64)
    except Exception:
        return np.full((4, 4), np.nan)


def _tell_transforms(path: Path, header: Any, grid: Grid) -> None:
    """Warn where the transforms in a header differ in where voxels are, or say nothing."""
    if not hasattr(header, "get_qform"):
        return
    codes = (int(header["qform_code"]), int(header["sform_code"]))
    if codes == (0, 0):
        warn_user(
            f"the header of {path.name} says nothing about where its voxels are (qform and sform "
            "codes are 0). Places in mm are counted from the center of the image, and left may be "
            "right."
        )
    if 0 in codes:
        return
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in grid.shape])).reshape(3, -1)
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    gap = (_read_qform(header) - np.asarray(header.get_sform())) @ corners
    widest = np.sqrt((gap[:3] ** 2).sum(axis=0)).max()
    side = np.sqrt((grid.affine[:3, :3] ** 2).sum(axis=0)).min()
    if not widest < 0.1 * side:
        warn_user(
            f"the header of {path.name} places its voxels in two ways, up to {widest:.3g} mm apart "
            "(qform and sform). The sform is used, as by nibabel and FSL; other programs may use "
            "the qform."
        )
