"""Which places are neuroids, and of which region: masks, and atlases with tables of labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurolens.brain.images.grids import Grid
from neurolens.brain.images.labels import read_labels
from neurolens.brain.images.opening import (
    Image,
    check_space,
    list_paths,
    names_image,
    open_image,
)
from neurolens.brain.images.surfaces import Surfaces
from neurolens.errors import DataError, InputError, LabelError, warn_user
from neurolens.labels import list_names

# Numbers in an atlas that are this far from whole ones are no labels.
WHOLE = 1e-3
# Files that may hold the names of their labels.
NAMING = (".gii", ".dlabel.nii")
# Names that files of labels give to what is no region.
NO_REGION = frozenset(("", "???", "unknown", "background", "medial_wall", "medial wall"))


class Neuroids(NamedTuple):
    """``rows``, the places of an image that are neuroids, in their order.

    ``members``: region -> which of these are in it (neuroid,); none where no regions were given.
    """

    rows: np.ndarray
    members: dict[str, np.ndarray]


def find_neuroids(image: Image, mask: Any, regions: Any) -> Neuroids | None:
    """Return the places of ``mask`` and ``regions`` in ``image``, None where neither is given.

    ``regions`` is a mapping of names to masks, a pair (atlas, labels), or files of labels with
    their names. Without a mask the neuroids are those of any region; with one, those in it, also
    where no region is.
    """
    space = image.space
    members = {} if regions is None else _read_regions(image, regions)
    inside = None if mask is None else _read_mask(image, mask)
    if inside is None and not members:
        return None
    if inside is None:
        inside = np.any(list(members.values()), axis=0)
    rows = np.flatnonzero(inside)
    if not len(rows):
        raise InputError(
            f"no {space.noun} are in the mask or the regions. Pass others, on the places of the "
            "responses.",
            anchor="regions-of-images",
        )
    kept = {name: here[rows] for name, here in members.items()}
    empty = [name for name, here in kept.items() if not here.any()]
    if empty:
        raise InputError(
            f"no {space.noun} of the mask are of the regions {list_names(empty)}. Leave them out, "
            "or pass another mask.",
            anchor="regions-of-images",
        )
    return Neuroids(rows, kept)


def _read_mask(responses: Image, mask: Any) -> np.ndarray:
    """Return where (place,) a mask, one image or an array, is above 0."""
    space = responses.space
    if names_image(mask):
        image = open_image(mask)
        values = np.nan_to_num(_take_values(space, image, image.read_single()))
        _tell_fractions(values, image.name)
        return values > 0
    if isinstance(mask, str | Path):
        raise InputError(
            f"a mask is read from an image, .nii, .nii.gz or .gii, got {str(mask)!r}.",
            anchor="unknown-format",
        )
    values = np.asarray(mask)
    shape = space.shape if isinstance(space, Grid) else (space.size,)
    if values.shape != shape or values.dtype.kind not in "biuf":
        raise InputError(
            f"a mask as an array must hold numbers in the shape of {responses.name}, {shape}, got "
            f"{values.dtype} of {values.shape}. Pass the path of its image, whose places are "
            "checked.",
            anchor="regions-of-images",
        )
    return np.nan_to_num(values.ravel()) > 0


def _tell_fractions(values: np.ndarray, name: str) -> None:
    """Warn where a mask up to 1 holds fractions, as resampled ones and probabilities do."""
    n_parts = int(((values > WHOLE) & (values < 1 - WHOLE)).sum())
    if n_parts and values.max() <= 1 + WHOLE:
        warn_user(
            f"the mask {name} holds {n_parts} fractions between 0 and 1, as after interpolation, "
            "and all above 0 are taken as inside. Resample masks with interpolation='nearest', or "
            "pass values > 0.5."
        )


def _take_values(space: Any, image: Image, values: np.ndarray) -> np.ndarray:
    """Return the values (place,) of an image at the places of ``space``, NaN where it has none."""
    if isinstance(space, Grid) or isinstance(image.space, Grid):
        check_space(image, space, "the responses")
        return values.astype(np.float64)
    return space.take_from(values.astype(np.float64), image.space, image.name)


def _read_regions(responses: Image, regions: Any) -> dict[str, np.ndarray]:
    """Return where (place,) each region is."""
    space = responses.space
    if isinstance(regions, Mapping):
        if not regions:
            raise InputError(
                "regions must name at least one region. Pass {'V1': 'v1.nii.gz'}.",
                anchor="regions-of-images",
            )
        return {str(name): _read_mask(responses, mask) for name, mask in regions.items()}
    if names_image(regions) and all(str(one).endswith(NAMING) for one in list_paths(regions)):
        return _read_named(space, open_image(regions))
    if isinstance(regions, tuple) and len(regions) == 2:
        return _read_atlas(space, *regions)
    raise InputError(
        "regions must be {name: mask}, or (atlas, labels) with labels {number: name} or the path "
        "of a table, or files of labels with their names (.dlabel.nii, .label.gii), got "
        f"{type(regions).__name__}. Pass e.g. regions={{'V1': 'v1.nii.gz'}}.",
        anchor="regions-of-images",
    )


def _read_named(space: Any, image: Image) -> dict[str, np.ndarray]:
    """Return where (place,) each label is of an image that names its own labels."""
    tables = getattr(image, "tables", [])
    if not tables:
        raise InputError(
            f"{image.name} holds no names of labels. Pass a .dlabel.nii or .label.gii, or "
            "(atlas, labels) with labels {number: name}.",
            anchor="regions-of-images",
        )
    numbers = _round_numbers(image.read_single(), image.name)
    codes = np.zeros(len(numbers))
    code_of: dict[str, int] = {}
    for part, table in zip(_list_parts(image), tables, strict=True):
        there, inverse = np.unique(numbers[part], return_inverse=True)
        unnamed = [int(number) for number in there if int(number) not in table]
        if unnamed:
            raise LabelError(
                f"{image.name} holds the number {unnamed[0]} without a name.",
                anchor="regions-of-images",
            )
        names = [table[int(number)] for number in there]
        for name in names:
            if not _is_no_region(name):
                # The same name in both hemispheres is one region.
                code_of.setdefault(name, len(code_of) + 1)
        codes[part] = np.array([code_of.get(name, 0) for name in names])[inverse]
    taken = np.nan_to_num(_take_values(space, image, codes))
    places = {name: taken == code for name, code in code_of.items()}
    return {name: inside for name, inside in places.items() if inside.any()}


def _is_no_region(name: str) -> bool:
    """Return whether a label says that there is no region, such as "FreeSurfer_..._Medial_Wall"."""
    return name.lower() in NO_REGION or name.lower().endswith(("medial_wall", "medial wall"))


def _list_parts(image: Image) -> list[slice]:
    """Return the places of each table of labels: each hemisphere of GIFTI, or all."""
    if not isinstance(image, Surfaces):
        return [slice(None)]
    ends = np.cumsum([one.values.shape[1] for one in image.hemispheres]).tolist()
    return [slice(start, stop) for start, stop in zip([0, *ends[:-1]], ends, strict=True)]


def _round_numbers(values: np.ndarray, name: str) -> np.ndarray:
    """Return the whole numbers of an atlas, 0 for NaN, checked."""
    values = np.asarray(values, dtype=np.float64)
    if np.isinf(values).any():
        raise DataError(
            f"{name} must hold whole numbers, and some are infinite.", anchor="regions-of-images"
        )
    known = np.nan_to_num(values)
    numbers = np.rint(known)
    wrong = np.abs(known - numbers) > WHOLE
    if wrong.any():
        raise DataError(
            f"{name} must hold the whole numbers of labels, got e.g. {known[wrong][0]:g}. Resample "
            "atlases with interpolation='nearest'.",
            anchor="regions-of-images",
        )
    return numbers


def _read_atlas(space: Any, atlas: Any, labels: Any) -> dict[str, np.ndarray]:
    """Return where (place,) each label of an atlas is, by its name."""
    if not names_image(atlas):
        raise InputError(
            f"an atlas is given by the path of its image, got {type(atlas).__name__}.",
            anchor="regions-of-images",
        )
    image = open_image(atlas)
    values = _round_numbers(image.read_single(), image.name)
    numbers = np.nan_to_num(_take_values(space, image, values))
    names = read_labels(labels)
    if isinstance(labels, list | tuple) and len(labels) == numbers.max() + 1:
        raise InputError(
            f"a list of labels begins with number 1, and there are {len(labels)} for numbers up to "
            f"{int(numbers.max())}. If the first is that of 0, pass labels[1:]; if a number has no "
            "voxel, pass {number: name}.",
            anchor="regions-of-images",
        )
    there = {int(number) for number in np.unique(numbers)} - {0}
    unknown = sorted(there - set(names))
    if unknown:
        raise LabelError(
            f"{image.name} holds the numbers {list_names(unknown)}, which labels do not name. "
            "Pass labels for all, e.g. {1: 'V1', 2: 'V2'}.",
            anchor="regions-of-images",
        )
    places: dict[str, np.ndarray] = {}
    for number in sorted(there):
        inside = numbers == number
        name = names[number]
        # Several numbers of one name, such as both hemispheres, are one region.
        places[name] = places[name] | inside if name in places else inside
    return places
