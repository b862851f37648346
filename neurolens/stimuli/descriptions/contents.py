"""Contents of objects: attributes, slots, and what they return for pickling."""

import functools
from collections.abc import Iterable
from typing import Any

import pandas as pd
from torch import nn

from neurolens.stimuli.descriptions.origins import find_library

_MODULE_MACHINERY = frozenset(vars(nn.Module()))
_REDUCING = ("__reduce_ex__", "__reduce__", "__getstate__")
_NOT_STATE = ("__doc__", "__annotations__")


def list_state(item: Any) -> Iterable[tuple[str, Any]]:
    """Return an object's own attributes, sorted by name.

    They are stored in ``__dict__`` or slots; values cached from others are left out.
    """
    attributes = dict(getattr(item, "__dict__", {}))
    for kind in type(item).__mro__:
        for name in _list_slots(kind):
            if hasattr(item, name):
                attributes[name] = getattr(item, name)
        for name, value in vars(kind).items():
            if isinstance(value, functools.cached_property):
                attributes.pop(name, None)
    for name in _NOT_STATE:
        attributes.pop(name, None)
    if isinstance(item, nn.Module):
        for name in _MODULE_MACHINERY & set(attributes):
            if name != "training" and not attributes[name]:
                del attributes[name]
    return sorted(attributes.items())


def _list_slots(kind: type) -> list[str]:
    slots = vars(kind).get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    hidden = [name.startswith("__") and not name.endswith("__") for name in names]
    owner = kind.__name__.lstrip("_")
    stored = [f"_{owner}{name}" if hide else name for name, hide in zip(names, hidden, strict=True)]
    return [name for name in stored if name not in ("__dict__", "__weakref__")]


def read_content(item: Any) -> list[Any] | None:
    """Return what an object of an installed package returns for pickling.

    The result is None where its attributes show all.

    Raises
    ------
    Exception
        Whatever pickling raises, where an object holds content that only its code in C can read.
    """
    owner = next(kind for kind in type(item).__mro__ if not vars(kind).keys().isdisjoint(_REDUCING))
    if owner is not object and find_library(owner.__module__) is None:
        return None  # the user's own way to pickle may leave settings out
    reduced = item.__reduce_ex__(4)
    if owner in (object, nn.Module) or isinstance(reduced, str):
        return None
    parts = [list(part) if hasattr(part, "__next__") else part for part in reduced[1:]]
    return [part for part in parts if part is not item]


def list_table(table: Any) -> list[Any]:
    """Return the labels and values of a pandas object."""
    if isinstance(table, pd.Index):
        return [list(table.names), table.to_numpy()]
    if isinstance(table, pd.Series):
        return [table.name, list_table(table.index), table.to_numpy()]
    columns = [table.iloc[:, i].to_numpy() for i in range(table.shape[1])]
    return [list_table(table.columns), list_table(table.index), columns]


def strip_class(item: Any) -> Any:
    """Return a number or text of a user's class as one of the built-in type."""
    if isinstance(item, str):
        return str.__str__(item)
    if isinstance(item, bytes):
        return bytes(memoryview(item))
    if isinstance(item, int):
        return int.__index__(item)
    return float.__float__(item) if isinstance(item, float) else complex.__complex__(item)
