"""Responses that were not recorded in part: what each group of neuroids keeps."""

import warnings

import numpy as np
import pytest
import xarray as xr
from brains import label_features, label_responses

from neurolens import compare
from neurolens.errors import InputError

N = 8
IDS = [f"s{i}" for i in range(N)]


def build_responses(rng, repeats=3, v=12) -> xr.DataArray:
    values = np.tile(3 * rng.normal(size=(N, v)), (repeats, 1)) + rng.normal(size=(repeats * N, v))
    data = label_responses(values, ids=IDS * repeats, subject=["A"] * 6 + ["B"] * (v - 6))
    return data.assign_coords(run=("presentation", np.repeat(np.arange(repeats), N)))


def compute_alone(data, **settings):
    """Return the RDMs of ``data``, which must be complete."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return compare.compute_rdms(data, **settings)


def test_other_repeats_are_used(rng):
    """The mean of the presentations that were recorded, without a warning: none is left out."""
    data = build_responses(rng)
    data[3, 2] = np.nan
    data[N + 5, 7] = np.nan
    means = data.groupby("stimulus_id").mean().rename(stimulus_id="stimulus")
    np.testing.assert_allclose(
        compute_alone(data), compute_alone(means.sel(stimulus=IDS)), atol=1e-12
    )


@pytest.mark.parametrize("metric", ["correlation", "euclidean"])
def test_a_neuroid_without_a_stimulus_is_left_out_and_named(rng, metric):
    data = build_responses(rng)
    data[3::N, 2] = np.nan
    with pytest.warns(RuntimeWarning, match="1 of 12 neuroids are NaN for some stimulus .*: 'n2'"):
        found = compare.compute_rdms(data, metric=metric)
    others = [k for k in range(12) if k != 2]
    np.testing.assert_allclose(found, compute_alone(data[:, others], metric=metric), atol=1e-12)


@pytest.mark.parametrize("metric", ["mahalanobis", "crossnobis"])
def test_noise_metrics_leave_out_a_neuroid_that_missed_a_presentation(rng, metric):
    data = build_responses(rng)
    data[3, 2] = np.nan
    settings = {"metric": metric, "noise": "identity"}
    with pytest.warns(RuntimeWarning, match="NaN for some presentation .* left out there: 'n2'"):
        found = compare.compute_rdms(data, **settings)
    others = [k for k in range(12) if k != 2]
    np.testing.assert_allclose(found, compute_alone(data[:, others], **settings), atol=1e-12)


@pytest.mark.parametrize("metric", ["correlation", "mahalanobis", "crossnobis"])
def test_a_subject_who_lacks_a_stimulus_keeps_the_others(rng, metric):
    """NaN for that stimulus, also on the diagonal; the rest is as if it had never been shown."""
    data = build_responses(rng)
    data[3::N, 6:] = np.nan
    settings = {"metric": metric} | ({} if metric == "correlation" else {"noise": "identity"})
    with pytest.warns(RuntimeWarning) as caught:
        found = compare.compute_rdms(data, **settings)
    assert len(caught) == 1
    assert "stimuli in subject 'B': 's3'. Drop those" in str(caught[0].message)
    assert np.isnan(found.sel(subject="B", stimulus="s3")).all()
    kept = [i for i in IDS if i != "s3"]
    alone = data.isel(presentation=data.stimulus_id.values != "s3")
    np.testing.assert_allclose(
        found.sel(stimulus=kept, stimulus_2=kept, subject="B"),
        compute_alone(alone, **settings).sel(subject="B"),
        atol=1e-12,
    )
    whole = compute_alone(data[:, :6], **settings)
    np.testing.assert_allclose(found.sel(subject="A"), whole.sel(subject="A"), atol=1e-12)


def test_subjects_joined_by_presentation(rng):
    """Each subject has presentations of its own, NaN for the others."""
    data = build_responses(rng)
    parts = [data[:, :6], data.isel(neuroid=slice(6, 12), presentation=slice(0, 2 * N))]
    joined = np.full((5 * N, 12), np.nan)
    joined[: 3 * N, :6] = parts[0]
    joined[3 * N :, 6:] = parts[1]
    both = label_responses(joined, ids=IDS * 5, subject=["A"] * 6 + ["B"] * 6)
    both = both.assign_coords(run=("presentation", np.repeat(np.arange(5), N)))
    for settings in ({}, {"metric": "crossnobis", "noise": "identity"}):
        found = compute_alone(both, **settings)
        for part, subject in zip(parts, "AB", strict=True):
            alone = compute_alone(part, **settings).sel(subject=subject)
            np.testing.assert_allclose(found.sel(subject=subject), alone, atol=1e-12)
    for function in (compare.compute_ncsnr, compare.compute_split_half):
        found = function(both)
        np.testing.assert_allclose(found.neuroid_repeats, [3] * 6 + [2] * 6)
    ncsnr = compare.compute_ncsnr(both)
    for part in parts:
        k = [both.neuroid_id.values.tolist().index(i) for i in part.neuroid_id.values]
        np.testing.assert_allclose(ncsnr[k], compare.compute_ncsnr(part))


def test_time_bins_that_were_not_recorded(rng):
    data = build_responses(rng).drop_vars("subject")
    timed = xr.concat([data, data * 2 + rng.normal(size=data.shape)] * 2, "time_bin")
    timed = timed.assign_coords(time_bin=[0, 10, 20, 30]).copy()
    timed[1, 3::N, 2] = np.nan
    timed[2] = np.nan
    with pytest.warns(RuntimeWarning) as caught:
        found = compare.compute_rdms(timed)
    said = " ".join(str(w.message) for w in caught)
    assert "left out there: 'n0', 'n1'" not in said
    assert "the data, time bin 20: 's0', 's1'" in said
    assert np.isnan(found.sel(time_bin=20)).all()
    np.testing.assert_allclose(found.sel(time_bin=[0, 30]), compute_alone(timed[[0, 3]]))
    others = [k for k in range(12) if k != 2]
    np.testing.assert_allclose(found.sel(time_bin=10), compute_alone(timed[1, :, others]))


def test_grams(rng):
    data = build_responses(rng)
    data[3, 2] = np.nan
    data[4::N, 1] = np.nan
    with pytest.warns(RuntimeWarning, match="left out there: 'n1'"):
        found = compare.compute_grams(data)
    assert found.n_features.values.tolist() == [5, 6]
    means = data.groupby("stimulus_id").mean().sel(stimulus_id=IDS).values
    means = means[:, [0, 2, 3, 4, 5]]
    np.testing.assert_allclose(found.gram.sel(subject="A"), means @ means.T)
    np.testing.assert_allclose(found.row_sum.sel(subject="A"), means.sum(axis=1))


def test_searchlights(rng):
    data = build_responses(rng).isel(neuroid=slice(6)).drop_vars("subject")
    places = {f"voxel_{axis}": ("neuroid", rng.normal(size=6)) for axis in "xyz"}
    data = data.assign_coords(places)
    data[3, 2] = np.nan
    settings = {"radius": 9.0, "metric": "euclidean"}
    whole = compare.compute_searchlight_rdms(data, **settings)
    assert whole.n_voxels.values.tolist() == [6] * 6
    data[3::N, 4] = np.nan
    with pytest.warns(RuntimeWarning, match="1 of 6 voxels are NaN .* every center: 'n4'"):
        found = compare.compute_searchlight_rdms(data, **settings)
    assert found.n_voxels.values.tolist() == [5] * 6
    expected = compute_alone(data[:, [0, 1, 2, 3, 5]], metric="euclidean")
    np.testing.assert_allclose(found[0], expected, atol=1e-12)
    for k in range(6):
        data[k::N, k] = np.nan
    with pytest.raises(InputError, match="hold no voxel that was recorded throughout"):
        compare.compute_searchlight_rdms(data, **settings)


READERS = {
    "compute_rdms": compare.compute_rdms,
    "compute_grams": compare.compute_grams,
    "compute_ncsnr": compare.compute_ncsnr,
    "compute_split_half": compare.compute_split_half,
    "fit_encoding": lambda data: compare.fit_encoding(
        label_features(np.arange(2.0 * N).reshape(N, 2)), data, cv=2
    ),
}


@pytest.mark.parametrize("name", sorted(READERS))
def test_what_cannot_be_used_is_told(rng, name):
    data = build_responses(rng)
    data[3::N] = np.nan
    with pytest.raises(InputError, match=r"every neuroid is NaN for stimuli 's3'\. Drop those"):
        READERS[name](data)
    if name != "fit_encoding":
        data = build_responses(rng)
        data[3, 4] = np.inf
        with pytest.raises(InputError, match="NaN or inf in stimuli 's3'; neuroids 'n4'"):
            READERS[name](data)
