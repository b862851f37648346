"""Archives: what leads out of the folder, is no file or is too large is refused, and leaves nothing."""

import io
import stat
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolens.datasets import archives
from neurolens.datasets.archives import unpack_archive
from neurolens.errors import DataError

FILES = {"subj1/bold.txt": b"bold" * 1000, "subj1/masks/vt.txt": b"vt", "README": b"beside"}


def write_tar(path, files, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


WRITERS = {
    ".tar.gz": write_tar,
    ".tgz": write_tar,
    ".tar": lambda path, files: write_tar(path, files, "w"),
    ".tar.bz2": lambda path, files: write_tar(path, files, "w:bz2"),
    ".tar.xz": lambda path, files: write_tar(path, files, "w:xz"),
    ".zip": write_zip,
}
BOTH = [".tar.gz", ".zip"]


@pytest.fixture
def room(tmp_path):
    folder = tmp_path / "room"
    folder.mkdir()
    yield folder
    # Whatever happens, nothing is written beside the folder.
    outside = [path for path in tmp_path.iterdir() if path != folder]
    assert all(path.name.startswith("archive") for path in outside), outside


def pack(tmp_path, suffix, files=FILES):
    return WRITERS[suffix](tmp_path / f"archive{suffix}", files)


def unpack(path, room, max_bytes=10**6):
    return unpack_archive(path, room, "subj1", max_bytes=max_bytes)


@pytest.mark.parametrize("suffix", WRITERS)
def test_the_folder_is_unpacked_and_nothing_beside_it(tmp_path, room, suffix):
    made = unpack(pack(tmp_path, suffix), room)
    assert made == room / "subj1"
    found = {p.relative_to(room).as_posix(): p.read_bytes() for p in made.rglob("*") if p.is_file()}
    assert found == {name: FILES[name] for name in ("subj1/bold.txt", "subj1/masks/vt.txt")}
    assert [p.name for p in room.iterdir()] == ["subj1"]


def test_names_after_the_present_folder_are_plain(tmp_path, room):
    path = write_tar(tmp_path / "archive.tar.gz", {"./subj1/bold.txt": b"bold"})
    with tarfile.open(tmp_path / "archive2.tar.gz", "w:gz") as archive:
        for name in (".", "./subj1"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
        with tarfile.open(path) as other:
            [member] = other.getmembers()
            archive.addfile(member, other.extractfile(member))
    assert (unpack(tmp_path / "archive2.tar.gz", room) / "bold.txt").read_bytes() == b"bold"


@pytest.mark.parametrize("suffix", BOTH)
@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "subj1/../../evil.txt",
        "/evil.txt",
        "C:/evil.txt",
        "subj1\\..\\..\\evil.txt",
        "subj1//evil.txt",
        "subj1/./evil.txt",
        "subj1/evil\n.txt",
    ],
)
def test_names_that_lead_out_are_refused(tmp_path, room, suffix, name):
    path = pack(tmp_path, suffix, {**FILES, name: b"evil"})
    with pytest.raises(DataError, match=r"the archive .* names .*no plain path inside its folder"):
        unpack(path, room)
    assert list(room.iterdir()) == []


@given(name=st.text(min_size=1, max_size=30), suffix=st.sampled_from(BOTH))
def test_whatever_the_name_nothing_is_written_outside(tmp_path_factory, name, suffix):
    base = tmp_path_factory.mktemp("any")
    room = base / "room"
    room.mkdir()
    try:
        path = pack(base, suffix, {"subj1/a": b"a", name: b"b"})
    except (ValueError, UnicodeError):
        return
    try:
        unpack(path, room)
    except DataError:
        assert list(room.iterdir()) == []
    assert {p.name for p in base.iterdir()} <= {"room", path.name}
    assert {p.name for p in room.iterdir()} <= {"subj1"}


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_in_tar_are_refused(tmp_path, room, kind):
    path = tmp_path / "archive.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("subj1/link")
        info.type = kind
        info.linkname = "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DataError, match=r"holds 'subj1/link', a link or device"):
        unpack(path, room)
    assert list(room.iterdir()) == []


def test_links_in_zip_are_refused(tmp_path, room):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("subj1/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match=r"holds 'subj1/link', a link or device"):
        unpack(path, room)
    assert list(room.iterdir()) == []


@pytest.mark.parametrize("suffix", BOTH)
def test_bombs_are_stopped_before_they_fill_the_disk(tmp_path, room, suffix, monkeypatch):
    path = pack(tmp_path, suffix, {"subj1/zeros": bytes(5_000_000)})
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(archives.shutil, "copyfileobj", lambda *args: pytest.fail("written"))
    with pytest.raises(DataError, match="larger than it can be: more than 1000000 bytes"):
        unpack(path, room)
    assert list(room.iterdir()) == []


@pytest.mark.parametrize("suffix", BOTH)
def test_too_many_files_are_refused(tmp_path, room, suffix, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILES", 20)
    path = pack(tmp_path, suffix, {f"subj1/{k}": b"" for k in range(21)})
    with pytest.raises(DataError, match="or 20 files"):
        unpack(path, room)
    assert list(room.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("suffix", BOTH)
def test_a_name_that_comes_twice_is_refused(tmp_path, room, suffix):
    path = pack(tmp_path, suffix, {"subj1/a": b"1", "subj1/A": b"2"})
    with pytest.raises(DataError, match="holds 'subj1/A' twice"):
        unpack(path, room)


@pytest.mark.parametrize("suffix", WRITERS)
def test_archives_that_are_cut_short_leave_nothing(tmp_path, room, suffix, rng):
    files = {"subj1/noise": rng.bytes(300_000), "subj1/more": rng.bytes(1000)}
    path = pack(tmp_path, suffix, files)
    content = path.read_bytes()
    for share in (0.0, 0.3, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError, match=r"cut short|holds no folder|cannot be unpacked"):
            unpack(path, room)
        assert list(room.iterdir()) == []


def test_a_changed_byte_of_a_zip_is_found(tmp_path, room, rng):
    path = pack(tmp_path, ".zip", {"subj1/noise": rng.bytes(3000)})
    content = bytearray(path.read_bytes())
    content[1500] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(path, room)
    assert list(room.iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path, room):
    left = room / ".unpacking-subj1-old"
    left.mkdir()
    (left / "half").write_bytes(b"half")
    unpack(pack(tmp_path, ".zip"), room)
    assert [p.name for p in room.iterdir()] == ["subj1"]


def test_other_archives_are_told(tmp_path, room):
    with pytest.raises(DataError, match="holds no folder 'subj1'"):
        unpack(pack(tmp_path, ".zip", {"subj2/a": b""}), room)
    (tmp_path / "archive.rar").write_bytes(b"")
    with pytest.raises(DataError, match="no archive of a known kind"):
        unpack(tmp_path / "archive.rar", room)


def test_an_archive_with_a_password_is_told(tmp_path, room):
    path = pack(tmp_path, ".zip", {"subj1/a": b"abc"})
    content = bytearray(path.read_bytes())
    # The flag of encryption, in both headers.
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be unpacked .*password"):
        unpack(path, room)


def test_a_full_disk_is_not_called_a_damaged_archive(tmp_path, room, monkeypatch):
    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives.shutil, "copyfileobj", refuse)
    with pytest.raises(OSError, match="No space left"):
        unpack(pack(tmp_path, ".zip"), room)
    assert list(room.iterdir()) == []
