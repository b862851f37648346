"""Names of files: plain ones are found, and none leads out of the folder."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolens.datasets.paths import check_inside, locate_inside, split_name
from neurolens.errors import DataError

BAD = [
    "", ".", "..", "../a", "a/../b", "a/..", "/a", "//server/a", "a//b", "a/", "./a", "C:a", "C:/a", "c:\\a", "\\\\server\\a",
    "a\\b", "a\x00b", "a\nb", "a:stream", "a*", "a?", "a|b", "..\\a", "a./b", "a /b", None, 3, b"a",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD, ids=repr)
def test_names_that_are_not_plain_are_refused(name, tmp_path):
    with pytest.raises(DataError, match="the card names .*no plain path inside its folder"):
        split_name(name, "the card")
    with pytest.raises(DataError, match="no plain path inside its folder"):
        locate_inside(tmp_path, name, "the card")


@pytest.mark.parametrize("name", ["a", "a/b.mat", "a b/ü.nii.gz", ".hidden", "..a", "a..b/c"])
def test_plain_names_are_found(name, tmp_path):
    assert locate_inside(tmp_path, name, "the card") == tmp_path / name


@given(name=st.text(alphabet="ab./\\:~ \x00*", max_size=12))
def test_no_name_leads_out(name):
    folder = Path("/srv/data")
    try:
        path = locate_inside(folder, name, "the card")
    except DataError:
        return
    assert Path(os.path.normpath(path)).is_relative_to(folder)
    assert path != folder


def test_links_inside_are_followed_and_those_that_lead_out_are_refused(tmp_path):
    folder = tmp_path / "room"
    (folder / "real").mkdir(parents=True)
    (folder / "real" / "a").write_text("a")
    (tmp_path / "secret").write_text("s")
    (folder / "inner").symlink_to(folder / "real")
    (folder / "outer").symlink_to(tmp_path)
    (folder / "file").symlink_to(tmp_path / "secret")
    assert locate_inside(folder, "inner/a", "the card").read_text() == "a"
    for name in ("outer/secret", "file"):
        with pytest.raises(DataError, match=r"is a link that leads out of .*room, to .*secret"):
            locate_inside(folder, name, "the card")
    # The folder itself may be reached through a link.
    (tmp_path / "link").symlink_to(folder)
    check_inside(tmp_path / "link" / "real" / "a", tmp_path / "link")
