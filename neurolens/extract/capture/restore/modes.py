"""Modes of a model and settings of the process that are changed for a pass and put back."""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.capture.restore.owners import hold_model


class _ProcessSetting:
    """A setting of the whole process that is changed while any thread is inside.

    The first to enter changes it, the last to leave puts it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._undo = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self.change(self._undo)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._undo.close()

    def change(self, undo: ExitStack) -> None:
        """Change the setting, and give ``undo`` what puts it back."""
        raise NotImplementedError


class _EagerKernels(_ProcessSetting):
    """Turns fused attention off and runs compiled code eagerly."""

    def change(self, undo: ExitStack) -> None:
        before = torch.backends.mha.get_fastpath_enabled()
        undo.callback(torch.backends.mha.set_fastpath_enabled, before)
        torch.backends.mha.set_fastpath_enabled(False)
        # Where the compiler was never imported nothing is compiled, and importing it takes a
        # second.
        if "torch._dynamo" in sys.modules:
            undo.enter_context(torch.compiler.set_stance("force_eager"))


class _FullPrecision(_ProcessSetting):
    """Multiplies matrices in the dtype they have."""

    def change(self, undo: ExitStack) -> None:
        # Newer versions of torch have a setting for each kind of device, and refuse to tell the
        # old one for all where they were set one by one.
        backends = [torch.backends.cuda, torch.backends.mkldnn]
        if all(hasattr(getattr(one, "matmul", None), "fp32_precision") for one in backends):
            for one in backends:
                self._change_device(one.matmul, undo)
            return
        before = torch.get_float32_matmul_precision()
        if before != "highest":
            undo.callback(torch.set_float32_matmul_precision, before)
            torch.set_float32_matmul_precision("highest")

    def _change_device(self, setting: Any, undo: ExitStack) -> None:
        before = setting.fp32_precision
        if before == "ieee":
            return
        # What is read is inherited where nothing is set.
        is_inherited = before == getattr(torch.backends, "fp32_precision", None)
        undo.callback(setattr, setting, "fp32_precision", "none" if is_inherited else before)
        setting.fp32_precision = "ieee"


_EAGER_KERNELS = _EagerKernels()
_FULL_PRECISION = _FullPrecision()


def open_attention() -> _EagerKernels:
    """Run attention op by op, as a function mode does, and compiled modules as their Python code.

    A plain run needs the same, so that it equals a recorded one bit for bit.
    """
    return _EAGER_KERNELS


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Multiply matrices in the dtype they have, whatever reduced precision the caller allows.

    Global settings of torch are restored at the end.
    """
    with _FULL_PRECISION, torch.autocast(device.type, enabled=False):
        yield


def release_memory() -> None:
    """Return free memory to the system.

    This is needed where the C library (glibc) would keep it.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put every module into evaluation mode, and each back into its own mode afterwards.

    The model is held meanwhile: other threads that want to run it with NeuroLens wait.
    """
    if not isinstance(model, nn.Module):
        raise InputError(
            f"model must be a torch.nn.Module, got {type(model).__name__}. Wrap it in a Module's "
            f"forward.",
            anchor="not-a-model",
        )
    with hold_model(model):
        before = [(module, module.training) for module in model.modules()]
        try:
            # Not model.eval(): a class may do more in a train() of its own, such as merge weights.
            for module, _ in before:
                module.training = False
            yield
        finally:
            for module, training in before:
                module.training = training
