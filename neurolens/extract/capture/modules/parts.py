"""The modules, parameters, buffers and attributes of a model by address, found in one walk."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

# Values that never change.
ATOMS = frozenset(
    {
        *(int, float, bool, str, bytes, complex, type(None), type(Ellipsis), range, slice),
        *(torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format),
        types.ModuleType,
    }
)
# What every Module has, its mode aside.
_OF_TORCH = frozenset(vars(nn.Module())) - {"training"}
# In the order in which a Module makes them, as a rule before all others.
_FIRST = list(vars(nn.Module()))
_N_FIRST = len(_FIRST)


@dataclass(frozen=True, slots=True)
class ModelParts:
    """What a model is made of at one moment, each once, by its first address.

    Order and addresses are those of ``named_modules``, ``named_parameters`` and ``named_buffers``,
    which walk through the model once each and take several times as long. ``attributes`` are by
    address the plain attributes of a module that can change, where it has any.
    """

    modules: dict[str, nn.Module]
    parameters: dict[str, nn.Parameter]
    buffers: dict[str, torch.Tensor]
    attributes: dict[str, dict[str, Any]]

    def has_lazy(self) -> bool:
        """Return whether modules are made in their first call."""
        return any(map(is_lazy, (*self.parameters.values(), *self.buffers.values())))

    def list_sources(self) -> dict[int, tuple[str, str]]:
        """Return ``id(tensor) -> (kind, address)`` of parameters and buffers.

        A tied tensor has its first address.
        """
        sources: dict[int, tuple[str, str]] = {}
        for kind, named in (("parameter", self.parameters), ("buffer", self.buffers)):
            for name, tensor in named.items():
                sources.setdefault(id(tensor), (kind, name.replace("_orig_mod.", "")))
        return sources


def list_parts(model: nn.Module) -> ModelParts:
    """Return what a model is made of now."""
    parts = ModelParts({}, {}, {}, {})
    _collect_modules(model, "", parts.modules, set())
    seen: set[int] = set()
    for address, module in parts.modules.items():
        for tensors, found in (
            (module._parameters, parts.parameters),
            (module._buffers, parts.buffers),
        ):
            if tensors:
                _collect_tensors(tensors, address, found, seen)
        attributes = _read_objects(module)
        if attributes:
            parts.attributes[address] = attributes
    return parts


def select_attributes(own: dict[str, Any]) -> dict[str, Any]:
    """Return the plain attributes among all those of a module: its own, and its mode."""
    return {name: value for name, value in own.items() if name not in _OF_TORCH}


def _read_objects(module: nn.Module) -> dict[str, Any]:
    """Return the plain attributes of a module that can change."""
    own = vars(module)
    names = list(own)
    is_usual = names[:_N_FIRST] == _FIRST
    names = names[_N_FIRST:] if is_usual else list(select_attributes(own))
    return {name: own[name] for name in names if not never_changes(own[name])}


def never_changes(value: Any) -> bool:
    """Return whether an object is a plain value, or a tuple of such."""
    kind = type(value)
    return kind in ATOMS or (kind is tuple and ATOMS.issuperset(map(type, value)))


def iterate_modules(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules of a model, each once, in no particular order."""
    waiting = [model]
    seen = {id(model)}
    for module in waiting:
        yield module
        for child in module._modules.values():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                waiting.append(child)


def _collect_modules(
    module: nn.Module, address: str, modules: dict[str, nn.Module], seen: set[int]
) -> None:
    seen.add(id(module))
    modules[address] = module
    children = module._modules
    if children:
        prefix = f"{address}." if address else ""
        for name, child in children.items():
            if child is not None and id(child) not in seen:
                _collect_modules(child, prefix + name, modules, seen)


def _collect_tensors(
    tensors: Mapping[str, Any], address: str, found: dict[str, Any], seen: set[int]
) -> None:
    prefix = f"{address}." if address else ""
    for name, tensor in tensors.items():
        if tensor is not None and id(tensor) not in seen:
            seen.add(id(tensor))
            found[prefix + name] = tensor
