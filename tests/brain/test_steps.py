import numpy as np
import pytest
import xarray as xr
from brains import label_responses
from scipy.stats import zscore

from neurolens.brain import average_repeats, select_reliable, standardize_responses
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
