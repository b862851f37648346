"""BOLD5000: single-trial betas of five visual regions in both hemispheres, for four subjects."""

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.errors import DataError, warn_user
from neurolens.labels import list_names

HEMISPHERES = ("LH", "RH")
# Region -> what its files are called, of which some have an older name.
AREAS = {
    "EarlyVis": ("EarlyVis",),
    "LOC": ("LOC", "LO"),
    "OPA": ("OPA",),
    "PPA": ("PPA",),
    "RSC": ("RSC", "RRSC"),
}
FOLDERS = ("ImageNet", "COCO", "Scene")
REPEATED = "rep_"


def prepare(raw, *, subjects=None, regions=None):
    """Return responses (presentation, neuroid), and the split and pictures where there are any.

    Parameters
    ----------
    raw : Folder
    subjects, regions : tuple of str or None
        Default: all subjects in the copy; all regions.
    """
    chosen = subjects or sorted({file.entities["subject"] for file in raw.find("betas")})
    if not chosen:
        raise DataError(f"there are no betas of CSI1 ... in {raw.path}.{raw.describe_source()}")
    tables = {}
    parts = []
    files = {}
    for subject in chosen:
        tables[subject] = read_trials(raw, subject)
        files |= dict(zip(tables[subject]["stimulus_id"], tables[subject]["file"], strict=True))
        parts.append(read_subject(raw, subject, regions or tuple(AREAS), tables[subject]))
    responses = join_subjects(parts, list(tables.values()))
    result = {"responses": responses}
    ids = list(dict.fromkeys(responses["stimulus_id"].values.tolist()))
    if raw.find("repeated"):
        result["splits"] = {"bold5000": split_stimuli(raw, ids)}
    stimuli = open_stimuli(raw, {name: files[name] for name in ids})
    if stimuli is not None:
        result["stimuli"] = stimuli
    return result


def read_names(raw, name):
    """Return the lines of a list of pictures."""
    path = raw.locate_whole(name)
    written = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in written if line]
    if not lines or not all(line.lower().endswith((".jpg", ".jpeg")) for line in lines):
        raise DataError(f"{path} must list pictures like n01930112_19568.JPEG, one in a line")
    return lines


def read_trials(raw, subject):
    """Return what each trial of a subject showed, in order, with session and run where known."""
    runs = {}
    for file in raw.find("lists", subject=subject):
        place = (file.entities["session"], file.entities["run"])
        if not all(number.isdigit() for number in place) or place in runs:
            raise DataError(f"{raw.path / file.name} must be called like CSI_sess01_run01.txt")
        runs[tuple(map(int, place))] = read_names(raw, file.name)
    rows = []
    for (session, run), names in sorted(runs.items()):
        rows += [(name.removeprefix(REPEATED), session, run) for name in names]
    table = pd.DataFrame(rows, columns=["file", "session", "run"])
    if not runs or raw.find("names", subject=subject):
        name = raw.find_one("names", subject=subject)
        listed = [line.removeprefix(REPEATED) for line in read_names(raw, name)]
        if runs and listed != table["file"].tolist():
            raise DataError(
                f"{raw.path / name} and the lists of the runs of {subject} are in different orders"
            )
        table = table if runs else pd.DataFrame({"file": listed})
    table.insert(0, "stimulus_id", [name.rpartition(".")[0] for name in table["file"]])
    if table.groupby("stimulus_id")["file"].nunique().max() > 1:
        raise DataError(f"two pictures of {subject} differ in their suffix only")
    table.insert(1, "repetition", table.groupby("stimulus_id").cumcount())
    return table


def read_subject(raw, subject, regions, trials):
    """Return the betas of a subject (presentation, neuroid), in the order of its trials."""
    blocks = []
    coords = {"neuroid_id": [], "subject": [], "region": [], "hemisphere": [], "index_in_area": []}
    for region in regions:
        for hemisphere in HEMISPHERES:
            name = find_betas(raw, subject, region, hemisphere)
            if name is None:
                continue
            values = read_values(raw, name, len(trials))
            blocks.append(values)
            for number in range(values.shape[1]):
                coords["neuroid_id"].append(f"{subject}.{hemisphere}{region}.{number:04d}")
                coords["subject"].append(subject)
                coords["region"].append(region)
                coords["hemisphere"].append(hemisphere)
                coords["index_in_area"].append(number)
    labels = {}
    for name, column in coords.items():
        kind = np.int64 if name == "index_in_area" else object
        labels[name] = ("neuroid", np.array(column, dtype=kind))
    return xr.DataArray(
        np.concatenate(blocks, axis=1), dims=("presentation", "neuroid"), coords=labels
    )


def find_betas(raw, subject, region, hemisphere):
    """Return the name of the betas of a region of a hemisphere; None, and warn, where it has none.

    Raises
    ------
    DataError
        Neither hemisphere has any.
    """
    found = {}
    for side in HEMISPHERES:
        for area in AREAS[region]:
            files = raw.find("betas", subject=subject, area=f"{side}{area}")
            if files and side not in found:
                found[side] = files[0].name
    if not found:
        raw.find_one("betas", subject=subject, area=f"{hemisphere}{region}")
    if hemisphere not in found:
        warn_user(f"{subject} has no betas of {hemisphere}{region}.")
        return None
    return found[hemisphere]


def read_values(raw, name, n_trials):
    """Return betas (trial, voxel)."""
    path = raw.locate_whole(name)
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error}). It may have been cut short: "
            "fetch or copy it again."
        ) from error
    if values.ndim != 2 or len(values) != n_trials:
        raise DataError(
            f"{path} must be (trial, voxel) with {n_trials} trials, as the list of pictures, got "
            f"{values.shape}"
        )
    return values.astype(np.float32)


def join_subjects(parts, tables):
    """Return the responses of all subjects, by stimulus and repetition, NaN where one lacks it.

    Of a single subject, presentations have session and run where they are known.
    """
    keys = ["stimulus_id", "repetition"]
    indices = [pd.MultiIndex.from_frame(table[keys]) for table in tables]
    index = indices[0]
    for other in indices[1:]:
        index = index.append(other[~other.isin(index)])
    n_neuroids = sum(part.sizes["neuroid"] for part in parts)
    values = np.full((len(index), n_neuroids), np.nan, dtype=np.float32)
    start = 0
    for part, own in zip(parts, indices, strict=True):
        stop = start + part.sizes["neuroid"]
        values[index.get_indexer(own), start:stop] = part.values
        start = stop
    neuroids = xr.concat([part.isel(presentation=0, drop=True) for part in parts], "neuroid")
    labels = {
        "stimulus_id": index.get_level_values(0).to_numpy(dtype=object),
        "repetition": index.get_level_values(1).to_numpy(),
    }
    if len(tables) == 1:
        labels |= {
            name: tables[0][name].to_numpy() for name in ("session", "run") if name in tables[0]
        }
    return xr.DataArray(
        values,
        dims=("presentation", "neuroid"),
        coords={
            **{name: ("presentation", column) for name, column in labels.items()},
            **neuroids.coords,
        },
        attrs={"units": "% signal change"},
    )


def split_stimuli(raw, ids):
    """Return the repeated pictures to test on, and the others to train on."""
    names = read_names(raw, raw.find_one("repeated"))
    repeated = {name.removeprefix(REPEATED).rpartition(".")[0] for name in names}
    return {
        "test": [name for name in ids if name in repeated],
        "train": [name for name in ids if name not in repeated],
    }


def open_stimuli(raw, files):
    """Return the pictures as presented, None where there is none."""
    import neurolens as nl

    base = raw.card["layout"]["pictures"].partition("{")[0]
    names = []
    origins = []
    lost = []
    for file in files.values():
        places = [folder for folder in FOLDERS if raw.has(f"{base}{folder}/{file}")]
        if not places:
            lost.append(file)
            continue
        origins.append(places[0])
        names.append(f"{base}{places[0]}/{file}")
    if not names:
        return None
    if lost:
        raise DataError(f"{raw.path / base} lacks the pictures {list_names(lost)}")
    metadata = pd.DataFrame({"origin": origins}, index=pd.Index(list(files), name="stimulus"))
    return nl.load_stimuli([raw.locate(name) for name in names], ids=list(files), metadata=metadata)
