import pickle

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import xarray as xr

import neurolens as nl
from neurolens.brain.recordings.matlab.reading import import_matio
from neurolens.errors import DataError, InputError, LabelError

IDS = ["cat", "dog", "cup"]


@pytest.fixture
def values(rng):
    """Return responses (stimulus, repetition, neuroid); a repetition was not recorded."""
    values = rng.standard_normal((3, 2, 5)).astype(np.float32)
    values[1, 1] = np.nan
    return values


def check(found, values):
    assert found.dims == ("presentation", "neuroid")
    assert found.stimulus_id.values.tolist() == ["cat", "cat", "dog", "cup", "cup"]
    assert found.repetition.values.tolist() == [0, 1, 0, 0, 1]
    np.testing.assert_array_equal(found, values.reshape(6, 5)[[0, 1, 2, 4, 5]])


def test_axes_are_named(values):
    dims = ("stimulus", "repetition", "neuroid")
    check(nl.read_responses(values, events=IDS, dims=dims), values)
    turned = np.moveaxis(values, 2, 0)
    check(nl.read_responses(turned, events=IDS, dims=("neuroid", *dims[:2])), values)


def save_mat73(path, values):
    """Write as MATLAB 7.3 does: a header of 512 bytes, and the axes turned round."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["betas"] = values.T
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file")


@pytest.mark.parametrize("kind", ["npy", "npz", "mat", "mat73", "h5"])
def test_files(values, tmp_path, kind):
    path = tmp_path / f"betas.{kind.removesuffix('73')}"
    if kind == "npy":
        np.save(path, values)
    elif kind == "npz":
        np.savez(path, betas=values, other=np.zeros(3))
    elif kind == "mat":
        scipy.io.savemat(path, {"betas": values, "name": "text"})
    elif kind == "mat73":
        save_mat73(path, values)
    else:
        with h5py.File(path, "w") as file:
            file["group/betas"] = values
    variable = {"npz": "betas", "h5": "group/betas"}.get(kind)
    found = nl.read_responses(
        path,
        events=IDS,
        variable=variable,
        dims=("stimulus", "repetition", "neuroid"),
        subject="S1",
    )
    check(found, values)
    assert set(found.subject.values) == {"S1"}


def test_tables(tmp_path, rng):
    table = pd.DataFrame(rng.normal(size=(3, 4)), columns=list("abcd"))
    table.to_csv(tmp_path / "betas.csv", index=False)
    events = pd.DataFrame({"stimulus": IDS, "run": [1, 1, 2]})
    found = nl.read_responses(
        tmp_path / "betas.csv", events=events, regions=["V1"] * 2 + ["IT"] * 2
    )
    np.testing.assert_allclose(found, table, rtol=1e-6)
    assert found.run.values.tolist() == [1, 1, 2]
    assert "event_stimulus" in found.coords
    assert found.region.values.tolist() == ["V1", "V1", "IT", "IT"]


def test_time_bins(rng):
    values = rng.normal(size=(3, 4, 6))
    found = nl.read_responses(values, events=IDS, dims=("presentation", "neuroid", "time_bin"))
    assert found.dims == ("presentation", "neuroid", "time_bin")
    assert nl.compute_rdms(found).sizes["time_bin"] == 6


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        (("stimulus", "neuroid"), "has 3 axes, of shape .* and dims name 2"),
        (("stimulus", "voxel", "repetition"), "dims must name each axis once"),
        (("presentation", "repetition", "neuroid"), "dims with 'repetition' need 'stimulus'"),
        (("stimulus", "presentation", "neuroid"), "one of 'presentation' and 'stimulus'"),
    ],
)
def test_axes_that_are_not_those(values, dims, message):
    with pytest.raises(InputError, match=message):
        nl.read_responses(values, events=IDS, dims=dims)


def test_files_that_cannot_be_read(values, tmp_path):
    dims = ("stimulus", "repetition", "neuroid")
    np.savez(tmp_path / "two.npz", a=values, b=values)
    with pytest.raises(InputError, match=r"holds several arrays, or none called None: a \(3, 2, 5"):
        nl.read_responses(tmp_path / "two.npz", events=IDS, dims=dims)
    with (tmp_path / "bomb.npy").open("wb") as file:
        pickle.dump(values, file)
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "cut.mat").write_bytes(b"MATLAB 5.0 MAT-file" + b" " * 50)
    (tmp_path / "text.h5").write_text("no file")
    for name in ("bomb.npy", "objects.npy", "cut.mat", "text.h5"):
        with pytest.raises(DataError, match=f"{name} cannot be read"):
            nl.read_responses(tmp_path / name, events=IDS, dims=dims)
    (tmp_path / "words.csv").write_text("a,b\n1,x\n")
    with pytest.raises(DataError, match="a column of numbers for each neuroid, and 'b' holds 'x'"):
        nl.read_responses(tmp_path / "words.csv", events=["s"])
    with pytest.raises(DataError, match="there is no file of responses at"):
        nl.read_responses(tmp_path / "none.npy", events=IDS)


def test_arrays_that_would_lose_something(rng):
    masked = np.ma.masked_equal(np.array([[1.0, 999], [2, 3], [4, 5]]), 999)
    found = nl.read_responses(masked, events=IDS)
    assert np.isnan(found.values).tolist() == [[False, True], [False, False], [False, False]]
    with pytest.raises(InputError, match="source is a DataArray, with labels of its own"):
        nl.read_responses(xr.DataArray(np.zeros((3, 2))), events=IDS)
    with pytest.raises(InputError, match="beyond single precision, up to 1e\\+300"):
        nl.read_responses(np.full((3, 2), 1e300), events=IDS)
    with pytest.raises(InputError, match=r"must hold responses, got shape \(3, 0\)"):
        nl.read_responses(np.zeros((3, 0)), events=IDS)
    with pytest.raises(LabelError, match="the region of neuroid 1 is missing"):
        nl.read_responses(np.zeros((3, 2)), events=IDS, regions=["V1", None])


def test_columns_name_neuroids(tmp_path):
    (tmp_path / "sub-03_betas.tsv").write_text("cell1\tcell2\n1\t2\n3\tn/a\n5\t6\n")
    found = nl.read_responses(tmp_path / "sub-03_betas.tsv", events=IDS)
    assert found.neuroid_id.values.tolist() == ["cell1", "cell2"]
    assert set(found.subject.values) == {"03"}
    assert np.isnan(found.values[1, 1])


def test_columns_that_are_stimuli_are_matched_with_the_events(tmp_path):
    (tmp_path / "spikes.csv").write_text("cat,dog,cup\n1,2,3\n4,5,6\n")
    dims = ("neuroid", "stimulus")
    found = nl.read_responses(tmp_path / "spikes.csv", events=IDS, dims=dims)
    assert found.neuroid_id.values.tolist() == ["n0", "n1"]
    np.testing.assert_array_equal(found, [[1, 4], [2, 5], [3, 6]])
    with pytest.raises(LabelError, match="column 2 is 'dog' and event 2 'cup'"):
        nl.read_responses(tmp_path / "spikes.csv", events=["cat", "cup", "dog"], dims=dims)


def write_table(path, table):
    matio = import_matio("this test")
    matio.save_to_mat(str(path), {"t": table, "rate": np.array([[500.0]])}, version="v7")


def test_tables_of_matlab(tmp_path):
    table = pd.DataFrame({"n1": [1.0, 2, 3], "n2": [4.0, 5, 6]})
    write_table(tmp_path / "t.mat", table)
    found = nl.read_responses(tmp_path / "t.mat", events=IDS)
    assert found.neuroid_id.values.tolist() == ["n1", "n2"]
    np.testing.assert_array_equal(found, table)
    write_table(tmp_path / "named.mat", table.set_axis(["a", "b", "c"]))
    dims = ("neuroid", "stimulus")
    found = nl.read_responses(tmp_path / "named.mat", events=["n1", "n2"], variable="t", dims=dims)
    assert found.neuroid_id.values.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(found, table.T)
    with pytest.raises(LabelError, match="the rows of named.mat are presentations by dims"):
        nl.read_responses(tmp_path / "named.mat", events=IDS, variable="t")
    write_table(tmp_path / "words.mat", table.assign(area=["V4", "IT", "IT"]))
    with pytest.raises(DataError, match="t of words.mat must hold a column of numbers .*'area'"):
        nl.read_responses(tmp_path / "words.mat", events=IDS, variable="t")


def test_structs_of_matlab(values, tmp_path):
    dims = ("stimulus", "repetition", "neuroid")
    content = {"data": {"spikes": values, "area": "V4"}, "rate": 500.0}
    scipy.io.savemat(tmp_path / "s.mat", content)
    check(nl.read_responses(tmp_path / "s.mat", events=IDS, dims=dims), values)
    check(
        nl.read_responses(tmp_path / "s.mat", events=IDS, dims=dims, variable="data.spikes"), values
    )
    with pytest.raises(
        InputError, match="'data.area' of s.mat is text, and responses are an array"
    ):
        nl.read_responses(tmp_path / "s.mat", events=IDS, dims=dims, variable="data.area")
    scipy.io.savemat(tmp_path / "two.mat", {"a": values, "b": {"c": values}})
    with pytest.raises(InputError, match=r"holds several arrays: a \(3, 2, 5\), b.c \(3, 2, 5\)"):
        nl.read_responses(tmp_path / "two.mat", events=IDS, dims=dims)
    scipy.io.savemat(tmp_path / "none.mat", {"a": "text"})
    with pytest.raises(InputError, match="none.mat holds no array of numbers: none"):
        nl.read_responses(tmp_path / "none.mat", events=IDS, dims=dims)


def test_arrays_that_are_not_there_are_told_with_those_that_are(values, tmp_path):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["run1/betas"] = values
        file["run2/betas"] = values
        file["labels"] = np.array([b"x"])
    message = r"none called 'run3/betas': run1/betas \(3, 2, 5\), run2/betas"
    with pytest.raises(InputError, match=message):
        nl.read_responses(tmp_path / "b.h5", events=IDS, variable="run3/betas")
    dims = ("stimulus", "repetition", "neuroid")
    check(
        nl.read_responses(tmp_path / "b.h5", events=IDS, variable="/run2/betas", dims=dims), values
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",a,b\n0,1,2\n1,3,4\n2,5,6\n", "column 1 of betas.csv has no name"),
        ("a,b\n1,2,\n3,4,\n5,6,\n", "line 2 of betas.csv has 3 values for 2 columns"),
        ("a,a\n1,2\n3,4\n5,6\n", "several columns named 'a'"),
        ("run,a\n1,2\n1,4\n1,6\n", "'run' say what was shown"),
        ("Trial,a\n1,2\n2,4\n3,6\n", "'Trial' say what was shown"),
        ("id,a\n3,2\n1,4\n2,6\n", "'id' say what was shown"),
    ],
)
def test_tables_that_hold_something_else(tmp_path, text, message):
    (tmp_path / "betas.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        nl.read_responses(tmp_path / "betas.csv", events=IDS)
