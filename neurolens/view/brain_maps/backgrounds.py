"""Volumes turned so that their axes go right, anterior and superior, and images behind maps."""

from pathlib import Path
from typing import Any

import numpy as np

from neurolens.brain.images.grids import Grid
from neurolens.brain.images.packages import import_nibabel
from neurolens.errors import DataError, InputError
from neurolens.view.brain_maps.meshes import import_nilearn
from neurolens.view.style import Theme

AXES = "xyz"
MNI = "MNI152"
# Shares of the voxels that are darker than black and than white.
DARKEST = 2.0
BRIGHTEST = 99.5
# Gray of the brightest voxels, so that colors stand out; the darkest have the color of the page.
GROUND = {"light": 0.45, "dark": 0.62}
# Voxels around those of the responses that are shown.
MARGIN = 2


def orient(values: np.ndarray, grid: Grid) -> tuple[np.ndarray, Grid]:
    """Return values (i, j, k) and their grid with axes to the right, anterior and superior."""
    nibabel = import_nibabel()
    turn = nibabel.io_orientation(grid.affine)
    turned = nibabel.apply_orientation(values, turn)
    affine = grid.affine @ nibabel.orientations.inv_ornt_aff(turn, grid.shape)
    return turned, Grid(turned.shape, affine)


def crop(values: np.ndarray, inside: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray, Grid]:
    """Return the part of a volume around the voxels of the responses."""
    index = np.argwhere(inside)
    low = np.maximum(index.min(axis=0) - MARGIN, 0)
    high = np.minimum(index.max(axis=0) + MARGIN + 1, inside.shape)
    part = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    affine = grid.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ low
    return values[part], inside[part], Grid(values[part].shape, affine)


def load_background(source: Any, grid: Grid, theme: Theme) -> np.ndarray:
    """Return the gray (i, j, k, rgb) of an image on a grid.

    Raises
    ------
    DataError
        It cannot be read.
    InputError
        It is no image of three dimensions.
    MissingToolError
        nilearn is not installed.
    """
    nibabel = import_nibabel()
    image = import_nilearn("image")
    if isinstance(source, str) and source == MNI:
        source = import_nilearn("datasets").load_mni152_template(resolution=2)
    elif isinstance(source, str | Path):
        try:
            source = nibabel.load(source)
        except Exception as error:
            raise DataError(
                f"the background {source} cannot be read ({error}). Pass a NIfTI file, or "
                f"background={MNI!r}."
            ) from error
    if len(getattr(source, "shape", ())) != 3:
        raise InputError(
            f"background must be a path, {MNI!r} or an image of three dimensions, got "
            f"{getattr(source, 'shape', type(source).__name__)}."
        )
    target = nibabel.Nifti1Image(np.zeros(grid.shape, dtype=np.float32), grid.affine)
    resampled = image.resample_to_img(
        source, target, interpolation="linear", force_resample=True, copy_header=True
    )
    gray = np.nan_to_num(np.asarray(resampled.dataobj, dtype=float))
    low, high = np.percentile(gray, (DARKEST, BRIGHTEST))
    share = np.clip((gray - low) / (high - low or 1.0), 0, 1)
    page = np.array([int(theme.page[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return page + share[..., None] * (GROUND[theme.name] - page)
