"""Presentations of several subjects, whose neuroids are not the same ones."""

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.labels.names import NEUROID, PRESENTATION, SUBJECT, list_names

# Coordinates that say whose presentations are; columns of events may keep names of their own.
SUBJECTS = (SUBJECT, f"event_{SUBJECT}", "participant_id")


def refuse_mixed_subjects(responses: xr.DataArray, name: str = "responses") -> None:
    """Raise InputError where a neuroid has presentations of several subjects.

    A mean over these would be of no brain. Subjects whose neuroids are NaN in the presentations of
    others are apart.
    """
    for key in SUBJECTS:
        coord = responses.coords.get(key)
        if coord is None or PRESENTATION not in coord.dims:
            continue
        labels = coord.transpose(PRESENTATION, ...).values.astype(str)
        if not (labels != labels[:1]).any():
            continue
        if _count_subjects(responses, labels) > 1:
            raise InputError(
                f"{name} hold presentations of several subjects, {list_names(np.unique(labels))} "
                f"by {key!r}, which would be averaged. Take each by itself and join them with "
                f"xr.concat(..., 'neuroid'); if the mean is meant, x.drop_vars({key!r}).",
                anchor="several-subjects",
            )


def _count_subjects(responses: xr.DataArray, labels: np.ndarray) -> int:
    """Return the largest number of subjects of whom a neuroid has values."""
    values = responses.transpose(PRESENTATION, NEUROID, ..., missing_dims="ignore")
    shape = (len(labels), responses.sizes.get(NEUROID, 1), -1)
    known = values.notnull().values.reshape(shape).any(axis=2)
    labels = labels.reshape(len(labels), -1)  # (presentation, 1 or neuroid)
    has_values = [(known & (labels == one)).any(axis=0) for one in np.unique(labels)]
    return int(np.sum(has_values, axis=0).max(initial=0))
