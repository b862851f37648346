"""Contexts that lend a model or the process's settings to a pass and put everything back."""

import ctypes
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import nn

from neurolens.errors import InputError


@contextmanager
def preserve_random_states() -> Iterator[None]:
    """Put the generators of torch (all devices), numpy and Python back to where they were."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


class _EagerKernels:
    """Fused attention off and compiled code eager, while any thread is inside.

    Both are settings of the whole process: the first pass in saves them, the last one out puts them back.
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
                # Where the compiler was never imported nothing is compiled, and importing it takes a second.
                if "torch._dynamo" in sys.modules:
                    self._undo.enter_context(torch.compiler.set_stance("force_eager"))

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._undo.close()


_EAGER_KERNELS = _EagerKernels()


def open_attention() -> _EagerKernels:
    """Run attention op by op, as an active function mode does, and compiled modules as their Python.

    A plain run needs the same, so that it equals a recorded one bit for bit.
    """
    return _EAGER_KERNELS


def release_memory() -> None:
    """Give memory that is free back to the system, where the C library keeps it otherwise (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put every module into evaluation mode, and each back into its own mode afterwards."""
    if not isinstance(model, nn.Module):
        raise InputError(f"model must be a torch.nn.Module, got {type(model).__name__}. Wrap it in a Module's forward.")
    before = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in before:
            module.training = training


@contextmanager
def preserve_buffers(model: nn.Module) -> Iterator[None]:
    """Put every module's buffers back: the same tensors, with the content they had."""
    before = [
        (module, name, buffer, None if buffer is None or buffer.is_meta else buffer.detach().clone())
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
