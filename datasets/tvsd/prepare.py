"""TVSD: normalized multi-unit activity of V1, V4 and IT of two macaques to pictures of THINGS."""

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.datasets.volumes import find_array, import_tool, open_hdf5
from neurolens.errors import DataError, UnknownNameError
from neurolens.labels import check_unique, list_names

SPLITS = ("all", "train", "test")
N_ELECTRODES = 1024
# Electrodes of an array; the arrays follow each other.
N_PER_ARRAY = 64
# Region -> its first electrode and the one after its last, counted from 0: norm_MUA.m.
ELECTRODES = {
    "monkeyF": {"V1": (0, 512), "IT": (512, 832), "V4": (832, 1024)},
    "monkeyN": {"V1": (0, 512), "V4": (512, 768), "IT": (768, 1024)},
}
# Axes as HDF5 has them: MATLAB's, turned round.
TRAIN = "train_MUA"  # (stimulus, electrode)
TEST = "test_MUA_reps"  # (repetition, stimulus, electrode)
MEASURES = {"reliab": "reliability", "oracle": "oracle", "SNR_max": "snr_max"}


def prepare(raw, *, subjects=None, regions=None, split="all"):
    """Return responses (presentation, neuroid), the published split, and pictures if there are any.

    Parameters
    ----------
    raw : Folder
    subjects, regions : tuple of str or None
        Default: all monkeys in the copy; all regions.
    split : {"all", "train", "test"}
    """
    if split not in SPLITS:
        raise UnknownNameError(f"no split named {split!r}. Choose one of {', '.join(SPLITS)}.")
    chosen = subjects or [file.entities["subject"] for file in raw.find("responses")]
    if not chosen:
        raise DataError(
            f"there is no monkeyF/THINGS_normMUA.mat ... in {raw.path}.{raw.describe_source()}"
        )
    parts = {}
    pictures = {}
    for monkey in chosen:
        shown = {kind: read_pictures(raw, monkey, kind) for kind in ("train", "test")}
        pictures[monkey] = shown
        both = set(shown["train"]) & set(shown["test"])
        if both:
            raise DataError(f"{list_names(sorted(both))} of {monkey} are to train and to test on")
        parts[monkey] = read_monkey(raw, monkey, regions, shown, split)
    responses = join_monkeys(parts)
    ids = list(dict.fromkeys(responses["stimulus_id"].values.tolist()))
    result = {"responses": responses, "splits": {"tvsd": list_split(pictures, ids)}}
    files = {}
    for shown in pictures.values():
        files |= shown["train"] | shown["test"]
    stimuli = open_stimuli(raw, {name: files[name] for name in ids})
    if stimuli is not None:
        result["stimuli"] = stimuli
    return result


def read_pictures(raw, monkey, kind):
    """Return id -> file of the pictures to train or to test on, in the order of the responses."""
    h5py = import_tool("h5py", "HDF5 files")
    name = raw.find_one("pictures", subject=monkey)
    variable = f"{kind}_imgs/things_path"
    path = raw.path / name
    with open_hdf5(raw, name) as file:
        references = find_array(file, variable, path)
        if h5py.check_ref_dtype(references.dtype) is None or references.shape[1:] != (1,):
            raise DataError(
                f"{variable} in {path} must be names (picture, 1), got {references.dtype} "
                f"{references.shape}"
            )
        names = ["".join(map(chr, file[held][()].ravel())) for held in references[:, 0]]
    files = [text.replace("\\", "/") for text in names]
    for text in files:
        folder, _, picture = text.rpartition("/")
        if not folder or not picture.endswith(".jpg"):
            raise DataError(f"{path} names the picture {text!r}, unlike aardvark/aardvark_01b.jpg")
    ids = [text.rpartition("/")[2].removesuffix(".jpg") for text in files]
    check_unique(ids, f"the pictures in {path}")
    return dict(zip(ids, files, strict=True))


def read_monkey(raw, monkey, regions, shown, split):
    """Return the responses of a monkey (presentation, neuroid)."""
    name = raw.find_one("responses", subject=monkey)
    path = raw.path / name
    n_train = len(shown["train"])
    n_test = len(shown["test"])
    areas = {region: ELECTRODES[monkey][region] for region in regions or ELECTRODES[monkey]}
    blocks = {"train": [], "test": []}
    measures = {label: [] for label in MEASURES.values()}
    with open_hdf5(raw, name) as file:
        train = find_array(file, TRAIN, path)
        test = find_array(file, TEST, path)
        if train.shape != (n_train, N_ELECTRODES):
            raise refuse_axes(path, TRAIN, f"(electrode, stimulus) = ({N_ELECTRODES}, {n_train})")
        if test.ndim != 3 or test.shape[1:] != (n_test, N_ELECTRODES):
            axes = f"(electrode, stimulus, repetition) = ({N_ELECTRODES}, {n_test}, repetition)"
            raise refuse_axes(path, TEST, axes)
        for start, stop in areas.values():
            if split != "test":
                blocks["train"].append(train[:, start:stop])
            if split != "train":
                blocks["test"].append(test[:, :, start:stop].reshape(-1, stop - start))
            for variable, label in MEASURES.items():
                measures[label].append(read_measure(file, variable, path)[start:stop])
        n_repetitions = test.shape[0]
    values = [np.concatenate(held, axis=1) for held in blocks.values() if held]
    rows = []
    if split != "test":
        rows += [(picture, 0) for picture in shown["train"]]
    if split != "train":
        rows += [(picture, r) for r in range(n_repetitions) for picture in shown["test"]]
    return label_responses(monkey, areas, np.concatenate(values), rows, measures)


def refuse_axes(path, variable, axes):
    """Return the error for an array that does not match the pictures."""
    return DataError(
        f"{variable} in {path} must be {axes} in MATLAB, as _logs/things_imgs.mat lists the "
        "stimuli, and the axes are turned round in HDF5. Is it the published file?"
    )


def read_measure(file, variable, path):
    """Return a measure of each electrode, the mean where there are several."""
    values = find_array(file, variable, path)[()]
    if values.shape == (N_ELECTRODES, 1):
        # A vector, whichever way MATLAB had it.
        values = values.T
    if values.ndim != 2 or values.shape[1] != N_ELECTRODES:
        raise DataError(
            f"{variable} in {path} must have {N_ELECTRODES} electrodes, got {values.shape}"
        )
    return values.mean(axis=0)


def label_responses(monkey, areas, values, rows, measures):
    """Return values (presentation, neuroid) with the labels of pictures and electrodes."""
    numbers = np.concatenate([np.arange(start, stop) for start, stop in areas.values()])
    regions = np.repeat(list(areas), [stop - start for start, stop in areas.values()])
    coords = {
        "neuroid_id": np.array([f"{monkey}.{number + 1:04d}" for number in numbers], dtype=object),
        "subject": np.full(len(numbers), monkey, dtype=object),
        "region": regions.astype(object),
        "electrode": numbers + 1,
        "array": numbers // N_PER_ARRAY + 1,
    }
    for label, held in measures.items():
        coords[label] = np.concatenate(held)
    return xr.DataArray(
        values.astype(np.float32),
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", np.array([row[0] for row in rows], dtype=object)),
            "repetition": ("presentation", np.array([row[1] for row in rows])),
            **{name: ("neuroid", labels) for name, labels in coords.items()},
        },
    )


def join_monkeys(parts):
    """Return the responses of all monkeys, by stimulus and repetition, NaN where one lacks it."""
    keys = ["stimulus_id", "repetition"]
    indices = []
    for part in parts.values():
        rows = pd.DataFrame({key: part[key].values for key in keys})
        indices.append(pd.MultiIndex.from_frame(rows))
    index = indices[0]
    for other in indices[1:]:
        index = index.append(other[~other.isin(index)])
    n_neuroids = sum(part.sizes["neuroid"] for part in parts.values())
    values = np.full((len(index), n_neuroids), np.nan, dtype=np.float32)
    start = 0
    for part, own in zip(parts.values(), indices, strict=True):
        stop = start + part.sizes["neuroid"]
        values[index.get_indexer(own), start:stop] = part.values
        start = stop
    neuroids = xr.concat(
        [part.drop_vars(keys).isel(presentation=0, drop=True) for part in parts.values()], "neuroid"
    )
    columns = {
        "stimulus_id": index.get_level_values(0).to_numpy(dtype=object),
        "repetition": index.get_level_values(1).to_numpy(),
    }
    return xr.DataArray(
        values,
        dims=("presentation", "neuroid"),
        coords={
            **{name: ("presentation", labels) for name, labels in columns.items()},
            **neuroids.coords,
        },
        attrs={"units": "multi-unit activity, normalized"},
    )


def list_split(pictures, ids):
    """Return the stimuli to train and to test on of all monkeys, of those that were read."""
    split = {}
    for kind in ("train", "test"):
        known = set()
        for shown in pictures.values():
            known |= set(shown[kind])
        split[kind] = [name for name in ids if name in known]
    both = set(split["train"]) & set(split["test"])
    if both:
        raise DataError(f"{list_names(sorted(both))} are to train on for one monkey and to test on")
    return split


def open_stimuli(raw, files):
    """Return the pictures of the THINGS database that were shown, None where there is none."""
    import neurolens as nl

    names = [f"object_images/{file}" for file in files.values()]
    if not any(raw.has(name) for name in names):
        return None
    ids = list(files)
    concepts = [file.rpartition("/")[0] for file in files.values()]
    metadata = pd.DataFrame({"concept": concepts}, index=pd.Index(ids, name="stimulus"))
    return nl.load_stimuli([raw.locate(name) for name in names], ids=ids, metadata=metadata)
