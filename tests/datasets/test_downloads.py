"""Downloads: continued, checked, and nothing under its final name before that."""

import hashlib
import socket

import pytest
import requests
from web import Site, serve_site

from neurolens.datasets import downloads
from neurolens.datasets.downloads import Digest, download_file
from neurolens.errors import DataError

BODY = bytes(range(256)) * 4000
SHA = Digest("sha256", hashlib.sha256(BODY).hexdigest())


@pytest.fixture
def site(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve_site(Site({"a.bin": BODY})) as running:
        yield running


def fetch(site, path, digest=SHA, **options):
    download_file(site.url + "a.bin", path, digest, quiet=True, **options)


def list_names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_uncompressed(site, tmp_path):
    path = tmp_path / "sub" / "a.bin"
    fetch(site, path)
    assert path.read_bytes() == BODY
    assert list_names(path.parent) == ["a.bin"]
    assert site.encodings == ["identity"]


def test_md5_is_checked_as_sha256_is(site, tmp_path):
    fetch(site, tmp_path / "a.bin", Digest("md5", hashlib.md5(BODY).hexdigest()))
    assert (tmp_path / "a.bin").read_bytes() == BODY
    with pytest.raises(DataError, match=r"^md5 [0-9a-f]{32}, expected 0{32}: it was damaged"):
        fetch(site, tmp_path / "b.bin", Digest("md5", "0" * 32))


def test_a_part_is_continued(site, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(BODY[:1000])
    fetch(site, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert site.ranges == ["bytes=1000-"]


def test_a_broken_connection_is_continued_at_once(site, tmp_path):
    site.cuts = [300_000, 400_000]
    fetch(site, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert site.ranges[0] is None
    starts = [int(text[6:-1]) for text in site.ranges[1:]]
    assert starts == sorted(starts)
    assert 0 < starts[0] <= 300_000


def test_a_server_that_always_breaks_leaves_a_part_that_the_next_call_continues(site, tmp_path):
    site.cuts = [200_000] * downloads.N_ATTEMPTS
    with pytest.raises(DataError, match="broke off|no connection|arrived"):
        fetch(site, tmp_path / "a.bin")
    assert list_names(tmp_path) == ["a.bin.part"]
    kept = (tmp_path / "a.bin.part").stat().st_size
    assert 0 < kept < len(BODY)
    before = len(site.ranges)
    fetch(site, tmp_path / "a.bin")
    assert site.ranges[before:] == [f"bytes={kept}-"]
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_an_attempt_that_brings_nothing_is_the_last(site, tmp_path):
    site.cuts = [0] * 10
    with pytest.raises(DataError, match="broke off|no connection|arrived"):
        fetch(site, tmp_path / "a.bin")
    assert len(site.ranges) == 1


def test_a_server_without_ranges_sends_the_whole_file_again(site, tmp_path):
    site.takes_ranges = False
    (tmp_path / "a.bin.part").write_bytes(b"stale" * 100)
    fetch(site, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_part_from_elsewhere_than_asked_for_is_refused(site, tmp_path):
    site.shift = 7
    (tmp_path / "a.bin.part").write_bytes(BODY[:1000])
    with pytest.raises(DataError, match=r"asked for the bytes from 1000 on, and sends 'bytes 1007"):
        fetch(site, tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()


def test_a_wrong_file_is_deleted_and_never_named(site, tmp_path):
    with pytest.raises(
        DataError, match=rf"^sha256 {SHA.value}, expected f{{64}}: .*what arrived is deleted\n"
    ):
        fetch(site, tmp_path / "a.bin", Digest("sha256", "f" * 64))
    assert list_names(tmp_path) == []


def test_a_part_of_another_file_is_found_by_its_checksum(site, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    with pytest.raises(DataError, match="what arrived is deleted"):
        fetch(site, tmp_path / "a.bin")
    assert list_names(tmp_path) == []
    fetch(site, tmp_path / "a.bin")


@pytest.mark.parametrize("knows_length", [True, False])
def test_a_part_that_is_whole_gets_its_name(site, tmp_path, knows_length):
    (tmp_path / "a.bin.part").write_bytes(BODY)
    fetch(site, tmp_path / "a.bin", n_bytes=len(BODY) if knows_length else None)
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert len(site.ranges) == (0 if knows_length else 1)


def test_a_part_that_is_too_long_is_fetched_again(site, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(BODY + b"more")
    fetch(site, tmp_path / "a.bin", n_bytes=len(BODY))
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert site.ranges == [None]


def test_what_the_server_refuses_is_told(site, tmp_path):
    with pytest.raises(DataError, match="^the server answers 404 Not Found\n"):
        download_file(site.url + "b.bin", tmp_path / "b.bin", SHA, quiet=True)
    assert list_names(tmp_path) == []


def test_no_network_is_told_in_a_few_words(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DataError, match=r"^there is no connection to 127\.0\.0\.1\n"):
        download_file(f"http://127.0.0.1:{port}/a.bin", tmp_path / "a.bin", SHA, quiet=True)
    assert list_names(tmp_path) == []


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (requests.exceptions.ConnectTimeout(), "example.org does not answer within 60 s"),
        (requests.exceptions.SSLError("self-signed"), "the certificate of example.org is not"),
        (requests.exceptions.ContentDecodingError(), "the connection to example.org broke off"),
    ],
)
def test_other_failures_of_the_web_are_told(tmp_path, monkeypatch, raised, told):
    def refuse(*args, **kwargs):
        raise raised

    monkeypatch.setattr(requests, "get", refuse)
    with pytest.raises(DataError, match=f"^{told}"):
        download_file("https://example.org/a.bin", tmp_path / "a.bin", SHA, quiet=True)


def test_an_interrupt_leaves_only_the_part(site, tmp_path, monkeypatch):
    kept = requests.models.Response.iter_content

    def interrupt(self, size):
        yield next(kept(self, 1000))
        raise KeyboardInterrupt

    monkeypatch.setattr(requests.models.Response, "iter_content", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(site, tmp_path / "a.bin")
    assert list_names(tmp_path) == ["a.bin.part"]
    monkeypatch.undo()
    fetch(site, tmp_path / "a.bin")
    assert site.ranges == [None, "bytes=1000-"]


def test_progress_is_shown_and_can_be_left_out(site, tmp_path, capsys):
    download_file(site.url + "a.bin", tmp_path / "a.bin", SHA, quiet=False)
    assert "a.bin" in capsys.readouterr().err
    fetch(site, tmp_path / "b.bin")
    assert capsys.readouterr().err == ""
