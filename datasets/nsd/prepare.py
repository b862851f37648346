"""Natural Scenes Dataset: betas of some regions, of the trials that are asked for."""

import numpy as np
import pandas as pd

from neurolens.datasets import nsd
from neurolens.datasets.trials import SubjectTrials, join_subjects
from neurolens.errors import DataError, InputError, UnknownNameError
from neurolens.labels import list_names

N_IMAGES = 73_000
# Trials of a session.
N_TRIALS = 750
VERSIONS = ("betas_fithrf_GLMdenoise_RR", "betas_fithrf", "betas_assumehrf")


def prepare(
    raw,
    *,
    subjects=None,
    regions=None,
    stimuli=None,
    sessions=None,
    version="betas_fithrf_GLMdenoise_RR",
):
    """Return responses (presentation, neuroid), the shared split, and pictures where there are any.

    Parameters
    ----------
    raw : Folder
    subjects, regions : tuple of str or None
        Default: the only subject in the copy; nsdgeneral.
    stimuli : None, "shared" or list of ids
    sessions : list of int, optional
    version : str
    """
    if version not in VERSIONS:
        raise UnknownNameError(f"no betas named {version!r}. Choose one of {', '.join(VERSIONS)}.")
    design = nsd.read_design(
        raw, raw.find_one("design"), ("masterordering", "subjectim", "sharedix")
    )
    shared = {name_stimulus(number) for number in design["sharedix"].ravel()}
    wanted = read_wanted(stimuli, shared)
    subjects = subjects or [find_subject(raw, version)]
    by_subject = {}
    for subject, area in nsd.read_regions(raw, subjects, regions or (nsd.GENERAL,)).items():
        trials = list_trials(design, subject)
        if wanted is not None:
            trials = trials[trials["stimulus_id"].isin(wanted)]
        by_subject[subject] = read_subject(raw, subject, area, trials, sessions, version)
    responses = join_subjects(by_subject, nsd.ATTRS)
    shown = list(dict.fromkeys(responses["stimulus_id"].values.tolist()))
    splits = {
        "test": [name for name in shown if name in shared],
        "train": [name for name in shown if name not in shared],
    }
    parts = {"responses": responses, "splits": {"shared": splits}}
    if raw.find("stimuli"):
        parts["stimuli"] = open_stimuli(raw, shown, shared)
    return parts


def name_stimulus(number):
    """Return the id of a photograph from its 73k ID, which counts from 1."""
    return f"nsd{int(number):05d}"


def read_wanted(stimuli, shared):
    """Return the ids of the photographs whose trials are wanted, None for all."""
    if stimuli is None:
        return None
    if isinstance(stimuli, str):
        if stimuli != "shared":
            raise InputError(f"stimuli must be 'shared' or a list of ids, got {stimuli!r}.")
        return shared
    ids = [str(name) for name in stimuli]
    known = {name_stimulus(number) for number in range(1, N_IMAGES + 1)}
    unknown = [name for name in ids if name not in known]
    if unknown or not ids:
        raise InputError(
            f"stimuli must be ids like 'nsd00001', the 73k ID counted from 1, got "
            f"{list_names(unknown)}."
        )
    return set(ids)


def find_subject(raw, version):
    """Return the only subject whose betas are in the copy."""
    files = raw.find("betas", version=version) + raw.find("betas_nifti", version=version)
    found = sorted({file.entities["subject"] for file in files})
    if not found:
        raise DataError(f"there are no {version} in {raw.path}.{raw.describe_source()}")
    if len(found) > 1:
        raise InputError(
            f"the copy in {raw.path} holds {list_names(found, 8)}, which saw different pictures. "
            f"Say which, e.g. subjects={found[0]!r}."
        )
    return found[0]


def list_trials(design, subject):
    """Return what each trial of a subject showed, in order over all sessions."""
    ordering = design["masterordering"].ravel()
    images = design["subjectim"][int(subject.removeprefix("subj")) - 1]
    if ordering.min() < 1 or ordering.max() > len(images) or images.max() > N_IMAGES:
        raise DataError("the design names pictures that do not exist. Is it the published file?")
    numbers = images[ordering - 1]
    table = pd.DataFrame({"stimulus_id": [name_stimulus(number) for number in numbers]})
    table["repetition"] = table.groupby("stimulus_id").cumcount()
    table["session"] = 1 + np.arange(len(table)) // N_TRIALS
    table["trial"] = 1 + np.arange(len(table)) % N_TRIALS
    return table


def read_subject(raw, subject, area, trials, sessions, version):
    """Return the trials read of a subject, with the published ncsnr of the voxels."""
    files = list_sessions(raw, subject, version)
    chosen = choose_sessions(files, sessions, subject)
    tables = []
    betas = []
    for session in chosen:
        here = trials[trials["session"] == session]
        if len(here):
            rows = (here["trial"] - 1).tolist()
            betas.append(nsd.read_betas(raw, files[session], area, rows))
            tables.append(here)
    if not tables:
        raise DataError(f"none of the pictures asked for was shown to {subject} in these sessions")
    values, voxels = nsd.drop_invalid(np.concatenate(betas), area.voxels, subject)
    area = area._replace(voxels=voxels)
    names = raw.find("ncsnr", subject=subject, version=version)
    ncsnr = np.full(len(voxels.places), np.nan)
    if names:
        ncsnr = nsd.read_map(raw, names[0].name, area)
    return SubjectTrials(pd.concat(tables), values, voxels, {"ncsnr": ncsnr})


def list_sessions(raw, subject, version):
    """Return session -> names of its files of betas and of valid voxels; HDF5 where there is."""
    sessions = {}
    for part in ("betas_nifti", "betas"):
        for file in raw.find(part, subject=subject, version=version):
            sessions[int(file.entities["session"])] = {"betas": file.name}
    for file in raw.find("valid", subject=subject):
        if file.entities["session"].isdigit() and int(file.entities["session"]) in sessions:
            sessions[int(file.entities["session"])]["valid"] = file.name
    if not sessions:
        raise DataError(
            f"there are no {version} of {subject} in {raw.path}.{raw.describe_source()}"
        )
    return dict(sorted(sessions.items()))


def choose_sessions(files, sessions, subject):
    """Return the numbers of the sessions to read."""
    if sessions is None:
        return list(files)
    chosen = sorted(set(sessions))
    missing = [session for session in chosen if session not in files]
    if missing or not chosen:
        raise InputError(
            f"sessions={sessions!r}: the copy has {list_names(files, 40)} of {subject}."
        )
    return chosen


def open_stimuli(raw, shown, shared):
    """Return the photographs shown, which are read from the brick when they are used."""
    import h5py

    import neurolens as nl

    path = raw.locate(raw.find_one("stimuli"))
    brick = h5py.File(path, "r")["imgBrick"]
    numbers = [int(name.removeprefix("nsd")) for name in shown]
    if brick.ndim != 4 or brick.dtype != np.uint8 or len(brick) < max(numbers):
        raise DataError(
            f"imgBrick in {path} must be uint8 ({N_IMAGES}, height, width, 3), got {brick.dtype} "
            f"{brick.shape}"
        )
    table = {
        "nsd_73k_id": range(1, len(brick) + 1),
        "brick_row": range(len(brick)),
    }
    ids = [name_stimulus(number) for number in table["nsd_73k_id"]]
    table["shared"] = [name in shared for name in ids]
    metadata = pd.DataFrame(table, index=pd.Index(ids, name="stimulus"))
    return nl.load_stimuli(brick, ids=ids, metadata=metadata).select(shown)
