"""Kinds of values in the file of an analysis, each with what it expects in words."""

from collections.abc import Callable
from typing import Any, NamedTuple

from neurolens.errors import InputError
from neurolens.support.sizes import read_bytes


class Kind(NamedTuple):
    """A kind of value.

    ``expects`` says in words what fits, and ``fits`` whether a value does. ``is_path`` tells paths,
    which are relative to the folder of the file.
    """

    expects: str
    fits: Callable[[Any], bool]
    is_path: bool = False


def is_text(value: Any) -> bool:
    """Return whether a value is a text that is not empty."""
    return isinstance(value, str) and bool(value.strip())


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; true and false are none."""
    return is_whole(value) or (isinstance(value, float) and abs(value) < float("inf"))


def is_list(value: Any, fits: Callable[[Any], bool]) -> bool:
    """Return whether a value is a list of one or more entries that all fit."""
    return isinstance(value, list) and len(value) > 0 and all(map(fits, value))


def is_texts(value: Any) -> bool:
    """Return whether a value is a text, or a list of texts that are all different."""
    return is_text(value) or (is_list(value, is_text) and len(set(value)) == len(value))


def is_color(value: Any) -> bool:
    """Return whether a value is a list of red, green and blue from 0 to 255."""
    return is_list(value, is_whole) and len(value) == 3 and 0 <= min(value) <= max(value) <= 255


def is_range(value: Any) -> bool:
    """Return whether a value is a list of two numbers, the smaller first."""
    return is_list(value, is_number) and len(value) == 2 and value[0] < value[1]


def is_size(value: Any) -> bool:
    """Return whether a value is a size in bytes, as `read_bytes` takes it."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    try:
        return read_bytes(value) > 0
    except InputError:
        return False


def is_table_of_texts(value: Any) -> bool:
    """Return whether a value is a table of texts."""
    return isinstance(value, dict) and len(value) > 0 and all(map(is_text, value.values()))


TEXT = Kind("a text", is_text)
TEXTS = Kind("a text, or a list of different texts", is_texts)
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
TABLE = Kind("a table", lambda value: isinstance(value, dict))
COUNT = Kind("a whole number, 0 or more", lambda value: is_whole(value) and value >= 0)
POSITIVE = Kind("a whole number, 1 or more", lambda value: is_whole(value) and value >= 1)
DRAWS = Kind(
    "0, or a whole number of 2 or more",
    lambda value: is_whole(value) and (value == 0 or value >= 2),
)
SHARE = Kind("a number between 0 and 1", lambda value: is_number(value) and 0 < value < 1)
PENALTIES = Kind(
    "a list of numbers above 0",
    lambda value: is_list(value, is_number) and min(value) > 0,
)
FOLDS = Kind(
    "a whole number of 2 or more, or the name of a coordinate",
    lambda value: is_text(value) or (is_whole(value) and value >= 2),
)
SIZE = Kind("a size such as '4GiB' or '500 MB', or a number of bytes", is_size)
COLOR = Kind("a list of red, green and blue, 0 to 255", is_color)
RANGE = Kind("a list of two numbers, the smaller first", is_range)
PATH = Kind("a path", is_text, is_path=True)
PATHS = Kind("a path, or a list of different paths", is_texts, is_path=True)
NAMED_PATHS = Kind("a table of paths", is_table_of_texts, is_path=True)
