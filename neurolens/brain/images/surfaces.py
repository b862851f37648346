"""GIFTI files: numbers and labels of the vertices of one or both hemispheres."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurolens.brain.images.grayordinates import HEMISPHERES, Grayordinates, build_surfaces
from neurolens.brain.images.numbers import check_real, make_single, tell_first_line
from neurolens.brain.images.packages import import_nibabel
from neurolens.errors import DataError, InputError

# How names of files say a hemisphere: BIDS, FreeSurfer, HCP.
NAMED = re.compile(
    r"(?:^|[_.])(?:hemi-(?P<bids>[LR])|(?P<freesurfer>[lr])h|(?P<hcp>[LR])|(?P<word>left|right))"
    r"(?=[_.]|$)"
)
STRUCTURES = {"CortexLeft": "left", "CortexRight": "right"}
MESH = {"NIFTI_INTENT_POINTSET", "NIFTI_INTENT_TRIANGLE"}
SOME = "NIFTI_INTENT_NODE_INDEX"


class Hemisphere(NamedTuple):
    """One GIFTI file: ``values`` (map, vertex) of a ``side``, and the names of its labels."""

    path: Path
    side: str
    values: np.ndarray
    table: dict[int, str]


class Surfaces(NamedTuple):
    """The images of one or both ``hemispheres``, read."""

    hemispheres: list[Hemisphere]
    space: Grayordinates

    @property
    def time_step(self) -> float | None:
        """Unknown: GIFTI has no unit of time."""
        return None

    @property
    def header(self) -> dict[str, Any]:
        """Nothing: all that maps take over is in the places."""
        return {}

    @property
    def name(self) -> str:
        """The names of the files."""
        return " and ".join(one.path.name for one in self.hemispheres)

    @property
    def paths(self) -> list[Path]:
        """The files, left first."""
        return [one.path for one in self.hemispheres]

    @property
    def n_volumes(self) -> int:
        """The number of maps."""
        return len(self.hemispheres[0].values)

    @property
    def tables(self) -> list[dict[int, str]]:
        """The names of labels of each hemisphere, where both have some."""
        return [one.table for one in self.hemispheres if one.table]

    def read_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the values (map, vertex), float32, at ``rows`` of the places."""
        joined = np.concatenate([one.values for one in self.hemispheres], axis=1)
        return make_single(joined[:, rows], self.name)

    def read_single(self) -> np.ndarray:
        """Return the values (place,) of an image of a single map."""
        if self.n_volumes != 1:
            raise InputError(f"{self.name} must be a single map, got {self.n_volumes}. Pass one.")
        return np.concatenate([one.values[0] for one in self.hemispheres])


def pair_files(paths: Sequence[Path]) -> list[list[Path]]:
    """Return the files of each image, left first: the k-th left with the k-th right.

    Raises
    ------
    InputError
        The hemisphere of a file is not known, some have no partner, or partners are named for
        different runs.
    """
    sides: dict[str, list[Path]] = {side: [] for side in HEMISPHERES}
    for path in paths:
        sides[_name_side(path) or find_side(path)].append(path)
    left = sides["left"]
    right = sides["right"]
    if not left or not right:
        return [[path] for path in left or right]
    if len(left) != len(right):
        raise InputError(
            f"there are {len(left)} files of the left hemisphere and {len(right)} of the right. "
            "Pass both of each run, or only one hemisphere.",
            anchor="order-differs",
        )
    for one, other in zip(left, right, strict=True):
        if NAMED.sub("", one.name) != NAMED.sub("", other.name):
            raise InputError(
                f"both hemispheres must be in one order, and {one.name} stands with {other.name}. "
                "Sort the files of each in the same way.",
                anchor="order-differs",
            )
    return [list(pair) for pair in zip(left, right, strict=True)]


def find_side(path: Path) -> str:
    """Return "left" or "right", as the metadata of a GIFTI file and its name say it.

    Raises
    ------
    DataError
        The file is missing or cannot be read.
    InputError
        Neither says it, or they differ.
    """
    return _find_side(path, _load(path))


def open_surfaces(paths: Sequence[Path]) -> Surfaces:
    """Return the images in the GIFTI files of one or both hemispheres.

    Raises
    ------
    DataError
        A file is missing, damaged or holds no numbers of vertices.
    InputError
        A file is a mesh; both are of one hemisphere, or have different numbers of maps.
    """
    hemispheres = sorted((_read_hemisphere(path) for path in paths), key=lambda one: one.side)
    sides = [one.side for one in hemispheres]
    if len(set(sides)) != len(sides):
        raise InputError(
            f"{', '.join(one.path.name for one in hemispheres)} are of one hemisphere, {sides[0]}. "
            "Pass one file for each."
        )
    counts = [len(one.values) for one in hemispheres]
    if len(set(counts)) > 1:
        raise InputError(
            f"{hemispheres[0].path.name} holds {counts[0]} maps and {hemispheres[1].path.name} "
            f"{counts[1]}. Both hemispheres of a run must have the same."
        )
    n_vertices = {HEMISPHERES[one.side]: one.values.shape[1] for one in hemispheres}
    return Surfaces(hemispheres, build_surfaces(n_vertices))


def _load(path: Path) -> Any:
    """Return what nibabel makes of a GIFTI file."""
    nibabel = import_nibabel()
    if not path.is_file():
        raise DataError(f"there is no image at {path}", anchor="file-not-found")
    if b"ExternalFileBinary" in path.read_bytes():
        raise InputError(
            f"{path.name} keeps its numbers in another file, which is not opened. Convert it, e.g. "
            "with wb_command -gifti-convert GZIP_BASE64_BINARY."
        )
    try:
        content = nibabel.load(path)
    except Exception as error:
        raise _tell_damage(path, tell_first_line(error)) from error
    if not isinstance(content, nibabel.gifti.GiftiImage):
        raise _tell_damage(path, f"it is a {type(content).__name__}")
    return content


def _tell_damage(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path} cannot be read as GIFTI ({reason}). Pass a .func.gii, .shape.gii or .label.gii; "
        "if it is one, it is damaged: fetch or copy it again."
    )


def _name_side(path: Path) -> str | None:
    """Return the hemisphere that the name of a file says; ``hemi-L`` counts before other words."""
    found = list(NAMED.finditer(path.name))
    letters = [one["bids"] for one in found if one["bids"]]
    letters = letters or [str(one[one.lastgroup or 0]) for one in found]
    sides = {"left" if letter[0] in "lL" else "right" for letter in letters}
    if len(sides) > 1:
        raise InputError(
            f"{path.name} names both hemispheres. Rename it, with hemi-L or hemi-R for that of its "
            "numbers."
        )
    return next(iter(sides), None)


def _find_side(path: Path, content: Any) -> str:
    """Return the hemisphere of an opened file."""
    named = _name_side(path)
    metadata = [content.meta, *(array.meta for array in content.darrays)]
    written = {str(one.get("AnatomicalStructurePrimary")) for one in metadata}
    told = {STRUCTURES[structure] for structure in written if structure in STRUCTURES}
    sides = told | ({named} if named else set())
    if len(sides) > 1:
        raise InputError(
            f"{path.name} is of the {named or 'left'} hemisphere by its name, and of the "
            f"{', '.join(sorted(told))} by its metadata (AnatomicalStructurePrimary). Correct one."
        )
    if not sides:
        raise InputError(
            f"{path.name} does not say its hemisphere, in its name (hemi-L, lh., .L.) or its "
            "metadata. Rename it, e.g. with hemi-L."
        )
    return sides.pop()


def _read_hemisphere(path: Path) -> Hemisphere:
    """Return the numbers in a GIFTI file."""
    content = _load(path)
    intent_of = import_nibabel().nifti1.intent_codes.niistring
    intents = {intent_of[array.intent] for array in content.darrays}
    if SOME in intents:
        raise InputError(
            f"{path.name} holds some vertices and their numbers (NODE_INDEX), and others are "
            "absent. Write all, e.g. with AFNI's ConvertDset -pad_to_node."
        )
    if intents & MESH:
        raise InputError(
            f"{path.name} is the mesh of a surface, without numbers of its vertices. Pass a "
            ".func.gii, .shape.gii or .label.gii."
        )
    values = _stack_arrays(path, content)
    labels = content.labeltable.get_labels_as_dict()
    table = {int(number): str(name) for number, name in labels.items()}
    is_label = "NIFTI_INTENT_LABEL" in intents
    return Hemisphere(path, _find_side(path, content), values, table if is_label else {})


def _stack_arrays(path: Path, content: Any) -> np.ndarray:
    """Return the numbers (map, vertex) in the arrays of a file: one for each map, or all in one."""
    arrays = [np.asarray(array.data) for array in content.darrays if array.data is not None]
    if len(arrays) == 1 and arrays[0].ndim == 2:
        arrays = list(arrays[0].T)
    sizes = {array.shape for array in arrays}
    if len(sizes) != 1 or len(sizes.pop()) != 1 or not arrays[0].size:
        shapes = ", ".join(str(array.shape) for array in arrays[:5]) or "none"
        raise _tell_damage(path, f"its arrays must have one number for each vertex, got {shapes}")
    check_real(arrays[0].dtype, str(path))
    return np.stack(arrays)
