"""Responses and features made by hand or at random for the tests of encoding."""

import numpy as np
import xarray as xr


def label_features(values, prefix="s") -> xr.DataArray:
    """Return ``values`` (stimulus, ...) with stimuli "s0", "s1", ..."""
    dims = ("stimulus", *(f"axis_{k}" for k in range(np.ndim(values) - 1)))
    return xr.DataArray(
        values, dims=dims, coords={"stimulus": [f"{prefix}{i}" for i in range(len(values))]}
    )


def label_responses(values, *, ids=None, region=None, subject=None) -> xr.DataArray:
    """Return ``values`` (presentation, neuroid) with BrainIO's names.

    Each row is another stimulus unless ``ids`` are given.
    """
    n, v = np.shape(values)
    ids = [f"s{i}" for i in range(n)] if ids is None else ids
    seen = {}
    repetition = [seen.setdefault(i, []).append(0) or len(seen[i]) - 1 for i in ids]
    coords = {
        "stimulus_id": ("presentation", ids),
        "repetition": ("presentation", repetition),
        "neuroid_id": ("neuroid", [f"n{k}" for k in range(v)]),
    }
    for name, labels in (("region", region), ("subject", subject)):
        if labels is not None:
            coords[name] = ("neuroid", labels)
    return xr.DataArray(np.asarray(values), dims=("presentation", "neuroid"), coords=coords)


def build_grams(arrays: dict) -> xr.Dataset:
    """Return what extract_grams would, for features (stimulus, ...) by op."""
    flat = {
        op: array.values.reshape(array.sizes["stimulus"], -1).astype(float)
        for op, array in arrays.items()
    }
    ids = next(iter(arrays.values())).stimulus.values
    return xr.Dataset(
        {
            "gram": (("op", "stimulus", "stimulus_2"), np.stack([x @ x.T for x in flat.values()])),
            "row_sum": (("op", "stimulus"), np.stack([x.sum(axis=1) for x in flat.values()])),
            "n_features": ("op", [x.shape[1] for x in flat.values()]),
        },
        coords={"op": list(flat), "stimulus": ids, "stimulus_2": ids},
    )


def build_tree(arrays: dict) -> xr.DataTree:
    """Return what extract_activations would, for features (stimulus, ...) by op."""
    return xr.DataTree.from_dict(
        {
            f"/{op}": array.rename("activation").assign_attrs(op=op).to_dataset()
            for op, array in arrays.items()
        }
    )
