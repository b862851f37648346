"""What objects of each kind hold that can change: how it is read, and how it is put back."""

import enum
import functools
import gc
import itertools
import operator
import queue
import sys
import threading
import types
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

# Objects of the standard library that are plain holders; its locks, files and threads are not.
_HOLDERS = frozenset(
    {"_weakrefset", "argparse", "collections", "configparser", "queue", "types", "weakref"}
)
# Containers without attributes of their own.
_PLAIN_CONTAINERS = frozenset({list, dict, set, deque, defaultdict})
_BUILTIN_CALLABLES = (types.BuiltinFunctionType, types.MethodWrapperType)
_ITERATOR_PACKAGES = frozenset({"builtins", "itertools"})
# Entries of a class that are code.
_CODE = (
    *(types.FunctionType, staticmethod, classmethod, property, functools.cached_property),
    *(types.MemberDescriptorType, types.GetSetDescriptorType),
)


class Content(NamedTuple):
    """What one object holds at any moment.

    Attributes
    ----------
    read : callable
        Returns the objects that are held: a list in their order, or a dict.
    write : callable
        Makes the object hold what an earlier ``read`` returned, and nothing else; raises an error
        where that cannot be.
    """

    read: Callable[[], dict | list]
    write: Callable[[Any], None]


class Kinds:
    """Which objects are read, and what they hold.

    These are containers, dataclasses, modules, and objects, classes and functions of users.
    Objects of the standard library and of installed packages, such as locks, files and streams, are
    left alone, unless the model comes from the same package.

    Parameters
    ----------
    packages : set of str
        Packages of the model's modules.
    """

    def __init__(self, packages: set[str]) -> None:
        self._packages = packages
        self._is_users: dict[str, bool] = {}

    def open_contents(self, value: Any) -> list[Content]:
        """Return what an object holds and can change; nothing for what is left alone."""
        container = _open_container(value)
        found = [] if container is None else [container]
        if type(value) in _PLAIN_CONTAINERS:
            return found
        if isinstance(value, type):
            if self._is_class_read(value):
                found.append(_bind(value, read_class, write_class))
        elif self._has_attributes(value, is_container=container is not None):
            found.append(_bind(value, read_attributes, write_attributes))
        return found

    def list_references(self, value: Any) -> list[Any]:
        """Return the objects that an object always refers to: of a method, whose method it is."""
        if isinstance(value, type):
            return _list_parts_of_class(value) if self._is_class_read(value) else []
        if isinstance(value, types.FunctionType):
            return _list_parts_of_function(value) if self._is_user(value.__module__) else []
        if isinstance(value, types.MethodType):
            return [value.__self__, value.__func__]
        if isinstance(value, _BUILTIN_CALLABLES):
            return [value.__self__]
        if isinstance(value, (functools.partial, functools.partialmethod)):
            return [value.func, value.args, value.keywords]
        if isinstance(value, functools._lru_cache_wrapper):
            return _list_parts_of_cache(value)
        if isinstance(value, memoryview):
            return [value.obj]
        if isinstance(value, types.MappingProxyType):
            return gc.get_referents(value)
        return [type(value)] if self._is_read(value) else []

    def _has_attributes(self, value: Any, *, is_container: bool) -> bool:
        if isinstance(value, types.FunctionType):
            return self._is_user(value.__module__)
        is_holder = is_container or isinstance(value, functools.partial)
        return (is_holder and hasattr(value, "__dict__")) or self._is_read(value)

    def _is_class_read(self, kind: type) -> bool:
        if issubclass(kind, enum.Enum):
            return False
        return kind.__module__.partition(".")[0] in self._packages or self._is_user(kind.__module__)

    def _is_read(self, value: Any) -> bool:
        """Return whether the attributes of an object are read."""
        if isinstance(value, (torch.jit.ScriptModule, enum.Enum)):
            return False
        if isinstance(value, (nn.Module, threading.local)) or is_dataclass(value):
            return True
        module = type(value).__module__
        package = module.partition(".")[0]
        return package in _HOLDERS or package in self._packages or self._is_user(module)

    def _is_user(self, module: str | None) -> bool:
        """Return whether a module of Python is a user's, not one of an installed package."""
        name = module or ""
        if name not in self._is_users:
            self._is_users[name] = _is_users_module(name)
        return self._is_users[name]


def _is_users_module(name: str) -> bool:
    package = name.partition(".")[0]
    if package == "neurolens" or (package in sys.stdlib_module_names and package != "__main__"):
        return False
    for one in (name, package):
        file = getattr(sys.modules.get(one), "__file__", None) or ""
        if "site-packages" in file or "dist-packages" in file:
            return False
    return True


def _bind(
    value: Any, read: Callable[[Any], dict | list], write: Callable[[Any, Any], None]
) -> Content:
    return Content(lambda: read(value), lambda entries: write(value, entries))


def _open_container(value: Any) -> Content | None:
    """Return what a container, a variable of a function, a cache or an iterator holds."""
    for kind, read, write in _CONTAINERS:
        if isinstance(value, kind):
            return _bind(value, read, write)
    if isinstance(value, Iterator) and type(value).__module__ in _ITERATOR_PACKAGES:
        return _bind(value, _read_iterator, _refuse_write)
    return None


def _read_dict(value: dict) -> dict:
    return dict(value.items())


def _read_set(value: set) -> dict:
    return {entry: entry for entry in value}


def _read_array(array: np.ndarray) -> list[Any]:
    return list(array.flat)


def _fill_container(value: Any, entries: Any) -> None:
    value.clear()
    add = value.extend if isinstance(value, (list, deque)) else value.update
    add(entries)


def _fill_array(array: np.ndarray, entries: list[Any]) -> None:
    for index, entry in zip(np.ndindex(array.shape), entries, strict=True):
        array[index] = entry


def _read_cell(cell: types.CellType) -> list[Any]:
    """Return the variable that functions share, or nothing where it has no value."""
    try:
        return [cell.cell_contents]
    except ValueError:
        return []


def _write_cell(cell: types.CellType, entries: list[Any]) -> None:
    if entries:
        cell.cell_contents = entries[0]
    else:
        del cell.cell_contents


def _drain_queue(waiting: queue.SimpleQueue, drained: list[Any]) -> None:
    try:
        while True:
            drained.append(waiting.get_nowait())
    except queue.Empty:
        pass


def _read_queue(waiting: queue.SimpleQueue) -> list[Any]:
    """Return the entries of a queue, which is emptied and filled again: it has no other access."""
    entries: list[Any] = []
    try:
        _drain_queue(waiting, entries)
    finally:
        _fill_queue(waiting, entries)
    return entries


def _write_queue(waiting: queue.SimpleQueue, entries: list[Any]) -> None:
    _drain_queue(waiting, [])
    _fill_queue(waiting, entries)


def _fill_queue(waiting: queue.SimpleQueue, entries: list[Any]) -> None:
    for entry in entries:
        waiting.put(entry)


def _read_cache(function: Any) -> dict[str, int]:
    """Return the size of the cache of a function, and how many results it has stored."""
    counts = function.cache_info()
    return {"size": counts.currsize, "stored": counts.misses}


def _write_cache(function: Any, counts: dict[str, int]) -> None:
    if counts["size"]:
        raise TypeError("single results cannot be taken from a cache")
    function.cache_clear()


def _list_parts_of_cache(function: Any) -> list[Any]:
    """Return the function that a cache belongs to, and the results in it."""
    parts: list[Any] = []
    for part in gc.get_referents(function):
        if isinstance(part, dict):
            parts += part.values()
        else:
            parts.append(part)
    return parts


def _read_generator(generator: types.GeneratorType) -> dict[str, Any]:
    """Return where a generator stands and its variables; nothing where it has ended."""
    frame = generator.gi_frame
    return {} if frame is None else {**frame.f_locals, "": frame.f_lasti}


def _read_iterator(iterator: Any) -> list[Any]:
    """Return how far an iterator is, as far as it tells."""
    if isinstance(iterator, itertools.count):
        return [repr(iterator)]
    if isinstance(iterator, itertools.cycle):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            parts: Any = iterator.__reduce__()[1]
        return [operator.length_hint(parts[0], -1)]
    if isinstance(iterator, enumerate):
        return [iterator.__reduce__()[1][1]]
    if isinstance(iterator, (map, filter, zip)):
        return list(iterator.__reduce__()[1])
    return [operator.length_hint(iterator, -1)]


def _refuse_write(_value: Any, _entries: Any) -> None:
    raise TypeError("an iterator cannot go back")


# How containers are read and filled, by their kind.
_CONTAINERS: tuple[tuple[type, Callable[[Any], dict | list], Callable[[Any, Any], None]], ...] = (
    (dict, _read_dict, _fill_container),
    (set, _read_set, _fill_container),
    (list, list, _fill_container),
    (deque, list, _fill_container),
    (np.ndarray, _read_array, _fill_array),
    (types.CellType, _read_cell, _write_cell),
    (queue.SimpleQueue, _read_queue, _write_queue),
    (functools._lru_cache_wrapper, _read_cache, _write_cache),
    (types.GeneratorType, _read_generator, _refuse_write),
)


def _list_parts_of_function(function: types.FunctionType) -> list[Any]:
    """Return the default values of a function, and the variables that it keeps.

    The variables around a class are, as global ones, not what its methods keep.
    """
    scope = function.__code__.co_qualname.rpartition(".")[0]
    kept = function.__closure__ or () if scope.endswith("<locals>") else ()
    return [*kept, function.__defaults__, function.__kwdefaults__]


def _list_parts_of_class(kind: type) -> list[Any]:
    """Return the classes from which a class inherits, and its functions."""
    parts: list[Any] = list(kind.__bases__)
    for entry in vars(kind).values():
        if isinstance(entry, types.FunctionType):
            parts.append(entry)
        elif isinstance(entry, (staticmethod, classmethod)):
            parts.append(entry.__func__)
        elif isinstance(entry, property):
            parts += [entry.fget, entry.fset]
        elif isinstance(entry, functools.cached_property):
            parts.append(entry.func)
    return parts


def read_class(kind: type) -> dict[str, Any]:
    """Return the attributes of a class itself that are no code."""
    return {
        name: value
        for name, value in vars(kind).items()
        if not isinstance(value, _CODE) and not (name.startswith("__") and name.endswith("__"))
    }


def write_class(kind: type, attributes: dict[str, Any]) -> None:
    """Give a class these attributes and, code aside, no others."""
    now = read_class(kind)
    for name in now.keys() - attributes.keys():
        type.__delattr__(kind, name)
    for name, held in attributes.items():
        if name not in now or now[name] is not held:
            type.__setattr__(kind, name, held)


def read_attributes(value: Any) -> dict[str, Any]:
    """Return the attributes that an object itself holds, slots included."""
    held = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for slot in [slots] if isinstance(slots, str) else slots:
            name = _name_slot(kind, slot)
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                held[name] = getattr(value, name)
    return held


def _name_slot(kind: type, slot: str) -> str:
    """Return the name of a slot as Python stores it: private ones carry their class."""
    is_private = slot.startswith("__") and not slot.endswith("__")
    return f"_{kind.__name__.lstrip('_')}{slot}" if is_private else slot


def write_attributes(value: Any, attributes: dict[str, Any]) -> None:
    """Give an object these attributes and no others."""
    own = getattr(value, "__dict__", {})
    for name in read_attributes(value).keys() - attributes.keys():
        if name in own:
            del own[name]
        else:
            object.__delattr__(value, name)
    for name, held in attributes.items():
        if name in own or not hasattr(type(value), name):
            own[name] = held
        else:
            object.__setattr__(value, name, held)
