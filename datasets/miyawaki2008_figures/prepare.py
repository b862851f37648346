"""Twenty figures and the voxel patterns of each, from Miyawaki et al. (2008)."""

import numpy as np
import scipy.io
import xarray as xr


def prepare(raw, *, subjects=None, regions=None):
    """Return the distinct figures, and responses with stimulus_id, run and repetition.

    There is one subject and one region, whichever are asked for.
    """
    import neurolens as nl

    content = scipy.io.loadmat(raw.locate_whole("miyawaki_structured_28x28.mat"))
    pixels, voxels, runs = (
        np.concatenate([content[f"{name}{part}"] for part in ("Trn", "Test")]).astype(float)
        for name in ("stim", "fmri", "label")
    )
    # Pixels run down the columns.
    shown = [np.reshape(row, (28, 28)).T for row in pixels]
    distinct = {image.tobytes(): image for image in shown}
    places = [list(distinct).index(image.tobytes()) for image in shown]
    ids = [f"figure-{k + 1:02d}" for k in range(len(distinct))]
    images = np.stack(list(distinct.values()))
    images = np.repeat((255 * images / images.max()).astype(np.uint8)[..., None], 3, axis=-1)
    repetition = [places[:k].count(place) for k, place in enumerate(places)]
    responses = xr.DataArray(
        voxels,
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": (
                "presentation",
                np.array([ids[place] for place in places], dtype=object),
            ),
            "run": ("presentation", runs.ravel().astype(int)),
            "repetition": ("presentation", repetition),
            "neuroid_id": (
                "neuroid",
                np.array([f"voxel-{k:03d}" for k in range(voxels.shape[1])], dtype=object),
            ),
            "subject": ("neuroid", np.full(voxels.shape[1], "1", dtype=object)),
            "region": ("neuroid", np.full(voxels.shape[1], "visual cortex", dtype=object)),
        },
        attrs={"units": "normalised BOLD"},
    )
    return {"stimuli": nl.load_stimuli(images, ids=ids), "responses": responses}
