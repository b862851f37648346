import numpy as np
import pytest
import xarray as xr
from brains import label_responses
from scipy.signal import detrend
from scipy.stats import zscore

from neurolens.brain import (
    average_repeats,
    detrend_responses,
    select_reliable,
    standardize_responses,
)
from neurolens.errors import InputError, LabelError


def test_repeats_are_averaged(rng):
    ids = ["b", "a", "b", "c", "a", "b"]
    responses = label_responses(rng.normal(size=(6, 3)), ids=ids, region=["V1"] * 3)
    responses = responses.assign_coords(
        kind=("presentation", [i.upper() for i in ids]), run=("presentation", range(6))
    )
    responses[0, 0] = np.nan
    found = average_repeats(responses)
    assert found.stimulus.values.tolist() == ["b", "a", "c"]
    for name in "abc":
        rows = [i == name for i in ids]
        expected = np.nanmean(responses.values[rows], axis=0)
        np.testing.assert_allclose(found.sel(stimulus=name), expected, rtol=1e-6)
    assert found.n_repeats.values.tolist() == [3, 2, 1]
    assert found.kind.values.tolist() == ["B", "A", "C"]
    assert "run" not in found.coords
    assert found.region.values.tolist() == ["V1"] * 3
    assert found.attrs["steps"] == ["presentations averaged, 1 to 3 of each of 3 stimuli"]


@pytest.mark.parametrize("by", [None, "run"])
def test_standardizing(rng, by):
    responses = label_responses(5 + 3 * rng.normal(size=(12, 4)))
    run = np.repeat([1, 2], 6)
    responses = responses.assign_coords(run=("presentation", run))
    found = standardize_responses(responses, by=by)
    groups = [run == k for k in (1, 2)] if by else [np.ones(12, dtype=bool)]
    for inside in groups:
        np.testing.assert_allclose(found[inside], zscore(responses.values[inside]), rtol=1e-5)
    twice = standardize_responses(found, by=by)
    assert len(twice.attrs["steps"]) == 2


def test_what_cannot_be_standardized(rng):
    responses = label_responses(rng.normal(size=(6, 3)))
    responses[:, 1] = 7
    with pytest.warns(RuntimeWarning, match="1 neuroids do not change within some group"):
        assert standardize_responses(responses)[:, 1].isnull().all()
    single = responses.assign_coords(run=("presentation", [1, 1, 1, 1, 1, 2]))
    with pytest.raises(InputError, match="a group of 'run' holds a single presentation"):
        standardize_responses(single, by="run")
    with pytest.raises(LabelError, match="there is no coordinate 'runs' on presentations"):
        standardize_responses(responses, by="runs")


def test_reliable_neuroids(rng):
    responses = label_responses(rng.normal(size=(6, 3)))
    reliability = xr.DataArray(
        [0.9, 0.2, 0.5], dims="neuroid", coords={"neuroid_id": ("neuroid", ["n2", "n0", "n1"])}
    )
    found = select_reliable(responses, reliability, least=0.5)
    assert found.neuroid_id.values.tolist() == ["n1", "n2"]
    assert found.attrs["steps"] == ["2 of 3 neuroids kept, of reliability 0.5 or more"]
    with pytest.raises(InputError, match="no neuroid has a reliability of 1 or more; the largest"):
        select_reliable(responses, reliability, least=1)
    with pytest.raises(LabelError, match="reliability need the coordinate 'neuroid_id'"):
        select_reliable(responses, reliability.drop_vars("neuroid_id"), least=0)
    with pytest.raises(LabelError, match="responses"):
        select_reliable(responses, reliability[:2], least=0)


def test_single_presentations_that_were_not_recorded(rng):
    """They are left out of means and deviations, and make no neuroid constant."""
    responses = label_responses(rng.normal(size=(6, 3)))
    responses[2, 1] = np.nan
    found = standardize_responses(responses)
    np.testing.assert_allclose(found, zscore(responses.values, nan_policy="omit"), rtol=1e-5)
    assert np.isnan(found.values).sum() == 1


def test_steps_go_through_files(rng, tmp_path):
    responses = standardize_responses(label_responses(rng.normal(size=(6, 3))))
    responses.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    again = xr.load_dataarray(tmp_path / "a.nc", engine="h5netcdf")
    steps = standardize_responses(again).attrs["steps"]
    assert steps == ["standardized over all presentations"] * 2


def test_what_is_no_response(rng):
    responses = label_responses(rng.normal(size=(6, 3)))
    with pytest.raises(LabelError, match="Take this step before averaging repeats"):
        standardize_responses(average_repeats(responses))
    with pytest.raises(InputError, match="responses must be a DataArray .* got ndarray"):
        standardize_responses(responses.values)
    with pytest.raises(InputError, match="must be real numbers, got complex"):
        average_repeats(responses * 1j)
    gap = responses.assign_coords(run=("presentation", [1, 1, 1, 2, 2, np.nan]))
    with pytest.raises(LabelError, match="'run' is missing for some presentations"):
        standardize_responses(gap, by="run")


def test_runs_of_several_sessions_are_no_group(rng):
    responses = label_responses(rng.normal(size=(8, 3))).assign_coords(
        run=("presentation", [1, 1, 2, 2] * 2), session=("presentation", list("aaaabbbb"))
    )
    with pytest.raises(InputError, match="run '1' is in several sessions. Name runs by both"):
        standardize_responses(responses, by="run")
    named = responses.assign_coords(run=responses.session + "-" + responses.run.astype(str))
    assert standardize_responses(named, by="run").notnull().all()


def test_runs_that_begin_again_in_other_images(rng):
    """Sessions in folders, and tasks, have a run 1 each; single trials are parts of one run."""
    responses = label_responses(rng.normal(size=(8, 3))).assign_coords(
        run=("presentation", list("11112222")), image=("presentation", [0, 0, 1, 1, 2, 2, 2, 2])
    )
    for step in (standardize_responses, detrend_responses):
        with pytest.raises(InputError, match="run '1' is in several images, .* by='image'"):
            step(responses, by="run", **({"order": 0} if step is detrend_responses else {}))
    assert standardize_responses(responses, by="image").shape == (8, 3)
    single = responses.assign_coords(image=("presentation", range(8)))
    np.testing.assert_array_equal(
        standardize_responses(single, by="run"),
        standardize_responses(responses.drop_vars("image"), by="run"),
    )


def test_subjects_are_not_averaged(rng):
    """Neuroids of two subjects have the same ids, and no place in common."""
    one = label_responses(rng.normal(size=(4, 3)), ids=list("abab"))
    for name in ("participant_id", "event_subject"):
        both = one.assign_coords({name: ("presentation", ["s1", "s1", "s2", "s2"])})
        with pytest.raises(InputError, match=f"several subjects, 's1', 's2' by '{name}'"):
            average_repeats(both)
    alone = one.assign_coords(participant_id=("presentation", ["s1"] * 4))
    assert average_repeats(alone).participant_id.values.tolist() == ["s1", "s1"]


def test_missing_ids_are_not_averaged(rng):
    gap = label_responses(rng.normal(size=(4, 3)), ids=[1.0, np.nan, 1.0, np.nan])
    with pytest.raises(LabelError, match="'stimulus_id' is missing for 2 presentations, first fo"):
        average_repeats(gap)


def test_lines_are_subtracted_within_runs(rng):
    run = np.repeat([1, 2], 10)
    values = rng.normal(size=(20, 4))
    responses = label_responses(values).assign_coords(run=("presentation", run))
    drift = np.where(run == 1, 3.0, -5.0)[:, None] * np.arange(20)[:, None] + 100 * run[:, None]
    found = detrend_responses(responses + drift, by="run")
    expected = []
    for k in (1, 2):
        block = (values + drift)[run == k]
        expected.append(detrend(block, axis=0) + block.mean(axis=0))
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-5)
    assert found.attrs["steps"] == [
        "trend of order 1 over the numbers of presentations subtracted within each run, means kept"
    ]
    np.testing.assert_allclose(detrend_responses(found, by="run"), found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_trends_over_onsets(rng, order):
    """By numpy's polynomials, at the times of onset; NaN is left out of the fit."""
    onset = np.sort(rng.uniform(0, 300, 15))
    responses = label_responses(50 + rng.normal(size=(15, 3)))
    responses = responses.assign_coords(onset=("presentation", onset))
    responses[4, 1] = np.nan
    found = detrend_responses(responses, order=order)
    for k in range(3):
        own = responses.values[:, k]
        known = ~np.isnan(own)
        fit = np.polynomial.Polynomial.fit(onset[known], own[known], order)
        expected = own - fit(onset) + own[known].mean()
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-5)
    assert "over onset subtracted over all presentations" in found.attrs["steps"][0]


def test_onsets_that_begin_again_are_no_times(rng):
    responses = label_responses(rng.normal(size=(12, 3)))
    twice = responses.assign_coords(onset=("presentation", np.tile(np.arange(6.0), 2)))
    found = detrend_responses(twice)
    np.testing.assert_array_equal(found, detrend_responses(responses))
    assert "the numbers of presentations" in found.attrs["steps"][0]


def test_what_cannot_be_detrended(rng):
    responses = label_responses(rng.normal(size=(6, 3))).assign_coords(
        run=("presentation", [1, 1, 1, 1, 2, 2])
    )
    with pytest.raises(InputError, match="needs more than 2 presentations .* group of 'run' has 2"):
        detrend_responses(responses, by="run")
    gap = responses.copy()
    gap[2:, 1] = np.nan
    with pytest.raises(InputError, match="all together has 6, of some neuroids 2"):
        detrend_responses(gap)
    for order in (-1, 1.0, True, "1"):
        with pytest.raises(InputError, match="order must be a whole number"):
            detrend_responses(responses, order=order)
    with pytest.raises(LabelError, match="there is no coordinate 'runs'"):
        detrend_responses(responses, by="runs")


def test_steps_keep_hemispheres_and_time_bins(rng):
    """Each time bin is worked on by itself, and labels of neuroids stay with them."""
    values = rng.normal(size=(8, 3, 2))
    responses = xr.DataArray(
        values,
        dims=("presentation", "neuroid", "time_bin"),
        coords={
            "stimulus_id": ("presentation", list("abcdabcd")),
            "neuroid_id": ("neuroid", ["left-1", "left-9", "right-1"]),
            "hemisphere": ("neuroid", ["left", "left", "right"]),
            "vertex": ("neuroid", [1, 9, 1]),
            "time_bin": [0.1, 0.2],
        },
    )
    reliability = xr.DataArray(
        [0.1, 0.9, 0.8],
        dims="neuroid",
        coords={"neuroid_id": ("neuroid", ["left-9", "right-1", "left-1"])},
    )
    for step in (average_repeats, standardize_responses, detrend_responses):
        found = step(responses)
        assert found.dims[1:] == ("neuroid", "time_bin")
        for k in range(2):
            alone = step(responses.isel(time_bin=k, drop=True))
            np.testing.assert_allclose(found.isel(time_bin=k), alone, rtol=1e-6)
        kept = select_reliable(found, reliability, least=0.5)
        assert kept.vertex.values.tolist() == [1, 1]
        assert kept.hemisphere.values.tolist() == ["left", "right"]
        assert kept.time_bin.values.tolist() == [0.1, 0.2]
