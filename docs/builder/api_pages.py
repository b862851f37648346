"""A page for each room of the package, with every public name and its docstring."""

import inspect
from importlib import import_module
from types import ModuleType

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

# Room -> what its page begins with.
ROOMS = {
    "neurolens": "What is used most. Everything else is in the rooms below.",
    "neurolens.stimuli": "What was shown, by id: pictures, sounds, videos, texts, arrays.",
    "neurolens.models": "Models of the field's libraries by name, with their preprocessing.",
    "neurolens.brain": "Brain responses and published RDMs from files, and maps as images.",
    "neurolens.datasets": "Brain data with their stimuli, fetched and checked.",
    "neurolens.extract": "Every operation of a model: one pass, or a whole set of stimuli.",
    "neurolens.compare": "RDMs, encoding, alignment; ceilings, intervals, tests; honest choice.",
    "neurolens.scores": "The form in which every method returns its scores.",
    "neurolens.view": "The annotated graph, figures, brain maps, and exports.",
    "neurolens.report": "The results of a run on one page.",
    "neurolens.errors": "What can be raised. Each is also a builtin error.",
}
# Names of values, which have no docstring of their own.
CONSTANTS = {
    "ALIGNMENTS": "Names of the measures that `compare_grams` and `compare_models` take.",
    "COMPARATORS": "Comparators of RDMs by name, with what belongs to each.",
    "METRICS": "Names of the dissimilarities that `compute_rdms` takes.",
    "NOISE_METRICS": "Dissimilarities that need an estimate of the noise.",
    "REDUCERS": "Reducers by name, as `reducer=` takes them.",
    "WHOLE": "The unit of text that is one stimulus as a whole.",
    "__version__": "The version of the package.",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each room."""
    for room in ROOMS:
        page = f"api/{find_page_name(room)}.md"
        files.append(File.generated(config, page, content=write_room(room)))
    return files


def find_page_name(room: str) -> str:
    """Return the name of a room's page: ``index`` for the package itself."""
    return room.partition(".")[2] or "index"


def list_public(module: ModuleType) -> list[str]:
    """Return the public names of a module: its ``__all__`` without rooms, or what it defines."""
    if hasattr(module, "__all__"):
        return sorted(n for n in module.__all__ if not inspect.ismodule(getattr(module, n)))
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def write_room(room: str) -> str:
    """Write the page of a room: a table of its names, then the docstring of each."""
    module = import_module(room)
    names = list_public(module)
    lines = [f"# `{room}`", "", ROOMS[room], "", "| name | |", "|---|---|"]
    targets = {name: find_target(room, name) for name in names}
    for name in names:
        lines.append(f"| [`{name}`][{targets[name]}] | {summarize(module, name)} |")
    if room == "neurolens":
        lines += ["", "## Rooms", "", "| room | |", "|---|---|"]
        lines += [
            f"| [`{other}`]({find_page_name(other)}.md) | {sentence} |"
            for other, sentence in ROOMS.items()
            if other != room
        ]
    for title, group in group_names(module, names).items():
        here = [name for name in group if targets[name] == f"{room}.{name}"]
        if here:
            lines += ["", f"## {title}"]
        for name in here:
            lines += ["", f"::: {room}.{name}"]
            if not has_docstring(getattr(module, name)):
                lines += ["", CONSTANTS.get(name, "")]
    return "\n".join(lines) + "\n"


def find_target(room: str, name: str) -> str:
    """Return the path under which a name is documented, once.

    What the package itself exports is documented in the room that it comes from.
    """
    if room == "neurolens":
        for other in ROOMS:
            if other != room and name in list_public(import_module(other)):
                return f"{other}.{name}"
    return f"{room}.{name}"


def has_docstring(value: object) -> bool:
    """Return whether a value is a function or class, which has a docstring of its own."""
    return inspect.isroutine(value) or inspect.isclass(value)


def summarize(module: ModuleType, name: str) -> str:
    """Return the first sentence on a name."""
    value = getattr(module, name)
    if not has_docstring(value):
        return CONSTANTS.get(name, "")
    text = (inspect.getdoc(value) or "").partition("\n\n")[0]
    return " ".join(text.split()).replace("|", r"\|")


def group_names(module: ModuleType, names: list[str]) -> dict[str, list[str]]:
    """Sort names into sections: the parts of `neurolens.compare`, else by what they are."""
    groups: dict[str, list[str]] = {}
    for name in names:
        value = getattr(module, name)
        groups.setdefault(find_section(module, value), []).append(name)
    order = ["Functions", *sorted(set(groups) - {"Functions", "Classes", "Values"})]
    return {title: groups[title] for title in [*order, "Classes", "Values"] if title in groups}


def find_section(module: ModuleType, value: object) -> str:
    """Return the title of the section that a value belongs to."""
    if inspect.isclass(value):
        return "Classes"
    if not inspect.isroutine(value):
        return "Values"
    if module.__name__ == "neurolens.compare":
        part = inspect.getmodule(value)
        if part is not None:
            words = part.__name__.split(".")
            return PARTS.get(words[2], "Functions")
    return "Functions"


# Parts of neurolens.compare.
PARTS = {
    "stats": "Choosing and comparing ops",
    "rdms": "RDMs",
    "rsa": "RDMs against RDMs",
    "alignment": "Grams against Grams",
    "encoding": "Encoding models",
    "selection": "Choosing and comparing ops",
}
