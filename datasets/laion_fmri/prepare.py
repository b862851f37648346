"""LAION-fMRI: single-trial betas of some regions, with the published splits of the stimuli."""

import io
import json

import numpy as np
import pandas as pd

from neurolens.datasets.neuroids import find_voxels
from neurolens.datasets.trials import SubjectTrials, join_subjects
from neurolens.datasets.volumes import import_tool, read_series, read_volume
from neurolens.errors import DataError, InputError, UnknownNameError, warn_user
from neurolens.labels import check_unique, list_names

BRAIN = "brain"
DEFAULT_REGION = "visual"
SHARED = "shared"
COLUMNS = ("session", "run", "beta_index", "label")
# Measure of each voxel, in % -> what its file is called.
CEILINGS = {
    "nc_4rep": "Noiseceiling4rep",
    "nc_12rep": "Noiseceiling12rep",
    "nc_allrep": "NoiseceilingAllrep",
}


def prepare(raw, *, subjects=None, regions=None, sessions=None, pool=None):
    """Return responses (presentation, neuroid), and splits and pictures where there are any.

    Parameters
    ----------
    raw : Folder
    subjects, regions : tuple of str or None
        Default: the only subject in the copy; visual.
    sessions : int or list of int, optional
        Default: all in the copy.
    pool : str, optional
        Of the splits: "shared" or a subject. Default: that of the subject, or shared for several.
    """
    chosen = subjects or [find_subject(raw)]
    by_subject = {}
    for subject in chosen:
        by_subject[subject] = read_subject(raw, subject, regions or (DEFAULT_REGION,), sessions)
    attrs = {"units": "beta of GLMsingle, comparable within a voxel", "voxel_units": "mm"}
    responses = join_subjects(by_subject, attrs)
    shown = list(dict.fromkeys(responses["stimulus_id"].values.tolist()))
    pool = pool or (chosen[0] if len(chosen) == 1 else SHARED)
    parts = {"responses": responses, "splits": read_splits(raw, pool, shown)}
    stimuli = open_stimuli(raw, shown)
    if stimuli is not None:
        parts["stimuli"] = stimuli
    return parts


def find_subject(raw):
    """Return the only subject in the copy."""
    found = sorted({file.entities["subject"] for file in raw.find("betas")})
    if not found:
        raise DataError(
            f"there is no derivatives/glmsingle-tedana/sub-01 ... in {raw.path}."
            f"{raw.describe_source()}"
        )
    if len(found) > 1:
        raise InputError(
            f"the copy in {raw.path} holds {list_names(found, 8)}, which saw different pictures. "
            f"Say which, e.g. subjects={found[0]!r}."
        )
    return found[0]


def read_trials(raw, name):
    """Return what each beta of a session is of, in the order of the betas."""
    path = raw.locate_whole(name)
    try:
        table = pd.read_csv(path, sep="\t")
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise DataError(
            f"{path} lacks the columns {list_names(missing)}. Is it the published file?"
        )
    if not np.array_equal(table["beta_index"], np.arange(len(table))):
        raise DataError(f"{path} must count beta_index from 0 without a gap")
    if table["label"].isna().any():
        raise DataError(f"{path} has betas without a label")
    trials = pd.DataFrame({"stimulus_id": table["label"].astype(str).astype(object)})
    for column in ("session", "run"):
        trials[column] = table[column]
    return trials


def read_subject(raw, subject, regions, sessions):
    """Return the trials read of a subject, with the published noise ceilings of the voxels."""
    files = {int(file.entities["session"]): file for file in raw.find("betas", subject=subject)}
    if not files:
        raise DataError(f"there are no betas of {subject} in {raw.path}.{raw.describe_source()}")
    if isinstance(sessions, int):
        sessions = [sessions]
    chosen = sorted(files) if sessions is None else sorted(set(sessions))
    unknown = [session for session in chosen if session not in files]
    if unknown or not chosen:
        raise InputError(
            f"sessions={sessions!r}: the copy has {list_names(sorted(files), 40)} of {subject}."
        )
    tables = {}
    for session, file in sorted(files.items()):
        name = raw.find_one("trials", subject=subject, session=file.entities["session"])
        tables[session] = read_trials(raw, name)
    # Repetitions are counted over all sessions, also where fewer are read.
    whole = pd.concat(tables, names=["of_session", "row"])
    whole.insert(1, "repetition", whole.groupby("stimulus_id").cumcount())
    masks, grid = read_masks(raw, subject, regions)
    voxels = find_voxels(masks, grid.affine)
    values = []
    for session in chosen:
        name = files[session].name
        betas = read_series(raw, name, voxels.places, grid)
        if len(betas) != len(tables[session]):
            raise DataError(
                f"{raw.path / name} holds {len(betas)} betas, and its table {len(tables[session])}"
            )
        values.append(betas.astype(np.float32))
    betas = np.concatenate(values)
    lost = np.isnan(betas).any(axis=0)
    if lost.any():
        warn_user(f"{lost.sum()} of {len(lost)} voxels of {subject} have betas that are NaN.")
    trials = pd.concat([whole.loc[session] for session in chosen], ignore_index=True)
    measures = read_ceilings(raw, subject, voxels, grid)
    return SubjectTrials(trials, betas, voxels, measures)


def read_masks(raw, subject, regions):
    """Return region -> mask (x, y, z), of voxels in the brain mask, and the grid of that."""
    grid = read_volume(raw, raw.find_one("mask", subject=subject))
    brain = grid.values > 0
    masks = {}
    for region in regions:
        masks[region] = brain
        if region != BRAIN:
            name = raw.find_one("regions", subject=subject, region=region)
            volume = read_volume(raw, name)
            if volume.values.shape != brain.shape:
                raise DataError(f"{raw.path / name} and the brain mask are on different grids")
            masks[region] = brain & (volume.values > 0)
        if not masks[region].any():
            raise DataError(f"{subject} has no voxel of {region!r} in the brain mask")
    return masks, grid


def read_ceilings(raw, subject, voxels, grid):
    """Return the noise ceilings (voxel,) of the files that are there, NaN for the others."""
    measures = {}
    for label, kind in CEILINGS.items():
        measures[label] = np.full(len(voxels.places), np.nan)
        for file in raw.find("ceilings", subject=subject, kind=kind):
            volume = read_volume(raw, file.name)
            if volume.values.shape != grid.values.shape:
                raise DataError(f"{raw.path / file.name} and the brain mask are on different grids")
            measures[label] = volume.values[tuple(voxels.places.T)].astype(np.float64)
    return measures


def read_splits(raw, pool, shown):
    """Return name -> train and test -> ids, of those that were read, of the splits in the copy."""
    files = raw.find("splits", pool=pool)
    others = sorted({file.entities["pool"] for file in raw.find("splits")})
    if others and not files:
        raise UnknownNameError(f"no pool {pool!r} of splits. The copy has {list_names(others)}.")
    splits = {}
    known = set(shown)
    for file in files:
        path = raw.locate_whole(file.name)
        try:
            [variant] = json.loads(path.read_text(encoding="utf-8"))["variants"]
            parts = {part: list(variant[f"{part}_ids"]) for part in ("train", "test")}
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is not a split as published: {error!r}") from error
        both = set(parts["train"]) & set(parts["test"])
        if both:
            raise DataError(f"{path} has {list_names(sorted(both))} to train and to test on")
        splits[file.entities["split"]] = {
            part: [name for name in ids if name in known] for part, ids in parts.items()
        }
    return splits


class Pictures:
    """JPEG pictures as bytes in an HDF5 file, which is opened when one is read."""

    def __init__(self, path, rows):
        self.path = path
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, number):
        from PIL import Image

        h5py = import_tool("h5py", "HDF5 files")
        with h5py.File(self.path, "r") as file:
            content = np.asarray(file["images"][self.rows[number]], dtype=np.uint8).tobytes()
        with Image.open(io.BytesIO(content), formats=["JPEG", "PNG"]) as picture:
            return np.asarray(picture.convert("RGB"))


def open_stimuli(raw, shown):
    """Return the pictures that were shown, None where the copy has none."""
    import neurolens as nl

    if not raw.find("stimuli"):
        return None
    h5py = import_tool("h5py", "HDF5 files")
    path = raw.locate(raw.find_one("stimuli"))
    table_path = raw.locate_whole(raw.find_one("metadata"))
    table = pd.read_csv(table_path)
    if "image_name" not in table.columns:
        raise DataError(f"{table_path} lacks the column 'image_name'. Is it the published file?")
    names = table["image_name"].astype(str).tolist()
    check_unique(names, f"image_name in {table_path}")
    try:
        with h5py.File(path, "r") as file:
            n_images = len(file["images"])
    except (OSError, KeyError) as error:
        raise DataError(f"{path} must be HDF5 with images: {error}") from error
    if n_images != len(names):
        raise DataError(f"{path} holds {n_images} pictures, and {table_path} lists {len(names)}")
    rows = {name: row for row, name in enumerate(names)}
    lost = [name for name in shown if name not in rows]
    if lost:
        raise DataError(f"{table_path} lacks the pictures {list_names(lost)}, which were shown")
    chosen = [rows[name] for name in shown]
    metadata = table.iloc[chosen].drop(columns="image_name")
    metadata = metadata.set_index(pd.Index(shown, name="stimulus"))
    return nl.load_stimuli(Pictures(path, chosen), ids=shown, metadata=metadata)
