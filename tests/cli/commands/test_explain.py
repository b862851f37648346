"""``neurolens explain`` prints sections of the errors page."""

import json

import pytest

from neurolens.cli.app import main
from neurolens.cli.commands import explain
from neurolens.errors import DataError


def test_a_section_is_printed_with_its_code_moved_in(capsys):
    assert main(["explain", "ids-differ"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("ids-differ\n----------\nTwo sides do not name the same stimuli")
    assert "\n    import neurolens as nl\n" in out
    assert "```" not in out
    assert err == ""


@pytest.mark.parametrize("name", explain.read_sections())
def test_each_section_says_something_in_lines_that_fit(name):
    body = explain.read_sections()[name]
    assert len(body.split()) > 20
    assert not [line for line in body.splitlines() if len(line) > 110]
    assert explain.tell_first_sentence(body).endswith(".")


def test_the_list_has_a_line_for_each_section(capsys):
    assert main(["explain", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(explain.read_sections())
    assert max(map(len, lines)) <= 100


def test_json_is_one_document(capsys):
    assert main(["explain", "labels", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["anchor"] == "labels"
    assert main(["explain", "--list", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == list(explain.read_sections())


def test_an_unknown_section_is_told_with_the_closest(capsys):
    assert main(["explain", "ids-difer"]) == 1
    assert "Closest: 'ids-differ'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["labels", "--list"]], ids=["neither", "both"])
def test_a_section_or_the_list_is_asked_for(words, capsys):
    assert main(["explain", *words]) == 2
    assert "or --list" in capsys.readouterr().err


def test_names_of_sections_are_completed():
    found = explain.complete_section(None, None, "ids-")
    assert [item.value for item in found] == ["ids-differ", "ids-repeat", "ids-missing"]


def test_a_missing_page_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(explain, "find_page", lambda: tmp_path / "none.md")
    with pytest.raises(DataError, match="Install neurolens again"):
        explain.read_sections()
