"""One half slice of Haxby et al. (2001): a response per block, in % signal change."""

import numpy as np
import pandas as pd
import xarray as xr

# Two volumes of 2.5 s: the response lags behind the picture.
LAG = 2


def prepare(raw):
    """Return responses (presentation, neuroid): 12 runs x 8 categories, 530 voxels."""
    bold, places, affine = read_volumes(raw)
    table = pd.read_csv(raw / "attributes_literal.txt", sep=r"\s+", names=["category", "run"])
    rows, labels, runs = [], [], []
    for run in table["run"].unique():
        here = np.flatnonzero(table["run"] == run)
        names = table["category"].to_numpy()[here]
        values = detrend(bold[here])
        rest = values[names == "rest"].mean(axis=0)
        for category in dict.fromkeys(names[names != "rest"]):
            block = np.minimum(np.flatnonzero(names == category) + LAG, len(here) - 1)
            rows.append(100 * (values[block].mean(axis=0) / rest - 1))
            labels.append(category)
            runs.append(int(run))
    where = places @ affine[:3, :3].T + affine[:3, 3]
    coords = {
        "stimulus_id": ("presentation", np.array(labels, dtype=object)),
        "run": ("presentation", runs),
        "neuroid_id": ("neuroid", np.array([f"1-{x}-{y}-{z}" for x, y, z in places], dtype=object)),
        "subject": ("neuroid", np.full(len(places), "1", dtype=object)),
        "region": ("neuroid", np.full(len(places), "posterior slice", dtype=object)),
    }
    coords |= {f"voxel_{axis}": ("neuroid", where[:, k]) for k, axis in enumerate("xyz")}
    attrs = {"units": "% signal change", "voxel_units": "mm"}
    responses = xr.DataArray(
        np.stack(rows), dims=("presentation", "neuroid"), coords=coords, attrs=attrs
    )
    return {"responses": responses}


def read_volumes(raw):
    """Return volumes (time, voxel) inside the mask, the voxels' indices and the affine in mm."""
    import nibabel

    mask = nibabel.load(raw / "mask.nii.gz")
    inside = mask.get_fdata() > 0
    return nibabel.load(raw / "bold.nii.gz").get_fdata()[inside].T, np.argwhere(inside), mask.affine


def detrend(values):
    """Return ``values`` (time, voxel) less their linear trend, keeping their mean."""
    time = np.arange(len(values)) - (len(values) - 1) / 2
    return values - np.outer(time, time @ values / (time @ time))
