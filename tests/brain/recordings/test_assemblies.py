"""Files of assemblies are those of BrainIO, and come back as they were."""

import h5py
import numpy as np
import pytest
import xarray as xr
from torch import nn

import neurolens as nl
from neurolens.brain import read_assembly, write_assembly
from neurolens.errors import DataError, InputError, LabelError
from neurolens.extract import to_assembly


class Net(nn.Module):
    """Maps (2, 2, 3), then tokens (6, 2)."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)

    def forward(self, x):
        return self.conv(x).flatten(2).transpose(1, 2).sum(1)


@pytest.fixture(scope="module")
def acts():
    values = np.random.default_rng(0).standard_normal((5, 3, 2, 3)).astype(np.float32)
    return nl.extract_activations(
        Net(), nl.load_stimuli(values, ids=[f"bild_ä{i}" for i in range(5)]), quiet=True
    )


def test_files_come_back_as_they_were(acts, tmp_path):
    made = to_assembly(acts)
    write_assembly(made, tmp_path / "a.nc")
    xr.testing.assert_identical(read_assembly(tmp_path / "a.nc"), made)
    write_assembly(made.transpose(), tmp_path / "a.nc")
    xr.testing.assert_identical(read_assembly(tmp_path / "a.nc"), made)


def test_files_are_laid_out_as_brainio_does(acts, tmp_path):
    made = to_assembly(acts)
    write_assembly(made, tmp_path / "a.nc")
    with h5py.File(tmp_path / "a.nc") as file:
        bare = {
            name
            for name, held in file.items()
            if b"not a netCDF variable" in held.attrs.get("NAME", b"")
        }
        assert bare == {"presentation", "neuroid"}
        assert set(file) - bare == {"data", *made.coords}
        assert file["data"].shape == made.shape
        assert set(file["data"].attrs["coordinates"].split()) == set(made.coords)
        assert file["data"].attrs["identifier"] == "Net"
        assert all(file[name].ndim == 1 for name in made.coords)


def test_an_assembly_of_brain_score_is_written_without_its_multiindex(acts, tmp_path):
    made = to_assembly(acts)
    indexed = made.set_index(
        neuroid=["neuroid_id", "layer"], presentation=["stimulus_id", "repetition"]
    )
    write_assembly(indexed, tmp_path / "a.nc")
    xr.testing.assert_identical(read_assembly(tmp_path / "a.nc"), made)


def test_older_files_with_time_bins_are_read(tmp_path):
    old = xr.DataArray(
        np.arange(6.0).reshape(3, 1, 2),
        dims=("neuroid", "time_bin", "presentation"),
        coords={
            "neuroid_id": ("neuroid", ["x", "y", "z"]),
            "image_id": ("presentation", ["b", "a"]),
            "time_bin_start": ("time_bin", [70]),
        },
    )
    old.to_dataset(name="__xarray_dataarray_variable__").assign_attrs(
        identifier="dicarlo.Test"
    ).to_netcdf(tmp_path / "old.nc", engine="h5netcdf")
    read = read_assembly(tmp_path / "old.nc")
    assert read.dims == ("presentation", "neuroid", "time_bin")
    assert read.stimulus_id.values.tolist() == ["b", "a"]
    np.testing.assert_array_equal(read[:, :, 0], [[0, 2, 4], [1, 3, 5]])
    assert (read.name, read.attrs["identifier"]) == ("data", "dicarlo.Test")
    write_assembly(read, tmp_path / "new.nc")
    xr.testing.assert_identical(read_assembly(tmp_path / "new.nc"), read)


def test_what_brain_score_would_refuse_is_not_written(acts, tmp_path):
    made = to_assembly(acts, ops="conv/conv2d")
    with pytest.raises(
        LabelError, match="must have the coordinate 'neuroid_id' on 'neuroid', got 'stimulus_id'"
    ):
        write_assembly(made.drop_vars("neuroid_id"), tmp_path / "a.nc")
    with pytest.raises(
        LabelError, match=r"no coordinate named as its dimension 'neuroid'. Type assembly.drop_vars"
    ):
        write_assembly(made.assign_coords(neuroid=made.neuroid_num.values), tmp_path / "a.nc")
    with pytest.raises(
        LabelError, match=r"assembly must have dimensions \('presentation', 'neuroid'\), got"
    ):
        write_assembly(made.rename(presentation="trial"), tmp_path / "a.nc")
    assert not list(tmp_path.iterdir())
    with pytest.raises(
        DataError, match=r"none/a.nc' cannot be written: .*Give a path you may write to"
    ):
        write_assembly(made, tmp_path / "none" / "a.nc")


def test_responses_come_back_as_they_were(rng, tmp_path):
    values = rng.normal(size=(4, 3, 2))
    values[0, 1] = np.nan
    responses = xr.DataArray(
        values,
        dims=("presentation", "neuroid", "time_bin"),
        coords={
            "stimulus_id": ("presentation", np.array(["b", "a", "b", "ä"], dtype=object)),
            "repetition": ("presentation", [0, 0, 1, 0]),
            "neuroid_id": ("neuroid", np.array(["n1", "n2", "n3"], dtype=object)),
            "subject": ("neuroid", np.array(["M", "M", "T"], dtype=object)),
            "region_IT": ("neuroid", [True, False, True]),
            "time_bin": [95.0, 145.0],
            "time_bin_start": ("time_bin", [70.0, 120.0]),
            "time_bin_end": ("time_bin", [120.0, 170.0]),
        },
        name="data",
        attrs={
            "identifier": "lab.Me2026",
            "affine": [1.0, 2.5],
            "shape": (3, 4),
            "notes": {"a": 1},
        },
    )
    write_assembly(responses, tmp_path / "r.nc")
    found = read_assembly(tmp_path / "r.nc")
    xr.testing.assert_equal(found, responses)
    assert found.dtype == np.float64
    assert found.region_IT.dtype == bool
    np.testing.assert_array_equal(found.attrs["affine"], [1.0, 2.5])
    assert found.attrs["notes"] == '{"a": 1}'
    # A time bin that was selected keeps its label.
    write_assembly(responses[..., 1], tmp_path / "bin.nc")
    xr.testing.assert_equal(read_assembly(tmp_path / "bin.nc"), responses[..., 1])
    in_seconds = responses.assign_coords(time_bin=[0.095, 0.145])
    with pytest.warns(RuntimeWarning, match=r"from 0.095 to 0.145, which may be seconds, .* in ms"):
        write_assembly(in_seconds, tmp_path / "s.nc")
    means = nl.brain.average_repeats(responses)
    write_assembly(means, tmp_path / "means.nc")
    found = read_assembly(tmp_path / "means.nc")
    assert found.dims == ("presentation", "neuroid", "time_bin")
    assert found.stimulus_id.values.tolist() == ["b", "a", "ä"]
    np.testing.assert_array_equal(found, means.transpose("stimulus", "neuroid", "time_bin"))


def write_theirs(path, **more):
    """Write as BrainIO does: metadata that no coordinate attribute names, subjects as animals."""
    content = {
        "data": (("presentation", "neuroid"), np.arange(6.0).reshape(2, 3)),
        "image_id": ("presentation", ["x", "y"]),
        "neuroid_id": ("neuroid", ["M_1", "M_2", "T_1"]),
        "animal": ("neuroid", ["M", "M", "T"]),
        "region": ("neuroid", ["IT", "V4", "IT"]),
    }
    dataset = xr.Dataset({**content, **more}, attrs={"identifier": "lab.Theirs"})
    dataset.to_netcdf(path, engine="h5netcdf")
    return path


def test_their_names_become_ours(tmp_path):
    found = read_assembly(write_theirs(tmp_path / "a.nc"))
    assert found.subject.values.tolist() == ["M", "M", "T"]
    assert found.stimulus_id.values.tolist() == ["x", "y"]
    assert {"animal", "image_id"}.isdisjoint(found.coords)
    assert found.region.values.tolist() == ["IT", "V4", "IT"]
    both = read_assembly(write_theirs(tmp_path / "b.nc", stimulus_id=("presentation", ["p", "q"])))
    assert both.stimulus_id.values.tolist() == ["p", "q"]
    assert both.image_id.values.tolist() == ["x", "y"]


def test_times_in_ms_stay_numbers(tmp_path):
    start = ("time_bin", [70, 90], {"units": "ms"})
    data = (("presentation", "neuroid", "time_bin"), np.zeros((2, 3, 2)))
    found = read_assembly(write_theirs(tmp_path / "a.nc", data=data, time_bin_start=start))
    assert found.time_bin_start.values.tolist() == [70, 90]


def test_what_is_no_table_of_responses_is_told(tmp_path):
    spikes = xr.Dataset({"data": ("event", np.zeros(4)), "other": (("a", "b"), np.zeros((2, 2)))})
    spikes.to_netcdf(tmp_path / "spikes.nc", engine="h5netcdf")
    with pytest.raises(LabelError, match="times of spikes, .*Count them with .*count_spikes"):
        read_assembly(tmp_path / "spikes.nc")
    unnamed = xr.Dataset({"data": (("presentation", "neuroid"), np.zeros((2, 3)))})
    unnamed.to_netcdf(tmp_path / "unnamed.nc", engine="h5netcdf")
    with pytest.raises(
        LabelError, match="name no stimuli: there is no 'stimulus_id' or 'image_id'"
    ):
        read_assembly(tmp_path / "unnamed.nc")
    whole = write_theirs(tmp_path / "whole.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cut.nc' is damaged"):
        read_assembly(tmp_path / "cut.nc")


def test_a_file_that_cannot_be_finished_leaves_the_old_one(acts, tmp_path, monkeypatch):
    made = to_assembly(acts)
    write_assembly(made, tmp_path / "a.nc")
    before = (tmp_path / "a.nc").read_bytes()

    def fail(self, path, **settings):
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    with pytest.raises(DataError, match="no space left"):
        write_assembly(made * 2, tmp_path / "a.nc")
    assert (tmp_path / "a.nc").read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.nc"]


def test_coordinates_of_text_and_gaps_are_refused(acts, tmp_path):
    made = to_assembly(acts)
    gaps = np.array([None, *["x"] * (made.sizes["neuroid"] - 1)], dtype=object)
    with pytest.raises(InputError, match="coordinate 'area' must be text or numbers throughout"):
        write_assembly(made.assign_coords(area=("neuroid", gaps)), tmp_path / "a.nc")
    with pytest.raises(InputError, match="assembly must be a DataArray, got DataTree"):
        write_assembly(acts, tmp_path / "a.nc")


def test_files_that_hold_no_assembly_are_named(tmp_path):
    with pytest.raises(DataError, match=r"no file .*a.nc'; write one with write_assembly"):
        read_assembly(tmp_path / "a.nc")
    (tmp_path / "a.nc").write_text("hello")
    with pytest.raises(DataError, match="is damaged or not a netCDF4 file"):
        read_assembly(tmp_path / "a.nc")
    xr.Dataset({"other": ("a", np.zeros(2))}).to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with pytest.raises(DataError, match="must have a variable 'data', got 'other'"):
        read_assembly(tmp_path / "b.nc")
    xr.Dataset({"data": ("a", np.zeros(2))}).to_netcdf(tmp_path / "c.nc", engine="h5netcdf")
    with pytest.raises(LabelError, match=r"the file's array must have dimensions .* got \('a',\)"):
        read_assembly(tmp_path / "c.nc")
