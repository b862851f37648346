"""Files are written whole or not at all."""

from pathlib import Path

import pytest

from neurolens.cli.files import check_folder, check_target, quote_path, write_whole
from neurolens.errors import DataError


def write_half(path):
    with write_whole(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "a.nc"
    with write_whole(path) as partial:
        partial.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("a.csv", {"suffixes": [".nc"]}, "must end with .nc, got"),
        ("no/a.nc", {}, "no folder"),
        ("there.nc", {}, "is there already; pass --overwrite"),
        ("folder", {"overwrite": True}, "is a folder"),
    ],
)
def test_targets_are_checked_before(tmp_path, name, settings, reason):
    (tmp_path / "there.nc").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=reason):
        check_target(tmp_path / name, **{"overwrite": False, **settings})
    check_target(tmp_path / "there.nc", overwrite=True, suffixes=[".nc"])


def test_what_is_read_is_never_replaced(tmp_path):
    path = tmp_path / "a.nc"
    path.touch()
    with pytest.raises(DataError, match="is what is read here"):
        check_target(path, overwrite=True, inputs=[tmp_path / "x" / ".." / "a.nc", path])


def test_a_store_may_be_there(tmp_path):
    check_folder(tmp_path / "a.zarr", suffix=".zarr")
    (tmp_path / "a.zarr").mkdir()
    check_folder(tmp_path / "a.zarr", suffix=".zarr")
    (tmp_path / "b.zarr").touch()
    with pytest.raises(DataError, match="is a file"):
        check_folder(tmp_path / "b.zarr", suffix=".zarr")


def test_paths_can_be_typed_into_a_shell():
    assert quote_path(Path("a.nc")) == "a.nc"
    assert quote_path(Path("-x y.nc")) == "'./-x y.nc'"
