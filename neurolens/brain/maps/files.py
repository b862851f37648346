"""Files of maps: their names, and nothing half-written under them."""

import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path

from neurolens.brain.images.surfaces import NAMED
from neurolens.errors import DataError, InputError

SIDES = {"left": "L", "right": "R"}
SURFACE = re.compile(r"\.(func|shape|label)\.gii$")
FORMS = {
    "cifti": (".dscalar.nii", ".dlabel.nii"),
    "volume": (".nii", ".nii.gz"),
    "surface": (".func.gii", ".shape.gii", ".label.gii"),
    "table": (".csv",),
}


def find_form(path: Path) -> str:
    """Return the form of a map by the end of its name."""
    for form, suffixes in FORMS.items():
        if path.name.endswith(suffixes):
            return form
    raise InputError(
        f"a map is written as .nii or .nii.gz, .func.gii, .shape.gii or .label.gii, .dscalar.nii "
        f"or .dlabel.nii, or .csv, got {path.name!r}.",
        anchor="unknown-format",
    )


def check_kind(path: Path, *, is_text: bool) -> None:
    """Raise InputError where numbers would get the name of labels, or texts that of numbers."""
    is_label = path.name.endswith((".label.gii", ".dlabel.nii"))
    if is_label and not is_text:
        raise InputError(
            f"{path.name!r} is the name of labels, and values are numbers. Write "
            f"{path.name.replace('.label.', '.func.').replace('.dlabel.', '.dscalar.')!r}."
        )
    if is_text and path.name.endswith((".func.gii", ".shape.gii", ".dscalar.nii")):
        raise InputError(
            f"values are texts, and {path.name!r} is the name of numbers. Write .label.gii, "
            ".dlabel.nii, .nii.gz or .csv."
        )


def name_side(path: Path, side: str, *, is_only: bool) -> Path:
    """Return the name of the file of one hemisphere: ``map_hemi-L.func.gii``.

    A name that says the hemisphere is kept where there is no other.
    """
    if NAMED.search(path.name):
        if is_only:
            return path
        raise InputError(
            f"{path.name!r} names a hemisphere, and there are two. Leave it out: each file gets "
            "its own."
        )
    return path.with_name(SURFACE.sub(rf"_hemi-{SIDES[side]}.\1.gii", path.name))


def list_sides(path: Path) -> list[Path]:
    """Return the files of a map of surfaces that are there, left first."""
    if NAMED.search(path.name):
        return [path]
    named = [name_side(path, side, is_only=False) for side in SIDES]
    there = [one for one in named if one.is_file()]
    if not there:
        raise DataError(
            f"there is no map at {path}, nor {' or '.join(str(one) for one in named)}",
            anchor="file-not-found",
        )
    return there


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise DataError where a file would be replaced without being asked to."""
    if path.exists() and not overwrite:
        raise DataError(
            f"{path} exists. Pass overwrite=True, or another name.", anchor="file-exists"
        )


def save_whole(path: Path, save: Callable[[Path], object]) -> None:
    """Write a file under another name first, so that no part of one is left under its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"part-{uuid.uuid4().hex}-{path.name}")
    try:
        save(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
