"""`run_analysis`: a whole analysis from its file to a folder of results with a lock."""

import datetime
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from neurolens.cli.analysis.checks import check_document, find_file
from neurolens.cli.analysis.documents import Document, read_document
from neurolens.cli.analysis.evidence import (
    describe_inputs,
    describe_machine,
    describe_versions,
    hash_file,
)
from neurolens.cli.analysis.folders import check_owner, claim_folder, fill_folder
from neurolens.cli.analysis.locks import (
    FORMAT,
    LOCK,
    find_differences,
    hash_settings,
    read_lock,
    write_lock,
)
from neurolens.cli.analysis.script.sections import Section, join_sections, write_sections
from neurolens.cli.analysis.settings import Settings
from neurolens.cli.parameters.functions import run_own
from neurolens.errors import DataError, DifferenceError, InputError, NeuroLensError

SCRIPT = "analysis.py"
SCORES = "scores.nc"


@dataclass(frozen=True)
class AnalysisResult:
    """What a run gave.

    Attributes
    ----------
    scores, best : Dataset
        ``best`` is None where nothing was chosen: without halves, or with time bins.
    folder : Path
        Of the results.
    lock : dict
        As in ``analysis.lock.json``.
    differences : list of str
        What was used and was not when earlier results in the folder were made.
    reproduced : bool or None
        Whether the scores are those of the earlier results, byte for byte; None without any.
    """

    scores: xr.Dataset
    best: xr.Dataset | None
    folder: Path
    lock: dict[str, Any]
    differences: list[str] = field(default_factory=list)
    reproduced: bool | None = None

    def __repr__(self) -> str:
        ops = f"{self.scores.sizes['op']} ops, {self.scores.sizes['region']} regions"
        return f"<AnalysisResult: {ops}, in {self.folder.name}>"


def check_analysis(path: str | Path, overrides: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Check the file of an analysis, and compute nothing.

    Returns
    -------
    dict
        The resolved settings: section -> key -> value, defaults included.

    Raises
    ------
    DataError
        The file is missing, or is no TOML.
    InputError
        Something in it is wrong; the message lists all of it.
    """
    return check_document(read_document(path, overrides)).resolve()


def run_analysis(
    path: str | Path,
    *,
    output: str | Path | None = None,
    locked: bool = False,
    overwrite: bool = False,
    overrides: Sequence[str] = (),
    quiet: bool = False,
    say: Callable[[str], None] | None = None,
) -> AnalysisResult:
    """Run the analysis that a file describes, and write its results.

    Parameters
    ----------
    path : path
        A TOML file; docs/analysis.md lists its keys. Its paths are relative to its folder.
    output : path, optional
        Folder of the results, instead of the one that the file says.
    locked : bool
        Go on only if settings, model, stimuli, brain data, versions and machine are those of the
        lock in the folder of results, and keep the results only if the scores are those too.
    overwrite : bool
        Replace the results of another analysis, or write beside files that are none.
    overrides : sequence of str
        ``"section.key=value"``, instead of what the file says.
    quiet : bool
        Show no progress.
    say : callable, optional
        Takes a sentence on each stage.

    Returns
    -------
    AnalysisResult

    Raises
    ------
    DataError
        The file is missing or no TOML; the folder cannot be written, holds something else, or is
        written by another run.
    InputError
        The file is wrong; the message lists all problems, with lines. Nothing was run.
    DifferenceError
        ``locked``, and something differs; the message names all of it.
    NeuroLensError
        What the functions of the analysis raise.

    Notes
    -----
    The analysis is written as a Python script with public names, ``analysis.py``, and this script
    is what is run. Results are written into a new folder, whose files are moved into their place
    when all are there: an interrupted run leaves nothing. Nothing of an earlier run is used again.
    """
    document = read_document(path, overrides)
    settings = check_document(document)
    target = settings.folder / Path(settings["analysis.output"]).expanduser()
    folder = target if output is None else Path(output)
    asked = _Conditions(locked, overwrite, quiet, say or (lambda sentence: None))
    with claim_folder(folder) as work:
        return _run(document, settings, folder, work, asked)


@dataclass(frozen=True)
class _Conditions:
    """How a run was asked for; see `run_analysis`."""

    locked: bool
    overwrite: bool
    quiet: bool
    say: Callable[[str], None]


def _run(
    document: Document, settings: Settings, folder: Path, work: Path, asked: _Conditions
) -> AnalysisResult:
    """Run an analysis in the folder ``work``, and move its results to ``folder``."""
    resolved = settings.resolve()
    before = read_lock(folder)
    if asked.locked and before is None:
        raise DataError(
            f"there is no {LOCK} in {str(folder)!r} to hold to. Run without --locked.",
            anchor="lock-differs",
        )
    if not asked.locked:
        check_owner(folder, resolved, overwrite=asked.overwrite)
    sections = write_sections(settings, document.path.name)
    runner = ScriptRunner(sections, work, document.path.name)
    names: dict[str, Any] = {"FOLDER": settings.folder, "OUTPUT": work, "QUIET": asked.quiet}
    runner.run("imports", names)
    asked.say(runner.find_title("model"))
    with tell_own_file(settings):
        runner.run("model", names)
    asked.say(runner.find_title("data"))
    runner.run("data", names)
    lock: dict[str, Any] = {
        "format": FORMAT,
        "analysis": {
            "file": document.path.name,
            "sha256 of settings": hash_settings(resolved),
            "made": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC",
        },
        "settings": resolved,
        "inputs": describe_inputs(settings, names),
        "versions": describe_versions(settings),
        "machine": describe_machine(settings),
    }
    differences = [] if before is None else find_differences(before, lock)
    if asked.locked and differences:
        raise DifferenceError(
            f"{document.path.name} does not use what {LOCK} says; nothing was run:",
            differences,
            anchor="lock-differs",
        )
    for name in ("record", "scores", "results"):
        asked.say(runner.find_title(name))
        runner.run(name, names)
    lock["results"] = {one.name: hash_file(one) for one in sorted(work.iterdir())}
    reproduced = None
    if before is not None:
        reproduced = before["results"].get(SCORES) == lock["results"][SCORES]
    if asked.locked and not reproduced:
        raise DifferenceError(
            f"the scores are not those of {LOCK}, though all that is known of what they are made "
            "of is the same; the earlier results were kept:",
            [f"{SCORES}: sha256 {lock['results'][SCORES][:12]}..."],
        )
    write_lock(work / LOCK, lock)
    fill_folder(folder, work)
    return AnalysisResult(names["scores"], names["best"], folder, lock, differences, reproduced)


@contextmanager
def tell_own_file(settings: Settings) -> Iterator[None]:
    """Name the user's file in errors of the block, which its code raised."""
    own = settings["model.file"]
    if own is None:
        yield
        return
    try:
        with run_own(find_file(settings.folder, own)):
            yield
    except NeuroLensError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{Path(own).name} made no model: {type(error).__name__}: {error}. Its function "
            f"{settings['model.function']} must return a torch.nn.Module or a LoadedModel.",
            anchor="not-a-model",
        ) from error


class ScriptRunner:
    """Runs the sections of a script one by one, in one space of names.

    The script is written first, so that an error shows its lines.
    """

    def __init__(self, sections: Sequence[Section], work: Path, name: str) -> None:
        self.sections = {section.name: section for section in sections}
        self.path = work / SCRIPT
        self.text = join_sections(list(sections), name)
        self.path.write_text(self.text, encoding="utf-8")

    def find_title(self, name: str) -> str:
        """Return what a section does."""
        return self.sections[name].title

    def run(self, name: str, names: dict[str, Any]) -> None:
        """Run a section, which reads and adds names."""
        code = self.sections[name].code.rstrip()
        start = self.text[: self.text.index(code)].count("\n")
        compiled = compile("\n" * start + code, str(self.path), "exec")
        names.setdefault("__name__", "analysis")
        exec(compiled, names)
