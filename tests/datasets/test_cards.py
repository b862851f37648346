"""Cards: they say what users must know, and never name a file outside their folder."""

from pathlib import Path

import pytest
from recipes import write_recipe

import neurolens as nl
from neurolens.datasets import cards
from neurolens.datasets.cards import choose_names
from neurolens.errors import DataError, InputError, LabelError, UnknownNameError

ENTRY = f'[[files]]\nname = "a.txt"\nsha256 = "{"0" * 64}"'
URL = 'base_url = "https://example.org/"'


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "find_recipes", lambda: tmp_path)
    return lambda **parts: write_recipe(tmp_path, **parts)


@pytest.mark.parametrize("key", nl.list_datasets())
def test_every_card_says_what_users_must_know(key):
    card = nl.describe_dataset(key)
    assert card["key"] == key
    assert set(card["tried"].values()) <= set(cards.TRIALS)
    assert "http" in card.get("base_url", "http")
    for entry in card.get("files", []):
        # Only where the publisher states no other checksum.
        assert "sha256" in entry or key == "haxby2001"


def test_recipes_that_can_be_loaded_are_listed():
    keys = nl.list_datasets()
    assert keys == sorted(keys)
    assert {"kalfas2018_shapes", "haxby2001", "nsd", "nsd_synthetic", "planted"} <= set(keys)


def test_the_page_of_data_sets_says_on_what_each_was_tried():
    page = (Path(nl.__file__).parents[1] / "docs" / "datasets.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    told = {cells[0].strip("`"): cells[3] for cells in rows}
    tried = {}
    for key in nl.list_datasets():
        [tried[key]] = set(nl.describe_dataset(key)["tried"].values())
    assert told == tried


def test_an_unknown_key_lists_the_closest():
    with pytest.raises(
        UnknownNameError, match="no data set named 'kriegeskorte'. Closest: 'kriegeskorte2008'"
    ):
        nl.load_dataset("kriegeskorte")


@pytest.mark.parametrize("key", ["../planted", "planted/../planted", "planted/", "", ".", None, 3])
def test_a_key_is_no_path(key):
    with pytest.raises(UnknownNameError, match="no data set named"):
        nl.describe_dataset(key)


def test_a_whole_card_is_read(write):
    write(more=URL, files=ENTRY)
    assert nl.describe_dataset("small")["files"][0]["name"] == "a.txt"


BROKEN = {
    "key = 'other'\ntitle = [": "is no TOML",
    'title = "A small set"': "lacks the text 'title'",
    'licence = "none"': "lacks the text 'licence'",
    'holds = ["responses"]': r"must say what it holds",
    'responses = "a file of the published format"': r"must say in \[tried\]",
}


@pytest.mark.parametrize("line", BROKEN)
def test_a_card_that_lacks_something_is_refused(write, line):
    path = write()
    text = path.read_text()
    path.write_text(text.replace(line, "") if line in text else line)
    with pytest.raises(DataError, match=rf"card.toml.*{BROKEN[line]}"):
        nl.describe_dataset("small")


def test_a_card_of_another_key_is_refused(write, tmp_path):
    write()
    (tmp_path / "small").rename(tmp_path / "large")
    with pytest.raises(DataError, match="has the key 'small', unlike its folder"):
        nl.describe_dataset("large")


BAD_NAMES = ["../a.txt", "/etc/passwd", "a/../../b", "C:/a.txt", "C:a", "\\\\\\\\server\\\\a", ""]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_card_never_names_a_file_outside_its_folder(write, name):
    write(more=URL, files=ENTRY.replace("a.txt", name))
    with pytest.raises(DataError, match=r"small/card.toml names .*no plain path inside its folder"):
        nl.load_dataset("small")


@pytest.mark.parametrize("name", BAD_NAMES)
def test_neither_does_a_layout_nor_what_is_unpacked(write, tmp_path, name):
    write(more='where = "Ask."', files=f'[layout]\nbetas = "{name}{{subject}}/.."')
    with pytest.raises(DataError, match="no plain path inside its folder"):
        nl.load_dataset("small")
    entry = ENTRY.replace("a.txt", "a.zip") + f'\nunpack = "{name}"\nunpacked_bytes_at_most = 9'
    write(key="packed", more=URL, files=entry)
    with pytest.raises(DataError, match="no plain path inside its folder"):
        nl.load_dataset("packed")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (ENTRY.replace("sha256", "sha1"), "needs one checksum"),
        (ENTRY.replace("0" * 64, "0" * 63), "needs one checksum"),
        (ENTRY.replace("0" * 64, "Z" * 64), "needs one checksum"),
        (ENTRY + '\nmd5 = "0"', "needs one checksum"),
        (ENTRY + '\nunpack = "a"', "needs the suffix of an archive"),
        (ENTRY.replace("a.txt", "a.zip") + '\nunpack = "a"', "and unpacked_bytes_at_most"),
    ],
)
def test_a_file_that_cannot_be_checked_is_refused(write, files, told):
    write(more=URL, files=files)
    with pytest.raises(DataError, match=told):
        nl.describe_dataset("small")


def test_a_card_says_where_its_files_are(write):
    write(files=ENTRY)
    with pytest.raises(DataError, match="no base_url"):
        nl.describe_dataset("small")
    write(key="b", more='base_url = "file:///etc/"', files=ENTRY)
    with pytest.raises(DataError, match="no base_url"):
        nl.describe_dataset("b")
    write(key="c", files='[layout]\nbetas = "a.nii"')
    with pytest.raises(DataError, match="does not say where to get the files"):
        nl.describe_dataset("c")
    write(key="d", more='accept_terms = "yes"')
    with pytest.raises(DataError, match="accept_terms"):
        nl.describe_dataset("d")


def test_names_are_chosen_from_the_card():
    card = {"key": "small", "regions": ["V1", "V2"]}
    assert choose_names(None, card, "regions") is None
    assert choose_names("V2", card, "regions") == ("V2",)
    assert choose_names(["V2", "V1"], card, "regions") == ("V2", "V1")
    with pytest.raises(UnknownNameError, match=r"no region of data set 'small' named 'V3'.*'V1'"):
        choose_names(["V1", "V3"], card, "regions")
    with pytest.raises(LabelError, match=r"regions= must be unique.*'V1'"):
        choose_names(["V1", "V1"], card, "regions")
    with pytest.raises(InputError, match=r"has no subjects to choose from\. Leave out subjects="):
        choose_names(["s1"], card, "subjects")


@pytest.mark.parametrize("asked", [[], [1], 1, {"V1": 2}, {"V1"}])
def test_what_is_no_list_of_names_is_refused(asked):
    card = {"key": "small", "regions": ["V1", "V2"]}
    with pytest.raises(InputError, match="regions must be a name or a list of names"):
        choose_names(asked, card, "regions")
