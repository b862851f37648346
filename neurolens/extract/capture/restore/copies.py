"""Copies of what a model holds, from which its content can be put back in place."""

import types
from array import array
from collections.abc import Iterable, Iterator
from functools import cached_property
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from neurolens.extract.capture.events import read_storage
from neurolens.extract.capture.modules.parts import ATOMS, never_changes
from neurolens.extract.capture.restore.contents import Content, Kinds

# Two of these are the same thing where they are equal: a method is made anew whenever it is read.
_COMPARED = ATOMS | {types.BuiltinFunctionType, types.MethodType}
_PLAIN = frozenset({torch.Tensor, nn.Parameter})
_MOST_BYTES = 2**28
_MOST_TENSORS = 10_000
_MOST_OBJECTS = 100_000


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
        place = tensor.detach()
        self.tensor = tensor
        self.place = place
        self.content = place.clone() if has_content else None
        self._version = read_version(tensor)
        self._pointer = _read_pointer(tensor)
        self._is_moved = False

    def keep_content(self) -> None:
        """Copy the content now, where only the place was noted and nothing has changed since."""
        if self.content is None and not self.compare():
            self.content = self.place.clone()

    def compare(self) -> bool:
        """Return whether values, shape or memory of the tensor differ."""
        tensor = self.tensor
        self._is_moved = not (self._is_obviously_there() or _is_same_place(tensor, self.place))
        if self.content is None:
            self.changed = self._is_moved or read_version(tensor) != self._version
        else:
            self.changed = self._is_moved or not equal_content(tensor, self.content)
        return self.changed

    def _is_obviously_there(self) -> bool:
        """Return whether the quickest look finds the tensor in its place; False tells nothing."""
        tensor = self.tensor
        place = self.place
        if not self._pointer or tensor.data_ptr() != self._pointer:
            return False
        return tensor.shape == place.shape and tensor.stride() == place.stride()

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
        if self._array.shape != self._content.shape:
            return False
        try:
            self._array[...] = self._content
        except ValueError:
            return False
        return True


class BytesCopy(Copy):
    """The content of a bytearray or an array of Python's ``array``."""

    def __init__(self, value: bytearray | array) -> None:
        self._value = value
        self._content = bytes(memoryview(value))

    def compare(self) -> bool:
        """Return whether the bytes differ."""
        self.changed = bytes(memoryview(self._value)) != self._content
        return self.changed

    def restore(self) -> bool:
        """Put the bytes back."""
        value = self._value
        try:
            if isinstance(value, bytearray):
                value[:] = self._content
            else:
                value[:] = array(value.typecode, self._content)
        except BufferError:
            return False
        return True


class EntriesCopy(Copy):
    """What a container, an object, a class or a function holds: the same objects, in order."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.entries = content.read()

    def list_values(self) -> list[Any]:
        """Return the objects that were held and that may change."""
        values = self.entries.values() if isinstance(self.entries, dict) else self.entries
        return [value for value in values if type(value) not in ATOMS]

    def compare(self) -> bool:
        """Return whether other objects are held now."""
        self.changed = not _equal_entries(self._content.read(), self.entries)
        return self.changed

    def restore(self) -> bool:
        """Put the same objects back."""
        try:
            self._content.write(self.entries)
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
    parameters : list of tensor
        Registered ones, whose memory is not copied.
    packages : set of str
        Packages of the model's modules, whose objects are read.
    """

    def __init__(
        self, shared: set[int], parameters: list[torch.Tensor], packages: set[str]
    ) -> None:
        self._copied = shared | set(map(id, parameters))
        self._parameters = parameters
        self._kinds = Kinds(packages)
        self._n_bytes = 0
        self._n_tensors = 0
        self._n_objects = 0

    @cached_property
    def _parameter_storages(self) -> set[int]:
        return {read_storage(parameter) for parameter in self._parameters} - {0}

    def has_copied(self, value: Any) -> bool:
        """Return whether an object was copied, or belongs elsewhere."""
        return id(value) in self._copied

    def copy_tensor(self, tensor: torch.Tensor, *, limited: bool = True) -> Iterator[Copy]:
        """Yield a copy of a tensor, unless it has one; ``limited`` up to a number of bytes."""
        if id(tensor) in self._copied or is_lazy(tensor) or tensor.is_meta:
            return
        self._copied.add(id(tensor))
        if limited and read_storage(tensor) in self._parameter_storages:
            return
        n_bytes = tensor.numel() * tensor.element_size()
        has_content = not limited or self._fits(tensor, n_bytes)
        self._n_bytes += n_bytes if limited and has_content else 0
        self._n_tensors += limited
        try:
            yield TensorCopy(tensor, has_content=has_content)
        except (RuntimeError, NotImplementedError):
            return

    def _fits(self, tensor: torch.Tensor, n_bytes: int) -> bool:
        """Return whether the values of a tensor are copied; those of parameters never are."""
        if isinstance(tensor, nn.Parameter) or self._n_tensors >= _MOST_TENSORS:
            return False
        return self._n_bytes + n_bytes <= _MOST_BYTES

    def copy_value(self, value: Any) -> Iterator[Copy]:
        """Yield copies of an object and of everything it holds that can change."""
        waiting = [value]
        while waiting:
            one = waiting.pop()
            if never_changes(one) or id(one) in self._copied:
                continue
            if isinstance(one, torch.Tensor):
                yield from self.copy_tensor(one)
                waiting.append(vars(one))
                continue
            self._copied.add(id(one))
            if isinstance(one, (bytearray, array)) or _holds_numbers(one):
                yield from self._copy_numbers(one)
            elif isinstance(one, (tuple, frozenset)):
                waiting += one
            else:
                found = self._copy_contents(one)
                yield from found
                for entries in found:
                    waiting += entries.list_values()
                waiting += self._kinds.list_references(one)

    def _copy_numbers(self, value: Any) -> Iterator[Copy]:
        is_array = isinstance(value, np.ndarray)
        n_bytes = value.nbytes if is_array else memoryview(value).nbytes
        if self._n_bytes + n_bytes <= _MOST_BYTES:
            self._n_bytes += n_bytes
            yield ArrayCopy(value) if is_array else BytesCopy(value)

    def _copy_contents(self, value: Any) -> list[EntriesCopy]:
        """Return what an object holds; nothing of what is left alone."""
        if self._n_objects >= _MOST_OBJECTS:
            return []
        try:
            found = [EntriesCopy(content) for content in self._kinds.open_contents(value)]
        except Exception:
            return []
        self._n_objects += len(found)
        return found


def _holds_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray) and not value.dtype.hasobject


def _equal_entries(now: Any, before: Any) -> bool:
    if len(now) != len(before):
        return False
    if isinstance(before, dict):
        if not _equal_in_order(now, before):
            return False
        return _equal_in_order(now.values(), before.values())
    return _equal_in_order(now, before)


def _equal_in_order(now: Iterable[Any], before: Iterable[Any]) -> bool:
    return all(map(is_, now, before)) or all(map(is_same, now, before))


def is_same(a: Any, b: Any) -> bool:
    """Return whether two places hold the same object, or equal values that never change."""
    return a is b or (type(a) is type(b) and type(a) in _COMPARED and a == b)


def _is_same_place(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return whether two tensors are the same view of the same memory."""
    if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
        return False
    if a.layout != torch.strided:
        return True
    if read_storage(a) != read_storage(b) or a.stride() != b.stride():
        return False
    return int(a.storage_offset()) == int(b.storage_offset())


def _read_pointer(tensor: torch.Tensor) -> int:
    """Return the address of a plain tensor's first element, 0 of others and of empty ones."""
    is_plain = type(tensor) in _PLAIN and tensor.layout is torch.strided and tensor.numel() > 0
    return tensor.data_ptr() if is_plain else 0


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
