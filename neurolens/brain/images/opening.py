"""Images of every kind, opened by what their files are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurolens.brain.images.cifti import Cifti, open_cifti
from neurolens.brain.images.surfaces import Surfaces, open_surfaces, pair_files
from neurolens.brain.images.volumes import Volumes, open_volumes
from neurolens.errors import InputError
from neurolens.labels import list_names

VOLUME_SUFFIXES = (".nii", ".nii.gz")
SURFACE_SUFFIX = ".gii"
IMAGE_SUFFIXES = (*VOLUME_SUFFIXES, SURFACE_SUFFIX)
CIFTI_SUFFIXES = (".dtseries.nii", ".dscalar.nii", ".dlabel.nii", ".pscalar.nii", ".ptseries.nii")
Image = Volumes | Surfaces | Cifti


def open_images(paths: Sequence[Path]) -> list[Image]:
    """Return the images in files, in order, all of one kind on the same places.

    Files of two hemispheres make one image each pair.

    Raises
    ------
    DataError
        A file is missing, damaged or no image.
    InputError
        The files are of several kinds, or on different places.
    """
    kinds = {_find_kind(path) for path in paths}
    if len(kinds) > 1:
        raise InputError(
            f"all images must be of one kind, got {', '.join(sorted(kinds))}: "
            f"{list_names(path.name for path in paths)}. Read each kind by itself."
        )
    kind = kinds.pop()
    images: list[Image] = []
    if kind == "GIFTI":
        images = [open_surfaces(pair) for pair in pair_files(paths)]
    elif kind == "CIFTI":
        images = [open_cifti(path) for path in paths]
    else:
        images = [open_volumes(path) for path in paths]
    for image in images[1:]:
        check_space(image, images[0].space, images[0].name)
    return images


def open_image(source: Any) -> Image:
    """Return the one image in a file, or in the files of both hemispheres."""
    paths = list_paths(source)
    images = open_images(paths)
    if len(images) > 1:
        raise InputError(
            f"one image was expected here, got {list_names(path.name for path in paths)}. Pass one "
            "file, or the two of both hemispheres."
        )
    return images[0]


def list_paths(source: Any) -> list[Path]:
    """Return the paths in ``source``, one or a list."""
    files = source if isinstance(source, list | tuple) else [source]
    return [Path(one) for one in files]


def names_image(source: Any) -> bool:
    """Return whether ``source`` is the path of an image, or a list of such paths."""
    files = source if isinstance(source, list | tuple) else [source]
    if not files or not all(isinstance(one, str | Path) for one in files):
        return False
    return all(str(one).endswith(IMAGE_SUFFIXES) for one in files)


def check_space(image: Image, space: Any, other: str) -> None:
    """Raise InputError unless ``image`` has the places of ``space``, those of ``other``."""
    if not image.space.matches(space):
        is_volume = isinstance(image, Volumes)
        where = "on one grid" if is_volume else "of the same vertices and voxels"
        tool = (
            "nilearn.image.resample_to_img(a, b, interpolation='nearest')"
            if is_volume
            else "wb_command -metric-resample or -cifti-resample"
        )
        raise InputError(
            f"{image.name} and {other} must be {where}: {image.space.describe()} in {image.name}, "
            f"{space.describe()} in {other}. Resample the first, e.g. {tool}.",
            anchor="grids-differ",
        )


def _find_kind(path: Path) -> str:
    """Return NIfTI, GIFTI or CIFTI."""
    if path.name.endswith(SURFACE_SUFFIX):
        return "GIFTI"
    if path.name.endswith(CIFTI_SUFFIXES):
        return "CIFTI"
    return "NIfTI"
