"""Contradictions in the file of an analysis, and names and files that are not there."""

import ast
import difflib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from neurolens.cli.analysis.documents import Document
from neurolens.cli.analysis.keys import KEYS, RANDOM
from neurolens.cli.analysis.settings import Problem, Settings, list_needs, read_settings
from neurolens.compare import NOISE_METRICS
from neurolens.datasets import describe_dataset, list_datasets
from neurolens.errors import InputError, NeuroLensError
from neurolens.labels import list_names
from neurolens.models import list_models
from neurolens.models.loading import SUFFIXES
from neurolens.models.names import read_name
from neurolens.models.weights import CHOICE

BRAINS = ("dataset", "responses", "rdms")
# Between the path of a file and the name of an array in it.
INSIDE = "::"
# Statements of Python that define no other names than those that are seen in them.
PLAIN = ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Assign | ast.Expr
# Whose models can be listed without a network.
LISTED = ("torchvision", "timm")


def check_document(document: Document) -> Settings:
    """Return the settings of a file, of which everything was checked that needs no computation.

    Raises
    ------
    InputError
        Something is wrong; the message lists all of it, with lines.
    """
    settings, problems = read_settings(document)
    wrong = {problem.address for problem in problems}
    for check in (list_needs, *CHECKS):
        for problem in check(settings):
            if problem.address not in wrong:
                problems.append(problem)
                wrong.add(problem.address)
    if problems:
        raise InputError(write_problems(document, problems), anchor="analysis-file")
    return settings


def write_problems(document: Document, problems: list[Problem]) -> str:
    """Return the message that lists problems in the order of their lines."""
    entries = []
    for problem in problems:
        section = problem.address.partition(".")[0]
        line = document.lines.get(problem.address)
        order = line or document.lines.get(section, 0)
        where = f"line {line}, " if line else ""
        entries.append((order, f"  {where}{problem.address}: {problem.sentence}"))
    count = "1 problem" if len(entries) == 1 else f"{len(entries)} problems"
    lines = [text for _, text in sorted(entries, key=lambda entry: entry[0])]
    return "\n".join([f"{document.path.name} has {count}; nothing was run:", *lines])


def check_choices(settings: Settings) -> Iterator[Problem]:
    """Yield what is missing, and what contradicts something else."""
    if (settings["model.name"] is None) == (settings["model.file"] is None):
        yield Problem("model", 'needs either name = "torchvision/..." or file = "my_model.py".')
    brains = [name for name in BRAINS if settings[f"brain.{name}"] is not None]
    if len(brains) != 1:
        found = f"got {list_names(brains)}" if brains else "got none"
        yield Problem("brain", f"needs one of {list_names(BRAINS)}, {found}.")
    if settings["stimuli.source"] is None and settings["brain.dataset"] is None:
        yield Problem("stimuli", 'needs source = "images/", since there is no data set with them.')
    yield from _check_twice(settings)
    is_encoding = settings["compare.method"] == "encoding"
    if is_encoding and settings["brain.rdms"] is not None:
        yield Problem("compare.method", "encoding predicts responses, and brain.rdms has none.")


def _check_twice(settings: Settings) -> Iterator[Problem]:
    """Yield what is said twice, or of something else than is there."""
    if settings["brain.masks"] is not None and settings["brain.atlas"] is not None:
        yield Problem("brain.masks", "regions are given twice, by masks and atlas. Keep one.")
    if settings["control.random_weights"] and settings["model.weights"] == RANDOM:
        yield Problem(
            "control.random_weights",
            "the model has random weights itself. Leave out the control, or the weights.",
        )
    if settings["brain.variable"] is not None and settings["brain.dataset"] is not None:
        yield Problem("brain.variable", "goes with brain.responses or brain.rdms only.")


def check_metrics(settings: Settings) -> Iterator[Problem]:
    """Yield dissimilarities that the data cannot have."""
    metric = settings["compare.brain_metric"]
    if metric is None:
        return
    if settings["brain.rdms"] is not None:
        yield Problem(
            "compare.brain_metric", "the file of RDMs has a dissimilarity already. Leave it out."
        )
    if metric not in NOISE_METRICS and settings["compare.noise"] is not None:
        yield Problem("compare.noise", f"goes with {list_names(NOISE_METRICS)} only.")
    if metric != "crossnobis" and settings["compare.runs"] is not None:
        yield Problem("compare.runs", "goes with crossnobis only.")


def check_model(settings: Settings) -> Iterator[Problem]:
    """Yield what is wrong with the name of the model, as far as it is known without loading it."""
    name = settings["model.name"]
    if name is None:
        return
    try:
        read = read_name(name)
    except NeuroLensError as error:
        yield Problem("model.name", error.message)
        return
    if read.source in LISTED:
        try:
            names = set(list_models("*", source=read.source)["name"])
        except NeuroLensError as error:
            yield Problem("model.name", error.message)
            return
        wanted = f"{read.source}/{read.entry}"
        # A tag of timm may be written after a dot as well.
        if wanted not in names and wanted.rpartition(".")[0] not in names:
            close = difflib.get_close_matches(wanted, sorted(names), n=3, cutoff=0.4)
            yield Problem(
                "model.name",
                f"no model named {wanted!r}. Closest: {list_names(close)}. See neurolens models.",
            )


def check_own_file(settings: Settings) -> Iterator[Problem]:
    """Yield what is wrong with the user's own file, as far as it is known without running it."""
    own = settings["model.file"]
    if own is None:
        return
    path = find_file(settings.folder, own)
    if not path.is_file():
        if path.exists():
            yield Problem("model.file", f"{own!r} is no file.")
        return
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError, OSError) as error:
        yield Problem("model.file", f"{own!r} is no Python: {error}.")
        return
    names = _list_defined(body)
    # A file may define names in ways that are not seen here.
    is_plain = all(isinstance(node, PLAIN) for node in body) and "*" not in names
    if is_plain and settings["model.function"] not in names:
        address = "model.function"
        problem = _tell_unknown(address, f"function of {own!r}", settings[address], names)
        yield problem if address in settings.given else problem._replace(address="model.file")


def _list_defined(body: list[ast.stmt]) -> list[str]:
    """Return the names that statements define, imports included."""
    names = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names += [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return names


def check_dataset(settings: Settings) -> Iterator[Problem]:
    """Yield what is wrong with the data set, by its card."""
    key = settings["brain.dataset"]
    if key is None:
        return
    known = list_datasets()
    if key not in known:
        yield _tell_unknown("brain.dataset", "data set", key, known)
        return
    card = describe_dataset(key)
    for what in ("regions", "subjects"):
        yield from _check_names(settings, card, what)
    for name in settings["brain.options"] or {}:
        if name not in card.get("options", {}):
            yield _tell_unknown("brain.options", f"option of {key!r}", name, card.get("options"))
    if card.get("accept_terms") and not settings["brain.accept_terms"]:
        yield Problem(
            "brain.accept_terms",
            f"data set {key!r} asks you to accept its terms: {card['terms'].strip()} Write "
            "accept_terms = true if you do.",
        )
    yield from _check_parts(settings, card)


def _check_names(settings: Settings, card: dict[str, Any], what: str) -> Iterator[Problem]:
    """Yield regions or subjects that a card does not have."""
    names = settings[f"brain.{what}"]
    known = card.get(what)
    if names is None or (known is None and what == "regions"):
        return
    if known is None:
        yield Problem(
            "brain.subjects", f"data set {card['key']!r} has none to choose from. Leave it out."
        )
        return
    for name in [names] if isinstance(names, str) else names:
        if name not in known:
            yield _tell_unknown(f"brain.{what}", what.removesuffix("s"), name, known)


def _check_parts(settings: Settings, card: dict[str, Any]) -> Iterator[Problem]:
    """Yield what is asked of a data set that does not hold it."""
    key = card["key"]
    holds = card["holds"]
    if settings["stimuli.source"] is None and "stimuli" not in holds:
        yield Problem("stimuli", f"data set {key!r} has no stimuli. Say source = ... of your copy.")
    if "responses" in holds:
        return
    if settings["compare.method"] == "encoding":
        yield Problem("compare.method", f"encoding predicts responses, and {key!r} has RDMs only.")
    if settings["compare.brain_metric"] is not None:
        yield Problem("compare.brain_metric", f"data set {key!r} has RDMs already. Leave it out.")


def _tell_unknown(address: str, what: str, name: Any, known: Any) -> Problem:
    """Return the problem of a name that is not known, with the closest ones."""
    names = [str(one) for one in known or ()]
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.4) or names[:5]
    return Problem(address, f"no {what} named {name!r}. Closest: {list_names(close)}.")


def check_files(settings: Settings) -> Iterator[Problem]:
    """Yield files and folders that are not there."""
    for address in sorted(settings.given):
        value = settings[address]
        if address == "analysis.output" or not holds_paths(address, value):
            continue
        for one in list_paths(value):
            path = find_file(settings.folder, one)
            if not path.exists():
                yield Problem(address, f"there is no file or folder {one!r}.")
                break


def holds_paths(address: str, value: Any) -> bool:
    """Return whether the value of a key is a path, or several."""
    if address == "model.weights":
        return is_weights_file(value)
    return any(key.kind.is_path for key in KEYS if key.address == address)


def is_weights_file(weights: str) -> bool:
    """Return whether weights are a path, by the rule of `load_model`, and not a name."""
    return "/" in weights or Path(weights.partition(CHOICE)[0]).suffix in SUFFIXES


def list_paths(value: Any) -> list[str]:
    """Return the paths of a value: one, a list or a table of them."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else [value]


def find_file(folder: Path, path: str) -> Path:
    """Return where a path leads, relative to the folder of the analysis, without what is inside."""
    return folder / Path(path.partition(INSIDE)[0]).expanduser()


Check = Callable[[Settings], Iterator[Problem]]
CHECKS: tuple[Check, ...] = (
    check_choices,
    check_metrics,
    check_model,
    check_own_file,
    check_dataset,
    check_files,
)
