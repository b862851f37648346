"""Components of a projection or of principal components do not keep every distance."""

import json
import warnings

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.stats import spearmanr
from torch import nn

import neurolens as nl
from neurolens.compare import compute_rdms

PAIRS = np.triu_indices(20, 1)


@pytest.fixture(scope="module")
def unit_features():
    """Features of 20 stimuli whose means over units differ a lot between stimuli."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((20, 4000)) + 3 * rng.standard_normal((20, 1))


@pytest.fixture(scope="module")
def reduced(unit_features):
    """Return a function that extracts these features with a reducer."""
    ids = [f"s{i}" for i in range(20)]
    stimuli = nl.load_stimuli(torch.tensor(unit_features, dtype=torch.float32), ids=ids)

    def extract(reducer):
        model = nn.Sequential(nn.Hardtanh(-1e3, 1e3))
        return nl.extract_activations(model, stimuli, reducer=reducer, quiet=True)

    return extract


def correlate(rdms, features, metric):
    whole = compute_rdms(
        xr.DataArray(
            features, dims=("stimulus", "feature"), coords={"stimulus": rdms.stimulus.values}
        ),
        metric=metric,
    )
    return spearmanr(rdms.values[0][PAIRS], whole.values[PAIRS]).statistic


def test_a_projection_loses_correlation_distances_and_says_so(reduced, unit_features):
    acts = reduced(nl.extract.Project(n_components=800))
    with pytest.warns(RuntimeWarning, match="correlation distances of components .*hardtanh"):
        rdms = compute_rdms(acts)
    assert correlate(rdms, unit_features, "correlation") < 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in ("euclidean", "cosine"):
            assert correlate(compute_rdms(acts, metric=metric), unit_features, metric) > 0.9


def test_principal_components_keep_euclidean_distances_only(reduced, unit_features):
    ids = [f"s{i}" for i in range(20)]
    acts = reduced(nl.extract.PCA(19, fit_on=ids))
    for metric in ("correlation", "cosine"):
        with pytest.warns(RuntimeWarning, match=f"{metric} distances of components"):
            rdms = compute_rdms(acts, metric=metric)
        assert correlate(rdms, unit_features, metric) < 0.99
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rdms = compute_rdms(acts, metric="euclidean")
    assert correlate(rdms, unit_features, "euclidean") > 0.999


def test_what_stayed_whole_and_other_reducers_are_not_named(unit_features):
    steps = [{"kind": "project", "stayed_whole": "has 20 units"}, {"kind": "pool"}]
    array = xr.DataArray(
        unit_features[:, :30],
        dims=("stimulus", "component"),
        coords={"stimulus": np.arange(20)},
        attrs={"reducers": json.dumps(steps)},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compute_rdms(array)
