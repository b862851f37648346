"""Copies of what a model holds, from which its content can be put back in place."""

import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from neurolens.extract.capture.events import read_storage

# Values that never change: they are only put back into their places.
ATOMS = frozenset(
    {
        *(int, float, bool, str, bytes, complex, type(None), type(Ellipsis), range, slice, type),
        *(torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format),
        *(types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType),
    }
)
_MOST_BYTES = 2**28
_MOST_ENTRIES = 10_000


class Copy:
    """The content of one object at one moment.

    Attributes
    ----------
    changed : bool
        Whether the object differs from the copy, once `compare` has run.
    """

    changed = False

    def compare(self) -> bool:
        """Return whether the object itself, its parts aside, differs from the copy."""
        raise NotImplementedError

    def restore(self) -> bool:
        """Put the content back into the object; return whether that was possible."""
        raise NotImplementedError


class TensorCopy(Copy):
    """The content of a tensor, or only its place in memory where ``content`` is None."""

    def __init__(self, tensor: torch.Tensor, *, has_content: bool) -> None:
        self.tensor = tensor
        self.place = tensor.detach()
        self.content = self.place.clone() if has_content else None
        self._version = read_version(tensor)
        self._is_moved = False

    def compare(self) -> bool:
        """Return whether values, shape or memory of the tensor differ."""
        tensor = self.tensor
        self._is_moved = not _is_same_place(tensor, self.place)
        if self.content is None:
            self.changed = self._is_moved or read_version(tensor) != self._version
        else:
            self.changed = self._is_moved or not equal_content(tensor, self.content)
        return self.changed

    def restore(self) -> bool:
        """Put memory and values back."""
        tensor = self.tensor
        try:
            with torch.inference_mode(tensor.is_inference()), torch.no_grad():
                if self._is_moved:
                    tensor.data = self.place
                if self.content is None:
                    return read_version(tensor) == self._version
                if not equal_content(tensor, self.content):
                    tensor.copy_(self.content)
        except RuntimeError:
            return False
        return True


class ArrayCopy(Copy):
    """The content of a numpy array."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self._content = array.copy()

    def compare(self) -> bool:
        """Return whether the array's values differ."""
        now = self._array
        is_same = now.shape == self._content.shape and now.tobytes() == self._content.tobytes()
        self.changed = not is_same
        return self.changed

    def restore(self) -> bool:
        """Put the values back."""
        try:
            self._array[...] = self._content
        except ValueError:
            return False
        return True


class EntriesCopy(Copy):
    """The entries of a list, dict, set or object: the same objects, in the same order."""

    def __init__(
        self, read: Callable[[], dict | list], write: Callable[[Any], None], n_most: int
    ) -> None:
        self._read = read
        self._write = write
        self.entries = read()
        self.is_complete = len(self.entries) <= n_most
        self._n_entries = len(self.entries)
        if not self.is_complete:
            self.entries = []

    def list_values(self) -> list[Any]:
        """Return the objects that were held."""
        return list(self.entries.values() if isinstance(self.entries, dict) else self.entries)

    def compare(self) -> bool:
        """Return whether other objects are held now."""
        now = self._read()
        if not self.is_complete:
            self.changed = len(now) != self._n_entries
        else:
            self.changed = not _equal_entries(now, self.entries)
        return self.changed

    def restore(self) -> bool:
        """Put the same objects back."""
        if not self.is_complete:
            return False
        try:
            self._write(self.entries)
        except Exception:
            return False
        return True


class Copier:
    """Copies objects and what they hold, each once.

    Parameters
    ----------
    shared : set of int
        Ids of objects that belong elsewhere and are only put back into their places: registered
        modules.
    parameters : list of Parameter
        Whose memory is not copied.
    packages : set of str
        Packages of the model's modules, whose objects are read.
    """

    def __init__(
        self, shared: set[int], parameters: list[nn.Parameter], packages: set[str]
    ) -> None:
        self._copied = shared
        self._parameters = parameters
        self._packages = packages
        self._n_bytes = 0
        self._n_entries = 0

    @cached_property
    def _parameter_storages(self) -> set[int]:
        return {read_storage(parameter) for parameter in self._parameters} - {0}

    def copy_tensor(self, tensor: torch.Tensor, *, limited: bool = True) -> Iterator[Copy]:
        """Yield a copy of a tensor, unless it has one; ``limited`` up to a number of bytes."""
        if id(tensor) in self._copied or isinstance(tensor, nn.Parameter) or tensor.is_meta:
            return
        self._copied.add(id(tensor))
        if limited and read_storage(tensor) in self._parameter_storages:
            return
        n_bytes = tensor.numel() * tensor.element_size()
        has_content = not limited or self._n_bytes + n_bytes <= _MOST_BYTES
        self._n_bytes += n_bytes if limited and has_content else 0
        try:
            yield TensorCopy(tensor, has_content=has_content)
        except (RuntimeError, NotImplementedError):
            return

    def copy_value(self, value: Any) -> Iterator[Copy]:
        """Yield copies of an object and of everything it holds that can change."""
        waiting = [value]
        while waiting:
            one = waiting.pop()
            if type(one) in ATOMS or id(one) in self._copied:
                continue
            if isinstance(one, torch.Tensor):
                yield from self.copy_tensor(one)
                continue
            self._copied.add(id(one))
            if type(one) is tuple and ATOMS.issuperset(map(type, one)):
                continue
            if isinstance(one, np.ndarray):
                yield from self._copy_array(one)
            elif isinstance(one, (tuple, frozenset)):
                waiting += one
            else:
                entries = self._copy_entries(one)
                if entries is not None:
                    waiting += entries.list_values()
                    yield entries

    def _copy_array(self, array: np.ndarray) -> Iterator[Copy]:
        if not array.dtype.hasobject and self._n_bytes + array.nbytes <= _MOST_BYTES:
            self._n_bytes += array.nbytes
            yield ArrayCopy(array)

    def _copy_entries(self, value: Any) -> EntriesCopy | None:
        """Return the entries of a container or an object; None of what is left alone."""
        n_most = _MOST_ENTRIES - self._n_entries
        try:
            entries = open_entries(value, n_most, self._packages)
        except Exception:
            return None
        if entries is not None:
            self._n_entries += len(entries.entries)
        return entries


def open_entries(value: Any, n_most: int, packages: set[str]) -> EntriesCopy | None:
    """Return the entries of a list, deque, set, dict or object; None of anything else."""

    def fill(entries: Any) -> None:
        value.clear()
        add = value.extend if isinstance(value, (list, deque)) else value.update
        add(entries)

    if isinstance(value, dict):
        return EntriesCopy(lambda: dict(value.items()), fill, n_most)
    if isinstance(value, set):
        return EntriesCopy(lambda: {entry: entry for entry in value}, fill, n_most)
    if isinstance(value, (list, deque)):
        return EntriesCopy(lambda: list(value), fill, n_most)
    if not _is_read(value, packages):
        return None
    return EntriesCopy(
        lambda: read_attributes(value), lambda entries: write_attributes(value, entries), n_most
    )


def _is_read(value: Any, packages: set[str]) -> bool:
    """Return whether what an object holds is read: modules, dataclasses, objects of users' classes.

    Objects of the standard library and of installed packages, such as locks, files and streams, are
    left alone, unless the model comes from the same package.
    """
    if isinstance(value, (type, torch.jit.ScriptModule)):
        return False
    if isinstance(value, (nn.Module, types.SimpleNamespace)) or is_dataclass(value):
        return True
    if callable(value):
        return False
    module = type(value).__module__
    package = module.partition(".")[0]
    if package in sys.stdlib_module_names and package != "__main__":
        return False
    if package in packages:
        return True
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return "site-packages" not in file and "dist-packages" not in file


def read_attributes(value: Any) -> dict[str, Any]:
    """Return the attributes that an object itself holds, slots included."""
    held = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                held[name] = getattr(value, name)
    return held


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


def _equal_entries(now: Any, before: Any) -> bool:
    if isinstance(before, dict):
        return now.keys() == before.keys() and all(
            is_same(now[key], value) for key, value in before.items()
        )
    return len(now) == len(before) and all(map(is_same, now, before))


def is_same(a: Any, b: Any) -> bool:
    """Return whether two places hold the same object, or equal values that never change."""
    return a is b or (type(a) is type(b) and type(a) in ATOMS and a == b)


def _is_same_place(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return whether two tensors are the same view of the same memory."""
    if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
        return False
    if a.layout != torch.strided:
        return True
    if read_storage(a) != read_storage(b) or a.stride() != b.stride():
        return False
    return int(a.storage_offset()) == int(b.storage_offset())


def read_version(tensor: torch.Tensor) -> int:
    """Return how often a tensor was changed in place; 0 for inference tensors, which do not count.

    Changes through ``.data`` or numpy are not counted either.
    """
    return 0 if tensor.is_inference() else tensor._version


def equal_content(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return whether two tensors of one shape and dtype hold the same bits."""
    if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
        return False
    try:
        if torch.equal(a, b):
            return True
    except (NotImplementedError, RuntimeError):
        pass
    try:
        return bool(torch.equal(_read_bits(a), _read_bits(b)))
    except (NotImplementedError, RuntimeError):
        return False


def _read_bits(tensor: torch.Tensor) -> torch.Tensor:
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    return plain.reshape(-1).view(torch.uint8)
