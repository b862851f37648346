"""NSD-synthetic: betas of some regions for 284 synthetic and altered pictures."""

import numpy as np
import pandas as pd

from neurolens.datasets import nsd
from neurolens.datasets.trials import SubjectTrials, join_subjects
from neurolens.errors import DataError, UnknownNameError

# Pictures from this number on, counted from 1, are colored and each subject's own.
N_SHARED = 220
N_COLORED = 64
VERSIONS = ("nsdsyntheticbetas_fithrf_GLMdenoise_RR", "nsdsyntheticbetas_fithrf")


def prepare(raw, *, subjects=None, regions=None, version="nsdsyntheticbetas_fithrf_GLMdenoise_RR"):
    """Return responses (presentation, neuroid), and pictures where there are any.

    Parameters
    ----------
    raw : Folder
    subjects, regions : tuple of str or None
        Default: all subjects in the copy; nsdgeneral.
    version : str
    """
    if version not in VERSIONS:
        raise UnknownNameError(f"no betas named {version!r}. Choose one of {', '.join(VERSIONS)}.")
    design = nsd.read_design(raw, raw.find_one("design"), ("masterordering",))
    ordering = design["masterordering"].ravel()
    if ordering.min() < 1 or ordering.max() > N_SHARED + N_COLORED:
        raise DataError("the design names pictures that do not exist. Is it the published file?")
    subjects = subjects or list_subjects(raw, version)
    by_subject = {}
    for subject, area in nsd.read_regions(raw, subjects, regions or (nsd.GENERAL,)).items():
        by_subject[subject] = read_subject(raw, subject, area, ordering, version)
    responses = join_subjects(by_subject, nsd.ATTRS)
    parts = {"responses": responses}
    if raw.find("stimuli"):
        parts["stimuli"] = open_stimuli(raw, list(by_subject))
    return parts


def name_stimulus(number, subject):
    """Return the id of a picture from its number in the design, which counts from 1."""
    name = f"nsdsynthetic{int(number):03d}"
    return name if number <= N_SHARED else f"{subject}-{name}"


def list_subjects(raw, version):
    """Return the subjects whose betas are in the copy."""
    files = raw.find("betas", version=version) + raw.find("betas_nifti", version=version)
    found = sorted({file.entities["subject"] for file in files})
    if not found:
        raise DataError(f"there are no {version} in {raw.path}.{raw.describe_source()}")
    return found


def read_subject(raw, subject, area, ordering, version):
    """Return the trials of a subject."""
    files = raw.find("betas", subject=subject, version=version)
    files = files or [raw.find_one("betas_nifti", subject=subject, version=version)]
    name = files[0] if isinstance(files[0], str) else files[0].name
    betas = nsd.read_betas(raw, {"betas": name}, area, None)
    if len(betas) != len(ordering):
        raise DataError(
            f"{raw.path / name} holds {len(betas)} trials, and the design {len(ordering)}"
        )
    values, voxels = nsd.drop_invalid(betas, area.voxels, subject)
    table = pd.DataFrame({"stimulus_id": [name_stimulus(n, subject) for n in ordering]})
    table["repetition"] = table.groupby("stimulus_id").cumcount()
    table["trial"] = 1 + np.arange(len(table))
    return SubjectTrials(table, values, voxels, {})


class Pictures:
    """Pictures of several arrays in HDF5 files, which are opened when they are read."""

    def __init__(self, places):
        # (path, row) of each picture.
        self.places = places

    def __len__(self):
        return len(self.places)

    def __getitem__(self, number):
        import h5py

        path, row = self.places[number]
        with h5py.File(path, "r") as file:
            return file["imgBrick"][row]


def open_stimuli(raw, subjects):
    """Return the pictures that all saw and the colored ones of each subject."""
    import neurolens as nl

    names = {raw.find_one("stimuli"): (None, N_SHARED)}
    for subject in subjects:
        names[raw.find_one("colored", subject=subject)] = (subject, N_COLORED)
    places = []
    ids = []
    for name, (subject, count) in names.items():
        path = raw.locate(name)
        check_brick(path, count)
        first = 1 if subject is None else 1 + N_SHARED
        places += [(path, row) for row in range(count)]
        ids += [name_stimulus(first + row, subject) for row in range(count)]
    metadata = pd.DataFrame(
        {"colored": ["-" in name for name in ids]}, index=pd.Index(ids, name="stimulus")
    )
    return nl.load_stimuli(Pictures(places), ids=ids, metadata=metadata)


def check_brick(path, count):
    """Raise DataError unless an HDF5 file holds so many pictures."""
    import h5py

    with h5py.File(path, "r") as file:
        shape = file["imgBrick"].shape if "imgBrick" in file else None
    if shape is None or len(shape) != 4 or shape[0] != count or shape[3] != 3:
        raise DataError(f"{path} must hold imgBrick ({count}, height, width, 3), got {shape}")
