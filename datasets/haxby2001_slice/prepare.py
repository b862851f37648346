"""One half slice of Haxby et al. (2001): a response per block, in % signal change."""

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.datasets.blocks import average_blocks
from neurolens.datasets.neuroids import find_voxels, label_voxels
from neurolens.datasets.volumes import read_series, read_volume

# Two volumes of 2.5 s: the response lags behind the picture.
LAG = 2
REGION = "posterior slice"


def prepare(raw, *, subjects=None, regions=None):
    """Return responses (presentation, neuroid): 12 runs x 8 categories, 530 voxels.

    There is one subject and one region, whichever are asked for.
    """
    mask = read_volume(raw, "mask.nii.gz")
    voxels = find_voxels({REGION: mask.values > 0}, mask.affine)
    series = read_series(raw, "bold.nii.gz", voxels.places, mask)
    path = raw.locate_whole("attributes_literal.txt")
    table = pd.read_csv(path, sep=r"\s+", names=["category", "run"])
    categories = table["category"].to_numpy(dtype=object)
    blocks = average_blocks(series, categories, table["run"].to_numpy(), lag=LAG)
    coords = label_voxels({"1": voxels})
    coords["stimulus_id"] = ("presentation", blocks.categories)
    coords["run"] = ("presentation", blocks.runs)
    attrs = {
        "units": "% signal change",
        "voxel_units": "mm",
        "affine": voxels.affine.ravel().tolist(),
        "shape": list(voxels.shape),
    }
    responses = xr.DataArray(
        np.asarray(blocks.values), dims=("presentation", "neuroid"), coords=coords, attrs=attrs
    )
    return {"responses": responses}
