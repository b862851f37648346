"""BibTeX agrees with the references as text."""

import re

import pytest

from neurolens.report.bibliography import ENTRIES, list_sources, write_bibtex
from neurolens.scores import REFERENCES


def test_every_reference_has_an_entry():
    assert set(ENTRIES) == set(REFERENCES)


@pytest.mark.parametrize("key", REFERENCES)
def test_entries_say_what_the_text_says(key):
    text = REFERENCES[key]
    fields = ENTRIES[key][1]
    assert fields["doi"] == text.split("https://doi.org/")[1]
    assert f"({fields['year']})" in text
    title = re.sub(r"[{}]", "", fields["title"]).replace("--", "–")
    assert f"). {title}. " in text
    for name in ("volume", "number"):
        assert fields.get(name, "") in text
    assert fields["pages"].replace("--", "–") in text
    surnames = [author.split(",")[0] for author in fields["author"].split(" and ")]
    plain = [re.sub(r"[{}\\\"]", "", name) for name in surnames if name != "others"]
    written = text.replace("ü", "u").replace("ö", "o")
    assert [name for name in plain if name not in written] == []
    positions = [written.index(name) for name in plain]
    assert positions == sorted(positions)


def test_an_entry_is_bibtex():
    lines = write_bibtex("nili2014").splitlines()
    assert lines[0] == "@article{nili2014,"
    assert "  year = {2014}," in lines
    assert lines[-1] == "}"
    for key in ENTRIES:
        assert write_bibtex(key).count("{") == write_bibtex(key).count("}")


def test_sources_are_those_of_the_attributes_and_the_card():
    attrs = {"reference": "kriegeskorte2008,nili2014"}
    texts = [one["text"] for one in list_sources(attrs, {"citation": "Someone\n (2020)"})]
    assert texts == [
        REFERENCES["kriegeskorte2008"],
        REFERENCES["nili2014"],
        "Data: Someone (2020)",
    ]
    assert list_sources({}, {}) == []
