"""Random generators of the process and of a model, which are as before after every pass."""

import copy
import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from neurolens.extract.capture.modules.parts import ModelParts, list_parts
from neurolens.extract.capture.restore.owners import hold_generators

_GENERATORS = (
    torch.Generator,
    np.random.Generator,
    np.random.BitGenerator,
    np.random.RandomState,
    random.Random,
)
PROCESS_GENERATORS = ("torch", "numpy", "python")
_DEEPEST = 4


class RandomStates:
    """States of random generators at one moment: the process's own, and those a model holds.

    Parameters
    ----------
    model : Module, optional
        Whose generators to look for: attributes of its modules, and entries of lists, tuples, sets
        and dicts there.
    parts : ModelParts, optional
        Of the model, where they are known.

    Attributes
    ----------
    held : dict
        The model's generators by address, such as ``"noise.generator"``.
    """

    def __init__(self, model: nn.Module | None = None, parts: ModelParts | None = None) -> None:
        if model is not None:
            parts = parts or list_parts(model)
        self.held = {} if parts is None else find_generators(parts)
        self._is_torch_left = False
        self._torch = torch.get_rng_state()
        self._numpy = np.random.get_state()
        self._python = random.getstate()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        self._held = {
            address: _read_generator(generator) for address, generator in self.held.items()
        }

    def restore(self) -> None:
        """Put all generators back, those of torch only where `leave_torch` was not called."""
        if not self._is_torch_left:
            torch.set_rng_state(self._torch)
            if self._cuda:
                torch.cuda.set_rng_state_all(self._cuda)
        np.random.set_state(self._numpy)
        random.setstate(self._python)
        for address, state in self._held.items():
            _write_generator(self.held[address], state)

    def seed(self, number: int) -> None:
        """Seed all generators: those of the process, and those that the model holds."""
        torch.manual_seed(number)
        np.random.seed(number % 2**32)
        random.seed(number)
        for address, generator in self.held.items():
            _seed_generator(generator, (number + zlib.crc32(address.encode())) % 2**63)

    def leave_torch(self) -> None:
        """Leave torch's own generators as they are: what was run drew nothing from them.

        If their states have changed, another thread has drawn, whose numbers must not come again.
        """
        self._is_torch_left = True

    def list_drawn(self) -> list[str]:
        """Return the names of the generators whose state has changed.

        These are ``"torch"``, ``"numpy"``, ``"python"``, and the addresses of generators that the
        model holds.
        """
        cuda = torch.cuda.get_rng_state_all() if self._cuda else []
        # Not part of the model, if this runs while a pass is recorded.
        with torch._C.DisableTorchFunction():
            moved = {
                "torch": not self._is_torch_left
                and not _equal_states((self._torch, self._cuda), (torch.get_rng_state(), cuda)),
                "numpy": not _equal_states(self._numpy, np.random.get_state()),
                "python": self._python != random.getstate(),
            }
            for address, state in self._held.items():
                moved[address] = not _equal_states(state, _read_generator(self.held[address]))
        return [name for name, drawn in moved.items() if drawn]


@contextmanager
def preserve_random_states(
    model: nn.Module | None = None, parts: ModelParts | None = None
) -> Iterator[RandomStates]:
    """Restore the states of random generators afterwards.

    These are the generators of torch (all devices), numpy and Python, and those of a model's
    modules. Other threads wait before they do so too.
    """
    with hold_generators():
        states = RandomStates(model, parts)
        try:
            yield states
        finally:
            states.restore()


def find_generators(parts: ModelParts) -> dict[str, Any]:
    """Return the random generators that a model's modules hold, by address.

    They are attributes of modules, or in containers there.
    """
    found: dict[str, Any] = {}
    for address, attributes in parts.attributes.items():
        for name, value in attributes.items():
            _collect_generators(value, f"{address}.{name}".removeprefix("."), found, 0)
    return found


def _collect_generators(value: Any, address: str, found: dict[str, Any], depth: int) -> None:
    if isinstance(value, _GENERATORS):
        if not isinstance(value, random.SystemRandom):
            found[address] = value
    elif isinstance(value, (list, tuple, dict, set, frozenset)) and depth < _DEEPEST:
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, entry in entries:
            _collect_generators(entry, f"{address}[{key!r}]", found, depth + 1)


def _read_generator(generator: Any) -> Any:
    if isinstance(generator, (torch.Generator, np.random.RandomState)):
        return generator.get_state()
    if isinstance(generator, random.Random):
        return generator.getstate()
    return copy.deepcopy(getattr(generator, "bit_generator", generator).state)


def _write_generator(generator: Any, state: Any) -> None:
    if isinstance(generator, (torch.Generator, np.random.RandomState)):
        generator.set_state(state)
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    else:
        getattr(generator, "bit_generator", generator).state = state


def _seed_generator(generator: Any, number: int) -> None:
    if isinstance(generator, torch.Generator):
        generator.manual_seed(number)
    elif isinstance(generator, np.random.RandomState):
        generator.seed(number % 2**32)
    elif isinstance(generator, random.Random):
        generator.seed(number)
    else:
        bits = getattr(generator, "bit_generator", generator)
        bits.state = type(bits)(number).state


def _equal_states(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, dict):
        return all(_equal_states(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return all(map(_equal_states, a, b))
    return a == b
