"""MATLAB files of all versions hold the same; what cannot be opened is refused by name."""

import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse

from neurolens.brain import read_matlab
from neurolens.brain.recordings.matlab.paths import Unreadable
from neurolens.brain.recordings.matlab.reading import import_matio
from neurolens.errors import DataError, InputError, MissingToolError

matio = import_matio("what these tests write")

MIRROR = os.environ.get("NEUROLENS_MIRROR")
BETAS = np.arange(6.0).reshape(2, 3) / 7


def list_content():
    """Return a struct in a struct, a struct array, a cell, text, logicals and a sparse array."""
    rdms = np.empty((1, 2), dtype=[("RDM", object), ("name", object)])
    for k in range(2):
        rdms[0, k] = (BETAS * k, f"S{k}")
    cell = np.empty((1, 2), dtype=object)
    cell[0] = [BETAS, "word"]
    return {
        "betas": BETAS,
        "data": {"spikes": BETAS * 2, "meta": {"area": "V4", "rate": np.float32(30)}},
        "RDMs": rdms,
        "cell": cell,
        "good": np.array([[True, False]]),
        "waves": BETAS + 1j,
        "thin": scipy.sparse.csc_array(BETAS),
    }


def write_by_hand(path):
    """Write version 7.3 with h5py, as MATLAB lays it out: axes turned round, cells by reference."""
    with h5py.File(path, "w", userblock_size=512) as file:

        def put(name, values, kind, **attrs):
            file[name] = values
            file[name].attrs["MATLAB_class"] = np.bytes_(kind)
            for key, value in attrs.items():
                file[name].attrs[key] = value
            return file[name].ref

        def write(name, text):
            codes = np.array([[ord(letter)] for letter in text], dtype=np.uint16)
            return put(name, codes, "char", MATLAB_int_decode=2)

        put("betas", BETAS.T, "double")
        for name in ("data", "data/meta"):
            file.create_group(name).attrs["MATLAB_class"] = np.bytes_("struct")
        put("data/spikes", BETAS.T * 2, "double")
        write("data/meta/area", "V4")
        put("data/meta/rate", np.array([[30]], dtype=np.float32), "single")
        file.create_group("RDMs").attrs["MATLAB_class"] = np.bytes_("struct")
        squares = [put(f"#refs#/r{k}", BETAS.T * k, "double") for k in range(2)]
        names = [write(f"#refs#/n{k}", f"S{k}") for k in range(2)]
        file["RDMs/RDM"] = np.array([squares], dtype=h5py.ref_dtype).T
        file["RDMs/name"] = np.array([names], dtype=h5py.ref_dtype).T
        entries = [put("#refs#/c0", BETAS.T, "double"), write("#refs#/c1", "word")]
        put("cell", np.array([entries], dtype=h5py.ref_dtype).T, "cell")
        put("good", np.array([[1], [0]], dtype=np.uint8), "logical", MATLAB_int_decode=1)
        waves = np.empty((3, 2), dtype=[("real", float), ("imag", float)])
        waves["real"] = BETAS.T
        waves["imag"] = 1
        put("waves", waves, "double")
        thin = scipy.sparse.csc_array(BETAS)
        group = file.create_group("thin")
        group.attrs["MATLAB_class"] = np.bytes_("double")
        group.attrs["MATLAB_sparse"] = np.uint64(2)
        group["data"] = thin.data
        group["ir"] = thin.indices.astype(np.uint64)
        group["jc"] = thin.indptr.astype(np.uint64)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file")


WRITERS = {
    "scipy": lambda path: scipy.io.savemat(path, list_content()),
    "compressed": lambda path: scipy.io.savemat(path, list_content(), do_compression=True),
    "7.3": lambda path: matio.save_to_mat(str(path), list_content(), version="v7.3"),
    "h5py": write_by_hand,
}


@pytest.fixture(params=WRITERS)
def path(request, tmp_path):
    path = tmp_path / "file.mat"
    WRITERS[request.param](path)
    return path


def test_every_version_holds_the_same(path):
    tree = read_matlab(path)
    np.testing.assert_array_equal(tree["betas"], BETAS)
    np.testing.assert_array_equal(tree["data"]["spikes"], BETAS * 2)
    assert tree["data"]["meta"]["area"] == "V4"
    assert tree["data"]["meta"]["rate"].tolist() == [[30]]
    assert [entry["name"] for entry in tree["RDMs"].flat] == ["S0", "S1"]
    assert tree["RDMs"].shape == (1, 2)
    np.testing.assert_array_equal(tree["RDMs"][0, 1]["RDM"], BETAS)
    np.testing.assert_array_equal(tree["cell"][0, 0], BETAS)
    assert tree["cell"][0, 1] == "word"
    assert tree["good"].tolist() == [[True, False]]
    np.testing.assert_array_equal(tree["waves"], BETAS + 1j)
    np.testing.assert_array_equal(tree["thin"], BETAS)
    assert set(tree) == set(list_content())


def test_a_variable_is_picked_by_its_path(path):
    np.testing.assert_array_equal(read_matlab(path, "data.spikes"), BETAS * 2)
    np.testing.assert_array_equal(read_matlab(path, "RDMs(2).RDM"), BETAS)
    np.testing.assert_array_equal(read_matlab(path, "cell{1}"), BETAS)
    assert read_matlab(path, "data.meta.area") == "V4"
    assert read_matlab(path, "data(1).meta.area") == "V4"


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("data.spike", r"no 'spike' in data; there is .*spikes \(an array \(2, 3\)\)"),
        ("beta", r"file.mat has no 'beta' in it; there is .*betas \(an array \(2, 3\)\)"),
        ("RDMs.RDM", r"'RDMs' of file.mat is a struct array of 2, .*variable='RDMs\(1\).RDM'"),
        ("RDMs(3).RDM", r"'RDMs\(3\)' of file.mat is beyond its 2 entries"),
        ("betas(1)", r"names an entry of an array \(2, 3\), which is no struct array"),
        ("betas.x", r"has no 'x' in betas; there is .*an array"),
        ("RDMs(0).RDM", "a path as MATLAB writes it, .*counted from 1"),
        ("data..x", "a path as MATLAB writes it"),
        (3, "variable must be the name of an array in a file, got 3"),
    ],
)
def test_paths_that_lead_nowhere(path, variable, message):
    with pytest.raises(InputError, match=message):
        read_matlab(path, variable)


@pytest.mark.parametrize("version", ["v7", "v7.3"])
def test_tables(tmp_path, version):
    table = pd.DataFrame({"cell": [1.0, 2.0], "R1a": [0.5, 4.6], "area": ["V4", "IT"]})
    matio.save_to_mat(str(tmp_path / "t.mat"), {"t": table, "x": BETAS}, version=version)
    pd.testing.assert_frame_equal(
        read_matlab(tmp_path / "t.mat", "t").astype({"area": object}),
        table.astype({"area": object}),
        check_dtype=False,
    )
    assert set(read_matlab(tmp_path / "t.mat")) == {"t", "x"}
    np.testing.assert_array_equal(read_matlab(tmp_path / "t.mat", "x"), BETAS)


@pytest.mark.parametrize("version", ["v7", "v7.3"])
def test_several_tables_and_tables_in_structs(tmp_path, version):
    tables = [pd.DataFrame({"a": [1.0, 2.0, k]}) for k in range(3)]
    content = {"one": tables[0], "two": tables[1], "data": {"inner": tables[2], "x": BETAS}}
    matio.save_to_mat(str(tmp_path / "t.mat"), content, version=version)
    pd.testing.assert_frame_equal(read_matlab(tmp_path / "t.mat", "two"), tables[1])
    pd.testing.assert_frame_equal(read_matlab(tmp_path / "t.mat", "data.inner"), tables[2])
    np.testing.assert_array_equal(read_matlab(tmp_path / "t.mat", "data.x"), BETAS)
    tree = read_matlab(tmp_path / "t.mat")
    assert set(tree) == {"one", "two", "data"}
    pd.testing.assert_frame_equal(tree["one"], tables[0])


def test_links_to_other_files_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = BETAS
    (tmp_path / "raw.bin").write_bytes(BETAS.tobytes())
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["x"] = h5py.ExternalLink(tmp_path / "secret.h5", "x")
    with h5py.File(tmp_path / "b.mat", "w") as file:
        outside = [(str(tmp_path / "raw.bin"), 0, BETAS.nbytes)]
        file.create_dataset("x", BETAS.shape, BETAS.dtype, external=outside)
    for name, reason in (("a", "a link to another file"), ("b", "'x' are in other files")):
        for variable in (None, "x"):
            with pytest.raises(DataError, match=f"{name}.mat cannot be read .*{reason}"):
                read_matlab(tmp_path / f"{name}.mat", variable)


@pytest.mark.parametrize("version", ["v7", "v7.3"])
def test_tables_need_mat_io(tmp_path, version, monkeypatch):
    matio.save_to_mat(
        str(tmp_path / "t.mat"), {"t": pd.DataFrame({"a": [1.0, 2.0]})}, version=version
    )
    monkeypatch.setitem(sys.modules, "matio", None)
    with pytest.raises(
        MissingToolError, match=r"t.mat holds objects of MATLAB.*pip install mat-io"
    ):
        read_matlab(tmp_path / "t.mat", "t")


def test_opening_tables_leaves_pandas_as_it_was(tmp_path):
    matio.save_to_mat(str(tmp_path / "t.mat"), {"t": pd.DataFrame({"a": [1.0, 2.0]})})
    loaded = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("matio")}
    try:
        with pytest.warns(Warning, match="infer_string"):
            pd.set_option("future.infer_string", False)
        read_matlab(tmp_path / "t.mat")
        with pytest.warns(Warning, match="infer_string"):
            assert pd.get_option("future.infer_string") is False
    finally:
        with pytest.warns(Warning, match="infer_string"):
            pd.set_option("future.infer_string", True)
        sys.modules.update(loaded)


@pytest.mark.parametrize("version", ["v7", "v7.3"])
def test_objects_are_refused_by_name_and_leave_the_rest(tmp_path, version):
    own = matio.utils.matclass.MatlabOpaque({"a": BETAS}, "Recorder")
    matio.save_to_mat(str(tmp_path / "o.mat"), {"own": own, "x": BETAS}, version=version)
    tree = read_matlab(tmp_path / "o.mat")
    np.testing.assert_array_equal(tree["x"], BETAS)
    assert isinstance(tree["own"], Unreadable)
    with pytest.raises(InputError, match="'own' of o.mat is an object of the class 'Recorder'"):
        read_matlab(tmp_path / "o.mat", "own")


def test_function_handles_are_refused(tmp_path):
    with h5py.File(tmp_path / "f.mat", "w") as file:
        group = file.create_group("run")
        group.attrs["MATLAB_class"] = np.bytes_("function_handle")
        group.attrs["MATLAB_object_decode"] = 1
        group["function"] = np.zeros((3, 1), np.uint16)
        file["x"] = BETAS.T
    with pytest.raises(InputError, match="'run' of f.mat is an object of the class 'function_h"):
        read_matlab(tmp_path / "f.mat", "run")
    np.testing.assert_array_equal(read_matlab(tmp_path / "f.mat")["x"], BETAS)


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match="there is no MATLAB file at"):
        read_matlab(tmp_path / "none.mat")
    for name, content in {
        "text": b"1 2 3\n" * 40,
        "empty": b"",
        "magic": b"\x89HDF\r\n\x1a\n",
    }.items():
        (tmp_path / f"{name}.mat").write_bytes(content)
        with pytest.raises(DataError, match=f"{name}.mat cannot be read as a MATLAB file"):
            read_matlab(tmp_path / f"{name}.mat")


@pytest.mark.parametrize("writer", ["compressed", "7.3"])
def test_files_cut_short_are_told(tmp_path, writer):
    WRITERS[writer](tmp_path / "whole.mat")
    whole = (tmp_path / "whole.mat").read_bytes()
    for share in np.linspace(0.02, 0.98, 13):
        (tmp_path / "cut.mat").write_bytes(whole[: int(len(whole) * share)])
        try:
            found = read_matlab(tmp_path / "cut.mat")
        except DataError as error:
            assert "cut.mat" in str(error)  # noqa: PT017
            continue
        for name in found:  # cut between two variables
            assert str(found[name]) == str(read_matlab(tmp_path / "whole.mat", name))


def test_flipped_bits_never_change_numbers_in_silence(tmp_path, rng):
    values = rng.normal(size=(20, 5))
    scipy.io.savemat(tmp_path / "a.mat", {"betas": values}, do_compression=True)
    whole = bytearray((tmp_path / "a.mat").read_bytes())
    n_refused = 0
    for place in rng.integers(136, len(whole), 150):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        (tmp_path / "b.mat").write_bytes(damaged)
        try:
            found = read_matlab(tmp_path / "b.mat", "betas")
        except DataError:
            n_refused += 1
            continue
        np.testing.assert_array_equal(found, values)
    assert n_refused > 140


def test_flipped_bits_of_tables(tmp_path, rng):
    table = pd.DataFrame({"a": rng.normal(size=30), "b": rng.normal(size=30)})
    matio.save_to_mat(str(tmp_path / "a.mat"), {"t": table}, version="v7", do_compression=True)
    whole = bytearray((tmp_path / "a.mat").read_bytes())
    n_refused = 0
    for place in rng.integers(136, len(whole), 80):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        (tmp_path / "b.mat").write_bytes(damaged)
        try:
            found = read_matlab(tmp_path / "b.mat", "t")
        except (DataError, InputError):
            n_refused += 1
            continue
        pd.testing.assert_frame_equal(found, table)
    assert n_refused > 40


@pytest.mark.filterwarnings("ignore")
def test_two_variables_of_one_name_are_refused(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"betas": BETAS})
    scipy.io.savemat(tmp_path / "b.mat", {"betas": BETAS * 2})
    with (tmp_path / "a.mat").open("ab") as file:
        file.write((tmp_path / "b.mat").read_bytes()[128:])
    with pytest.raises(DataError, match='Duplicate variable name "betas"'):
        read_matlab(tmp_path / "a.mat")


def test_nesting_without_end_is_refused(tmp_path):
    with h5py.File(tmp_path / "loop.mat", "w") as file:
        file["cell"] = np.empty((1, 1), dtype=h5py.ref_dtype)
        file["cell"].attrs["MATLAB_class"] = np.bytes_("cell")
        file["cell"][0, 0] = file["cell"].ref
    with pytest.raises(DataError, match="loop.mat cannot be read .*nested more than 40 deep"):
        read_matlab(tmp_path / "loop.mat")


@pytest.mark.skipif(not MIRROR, reason="NEUROLENS_MIRROR names no folder with data sets")
def test_a_published_table():
    path = Path(MIRROR) / "kalfas2018_shapes/regular_irregular_SPIKES_yannis.mat"
    [table] = read_matlab(path).values()
    assert table.shape == (119, 66)
    assert table.columns[2] == "R1a"
    assert table.iloc[:, 0].value_counts().tolist() == [76, 43]
