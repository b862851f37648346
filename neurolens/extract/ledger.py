"""Which value each live tensor holds now, and keeping the values that are about to be overwritten."""

from typing import Any

import torch

from neurolens.extract.calls import Call
from neurolens.extract.records import Value, iterate_tensors, read_storage

_Tensor = torch.Tensor


class Ledger:
    """Follows tensor objects through one pass, by identity and by the memory behind them.

    Parameters
    ----------
    sources : dict
        ``id(tensor) -> (kind, address)`` of parameters and buffers.
    gradients : bool
        Whether kept clones stay in the autograd graph and each value's place in it is noted.
    """

    def __init__(self, sources: dict[int, tuple[str, str]], gradients: bool = False) -> None:
        self._sources = sources
        self._gradients = gradients
        self._values: dict[int, Value] = {}
        self._storages: dict[int, list[Value]] = {}

    def knows(self, tensor: torch.Tensor) -> bool:
        """Return whether the tensor is the model's own or one seen before in this pass."""
        return self.look_up(tensor) is not None or id(tensor) in self._sources

    def look_up(self, tensor: torch.Tensor) -> Value | None:
        """Return the current value of a live tensor object; ids of dead ones are not trusted."""
        value = self._values.get(id(tensor))
        return value if value is not None and value.ref() is tensor else None

    def get_value(self, tensor: torch.Tensor) -> Value:
        """Return the current value of a tensor, noting a source or a constant on its first use."""
        value = self.look_up(tensor)
        if value is None:
            kind, address = self._sources.get(id(tensor), ("constant", "constant"))
            value = self.set_value(self.make_value(kind, address, 0, tensor, True), tensor)
        return value

    def make_value(self, kind: str, source: Any, output: int, tensor: torch.Tensor, keep: bool) -> Value:
        """Return a new value for a tensor, without making it the current one."""
        storage = read_storage(tensor)
        value = Value(kind, source, output, tensor, storage, keep)
        if storage:
            self._storages.setdefault(storage, []).append(value)
        if self._gradients and tensor.requires_grad:
            value.edge = torch.autograd.graph.get_gradient_edge(tensor)
        return value

    def set_value(self, value: Value, tensor: torch.Tensor) -> Value:
        """Make ``value`` the current one of ``tensor``."""
        value.previous = self.look_up(tensor)
        self._values[id(tensor)] = value
        return value

    def find_parents(self, arg: Any, position: str, found: list[tuple[Value, str]]) -> Any:
        """Return ``arg`` with each tensor replaced by its Value, noting each one's position in the call."""
        if isinstance(arg, _Tensor):
            value = self.get_value(arg)
            found.append((value, position))
            return value
        kind = type(arg)
        if kind is tuple or kind is list:
            return kind(self.find_parents(a, f"{position}.{i}", found) for i, a in enumerate(arg))
        if kind is dict:
            return {k: self.find_parents(a, f"{position}.{k}", found) for k, a in arg.items()}
        return arg

    def preserve_values(self, written: list[torch.Tensor]) -> None:
        """Clone the kept values that share memory with ``written``, before it changes."""
        for storage in {read_storage(t) for t in written}:
            for value in self._storages.get(storage, ()):
                if value.tensor is not None and value.tensor is value.ref():
                    value.tensor = self._copy(value.tensor)

    def renew_aliases(self, written: list[torch.Tensor], index: int, keep: bool) -> None:
        """Give every live tensor that shares memory with ``written`` a new value, made by event ``index``.

        What was written into the model's own tensors or its inputs is kept as a clone: those outlive the pass.
        """
        for storage in {read_storage(t) for t in written}:
            old = self._storages.pop(storage, [])
            values = self._storages[storage] = [v for v in old if v.kind != "op" or v.source == index]
            for tensor in [t for t in (v.ref() for v in old) if t is not None]:
                current = self.look_up(tensor)
                if current is not None and not (current.kind == "op" and current.source == index):
                    self.set_value(self.make_value("op", index, 0, tensor, keep), tensor)
            if keep and any(v.kind != "op" for v in values):
                for value in values:
                    if value.kind == "op" and value.tensor is not None:
                        value.tensor = self._copy(value.tensor)

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        if self._gradients:
            return tensor.clone()
        with torch.no_grad():
            return tensor.detach().clone()


def find_written(call: Call, args: tuple, kwargs: dict) -> list[torch.Tensor]:
    """Return the tensors that a function-level call is about to overwrite."""
    written: list[torch.Tensor] = []
    if call.mutates and args:
        written.extend(iterate_tensors(args[0]))
    if kwargs and kwargs.get("out") is not None:
        written.extend(iterate_tensors(kwargs["out"]))
    flag = call.updates_statistics
    if flag and len(args) > flag and args[flag]:
        written.extend(t for t in args[3:5] if isinstance(t, _Tensor))
    return written
