"""92 photographs and the RDMs of human IT, early visual cortex, monkey IT and behaviour."""

import numpy as np
import pandas as pd
import scipy.io
import xarray as xr

GROUPS = (
    "human body",
    "human face",
    "non-human body",
    "non-human face",
    "natural object",
    "artificial object",
)


def prepare(raw, *, subjects=None, regions=None):
    """Return stimuli with categories, and RDMs (region, subject, stimulus, stimulus_2).

    Files of regions that are not asked for are not read.
    """
    stimuli = read_stimuli(raw.locate("Kriegeskorte_Neuron2008_supplementalData.mat"))
    blocks = [(region, READERS[region](raw)) for region in regions or READERS]
    return {"stimuli": stimuli, "rdms": label_rdms(blocks, list(stimuli.ids))}


def read_models(raw):
    """Return the RDMs of the file of models, by name."""
    models = read_mat(raw.locate_whole("92_modelRDMs.mat"))["Models"]
    return {model["name"]: model["RDM"] for model in models}


def read_behaviour(raw):
    """Return (subject, RDM) pairs of similarity judgements."""
    people = read_mat(raw.locate_whole("92_behavRDMs.mat"))["rdms_behav_92"]
    return [(person["name"].split("|")[-1].strip(), person["RDM"]) for person in people]


def read_mat(path):
    """Return the variables of a MATLAB file as plain dicts and arrays."""
    return scipy.io.loadmat(path, simplify_cells=True)


def read_stimuli(path):
    """Return the photographs in the published order.

    With the published flags and category vectors.
    """
    import neurolens as nl

    content = read_mat(path)
    entries = content["stimuli_92objs"]
    bounds = [12, 24, 36, 48, 71, 92]
    groups = [GROUPS[int(np.searchsorted(bounds, i, side="right"))] for i in range(len(entries))]
    ids = [f"{i + 1:02d}-{group.replace(' ', '-')}" for i, group in enumerate(groups)]
    columns = {"category": groups}
    columns |= {
        flag: [bool(e[flag]) for e in entries] for flag in ("human", "face", "animal", "natural")
    }
    labels = [str(label) for label in content["categoryLabels"]]
    columns |= {
        f"set_{label}": content["categoryVectors"][:, k].astype(bool)
        for k, label in enumerate(labels)
    }
    metadata = pd.DataFrame(columns, index=pd.Index(ids, name="stimulus"))
    return nl.load_stimuli(np.stack([e["image"] for e in entries]), ids=ids, metadata=metadata)


def read_sessions(raw):
    """Return (subject, RDM) pairs: the mean over each subject's two sessions."""
    by_subject = {}
    path = raw.locate_whole("92_brainRDMs.mat")
    for entry in scipy.io.loadmat(path, squeeze_me=True)["RDMs"].ravel():
        subject = str(entry["name"]).split("|")[1].strip()
        by_subject.setdefault(subject, []).append(np.asarray(entry["RDM"], dtype=np.float64))
    return [(subject, np.mean(sessions, axis=0)) for subject, sessions in by_subject.items()]


# Region -> function of the folder that returns its (subject, RDM) pairs.
READERS = {
    "IT": read_sessions,
    "EVA": lambda raw: [("group", read_models(raw)["EVA"])],
    "monkey IT": lambda raw: [("monkeys", read_models(raw)["monkeyIT"])],
    "behaviour": read_behaviour,
}


def label_rdms(blocks, ids):
    """Return one array over all regions and subjects, NaN where a region lacks a subject."""
    subjects = list(dict.fromkeys(subject for _, rdms in blocks for subject, _ in rdms))
    data = np.full((len(blocks), len(subjects), len(ids), len(ids)), np.nan)
    for r, (_, rdms) in enumerate(blocks):
        for subject, rdm in rdms:
            matrix = np.array(rdm, dtype=np.float64)
            np.fill_diagonal(matrix, 0)
            data[r, subjects.index(subject)] = (matrix + matrix.T) / 2
    return xr.DataArray(
        data,
        dims=("region", "subject", "stimulus", "stimulus_2"),
        coords={
            "region": np.array([name for name, _ in blocks], dtype=object),
            "subject": np.array(subjects, dtype=object),
            "stimulus": np.array(ids, dtype=object),
            "stimulus_2": np.array(ids, dtype=object),
        },
        name="rdm",
        attrs={"metric": "correlation", "units": "1 - Pearson r (behaviour: arbitrary)"},
    )
