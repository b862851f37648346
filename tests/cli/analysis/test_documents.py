"""Files of analyses as people save them, and overrides as people type them."""

import pytest

from neurolens.cli.analysis.documents import find_lines, read_document, read_override
from neurolens.errors import DataError, InputError

TEXT = '[analysis]\ntitle = "Größe"\n\n[ model ]\nname="a/b"\n'


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
    ],
    ids=["plain", "byte order mark", "CRLF"],
)
def test_files_are_read_however_they_were_saved(tmp_path, content):
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    document = read_document(path)
    assert document.tables == {"analysis": {"title": "Größe"}, "model": {"name": "a/b"}}
    assert document.lines["analysis.title"] == 2
    assert document.lines["model"] == 4
    assert document.lines["model.name"] == 5


def test_syntax_errors_are_told_with_line_and_column(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('[model]\nname = resnet18\nweights = "random"\n')
    with pytest.raises(DataError, match=r"a.toml is no TOML: .*line 2, column 8.*in quotes"):
        read_document(path)
    path.write_text("[model]\nname = 'a'\nname = 'b'\n")
    with pytest.raises(DataError, match="a.toml is no TOML: .*overwrite.*line 3"):
        read_document(path)


def test_what_is_no_file_of_text_is_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist. Type neurolens init none.toml"):
        read_document(tmp_path / "none.toml")
    with pytest.raises(DataError, match="is a folder"):
        read_document(tmp_path)
    (tmp_path / "a.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(DataError, match=r"a.toml is no text in UTF-8 \(byte 9\)"):
        read_document(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(DataError, match="too large"):
        read_document(tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("compare.comparator=spearman", ("compare", "comparator", "spearman")),
        ("compare.n_splits=0", ("compare", "n_splits", 0)),
        ('brain.regions=["IT", "V1"]', ("brain", "regions", ["IT", "V1"])),
        ("report.page = false", ("report", "page", False)),
        ("model.name=torchvision/resnet18", ("model", "name", "torchvision/resnet18")),
        ("analysis.title=1\nb=2", ("analysis", "title", "1\nb=2")),
        ("analysis.title=", ("analysis", "title", "")),
    ],
)
def test_overrides_are_values_of_toml_or_texts(text, wanted):
    assert read_override(text) == wanted


@pytest.mark.parametrize("text", ["comparator=spearman", "compare.comparator", ".a=1", "a.=1"])
def test_overrides_need_section_key_and_value(text):
    with pytest.raises(InputError, match="--set takes section.key=value, got"):
        read_override(text)


def test_overrides_of_what_is_no_section_are_refused(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("seed = 1\n")
    with pytest.raises(InputError, match="'seed' is no section of a.toml"):
        read_document(path, ["seed.x=1"])


def test_lines_of_keys_are_found_by_section():
    lines = find_lines('a = 1\n[b] # note\n"c" = 2\n  d.e = 3\n[[f]]\n')
    assert lines == {"a": 1, "b": 2, "b.c": 3, "b.d": 4}
