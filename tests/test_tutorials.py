"""Tutorials run from a new kernel, and what is stored of them is what they find."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "tutorials"
SPEC = importlib.util.spec_from_file_location("execute_tutorials", FOLDER / "execute.py")
execute = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(execute)
SCRIPTS = execute.list_scripts()

NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:e[+-]?\d+)?")
EACH = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


def read_stored(script):
    return nbformat.read(script.with_suffix(".ipynb"), as_version=4)


def list_pictures(notebook):
    """Return the numbers of the cells that show a picture."""
    return [
        number
        for number, cell in enumerate(notebook.cells)
        for output in cell.get("outputs", [])
        if {"image/png", "image/svg+xml"} & set(output.get("data", {}))
    ]


def list_printed(notebook):
    """Return what each cell printed or showed as text; reprs of big objects are left out."""
    found = []
    for cell in execute.list_code(notebook):
        for output in cell.outputs:
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            if len(text) < 3000:
                found.append(execute.MEASURED.sub("#", text).strip())
    return found


def hide_numbers(text):
    """Leave out numbers, and the blanks by which those of another processor are aligned."""
    return "".join(NUMBER.sub("#", text).split())


def compare_printed(stored, found):
    """Check that two runs printed the same; numbers may differ by what a reader would not see."""
    assert len(stored) == len(found)
    for before, after in zip(stored, found, strict=True):
        assert hide_numbers(before) == hide_numbers(after)
        numbers = zip(NUMBER.findall(before), NUMBER.findall(after), strict=True)
        for old, new in numbers:
            assert abs(float(old) - float(new)) <= (0.03 if set(".e") & set(old) else 0), (
                before,
                after,
            )


def test_arrays_of_another_processor_are_compared_by_their_numbers():
    stored = ["values (2, 3)\n[[-0.31,  1.25, ..., 0.  ],\n [ 0.5 ,  2.  , ..., 1e-05]]"]
    found = ["values (2, 3)\n[[-0.3 ,  1.252, ..., 0.001],\n [ 0.51,  2.01 , ..., 0.   ]]"]
    compare_printed(stored, found)
    for change in (("1.252", "1.352"), ("(2, 3)", "(2, 4)"), ("values", "units"), (", 0.001", "")):
        with pytest.raises(AssertionError, match="values|argument"):
            compare_printed(stored, [found[0].replace(*change)])


def make_notebook(*outputs):
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("show()", outputs=list(outputs), id="one")]
    )


def make_stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", text=text, name=name)


def test_numbers_of_tutorials_are_consecutive():
    assert [int(path.name[:2]) for path in SCRIPTS] == list(range(1, len(SCRIPTS) + 1))


@EACH
def test_notebook_and_script_have_the_same_cells(script):
    stored = read_stored(script)
    written = execute.read_script(script)
    assert execute.list_sources(stored) == execute.list_sources(written)
    assert [cell.id for cell in stored.cells] == [cell.id for cell in written.cells]


@EACH
def test_stored_outputs_are_clean_and_small(script):
    stored = read_stored(script)
    execute.check_notebook(stored)
    text = execute.write_text(stored)
    assert text == script.with_suffix(".ipynb").read_text()
    execute.clean_notebook(stored)
    assert execute.write_text(stored) == text


@EACH
def test_tutorial_begins_with_what_it_needs_and_ends_with_assertions(script):
    stored = read_stored(script)
    begin = stored.cells[0].source
    assert begin.startswith("# ")
    assert "**Needs**" in begin
    assert re.search(r"\bminutes?\b|\bseconds\b", begin)
    assert re.search(r"\b[MG]iB\b", begin)
    assert stored.cells[-1].cell_type == "markdown"
    assert "## Where to go next" in stored.cells[-1].source
    last = execute.list_code(stored)[-1]
    lines = [
        line for line in last.source.splitlines() if line.startswith(("assert ", "    assert "))
    ]
    assert len(lines) >= 3
    assert not last.outputs
    assert "## What was asserted" in stored.cells[stored.cells.index(last) - 1].source
    assert execute.find_source(stored)


@EACH
def test_first_figure_comes_early(script):
    stored = read_stored(script)
    pictures = list_pictures(stored)
    assert len(pictures) >= 2
    assert pictures[0] + 1 <= (len(stored.cells) + 2) // 3


@EACH
def test_links_lead_to_files(script):
    text = "\n".join(cell.source for cell in read_stored(script).cells)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith("https://"):
            assert (FOLDER / target).exists(), target


def put_back_environment(monkeypatch):
    """Have the variables put back that running a notebook sets."""
    for name in (
        "MPLBACKEND",
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "PYTHONHASHSEED",
        "IPYKERNEL_CELL_NAME",
        "TQDM_DISABLE",
    ):
        monkeypatch.setenv(name, "")


@pytest.mark.slow
def test_no_bar_is_stored_however_slow_the_machine(tmp_path, monkeypatch):
    put_back_environment(monkeypatch)
    script = write_tiny(
        tmp_path,
        "from neurolens.support import progress\nprogress.DELAY = 0\n"
        "with progress.show_progress(2, 'work', quiet=False):\n    progress.count_steps()",
    )
    assert execute.store_tutorial(script).startswith("written")


@pytest.mark.slow
@EACH
def test_tutorial_runs_from_a_new_kernel(script, tmp_path, monkeypatch):
    put_back_environment(monkeypatch)
    stored = read_stored(script)
    notebook = execute.read_script(script)
    execute.run_notebook(notebook, tmp_path)
    execute.clean_notebook(notebook)
    execute.check_notebook(notebook, tmp_path)
    kept = execute.find_source(stored)
    found = execute.find_source(notebook)
    if kept != found:
        pytest.skip(f"ran, its assertions hold; not compared: stored of {kept}, run of {found}")
    assert list_pictures(notebook) == list_pictures(stored)
    compare_printed(list_printed(stored), list_printed(notebook))


def test_what_differs_between_runs_is_not_stored():
    uuid = "0d1c9a52-7a35-4be1-8f0f-000000000{:03d}"
    made = []
    for run in (1, 2):
        html = f"<i id='a-{uuid.format(run)}'></i><b for='a-{uuid.format(run)}'>"
        shown = nbformat.v4.new_output("display_data", {"text/html": html, "text/plain": "x"})
        notebook = make_notebook(make_stream(f"<object at 0x7f31c0de{run}>"), shown)
        execute.clean_notebook(notebook)
        made.append(execute.write_text(notebook))
    assert made[0] == made[1]
    assert "0d1c9a52" not in made[0]
    assert "7f31c0de" not in made[0]


def test_outputs_that_differ_by_measurements_only_stay():
    stored = make_notebook(make_stream("1 pass, about 9 s, 131 MiB of memory"))
    slower = make_notebook(make_stream("1 pass, about 12 s, 133 MiB of memory"))
    execute.clean_notebook(slower, stored)
    assert "about 9 s" in slower.cells[0].outputs[0].text
    changed = make_notebook(make_stream("2 passes, about 12 s, 133 MiB of memory"))
    execute.clean_notebook(changed, stored)
    assert "about 12 s" in changed.cells[0].outputs[0].text


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (make_stream("UserWarning: x", "stderr"), r"prints to stderr \(cell: show\(\)\)"),
        (nbformat.v4.new_output("error", ename="ValueError", evalue="no"), "ValueError: no"),
        (make_stream(f"{Path.home()}/x"), "hold the path"),
        (make_stream("x" * 600_000), "600 kB of 600 kB: show less"),
    ],
)
def test_outputs_that_are_not_to_be_stored_are_refused(output, message):
    execute.check_notebook(make_notebook(make_stream("0.31")))
    with pytest.raises(execute.TutorialError, match=message):
        execute.check_notebook(make_notebook(output))


def test_photographs_are_not_stored():
    table = nbformat.v4.new_output(
        "display_data", {"text/html": "<img src='data:image/png;base64,'>"}
    )
    execute.check_notebook(make_notebook(make_stream("data: planted\n"), table))
    with pytest.raises(execute.TutorialError, match="photographs"):
        execute.check_notebook(make_notebook(make_stream("data: 92 photographs\n"), table))


def write_tiny(folder, code):
    script = folder / "01_tiny.py"
    script.write_text(f"# %%\n{code}\n")
    return script


@pytest.mark.slow
def test_a_second_run_changes_nothing_and_other_data_replace_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PART", "real")
    put_back_environment(monkeypatch)
    script = write_tiny(
        tmp_path, "import os\nprint('data:', os.environ['PART'], flush=True)\nobject()"
    )
    assert execute.store_tutorial(script).startswith("written")
    assert execute.store_tutorial(script) == "no difference"
    monkeypatch.setenv("PART", "planted")
    assert execute.store_tutorial(script) == "kept: the stored one has real; here, planted"
    assert execute.store_tutorial(script, overwrite=True).startswith("written")
    write_tiny(tmp_path, "1 / 0")
    before = script.with_suffix(".ipynb").read_bytes()
    with pytest.raises(execute.TutorialError, match="ZeroDivisionError"):
        execute.store_tutorial(script)
    assert script.with_suffix(".ipynb").read_bytes() == before


def test_an_unknown_name_is_refused():
    with pytest.raises(execute.TutorialError, match="no tutorial begins with 77; there are 01_"):
        execute.list_scripts(["77"])
