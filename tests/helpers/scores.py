"""Scores made by hand, in the form that functions that take scores read."""

import numpy as np
import xarray as xr

from neurolens.scores import build_scores

OPS = ("a", "b", "c")
REGIONS = ("V1", "IT")


def label_scores(values, *, ops=OPS, regions=REGIONS, subjects=("group",)) -> xr.DataArray:
    """Return ``values`` (op, region[, subject]) with labels; without subjects all get the same."""
    values = np.asarray(values, dtype=float)
    if values.ndim == 2:
        values = np.repeat(values[:, :, None], len(subjects), axis=2)
    coords = {"op": list(ops), "region": list(regions), "subject": list(subjects)}
    return xr.DataArray(values, dims=tuple(coords), coords=coords)


def make_scores(values, *, method="rsa", measure="spearman", n_stimuli=20, labels=None, **form):
    """Return scores of ``values`` (op, region[, subject]); ``form`` goes to build_scores."""
    score = label_scores(values, **(labels or {}))
    return build_scores(score, method=method, measure=measure, n_stimuli=n_stimuli, **form)
