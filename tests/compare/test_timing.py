"""Responses over time: each time bin as if it were alone."""

import numpy as np
import pytest
import xarray as xr

from neurolens.compare import compute_ncsnr, fit_encoding, permute_encoding
from neurolens.errors import LabelError

IDS = [f"s{i}" for i in range(24)]


@pytest.fixture
def features(rng):
    return xr.DataArray(rng.normal(size=(24, 4)), dims=("stimulus", "feature"), coords={"stimulus": IDS})


@pytest.fixture
def responses(rng, features):
    """Six neuroids at three times, each stimulus twice; the second time bin holds what the features say."""
    weights = xr.DataArray(rng.normal(size=(4, 6)), dims=("feature", "neuroid"))
    once = (features @ weights).expand_dims(time_bin=3, axis=2).copy()
    once[..., [0, 2]] = 0
    twice = np.concatenate([once + rng.normal(size=once.shape) for _ in range(2)])
    return xr.DataArray(
        twice,
        dims=("presentation", "neuroid", "time_bin"),
        coords={
            "stimulus_id": ("presentation", IDS * 2),
            "neuroid_id": ("neuroid", np.arange(6)),
            "region": ("neuroid", ["V1", "V1", "IT", "IT", "IT", "V1"]),
            "subject": ("neuroid", ["b", "a"] * 3),
            "time_bin": [-50, 100, 250],
            "time_bin_start": ("time_bin", [-60, 90, 240]),
        },
    )


def test_each_time_bin_is_fitted_as_if_alone(features, responses):
    ceiling = compute_ncsnr(responses)
    settings = {"cv": 4, "n_splits": 2, "n_bootstrap": 20}
    found = fit_encoding(features, responses, ceiling=ceiling, dual=True, **settings)
    assert found.score.dims == ("op", "region", "subject", "time_bin")
    assert found.r.dims == ("op", "neuroid", "time_bin")
    for time in responses.time_bin.values:
        one = responses.sel(time_bin=time, drop=True).drop_vars("time_bin_start", errors="ignore")
        alone = fit_encoding(features, one, ceiling=ceiling.sel(time_bin=time, drop=True), dual=True, **settings)
        here = found.sel(time_bin=time, drop=True).drop_vars("time_bin_start", errors="ignore")
        xr.testing.assert_allclose(here, alone)
    assert found.score_mean.idxmax("time_bin").values.tolist() == [[100, 100]]


def test_tests_know_of_all_time_bins(features, responses):
    found = permute_encoding(features, responses, cv=4, n_permutations=60)
    one = permute_encoding(features, responses.sel(time_bin=100, drop=True), cv=4, n_permutations=60)
    np.testing.assert_allclose(found.score_mean.sel(time_bin=100), one.score_mean)
    np.testing.assert_array_equal(found.p.sel(time_bin=100), one.p)
    assert (found.p_max.sel(time_bin=100) == 1 / 61).all()
    assert (found.p_max.sel(time_bin=[-50, 250]) > 0.05).all()


def test_responses_without_labels_have_them_after(features, rng):
    bare = xr.DataArray(rng.normal(size=(24, 2, 2)), dims=("stimulus", "neuroid", "time_bin"), coords={"stimulus": IDS})
    found = fit_encoding(features, bare)
    assert found.region.values.tolist() == ["brain"]
    assert found.time_bin.values.tolist() == [0, 1]
    assert dict(found.r.sizes) == {"op": 1, "neuroid": 2, "time_bin": 2}


def test_an_index_of_many_levels_is_read(features, responses):
    stacked = responses.set_index(neuroid=["neuroid_id", "region"])
    np.testing.assert_array_equal(fit_encoding(features, stacked).score, fit_encoding(features, responses).score)


def test_a_ceiling_of_other_times_is_refused(features, responses):
    ceiling = compute_ncsnr(responses).assign_coords(time_bin=[0, 1, 2])
    with pytest.raises(LabelError, match="must hold the same 18 neuroids"):
        fit_encoding(features, responses, ceiling=ceiling)
