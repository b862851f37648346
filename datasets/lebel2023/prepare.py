"""Listening to stories: preprocessed fMRI volumes of whole cortex, from OpenNeuro ds003020."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.datasets.volumes import find_array, open_hdf5
from neurolens.errors import DataError, InputError
from neurolens.labels import list_names

# The story that was heard in each session, to test on.
TEST_STORY = "wheretheressmoke"
REGION = "cortex"
MEAN = "data"  # (volume, voxel)
REPEATS = "individual_repeats"  # (repetition, volume, voxel)


def prepare(raw, *, subjects=None, regions=None, stories=(TEST_STORY,), repeats=False):
    """Return responses (presentation, neuroid): a presentation is a volume of a story.

    Parameters
    ----------
    raw : Folder
    subjects : tuple of str or None
        Default: all in the copy.
    regions : tuple of str or None
        There is one, whichever is asked for.
    stories : sequence of str
    repeats : bool
        Give each repetition of the test story, not its mean.
    """
    chosen = subjects or sorted({file.entities["subject"] for file in raw.find("responses")})
    if not chosen:
        raise DataError(f"there is no UTS01 ... in {raw.path}.{raw.describe_source()}")
    names = check_stories(stories)
    if repeats and names != [TEST_STORY]:
        raise InputError(f"only {TEST_STORY!r} was repeated: ask for it alone with repeats=True.")
    parts = {}
    for subject in chosen:
        held = {story: read_story(raw, subject, story, repeats) for story in names}
        sizes = {values.shape[-1] for values in held.values()}
        if len(sizes) > 1:
            raise DataError(
                f"the stories of {subject} in {raw.path} have different voxels: {sizes}"
            )
        parts[subject] = held
    responses = label_responses(parts, names)
    ids = list(dict.fromkeys(responses["stimulus_id"].values.tolist()))
    split = {
        "test": [name for name in ids if name.startswith(f"{TEST_STORY}.")],
        "train": [name for name in ids if not name.startswith(f"{TEST_STORY}.")],
    }
    return {"responses": responses, "splits": {"lebel2023": split}}


def check_stories(stories):
    """Return the names of the stories asked for."""
    names = [stories] if isinstance(stories, str) else stories
    is_list = isinstance(names, Sequence) and len(names) > 0
    if not is_list or not all(isinstance(name, str) and name.isalnum() for name in names):
        raise InputError(f"stories must be a name or names like {TEST_STORY!r}, got {stories!r}.")
    if len(set(names)) < len(names):
        raise InputError(f"stories={stories!r} names one twice.")
    return list(names)


def read_story(raw, subject, story, repeats):
    """Return the volumes of a story (repetition, volume, voxel), float32."""
    files = raw.find("responses", subject=subject, story=story)
    if not files:
        known = [file.entities["story"] for file in raw.find("responses", subject=subject)]
        raise DataError(
            f"{subject} has no story {story!r} in {raw.path}. It has {list_names(known, 12)}."
            f"{raw.describe_source()}"
        )
    path = raw.path / files[0].name
    with open_hdf5(raw, files[0].name) as file:
        mean = find_array(file, MEAN, path)
        if mean.ndim != 2 or mean.shape[0] >= mean.shape[1]:
            raise DataError(
                f"{MEAN!r} in {path} must be (volume, voxel), with more voxels than volumes, got "
                f"{mean.shape}"
            )
        if not repeats:
            return mean[()].astype(np.float32)[None]
        single = find_array(file, REPEATS, path)
        if single.ndim != 3 or single.shape[1:] != mean.shape:
            raise DataError(
                f"{REPEATS!r} in {path} must be (repetition, volume, voxel) = (repetition, "
                f"{mean.shape[0]}, {mean.shape[1]}), got {single.shape}"
            )
        return single[()].astype(np.float32)


def list_rows(held, names):
    """Return the repetition, story and number from 0 of each volume."""
    rows = []
    for story in names:
        n_repetitions, n_volumes, _ = held[story].shape
        for repetition in range(n_repetitions):
            rows += [(story, number, repetition) for number in range(n_volumes)]
    return pd.MultiIndex.from_tuples(rows, names=["story", "volume", "repetition"])


def label_responses(parts, names):
    """Return the responses of all subjects, NaN where one lacks a volume that others have."""
    indices = {subject: list_rows(held, names) for subject, held in parts.items()}
    index = next(iter(indices.values()))
    for other in list(indices.values())[1:]:
        index = index.append(other[~other.isin(index)])
    blocks = []
    neuroids = []
    owners = []
    for subject, held in parts.items():
        flat = [held[story].reshape(-1, held[story].shape[-1]) for story in names]
        values = np.concatenate(flat)
        block = np.full((len(index), values.shape[1]), np.nan, dtype=np.float32)
        block[index.get_indexer(indices[subject])] = values
        blocks.append(block)
        neuroids += [f"{subject}.{voxel:06d}" for voxel in range(values.shape[1])]
        owners += [subject] * values.shape[1]
    story, volume, repetition = (index.get_level_values(k).to_numpy() for k in range(3))
    ids = [f"{name}.{number:04d}" for name, number in zip(story, volume, strict=True)]
    return xr.DataArray(
        np.concatenate(blocks, axis=1),
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", np.array(ids, dtype=object)),
            "story": ("presentation", story.astype(object)),
            "volume": ("presentation", volume),
            "repetition": ("presentation", repetition),
            "neuroid_id": ("neuroid", np.array(neuroids, dtype=object)),
            "subject": ("neuroid", np.array(owners, dtype=object)),
            "region": ("neuroid", np.full(len(owners), REGION, dtype=object)),
        },
        attrs={"units": "BOLD, as preprocessed by the authors", "repetition_time_seconds": 2.0045},
    )
