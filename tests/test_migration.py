"""The table of docs/migration.md counts the code that stands on the page."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "migration.md").read_text()
OURS = "NeuroLens"
FENCE = re.compile(r'^```(python|text)(?: \{ \.peer title="([^"]+)" \})?\n(.*?)^```', re.M | re.S)


def count_statements(code, language):
    """Return the statements of Python, imports not counted; the lines of commands."""
    if language == "text":
        return len(code.strip().splitlines())
    nodes = ast.walk(ast.parse(code))
    return sum(
        isinstance(n, ast.stmt) and not isinstance(n, ast.Import | ast.ImportFrom) for n in nodes
    )


def read_sections():
    """Return by anchor of a section the blocks of it: (package, number of statements)."""
    found = {}
    for section in PAGE.split("\n## ")[1:]:
        title = section.splitlines()[0]
        anchor = re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        found[anchor] = [
            (name or OURS, count_statements(code, language))
            for language, name, code in FENCE.findall(section)
        ]
    return found


def read_table():
    """Return the rows of the table: anchor of the section, and cell by package."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    packages = [cell.strip() for cell in lines[0].strip("|").split("|")][1:]
    for line in lines[2:]:
        task, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        anchor = re.search(r"\(#([^)]+)\)", task)[1]
        yield anchor, dict(zip(packages, cells, strict=True))


@pytest.mark.parametrize(("anchor", "cells"), list(read_table()), ids=lambda value: str(value)[:20])
def test_each_cell_counts_the_statements_of_its_blocks(anchor, cells):
    blocks = read_sections()[anchor]
    for package, cell in cells.items():
        numbers = [int(number) for number in re.findall(r"\d+", cell)]
        counts = [count for name, count in blocks if name.startswith(package)]
        assert numbers == counts, (package, cell)
        assert (cell == "not offered") == (not counts), (package, cell)


def test_every_block_of_a_peer_belongs_to_a_package_of_the_table():
    packages = tuple(next(iter(read_table()))[1])
    for blocks in read_sections().values():
        assert all(name.startswith(packages) for name, _ in blocks)


def test_a_call_over_several_lines_counts_once_and_loops_count_their_head():
    assert count_statements("import numpy\nf(\n    1,\n)\nfor i in x:\n    g(i)\n", "python") == 3
    assert count_statements("dnn_act -net AlexNet\ndnn_rsa -act x\n", "text") == 2


def test_the_comparison_counts_the_recipes():
    recipes = [path.parent.name for path in ROOT.glob("datasets/*/card.toml")]
    recorded = set(recipes) - {"planted"}
    found = re.findall(r"(\d+) recipes", (ROOT / "docs" / "comparison.md").read_text())
    assert [int(number) for number in found] == [len(recorded)] * 2
