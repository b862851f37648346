"""The files of a data set: fetched from a server, a mirror, or a copy, and checked each time."""

import io
import tarfile

import pytest
from recipes import FILES, list_entries, write_files, write_recipe
from web import Site, serve_site

import neurolens as nl
from neurolens.datasets import cards, fetching
from neurolens.errors import DataError, InputError

LAYOUT = 'where = "Ask at example.org."'


@pytest.fixture
def recipes(tmp_path, monkeypatch):
    folder = tmp_path / "recipes"
    monkeypatch.setattr(cards, "find_recipes", lambda: folder)
    for name in ("NEUROLENS_MIRROR", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def site():
    with serve_site(Site(dict(FILES))) as running:
        yield running


@pytest.fixture
def load(recipes, site, tmp_path):
    write_recipe(recipes, more=f'base_url = "{site.url}"', files=list_entries(FILES))
    return lambda **options: nl.load_dataset(
        "small", cache=tmp_path / "cache", quiet=True, **options
    )


def list_files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_files_are_fetched_once(load, site, tmp_path):
    for _ in range(2):
        assert load().responses.values[:, 0].tolist() == [1.5, 25.25]
    assert len(site.ranges) == 2
    assert list_files(tmp_path / "cache" / "small") == [".lock", *FILES]


def test_only_the_files_of_the_subjects_asked_for_are_fetched_and_read(load, site, tmp_path):
    data = load(subjects="s2", regions=["V2"])
    assert data.responses.values.tolist() == [[25.25]]
    assert list_files(tmp_path / "cache" / "small") == [".lock", "s2/data.txt"]
    assert data.bytes_read == data.responses.attrs["bytes_read"] == 5
    assert load().bytes_read == 8


def test_a_file_changed_in_the_cache_is_refused(load, tmp_path):
    load()
    (tmp_path / "cache/small/s1/data.txt").write_bytes(b"1.6")
    with pytest.raises(
        DataError,
        match=r"s1/data.txt is not the file the recipe names: sha256 .*Delete it and load again",
    ):
        load()


def test_what_cannot_be_fetched_is_told_in_one_sentence(load, site, tmp_path):
    site.files.clear()
    expected = (
        rf"^data set 'small': s1/data.txt could not be fetched from {site.url}s1/data.txt \(the server answers 404 Not Found\); "
        r"connect to the network, or put the file into .*small, or set NEUROLENS_MIRROR to a folder that has small/s1/data.txt\.\n"
    )
    with pytest.raises(DataError, match=expected):
        load()
    assert list_files(tmp_path / "cache" / "small") == [".lock"]


def test_no_network_is_told_in_one_sentence(recipes, tmp_path):
    write_recipe(recipes, more='base_url = "http://127.0.0.1:9/"', files=list_entries(FILES))
    with pytest.raises(
        DataError, match=r"\(there is no connection to 127\.0\.0\.1\); connect to the network"
    ):
        nl.load_dataset("small", cache=tmp_path / "cache", quiet=True)


def test_a_wrong_file_is_never_named(load, site, tmp_path):
    site.files["s2/data.txt"] = b"other"
    with pytest.raises(
        DataError, match=r"s2/data.txt could not be fetched .*sha256 .*what arrived is deleted"
    ):
        load()
    assert list_files(tmp_path / "cache" / "small") == [".lock", "s1/data.txt"]


def test_a_mirror_is_used_instead_of_the_network(load, site, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROLENS_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(
        DataError,
        match=r"NEUROLENS_MIRROR=.*mirror lacks 's1/data.txt' .*Put the files into .*small, or unset",
    ):
        load(subjects="s1")
    write_files(tmp_path / "mirror" / "small")
    assert load().responses.sizes["presentation"] == 2
    assert site.ranges == []
    assert not (tmp_path / "cache").exists()
    (tmp_path / "mirror/small/s2/data.txt").write_bytes(b"25.26")
    load(subjects=["s1"])
    with pytest.raises(DataError, match="s2/data.txt is not the file the recipe names"):
        load()


def test_a_copy_of_ones_own_is_used_as_it_is(load, site, tmp_path):
    copy = write_files(tmp_path / "copy")
    assert load(folder=copy).responses.values[1, 0] == 25.25
    assert load(folder=str(copy)).bytes_read == 8
    assert site.ranges == []
    assert list_files(copy) == sorted(FILES)
    (copy / "s1/data.txt").unlink()
    with pytest.raises(
        DataError, match=r"folder='.*copy' lacks 's1/data.txt' .*or leave out folder="
    ):
        load(folder=copy)
    with pytest.raises(
        InputError, match=r"folder= must be a folder with a copy of the data, got .*nowhere"
    ):
        load(folder=tmp_path / "nowhere")


def test_a_link_out_of_the_cache_is_refused(load, tmp_path):
    load()
    path = tmp_path / "cache/small/s1/data.txt"
    path.rename(tmp_path / "elsewhere.txt")
    path.symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(DataError, match=r"is a link that leads out of .*small"):
        load()


def test_data_that_cannot_be_fetched_say_where_to_get_them(recipes, tmp_path, monkeypatch):
    write_recipe(recipes, more=LAYOUT, files='[layout]\nbetas = "{subject}/data.txt"')
    with pytest.raises(
        DataError,
        match=r"the files of data set 'small' cannot be fetched\. Ask at example.org\. Then pass folder= to load_dataset, the folder",
    ):
        nl.load_dataset("small")
    copy = write_files(tmp_path / "copy")
    assert nl.load_dataset("small", folder=copy).bytes_read == 8
    monkeypatch.setenv("NEUROLENS_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(DataError, match="cannot be fetched"):
        nl.load_dataset("small")
    write_files(tmp_path / "mirror" / "small")
    assert nl.load_dataset("small").bytes_read == 8


def test_data_made_on_the_spot_take_no_folder(recipes, tmp_path):
    write_recipe(recipes)
    with pytest.raises(
        InputError, match="'small' is made on the spot and has no files. Leave out folder="
    ):
        nl.load_dataset("small", folder=tmp_path)


def pack(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def packed(recipes, site):
    """Return a recipe whose subjects are archives, and the archives."""
    archives = {
        f"{s}.tar.gz": pack({f"{s}/data.txt": FILES[f"{s}/data.txt"]}) for s in ("s1", "s2")
    }
    site.files = archives
    files = ""
    for name, content in archives.items():
        subject = name.partition(".")[0]
        files += (
            list_entries({name: content}, unpack=f'"{subject}"', unpacked_bytes_at_most=100) + "\n"
        )
    layout = '[layout]\ndata = "{subject}/data.txt"\n'
    write_recipe(recipes, more=f'{LAYOUT}\nbase_url = "{site.url}"', files=layout + files)
    return archives


def test_archives_are_fetched_unpacked_and_deleted(packed, site, tmp_path):
    cache = tmp_path / "cache"
    options = {"cache": cache, "quiet": True}
    assert nl.load_dataset("small", subjects="s2", **options).responses.values[0, 0] == 25.25
    assert list_files(cache / "small") == [".lock", "s2/data.txt"]
    assert nl.load_dataset("small", **options).responses.values[:, 0].tolist() == [1.5, 25.25]
    assert len(site.ranges) == 2
    assert list_files(cache / "small") == [".lock", "s1/data.txt", "s2/data.txt"]


def test_archives_of_a_mirror_are_unpacked_into_the_cache(packed, site, tmp_path, monkeypatch):
    mirror = write_files(tmp_path / "mirror" / "small", packed)
    monkeypatch.setenv("NEUROLENS_MIRROR", str(mirror.parent))
    nl.load_dataset("small", cache=tmp_path / "cache")
    assert site.ranges == []
    assert list_files(mirror) == sorted(packed)
    assert list_files(tmp_path / "cache/small") == [".lock", "s1/data.txt", "s2/data.txt"]


def test_other_files_beside_archives_of_a_mirror_are_copied(
    packed, recipes, site, tmp_path, monkeypatch
):
    mirror = write_files(tmp_path / "mirror" / "small", packed | {"list.txt": b"a list"})
    monkeypatch.setenv("NEUROLENS_MIRROR", str(mirror.parent))
    card = recipes / "small" / "card.toml"
    entry = list_entries({"list.txt": b"a list"}).replace('subject = "list"', "")
    card.write_text(f"{card.read_text()}\n{entry}\n")
    for _ in range(2):
        nl.load_dataset("small", cache=tmp_path / "cache")
    assert site.ranges == []
    assert list_files(mirror) == sorted([*packed, "list.txt"])
    kept = [".lock", "list.txt", "s1/data.txt", "s2/data.txt"]
    assert list_files(tmp_path / "cache/small") == kept
    (mirror / "list.txt").write_bytes(b"another")
    with pytest.raises(DataError, match=r"list.txt is not the file the recipe names"):
        nl.load_dataset("small", cache=tmp_path / "other")


def test_an_archive_that_is_larger_than_its_card_says_leaves_nothing(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(
        fetching, "unpack_archive", lambda *a, max_bytes, **k: REAL(*a, max_bytes=2, **k)
    )
    with pytest.raises(DataError, match="larger than it can be"):
        nl.load_dataset("small", cache=tmp_path / "cache", quiet=True)
    assert list_files(tmp_path / "cache/small") == [".lock", "s1.tar.gz"]


REAL = fetching.unpack_archive


def test_an_unpacked_copy_of_ones_own_is_used(packed, site, tmp_path):
    copy = write_files(tmp_path / "copy")
    assert nl.load_dataset("small", folder=copy).bytes_read == 8
    assert site.ranges == []


def test_the_cache_of_the_user_is_the_default():
    assert fetching.find_cache().name == "datasets"
    assert "neurolens" in str(fetching.find_cache())
