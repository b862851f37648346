"""Haxby et al. (2001): a response per block of each subject, in % signal change."""

import numpy as np
import pandas as pd

from neurolens.datasets.blocks import average_blocks
from neurolens.datasets.neuroids import find_voxels
from neurolens.datasets.trials import SubjectTrials, join_subjects
from neurolens.datasets.volumes import read_series, read_volume
from neurolens.errors import DataError, warn_user

# Two volumes of 2.5 s: the response lags behind the picture.
LAG = 2
MASKS = {
    "VT": "mask4_vt",
    "VT-faces": "mask8b_face_vt",
    "VT-houses": "mask8b_house_vt",
    "VT-faces-small": "mask8_face_vt",
    "VT-houses-small": "mask8_house_vt",
}


def prepare(raw, *, subjects=None, regions=None):
    """Return responses (presentation, neuroid): runs x 8 categories, the voxels of all subjects.

    Parameters
    ----------
    raw : Folder
    subjects, regions : tuple of str or None
        Default: all subjects that are there; VT.
    """
    by_subject = {}
    for subject in subjects or [file.entities["subject"] for file in raw.find("bold")]:
        by_subject[subject] = read_subject(raw, subject, regions or ("VT",))
    if not by_subject:
        raise DataError(f"there is no subj1/bold.nii.gz ... in {raw.path}.{raw.describe_source()}")
    responses = join_subjects(by_subject, {"units": "% signal change", "voxel_units": "mm"})
    responses = responses.rename(repetition="run")
    return {"responses": responses}


def read_subject(raw, subject, regions):
    """Return the blocks of a subject; a category is shown once a run, so runs are repetitions."""
    volumes = {}
    for region in regions:
        name = raw.find_one("mask", subject=subject, mask=MASKS[region])
        volumes[region] = read_volume(raw, name)
    grid = next(iter(volumes.values()))
    masks = {region: volume.values > 0 for region, volume in volumes.items()}
    if any(mask.shape != grid.values.shape for mask in masks.values()):
        raise DataError(f"the masks of {subject} in {raw.path} are on different grids")
    voxels = find_voxels(masks, grid.affine)
    table = read_labels(raw.locate_whole(raw.find_one("labels", subject=subject)))
    name = raw.find_one("bold", subject=subject)
    series = read_series(raw, name, voxels.places, grid)
    blocks = average_blocks(series, table["labels"].to_numpy(), table["chunks"].to_numpy(), lag=LAG)
    usable = np.isfinite(blocks.values).all(axis=0)
    if not usable.all():
        warn_user(f"{(~usable).sum()} voxels of {subject} have no signal, and are left out.")
    trials = pd.DataFrame({"stimulus_id": blocks.categories, "repetition": blocks.runs})
    return SubjectTrials(trials, blocks.values[:, usable], voxels.select(usable), {})


def read_labels(path):
    """Return the category and run of each volume."""
    table = pd.read_csv(path, sep=" ", dtype={"labels": str})
    if list(table.columns) != ["labels", "chunks"] or table.isna().any(axis=None):
        raise DataError(
            f"{path} must have the columns labels and chunks, got {list(table.columns)}"
        )
    return table
