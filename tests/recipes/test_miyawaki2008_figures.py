"""Twenty figures and the voxels of early visual cortex."""

import numpy as np
import xarray as xr
from mirror import needs_mirror

import neurolens as nl


@needs_mirror("miyawaki2008_figures")
def test_figures_are_twenty_and_drive_early_visual_cortex():
    brain = nl.load_dataset("miyawaki2008_figures")
    responses = brain.responses
    assert dict(responses.sizes) == {"presentation": 119, "neuroid": 967}
    repeats = np.unique(responses.stimulus_id, return_counts=True)[1]
    assert (repeats.min(), repeats.max()) == (4, 8)
    assert set(responses.stimulus_id.values) == set(brain.stimuli.ids)
    rdms = nl.compute_rdms(responses, metric="crossnobis", runs="repetition")
    pixels = np.stack(
        [np.asarray(brain.stimuli[i], dtype=float).ravel() for i in rdms.stimulus.values]
    )
    model = xr.DataArray(
        pixels, dims=("stimulus", "pixel"), coords={"stimulus": rdms.stimulus.values}
    )
    scores = nl.compare_rdms(
        nl.compute_rdms(model, metric="euclidean"), rdms, n_bootstrap=0, n_splits=0
    )
    assert scores.score.item() > 0.3
