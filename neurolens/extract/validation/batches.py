"""Whether rows of the output follow rows of the inputs, whatever else is in the batch."""

from collections.abc import Sequence
from typing import Any

import torch

from neurolens.errors import RecordingError
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.differences import measure_difference
from neurolens.extract.capture.events import Recording
from neurolens.extract.capture.forward import ModelCall, record_forward
from neurolens.extract.capture.trees import iterate_tensors, replace_tensors
from neurolens.extract.validation.findings import Finding

_REASON = (
    "the output for a row of the inputs depends on the other rows or on their order: values listed "
    "by stimulus would not be the stimulus's own"
)


def find_mixing(call: ModelCall) -> list[Finding]:
    """Return a finding where the rows of a batch do not get outputs of their own.

    The batch is run whole, and again without its first row and in reverse order, each row with the
    same random numbers. Nothing is found where the inputs have no common axis of two rows or more,
    where no output grows with it, or where random numbers cannot be drawn for each row. The axis is
    the first; in models with modules of ``batch_first=False`` it may be the second instead.
    """
    is_second = any(getattr(m, "batch_first", True) is False for m in call.model.modules())
    findings: list[Finding] = []
    for axis in (0, 1) if is_second else (0,):
        findings = _compare_rows(call, axis)
        if not findings:
            break
    return findings


def _compare_rows(call: ModelCall, axis: int) -> list[Finding]:
    n_rows = count_rows(call, axis)
    if n_rows < 2:
        return []
    rows = list(reversed(range(n_rows)))[: max(n_rows - 1, 1)]
    try:
        whole = _run(call, range(n_rows))
        part = _run(_take_rows(call, rows, axis), rows)
    except RecordingError:
        reason = "the model does not accept a part of the batch"
        return [Finding("", "batch", "exempt", reason)]
    outputs = list(iterate_tensors(whole.result))
    others = list(iterate_tensors(part.result))
    if whole.drawn or part.drawn or len(outputs) != len(others):
        return []
    precision = _find_precision(whole)
    for output, other in zip(outputs, others, strict=True):
        if not _rows_follow(output, other, rows, n_rows, precision):
            return [Finding("", "batch", "unverified", _REASON)]
    return []


def count_rows(call: ModelCall, axis: int = 0) -> int:
    """Return the length of an axis that all inputs share, 0 where there is none."""
    tensors = list(iterate_tensors((call.args, call.kwargs)))
    if not tensors:
        return 0
    for tensor in tensors:
        if tensor.layout != torch.strided or tensor.is_nested or tensor.ndim < 2 + axis:
            return 0
    lengths = {tensor.shape[axis] for tensor in tensors}
    return lengths.pop() if len(lengths) == 1 else 0


def _take_rows(call: ModelCall, rows: Sequence[int], axis: int) -> ModelCall:
    """Return the call with some rows of its inputs."""
    inputs = (call.args, call.kwargs)
    parts = {}
    for tensor in iterate_tensors(inputs):
        index = torch.as_tensor(rows, device=tensor.device)
        parts[id(tensor)] = tensor.index_select(axis, index)
    args, kwargs = replace_tensors(inputs, parts)
    return ModelCall(call.model, args, kwargs)


def _run(call: ModelCall, rows: Sequence[int]) -> Recording:
    noise = StimulusNoise()
    noise.begin([str(row) for row in rows])
    return record_forward(call.copy_inputs(), keep=lambda name: False, noise=noise)


def _find_precision(recording: Recording) -> float:
    """Return the coarsest machine precision of the results of a pass."""
    dtypes = {spec.dtype for event in recording.events for spec in event.specs}
    floating = [dtype for dtype in dtypes if dtype.is_floating_point or dtype.is_complex]
    return max((torch.finfo(dtype).eps for dtype in floating), default=0.0)


def _rows_follow(whole: Any, part: Any, rows: Sequence[int], n_rows: int, precision: float) -> bool:
    """Return False where an output grows with the rows and has other values for one of them."""
    axis = _find_axis(whole, part, len(rows), n_rows)
    if axis is None or whole.dtype != part.dtype:
        return True
    group = whole.shape[axis] // n_rows
    index = torch.as_tensor(rows, device=whole.device)
    for sizes, position in (((-1, group), axis), ((group, -1), axis + 1)):
        expected = whole.unflatten(axis, sizes).index_select(position, index)
        if measure_difference(part.unflatten(axis, sizes), expected, precision) <= 1:
            return True
    return False


def _find_axis(whole: Any, part: Any, n_part: int, n_rows: int) -> int | None:
    """Return the one axis that grows in proportion to the number of rows."""
    if whole.layout != torch.strided or whole.ndim != part.ndim or whole.is_quantized:
        return None
    pairs = zip(whole.shape, part.shape, strict=True)
    grown = [i for i, (a, b) in enumerate(pairs) if a != b]
    if len(grown) != 1:
        return None
    axis = grown[0]
    fits = whole.shape[axis] % n_rows == 0
    return axis if fits and whole.shape[axis] * n_part == part.shape[axis] * n_rows else None
