"""Responses to single trials of subjects, who may have seen different stimuli, in one array."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.datasets.neuroids import Voxels, label_voxels
from neurolens.errors import DataError
from neurolens.labels import NEUROID, PRESENTATION, STIMULUS_ID, list_names

REPETITION = "repetition"


class SubjectTrials(NamedTuple):
    """Responses of one subject.

    ``trials``: a row per trial with ``stimulus_id``, ``repetition`` and others. ``values`` (trial,
    voxel). ``voxels``: where these are. ``measures``: name -> (voxel,), such as "ncsnr".
    """

    trials: pd.DataFrame
    values: np.ndarray
    voxels: Voxels
    measures: dict[str, np.ndarray]


def join_subjects(by_subject: dict[str, SubjectTrials], attrs: dict[str, Any]) -> xr.DataArray:
    """Return responses (presentation, neuroid), float32, of all subjects.

    Trials of two subjects are the same presentation where stimulus and repetition are. Where a
    subject lacks one, its voxels are NaN. Of a single subject all columns of the trials become
    coordinates, and the attributes ``affine`` (16,) and ``shape`` (3,) are those of its voxels.

    Raises
    ------
    DataError
        Two trials of a subject are the same repetition of a stimulus.
    """
    keys = [STIMULUS_ID, REPETITION]
    for subject, part in by_subject.items():
        repeated = part.trials.duplicated(keys)
        if repeated.any():
            names = part.trials.loc[repeated, STIMULUS_ID]
            raise DataError(f"trials of {subject} are listed twice, of {list_names(names)}")
    rows = pd.concat([part.trials[keys] for part in by_subject.values()]).drop_duplicates(keys)
    values = _join_values(by_subject, rows)
    columns = rows
    attributes = dict(attrs)
    if len(by_subject) == 1:
        [only] = by_subject.values()
        columns = only.trials
        attributes["affine"] = only.voxels.affine.ravel().tolist()
        attributes["shape"] = list(only.voxels.shape)
    coords = label_voxels({name: part.voxels for name, part in by_subject.items()})
    for measure in next(iter(by_subject.values())).measures:
        of_all = [part.measures[measure] for part in by_subject.values()]
        coords[measure] = (NEUROID, np.concatenate(of_all))
    for column in columns.columns:
        labels = columns[column].to_numpy()
        is_text = not pd.api.types.is_numeric_dtype(columns[column])
        coords[str(column)] = (PRESENTATION, labels.astype(object) if is_text else labels)
    return xr.DataArray(values, dims=(PRESENTATION, NEUROID), coords=coords, attrs=attributes)


def _join_values(by_subject: dict[str, SubjectTrials], rows: pd.DataFrame) -> np.ndarray:
    """Return the values (row, neuroid), float32, of all subjects; those of a single one uncopied.

    ``rows`` are stimuli and repetitions, each once, in order of appearance.
    """
    if len(by_subject) == 1:
        [only] = by_subject.values()
        return only.values.astype(np.float32, copy=False)
    index = pd.MultiIndex.from_frame(rows)
    n_neuroids = sum(part.values.shape[1] for part in by_subject.values())
    values = np.full((len(rows), n_neuroids), np.nan, dtype=np.float32)
    start = 0
    for part in by_subject.values():
        stop = start + part.values.shape[1]
        places = index.get_indexer(pd.MultiIndex.from_frame(part.trials[list(rows.columns)]))
        values[places, start:stop] = part.values
        start = stop
    return values
