"""Floating-point operations of an op, by torch's own formulas."""

from collections.abc import Callable

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from neurolens.extract.capture.events import Event, Recording, Value
from neurolens.extract.capture.trees import replace_leaves


class _FlopCounter(TorchDispatchMode):
    """Adds up floating-point operations of the kernels that run, by torch's own formulas."""

    def __init__(self) -> None:
        from torch.utils.flop_counter import flop_registry

        super().__init__()
        self.total = 0
        self._formulas = flop_registry

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        formula: Callable | None = self._formulas.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


def count_flops(event: Event, recording: Recording) -> int | None:
    """Return the floating-point operations of one op, by torch's formulas.

    They count matrix products, convolutions and attention. The op runs once more on tensors without
    data. The result is None where it cannot (its shape depends on values).
    """

    def make_empty(value: Value, _: str) -> torch.Tensor:
        if value.tensor is not None:
            return torch.empty_like(value.tensor, device="meta")
        spec = recording.events[value.source].specs[value.output]
        return torch.empty(spec.shape, dtype=spec.dtype, device="meta")

    if not event.parents:
        return 0
    try:
        args, kwargs = replace_leaves((event.args, event.kwargs), Value, make_empty)
        with torch.no_grad(), _FlopCounter() as counter:
            event.func(*args, **kwargs)
    except Exception:
        return None
    return counter.total
