"""Some regions of responses and RDMs, by their exact names."""

import numpy as np
import pytest
import xarray as xr

from neurolens.brain import select_regions
from neurolens.errors import InputError, LabelError, UnknownNameError


@pytest.fixture
def responses(rng):
    coords = {
        "region": ("neuroid", ["V1", "V4", "V1", "IT"]),
        "neuroid_id": ("neuroid", list("abcd")),
    }
    values = rng.normal(size=(3, 4))
    return xr.DataArray(
        values, dims=("presentation", "neuroid"), coords=coords, attrs={"unit": "z"}
    )


@pytest.fixture
def overlapping(responses):
    flags = {
        "region_V1": ("neuroid", [True, True, False, False]),
        "region_FFA": ("neuroid", [False, True, True, False]),
        "region_IT": ("neuroid", [False, False, False, True]),
    }
    return responses.drop_vars("region").assign_coords(flags)


@pytest.fixture
def rdms():
    values = np.ones((3, 2, 3, 3)) * (1 - np.eye(3))
    values[0, 1] = np.nan
    coords = {"region": ["V1", "V4", "IT"], "subject": ["S1", "S2"]}
    return xr.DataArray(values, dims=("region", "subject", "stimulus", "stimulus_2"), coords=coords)


def test_neuroids_of_the_regions_stay_in_their_order(responses):
    chosen = select_regions(responses, ["IT", "V1"])
    assert chosen.neuroid_id.values.tolist() == ["a", "c", "d"]
    assert chosen.attrs["unit"] == "z"
    assert chosen.attrs["steps"] == ["3 of 4 neuroids kept, of 'IT', 'V1'"]


def test_overlapping_regions_keep_their_own_coordinates(overlapping):
    chosen = select_regions(overlapping, "FFA")
    assert chosen.neuroid_id.values.tolist() == ["b", "c"]
    assert "region_FFA" in chosen.coords
    assert not {"region_V1", "region_IT"} & set(chosen.coords)


def test_rdms_are_in_the_order_asked_for_without_empty_subjects(rdms):
    assert select_regions(rdms, ["IT", "V1"]).region.values.tolist() == ["IT", "V1"]
    assert select_regions(rdms, ["IT", "V1"]).subject.values.tolist() == ["S1", "S2"]
    assert select_regions(rdms, "V1").subject.values.tolist() == ["S1"]
    single = rdms.isel(region=0)
    assert select_regions(single, "V1").dims == single.dims


def test_names_are_matched_exactly(responses, overlapping, rdms):
    for data in (responses, overlapping, rdms):
        with pytest.raises(UnknownNameError, match="no region in the data named 'v1'.*'V1'"):
            select_regions(data, "v1")
    with pytest.raises(LabelError, match="regions"):
        select_regions(responses, ["V1", "V1"])
    with pytest.raises(InputError, match="must be a name or a list of names"):
        select_regions(responses, [1])
    with pytest.raises(LabelError, match="the data name no regions"):
        select_regions(responses.drop_vars("region"), "V1")
