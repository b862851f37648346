"""Maps as NIfTI images, on the grid of the responses and with the fields of their header."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurolens.brain.images.grids import Grid
from neurolens.brain.images.numbers import make_single
from neurolens.brain.images.packages import import_nibabel
from neurolens.brain.images.volumes import load_content
from neurolens.brain.maps.records import Record, read_record, write_record
from neurolens.brain.maps.spaces import Places
from neurolens.brain.maps.stacks import Stack

COMMENT = 6  # code of extensions of a header that hold text


def build_volume(stack: Stack, places: Places, like: xr.DataArray, outside: float) -> Any:
    """Return the image of a stack: float32, or int32 for texts, with names in its header."""
    nibabel = import_nibabel()
    grid = places.space
    assert isinstance(grid, Grid)
    is_text = bool(stack.names)
    shape = (*grid.shape, len(stack.values))
    if is_text:
        image = np.zeros(shape, dtype=np.int32)
        values = stack.values
    else:
        image = np.full(shape, outside, dtype=np.float32)
        values = make_single(stack.values, "the map")
    i, j, k = places.voxels[stack.known].T
    image[i, j, k] = values[:, stack.known].T
    content = nibabel.Nifti1Image(image if len(values) > 1 else image[..., 0], grid.affine)
    header = content.header
    header.set_xyzt_units("mm")
    header.set_intent("label" if is_text else "estimate", name=_shorten(stack.title, 15))
    rest = "0" if is_text else f"{outside:g}"
    header["descrip"] = _shorten(f"{stack.title}; {rest} where there is none", 79).encode()
    _place(content, grid, like)
    text = write_record(stack, outside).encode()
    header.extensions.append(nibabel.nifti1.Nifti1Extension(COMMENT, text))
    return content


def _shorten(text: str, n: int) -> str:
    """Return a text that fits into a field of a header."""
    return text.encode("ascii", "replace").decode()[:n]


def _place(content: Any, grid: Grid, like: xr.DataArray) -> None:
    """Give an image the transforms that the images of the responses had."""
    q_code = int(like.attrs.get("qform_code", 0))
    s_code = int(like.attrs.get("sform_code", 2))
    qform = np.array(like.attrs.get("qform", grid.affine.ravel()), dtype=np.float64).reshape(4, 4)
    if not np.isfinite(qform).all():
        q_code = 0
        qform = grid.affine
    # The first transform sets the sizes of voxels too.
    content.set_qform(qform, q_code)
    content.set_sform(grid.affine, s_code)


def read_volume_record(path: Path) -> Record | None:
    """Return the names in the header of a NIfTI file, None where there are none."""
    content = load_content(path)
    for extension in getattr(content.header, "extensions", []):
        if extension.get_code() == COMMENT:
            record = read_record(extension.get_content(), path.name)
            if record:
                return record
    return None
