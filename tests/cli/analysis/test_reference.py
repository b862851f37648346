"""docs/analysis.md has every key of the table, and its examples can be run."""

import re
from pathlib import Path

import pytest

from neurolens.cli.analysis.checks import check_document
from neurolens.cli.analysis.documents import read_document
from neurolens.cli.analysis.keys import KEYS
from neurolens.cli.analysis.reference import main, replace_keys, write_reference

PAGE = Path(__file__).parents[3] / "docs" / "analysis.md"
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_page_is_that_of_the_table(tmp_path):
    text = PAGE.read_text(encoding="utf-8")
    assert replace_keys(text) == text, (
        "type python -m neurolens.cli.analysis.reference docs/analysis.md"
    )
    copy = tmp_path / "page.md"
    copy.write_text(text.replace("| `seed` |", "| `sed` |"), encoding="utf-8")
    main([copy])
    assert copy.read_text(encoding="utf-8") == text


def test_every_key_has_a_row():
    rows = re.findall(r"^\| `(\w+)` \|", write_reference(), re.MULTILINE)
    assert rows == [key.name for key in KEYS]
    assert "| `regions` | a text, or a list of different texts |" in write_reference()


@pytest.mark.parametrize("text", BLOCKS, ids=range(len(BLOCKS)))
def test_examples_of_the_page_are_accepted(tmp_path, text):
    for name in re.findall(r'"([\w./-]+\.(?:py|gz|tsv)|pictures/)"', text):
        path = tmp_path / name
        if name.endswith("/"):
            path.mkdir()
        else:
            path.write_text("def make_model():\n    return None\n")
    (tmp_path / "analysis.toml").write_text(text, encoding="utf-8")
    check_document(read_document(tmp_path / "analysis.toml"))
    assert len(BLOCKS) == 2
