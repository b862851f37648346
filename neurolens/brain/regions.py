"""Which voxels are neuroids, and of which region: masks, and atlases with tables of labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from neurolens.brain.tables import is_missing, read_table
from neurolens.brain.volumes import Grid, check_grid, open_image, read_whole
from neurolens.errors import DataError, InputError, LabelError
from neurolens.labels import check_unique, list_names

# Columns of tables of labels: of the number, then of the name.
NUMBER_COLUMNS = ("index", "value", "id", "number", "no", "label")
NAME_COLUMNS = ("name", "region", "label", "label_name", "structure")
# Numbers in an atlas that are this far from whole ones are no labels.
WHOLE = 1e-3


class Voxels(NamedTuple):
    """``places``, the indices (voxel, 3) of voxels that are neuroids, in C order of the image.

    ``members``: region -> which of these are in it (voxel,); none where no regions were given.
    """

    places: np.ndarray
    members: dict[str, np.ndarray]


def find_voxels(grid: Grid, mask: Any, regions: Any) -> Voxels | None:
    """Return the voxels of ``mask`` and ``regions`` on ``grid``, None where neither is given.

    ``regions`` is a mapping of names to masks, or a pair (atlas, labels). Without a mask the voxels
    are those of any region; with one, those in it, also where no region is.
    """
    members = {} if regions is None else _read_regions(grid, regions)
    inside = None if mask is None else _read_mask(grid, mask)
    if inside is None and not members:
        return None
    if inside is None:
        inside = np.any(list(members.values()), axis=0)
    index = np.argwhere(inside)
    if not len(index):
        raise InputError("no voxel is in the mask or the regions. Pass others, on this grid.")
    kept = {name: here[tuple(index.T)] for name, here in members.items()}
    empty = [name for name, here in kept.items() if not here.any()]
    if empty:
        raise InputError(
            f"no voxel of the mask is of the regions {list_names(empty)}. Leave them out, or pass "
            "another mask."
        )
    return Voxels(index, kept)


def _read_mask(grid: Grid, mask: Any) -> np.ndarray:
    """Return where a mask, the path of an image or an array (x, y, z), is above 0."""
    if isinstance(mask, str | Path):
        image = open_image(mask)
        check_grid(image, grid, "the responses")
        values = read_whole(image)
    else:
        values = np.asarray(mask)
        if values.shape != grid.shape:
            raise InputError(
                f"a mask as an array must have the shape of the images, {grid.shape}, got "
                f"{values.shape}. Pass the path of its image, whose grid is checked."
            )
    if np.isnan(values.astype(np.float64)).any():
        values = np.nan_to_num(values)
    return values > 0


def _read_regions(grid: Grid, regions: Any) -> dict[str, np.ndarray]:
    """Return where (x, y, z) each region is."""
    if isinstance(regions, Mapping):
        if not regions:
            raise InputError("regions must name at least one region. Pass {'V1': 'v1.nii.gz'}.")
        return {str(name): _read_mask(grid, mask) for name, mask in regions.items()}
    if isinstance(regions, tuple) and len(regions) == 2:
        return _read_atlas(grid, *regions)
    raise InputError(
        "regions must be {name: mask}, or (atlas, labels) with labels {number: name} or the path "
        f"of a table, got {type(regions).__name__}. Pass e.g. regions={{'V1': 'v1.nii.gz'}}."
    )


def _read_atlas(grid: Grid, atlas: Any, labels: Any) -> dict[str, np.ndarray]:
    """Return where (x, y, z) each label of an atlas is, by its name."""
    if not isinstance(atlas, str | Path):
        raise InputError(f"an atlas is given by the path of its image, got {type(atlas).__name__}.")
    image = open_image(atlas)
    check_grid(image, grid, "the responses")
    values = read_whole(image).astype(np.float64)
    if np.isinf(values).any():
        raise DataError(f"{image.path.name} must hold whole numbers, and some are infinite.")
    numbers = np.rint(np.nan_to_num(values))
    if np.abs(np.nan_to_num(values) - numbers).max() > WHOLE:
        raise DataError(
            f"{image.path.name} must hold the whole numbers of labels, got e.g. "
            f"{values[np.abs(values - numbers) > WHOLE][0]:g}. Resample atlases with "
            "interpolation='nearest'."
        )
    names = _read_labels(labels)
    if isinstance(labels, list | tuple) and len(labels) == numbers.max() + 1:
        raise InputError(
            f"a list of labels begins with number 1, and there are {len(labels)} for numbers up to "
            f"{int(numbers.max())}. If the first is that of 0, pass labels[1:]; if a number has no "
            "voxel, pass {number: name}."
        )
    there = {int(number) for number in np.unique(numbers)} - {0}
    unknown = sorted(there - set(names))
    if unknown:
        raise LabelError(
            f"{image.path.name} holds the numbers {list_names(unknown)}, which labels do not name. "
            "Pass labels for all, e.g. {1: 'V1', 2: 'V2'}."
        )
    places: dict[str, np.ndarray] = {}
    for number in sorted(there):
        inside = numbers == number
        name = names[number]
        # Several numbers of one name, such as both hemispheres, are one region.
        places[name] = places[name] | inside if name in places else inside
    return places


def _read_labels(labels: Any) -> dict[int, str]:
    """Return the name of each number, from a mapping, a list from 1 on, or a table."""
    if isinstance(labels, Mapping):
        return _pair_labels(list(labels), list(labels.values()))
    if isinstance(labels, list | tuple):
        if labels and str(labels[0]).lower() == "background":
            raise InputError(
                "a list of labels begins with number 1, and the first is the background. Pass "
                "labels[1:], or {number: name}."
            )
        return _pair_labels(list(range(1, 1 + len(labels))), list(labels))
    if isinstance(labels, str | Path):
        return _read_table(read_table(labels, "labels"))
    if isinstance(labels, pd.DataFrame):
        return _read_table(labels)
    raise InputError(
        "labels of an atlas must be {number: name}, a list of names from 1 on, a DataFrame or the "
        f"path of a table, got {type(labels).__name__}."
    )


def _pair_labels(numbers: list, names: list) -> dict[int, str]:
    """Return the name of each number, checked."""
    whole = pd.to_numeric(pd.Series(numbers, dtype=object), errors="coerce").to_numpy(dtype=float)
    is_wrong = np.isnan(whole) | (whole != np.rint(whole))
    if is_wrong.any():
        wrong = [numbers[k] for k in np.flatnonzero(is_wrong)]
        raise InputError(
            f"labels of an atlas name whole numbers, got {list_names(wrong)}. Pass e.g. "
            "{1: 'V1', 2: 'V2'}."
        )
    if is_missing(pd.Series(names, dtype=object)).any():
        raise LabelError("a label of an atlas has no name. Name all numbers.")
    check_unique([int(number) for number in whole], "the numbers of labels")
    return {int(number): str(name) for number, name in zip(whole, names, strict=True)}


def _read_table(table: pd.DataFrame) -> dict[int, str]:
    """Return the name of each number in a table of labels."""
    by_name = {str(column).strip().lower(): column for column in table.columns}
    number = _find_column(by_name, NUMBER_COLUMNS)
    rest = {key: column for key, column in by_name.items() if column != number}
    name = _find_column(rest, NAME_COLUMNS)
    if number is None or name is None:
        raise InputError(
            f"a table of labels needs a column of numbers, one of {list_names(NUMBER_COLUMNS)}, "
            f"and one of names, one of {list_names(NAME_COLUMNS)}, got "
            f"{list_names(table.columns)}. Rename them, or pass {{number: name}}."
        )
    return _pair_labels(table[number].tolist(), table[name].tolist())


def _find_column(by_name: dict[str, Any], wanted: tuple[str, ...]) -> Any:
    """Return the first column with one of the names ``wanted``, None where there is none."""
    return next((by_name[name] for name in wanted if name in by_name), None)
