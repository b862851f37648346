"""Tutorials run from a new kernel, and their two forms agree."""

import re
import warnings
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "tutorials"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def list_cells(notebook):
    return [(cell.cell_type, cell.source.strip()) for cell in notebook.cells]


NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
# Measurements of a forecast differ between machines and runs.
MEASURED = re.compile(r"about \d+ s, \d+ MiB of memory")


def list_printed(notebook):
    """Return what each cell printed or showed as text.

    Pictures and objects with long texts are left out.
    """
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            if (
                output.output_type == "stream"
                or text.startswith(("<Dataset", "verified"))
                or "best_op" in text
            ):
                found.append(MEASURED.sub("about # s, # MiB of memory", text).strip())
    return found


# The first words of a notebook that analyses what can be reached, real data or a planted brain.
SOURCE = re.compile(r"^(92 photographs|planted brain); (trained|random) weights")


def analyses_other_data(stored, found):
    """Return whether a notebook found other data than when it was stored, and says so."""
    sources = [SOURCE.match(printed[0]) for printed in (stored, found)]
    return all(sources) and sources[0][0] != sources[1][0]


def compare_printed(stored, found):
    """Check that two runs printed the same words.

    Numbers may differ by less than a reader would notice.
    """
    assert len(stored) == len(found)
    for before, after in zip(stored, found, strict=True):
        assert NUMBER.sub("#", before) == NUMBER.sub("#", after)
        numbers = zip(NUMBER.findall(before), NUMBER.findall(after), strict=True)
        for old, new in numbers:
            assert abs(float(old) - float(new)) <= (0.03 if "." in old else 0), (before, after)


def test_there_are_tutorials():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_notebook_and_its_script_say_the_same(path):
    script = jupytext.read(path.with_suffix(".py"))
    assert list_cells(nbformat.read(path, as_version=4)) == list_cells(script)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_notebook_runs_from_a_clean_kernel(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    stored = list_printed(notebook)
    with warnings.catch_warnings():
        # The client's own libraries warn about event loops; the notebook's warnings show in its
        # output.
        warnings.simplefilter("ignore")
        client = NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
        )
        client.execute()
    outputs = [
        output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    ]
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    pictures = [
        o
        for o in outputs
        if "image/png" in o.get("data", {}) or "image/svg+xml" in o.get("data", {})
    ]
    assert len(pictures) >= 3
    if not analyses_other_data(stored, list_printed(notebook)):
        compare_printed(stored, list_printed(notebook))
