"""RDMs of brain regions for pictures: one matrix per region, averaged over subjects."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.errors import InputError
from neurolens.labels import (
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    UNNAMED,
    align_labels,
    check_dims,
)


def average_brain(brain: xr.DataArray, ids: Sequence[Any], name: str) -> dict[str, np.ndarray]:
    """Return one matrix per region, stimuli in the order of ``ids``, averaged over subjects.

    Parameters
    ----------
    brain : DataArray ([region, subject,] stimulus, stimulus_2)
        A subject without the region has NaN there.
    ids : sequence of stimulus id
    name : str
        What messages call ``brain``.

    Raises
    ------
    InputError
        For anything else than a DataArray.
    LabelError
        When dimensions or stimuli do not match.
    """
    check_array(brain, name, "holds the brain's RDMs (dataset.rdms)")
    outer = [dim for dim in (REGION, SUBJECT) if dim in brain.dims]
    check_dims(brain, [*outer, STIMULUS, STIMULUS_2], name)
    brain = align_labels(brain, ids, name=name, other="rdms")
    if SUBJECT in brain.dims:
        brain = brain.mean(SUBJECT, skipna=True)
    if REGION not in brain.dims:
        brain = brain.expand_dims({REGION: [UNNAMED[REGION]]})
    brain = brain.transpose(REGION, STIMULUS, STIMULUS_2)
    return dict(zip(map(str, brain[REGION].values), brain.values, strict=True))


def rank_pairs(matrix: np.ndarray) -> np.ndarray:
    """Return the mean ranks of the pairs above the diagonal, row by row, from 0 to 1.

    Equal dissimilarities have equal ranks; NaN stays NaN.
    """
    pairs = pd.Series(matrix[np.triu_indices(len(matrix), 1)])
    return ((pairs.rank() - 1) / max(1, pairs.count() - 1)).to_numpy()


def check_array(array: Any, name: str, origin: str) -> None:
    """Raise InputError for anything else than a DataArray."""
    if not isinstance(array, xr.DataArray):
        raise InputError(
            f"{name} must be a DataArray over stimulus and stimulus_2, got "
            f"{type(array).__name__}. Pass the DataArray that {origin}.",
            anchor="wrong-object",
        )
