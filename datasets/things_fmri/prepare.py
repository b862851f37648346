"""THINGS-fMRI: single-trial responses of some regions, from the published tables."""

import numpy as np
import pandas as pd

from neurolens.datasets.neuroids import Voxels
from neurolens.datasets.trials import SubjectTrials, join_subjects
from neurolens.datasets.volumes import find_array, open_hdf5, read_volume
from neurolens.errors import DataError, UnknownNameError, warn_user
from neurolens.labels import list_names

DEFAULT_REGIONS = ("V1", "V2", "V3", "hV4", "lLOC", "rLOC", "IT")
TRIALS = ("all", "train", "test")
# The table of responses is a frame that pandas stored: numbers of trials, and ids of voxels.
VALUES = "ResponseData/block0_values"
VOXEL_IDS = "ResponseData/block1_values"
INDICES = ["voxel_x", "voxel_y", "voxel_z"]
TRIAL_COLUMNS = ("trial_type", "session", "run", "stimulus")
MEASURES = (
    "nc_singletrial",
    "nc_testset",
    "splithalf_uncorrected",
    "splithalf_corrected",
    "prf-eccentricity",
    "prf-polarangle",
    "prf-rsquared",
    "prf-size",
)


def prepare(raw, *, subjects=None, regions=None, trials="all"):
    """Return responses (presentation, neuroid), the published split, and pictures if there are any.

    Parameters
    ----------
    raw : Folder
    subjects, regions : tuple of str or None
        Default: all subjects in the copy; V1 to hV4, LOC and IT.
    trials : {"all", "train", "test"}
    """
    if trials not in TRIALS:
        raise UnknownNameError(f"no trials named {trials!r}. Choose one of {', '.join(TRIALS)}.")
    files = {subject: find_tables(raw, subject) for subject in subjects or list_subjects(raw)}
    tables = {}
    by_subject = {}
    for subject, names in files.items():
        tables[subject] = read_trials(raw, names["stimuli"])
        by_subject[subject] = read_subject(
            raw, subject, names, tables[subject], regions or DEFAULT_REGIONS, trials
        )
    attrs = {"units": "beta, in SD of the time series of a run", "voxel_units": "mm"}
    responses = join_subjects(by_subject, attrs)
    if np.isnan(responses["voxel_x"].values).any():
        responses = responses.drop_vars(["voxel_x", "voxel_y", "voxel_z"])
        for name in ("affine", "shape", "voxel_units"):
            responses.attrs.pop(name, None)
    shown = list(dict.fromkeys(responses["stimulus_id"].values.tolist()))
    parts = {"responses": responses, "splits": {"things": split_stimuli(raw, tables, shown)}}
    stimuli = open_stimuli(raw, shown)
    if stimuli is not None:
        parts["stimuli"] = stimuli
    return parts


def list_subjects(raw):
    """Return the subjects whose tables are in the copy."""
    files = raw.find("responses") + raw.find("responses_bids")
    found = sorted({file.entities["subject"] for file in files})
    if not found:
        raise DataError(
            f"there is no sub-01_ResponseData.h5 ... in {raw.path}.{raw.describe_source()}"
        )
    return found


def find_tables(raw, subject):
    """Return the names of the three tables of a subject, as on figshare or as on OpenNeuro."""
    suffix = "_bids" if raw.find("responses_bids", subject=subject) else ""
    names = {}
    for part in ("responses", "stimuli", "voxels"):
        names[part] = raw.find_one(f"{part}{suffix}", subject=subject)
    return names


def read_table(raw, name, columns):
    """Return a table whose columns are checked; it has commas, whatever its suffix."""
    path = raw.locate_whole(name)
    try:
        table = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error
    # Two names of the atlas of Glasser are broken in two lines.
    table.columns = [str(column).replace("\n", "") for column in table.columns]
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DataError(
            f"{path} lacks the columns {list_names(missing)}. Is it the published file?"
        )
    return table


def read_trials(raw, name):
    """Return what each trial of a subject showed, in the order of the responses' columns."""
    table = read_table(raw, name, TRIAL_COLUMNS)
    kinds = set(table["trial_type"]) - {"train", "test"}
    stimuli = table["stimulus"].astype(str)
    other = list_names(sorted(map(str, kinds)))
    if kinds or not stimuli.str.fullmatch(r"[^/\\]+\.jpg").all():
        raise DataError(
            f"{raw.path / name} must list trials of the types train and test, each with a picture "
            f"like dog_12s.jpg, and has other names or types: {other or 'names'}"
        )
    trials = pd.DataFrame({"stimulus_id": stimuli.str.removesuffix(".jpg").astype(object)})
    trials["repetition"] = trials.groupby("stimulus_id").cumcount()
    for column in ("session", "run", "trial_type"):
        trials[column] = table[column]
    return trials


def read_subject(raw, subject, names, table, regions, trials):
    """Return the trials read of a subject, with the published measures of the voxels."""
    voxels = read_table(raw, names["voxels"], ("voxel_id", *INDICES, *regions))
    inside = {region: voxels[region].to_numpy() == 1 for region in regions}
    rows = np.flatnonzero(np.any(list(inside.values()), axis=0))
    empty = [region for region, members in inside.items() if not members.any()]
    if not len(rows):
        raise DataError(f"{subject} has no voxel of {list_names(empty)}. Ask for other regions.")
    if empty:
        warn_user(f"{subject} has no voxel of {list_names(empty)}.")
    wanted = np.ones(len(table), dtype=bool)
    if trials != "all":
        wanted = (table["trial_type"] == trials).to_numpy()
    ids = voxels["voxel_id"].to_numpy()
    values = read_values(raw, names["responses"], rows, ids, wanted)
    places = voxels[INDICES].to_numpy()
    affine, shape = read_space(raw, subject, places)
    members = {region: flags[rows] for region, flags in inside.items()}
    measures = {}
    for name in MEASURES:
        if name in voxels.columns:
            measures[name.replace("-", "_")] = voxels[name].to_numpy(dtype=np.float64)[rows]
    return SubjectTrials(
        table[wanted], values, Voxels(places[rows], members, affine, shape), measures
    )


def read_values(raw, name, rows, ids, wanted):
    """Return responses (trial, voxel) of some voxels, by their rows in the table of voxels.

    The labels of the frame's columns are pickled and not opened: column k is trial k, as published.
    """
    path = raw.path / name
    with open_hdf5(raw, name) as file:
        values = find_array(file, VALUES, path)
        stored_ids = find_array(file, VOXEL_IDS, path)
        if values.shape != (len(ids), len(wanted)):
            raise DataError(
                f"{VALUES} in {path} must be (voxel, trial) = ({len(ids)}, {len(wanted)}), as "
                f"the tables beside it, got {values.shape}"
            )
        if stored_ids.shape != (len(ids), 1) or not np.array_equal(stored_ids[:, 0], ids):
            raise DataError(f"{path} and the table of voxels beside it list different voxel_id")
        read = np.empty((len(rows), int(wanted.sum())), dtype=np.float32)
        for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows) != 1) + 1):
            read[run] = values[rows[run[0]] : rows[run[-1]] + 1][:, wanted]
    return np.ascontiguousarray(read.T)


def read_space(raw, subject, places):
    """Return the affine and shape of the brain mask, NaN and () where the copy has none."""
    names = raw.find("mask", subject=subject)
    if not names:
        return np.full((4, 4), np.nan), ()
    mask = read_volume(raw, names[0].name)
    if not np.array_equal(np.argwhere(mask.values > 0), places):
        raise DataError(
            f"the voxels of {raw.path / names[0].name} are not those of the table of {subject}"
        )
    return mask.affine, mask.values.shape


def split_stimuli(raw, tables, shown):
    """Return the stimuli to train and to test on; a stimulus is one of them for all subjects."""
    kinds = pd.concat(list(tables.values()))[["stimulus_id", "trial_type"]].drop_duplicates()
    if kinds["stimulus_id"].duplicated().any():
        names = kinds.loc[kinds["stimulus_id"].duplicated(), "stimulus_id"]
        raise DataError(f"{list_names(names)} in {raw.path} are to train on and to test on")
    kind = dict(zip(kinds["stimulus_id"], kinds["trial_type"], strict=True))
    return {part: [name for name in shown if kind[name] == part] for part in ("train", "test")}


def open_stimuli(raw, shown):
    """Return the pictures of the THINGS database that were shown, None where there is none."""
    import neurolens as nl

    concepts = [name.rpartition("_")[0] for name in shown]
    names = [
        f"object_images/{concept}/{name}.jpg" for concept, name in zip(concepts, shown, strict=True)
    ]
    if not any(raw.has(name) for name in names):
        return None
    metadata = pd.DataFrame({"concept": concepts}, index=pd.Index(shown, name="stimulus"))
    return nl.load_stimuli([raw.locate(name) for name in names], ids=shown, metadata=metadata)
