"""What the doctor says of folders and of the mirror."""

import errno
import shutil
import tempfile
from collections import namedtuple
from hashlib import sha256
from pathlib import Path

import pytest

from neurolens.cli.doctor import places

Usage = namedtuple("Usage", "total used free")
CARD = {
    "key": "small",
    "files": [
        {"name": "a.txt", "sha256": sha256(b"one").hexdigest(), "bytes": 3},
        {"name": "b/c.txt", "sha256": sha256(b"two").hexdigest()},
    ],
}


@pytest.fixture
def copy(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").write_bytes(b"one")
    (tmp_path / "b" / "c.txt").write_bytes(b"two")
    return tmp_path


def test_a_folder_that_is_not_made_yet_is_tried_where_it_would_be(tmp_path):
    finding = places.try_folder("cache", tmp_path / "a" / "b", "empty", "Make room.")
    assert finding.state == "ok"
    assert finding.text.startswith(f"{tmp_path / 'a' / 'b'}, empty, ")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_a_fault(tmp_path):
    (tmp_path / "file").touch()
    finding = places.try_folder("cache", tmp_path / "file" / "b", "", "Make it writable.")
    assert finding.is_harmful
    assert "cannot be written: NotADirectoryError" in finding.text


def test_a_full_disk_is_a_fault(tmp_path, monkeypatch):
    def fail(**settings):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    finding = places.try_folder("cache", tmp_path, "", "Pass cache=.")
    assert finding.is_harmful
    assert "No space left on device" in finding.text


def test_little_space_is_told_and_is_no_harm(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 10, 2**20))
    finding = places.try_folder("cache", tmp_path, "", "Pass cache=.")
    assert (finding.state, finding.is_harmful) == ("fault", False)
    assert finding.advice == "Make room. Pass cache=."


def test_what_a_folder_holds_is_counted(copy):
    assert places.measure_folder(copy) == (2, 6)
    assert places.measure_folder(copy / "none") == (0, 0)


def test_cache_and_temporary_files_are_tried(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    [cache] = places.check_cache()
    [temporary] = places.check_temporary()
    assert (cache.name, temporary.name) == ("cache", "temporary files")
    assert "empty" in cache.text


def test_a_complete_copy_is_compared_by_its_checksums(copy, monkeypatch):
    finding = places.compare_copy(copy, CARD)
    assert finding.state == "ok"
    assert finding.text == "all 2 files are there, and their checksums are right"
    monkeypatch.setattr(places, "MOST_HASHED", 2)
    assert "sizes of large files" in places.compare_copy(copy, CARD).text


def test_missing_and_other_files_are_told(copy):
    (copy / "b" / "c.txt").write_bytes(b"TWO")
    finding = places.compare_copy(copy, CARD)
    assert (finding.state, finding.text) == (
        "fault",
        "1 of 2 files are not those of the card, e.g. b/c.txt",
    )
    (copy / "a.txt").write_bytes(b"one and more")
    assert "2 of 2 files are not those" in places.compare_copy(copy, CARD).text
    (copy / "a.txt").unlink()
    assert places.compare_copy(copy, CARD).state == "missing"
    assert places.compare_copy(copy, {"key": "large"}).state == "ok"


def test_the_mirror_is_told(monkeypatch, tmp_path):
    monkeypatch.delenv("NEUROLENS_MIRROR", raising=False)
    [unset] = places.check_mirror()
    assert (unset.state, unset.text) == (
        "ok",
        "NEUROLENS_MIRROR is not set; data sets are fetched",
    )
    monkeypatch.setenv("NEUROLENS_MIRROR", str(tmp_path / "none"))
    [wrong] = places.check_mirror()
    assert wrong.is_harmful
    assert wrong.advice.endswith("unset NEUROLENS_MIRROR")
    Path(tmp_path / "kriegeskorte2008").mkdir()
    monkeypatch.setenv("NEUROLENS_MIRROR", str(tmp_path))
    names = {one.name: one.state for one in places.check_mirror()}
    assert names == {"mirror": "ok", "mirror of kriegeskorte2008": "missing"}
