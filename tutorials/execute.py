"""Run the tutorials and store them as notebooks: ``make tutorials``.

The text and code of a tutorial are written in ``NN_name.py`` (Jupytext's percent format). This
script runs each in a new kernel, in an empty folder, and writes ``NN_name.ipynb`` with the outputs.
What differs between two runs that found the same is not stored: times, addresses, random ids.

    python tutorials/execute.py            # all
    python tutorials/execute.py 03 07      # those whose names begin so

A tutorial prints one line that begins with "data: " and says which data and weights it analyzes.
Where the stored notebook analyzes other data, because real ones are not within reach now, and its
text and code are unchanged, it is kept. ``--overwrite`` stores the new outputs in any case.
"""

import argparse
import hashlib
import os
import re
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

FOLDER = Path(__file__).parent
MAX_BYTES = 600_000
TIMEOUT = 600  # seconds for one cell
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SOURCE = re.compile(r"^data: (.+)$", re.MULTILINE)
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
# Forecasts measure these; they differ between runs.
MEASURED = re.compile(r"\b[\d.,]+ (?:ms|s|min|h)\b|\b[\d.,]+ [KMG]iB of memory")
# Pictures inside HTML may be the photographs of a data set, which are not ours to pass on.
PICTURE = re.compile(r"<img|data:image")
NOT_SHOWN = re.compile(r"92 photographs")


class TutorialError(Exception):
    """A tutorial failed, or its outputs cannot be stored."""


def list_scripts(prefixes=()):
    """Return the paths of the tutorials, of those whose names begin with a prefix if any."""
    scripts = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
    if not prefixes:
        return scripts
    chosen = [path for path in scripts if path.name.startswith(tuple(prefixes))]
    if not chosen:
        names = ", ".join(path.stem for path in scripts)
        raise TutorialError(f"no tutorial begins with {' or '.join(prefixes)}; there are {names}")
    return chosen


def read_script(path):
    """Return a tutorial as a notebook without outputs; ids of cells follow from their content."""
    notebook = jupytext.read(path)
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat_minor = 5
    found = {}
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        found[digest] = found.get(digest, 0) + 1
        cell.id = digest if found[digest] == 1 else f"{digest}-{found[digest]}"
    return notebook


def prepare_environment():
    """Set what kernels inherit: one thread, fixed hashes, inline figures, no bars of progress."""
    os.environ.pop("MPLBACKEND", None)  # Agg, for example, would show no figure
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", PYTHONHASHSEED="0")
    os.environ["TQDM_DISABLE"] = "1"  # a slow machine would show bars where a fast one shows none
    os.environ["IPYKERNEL_CELL_NAME"] = "cell.py"  # the file that source lines are said to be in
    mirror = os.environ.get("NEUROLENS_MIRROR")
    if mirror:  # kernels run in another folder
        os.environ["NEUROLENS_MIRROR"] = str(Path(mirror).absolute())


def run_notebook(notebook, folder):
    """Run all cells in a new kernel whose folder is ``folder``; outputs are stored in place."""
    prepare_environment()
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=40"],  # nothing on how the kernel is reached
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
    )
    with warnings.catch_warnings():
        # The client's own libraries warn about event loops; warnings of a tutorial are outputs.
        warnings.simplefilter("ignore")
        client.execute()


def clean_notebook(notebook, stored=None):
    """Take from the outputs what differs between runs that found the same.

    Parameters
    ----------
    notebook : NotebookNode
        Changed in place.
    stored : NotebookNode, optional
        The notebook of an earlier run. Its outputs stay where only times and memory, as forecasts
        measure them, are others.
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    numbers = {}

    def number_uuid(match):
        numbers.setdefault(match[0], len(numbers) + 1)
        return f"00000000-0000-0000-0000-{numbers[match[0]]:012d}"

    for cell in list_code(notebook):
        cell.metadata = nbformat.from_dict({})
        for output in cell.outputs:
            output.pop("transient", None)
            for holder, key in list_texts(output):
                holder[key] = UUID.sub(number_uuid, ADDRESS.sub("0x…", holder[key]))
    if stored is not None and list_sources(stored) == list_sources(notebook):
        for old, new in zip(list_code(stored), list_code(notebook), strict=True):
            if mask_measured(old.outputs) == mask_measured(new.outputs):
                new.outputs = old.outputs


def check_notebook(notebook, folder=None):
    """Raise `TutorialError` where outputs are no results, or are not to be stored."""
    for cell in list_code(notebook):
        begin = cell.source.strip().splitlines()[0]
        for output in cell.outputs:
            if output.output_type == "error":
                raise TutorialError(f"{output.ename}: {output.evalue} (cell: {begin})")
            if output.get("name") == "stderr":
                raise TutorialError(f"warns or prints to stderr (cell: {begin}): {output.text}")
    words = "\n".join(list_words(notebook))
    places = [str(Path.home()), tempfile.gettempdir(), os.environ.get("NEUROLENS_MIRROR"), folder]
    for place in filter(None, map(str, filter(None, places))):
        if len(place) > 1 and place in words:
            raise TutorialError(f"its outputs hold the path {place} of this machine")
    if NOT_SHOWN.search(find_source(notebook) or "") and PICTURE.search(words):
        raise TutorialError("its outputs hold small pictures, maybe of the photographs: leave out")
    size = len(write_text(notebook).encode())
    if size > MAX_BYTES:
        raise TutorialError(f"{size / 1000:.0f} kB of {MAX_BYTES / 1000:.0f} kB: show less")


def list_code(notebook):
    """Return the cells of code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def list_sources(notebook):
    """Return kind and text of each cell."""
    return [(cell.cell_type, cell.source.strip()) for cell in notebook.cells]


def list_texts(output):
    """Return where an output holds text: pairs of a dict and a key of it."""
    holders = [(output, "text")] if "text" in output else []
    data = output.get("data", {})
    kinds = [kind for kind in data if kind.startswith("text/") or kind == "image/svg+xml"]
    return holders + [(data, kind) for kind in kinds]


def list_words(notebook):
    """Return all texts of the outputs."""
    outputs = [output for cell in list_code(notebook) for output in cell.outputs]
    return [holder[key] for output in outputs for holder, key in list_texts(output)]


def find_source(notebook):
    """Return the data and weights that a notebook says it analyzes, None before it has run."""
    found = SOURCE.search("\n".join(list_words(notebook)))
    return found[1] if found else None


def mask_measured(outputs):
    """Return outputs as JSON, with times and memory masked."""
    return [MEASURED.sub("#", nbformat.v4.writes_json(_wrap(output))) for output in outputs]


def _wrap(output):
    cell = nbformat.v4.new_code_cell(outputs=[output], id="output")
    return nbformat.v4.new_notebook(cells=[cell])


def write_text(notebook):
    """Return the text of an .ipynb file."""
    return nbformat.writes(notebook) + "\n"


def store_tutorial(script, *, overwrite=False):
    """Run one tutorial and write its notebook; return what was done, in words."""
    target = script.with_suffix(".ipynb")
    stored = nbformat.read(target, as_version=4) if target.is_file() else None
    notebook = read_script(script)
    with tempfile.TemporaryDirectory() as folder:
        try:
            run_notebook(notebook, folder)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise TutorialError(str(error)) from error
        clean_notebook(notebook, stored)
        check_notebook(notebook, folder)
    if stored is not None and not overwrite:
        kept, found = find_source(stored), find_source(notebook)
        if kept not in (None, found) and list_sources(stored) == list_sources(notebook):
            return f"kept: the stored one has {kept}; here, {found}"
    text = write_text(notebook)
    if target.is_file() and target.read_text() == text:
        return "no difference"
    target.write_text(text)
    return f"written, {len(text.encode()) / 1000:.0f} kB"


def main():
    """Run the tutorials named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prefix", nargs="*", help="beginnings of names, such as 03; default: all")
    parser.add_argument("--overwrite", action="store_true", help="also where data are others")
    options = parser.parse_args()
    failed = False
    try:
        scripts = list_scripts(options.prefix)
    except TutorialError as error:
        parser.error(str(error))
    for script in scripts:
        begin = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            done = store_tutorial(script, overwrite=options.overwrite)
        except TutorialError as error:
            done, failed = f"FAILED: {error}", True
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = now.ru_utime + now.ru_stime - begin[1].ru_utime - begin[1].ru_stime
        print(
            f"{script.stem}: {done} ({time.perf_counter() - begin[0]:.0f} s, {cpu:.0f} s of "
            f"processor time, largest so far {now.ru_maxrss / 2**20:.1f} GiB)",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
