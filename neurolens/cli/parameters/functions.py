"""FILE.py:FUNCTION, a function in a user's own file, whose code is run."""

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from neurolens.errors import InputError

_FORM = re.compile(r"(.+\.py):([^\W\d]\w*)", re.DOTALL)
# Of the module that the file becomes, so that it hides none of another name.
_PREFIX = "neurolens_user_"


class FunctionName(NamedTuple):
    """A file of Python, and the name of a function in it."""

    path: Path
    function: str


def read_function_name(text: str) -> FunctionName | None:
    """Return the parts of FILE.py:FUNCTION; None for a text of another form.

    Raises
    ------
    InputError
        The text names a file of Python, and no function in it.
    """
    match = _FORM.fullmatch(text)
    if match is not None:
        return FunctionName(Path(match[1]), match[2])
    if text.endswith(".py") or ".py:" in text:
        raise InputError(
            f"a file of your own is named with the function in it that is called, got {text!r}. "
            f"Type {text.partition('.py')[0]}.py:FUNCTION."
        )
    return None


def load_function(name: FunctionName) -> Callable[..., Any]:
    """Run a file of Python, and return a function of it.

    Modules beside the file can be imported by it, as when Python runs it.

    Raises
    ------
    InputError
        There is no such file or function, or the file raises an error.
    """
    path = name.path
    if not path.is_file():
        raise InputError(
            f"there is no file {str(path)!r}, which is to hold {name.function!r}",
            anchor="file-not-found",
        )
    module_name = _PREFIX + path.stem
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{str(path)!r} cannot be run as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    with run_own(path):
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            raise InputError(f"{path.name} raises {describe_error(error)}") from error
    function = getattr(module, name.function, None)
    if not callable(function):
        there = "holds no" if function is None else "has no function"
        raise InputError(f"{path.name} {there} {name.function!r}; name a function that is in it")
    return function


@contextmanager
def run_own(path: Path) -> Iterator[None]:
    """Let code of a user's file import modules beside it; restore the path and working folder.

    The code may change into another folder, in which paths that were typed would not be found.
    """
    before = list(sys.path)
    here = os.getcwd()
    sys.path.insert(0, str(path.resolve().parent))
    try:
        yield
    finally:
        sys.path[:] = before
        os.chdir(here)


def describe_error(error: BaseException) -> str:
    """Return the type and the first line of an error."""
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
