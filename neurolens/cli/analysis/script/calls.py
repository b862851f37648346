"""Calls of functions, and paths, as text of Python."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

WIDTH = 88
HOME = "~"
INSIDE = "::"


class Code(NamedTuple):
    """A piece of Python that stands for a value."""

    text: str


def write_value(value: Any) -> str:
    """Return the code of a value: code as it is, others as they are typed."""
    return value.text if isinstance(value, Code) else _write_literal(value)


def _write_literal(value: Any) -> str:
    """Return the literal of a value of TOML; texts in double quotes where they allow it."""
    if isinstance(value, str):
        plain = repr(value)
        simple = plain.startswith("'") and '"' not in value
        return f'"{plain[1:-1]}"' if simple else plain
    if isinstance(value, Mapping):
        entries = [f"{_write_literal(name)}: {write_value(one)}" for name, one in value.items()]
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write_value, value)) + "]"
    return repr(value)


def write_call(
    target: str, function: str, values: Sequence[Any], settings: Mapping[str, Any], indent: int = 0
) -> str:
    """Return the code of ``target = function(values, **settings)``, on several lines if need be."""
    arguments = [write_value(value) for value in values]
    arguments += [f"{name}={write_value(value)}" for name, value in settings.items()]
    space = " " * indent
    start = f"{space}{target} = " if target else space
    if target == "return":
        start = f"{space}return "
    line = f"{start}{function}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return line
    rows = "".join(f"\n{space}    {argument}," for argument in arguments)
    return f"{start}{function}({rows}\n{space})"


def write_path(path: str) -> Code:
    """Return the code of a path of the file; relative ones lie in ``FOLDER``."""
    if path.startswith(HOME):
        code = f"Path({_write_literal(path)}).expanduser()"
    else:
        code = f"FOLDER / {_write_literal(path)}"
    # The name of an array in a file is read from text.
    return Code(f"str({code})" if INSIDE in path else code)


def write_paths(value: Any) -> Any:
    """Return the code of a path, or of each path of a list or table; None for None."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {name: write_path(path) for name, path in value.items()}
    if isinstance(value, list):
        return [write_path(path) for path in value]
    return write_path(value)


def drop_missing(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are not None, which are left to the function."""
    return {name: value for name, value in settings.items() if value is not None}
