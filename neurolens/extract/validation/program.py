"""The recorded ops run as a program on new inputs, and compared with the model."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from neurolens.errors import RecordingError, tell_error
from neurolens.extract.capture.events import Event, Recording
from neurolens.extract.capture.forward import ModelCall, record_forward
from neurolens.extract.capture.trees import replace_leaves
from neurolens.extract.validation.data_dependence import find_steering
from neurolens.extract.validation.findings import Finding, equal_results
from neurolens.extract.validation.perturb import renew_input
from neurolens.extract.validation.replay import UNINITIALISED, find_obstacle, run_program

_N_WAYS = 3
_N_INPUTS = 2
_STEERS = "sizes read from values steer the pass unseen"


class NewInputs(NamedTuple):
    """New inputs for the model, and the same tensors by name for the recorded program."""

    call: ModelCall
    by_name: dict[str, torch.Tensor]


def compare_program(
    recording: Recording, call: ModelCall, *, blind: bool
) -> tuple[list[Finding], set[int]]:
    """Return where the recorded ops and the model differ on new inputs, and resized events.

    Findings are failed, or unverified where the graph is known not to hold everything: sizes that
    follow from values, gradients, generators, or ``blind``. Nothing is run where a host read steers
    the pass: on other inputs it may never end.
    """
    resized: set[int] = set()
    if not recording.inputs or not recording.outputs or find_steering(recording, ()):
        return [], resized
    differences: list[Finding | None] = []
    for way in range(_N_WAYS):
        new = renew_inputs(recording, call, way)
        try:
            expected = record_forward(new.call.copy_inputs())
        except RecordingError:
            continue
        differences.append(run_again(recording, expected, new.by_name, resized))
        if len(differences) == _N_INPUTS:
            break
    if not differences:
        reason = "the model does not accept other inputs of the same kind"
        return [Finding("", "program", "exempt", reason)], resized
    is_incomplete = blind or bool(resized) or any(map(find_obstacle, recording.events))
    findings = _weaken_findings(differences, is_incomplete, bool(resized))
    return findings + _find_sizes_read(recording, resized), resized


def _weaken_findings(
    differences: Sequence[Finding | None], is_incomplete: bool, is_resized: bool
) -> list[Finding]:
    """Return distinct findings, unverified rather than failed where the graph is incomplete."""
    findings = []
    for finding in dict.fromkeys(one for one in differences if one is not None):
        status = "unverified" if is_incomplete else finding.status
        reason = f"{finding.reason} ({_STEERS})" if is_resized else finding.reason
        findings.append(finding._replace(status=status, reason=reason))
    return findings


def _find_sizes_read(recording: Recording, resized: set[int]) -> list[Finding]:
    """Return a finding for each op whose size follows from values and was read by Python."""
    read = {value.source for value in recording.size_reads if value.kind == "op"}
    reason = f"its size follows from values and was read by Python: {_STEERS}"
    names = [recording.events[i].name for i in sorted(resized & read)]
    return [Finding(name, "program", "unverified", reason) for name in names]


def renew_inputs(recording: Recording, call: ModelCall, way: int) -> NewInputs:
    """Return new inputs of the same kind."""
    renewed: dict[int, torch.Tensor] = {}
    reached: set[str] = set()

    def renew(tensor: torch.Tensor, name: str) -> torch.Tensor:
        reached.add(name)
        return renewed.setdefault(id(tensor), renew_input(tensor, way))

    if len(call.args) == 1:
        args = (replace_leaves(call.args[0], torch.Tensor, renew, "input"),)
    else:
        args = replace_leaves(call.args, torch.Tensor, renew, "input")
    kwargs = replace_leaves(call.kwargs, torch.Tensor, renew, "input")
    # What an object of the user's own holds stays as it is, in the model and in the program.
    by_name = {}
    for value in recording.inputs.values():
        if value.tensor is not None:
            is_new = value.source in reached
            by_name[value.source] = renew_input(value.tensor, way) if is_new else value.tensor
    return NewInputs(ModelCall(call.model, args, kwargs), by_name)


def run_again(
    recording: Recording,
    expected: Recording,
    inputs: dict[str, torch.Tensor],
    resized: set[int],
) -> Finding | None:
    """Run the recorded ops on new inputs; return how the first op differs from the model's.

    ``expected`` is a recording of the model on these inputs. Events that changed size are added to
    ``resized``.
    """
    n_alike = _count_alike(recording, expected)
    for i in range(n_alike):
        if _list_shapes(recording.events[i]) != _list_shapes(expected.events[i]):
            resized.add(i)
    if n_alike < max(len(recording.events), len(expected.events)):
        reason = "on new inputs the model runs other ops: something unseen steers the pass"
        return Finding("", "program", "unverified", reason)
    differing: list[str] = []
    uninitialised: set[int] = set()

    def compare_event(i: int, tensors: list[torch.Tensor]) -> None:
        event = recording.events[i]
        other = expected.events[i]
        if _reads_uninitialised(event, uninitialised):
            uninitialised.add(i)
            return
        values = [value.tensor for value in other.outputs]
        is_same = equal_results(tensors, values)
        if not is_same or describe_place(event) != describe_place(other):
            differing.append(event.name)

    try:
        outputs = run_program(recording, inputs, compare_event)
    except Exception as error:
        kind = type(error).__name__
        reason = f"the recorded ops raised {kind} on new inputs: {tell_error(error)}"
        return Finding("", "program", "failed", reason)
    if differing or not equal_results(outputs, expected.result):
        reason = "on new inputs the recorded ops and the model differ in values, parents or modules"
        return Finding((differing or [""])[0], "program", "failed", reason)
    return None


def _count_alike(recording: Recording, expected: Recording) -> int:
    """Return how many ops, from the first, have the same names in both recordings."""
    for i, (event, other) in enumerate(zip(recording.events, expected.events, strict=False)):
        if event.name != other.name:
            return i
    return min(len(recording.events), len(expected.events))


def _list_shapes(event: Event) -> list[torch.Size]:
    return [spec.shape for spec in event.specs]


def _reads_uninitialised(event: Event, uninitialised: set[int]) -> bool:
    """Return whether an op makes memory without values, or reads such memory."""
    if event.call.function in UNINITIALISED:
        return True
    return any(value.kind == "op" and value.source in uninitialised for value, _ in event.parents)


def describe_place(event: Event) -> tuple:
    """Return the module call that an op ran in and what fed it."""
    parents = []
    for value, position in event.parents:
        parents.append((value.kind, value.source, value.output, position))
    return event.scope.address, event.scope.call, parents
