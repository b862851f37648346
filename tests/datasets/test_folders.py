"""The folder that recipes read: names checked, patterns matched exactly, bytes counted."""

import h5py
import numpy as np
import pandas as pd
import pytest

from neurolens.datasets.folders import Folder
from neurolens.errors import DataError

PATTERN = "{subject}/func/betas_session{session}.nii"
CARD = {"key": "small", "where": "Ask at example.org.", "layout": {"betas": PATTERN}}


@pytest.fixture
def raw(tmp_path):
    for name in (
        "s1/func/betas_session02.nii",
        "s1/func/betas_session10.nii",
        "s2/func/betas_session01.nii",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "s1/func/betas_session02.nii.gz").write_bytes(b"")
    (tmp_path / "s1/func/mean_betas_session02.nii").write_bytes(b"")
    (tmp_path / "s3/func/betas_session01.nii").mkdir(parents=True)
    return Folder(tmp_path, CARD)


def test_files_of_a_pattern_are_found_with_their_entities(raw):
    found = [(file.name, file.entities) for file in raw.find("betas")]
    assert found == [
        ("s1/func/betas_session02.nii", {"subject": "s1", "session": "02"}),
        ("s1/func/betas_session10.nii", {"subject": "s1", "session": "10"}),
        ("s2/func/betas_session01.nii", {"subject": "s2", "session": "01"}),
    ]
    assert [f.entities["session"] for f in raw.find("betas", subject="s1")] == ["02", "10"]
    assert raw.find("betas", subject="s9") == []
    # A value is a name, no pattern.
    assert raw.find("betas", subject="s[12]") == []
    (raw.path / "s[12]" / "func").mkdir(parents=True)
    (raw.path / "s[12]" / "func" / "betas_session01.nii").write_bytes(b"")
    [only] = raw.find("betas", subject="s[12]")
    assert only.name == "s[12]/func/betas_session01.nii"


def test_an_entity_that_comes_twice_is_the_same(tmp_path):
    raw = Folder(tmp_path, {**CARD, "layout": {"map": "{subject}/{subject}_map.nii"}})
    for name in ("s1/s1_map.nii", "s2/s1_map.nii"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [file.name for file in raw.find("map")] == ["s1/s1_map.nii"]


@pytest.mark.parametrize("value", ["..", "../..", "a/../..", "/etc", "a\\b", "s*", "s?"])
def test_an_entity_never_leads_out(raw, value):
    with pytest.raises(DataError, match="no plain path inside its folder"):
        raw.find("betas", subject=value)


def test_one_file_is_found_or_the_number_told(raw):
    assert raw.find_one("betas", subject="s2") == "s2/func/betas_session01.nii"
    with pytest.raises(
        DataError,
        match=r"needs one file s9/func/betas_session\{session\}.nii in .*there is none\. Ask at",
    ):
        raw.find_one("betas", subject="s9")
    with pytest.raises(DataError, match=r"there is several: 's1/func/betas_session02.nii'"):
        raw.find_one("betas", subject="s1")


def test_a_file_that_is_missing_is_told_with_where_to_get_it(raw):
    with pytest.raises(
        DataError, match=r"'small': there is no s1/x.nii in .*\. Ask at example.org"
    ):
        raw.locate("s1/x.nii")
    assert not raw.has("s1/x.nii")
    assert raw.has("s1/func/betas_session02.nii")
    with pytest.raises(DataError, match="no plain path"):
        raw.has("../x")


def test_links_that_lead_out_are_refused_wherever_they_are_met(raw, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "func").mkdir()
    (outside / "func" / "betas_session01.nii").write_bytes(b"secret")
    (raw.path / "s4").symlink_to(outside)
    with pytest.raises(DataError, match="is a link that leads out"):
        raw.find("betas", subject="s4")
    with pytest.raises(DataError, match="is a link that leads out"):
        raw.open("s4/func/betas_session01.nii")


def test_bytes_are_counted_as_they_are_read(raw):
    name = "s1/func/betas_session02.nii"
    with raw.open(name) as file:
        assert file.read(4) == b"s1/f"
        assert raw.bytes_read == 4
        file.seek(20)
        file.readinto(bytearray(3))
        assert raw.bytes_read == 7
        rest = file.read()
    assert raw.bytes_read == 7 + len(rest)
    raw.locate_whole(name)
    assert raw.bytes_read == 7 + len(rest) + len(name)
    with raw.open(name) as file, pytest.raises(OSError, match="not open for writing"):
        file.write(b"x")


def test_only_the_part_of_an_hdf5_file_that_is_read_counts(raw, rng):
    values = rng.standard_normal((200, 50))
    with h5py.File(raw.path / "a.h5", "w") as file:
        file.create_dataset("x", data=values, chunks=(1, 50))
    with raw.open("a.h5") as stream, h5py.File(stream, "r") as file:
        np.testing.assert_array_equal(file["x"][7:9], values[7:9])
    assert 800 <= raw.bytes_read < 20_000 < (raw.path / "a.h5").stat().st_size


def test_tables_are_read_through_it(raw):
    (raw.path / "t.csv").write_text("a,b\n1,2\n")
    with raw.open("t.csv") as file:
        assert pd.read_csv(file)["b"].tolist() == [2]
    assert raw.bytes_read == 8
