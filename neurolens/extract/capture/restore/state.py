"""State of a model, which every pass begins with and leaves as it was."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from operator import is_
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from neurolens.extract.capture.events import read_storage
from neurolens.extract.capture.modules.parts import ModelParts, list_parts, select_attributes
from neurolens.extract.capture.restore.copies import (
    Copier,
    Copy,
    TensorCopy,
    is_same,
)


class _Held(NamedTuple):
    """What one module held: plain attributes, buffers, parameters and child modules by name.

    ``copies`` are of what can change, each with its address; ``own`` are all attributes, torch's
    too, and none for TorchScript.
    """

    address: str
    module: nn.Module
    copies: list[tuple[str, Copy]]
    buffers: dict[str, torch.Tensor | None]
    parameters: dict[str, nn.Parameter | None]
    modules: dict[str, nn.Module | None]
    own: dict[str, Any]


class ModelState:
    """Buffers and plain attributes of a model's modules, and of their classes, at one moment.

    A parameter is copied when `keep_parameters` is told that something is about to write into it,
    or here where it is ``rewritten``. Of others only the place in memory is known, to which they
    return; a change in place is told.

    Attributes are tensors, numbers, arrays, and containers, objects, classes and functions that
    hold these: objects that can be called, methods with the object that they belong to, functions
    with the variables that they keep. Of tensors beyond 256 MiB or 10,000, and of parameters that
    no module registers, it is only told that they were changed in place; so it is of iterators.
    What cannot be copied is left alone: locks, files, objects of installed packages, arrays beyond
    256 MiB, more than 100,000 objects, and variables around a class or of a file of Python. A
    module that makes parameters or child modules of its own in a pass keeps what it made.

    Parameters
    ----------
    model : Module
    rewritten : collection of str
        Addresses of parameters that passes of this model write into.
    parts : ModelParts, optional
        Of the model, where they are known.

    Attributes
    ----------
    changed : list of str
        Once `compare` has run: addresses of what differs, such as ``"core.h"``.
    lost : list of str
        Once `restore` has run: addresses of what differs and could not be put back, parameters
        among them.
    """

    def __init__(
        self,
        model: nn.Module,
        rewritten: Collection[str] = (),
        parts: ModelParts | None = None,
    ) -> None:
        self.changed: list[str] = []
        self.lost: list[str] = []
        self._is_compared = False
        self._differing: list[tuple[str, Copy]] = []
        self._moved: list[_Held] = []
        self._replaced: list[str] = []
        self._by_storage: dict[int, list[TensorCopy]] | None = None
        with torch._C.DisableTorchFunction():
            parts = parts or list_parts(model)
            modules = parts.modules
            self._parameters = {
                name: TensorCopy(parameter, has_content=False)
                for name, parameter in parts.parameters.items()
                if not is_lazy(parameter)
            }
            for name in rewritten:
                if name in self._parameters:
                    self._parameters[name].keep_content()
            self._copier = _make_copier(modules, [one.tensor for one in self._parameters.values()])
            has_lazy = parts.has_lazy()
            self._held = []
            for address, module in modules.items():
                if not (has_lazy and _is_lazy(module)):
                    attributes = parts.attributes.get(address)
                    self._held.append(self._hold_module(address, module, attributes))

    def _hold_module(
        self, address: str, module: nn.Module, attributes: dict[str, Any] | None
    ) -> _Held:
        """Return what a module holds, and copy what of it can change."""
        prefix = f"{address}." if address else ""
        copier = self._copier
        copies: list[tuple[str, Copy]] = []
        buffers = dict(module._buffers.items()) if module._buffers else {}
        for name, buffer in buffers.items():
            if buffer is not None:
                found = copier.copy_tensor(buffer, limited=False)
                copies += [(prefix + name, one) for one in found]
        own = {}
        if not isinstance(module, torch.jit.ScriptModule):
            kind = type(module)
            if not copier.has_copied(kind):
                copies += [(kind.__name__, one) for one in copier.copy_value(kind)]
            for name, value in attributes.items() if attributes else ():
                copies += [(prefix + name, one) for one in copier.copy_value(value)]
            own = vars(module).copy()
        parameters = dict(module._parameters.items()) if module._parameters else {}
        modules = dict(module._modules.items()) if module._modules else {}
        return _Held(address, module, copies, buffers, parameters, modules, own)

    def keep_parameters(self, written: Iterable[torch.Tensor]) -> None:
        """Copy the parameters that share memory with ``written``, before it changes."""
        with torch._C.DisableTorchFunction():
            if self._by_storage is None:
                self._by_storage = {}
                for one in self._parameters.values():
                    self._by_storage.setdefault(read_storage(one.tensor), []).append(one)
            for tensor in written:
                storage = read_storage(tensor)
                for one in self._by_storage.get(storage, ()) if storage else ():
                    one.keep_content()

    def list_rewritten(self) -> list[str]:
        """Return the addresses of parameters that were copied and then changed."""
        named = self._parameters.items()
        return [name for name, one in named if one.changed and one.content is not None]

    def compare(self) -> list[str]:
        """Return the addresses of everything that differs now from what was copied.

        This is found once, when the pass has ended.
        """
        if self._is_compared:
            return self.changed
        self._is_compared = True
        found = []
        with torch._C.DisableTorchFunction():
            moved = self._list_moved()
            for held in self._held:
                names = moved.get(id(held))
                if names:
                    self._moved.append(held)
                    found += [f"{held.address}.{name}".removeprefix(".") for name in names]
                for address, one in held.copies:
                    if one.compare():
                        self._differing.append((address, one))
                        found.append(address)
            found += [name for name, one in self._parameters.items() if one.compare()]
            self._replaced = self._list_replaced()
        found += self._replaced
        self.changed = list(dict.fromkeys(found))
        return self.changed

    def _list_moved(self) -> dict[int, list[str]]:
        """Return what has moved in each module that was touched, by the identity of what it held.

        A module that has built parts of itself keeps everything that it made, and is let go.
        """
        touched = [held for held in self._held if not _is_untouched(held)]
        built = {id(held) for held in touched if _is_built(held)}
        if built:
            self._held = [held for held in self._held if id(held) not in built]
        return {id(held): _find_moved(held) for held in touched if id(held) not in built}

    def list_overwritten(self) -> set[int]:
        """Return the memories into which `restore` will write other values; `compare` goes first.

        Whatever else is to keep its values has to be cloned.
        """
        storages = set()
        parameters = [one for one in self._parameters.values() if one.changed]
        for one in [*[copy for _, copy in self._differing], *parameters]:
            if isinstance(one, TensorCopy):
                storages |= {read_storage(one.tensor), read_storage(one.place)}
        return storages

    def list_storages(self) -> set[int]:
        """Return the memories of all tensors that were copied."""
        tensors = [one for one in self._list_copies() if isinstance(one, TensorCopy)]
        return {read_storage(one.place) for one in tensors if one.content is not None} - {0}

    def _list_copies(self) -> list[Copy]:
        copies: list[Copy] = [one for held in self._held for _, one in held.copies]
        return copies + list(self._parameters.values())

    def restore(self) -> None:
        """Put everything back that differs."""
        self.compare()
        lost = []
        with torch._C.DisableTorchFunction():
            for held in self._moved:
                _put_back(held)
            for address, one in self._differing:
                if not one.restore():
                    lost.append(address)
            for address, parameter in self._parameters.items():
                if parameter.changed and not parameter.restore():
                    lost.append(address)
        self.lost += dict.fromkeys(lost + self._replaced)

    def _list_replaced(self) -> list[str]:
        """Return the addresses of parameters in whose place the model has put others."""
        replaced = []
        for held in self._held:
            for name, part in held.module._parameters.items():
                before = held.parameters.get(name)
                if before is None or part is None or (before.is_meta and part.is_meta):
                    continue
                if part is not before:
                    replaced.append(f"{held.address}.{name}".removeprefix("."))
        return replaced


def _make_copier(modules: dict[str, nn.Module], parameters: list[torch.Tensor]) -> Copier:
    """Return a copier that leaves registered modules and parameters as they are."""
    shared = {id(module) for module in modules.values()}
    packages = {type(module).__module__.partition(".")[0] for module in modules.values()}
    return Copier(shared, parameters, packages - {"torch"})


def _is_lazy(module: nn.Module) -> bool:
    """Return whether a module is made in its first call: what that leaves is no state."""
    own = (*module._parameters.values(), *module._buffers.values())
    return any(tensor is not None and is_lazy(tensor) for tensor in own)


def _is_untouched(held: _Held) -> bool:
    """Return whether the quickest look finds all parts of a module as they were."""
    before = held.own
    now = vars(held.module)
    if not before or not _holds_same(now, before):
        return False
    for name, entries in (
        ("_buffers", held.buffers),
        ("_parameters", held.parameters),
        ("_modules", held.modules),
    ):
        if (entries or now[name]) and not _holds_same(now[name], entries):
            return False
    return True


def _is_built(held: _Held) -> bool:
    """Return whether a module has made parameters or child modules of its own since."""
    module = held.module
    for now, before in ((module._parameters, held.parameters), (module._modules, held.modules)):
        for name, part in now.items():
            if part is not None and before.get(name) is None:
                return True
    return False


def _holds_same(now: Any, before: dict[str, Any]) -> bool:
    """Return whether the quickest look finds the same objects in one order; False tells nothing."""
    return list(now) == list(before) and all(map(is_, now.values(), before.values()))


def _find_moved(held: _Held) -> list[str]:
    """Return the names of attributes and buffers that now are other objects, or no more there."""
    module = held.module
    now = dict(module._buffers.items())
    before = dict(held.buffers)
    if not isinstance(module, torch.jit.ScriptModule):
        now |= select_attributes(vars(module))
        before |= select_attributes(held.own)
    gone = [name for name in before if name not in now]
    return gone + [
        name
        for name, value in now.items()
        if name not in before or not is_same(value, before[name])
    ]


def _put_back(held: _Held) -> None:
    """Give a module the attributes and buffers that it had, and no others."""
    module = held.module
    if isinstance(module, torch.jit.ScriptModule):
        for name, buffer in held.buffers.items():
            if getattr(module, name) is not buffer:
                setattr(module, name, buffer)
        return
    own = vars(module)
    attributes = select_attributes(held.own)
    for name in select_attributes(own).keys() - attributes.keys():
        del own[name]
    own.update(attributes)
    now = module._buffers
    names_differ = list(now) != list(held.buffers)
    if names_differ or any(now[name] is not buffer for name, buffer in held.buffers.items()):
        module._buffers.clear()
        module._buffers.update(held.buffers)


@contextmanager
def preserve_state(
    model: nn.Module, rewritten: Collection[str] = (), parts: ModelParts | None = None
) -> Iterator[ModelState]:
    """Put back, afterwards, everything of a model that `ModelState` holds."""
    state = ModelState(model, rewritten, parts)
    try:
        yield state
    finally:
        state.restore()
