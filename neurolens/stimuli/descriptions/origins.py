"""Origins of code: an installed package, identified by its version, or the user's own code."""

import dis
import importlib
import importlib.util
import platform
import sys
import types
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Any

_OWN = "neurolens"
_DISTRIBUTION = "neurolens-brain"
_INSTALLED = ("site-packages", "dist-packages")


@dataclass
class Names:
    """What a function's code names: globals, imports as (level, module), attributes of anything."""

    globals: set[str] = field(default_factory=set)
    imports: set[tuple[int, str]] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)


def find_library(module: str | None) -> str | None:
    """Return the top name of the installed package of a module, None for the user's own."""
    top = (module or "").partition(".")[0]
    if not top or top == "__main__":
        return None
    if top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return "python"
    if top == _OWN:
        return top
    loaded = sys.modules.get(top)
    spec = getattr(loaded, "__spec__", None)
    if loaded is None:
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            return None
    paths = [getattr(loaded, "__file__", None), getattr(spec, "origin", None)]
    paths += getattr(spec, "submodule_search_locations", None) or ()
    return top if any(part in str(path) for path in paths for part in _INSTALLED) else None


@cache
def find_version(library: str) -> str:
    """Return the version of an installed package by its top name; Python's without the patch."""
    if library == "python":
        return ".".join(platform.python_version_tuple()[:2])
    try:
        return metadata.version(_DISTRIBUTION if library == _OWN else library)
    except metadata.PackageNotFoundError:
        names = metadata.packages_distributions().get(library, [])
        versions = [f"{name} {metadata.version(name)}" for name in sorted(set(names))]
        return ", ".join(versions) or str(
            getattr(sys.modules.get(library), "__version__", "unknown")
        )


def list_names(code: types.CodeType) -> Names:
    """Return the names that the code of a function, and of functions defined in it, refers to."""
    names = Names()
    _collect_names(code, names)
    return names


def _collect_names(code: types.CodeType, names: Names) -> None:
    steps = list(dis.get_instructions(code))
    for i, step in enumerate(steps):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.globals.add(step.argval)
        elif step.opname == "IMPORT_NAME":
            level = steps[i - 2].argval
            names.imports.add((level if isinstance(level, int) else 0, step.argval))
    names.attributes.update(code.co_names)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            _collect_names(inner, names)


def import_quietly(level: int, name: str, package: str | None) -> types.ModuleType | None:
    """Return a module that a function would import; None where that fails."""
    try:
        return importlib.import_module("." * level + name, package)
    except Exception:
        return None


def is_static(function: Any) -> bool:
    """Return whether a function is what its module holds under its name, so the name suffices."""
    current: Any = sys.modules.get(function.__module__ or "")
    for name in function.__qualname__.split("."):
        current = getattr(current, name, None)
    return current is function
