"""Description of a preprocessing, part by part, in text that is equal in every process."""

import builtins
import functools
import hashlib
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from neurolens.stimuli.descriptions import contents, origins
from neurolens.stimuli.descriptions.plain import describe_array, describe_plain

WHOLE = "transform"
_MOST_PARTS = 5000
_DEEPEST = 60
_CONTAINERS = (tuple, list, dict, set, frozenset, deque, OrderedDict, defaultdict, Counter)
_BUILTIN = (
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    np.ufunc,
)
_OPERATORS = (torch._ops.OpOverload, torch._ops.OpOverloadPacket)
# Attributes of a class that its instances do not compute with; other names in __...__ count where
# they are methods.
_CLASS_MACHINERY = frozenset({"_abc_impl", "__repr__", "__str__"})
_METHODS = (types.FunctionType, classmethod, staticmethod, property)
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)


@dataclass(frozen=True)
class Description:
    """A description of all that a preprocessing computes from.

    Attributes
    ----------
    parts : dict of str
        Name of a part -> its value as text, a hash where that is long. The whole is
        ``"transform"``; others are its attributes (``"transform.size"``), and the code, constants,
        defaults, closure variables and globals of the functions that it runs (``"global
        mine.TOP"``), and versions of installed packages.
    unseen : tuple of str
        Parts that hold something whose content cannot be read, such as an object of an extension in
        C.
    """

    parts: dict[str, str]
    unseen: tuple[str, ...]

    @property
    def text(self) -> str:
        """All parts, one per line, in order of their names."""
        return "\n".join(f"{name}: {self.parts[name]}" for name in sorted(self.parts))


def describe_preprocessing(transform: Any) -> Description:
    """Describe what a preprocessing computes from, equally in every process.

    The user's own functions and classes are read: code, constants, defaults, closures, the globals
    and modules that the code names, and so on through what these call and hold. Installed packages
    count by name and version. Objects are read with all that they hold, weights of networks
    included. Not seen are files and environment variables read while it runs, names looked up as
    text (``getattr``, ``eval``), and what ``unseen`` lists.
    """
    reader = _Reader()
    reader.read(WHOLE, transform)
    return Description(reader.parts, tuple(reader.unseen))


class _Reader:
    """Fills ``parts``; functions, classes and globals are read once, under their own names."""

    def __init__(self, opened: dict[int, str] | None = None) -> None:
        self.parts: dict[str, str] = {}
        self.unseen: list[str] = []
        self._named: dict[str, list[Any]] = {}
        # Objects that are being read now, for those that contain themselves.
        self._opened: dict[int, str] = dict(opened or {})

    def read(self, part: str, item: Any) -> None:
        """Describe an item under the name of a part, and all that it holds under their names."""
        self.parts[part] = self._describe(part, item)

    def _describe(self, part: str, item: Any) -> str:
        text = describe_plain(item)
        if text is not None:
            return text
        if id(item) in self._opened:
            return f"the same as {self._opened[id(item)]}"
        if len(self._opened) > _DEEPEST or len(self.parts) > _MOST_PARTS:
            return self._pass_over(part, "something too deep inside")
        self._opened[id(item)] = part
        try:
            return self._describe_held(part, item)
        finally:
            del self._opened[id(item)]

    def _describe_held(self, part: str, item: Any) -> str:
        for kinds, describe in _BY_KIND:
            if isinstance(item, kinds):
                return describe(self, part, item)
        if type(item) in _CONTAINERS and type(item) is not defaultdict:
            return self._describe_items(part, item)
        return self._describe_instance(part, item)

    def _pass_over(self, part: str, what: str) -> str:
        self.unseen.append(part)
        return f"{what}, which cannot be compared"

    def _register(self, item: Any) -> tuple[str, bool]:
        """Return the name of a function or class, and whether it occurs for the first time."""
        name = f"{item.__module__}.{item.__qualname__}"
        namesakes = self._named.setdefault(name, [])
        position = next((i for i, other in enumerate(namesakes) if other is item), len(namesakes))
        is_new = position == len(namesakes)
        if is_new:
            namesakes.append(item)
        return (name if position == 0 else f"{name} #{position + 1}"), is_new

    def _describe_function(self, function: types.FunctionType) -> str:
        compiled = vars(function).get("_torchdynamo_orig_callable")
        if isinstance(compiled, types.FunctionType):
            self._note_version("torch")
            return f"compiled, {self._describe_function(compiled)}"
        name, new = self._register(function)
        home = function.__globals__.get("__name__")
        library = origins.find_library(home)
        if library is not None:
            self._note_version(library)
        if new and library is None:
            self._read_function(name, function)
        if new and (library is None or not origins.is_static(function)):
            for variable, cell in zip(
                function.__code__.co_freevars, function.__closure__ or (), strict=True
            ):
                self._read_cell(f"variable {variable} of {name}", cell)
        return f"function {name}"

    def _read_cell(self, part: str, cell: types.CellType) -> None:
        try:
            content = cell.cell_contents
        except ValueError:
            self.parts[part] = "empty"
        else:
            self.read(part, content)

    def _read_function(self, name: str, function: types.FunctionType) -> None:
        code = function.__code__
        self._note_version("python")
        self.parts[f"code of {name}"] = f"sha256 {self._hash_code(name, code)}"
        documented = function.__doc__ is not None and code.co_consts[:1] == (function.__doc__,)
        constants = [c for c in code.co_consts[documented:] if not isinstance(c, types.CodeType)]
        self.parts[f"constants of {name}"] = ", ".join(str(describe_plain(c)) for c in constants)
        positional = code.co_varnames[: code.co_argcount]
        defaults = function.__defaults__ or ()
        given = dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True))
        for argument, value in {**given, **(function.__kwdefaults__ or {})}.items():
            self.read(f"default {argument} of {name}", value)
        for attribute, value in sorted(vars(function).items()):
            if attribute != "__wrapped__":
                self.read(f"{name}.{attribute}", value)
        self._read_names(name, function)

    def _hash_code(self, name: str, code: types.CodeType) -> str:
        """Return a hash of what code does; its plain constants have a part of their own."""
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        names = (arguments, code.co_names, code.co_freevars, code.co_cellvars)
        inner = [self._hash_inner(name, constant) for constant in code.co_consts]
        text = repr((code.co_code, code.co_exceptiontable, counts, names, inner))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _hash_inner(self, name: str, constant: Any) -> str:
        if not isinstance(constant, types.CodeType):
            return ""
        constants = [
            str(describe_plain(c)) for c in constant.co_consts if not isinstance(c, types.CodeType)
        ]
        return self._hash_code(name, constant) + repr(constants)

    def _read_names(self, name: str, function: types.FunctionType) -> None:
        """Read the globals and modules that a function's code names."""
        named = origins.list_names(function.__code__)
        home = str(function.__globals__.get("__name__"))
        for variable in sorted(named.globals):
            self._read_global(home, variable, function.__globals__, named.attributes)
        for level, module in sorted(named.imports):
            library = origins.find_library(module) if level == 0 else None
            if library is not None:
                self._note_version(library)
                continue
            package = function.__globals__.get("__package__")
            imported = origins.import_quietly(level, module, package)
            if imported is None:
                self.parts[f"import {module} in {name}"] = "fails"
            else:
                self._read_module(imported, named.attributes)

    def _read_global(
        self, home: str, variable: str, namespace: dict[str, Any], attributes: set[str]
    ) -> None:
        part = f"global {home}.{variable}"
        if variable.startswith("__") and variable.endswith("__"):
            return
        if variable not in namespace:
            if not hasattr(builtins, variable):
                self.parts[part] = "not defined"
            return
        value = namespace[variable]
        if isinstance(value, types.ModuleType):
            self.parts[part] = f"module {value.__name__}"
            self._read_module(value, attributes)
        elif part not in self.parts:
            self.parts[part] = "being read"
            self.read(part, value)

    def _read_module(self, module: types.ModuleType, attributes: set[str]) -> None:
        """Read those attributes of a user's module that code names, or a package's version."""
        library = origins.find_library(module.__name__)
        if library is not None:
            self._note_version(library)
            return
        for attribute in sorted(attributes & set(vars(module))):
            if f"global {module.__name__}.{attribute}" not in self.parts:
                self._read_global(module.__name__, attribute, vars(module), attributes)

    def _describe_any_function(self, part: str, item: types.FunctionType) -> str:
        return self._describe_function(item)

    def _describe_method(self, part: str, item: types.MethodType) -> str:
        self.read(f"{part}.__self__", item.__self__)
        return f"method, {self._describe(f'{part}.__func__', item.__func__)}"

    def _describe_static(self, part: str, item: staticmethod | classmethod) -> str:
        return f"{type(item).__name__}, {self._describe(f'{part}.__func__', item.__func__)}"

    def _describe_property(self, part: str, item: property) -> str:
        getters = [item.fget, item.fset]
        return f"property, {', '.join(self._describe(part, getter) for getter in getters)}"

    def _describe_cached_property(self, part: str, item: functools.cached_property) -> str:
        return f"cached property, {self._describe(part, item.func)}"

    def _describe_cached(self, part: str, item: Any) -> str:
        return f"cached, {self._describe(part, item.__wrapped__)}"

    def _describe_type(self, part: str, item: type) -> str:
        return self._describe_class(item)

    def _describe_module(self, part: str, item: types.ModuleType) -> str:
        return f"module {item.__name__}{self._describe_file(item.__name__)}"

    def _describe_operator(self, part: str, item: Any) -> str:
        self._note_version("torch")
        return f"torch operator {item}"

    def _describe_table(self, part: str, item: Any) -> str:
        self.read(f"content of {part}", contents.list_table(item))
        return type(item).__name__

    def _describe_code(self, part: str, item: types.CodeType) -> str:
        return f"code, sha256 {self._hash_code(part, item)}"

    def _describe_proxy(self, part: str, item: types.MappingProxyType) -> str:
        return self._describe_items(part, dict(item))

    def _note_version(self, library: str) -> None:
        self.parts[f"version of {library}"] = origins.find_version(library)

    def _describe_partial(self, part: str, item: functools.partial) -> str:
        for i, value in enumerate(item.args):
            self.read(f"{part}.args[{i}]", value)
        for key, value in sorted(item.keywords.items()):
            self.read(f"{part}.keywords[{key!r}]", value)
        return f"partial of {len(item.args)} arguments, {self._describe(f'{part}.func', item.func)}"

    def _describe_builtin(self, part: str, item: Any) -> str:
        holder = getattr(item, "__self__", None)
        owner = getattr(item, "__objclass__", None)
        if holder is not None and not isinstance(holder, types.ModuleType):
            self.read(f"{part}.__self__", holder)
        kind = holder if isinstance(holder, type) else type(holder)
        module = (
            getattr(item, "__module__", None)
            or getattr(owner, "__module__", None)
            or kind.__module__
        )
        name = getattr(item, "__qualname__", item.__name__)
        home = "numpy" if isinstance(item, np.ufunc) else module
        return f"builtin {module}.{name}{self._describe_file(home)}"

    def _describe_file(self, module: str) -> str:
        """Note the version of the package of a module.

        For a module of the user's own, return the hash of its file.
        """
        library = origins.find_library(module)
        if library is not None:
            self._note_version(library)
            return ""
        imported = origins.import_quietly(0, module, None)
        file = getattr(imported, "__file__", None)
        if file is None or not Path(file).is_file():
            return ""
        return f", file sha256 {hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]}"

    def _describe_class(self, kind: type) -> str:
        library = origins.find_library(kind.__module__)
        if library is not None:
            self._note_version(library)
            return f"{kind.__module__}.{kind.__qualname__}"
        name, new = self._register(kind)
        if new:
            bases = [self._describe_class(base) for base in kind.__bases__ if base is not object]
            self.parts[f"bases of {name}"] = ", ".join(bases)
            for attribute, value in sorted(vars(kind).items()):
                special = attribute.startswith("__") and attribute.endswith("__")
                skipped = attribute in _CLASS_MACHINERY or (
                    special and not isinstance(value, _METHODS)
                )
                if not skipped and not isinstance(value, _SLOTS):
                    self.read(f"{name}.{attribute}", value)
        return name

    def _describe_items(self, part: str, item: Any) -> str:
        if isinstance(item, (set, frozenset)):
            digests = sorted(self._digest(part, one) for one in item)
            return f"{type(item).__name__} ({', '.join(digests)})"
        if isinstance(item, dict):
            keys = [describe_plain(key) or self._digest(part, key) for key in item]
            for key, value in zip(keys, item.values(), strict=True):
                self.read(f"{part}[{key}]", value)
            return f"{type(item).__name__} with {', '.join(keys)}"
        for i, value in enumerate(item):
            self.read(f"{part}[{i}]", value)
        return f"{type(item).__name__} of {len(item)}"

    def _digest(self, part: str, item: Any) -> str:
        """Return a hash of all that an item holds, for items that have no part of their own."""
        inner = _Reader(self._opened)
        inner.read(part, item)
        self.unseen += [where for where in inner.unseen if where not in self.unseen]
        text = Description(inner.parts, ()).text
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _describe_instance(self, part: str, item: Any) -> str:
        text = f"object of {self._describe_class(type(item))}"
        for attribute, value in contents.list_state(item):
            self.read(f"{part}.{attribute}", value)
        if isinstance(item, defaultdict):
            self.read(f"{part}.default_factory", item.default_factory)
        if isinstance(item, _CONTAINERS):
            return f"{text}, {self._describe_items(part, item)}"
        if isinstance(item, (str, bytes, int, float, complex)):
            return f"{text}, {describe_plain(contents.strip_class(item))}"
        if isinstance(item, np.ndarray):
            text += f", {describe_array(np.asarray(item))}"
        elif isinstance(item, torch.Tensor):
            text += f", {describe_array(item.as_subclass(torch.Tensor))}"
        return self._read_reduced(part, item, text)

    def _read_reduced(self, part: str, item: Any, text: str) -> str:
        """Read what an object of a package gives to be pickled and its attributes do not show."""
        try:
            content = contents.read_content(item)
        except Exception:
            return f"{text}, {self._pass_over(part, 'with content')}"
        if content is not None:
            self.read(f"content of {part}", content)
        return text


# Kinds of items and the methods that describe them; the first that fits is used.
_BY_KIND: tuple[tuple[Any, Callable[[_Reader, str, Any], str]], ...] = (
    (types.FunctionType, _Reader._describe_any_function),
    (types.MethodType, _Reader._describe_method),
    (functools.partial, _Reader._describe_partial),
    ((staticmethod, classmethod), _Reader._describe_static),
    (property, _Reader._describe_property),
    (functools.cached_property, _Reader._describe_cached_property),
    (functools._lru_cache_wrapper, _Reader._describe_cached),
    (type, _Reader._describe_type),
    (types.ModuleType, _Reader._describe_module),
    (_BUILTIN, _Reader._describe_builtin),
    (_OPERATORS, _Reader._describe_operator),
    ((pd.DataFrame, pd.Series, pd.Index), _Reader._describe_table),
    (types.CodeType, _Reader._describe_code),
    (types.MappingProxyType, _Reader._describe_proxy),
)
