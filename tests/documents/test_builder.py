"""The parts that make the documentation site: links, notebooks, API, cards, navigation, checks."""

import importlib
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from page_blocks import ROOT

from neurolens.cli import app


@pytest.fixture
def load(monkeypatch):
    """Return what imports a module of docs/builder."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "builder"))
    return importlib.import_module


def test_every_public_name_is_documented_once(load):
    api = load("api_pages")
    texts = {room: api.write_room(room) for room in api.ROOMS}
    entries = [
        line.removeprefix("::: ")
        for text in texts.values()
        for line in text.splitlines()
        if line.startswith("::: ")
    ]
    assert len(entries) == len(set(entries))
    for room in api.ROOMS:
        for name in api.list_public(importlib.import_module(room)):
            target = api.find_target(room, name)
            assert target in entries
            assert f"[`{name}`][{target}]" in texts[room]


def test_every_name_of_the_api_is_summarized(load):
    api = load("api_pages")
    for room in api.ROOMS:
        module = importlib.import_module(room)
        for name in api.list_public(module):
            if room != "neurolens.scores" or api.has_docstring(getattr(module, name)):
                assert api.summarize(module, name), (room, name)


def test_every_data_set_has_a_card_with_licence_and_citation(load):
    cards = load("card_pages")
    folders = sorted((ROOT / "datasets").glob("*/card.toml"))
    assert folders
    for path in folders:
        text = cards.write_card(cards.tomllib.loads(path.read_text()))
        assert f"# `{path.parent.name}`" in text
        assert "| licence |" in text
        assert "## Cite" in text


def test_every_command_is_on_the_page_of_the_command_line(load):
    text = load("command_page").write_commands()
    for name in app.COMMANDS:
        assert f"\n## {name}\n" in text


class Pages:
    """Stands for the files of a site."""

    def __init__(self, *names):
        self.names = names

    def get_file_from_path(self, name):
        return name if name in self.names else None


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("rows.md", "[a](scale.md#x)", "[a](scale.md#x)"),
        ("howto/maps.md", "[a](../rows.md)", "[a](../rows.md)"),
        ("start.md", "[a](../tutorials/01_every_operation.ipynb)", "[a](tutorials/01_a.md)"),
        ("index.md", "[a](docs/rows.md)", "[a](rows.md)"),
        ("index.md", "![a](docs/images/layout.svg)", "![a](images/layout.svg)"),
        ("datasets.md", "[a](../neurolens/errors.py)", "a (`neurolens/errors.py`)"),
        ("datasets.md", "[`neurolens/errors.py`](../neurolens/errors.py)", "`neurolens/errors.py`"),
        ("rows.md", "[a](https://example.org/b)", "[a](https://example.org/b)"),
        ("rows.md", "[a](nowhere.md)", "[a](nowhere.md)"),
        ("rows.md", "```python\na[0](rows.md)\n```", "```python\na[0](rows.md)\n```"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(load, page, link, expected):
    first = "tutorials/01_every_operation.md"
    files = Pages("rows.md", "scale.md", "images/layout.svg", first)
    found = load("page_links").on_page_markdown(
        link, SimpleNamespace(file=SimpleNamespace(src_uri=page)), None, files
    )
    assert found == expected.replace("tutorials/01_a.md", first)


def test_a_notebook_becomes_a_page_with_its_outputs(load):
    new = nbformat.v4
    shown = new.new_output("display_data", data={"image/png": "aGk=", "text/plain": "<Figure>"})
    table = new.new_output("execute_result", data={"text/html": "<b>x</b>\n\n<i>y</i>"})
    printed = new.new_output("stream", text="\x1b[31mred\x1b[0m\n")
    cells = [
        new.new_markdown_cell("# Title"),
        new.new_code_cell("a = '''```'''", outputs=[printed, table, shown]),
    ]
    text, pictures = load("notebook_pages").write_page(new.new_notebook(cells=cells), "one")
    assert pictures == {"cell01_2.png": b"hi"}
    assert text == (
        "# Title\n\n````python\na = '''```'''\n````\n\n```text\nred\n```\n\n"
        '<div class="cell-output">\n<b>x</b>\n<i>y</i>\n</div>\n\n'
        "![What the cell shows](one/cell01_2.png)\n"
    )


def test_folders_in_the_navigation_stand_for_their_pages(load):
    expand = load("navigation").expand
    pages = ["a.md", "b/2.md", "b/index.md", "b/1.md"]
    entry = {"Top": [{"B": "b/"}, "a.md", {"Missing": "gone.md"}]}
    # What is missing stays, so that the build fails.
    assert expand(entry, pages) == {
        "Top": [{"B": ["b/index.md", "b/1.md", "b/2.md"]}, "a.md", {"Missing": "gone.md"}]
    }


def test_faults_of_a_site_are_found(load, tmp_path):
    find_faults = load("check_site").find_faults
    (tmp_path / "one.html").write_text(
        '<h1 id="top">x</h1><a href="two.html#here">a</a><a href="two.html#gone">b</a>'
        '<a href="three.html">c</a><a href="https://example.org">d</a>'
        '<script src="https://example.org/s.js"></script><a href="#top">e</a>'
    )
    (tmp_path / "two.html").write_text('<h1 id="here">x</h1><img src="data:image/png;base64,">')
    (tmp_path / "a.css").write_text("a { background: url(//example.org/a.png); }")
    faults, elsewhere, n_links = find_faults(tmp_path)
    assert sorted(faults) == [
        "a.css: loads from the network",
        "one.html: loads https://example.org/s.js",
        "one.html: three.html: no such file",
        "one.html: two.html#gone: no such anchor",
    ]
    assert elsewhere == {"https://example.org", "https://example.org/s.js"}
    assert n_links == 4


def test_the_citation_is_of_this_version():
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {version}\n" in citation
    assert citation.startswith("cff-version: 1.2.0\n")
    assert "The NeuroLens developers" in citation


def test_contributing_is_read_in_two_minutes():
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 45


def test_files_that_contributing_names_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for path in re.findall(r"`((?:neurolens|tests|datasets|docs)/[^`*]*)`", text):
        assert (ROOT / path).exists(), path
    assert Path(ROOT / "mkdocs.yml").is_file()
