"""Results of checks, and how results of ops are compared."""

from typing import Any, NamedTuple

from neurolens.errors import InputError, RecordingError
from neurolens.extract.capture.aten import UNSEEN
from neurolens.extract.capture.forward import ModelCall, record_kernels
from neurolens.extract.capture.trees import iterate_tensors
from neurolens.extract.validation.replay import equal_bits


class Finding(NamedTuple):
    """The result of one check of one op, or of the whole pass where ``op`` is empty.

    ``status`` is ``"failed"``, ``"unverified"`` or ``"exempt"``.
    """

    op: str
    check: str
    status: str
    reason: str


def refuse_unreadable(call: ModelCall) -> None:
    """Raise InputError for inputs whose values cannot be compared bit for bit."""
    for tensor in iterate_tensors((call.args, call.kwargs)):
        if tensor.is_meta:
            raise InputError(
                "validation compares values, and a meta tensor has none. Pass inputs with values; "
                "trace accepts these."
            )
        if tensor.is_nested:
            raise InputError(
                "validation makes new inputs of the same shape, and a nested tensor has none. "
                "Pass a padded tensor, and a mask if the model takes one."
            )


def equal_results(a: Any, b: Any) -> bool:
    """Return whether two results hold the same tensors, bit for bit."""
    tensors = list(iterate_tensors(a))
    other_tensors = list(iterate_tensors(b))
    if len(tensors) != len(other_tensors):
        return False
    return all(map(equal_bits, tensors, other_tensors))


def find_unrecorded_kernels(call: ModelCall) -> list[Finding]:
    """Return a finding for each aten kernel that ran while no recorded function did."""
    try:
        recording = record_kernels(call.copy_inputs(), keep=None)
    except RecordingError as error:
        reason = f"the kernels could not be watched: {error.message}"
        return [Finding("", "census", "unverified", reason)]
    findings = []
    for event in recording.events:
        if event.composite.endswith(f"/{UNSEEN}"):
            reason = f"kernel {event.call.exact} ran outside every recorded op"
            findings.append(Finding(event.name, "census", "unverified", reason))
    return findings
