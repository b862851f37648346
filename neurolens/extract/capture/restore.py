"""Contexts that change a model or settings of the process for a pass, and restore them."""

import copy
import ctypes
import random
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from neurolens.errors import InputError

_GENERATORS = (
    torch.Generator,
    np.random.Generator,
    np.random.BitGenerator,
    np.random.RandomState,
    random.Random,
)
PROCESS_GENERATORS = ("torch", "numpy", "python")
_MODULE_ATTRIBUTES = frozenset(vars(nn.Module()))
_DEEPEST = 4


class RandomStates:
    """States of random generators at one moment: the process's own, and those a model holds.

    Parameters
    ----------
    model : Module, optional
        Whose generators to look for: attributes of its modules, and entries of lists, tuples, sets
        and dicts there.

    Attributes
    ----------
    held : dict
        The model's generators by address, such as ``"noise.generator"``.
    """

    def __init__(self, model: nn.Module | None = None) -> None:
        self.held = {} if model is None else find_generators(model)
        self._torch = torch.get_rng_state()
        self._numpy = np.random.get_state()
        self._python = random.getstate()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        self._held = {
            address: _read_generator(generator) for address, generator in self.held.items()
        }

    def restore(self) -> None:
        """Put all generators back."""
        torch.set_rng_state(self._torch)
        np.random.set_state(self._numpy)
        random.setstate(self._python)
        if self._cuda:
            torch.cuda.set_rng_state_all(self._cuda)
        for address, state in self._held.items():
            _write_generator(self.held[address], state)

    def seed(self, number: int) -> None:
        """Seed all generators: those of the process, and those that the model holds."""
        torch.manual_seed(number)
        np.random.seed(number % 2**32)
        random.seed(number)
        for address, generator in self.held.items():
            _seed_generator(generator, (number + zlib.crc32(address.encode())) % 2**63)

    def list_drawn(self) -> list[str]:
        """Return the names of the generators whose state has changed.

        These are ``"torch"``, ``"numpy"``, ``"python"``, and the addresses of generators that the
        model holds.
        """
        cuda = torch.cuda.get_rng_state_all() if self._cuda else []
        # Not part of the model, if this runs while a pass is recorded.
        with torch._C.DisableTorchFunction():
            moved = {
                "torch": not _equal_states(
                    (self._torch, self._cuda), (torch.get_rng_state(), cuda)
                ),
                "numpy": not _equal_states(self._numpy, np.random.get_state()),
                "python": self._python != random.getstate(),
            }
            for address, state in self._held.items():
                moved[address] = not _equal_states(state, _read_generator(self.held[address]))
        return [name for name, drawn in moved.items() if drawn]


@contextmanager
def preserve_random_states(model: nn.Module | None = None) -> Iterator[RandomStates]:
    """Restore the states of random generators afterwards.

    These are the generators of torch (all devices), numpy and Python, and those of a model's
    modules.
    """
    states = RandomStates(model)
    try:
        yield states
    finally:
        states.restore()


def find_generators(model: nn.Module) -> dict[str, Any]:
    """Return the random generators that a model's modules hold, by address.

    They are attributes of modules, or in containers there.
    """
    found: dict[str, Any] = {}
    for address, module in model.named_modules():
        for name, value in vars(module).items():
            if name not in _MODULE_ATTRIBUTES:
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


class _EagerKernels:
    """Turns fused attention off and runs compiled code eagerly, while any thread is inside.

    Both are settings of the whole process: the first pass to enter saves them, the last one to
    leave restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._undo = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                before = torch.backends.mha.get_fastpath_enabled()
                self._undo.callback(torch.backends.mha.set_fastpath_enabled, before)
                torch.backends.mha.set_fastpath_enabled(False)
                # Where the compiler was never imported nothing is compiled, and importing it takes
                # a second.
                if "torch._dynamo" in sys.modules:
                    self._undo.enter_context(torch.compiler.set_stance("force_eager"))

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._undo.close()


_EAGER_KERNELS = _EagerKernels()


def open_attention() -> _EagerKernels:
    """Run attention op by op, as a function mode does, and compiled modules as their Python code.

    A plain run needs the same, so that it equals a recorded one bit for bit.
    """
    return _EAGER_KERNELS


def release_memory() -> None:
    """Return free memory to the system.

    This is needed where the C library (glibc) would keep it.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put every module into evaluation mode, and each back into its own mode afterwards."""
    if not isinstance(model, nn.Module):
        raise InputError(
            f"model must be a torch.nn.Module, got {type(model).__name__}. Wrap it in a Module's "
            f"forward."
        )
    before = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in before:
            module.training = training


@contextmanager
def preserve_buffers(model: nn.Module) -> Iterator[None]:
    """Restore every module's buffers afterwards: the same tensors, with the content they had."""
    before = [
        (
            module,
            name,
            buffer,
            None if buffer is None or buffer.is_meta else buffer.detach().clone(),
        )
        for module in model.modules()
        for name, buffer in module._buffers.items()
    ]
    try:
        yield
    finally:
        for module in model.modules():
            module._buffers.clear()
        with torch.no_grad():
            for module, name, buffer, content in before:
                module._buffers[name] = buffer
                if buffer is not None and content is not None and not torch.equal(buffer, content):
                    buffer.copy_(content)


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Multiply matrices in the dtype they have, whatever reduced precision the caller allows.

    Global settings of torch are restored at the end.
    """
    precision = torch.get_float32_matmul_precision()
    try:
        if precision != "highest":
            torch.set_float32_matmul_precision("highest")
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        if torch.get_float32_matmul_precision() != precision:
            torch.set_float32_matmul_precision(precision)
