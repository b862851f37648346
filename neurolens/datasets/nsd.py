"""Files of the Natural Scenes Dataset (NSD): regions and single-trial betas of a subject.

The layout is that of the published bucket: ``nsddata``, ``nsddata_betas``, ``nsddata_stimuli``.
Betas are int16 in units of 1 / 300 % signal change (Allen et al. 2022, Nature Neuroscience 25:116).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from neurolens.datasets.folders import Folder
from neurolens.datasets.neuroids import Voxels, find_voxels
from neurolens.datasets.volumes import Volume, read_hdf5_series, read_series, read_volume
from neurolens.errors import DataError, warn_user
from neurolens.labels import list_names

# Atlas -> its regions; the tables of labels in the copy say which number each has.
ATLASES = {
    "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
    "floc-places": ("OPA", "PPA", "RSC"),
    "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"),
    "streams": (
        "early",
        "midventral",
        "midlateral",
        "midparietal",
        "ventral",
        "lateral",
        "parietal",
    ),
}
# Regions that are drawn in two parts.
UNIONS = {"V1": ("V1v", "V1d"), "V2": ("V2v", "V2d"), "V3": ("V3v", "V3d")}
# A mask without a table of labels: its voxels are 1.
GENERAL = "nsdgeneral"
ATTRS = {"units": "% signal change", "voxel_units": "mm"}
# Betas are stored as this many times % signal change.
SCALE = 300


class Regions(NamedTuple):
    """The voxels of the regions of a subject, and the grid that they are on."""

    voxels: Voxels
    grid: Volume


def read_regions(
    raw: Folder, subjects: Sequence[str], regions: Sequence[str]
) -> dict[str, Regions]:
    """Return, for each subject, the voxels that are in any of some regions.

    Raises
    ------
    DataError
        An atlas or its table of labels is missing, the table lacks a region, or the atlases are on
        different grids; none of the subjects has a voxel of some region, or one has none at all.

    Warns
    -----
    RuntimeWarning
        Some of the subjects have no voxel of a region.
    """
    areas = {subject: _read_subject(raw, subject, regions) for subject in subjects}
    for subject, area in areas.items():
        if len(areas) > 1 and not len(area.voxels.places):
            raise DataError(f"{subject} has no voxel of {list_names(regions)}. Leave it out.")
    for region in regions:
        lacking = [s for s, area in areas.items() if not area.voxels.members[region].any()]
        if len(lacking) == len(areas):
            raise DataError(f"{list_names(lacking, 8)} has no voxel of {region!r}. Leave it out.")
        if lacking:
            warn_user(f"{list_names(lacking, 8)} has no voxel of {region!r}.")
    return areas


def _read_subject(raw: Folder, subject: str, regions: Sequence[str]) -> Regions:
    """Return the voxels of a subject that are in any of some regions."""
    atlases: dict[str, Volume] = {}
    tables: dict[str, dict[str, int]] = {}
    masks = {}
    for region in regions:
        parts = UNIONS.get(region, (region,))
        atlas = _find_atlas(parts[0])
        if atlas not in atlases:
            name = raw.find_one("regions", subject=subject, atlas=atlas)
            atlases[atlas] = read_volume(raw, name)
            tables[atlas] = _read_labels(raw, subject, atlas)
        missing = [part for part in parts if part not in tables[atlas]]
        if missing:
            raise DataError(
                f"the labels of {atlas} of {subject} in {raw.path} lack {list_names(missing)}. "
                f"They name {list_names(tables[atlas], 20)}."
            )
        numbers = [tables[atlas][part] for part in parts]
        masks[region] = np.isin(atlases[atlas].values, numbers)
    grid = _share_grid(raw, subject, atlases)
    return Regions(find_voxels(masks, grid.affine), grid)


def read_betas(
    raw: Folder, names: dict[str, str], regions: Regions, rows: Sequence[int] | None
) -> np.ndarray:
    """Return betas (row, voxel) of a session in % signal change, NaN where a voxel is not valid.

    Parameters
    ----------
    raw : Folder
    names : dict
        ``"betas"``, the file; ``"valid"``, that of voxels with data, where there is one. Without
        it those count as not valid whose betas are all 0.
    regions : Regions
    rows : sequence of int or None
        Numbers of the trials, rising; None for all.
    """
    places = regions.voxels.places
    knows_valid = "valid" in names
    wanted = rows if knows_valid else None
    if names["betas"].endswith((".nii", ".nii.gz")):
        # Volumes are matched by index, as published: affines may be placeholders.
        stored = read_series(
            raw,
            names["betas"],
            places,
            regions.grid,
            wanted,
            dtype="int16",
            checks_affine=False,
        )
    else:
        stored = read_hdf5_series(raw, names["betas"], "betas", places, regions.grid, wanted)
    if knows_valid:
        valid = read_volume(raw, names["valid"])
        if valid.values.shape != regions.grid.values.shape:
            raise DataError(f"{names['valid']} and the regions are on different grids")
        is_valid = valid.values[tuple(places.T)] > 0
    else:
        is_valid = (stored != 0).any(axis=0)
        if rows is not None:
            if max(rows) >= len(stored):
                raise DataError(
                    f"{raw.path / names['betas']} holds {len(stored)} trials, and trial "
                    f"{max(rows) + 1} is wanted. Was it copied whole?"
                )
            stored = stored[np.asarray(rows)]
    betas = stored.astype(np.float32) / SCALE
    betas[:, ~is_valid] = np.nan
    return betas


def drop_invalid(betas: np.ndarray, voxels: Voxels, subject: str) -> tuple[np.ndarray, Voxels]:
    """Return betas (trial, voxel) and voxels without those that are valid in no session.

    Warns
    -----
    RuntimeWarning
        Some are; or some are valid in a part of the sessions only, and NaN in the others.
    """
    lost = np.isnan(betas)
    never = lost.all(axis=0)
    if never.all():
        raise DataError(f"no voxel of the regions of {subject} is valid in the sessions read")
    if never.any():
        warn_user(
            f"{never.sum()} of {len(never)} voxels of {subject} hold no data in the sessions read, "
            "and are left out."
        )
    partly = lost.any(axis=0) & ~never
    if partly.any():
        warn_user(
            f"{partly.sum()} voxels of {subject} hold no data in some of the sessions, where they "
            "are NaN."
        )
    if not never.any():
        # Without a copy: these may be some gigabytes.
        return betas, voxels
    return betas[:, ~never], voxels.select(~never)


def read_map(raw: Folder, name: str, regions: Regions) -> np.ndarray:
    """Return the values (voxel,) of a volume, such as the ncsnr, at the voxels of the regions."""
    volume = read_volume(raw, name)
    if volume.values.shape != regions.grid.values.shape:
        raise DataError(f"{raw.path / name} and the regions of the subject are on different grids")
    return volume.values[tuple(regions.voxels.places.T)].astype(np.float64)


def read_design(raw: Folder, name: str, variables: Sequence[str]) -> dict[str, np.ndarray]:
    """Return variables of an experimental design, a MATLAB file, as arrays of whole numbers."""
    import scipy.io

    path = raw.locate_whole(name)
    try:
        content: dict[str, Any] = scipy.io.loadmat(path, variable_names=list(variables))
    except Exception as error:
        raise DataError(f"{path} cannot be read as a MATLAB file: {error}") from error
    missing = [variable for variable in variables if variable not in content]
    if missing:
        raise DataError(f"{path} lacks {list_names(missing)}. Is it the published file?")
    return {variable: content[variable].astype(np.int64) for variable in variables}


def _find_atlas(region: str) -> str:
    """Return the atlas that a region is in."""
    for atlas, names in ATLASES.items():
        if region in names:
            return atlas
    return GENERAL


def _share_grid(raw: Folder, subject: str, atlases: dict[str, Volume]) -> Volume:
    """Return the grid of all atlases of a subject."""
    [first, *others] = atlases
    grid = atlases[first]
    for other in others:
        if atlases[other].values.shape != grid.values.shape:
            raise DataError(
                f"the atlases {first} and {other} of {subject} in {raw.path} are on different grids"
            )
    return grid


def _read_labels(raw: Folder, subject: str, atlas: str) -> dict[str, int]:
    """Return the number of each region of an atlas, from its table of labels."""
    if atlas == GENERAL:
        return {GENERAL: 1}
    path = raw.locate_whole(raw.find_one("labels", subject=subject, atlas=atlas))
    numbers = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2 or not words[0].isdigit() or words[1] in numbers:
            raise DataError(f"{path} must have a number and a name of its own in a line: {line!r}")
        numbers[words[1]] = int(words[0])
    return numbers
