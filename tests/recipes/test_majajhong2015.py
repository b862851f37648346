"""Majaj, Hong et al. (2015), on an assembly of the published form made here."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image

import neurolens as nl
from neurolens.errors import DataError, LabelError

SITES = ["Chabo_L_M_5_9", "Chabo_L_A_1_2", "Tito_L_M_8_0"]
REGIONS = ["IT", "V4", "IT"]
ANIMALS = ["Chabo", "Chabo", "Tito"]
SHOWN = ["8a72", "00ff", "8a72", "00ff", "8a72"]
# Presentation and site are the digits of a value.
VALUES = (10 * np.arange(5)[:, None] + np.arange(3)).astype(np.float32)


def write_copy(folder, *, values=VALUES, drop=(), change=None, **options):
    """Write an assembly as BrainIO does: no indices, ids of pictures called image_id."""
    coords = {
        "neuroid_id": ("neuroid", SITES),
        "region": ("neuroid", REGIONS),
        "animal": ("neuroid", ANIMALS),
        "x": ("neuroid", [1.8, 0.2, -1.4]),
        "image_id": ("presentation", SHOWN),
        "repetition": ("presentation", [0, 0, 1, 18, 2]),
        "object_name": ("presentation", ["car_astra", "face0", "car_astra", "face0", "car_astra"]),
        "ty": ("presentation", [0.0, 0.1, 0.0, 0.1, 0.0]),
        "time_bin_start": ("time_bin", [70]),
        "time_bin_end": ("time_bin", [170]),
    }
    for name in drop:
        del coords[name]
    array = xr.DataArray(
        values.T[:, :, None],
        dims=("neuroid", "presentation", "time_bin"),
        coords=coords | (change or {}),
        name="dicarlo.MajajHong2015.public",
        attrs={"stimulus_set_identifier": "dicarlo.hvm-public"},
    )
    path = folder / "assy_dicarlo_MajajHong2015_public.nc"
    array.to_netcdf(path, engine="h5netcdf", **options)
    return path


def write_pictures(folder):
    pictures = folder / "image_dicarlo_hvm-public"
    pictures.mkdir()
    rows = []
    for number, name in enumerate(["00ff", "8a72", "ffff"]):
        Image.new("RGB", (8, 8), (90 * number, 0, 0)).save(pictures / f"object{number}.png")
        rows.append({"id": number, "image_id": name, "filename": f"object{number}.png", "s": 1.5})
    pd.DataFrame(rows).to_csv(folder / "image_dicarlo_hvm-public.csv", index=False)
    return pictures


def load(folder, **options):
    return nl.load_dataset("majajhong2015", folder=folder, **options)


def test_responses_are_the_planted_numbers(tmp_path):
    write_copy(tmp_path)
    brain = load(tmp_path)
    responses = brain.responses
    assert responses.dims == ("presentation", "neuroid")
    np.testing.assert_array_equal(responses, VALUES)
    assert list(responses.stimulus_id.values) == SHOWN
    assert list(responses.repetition.values) == [0, 0, 1, 18, 2]
    assert list(responses.object_name.values)[:2] == ["car_astra", "face0"]
    assert list(responses.neuroid_id.values) == SITES
    assert list(responses.subject.values) == ANIMALS
    assert list(responses.region.values) == REGIONS
    np.testing.assert_array_equal(responses.x, [1.8, 0.2, -1.4])
    assert "ty" not in responses.coords
    window = (responses.attrs["time_bin_start"], responses.attrs["time_bin_end"])
    assert window == (70, 170)
    assert brain.stimuli is None


def test_sites_are_chosen_by_region_and_monkey(tmp_path):
    write_copy(tmp_path)
    np.testing.assert_array_equal(load(tmp_path, regions="IT").responses, VALUES[:, [0, 2]])
    one = load(tmp_path, regions="IT", subjects="Tito").responses
    np.testing.assert_array_equal(one, VALUES[:, [2]])
    with pytest.raises(DataError, match="public.nc has no site of 'Tito', 'V4'"):
        load(tmp_path, regions="V4", subjects="Tito")


def test_only_the_sites_asked_for_are_read(tmp_path, rng):
    values = rng.normal(size=(4000, 3)).astype(np.float32)
    many = {
        "image_id": ("presentation", np.arange(4000).astype(str).astype(object)),
        "repetition": ("presentation", np.zeros(4000, dtype=int)),
        "object_name": ("presentation", np.full(4000, "car", dtype=object)),
        "ty": ("presentation", np.zeros(4000)),
    }
    encoding = {"dicarlo.MajajHong2015.public": {"chunksizes": (1, 4000, 1)}}
    write_copy(tmp_path, values=values, change=many, encoding=encoding)
    everything = load(tmp_path)
    one = load(tmp_path, regions="V4")
    np.testing.assert_array_equal(one.responses[:, 0], values[:, 1])
    assert everything.bytes_read - one.bytes_read >= 2 * 4000 * 4


def test_newer_files_call_pictures_stimulus_id(tmp_path):
    ids = ("presentation", ["a", "b", "a", "b", "a"])
    write_copy(tmp_path, change={"stimulus_id": ids})
    assert list(load(tmp_path).responses.stimulus_id.values) == ids[1]


def test_pictures_come_along_where_there_are_any(tmp_path):
    write_copy(tmp_path)
    pictures = write_pictures(tmp_path)
    stimuli = load(tmp_path).stimuli
    assert list(stimuli.ids) == ["8a72", "00ff"]
    assert stimuli["00ff"][0].mean() < stimuli["8a72"][0].mean()
    assert list(stimuli.metadata.filename) == ["object1.png", "object0.png"]
    (pictures / "object0.png").unlink()
    with pytest.raises(DataError, match="there is no image_dicarlo_hvm-public/object0.png"):
        load(tmp_path)
    table = tmp_path / "image_dicarlo_hvm-public.csv"
    held = pd.read_csv(table, dtype=str)
    held.assign(filename="../object0.png").to_csv(table, index=False)
    with pytest.raises(DataError, match=r"names 'image_dicarlo_hvm-public/../object0.png'"):
        load(tmp_path)
    held.drop(columns="filename").to_csv(table, index=False)
    with pytest.raises(DataError, match="hvm-public.csv lacks the columns 'filename'"):
        load(tmp_path)
    held.iloc[1:].to_csv(table, index=False)
    with pytest.raises(DataError, match="hvm-public.csv lacks the pictures '00ff', which were sho"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "dim"),
    [("image_id", "presentation"), ("animal", "neuroid"), ("time_bin_end", "time_bin")],
)
def test_an_assembly_without_a_label_is_named(tmp_path, name, dim):
    write_copy(tmp_path, drop=[name])
    label = {"image_id": "stimulus_id", "animal": "subject"}.get(name, name)
    with pytest.raises(DataError, match=f"public.nc lacks the labels '{label}' along {dim}"):
        load(tmp_path)


def test_a_damaged_copy_is_named(tmp_path):
    with pytest.raises(DataError, match="needs one file assy_dicarlo_MajajHong2015_public.nc"):
        load(tmp_path)
    path = write_copy(tmp_path, change={"neuroid_id": ("neuroid", ["a", "b", "a"])})
    with pytest.raises(LabelError, match="neuroid_id in .*public.nc must be unique"):
        load(tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match="public.nc cannot be read as netCDF"):
        load(tmp_path)
    xr.Dataset({"a": ("presentation", [1.0])}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(DataError, match=r"public.nc must hold one array \(presentation, neuroid"):
        load(tmp_path)
    two = xr.DataArray(np.zeros((2, 3, 2)), dims=("presentation", "neuroid", "time_bin"), name="a")
    labels = {
        "stimulus_id": ("presentation", ["a", "b"]),
        "repetition": ("presentation", [0, 0]),
        "neuroid_id": ("neuroid", SITES),
        "subject": ("neuroid", ANIMALS),
        "region": ("neuroid", REGIONS),
        "time_bin_start": ("time_bin", [70, 80]),
        "time_bin_end": ("time_bin", [80, 90]),
    }
    two.assign_coords(labels).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(DataError, match="public.nc must have one time bin, got 2"):
        load(tmp_path)
