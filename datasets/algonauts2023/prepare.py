"""Algonauts Project 2023: mean responses of cortical vertices to the pictures of NSD."""

import re

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.datasets import nsd
from neurolens.errors import DataError, InputError, warn_user
from neurolens.labels import list_names

ALL = "all-vertices"
HEMISPHERES = ("lh", "rh")
SPLITS = {"train": "training", "test": "test"}
_PICTURE = re.compile(r"(train|test)-(\d{4,})_nsd-(\d{5})\.png")
# Rows of a file that are read at a time.
_BLOCK_ROWS = 512


def prepare(raw, *, subjects=None, regions=None):
    """Return pictures, responses (presentation, neuroid), and the split of each subject.

    Parameters
    ----------
    raw : Folder
    subjects, regions : tuple of str or None
        Default: the only subject in the copy; all vertices.
    """
    parts = []
    splits = {}
    files = {}
    for subject in subjects or [find_subject(raw)]:
        pictures = list_pictures(raw, subject)
        splits[subject] = {kind: list(names) for kind, names in pictures.items()}
        for kind, names in pictures.items():
            if kind == "train" or has_responses(raw, subject):
                files |= names
        parts.append(read_subject(raw, subject, regions or (ALL,), splits[subject]))
    responses = join_subjects(parts, list(files))
    return {"stimuli": open_stimuli(raw, files), "responses": responses, "splits": splits}


def find_subject(raw):
    """Return the only subject in the copy."""
    found = sorted({file.entities["subject"] for file in raw.find("train_responses", hemi="lh")})
    if not found:
        raise DataError(
            "there is no subj01/training_split/training_fmri/lh_training_fmri.npy ... in "
            f"{raw.path}.{raw.describe_source()}"
        )
    if len(found) > 1:
        raise InputError(
            f"the copy in {raw.path} holds {list_names(found, 8)}, which saw different pictures. "
            f"Say which, e.g. subjects={found[0]!r}."
        )
    return found[0]


def has_responses(raw, subject):
    """Return whether the responses to the pictures to test on, which came later, are there."""
    return bool(raw.find("test_responses", subject=subject))


def list_pictures(raw, subject):
    """Return train and test -> id of each picture -> its file, in the order of the responses."""
    pictures = {}
    for kind, name in SPLITS.items():
        found = {}
        for file in raw.find(f"{kind}_pictures", subject=subject):
            match = _PICTURE.fullmatch(file.name.rpartition("/")[2])
            if match is None or match[1] != kind:
                raise DataError(
                    f"{raw.path / file.name} must be called like {kind}-0001_nsd-00013.png"
                )
            found[int(match[2])] = (int(match[3]), file.name)
        if sorted(found) != list(range(1, len(found) + 1)):
            raise DataError(
                f"the pictures in {raw.path}/{subject}/{name}_split must be numbered from 1 "
                f"without a gap, so that they match the responses; {len(found)} are there."
            )
        # The files count the 73,000 pictures from 0; ids are those of the recipe "nsd", from 1.
        pictures[kind] = {
            f"nsd{picture + 1:05d}": file for _, (picture, file) in sorted(found.items())
        }
    if not pictures["train"]:
        raise DataError(f"there are no pictures of {subject} in {raw.path}.{raw.describe_source()}")
    both = set(pictures["train"]) & set(pictures["test"])
    if both:
        raise DataError(f"{list_names(sorted(both))} of {subject} are to train and to test on")
    return pictures


def read_subject(raw, subject, regions, pictures):
    """Return responses (presentation, neuroid) of a subject, both hemispheres."""
    kinds = [kind for kind in SPLITS if kind == "train" or has_responses(raw, subject)]
    ids = [name for kind in kinds for name in pictures[kind]]
    halves = []
    for hemi in HEMISPHERES:
        vertices, members = read_regions(raw, subject, hemi, regions)
        columns = np.flatnonzero(np.any(list(members.values()), axis=0))
        blocks = [
            read_values(raw, subject, hemi, kind, (len(pictures[kind]), len(vertices)), columns)
            for kind in kinds
        ]
        chosen = vertices[columns]
        coords = {
            "neuroid_id": [f"{subject}.{hemi}.{vertex}" for vertex in chosen],
            "subject": [subject] * len(chosen),
            "hemisphere": [hemi] * len(chosen),
        }
        coords = {name: np.array(labels, dtype=object) for name, labels in coords.items()}
        coords["vertex"] = chosen
        coords["noise_ceiling"] = read_ceiling(raw, subject, hemi, len(vertices))[columns]
        for region, inside in members.items():
            coords[f"region_{region}"] = inside[columns]
        halves.append(
            xr.DataArray(
                np.concatenate(blocks),
                dims=("presentation", "neuroid"),
                coords={name: ("neuroid", labels) for name, labels in coords.items()},
            )
        )
    both = xr.concat(halves, "neuroid").assign_coords(
        stimulus_id=("presentation", np.array(ids, dtype=object))
    )
    check_members(both, subject, regions)
    return both


def check_members(responses, subject, regions):
    """Raise DataError where a subject has no vertex, and warn where it lacks a region."""
    empty = [region for region in regions if not responses[f"region_{region}"].values.any()]
    if len(empty) == len(regions):
        raise DataError(f"{subject} has no vertex of {list_names(empty)}. Ask for other regions.")
    if empty:
        warn_user(f"{subject} has no vertex of {list_names(empty)}.")


def read_regions(raw, subject, hemi, regions):
    """Return the vertices of a hemisphere on fsaverage, and region -> (vertex,) of bool.

    The tables of labels in the copy are pickled and not opened: numbers are those of NSD.
    """
    everywhere = read_vector(raw, raw.find_one("vertices", subject=subject, hemi=hemi))
    vertices = np.flatnonzero(everywhere)
    atlases = {}
    members = {}
    for region in regions:
        if region == ALL:
            members[region] = np.ones(len(vertices), dtype=bool)
            continue
        areas = nsd.UNIONS.get(region, (region,))
        [atlas] = [name for name, known in nsd.ATLASES.items() if areas[0] in known]
        if atlas not in atlases:
            name = raw.find_one("regions", subject=subject, hemi=hemi, atlas=atlas)
            atlases[atlas] = read_vector(raw, name)
            if len(atlases[atlas]) != len(vertices):
                raise DataError(
                    f"{raw.path / name} must have {len(vertices)} vertices, as "
                    f"{hemi}.all-vertices_fsaverage_space.npy, got {len(atlases[atlas])}"
                )
        numbers = [1 + nsd.ATLASES[atlas].index(area) for area in areas]
        members[region] = np.isin(atlases[atlas], numbers)
    return vertices, members


def read_ceiling(raw, subject, hemi, n_vertices):
    """Return the published noise ceilings (vertex,), NaN where the copy has none."""
    files = raw.find("ceilings", subject=subject, hemi=hemi)
    if not files:
        return np.full(n_vertices, np.nan)
    values = read_vector(raw, files[0].name)
    if len(values) != n_vertices:
        raise DataError(f"{raw.path / files[0].name} must have {n_vertices} vertices")
    return values.astype(np.float64)


def open_array(raw, name):
    """Return the array in a .npy file, which is read where it is used."""
    path = raw.locate_whole(name)
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error}). It may have been cut short: "
            "fetch or copy it again."
        ) from error


def read_vector(raw, name):
    """Return the array (vertex,) in a .npy file."""
    values = open_array(raw, name)
    if values.ndim != 1:
        raise DataError(f"{raw.path / name} must have one axis, of vertices, got {values.shape}")
    return np.asarray(values)


def read_values(raw, subject, hemi, kind, shape, columns):
    """Return responses (picture, vertex) of some vertices."""
    name = raw.find_one(f"{kind}_responses", subject=subject, hemi=hemi)
    values = open_array(raw, name)
    if values.shape != shape:
        raise DataError(
            f"{raw.path / name} must be (picture, vertex) = {shape}, as the pictures and "
            f"{hemi}.all-vertices_fsaverage_space.npy, got {values.shape}"
        )
    read = np.empty((len(values), len(columns)), dtype=np.float32)
    for start in range(0, len(values), _BLOCK_ROWS):
        read[start : start + _BLOCK_ROWS] = values[start : start + _BLOCK_ROWS][:, columns]
    return read


def join_subjects(parts, ids):
    """Return the responses of all subjects, NaN where one did not see a picture."""
    rows = {name: row for row, name in enumerate(ids)}
    values = np.full((len(ids), sum(part.sizes["neuroid"] for part in parts)), np.nan, np.float32)
    start = 0
    for part in parts:
        stop = start + part.sizes["neuroid"]
        values[[rows[name] for name in part["stimulus_id"].values], start:stop] = part.values
        start = stop
    coords = xr.concat([part.isel(presentation=0, drop=True) for part in parts], "neuroid").coords
    responses = xr.DataArray(
        values,
        dims=("presentation", "neuroid"),
        coords={**coords, "stimulus_id": ("presentation", np.array(ids, dtype=object))},
        attrs={"units": "beta, z-scored in each session, mean over repetitions"},
    )
    flags = [str(name) for name in coords if str(name).startswith("region_")]
    inside = np.stack([coords[name].values for name in flags])
    if (inside.sum(axis=0) == 1).all():
        names = np.array([flag.removeprefix("region_") for flag in flags], dtype=object)
        responses = responses.drop_vars(flags)
        responses = responses.assign_coords(region=("neuroid", names[inside.argmax(axis=0)]))
    return responses


def open_stimuli(raw, files):
    """Return the pictures, with the numbers of NSD."""
    import neurolens as nl

    table = {
        "nsd_73k_id": [int(name.removeprefix("nsd")) for name in files],
        "file": [file.rpartition("/")[2] for file in files.values()],
    }
    metadata = pd.DataFrame(table, index=pd.Index(list(files), name="stimulus"))
    paths = [raw.locate(file) for file in files.values()]
    return nl.load_stimuli(paths, ids=list(files), metadata=metadata)
