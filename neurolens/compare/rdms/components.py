"""A warning about distances that components of features do not keep."""

import json
from collections.abc import Sequence

import xarray as xr

from neurolens.errors import warn_user
from neurolens.labels import list_names

# Reducers that replace units by components, and the metrics that those do not keep: correlation is
# about the mean over units, which no component holds, and cosine about the origin, which principal
# components, being centered over stimuli, leave.
LOST = {"project": ("correlation",), "pca": ("correlation", "cosine")}


def warn_components(arrays: Sequence[xr.DataArray], names: Sequence[str], metric: str) -> None:
    """Warn once, naming what holds components that do not keep the distances of ``metric``.

    Parameters
    ----------
    arrays : sequence of DataArray
        Activations; those that were reduced have the attribute "reducers".
    names : sequence of str
        What warnings call each of them.
    metric : str
    """
    pairs = zip(arrays, names, strict=True)
    lost = [name for array, name in pairs if _is_lost(array, metric)]
    if lost:
        warn_user(
            f"{metric} distances of components are not those of the units that were reduced: "
            f"{list_names(lost)}. Use metric='euclidean', which components keep, or make the RDMs "
            "of all units from Grams: compute_rdms(extract_grams(model, stimuli))."
        )


def _is_lost(array: xr.DataArray, metric: str) -> bool:
    steps = json.loads(array.attrs.get("reducers", "[]"))
    return any(
        metric in LOST.get(step.get("kind"), ()) and "stayed_whole" not in step for step in steps
    )
